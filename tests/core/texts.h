/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of texts share. */
#ifndef DEBERTA_TESTS_TEXTS_H
#define DEBERTA_TESTS_TEXTS_H

#include <string.h>

#include "deberta.h"

#define MARK "\xE2\x96\x81" /* U+2581 */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static inline struct deberta_text text_of(const char *string)
{
    return (struct deberta_text){string, strlen(string)};
}

static uint32_t seed = 1;

/* The same random numbers in each run, in [0, below). */
static inline uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

#endif
