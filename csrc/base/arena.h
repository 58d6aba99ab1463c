/* SPDX-License-Identifier: Apache-2.0 */
/* Several arrays in one block. The function that lays them out runs twice: on an arena without a base it only
 * measures (and gets NULL pointers), then it carves the block of that size. */
#ifndef DEBERTA_BASE_ARENA_H
#define DEBERTA_BASE_ARENA_H

#include <stddef.h>

#include "base/memory.h"

#ifdef __SANITIZE_ADDRESS__ /* a poisoned gap after each array */
#include <sanitizer/asan_interface.h>
#define ARENA_GAP MEMORY_ALIGNMENT
#define ARENA_OPEN(block, bytes) ASAN_UNPOISON_MEMORY_REGION(block, bytes)
#define ARENA_CLOSE(block, bytes) ASAN_POISON_MEMORY_REGION(block, bytes)
#else
#define ARENA_GAP 0
#define ARENA_OPEN(block, bytes) ((void)0)
#define ARENA_CLOSE(block, bytes) ((void)0)
#endif

struct arena {
    char *base; /* NULL: measure */
    size_t used;
};

/* `count` floats, aligned for the widest vector. */
static inline float *arena_floats(struct arena *arena, size_t count)
{
    size_t bytes = round_up(count * sizeof(float), MEMORY_ALIGNMENT);
    char *block = arena->base ? arena->base + arena->used : NULL;
    if (block) {
        ARENA_OPEN(block, bytes);
        ARENA_CLOSE(block + bytes, ARENA_GAP);
    }
    arena->used += bytes + ARENA_GAP;
    return (float *)(void *)block;
}

/* `count` pointers. */
static inline const float **arena_pointers(struct arena *arena, size_t count)
{
    return (const float **)(void *)arena_floats(arena, 2 * count);
}

#endif
