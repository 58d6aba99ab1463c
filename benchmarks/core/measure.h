/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the programs that measure the core: inputs, a clock, medians. */
#ifndef DEBERTA_BENCHMARKS_MEASURE_H
#define DEBERTA_BENCHMARKS_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "deberta.h"

#define ROUNDS 5
#define SECONDS 0.02 /* of a round, at least */

static inline void must(enum deberta_status status)
{
    if (status != DEBERTA_OK) {
        fprintf(stderr, "%s\n", deberta_message());
        exit(1);
    }
}

/* Uniform on [-size, size). */
static inline float *drawn(size_t count, float size)
{
    static uint64_t seed = 7;
    void *block;
    must(memory_alloc(count, sizeof(float), &block));
    float *floats = block;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        floats[i] = size * (float)((double)(seed >> 40) / (1 << 23) - 1.0);
    }
    return floats;
}

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s of one round of calls of `operations` each. */
static inline double rate(void (*call)(void *), void *context, double operations)
{
    long count = 0;
    double start = now(), passed;
    do {
        call(context);
        count++;
        passed = now() - start;
    } while (passed < SECONDS);
    return (double)count * operations / passed * 1e-9;
}

static inline int ascending(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0.0) - (difference < 0.0);
}

static inline double median(double rates[ROUNDS])
{
    qsort(rates, ROUNDS, sizeof(double), ascending);
    return rates[ROUNDS / 2];
}

#endif
