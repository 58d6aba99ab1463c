/* SPDX-License-Identifier: Apache-2.0 */
/* The unigram model: the segmentation of a text into pieces with the largest sum of scores. */
#ifndef DEBERTA_TEXT_UNIGRAM_H
#define DEBERTA_TEXT_UNIGRAM_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/models/trie.h"

/* The library whose arithmetic, pieces and bytes of unknown characters to reproduce. */
enum unigram_rule {
    UNIGRAM_TOKENIZERS,    /* words one by one, in double precision; every piece of the vocabulary can match */
    UNIGRAM_SENTENCEPIECE, /* whole sentences in single precision; only NORMAL and USER_DEFINED pieces match */
};

struct unigram {
    enum unigram_rule rule;
    struct trie trie;
    double *scores; /* by id */
    double unknown_score;
    int32_t unknown; /* negative: a text that needs it is an error */
    bool byte_fallback;
    int32_t bytes[256]; /* the pieces <0xHH>, or -1; when byte_fallback */
    size_t longest;     /* bytes of the longest piece */
    uint32_t mark;      /* the node of U+2581 in the trie, */
    bool has_mark;      /* if there is one */
    /* A cache by id: the piece as a word encodes to itself alone. A race is benign, as all threads write the same. */
    _Atomic bool *encodes_to_itself;
};

/* The best segmentation of a text up to a byte: its score and its last piece. */
struct unigram_cell {
    double score;
    uint32_t start;
    int32_t id;
};

/* One thread's buffers. */
struct unigram_scratch {
    struct unigram_cell *cells;
    size_t capacity;
    struct bytes word;
};

/* By the rule of tokenizers. A piece that occurs twice is an error in both. */
MUST_USE enum deberta_status unigram_init(struct unigram *unigram, const struct deberta_vocabulary *vocabulary);
/* By the rule of sentencepiece. */
MUST_USE enum deberta_status unigram_init_spm(struct unigram *unigram, const struct deberta_spm *spm);
void unigram_release(struct unigram *unigram);
void unigram_scratch_release(struct unigram_scratch *scratch);

/* Appends the ids of a text of valid UTF-8: a word, or for sentencepiece a whole sentence. Unless `ranges` is NULL,
 * also the bytes that each covers. Consecutive unknown characters are one token; as bytes, each byte has the range of
 * them all (tokenizers), or the last byte of a character has its range and the others are empty (sentencepiece).
 */
MUST_USE enum deberta_status unigram_encode(const struct unigram *unigram, struct unigram_scratch *scratch,
                                            const char *text, size_t size, struct ids *ids, struct spans *ranges);
/* The same for U+2581 followed by `word`. Only by the rule of tokenizers. */
MUST_USE enum deberta_status unigram_encode_word(const struct unigram *unigram, struct unigram_scratch *scratch,
                                                 const char *word, size_t size, struct ids *ids);

#endif
