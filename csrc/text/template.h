/* SPDX-License-Identifier: Apache-2.0 */
/* How a row is put together: [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with type 1 from B on. */
#ifndef DEBERTA_TEXT_TEMPLATE_H
#define DEBERTA_TEXT_TEMPLATE_H

#include "base/array.h"

struct template
{
    int32_t cls, sep;
};

/* Ids that the template adds. */
size_t template_added(bool pair);

/* Appends a row. `second` is NULL for a single text; `special` tells whether to add [CLS] and [SEP]. */
MUST_USE enum deberta_status template_apply(const struct template *template, bool special, const struct ids *first,
                                            const struct ids *second, struct ids *ids, struct bytes *types);

#endif
