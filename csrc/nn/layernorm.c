/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layernorm.h"

#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define NORM_ROWS 8   /* rows that a thread normalises at a time */
#define OPERATIONS 20 /* approximate cost per element, including memory access */
#define PARTS 32      /* at most, of the rows whose sums for gain and bias are taken apart */

struct job {
    const struct norm *norm;
    const float *x, *added;
    float *out;
    size_t rows;
};

static void normalise_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct job *job = context;
    const struct norm *n = job->norm;
    size_t row = index * NORM_ROWS, ld = n->stride;
    kernels->layernorm(job->x + row * ld, job->added ? job->added + row * ld : NULL, n->gain, n->bias, n->epsilon,
                       min_size(NORM_ROWS, job->rows - row), n->size, ld, job->out + row * ld);
}

static void normalise(struct job job)
{
    double operations = (double)(OPERATIONS * NORM_ROWS * job.norm->size);
    parallel_for((job.rows + NORM_ROWS - 1) / NORM_ROWS, threads_grain(operations), normalise_block, &job);
}

void norm_apply(const struct norm *norm, const float *added, float *x, size_t rows)
{
    normalise((struct job){.norm = norm, .x = x, .added = added, .out = x, .rows = rows});
}

void norm_forward(const struct norm *norm, const float *sum, float *out, size_t rows)
{
    normalise((struct job){.norm = norm, .x = sum, .out = out, .rows = rows});
}

struct backward {
    const struct norm *norm;
    const float *sum, *d_out; // (rows, stride)
    float *d_sum;             // (rows, stride)
    size_t rows, part_rows;
    float *parts; // (PARTS, 2, size): gradients of gain and bias
};

static void backward_part(size_t index, int worker, void *context)
{
    (void)worker;
    const struct backward *b = context;
    const struct norm *n = b->norm;
    size_t row = index * b->part_rows, ld = n->stride;
    float *d_gain = b->parts + index * 2 * n->size;
    memset(d_gain, 0, 2 * n->size * sizeof *d_gain);
    kernels->layernorm_backward(b->sum + row * ld, b->d_out + row * ld, n->gain, n->epsilon,
                                min_size(b->part_rows, b->rows - row), n->size, ld, b->d_sum + row * ld, d_gain,
                                d_gain + n->size);
}

size_t norm_backward_scratch(const struct norm *norm)
{
    return PARTS * 2 * norm->size;
}

void norm_backward(const struct norm *norm, const float *sum, const float *d_out, size_t rows, float *d_sum,
                   float *d_gain, float *d_bias, float *scratch)
{
    struct backward b = {.norm = norm,
                         .sum = sum,
                         .d_out = d_out,
                         .d_sum = d_sum,
                         .rows = rows,
                         .part_rows = max_size(NORM_ROWS, (rows + PARTS - 1) / PARTS),
                         .parts = scratch};
    size_t count = (rows + b.part_rows - 1) / b.part_rows;
    parallel_for(count, threads_grain((double)(2 * OPERATIONS * b.part_rows * norm->size)), backward_part, &b);
    for (size_t part = 0; d_gain && part < count; part++) {
        const float *from = scratch + part * 2 * norm->size;
        for (size_t i = 0; i < norm->size; i++) {
            d_gain[i] += from[i];
            d_bias[i] += from[norm->size + i];
        }
    }
}
