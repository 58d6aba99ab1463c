/* SPDX-License-Identifier: Apache-2.0 */
/* The rate at which AdamW reads and writes its four arrays, beside a plain pass over them, alternately, for
 * benchmarks/core/update.py. Reads lines `threads parameters`, answers each with two medians in GB/s: update, plain. */
#include "measure.h"

#include "base/threads.h"
#include "kernels/kernels.h"
#include "train/adamw.h"

#define ARRAYS 4 /* values, gradients and two moments, each of which is read and written */
#define PARTS 256

struct work {
    struct adamw_array array;
    float *arrays[ARRAYS];
};

static void update(void *context)
{
    struct work *w = context;
    adamw_update(&w->array, 1);
}

/* Reads and writes a part of all arrays side by side, as the update does. */
static void change_part(size_t part, int worker, void *context)
{
    (void)worker;
    struct work *w = context;
    size_t first = part * w->array.count / PARTS, last = (part + 1) * w->array.count / PARTS;
    float *restrict a = w->arrays[0], *restrict b = w->arrays[1], *restrict c = w->arrays[2],
                    *restrict d = w->arrays[3];
    for (size_t i = first; i < last; i++) {
        a[i] += 1.0f;
        b[i] += 1.0f;
        c[i] += 1.0f;
        d[i] += 1.0f;
    }
}

static void change(void *context)
{
    parallel_for(PARTS, 1, change_part, context);
}

static void measure(size_t count)
{
    static void (*const calls[])(void *) = {update, change};
    struct adamw_settings settings = {
        .rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .scale = 1.0, .step = 10};
    double rates[2][ROUNDS], bytes = 2.0 * ARRAYS * sizeof(float) * (double)count;
    struct work w = {.array = {.count = count, .step = adamw_step(&settings, 1.0, 1.0)}};
    for (int i = 0; i < ARRAYS; i++) {
        w.arrays[i] = drawn(count, 1.0f);
        for (size_t j = 0; j < count; j++)
            w.arrays[i][j] += 1.0f; /* second moments are not negative */
    }
    w.array.value = w.arrays[0], w.array.gradient = w.arrays[1], w.array.m = w.arrays[2], w.array.v = w.arrays[3];
    for (int round = -1; round < ROUNDS; round++)
        for (int call = 0; call < 2; call++) {
            double figure = rate(calls[call], &w, bytes);
            if (round >= 0)
                rates[call][round] = figure;
        }
    printf("%.2f %.2f\n", median(rates[0]), median(rates[1]));
    for (int i = 0; i < ARRAYS; i++)
        memory_free(w.arrays[i]);
}

int main(void)
{
    size_t count;
    int threads;
    must(deberta_start());
    printf("%s %s\n", deberta_isa(), deberta_onednn());
    fflush(stdout);
    while (scanf("%d %zu", &threads, &count) == 2) {
        deberta_set_threads(threads);
        measure(count);
        fflush(stdout);
    }
    return 0;
}
