/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of positions for tests of attention. */
#ifndef POSITION_TABLES_H
#define POSITION_TABLES_H

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "nn/position_table.h"

/* Packs the rows [R][heads * depth] of positions; a table of position keys runs from the last row to the first. */
static inline void pack_positions(const struct distances *d, size_t heads, size_t depth, const float *rows, size_t ld,
                                  bool from_the_end, float *table)
{
    size_t count = 2 * d->span;
    float *ordered = malloc(count * ld * sizeof *ordered);
    CHECK(ordered != NULL);
    for (size_t r = 0; r < count; r++)
        memcpy(ordered + r * ld, rows + (from_the_end ? count - 1 - r : r) * ld, ld * sizeof *ordered);
    position_table_pack(d, heads, depth, ordered, ld, table);
    free(ordered);
}

#endif
