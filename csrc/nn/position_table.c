/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/position_table.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define LARGEST_BYTE 127.0f
#define LEAST_NUMBER 1e-30f /* positions whose numbers are all smaller count as zeros */

static size_t depth_of_bytes(size_t head_size)
{
    return 1 + (head_size + 3) / 4;
}

size_t position_table_depth(const struct attention *attention)
{
    return attention->bytes ? depth_of_bytes(attention->head_size) : attention->head_size / (attention->bf16 ? 2 : 1);
}

size_t position_table_floats(const struct distances *distances, size_t heads, size_t depth)
{
    return heads * depth * round_up(2 * distances->span, kernels->panel_width);
}

struct packing {
    const struct distances *distances;
    size_t head_size;
    const float *rows; // (2 * span, ld)
    size_t ld, first, end;
    float *table;
};

static void pack_head(size_t head, int worker, void *context)
{
    (void)worker;
    const struct packing *p = context;
    size_t width = kernels->panel_width, positions = 2 * p->distances->span;
    float *panels = p->table + head * position_table_floats(p->distances, 1, p->head_size);
    for (size_t i = p->first / width * width; i < p->end; i += width)
        kernels->pack(p->rows + i * p->ld + head * p->head_size, p->ld, min_size(width, positions - i), p->head_size,
                      panels + i * p->head_size);
}

void position_table_update(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                           size_t ld, size_t first, size_t end, float *table)
{
    struct packing packing = {distances, head_size, rows, ld, first, end, table};
    parallel_for(heads, threads_grain(10.0 * (double)((end - first) * head_size)), pack_head, &packing);
}

void position_table_pack(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                         size_t ld, float *table)
{
    position_table_update(distances, heads, head_size, rows, ld, 0, 2 * distances->span, table);
}

static void pack_head_bytes(size_t head, int worker, void *context)
{
    (void)worker;
    const struct packing *p = context;
    size_t width = kernels->panel_width, depth = depth_of_bytes(p->head_size);
    float *panels = p->table + head * position_table_floats(p->distances, 1, depth);
    for (size_t i = p->first; i < p->end; i++) {
        const float *row = p->rows + i * p->ld + head * p->head_size;
        float *scales = panels + i / width * depth * width, largest = 0.0f;
        int8_t *to = (int8_t *)(scales + width) + i % width;
        for (size_t d = 0; d < p->head_size; d++)
            largest = fmaxf(largest, fabsf(row[d]));
        bool zeros = largest < LEAST_NUMBER;
        scales[i % width] = zeros ? 0.0f : largest / LARGEST_BYTE;
        for (size_t d = 0; d < p->head_size; d++)
            to[d * width] = zeros ? 0 : (int8_t)lrintf(row[d] * (LARGEST_BYTE / largest));
    }
}

void position_table_pack_bytes(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                               size_t ld, float *table)
{
    size_t end = 2 * distances->span;
    struct packing packing = {distances, head_size, rows, ld, 0, end, table};
    parallel_for(heads, threads_grain(20.0 * (double)(end * head_size)), pack_head_bytes, &packing);
}
