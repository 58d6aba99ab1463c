/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/elementwise.h"

#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

#define OPERATIONS 30         /* approximate cost of an activation */
#define BLOCK ((size_t)16384) /* numbers of a sum at a time */

struct job {
    enum activation act;
    const float *x;
    size_t stride;
    float *out;
    bool backward;
};

static void run_row(size_t row, int worker, void *context)
{
    (void)worker;
    const struct job *job = context;
    const float *x = job->x + row * job->stride;
    float *out = job->out + row * job->stride;
    if (job->backward) {
        kernels->activate_backward(job->act, x, job->stride, out, job->stride, 1, job->stride);
    } else {
        memcpy(out, x, job->stride * sizeof *out);
        kernels->activate(job->act, out, job->stride, 1, job->stride);
    }
}

static void run(struct job *job, size_t rows)
{
    parallel_for(rows, threads_grain((double)(OPERATIONS * job->stride)), run_row, job);
}

void activation_apply(enum activation act, const float *x, size_t rows, size_t stride, float *out)
{
    struct job job = {.act = act, .x = x, .stride = stride, .out = out};
    run(&job, rows);
}

void activation_backward(enum activation act, const float *x, size_t rows, size_t stride, float *d)
{
    struct job job = {.act = act, .x = x, .stride = stride, .out = d, .backward = true};
    run(&job, rows);
}

struct sum {
    float scale;
    const float *added; /* NULL: x is only scaled */
    float *x;
    size_t n;
};

static void run_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct sum *sum = context;
    size_t begin = index * BLOCK, end = min_size(begin + BLOCK, sum->n);
    const float *restrict added = sum->added;
    float *restrict x = sum->x;
    for (size_t i = begin; added && i < end; i++)
        x[i] += added[i];
    for (size_t i = begin; !added && i < end; i++)
        x[i] *= sum->scale;
}

static void run_sum(struct sum *sum)
{
    parallel_for((sum->n + BLOCK - 1) / BLOCK, threads_grain((double)(2 * BLOCK)), run_block, sum);
}

void scale_apply(float scale, float *x, size_t n)
{
    run_sum(&(struct sum){.scale = scale, .x = x, .n = n});
}

void add_apply(const float *added, float *x, size_t n)
{
    run_sum(&(struct sum){.added = added, .x = x, .n = n});
}
