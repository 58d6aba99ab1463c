/* SPDX-License-Identifier: Apache-2.0 */
/* A text between two stages and, for each of its bytes, the characters of the given text that it comes from.
 *
 * A stage reads one aligned text and writes another. Tracking costs time and is optional: everything here works without
 * it, too. Source of the rules: normalizer.rs and the like of huggingface/tokenizers. */
#ifndef DEBERTA_TEXT_ALIGNED_H
#define DEBERTA_TEXT_ALIGNED_H

#include <stdbool.h>

#include "base/array.h"

/* [start, end) in code points of the given text or in bytes of a word, as the user defines. */
struct span {
    uint32_t start, end;
};

struct spans {
    struct span *data;
    size_t size, capacity;
};

struct aligned {
    bool tracked;       /* set by the owner before the first text */
    size_t most;        /* limit of its bytes; 0: none */
    struct bytes text;  /* valid UTF-8 */
    struct spans spans; /* one per byte of the text; empty unless tracked */
};

MUST_USE static inline enum deberta_status spans_reserve(struct spans *spans, size_t more)
{
    void *data = spans->data;
    enum deberta_status status = array_reserve(&data, spans->size, &spans->capacity, more, sizeof *spans->data);
    spans->data = data;
    return status;
}

MUST_USE static inline enum deberta_status spans_append(struct spans *spans, struct span span)
{
    TRY(spans_reserve(spans, 1));
    spans->data[spans->size++] = span;
    return DEBERTA_OK;
}

void aligned_clear(struct aligned *aligned);
void aligned_release(struct aligned *aligned);

/* Reserves `more` bytes; DEBERTA_ARGUMENT beyond the limit of the text. */
MUST_USE enum deberta_status aligned_reserve(struct aligned *aligned, size_t more);
/* Appends a given text; `first` is the number of its first code point. Malformed bytes become U+FFFD.
 */
MUST_USE enum deberta_status aligned_read(struct aligned *aligned, const char *text, size_t size, uint32_t first);
/* Appends bytes that all come from `span`. */
MUST_USE enum deberta_status aligned_put(struct aligned *aligned, const char *text, size_t size, struct span span);
/* Appends the bytes [start, end) of another text with their spans. */
MUST_USE enum deberta_status aligned_copy(struct aligned *to, const struct aligned *from, size_t start, size_t end);

/* The span of the byte at `at`; {0, 0} when not tracked. */
static inline struct span aligned_span(const struct aligned *aligned, size_t at)
{
    return aligned->tracked ? aligned->spans.data[at] : (struct span){0, 0};
}

#endif
