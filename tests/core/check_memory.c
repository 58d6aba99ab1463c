/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation: alignment, overflow of sizes, growth, failing allocations. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/watch.h"
#include "check.h"

static void check_alloc(void)
{
    const size_t sizes[] = {0, 1, 63, 64, 65, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block;
        CHECK(memory_calloc(sizes[i], 1, &block) == DEBERTA_OK && block);
        CHECK((uintptr_t)block % MEMORY_ALIGNMENT == 0);
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK(((char *)block)[j] == 0);
        memset(block, 1, sizes[i]);
        memory_free(block);
    }
    memory_free(NULL);
}

static void check_overflow(void)
{
    const size_t wrong[][2] = {
        {SIZE_MAX, 2}, {SIZE_MAX / 2, 3}, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX - 8, 1}, {1, SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *block = &block;
        CHECK(memory_alloc(wrong[i][0], wrong[i][1], &block) == DEBERTA_MEMORY && block == NULL);
        CHECK(strstr(status_message(), "out of memory"));
        CHECK(memory_calloc(wrong[i][0], wrong[i][1], &block) == DEBERTA_MEMORY && block == NULL);
    }
}

static void check_grow(void)
{
    void *block = NULL;
    CHECK(memory_grow(0, 10, 1, &block) == DEBERTA_OK);
    memcpy(block, "0123456789", 10);
    CHECK(memory_grow(10, 100, 1, &block) == DEBERTA_OK && memcmp(block, "0123456789", 10) == 0);
    void *before = block;
    CHECK(memory_grow(10, SIZE_MAX, 1, &block) == DEBERTA_MEMORY);
    CHECK(block == before && memcmp(block, "0123456789", 10) == 0);
    memory_free(block);
}

static bool stops(void *data)
{
    return ++*(size_t *)data == 2;
}

static void check_cancelled_growth(void)
{
    size_t asked = 0, bytes = (size_t)64 << 20;
    struct watch watch = {.stop = stops, .data = &asked};
    void *block;
    CHECK(memory_calloc(bytes, 1, &block) == DEBERTA_OK);
    void *before = block;
    watch_set((struct watching){.watch = &watch, .calls_stop = true});
    CHECK(memory_grow(bytes, 2 * bytes, 1, &block) == DEBERTA_STOPPED);
    CHECK(asked == 2 && block == before);
    watch_set((struct watching){0});
    CHECK(memory_grow(bytes, 2 * bytes, 1, &block) == DEBERTA_OK && ((char *)block)[bytes - 1] == 0);
    memory_free(block);
}

static void check_failing_allocations(void)
{
    long before = memory_count();
    for (long nth = 1; nth <= 3; nth++) {
        memory_fail_at(nth);
        for (long i = 1; i <= 3; i++) {
            void *block;
            CHECK(memory_alloc(1, 1, &block) == (i == nth ? DEBERTA_MEMORY : DEBERTA_OK));
            memory_free(block);
        }
    }
    memory_fail_at(0);
    CHECK(memory_count() == before + 9);
}

int main(void)
{
    check_alloc();
    check_overflow();
    check_grow();
    check_cancelled_growth();
    check_failing_allocations();
    return 0;
}
