/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of linear layers by our kernel and by oneDNN, in turns, for benchmarks/linear.py.
 * Prints a line a measurement: path threads N K M GFLOP/s, and before them lines `peak threads GFLOP/s`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/threads.h"
#include "deberta.h"
#include "nn/matmul.h"

#define ROUNDS 5
#define SECONDS 0.02 /* of a round */
#define ACCUMULATORS 12

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Multiply-adds that depend on nothing but themselves, as many at a time as the pipelines hold. */
#define PEAK(name, target_flags, lanes)                                                                                \
    __attribute__((target(target_flags))) static double name(long steps)                                               \
    {                                                                                                                  \
        typedef float vector __attribute__((vector_size(lanes * 4)));                                                  \
        vector sum[ACCUMULATORS] = {{0}}, a = {0}, b = {0};                                                            \
        __asm__ volatile("" : "+x"(a), "+x"(b));                                                                       \
        double start = now();                                                                                          \
        for (long i = 0; i < steps; i++) {                                                                             \
            _Pragma("GCC unroll 12") for (int j = 0; j < ACCUMULATORS; j++)                                            \
            {                                                                                                          \
                sum[j] = a * b + sum[j];                                                                               \
                __asm__ volatile("" : "+x"(sum[j]));                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        return (double)steps * ACCUMULATORS * 2.0 * lanes / (now() - start) * 1e-9;                                    \
    }
PEAK(peak_avx2, "avx2,fma", 8)
PEAK(peak_avx512, "avx512f", 16)

struct rates {
    double rate[64];
};

static void one_peak(size_t index, int worker, void *context)
{
    (void)worker;
    struct rates *rates = context;
    double (*peak)(long) = kernels->isa == ISA_AVX512 ? peak_avx512 : peak_avx2;
    rates->rate[index] = peak(10000000);
}

static void measure_peak(int threads)
{
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        struct rates rates;
        double sum = 0.0;
        parallel_for((size_t)threads, 1, one_peak, &rates);
        for (int i = 0; i < threads; i++)
            sum += rates.rate[i];
        best = sum > best ? sum : best;
    }
    printf("peak %d %.2f\n", threads, best);
}

static void must(enum deberta_status status)
{
    if (status != DEBERTA_OK) {
        fprintf(stderr, "%s\n", deberta_message());
        exit(1);
    }
}

static float *floats(size_t count)
{
    void *block;
    must(memory_alloc(count, sizeof(float), &block));
    for (size_t i = 0; i < count; i++)
        ((float *)block)[i] = (float)(i % 17) * 0.1f - 0.8f;
    return block;
}

static const char *const paths[] = {"own", "onednn"};

static double rate(const struct matrix *matrix, const float *in, size_t rows, float *out, double flops)
{
    long count = 0;
    double start = now(), passed;
    do {
        must(matrix_apply(matrix, in, rows, ACT_LINEAR, out));
        count++;
        passed = now() - start;
    } while (passed < SECONDS);
    return (double)count * flops / passed * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0.0) - (difference < 0.0);
}

static void measure(struct matrix *matrices, size_t n, size_t k, size_t m, int threads)
{
    float *in = floats(m * k), *out = floats(m * n);
    double rates[2][ROUNDS], flops = 2.0 * (double)n * (double)k * (double)m;
    for (int path = 0; path < 2; path++)
        must(matrix_apply(&matrices[path], in, m, ACT_LINEAR, out));
    for (int round = 0; round < ROUNDS; round++)
        for (int path = 0; path < 2; path++)
            rates[path][round] = rate(&matrices[path], in, m, out, flops);
    for (int path = 0; path < 2; path++) {
        qsort(rates[path], ROUNDS, sizeof(double), ascending);
        printf("%s %d %zu %zu %zu %.2f\n", paths[path], threads, n, k, m, rates[path][ROUNDS / 2]);
    }
    fflush(stdout);
    memory_free(in), memory_free(out);
}

static void measure_matrix(size_t n, size_t k, int threads)
{
    static const size_t rows[] = {1,  2,  3,  4,  5,  6,  7,   8,   10,  11,  13,  16,  17,   20,  24,
                                  31, 37, 48, 64, 77, 96, 100, 128, 192, 256, 384, 512, 1024, 2048};
    float *weights = floats(n * k);
    struct weight weight = {.data = weights, .rows = n, .scale = 1.0f};
    struct matrix matrices[2];
    for (int path = 0; path < 2; path++) {
        setenv("DEBERTA_C_MATMUL", paths[path], 1);
        must(deberta_start());
        must(matrix_init(&matrices[path], &weight, 1, k));
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        measure(matrices, n, k, rows[i], threads);
    matrix_release(&matrices[0]), matrix_release(&matrices[1]);
    memory_free(weights);
}

int main(void)
{
    /* query; keys and values; feed-forward up and down: of the hidden sizes 384, 768, 1024 */
    static const size_t hidden[] = {384, 768, 1024};
    must(deberta_start());
    for (int threads = 1; threads <= 2; threads++) {
        deberta_set_threads(threads);
        measure_peak(threads);
        for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
            size_t h = hidden[i];
            measure_matrix(h, h, threads);
            measure_matrix(2 * h, h, threads);
            measure_matrix(4 * h, h, threads);
            measure_matrix(h, 4 * h, threads);
        }
    }
    return 0;
}
