/* SPDX-License-Identifier: Apache-2.0 */
/* What a model makes of a word: the ids of its pieces and, when asked for, the bytes of the word that each stands for.
 */
#ifndef DEBERTA_TEXT_OUTPUT_H
#define DEBERTA_TEXT_OUTPUT_H

#include "text/aligned.h"

struct output {
    struct ids *ids;
    struct spans *ranges; /* NULL: not asked for */
};

MUST_USE static inline enum deberta_status output_append(struct output out, int32_t id, size_t start, size_t end)
{
    TRY(ids_append(out.ids, id));
    return out.ranges ? spans_append(out.ranges, (struct span){(uint32_t)start, (uint32_t)end}) : DEBERTA_OK;
}

#endif
