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
    float *out, *d;
    size_t rows, stride, slices; /* of the columns */
};

/* A slice of the columns is that which the thread has computed in the product before, so that it is in its cache. */
static void apply_slice(size_t index, int worker, void *context)
{
    (void)worker;
    const struct job *job = context;
    size_t width = kernels->panel_width, panels = job->stride / width;
    size_t begin = index * panels / job->slices * width, end = (index + 1) * panels / job->slices * width;
    for (size_t row = 0; row < job->rows; row++) {
        float *out = job->out + row * job->stride + begin;
        memcpy(out, job->x + row * job->stride + begin, (end - begin) * sizeof *out);
        kernels->activate(job->act, out, job->stride, 1, end - begin);
    }
}

void activation_apply(enum activation act, const float *x, size_t rows, size_t stride, float *out)
{
    struct job job = {
        .act = act, .x = x, .out = out, .rows = rows, .stride = stride, .slices = (size_t)threads_of_call()};
    double operations = (double)(OPERATIONS * rows * stride) / (double)job.slices;
    parallel_for(job.slices, threads_grain(operations), apply_slice, &job);
}

static void differentiate_row(size_t row, int worker, void *context)
{
    (void)worker;
    const struct job *job = context;
    size_t first = row * job->stride;
    kernels->activate_backward(job->act, job->out + first, job->stride, job->d + first, job->stride, 1, job->stride);
}

void activation_backward(enum activation act, float *x, size_t rows, size_t stride, float *d)
{
    struct job job = {.act = act, .out = x, .d = d, .stride = stride};
    parallel_for(rows, threads_grain((double)(2 * OPERATIONS * stride)), differentiate_row, &job);
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
