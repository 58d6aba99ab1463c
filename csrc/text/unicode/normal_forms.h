/* SPDX-License-Identifier: Apache-2.0 */
/* The normal forms of Unicode over an aligned text. */
#ifndef DEBERTA_TEXT_NORMAL_FORMS_H
#define DEBERTA_TEXT_NORMAL_FORMS_H

#include "text/aligned.h"
#include "text/unicode/unicode.h"

/* Bytes at the start that stay unchanged, up to a character that changes or that the next one may combine with. */
size_t normal_forms_run(enum unicode_form form, const char *text, size_t size);

/* Appends the form of the character of `from` at *at and of those that combine with it, and moves *at after them. A
 * decomposed part has the span of its character, a composed character that of its first part; reordered marks take the
 * spans of their characters in the new order. */
MUST_USE enum deberta_status form_apply(enum unicode_form form, const struct aligned *from, size_t *at,
                                        struct aligned *to);

#endif
