/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/watch.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define WATCHED_PIECE ((size_t)16 << 20) /* bytes that are copied without a check for cancellation */

#ifdef DEBERTA_TESTING
static _Atomic long allocations;
static _Atomic long fail_at;

void memory_fail_at(long nth)
{
    fail_at = nth ? allocations + nth : 0;
}

long memory_count(void)
{
    return allocations;
}

static bool allowed(void)
{
    long number = ++allocations;
    return fail_at == 0 || number != fail_at;
}
#else
static bool allowed(void)
{
    return true;
}
#endif

static enum deberta_status out_of_memory(size_t count, size_t size)
{
    return fail(DEBERTA_MEMORY, "out of memory: %zu x %zu bytes", count, size);
}

enum deberta_status memory_alloc(size_t count, size_t size, void **block)
{
    *block = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2 || !allowed())
        return out_of_memory(count, size);
    bool huge = bytes >= HUGE_PAGE;
    size_t alignment = huge ? HUGE_PAGE : MEMORY_ALIGNMENT;
    bytes = round_up(max_size(bytes, 1), MEMORY_ALIGNMENT);
    if (posix_memalign(block, alignment, bytes) != 0) {
        *block = NULL;
        return out_of_memory(count, size);
    }
    if (huge)
        (void)madvise(*block, bytes, MADV_HUGEPAGE); /* a hint: without it only speed is lost */
    return DEBERTA_OK;
}

enum deberta_status memory_calloc(size_t count, size_t size, void **block)
{
    TRY(memory_alloc(count, size, block));
    memset(*block, 0, count * size);
    return DEBERTA_OK;
}

enum deberta_status memory_sparse(size_t count, size_t size, void **block)
{
    *block = allowed() ? calloc(max_size(count, 1), size) : NULL;
    if (!*block)
        return out_of_memory(count, size);
    uintptr_t begin = round_up((uintptr_t)*block, HUGE_PAGE), end = (uintptr_t)*block + count * size;
    if (begin < end) /* a write would fill a huge page with zeros; without the hint only memory is lost */
        (void)madvise((void *)begin, end - begin, MADV_NOHUGEPAGE);
    return DEBERTA_OK;
}

/* Copies a piece at a time, between which the caller may cancel: pages of a large block may come slowly. */
static enum deberta_status copy_watched(char *to, const char *from, size_t bytes)
{
    for (size_t size; bytes > 0; to += size, from += size, bytes -= size) {
        size = min_size(bytes, WATCHED_PIECE);
        memcpy(to, from, size);
        if (size < bytes)
            TRY(watch_check());
    }
    return DEBERTA_OK;
}

enum deberta_status memory_grow(size_t used, size_t count, size_t size, void **block)
{
    void *larger;
    assert(used == 0 || used / size <= count);
    TRY(memory_alloc(count, size, &larger));
    enum deberta_status status = used ? copy_watched(larger, *block, used) : DEBERTA_OK;
    memory_free(status == DEBERTA_OK ? *block : larger);
    if (status == DEBERTA_OK)
        *block = larger;
    return status;
}

void memory_free(void *block)
{
    free(block);
}

void memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void memory_drop_pages(const void *begin, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)begin / page * page;
    (void)madvise((void *)first, (uintptr_t)begin + bytes - first, MADV_DONTNEED); /* a hint */
}

enum deberta_status memory_spare(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return out_of_memory(1, bytes);
    munmap(pages, bytes);
    return DEBERTA_OK;
}
