/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-pair encoding: neighbours are joined, the pair of lowest rank first, until no pair has a rank.
 * Source: models/bpe/model.rs and word.rs of huggingface/tokenizers. */
#ifndef DEBERTA_TEXT_BPE_H
#define DEBERTA_TEXT_BPE_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/models/trie.h"

struct bpe_merge; /* in bpe.c */

struct bpe_token {
    int32_t id;
    /* A cache: the token as a word encodes to itself alone. A race is benign, as all threads write the same. */
    _Atomic bool encodes_to_itself;
};

struct bpe {
    /* From tokens to indices in `tokens`. With byte level, tokens are bytes without the suffix, and only those that can
     * be a whole word. */
    struct trie trie;
    struct bpe_token *tokens;
    struct bpe_merge *merges; /* a hash table of pairs of ids */
    size_t merge_slots;       /* a power of two */
    bool byte_level, byte_fallback, fuse_unknown, ignore_merges;
    int32_t bytes[2][2][256]; /* byte level: the ids of single bytes: [not a word's first][a word's last], or -1 */
    int32_t fallback[256];    /* byte_fallback: the ids of <0xHH>, or -1 */
    int32_t unknown;          /* negative: a character that is not a token is dropped */
    char *prefix, *suffix;    /* continuing_subword_prefix, end_of_word_suffix */
    size_t prefix_size, suffix_size;
};

/* One thread's buffers for one model. */
struct bpe_scratch {
    struct bpe_symbol *symbols;
    size_t symbol_capacity;
    struct bpe_link *links;
    size_t link_capacity;
    uint64_t *queue;
    size_t queue_capacity;
    struct bpe_word *words; /* a cache of words that are not tokens, with their ids */
    size_t word_slots, words_met;
};

MUST_USE enum deberta_status bpe_init(struct bpe *bpe, const struct deberta_vocabulary *vocabulary, bool byte_level);
void bpe_release(struct bpe *bpe);
void bpe_scratch_release(struct bpe_scratch *scratch);

/* As subword_encode. Time is at most n log n in the size of the word. */
MUST_USE enum deberta_status bpe_encode(const struct bpe *bpe, struct bpe_scratch *scratch, const char *word,
                                        size_t size, struct ids *ids, struct spans *ranges);

#endif
