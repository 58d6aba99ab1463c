/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of one text, and the columns that a caller wants about them. */
#ifndef DEBERTA_TEXT_TOKENS_H
#define DEBERTA_TEXT_TOKENS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"

struct tokens {
    unsigned wanted; /* of enum deberta_want; other columns stay empty */
    struct ids ids;
    struct spans spans;    /* DEBERTA_WANT_SPANS: code points of the text (or of the word, for a text given as words) */
    struct ids words;      /* DEBERTA_WANT_WORDS: the number of the word */
    struct bytes strings;  /* DEBERTA_WANT_STRINGS: concatenated texts of the tokens, after normalising */
    struct ids string_end; /* the end of each in `strings` */
};

void tokens_clear(struct tokens *tokens); /* keeps `wanted` and the memory */
void tokens_release(struct tokens *tokens);

/* Reserves room for `more` tokens, without their strings. */
MUST_USE enum deberta_status tokens_reserve(struct tokens *tokens, size_t more);
/* Appends the wanted columns, except ids, of tokens [start, end) of a text that has the same columns; the room is
 * reserved. */
MUST_USE enum deberta_status tokens_append_columns(struct tokens *to, const struct tokens *from, size_t start,
                                                   size_t end);
/* The same for a token without a text. */
void tokens_append_empty(struct tokens *to);

#endif
