/* SPDX-License-Identifier: Apache-2.0 */
/* How many tokens of each text a row keeps. */
#ifndef DEBERTA_TEXT_TRUNCATION_H
#define DEBERTA_TEXT_TRUNCATION_H

#include "deberta.h"

struct lengths {
    size_t first, second; /* tokens without special ones; second is 0 for a single text */
};

/* What is wrong with the options before any text is seen: room for less than the special tokens. */
MUST_USE enum deberta_status truncation_check(const struct deberta_encode_options *options, bool pair);

/* Shortens the lengths to what fits; `row` names the text in messages. */
MUST_USE enum deberta_status truncation_apply(const struct deberta_encode_options *options, bool pair, size_t row,
                                              struct lengths *lengths);

#endif
