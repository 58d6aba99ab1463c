/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a row, such as [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with type 1 from B on. */
#ifndef DEBERTA_TEXT_TEMPLATE_H
#define DEBERTA_TEXT_TEMPLATE_H

#include "deberta/tokenizer.h"
#include "text/rows/tokens.h"

struct template_parts {
    struct deberta_template_part *data;
    size_t size;
    size_t special; /* the number of special tokens */
};

struct template
{
    struct template_parts single, pair;
};

/* Copies the lists of a spec. `single` must hold the first text once and no second, `pair` each once; otherwise, and
 * for a negative id, DEBERTA_FORMAT. Released by template_release, also after a failure. */
MUST_USE enum deberta_status template_init(struct template *template, const struct deberta_tokenizer_spec *spec);
void template_release(struct template *template);

/* Ids that the template adds. */
size_t template_added(const struct template *template, bool pair);

/* Tokens [start, end) of a text. */
struct stretch {
    const struct tokens *tokens;
    size_t start, end;
};

/* Rows, one after the other. */
struct row_buffer {
    struct tokens tokens;
    struct bytes types;
    struct bytes sequences; /* DEBERTA_WANT_SEQUENCES: 0 or 1, -1 for tokens of the template */
};

/* Reserves room for `more` tokens. */
MUST_USE enum deberta_status row_buffer_reserve(struct row_buffer *rows, size_t more);
void row_buffer_release(struct row_buffer *rows);

/* Appends a row. `second` is NULL for a single text; `special`: with the special tokens. */
MUST_USE enum deberta_status template_apply(const struct template *template, bool special, const struct stretch *first,
                                            const struct stretch *second, struct row_buffer *rows);

#endif
