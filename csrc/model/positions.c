/* SPDX-License-Identifier: Apache-2.0 */
#include "model/positions.h"

#include <math.h>

#include "base/memory.h"

#define LARGEST_REACH ((ptrdiff_t)1 << 21) /* longer than any text */

/* The bucket of a distance >= 0. At max_relative - 1 the quotient of logarithms is exactly 1. If the middle is beyond
 * that distance, the quotient is negative and buckets decrease, as in transformers. */
static ptrdiff_t bucket(ptrdiff_t distance, size_t buckets, size_t max_relative)
{
    ptrdiff_t middle = (ptrdiff_t)(buckets / 2);
    if (buckets == 0 || distance <= middle)
        return distance;
    double share = log((double)distance / (double)middle) / log((double)(max_relative - 1) / (double)middle);
    return middle + (ptrdiff_t)ceil(share * (double)(middle - 1));
}

/* The row of `sign` times a distance >= 0. */
static ptrdiff_t clamped_row(ptrdiff_t distance, ptrdiff_t sign, size_t buckets, size_t max_relative, ptrdiff_t span)
{
    ptrdiff_t row = sign * bucket(distance, buckets, max_relative) + span;
    return row < 0 ? 0 : row > 2 * span - 1 ? 2 * span - 1 : row;
}

static bool is_end(ptrdiff_t row, ptrdiff_t span)
{
    return row == 0 || row == 2 * span - 1;
}

enum deberta_status positions_init(struct distances *distances, size_t buckets, size_t max_relative)
{
    if (buckets == 1)
        return fail(DEBERTA_ARGUMENT, "position_buckets is 1; it must be 0 (none) or at least 2");
    if (buckets > 0 && max_relative == buckets / 2 + 1)
        return fail(
            DEBERTA_ARGUMENT,
            "max_relative_positions (or max_position_embeddings) is %zu, half of position_buckets = %zu plus 1, "
            "which divides by log(1); choose another value",
            max_relative, buckets);
    ptrdiff_t span = (ptrdiff_t)(buckets > 0 ? buckets : max_relative), reach = 0, direct = -1;
    while (reach < LARGEST_REACH &&
           (reach < span || !is_end(clamped_row(reach, 1, buckets, max_relative, span), span) ||
            !is_end(clamped_row(reach, -1, buckets, max_relative, span), span)))
        reach++;
    void *rows;
    TRY(memory_alloc((size_t)(2 * reach + 1), sizeof(int32_t), &rows));
    int32_t *row = rows;
    for (ptrdiff_t r = 0; r <= reach; r++) {
        row[reach + r] = (int32_t)clamped_row(r, 1, buckets, max_relative, span);
        row[reach - r] = (int32_t)clamped_row(r, -1, buckets, max_relative, span);
        if (direct == r - 1 && row[reach + r] == r + span && row[reach - r] == span - r)
            direct = r;
    }
    *distances = (struct distances){.span = (size_t)span, .direct = direct, .reach = reach, .row = row};
    return DEBERTA_OK;
}

void positions_release(struct distances *distances)
{
    memory_free((void *)(uintptr_t)distances->row);
    *distances = (struct distances){0};
}
