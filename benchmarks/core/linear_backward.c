/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of a linear layer by our kernel, forward and backward, alternately, for benchmarks/core/linear_backward.py.
 * Reads lines `threads N K M`, answers each with three medians in GFLOP/s: forward, input, weights. */
#include "measure.h"

#include "base/threads.h"
#include "nn/linear.h"

struct layer {
    struct linear linear;
    float *in, *out;          // (M, K), (M, N)
    float *d_packed, *d_bias; // of the weights, (N)
    float *scratch;
    size_t rows;
};

static void forward(void *context)
{
    struct layer *l = context;
    must(linear_apply(&l->linear, l->in, l->rows, ACT_LINEAR, l->out));
}

static void backward_input(void *context)
{
    struct layer *l = context;
    linear_backward_input(&l->linear, l->out, l->rows, false, l->in, l->scratch);
}

static void backward_weights(void *context)
{
    struct layer *l = context;
    linear_backward_weights(&l->linear, l->in, l->out, l->rows, l->d_packed, l->d_bias, l->scratch);
}

static void measure(size_t n, size_t k, size_t m)
{
    static void (*const calls[])(void *) = {forward, backward_input, backward_weights};
    double rates[3][ROUNDS], operations = 2.0 * (double)n * (double)k * (double)m;
    float *weights = drawn(n * k, 1.0f);
    struct weight weight = {.data = weights, .rows = n, .scale = 1.0f};
    struct layer l = {.rows = m, .d_packed = drawn(n * k, 1.0f), .d_bias = drawn(n, 1.0f)};
    must(linear_init(&l.linear, &weight, 1, k));
    l.in = drawn(m * k, 1.0f), l.out = drawn(m * n, 1.0f);
    l.scratch = drawn(linear_backward_scratch(&l.linear) * (size_t)threads_count(), 1.0f);
    for (int round = -1; round < ROUNDS; round++) {
        for (int call = 0; call < 3; call++) {
            double figure = rate(calls[call], &l, operations);
            if (round >= 0)
                rates[call][round] = figure;
            memory_free(l.in), memory_free(l.out); /* sums must not grow without end */
            l.in = drawn(m * k, 1.0f), l.out = drawn(m * n, 1.0f);
        }
    }
    printf("%.2f %.2f %.2f\n", median(rates[0]), median(rates[1]), median(rates[2]));
    linear_release(&l.linear);
    memory_free(weights), memory_free(l.in), memory_free(l.out);
    memory_free(l.d_packed), memory_free(l.d_bias), memory_free(l.scratch);
}

int main(void)
{
    size_t n, k, m;
    int threads;
    setenv("DEBERTA_C_MATMUL", "own", 1);
    must(deberta_start());
    printf("%s %s\n", deberta_isa(), deberta_onednn());
    fflush(stdout);
    while (scanf("%d %zu %zu %zu", &threads, &n, &k, &m) == 4) {
        deberta_set_threads(threads);
        measure(n, k, m);
        fflush(stdout);
    }
    return 0;
}
