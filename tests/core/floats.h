/* SPDX-License-Identifier: Apache-2.0 */
/* Random floats, and random floats between canaries, for tests of what writes into arrays. */
#ifndef FLOATS_H
#define FLOATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "check.h"

#define CANARY 12345.0f
#define ROOM 4096

static inline float draw(void) /* uniform on [-1, 1) */
{
    static uint64_t seed = 1;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

/* Random numbers that memory_free releases. */
static inline float *drawn(size_t count)
{
    void *block;
    CHECK(memory_alloc(count, sizeof(float), &block) == DEBERTA_OK);
    float *numbers = block;
    for (size_t i = 0; i < count; i++)
        numbers[i] = draw();
    return numbers;
}

static inline float *floats(size_t count) /* random numbers between ROOM canaries on each side */
{
    float *block = aligned_alloc(64, (count + 2 * ROOM + 15) / 16 * 16 * sizeof(float));
    CHECK(block != NULL);
    for (size_t i = 0; i < count + 2 * ROOM; i++)
        block[i] = i < ROOM || i >= ROOM + count ? CANARY : draw();
    return block + ROOM;
}

static inline float *floats_copy(const float *from, size_t count)
{
    float *copy = floats(count);
    for (size_t i = 0; i < count; i++)
        copy[i] = from[i];
    return copy;
}

static inline void release(float *block, size_t count)
{
    for (size_t i = 0; i < ROOM; i++)
        CHECK(block[-1 - (ptrdiff_t)i] == CANARY && block[count + i] == CANARY);
    free(block - ROOM);
}

#endif
