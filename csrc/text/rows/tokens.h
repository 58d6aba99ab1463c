/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of one text, and what is told of each when it is asked for. */
#ifndef DEBERTA_TEXT_TOKENS_H
#define DEBERTA_TEXT_TOKENS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"

struct tokens {
    unsigned wanted; /* of enum deberta_want; arrays that nobody wants stay empty */
    struct ids ids;
    struct spans spans;    /* DEBERTA_WANT_SPANS: code points of the text (of the word, when the text came as words) */
    struct ids words;      /* DEBERTA_WANT_WORDS: which word */
    struct bytes strings;  /* DEBERTA_WANT_STRINGS: what each token is in the normalised text, one after the other */
    struct ids string_end; /* where each of them ends in `strings` */
};

void tokens_clear(struct tokens *tokens); /* keeps `wanted` and the memory */
void tokens_release(struct tokens *tokens);

/* Room for as many tokens more; their strings are not counted. */
MUST_USE enum deberta_status tokens_reserve(struct tokens *tokens, size_t more);
/* Appends all that is wanted but the ids of the tokens [start, end) of a text, of which as much is told, into room that
 * was reserved. */
MUST_USE enum deberta_status tokens_tell(struct tokens *to, const struct tokens *from, size_t start, size_t end);
/* The same of a token that stands for nothing in a text. */
void tokens_tell_special(struct tokens *to);

#endif
