/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layernorm.h"

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define NORM_ROWS 8   /* rows that a thread normalises at a time */
#define OPERATIONS 20 /* about, for an element: what its memory takes counted too */

static void normalise_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct layernorm *n = context;
    size_t row = index * NORM_ROWS, ld = n->stride;
    kernels->layernorm(n->x + row * ld, n->added ? n->added + row * ld : NULL, n->gain, n->bias, n->epsilon,
                       min_size(NORM_ROWS, n->rows - row), n->size, ld, n->x + row * ld);
}

void layernorm_apply(const struct layernorm *norm)
{
    double operations = (double)(OPERATIONS * NORM_ROWS * norm->size);
    parallel_for((norm->rows + NORM_ROWS - 1) / NORM_ROWS, threads_grain(operations), normalise_block,
                 (void *)(uintptr_t)norm);
}
