/* SPDX-License-Identifier: Apache-2.0 */
/* How many tokens of each text a row keeps, and the windows into which the rest is cut: arithmetic alone. */
#ifndef DEBERTA_TEXT_TRUNCATION_H
#define DEBERTA_TEXT_TRUNCATION_H

#include "base/memory.h"
#include "deberta/tokenizer.h"

/* What the options of a call come to. */
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

/* Refuses what is wrong before any text is seen: a max_length below the `special` tokens of a row, and a stride that
 * leaves no room for anything new. */
MUST_USE enum deberta_status truncation_init(struct truncation *truncation,
                                             const struct deberta_encode_options *options, bool pair, size_t special);

/* Shortens the lengths to what fits; `row` names the texts in messages. */
MUST_USE enum deberta_status truncation_apply(const struct truncation *truncation, size_t row, struct lengths *lengths);

/* Into how many windows a text of `length` tokens falls of which a row holds `kept`: 1 unless it overflows. */
static inline size_t truncation_windows(const struct truncation *truncation, size_t length, size_t kept)
{
    if (!truncation->overflow || kept == length)
        return 1;
    return 2 + (length - kept - 1) / (kept - truncation->stride);
}

/* Number 0 is what stays; each further one shares `stride` tokens with the one before it. */
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
