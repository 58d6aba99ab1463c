/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a tokenizer, of any type: from a word to the ids of its pieces. */
#ifndef DEBERTA_TEXT_SUBWORD_H
#define DEBERTA_TEXT_SUBWORD_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/models/bpe.h"
#include "text/models/unigram.h"
#include "text/models/wordpiece.h"

struct subword {
    enum deberta_model_type type;
    union {
        struct unigram unigram;
        struct wordpiece wordpiece;
        struct bpe bpe;
    };
};

/* One thread's buffers for one model. Starts as {0}. */
struct subword_scratch {
    struct unigram_scratch unigram;
    struct bpe_scratch bpe;
};

/* `byte_level`: the vocabulary has the characters of ByteLevel for the bytes of words; BPE only. */
MUST_USE enum deberta_status subword_init(struct subword *subword, const struct deberta_vocabulary *vocabulary,
                                          bool byte_level);
void subword_release(struct subword *subword);
void subword_scratch_release(struct subword_scratch *scratch);

/* Appends the ids of a word of valid UTF-8 and, unless `ranges` is NULL, the bytes of the word that each covers. */
MUST_USE enum deberta_status subword_encode(const struct subword *subword, struct subword_scratch *scratch,
                                            const char *word, size_t size, struct ids *ids, struct spans *ranges);

#endif
