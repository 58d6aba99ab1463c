/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic: how many tokens of each text a row keeps, and the windows of the rest. */
#ifndef DEBERTA_TEXT_TRUNCATION_H
#define DEBERTA_TEXT_TRUNCATION_H

#include "base/memory.h"
#include "deberta/tokenizer.h"

/* The truncation that the options of a call ask for. */
struct truncation {
    enum deberta_truncation strategy;
    bool pair, left, overflow;
    size_t room; /* for the tokens of a row's texts */
    size_t stride;
};

/* Tokens without special ones. */
struct lengths {
    size_t first, second; /* second is 0 for a single text */
};

/* Tokens [start, end) of a text. */
struct window {
    size_t start, end;
};

/* Fails for wrong options before any text is read: a max_length below the `special` tokens of a row, or a stride that
 * leaves no room for new tokens. */
MUST_USE enum deberta_status truncation_init(struct truncation *truncation,
                                             const struct deberta_encode_options *options, bool pair, size_t special);

/* Shortens the lengths so that they fit; messages name `row`. */
MUST_USE enum deberta_status truncation_apply(const struct truncation *truncation, size_t row, struct lengths *lengths);

/* The number of windows of a text of `length` tokens, of which a row holds `kept`: 1 unless it overflows. */
static inline size_t truncation_windows(const struct truncation *truncation, size_t length, size_t kept)
{
    if (!truncation->overflow || kept == length)
        return 1;
    return 2 + (length - kept - 1) / (kept - truncation->stride);
}

/* Window 0 is the truncated text; each further one shares `stride` tokens with the one before. */
static inline struct window truncation_window(const struct truncation *truncation, size_t length, size_t kept,
                                              size_t number)
{
    size_t passed = number * (kept - truncation->stride);
    if (!truncation->left)
        return (struct window){passed, min_size(passed + kept, length)};
    size_t end = length - passed;
    return (struct window){end > kept ? end - kept : 0, end};
}

#endif
