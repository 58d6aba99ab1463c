/* SPDX-License-Identifier: Apache-2.0 */
/* Random floats for the tests of numbers. */
#ifndef DEBERTA_TESTS_FLOATS_H
#define DEBERTA_TESTS_FLOATS_H

#include <stdint.h>

#include "base/memory.h"
#include "check.h"

static uint64_t seed = 7;

static inline float draw(void) /* uniform on [-1, 1) */
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

static inline float *drawn(size_t count)
{
    void *block;
    CHECK(memory_alloc(count, sizeof(float), &block) == DEBERTA_OK);
    float *floats = block;
    for (size_t i = 0; i < count; i++)
        floats[i] = draw();
    return floats;
}

#endif
