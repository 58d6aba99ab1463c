/* SPDX-License-Identifier: Apache-2.0 */
/* Several arrays in one block. The function that lays them out runs twice: on an arena without a base it only
 * measures (and gets NULL pointers), then it carves the block of that size. */
#ifndef DEBERTA_BASE_ARENA_H
#define DEBERTA_BASE_ARENA_H

#include <stddef.h>

#include "base/memory.h"

struct arena {
    char *base; /* NULL: measure */
    size_t used;
};

/* `count` floats, aligned for the widest vector. */
static inline float *arena_floats(struct arena *arena, size_t count)
{
    float *block = arena->base ? (float *)(void *)(arena->base + arena->used) : NULL;
    arena->used += round_up(count * sizeof(float), MEMORY_ALIGNMENT);
    return block;
}

/* `count` pointers. */
static inline const float **arena_pointers(struct arena *arena, size_t count)
{
    return (const float **)(void *)arena_floats(arena, 2 * count);
}

#endif
