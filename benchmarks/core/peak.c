/* SPDX-License-Identifier: Apache-2.0 */
/* The FMA peak of the machine: prints GFLOP/s of THREADS threads, for benchmarks/core/peak.py. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 5
#define STEPS 10000000
#define ACCUMULATORS 12

/* Independent multiply-adds, enough to fill the CPU's pipelines. */
#define PEAK(name, target_flags, lanes)                                                                                \
    __attribute__((target(target_flags))) static double name(void)                                                     \
    {                                                                                                                  \
        typedef float vector __attribute__((vector_size(lanes * 4)));                                                  \
        vector sum[ACCUMULATORS] = {{0}}, a = {0}, b = {0};                                                            \
        __asm__ volatile("" : "+x"(a), "+x"(b));                                                                       \
        double start = omp_get_wtime();                                                                                \
        for (long i = 0; i < STEPS; i++) {                                                                             \
            _Pragma("GCC unroll 12") for (int j = 0; j < ACCUMULATORS; j++)                                            \
            {                                                                                                          \
                sum[j] = a * b + sum[j];                                                                               \
                __asm__ volatile("" : "+x"(sum[j]));                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        return (double)STEPS * ACCUMULATORS * 2.0 * lanes / (omp_get_wtime() - start) * 1e-9;                          \
    }
PEAK(peak_avx2, "avx2,fma", 8)
PEAK(peak_avx512, "avx512f", 16)

static double best(int threads, double (*peak)(void))
{
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double sum = 0.0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
        sum += peak();
        best = sum > best ? sum : best;
    }
    return best;
}

int main(int count, char **arguments)
{
    int threads = count == 2 ? atoi(arguments[1]) : 0;
    if (threads < 1) {
        fprintf(stderr, "usage: peak THREADS\n");
        return 2;
    }
    double rate = best(threads, peak_avx2);
    if (__builtin_cpu_supports("avx512f")) {
        double wide = best(threads, peak_avx512);
        rate = wide > rate ? wide : rate;
    }
    printf("%.2f\n", rate);
    return 0;
}
