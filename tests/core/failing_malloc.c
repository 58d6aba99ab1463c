/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: the nth allocation of the process after fail_allocation(n) fails, in any library. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

static _Atomic long left; /* 0: none fails */
static _Atomic long made;

void fail_allocation(long nth)
{
    made = 0;
    left = nth;
}

long allocations_made(void)
{
    return made;
}

static int refused(void)
{
    made++;
    if (left == 0 || --left != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return refused() ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    return refused() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made_block = memalign(alignment, size);
    if (!made_block)
        return ENOMEM;
    *block = made_block;
    return 0;
}
