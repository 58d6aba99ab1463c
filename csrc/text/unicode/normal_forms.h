/* SPDX-License-Identifier: Apache-2.0 */
/* The normal forms of Unicode over an aligned text. */
#ifndef DEBERTA_TEXT_NORMAL_FORMS_H
#define DEBERTA_TEXT_NORMAL_FORMS_H

#include "text/aligned.h"
#include "text/unicode/unicode.h"

/* Bytes at the start that stay as they are, up to a character that changes, or that the next may join. */
size_t normal_forms_run(enum unicode_form form, const char *text, size_t size);

/* Appends the form of the character of `from` at *at and of those that join it, and moves *at behind them.
 * What was decomposed comes from the character that it was part of, and what was composed from the first of its parts;
 * where marks change places, each takes the place of as many characters as it stands for, in the new order. */
MUST_USE enum deberta_status form_apply(enum unicode_form form, const struct aligned *from, size_t *at,
                                        struct aligned *to);

#endif
