/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/dropout.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define ROW_BLOCK 16  /* rows that a thread takes at a time */
#define OPERATIONS 10 /* approximate cost per element, including memory access */

struct dropout dropout_site(float probability, uint64_t seed, uint64_t site)
{
    double threshold = (double)probability * 0x1p32 + 0.5;
    return (struct dropout){.key = random_mix(random_mix(seed) ^ site),
                            .threshold = threshold < 0x1p32 ? (uint32_t)threshold : UINT32_MAX,
                            .scale = (float)(1.0 / (1.0 - (double)probability))};
}

struct job {
    const struct dropout *dropout;
    const float *x, *residual; // (rows, ld)
    size_t rows, columns, ld;
    uint64_t first;
    float *out; // (rows, ld)
};

static void drop_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct job *j = context;
    const struct dropout *d = j->dropout;
    size_t begin = index * ROW_BLOCK, end = min_size(begin + ROW_BLOCK, j->rows);
    for (size_t r = begin; r < end; r++)
        kernels->dropout(j->x + r * j->ld, j->residual ? j->residual + r * j->ld : NULL, j->columns,
                         j->first + r * j->columns, d->key, d->threshold, d->scale, j->out + r * j->ld);
}

void dropout_apply(const struct dropout *dropout, const float *x, const float *residual, size_t rows, size_t columns,
                   size_t ld, uint64_t first, float *out)
{
    struct job job = {dropout, x, residual, rows, columns, ld, first, out};
    double operations = (double)(OPERATIONS * ROW_BLOCK * columns);
    parallel_for((rows + ROW_BLOCK - 1) / ROW_BLOCK, threads_grain(operations), drop_block, &job);
}
