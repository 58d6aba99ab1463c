/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layernorm.h"

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define NORM_ROWS 8   /* rows that a thread normalises at a time */
#define OPERATIONS 20 /* approximate cost per element, including memory access */

struct job {
    const struct norm *norm;
    const float *added;
    float *x;
    size_t rows;
};

static void normalise_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct job *job = context;
    const struct norm *n = job->norm;
    size_t row = index * NORM_ROWS, ld = n->stride;
    kernels->layernorm(job->x + row * ld, job->added ? job->added + row * ld : NULL, n->gain, n->bias, n->epsilon,
                       min_size(NORM_ROWS, job->rows - row), n->size, ld, job->x + row * ld);
}

void norm_apply(const struct norm *norm, const float *added, float *x, size_t rows)
{
    struct job job = {.norm = norm, .added = added, .x = x, .rows = rows};
    double operations = (double)(OPERATIONS * NORM_ROWS * norm->size);
    parallel_for((rows + NORM_ROWS - 1) / NORM_ROWS, threads_grain(operations), normalise_block, &job);
}
