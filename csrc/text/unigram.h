/* SPDX-License-Identifier: Apache-2.0 */
/* The unigram model: of all ways to write a text as pieces, the one with the largest sum of scores. */
#ifndef DEBERTA_TEXT_UNIGRAM_H
#define DEBERTA_TEXT_UNIGRAM_H

#include "base/array.h"
#include "text/spm.h"
#include "text/trie.h"

/* Whose arithmetic and whose set of pieces to follow. */
enum unigram_rule {
    UNIGRAM_TOKENIZERS,    /* words one by one, in double precision; every piece of the vocabulary can match */
    UNIGRAM_SENTENCEPIECE, /* whole sentences in single precision; only NORMAL and USER_DEFINED pieces match */
};

struct unigram {
    enum unigram_rule rule;
    struct trie trie;
    double *scores; /* by id */
    double unknown_score;
    int32_t unknown;
    bool byte_fallback;
    int32_t bytes[256]; /* pieces for the bytes of unknown characters, when byte_fallback */
    size_t longest;     /* bytes of the longest piece */
    uint32_t mark;      /* the node of U+2581, */
    bool has_mark;      /* if there is one */
    /* Whether a piece, met as a word, is its own best writing: asked once for each piece. A race is harmless because
     * all threads find the same answer. */
    _Atomic unsigned char *stands; /* by id: 0 not asked yet, 1 yes, 2 no */
};

/* The best way to write a text up to some byte: its score, and the piece that it ends with. */
struct unigram_cell {
    double score;
    uint32_t start;
    int32_t id;
};

/* One thread's. */
struct unigram_scratch {
    struct unigram_cell *cells;
    size_t capacity;
    struct bytes word;
};

/* Also finds out whether a piece occurs twice. */
MUST_USE enum deberta_status unigram_init(struct unigram *unigram, const struct spm *spm, enum unigram_rule rule);
void unigram_release(struct unigram *unigram);
void unigram_scratch_release(struct unigram_scratch *scratch);

/* Appends the ids of a text of valid UTF-8: a word, or for sentencepiece a whole sentence. */
MUST_USE enum deberta_status unigram_encode(const struct unigram *unigram, struct unigram_scratch *scratch,
                                            const char *text, size_t size, struct ids *ids);
/* The same for U+2581 followed by `word`. Only by the rule of tokenizers. */
MUST_USE enum deberta_status unigram_encode_word(const struct unigram *unigram, struct unigram_scratch *scratch,
                                                 const char *word, size_t size, struct ids *ids);

#endif
