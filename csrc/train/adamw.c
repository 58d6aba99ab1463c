/* SPDX-License-Identifier: Apache-2.0 */
#include "train/adamw.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

#define BLOCK 4096 /* elements at a time: four arrays of them stay in L2 until their gradients are set to zero */
#define PARTS 256  /* of all blocks; a thread takes a part at a time */

struct adamw adamw_step(const struct adamw_settings *s, double rate, double decay)
{
    double correction1 = s->bias_correction ? 1.0 - pow(s->beta1, (double)s->step) : 1.0;
    double correction2 = s->bias_correction ? 1.0 - pow(s->beta2, (double)s->step) : 1.0;
    return (struct adamw){.scale = (float)s->scale,
                          .keep_m = (float)s->beta1,
                          .take_m = (float)(1.0 - s->beta1),
                          .keep_v = (float)s->beta2,
                          .take_v = (float)(1.0 - s->beta2),
                          .keep = (float)(1.0 - rate * s->rate * decay * s->decay),
                          .step = (float)(rate * s->rate / correction1),
                          .root = (float)(1.0 / sqrt(correction2)),
                          .epsilon = (float)s->epsilon};
}

double adamw_clip(double norm, double most)
{
    double factor = most / (norm + 1e-6);
    return most > 0.0 && factor < 1.0 ? factor : 1.0;
}

typedef void (*block_fn)(const struct adamw_array *array, size_t first, size_t n, double *sum);

struct job {
    const struct adamw_array *arrays;
    size_t blocks; /* of all arrays together */
    block_fn fn;
    double sums[PARTS];
};

static size_t blocks_of(const struct adamw_array *array)
{
    return (array->count + BLOCK - 1) / BLOCK;
}

/* A part: consecutive blocks of the arrays in their order. */
static void run_part(size_t part, int worker, void *context)
{
    (void)worker;
    struct job *j = context;
    size_t block = part * j->blocks / PARTS, left = (part + 1) * j->blocks / PARTS - block;
    for (const struct adamw_array *array = j->arrays; left > 0; array++) {
        size_t here = blocks_of(array);
        for (; block < here && left > 0; block++, left--) {
            size_t first = block * BLOCK;
            j->fn(array, first, min_size(BLOCK, array->count - first), &j->sums[part]);
        }
        block -= min_size(block, here);
    }
}

static double run(const struct adamw_array *arrays, size_t count, block_fn fn)
{
    struct job job = {.arrays = arrays, .fn = fn};
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        job.blocks += blocks_of(&arrays[i]);
    parallel_for(PARTS, threads_grain(30.0 * BLOCK * (double)job.blocks / PARTS), run_part, &job);
    for (size_t part = 0; part < PARTS; part++)
        sum += job.sums[part];
    return sum;
}

static void add_squares(const struct adamw_array *array, size_t first, size_t n, double *sum)
{
    kernels->sum_squares(array->gradient + first, n, sum);
}

double adamw_squares(const struct adamw_array *arrays, size_t count)
{
    return run(arrays, count, add_squares);
}

static void update_block(const struct adamw_array *a, size_t first, size_t n, double *sum)
{
    (void)sum;
    kernels->adamw(a->value + first, a->gradient + first, a->m + first, a->v + first, n, &a->step);
    memset(a->gradient + first, 0, n * sizeof *a->gradient);
}

void adamw_update(const struct adamw_array *arrays, size_t count)
{
    (void)run(arrays, count, update_block);
}
