/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that checks its arithmetic. Every block is aligned for the widest vector. */
#ifndef DEBERTA_BASE_MEMORY_H
#define DEBERTA_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MEMORY_ALIGNMENT 64

/* Sets *block to count * size bytes, uninitialised, freed by memory_free. `count` may be 0. */
MUST_USE enum deberta_status memory_alloc(size_t count, size_t size, void **block);
/* The same, filled with zeros. */
MUST_USE enum deberta_status memory_calloc(size_t count, size_t size, void **block);
/* The same for a block of which most is never written: pages that nothing writes cost no memory. Aligned for a double.
 */
MUST_USE enum deberta_status memory_sparse(size_t count, size_t size, void **block);
/* Grows *block from `used` bytes to count * size bytes; on failure *block is unchanged. Copying a large block can be
 * cancelled (base/watch.h). */
MUST_USE enum deberta_status memory_grow(size_t used, size_t count, size_t size, void **block);
void memory_free(void *block);
/* Returns the free pages of the heap to the system, where the C library does. For use after large blocks were freed. */
void memory_trim(void);
/* Drops the pages of a mapped file that hold any of these bytes; they are read again on the next access. */
void memory_drop_pages(const void *begin, size_t bytes);

/* Fails unless `bytes` are available now. For use before foreign code that ends the process when memory runs out. */
MUST_USE enum deberta_status memory_spare(size_t bytes);

static inline size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* How many pieces of at most `most` make up n. */
static inline size_t pieces(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#ifdef DEBERTA_TESTING
/* Tests only: the nth allocation from now fails (1 is the next one; 0 switches this off). */
void memory_fail_at(long nth);
/* Tests only: how many allocations were made. */
long memory_count(void);
#endif

#endif
