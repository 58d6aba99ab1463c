/* SPDX-License-Identifier: Apache-2.0 */
/* The stages put together: one text in, its ids out. */
#ifndef DEBERTA_TEXT_TOKENIZER_H
#define DEBERTA_TEXT_TOKENIZER_H

#include "deberta.h"
#include "text/added.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/template.h"
#include "text/unigram.h"

struct deberta_tokenizer {
    struct deberta_tokenizer_options options;
    struct added added;
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    char *normalized_token; /* what the pretokenizer looks for */
    struct unigram unigram;
    struct template template;
    bool has_plain;      /* plain is in use */
    bool plain[256];     /* bytes of which words are made that need no normalising and no cutting */
    size_t count;        /* ids */
    char *pieces;        /* the strings of the ids, one after the other */
    size_t *piece_start; // (count + 1)
};

/* One thread's buffers. Starts as {0}. */
struct tokenizer_scratch {
    struct bytes lower, normal;
    struct words words;
    struct unigram_scratch unigram;
};

void tokenizer_scratch_release(struct tokenizer_scratch *scratch);

/* Appends the ids of a text, without special tokens around it. */
MUST_USE enum deberta_status tokenizer_encode_text(const struct deberta_tokenizer *tokenizer,
                                                   struct tokenizer_scratch *scratch, struct deberta_text text,
                                                   struct ids *ids);

#endif
