/* SPDX-License-Identifier: Apache-2.0 */
/* The output of a model for a word: ids of its pieces and, if wanted, the bytes of the word that each covers.
 */
#ifndef DEBERTA_TEXT_OUTPUT_H
#define DEBERTA_TEXT_OUTPUT_H

#include "text/aligned.h"

struct output {
    struct ids *ids;
    struct spans *ranges; /* NULL: not wanted */
};

MUST_USE static inline enum deberta_status output_append(struct output out, int32_t id, size_t start, size_t end)
{
    TRY(ids_append(out.ids, id));
    return out.ranges ? spans_append(out.ranges, (struct span){(uint32_t)start, (uint32_t)end}) : DEBERTA_OK;
}

#endif
