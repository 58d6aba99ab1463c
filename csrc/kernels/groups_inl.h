/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in groups of at most GROUP, whose sums are in registers together: what both micro-kernels share. */
#ifndef GROUPS_INL_H
#define GROUPS_INL_H

#define ROWS_PER_BASE 3
#define BASES ((GROUP + ROWS_PER_BASE - 1) / ROWS_PER_BASE)
#define PREFETCHERS 4 /* row groups that share the prefetching of the next panel, so that memory is never idle */

#if GROUP == 4
#define GROUP_SIZES(K) K(1) K(2) K(3) K(4)
#elif GROUP == 6
#define GROUP_SIZES(K) K(1) K(2) K(3) K(4) K(5) K(6)
#elif GROUP == 12
#define GROUP_SIZES(K) K(1) K(2) K(3) K(4) K(5) K(6) K(7) K(8) K(9) K(10) K(11) K(12)
#endif

/* Advances a pointer; the assembly keeps the compiler from holding the address of every row. */
#define STEP(pointer, by)                                                                                              \
    do {                                                                                                               \
        (pointer) += (by);                                                                                             \
        __asm__("" : "+r"(pointer));                                                                                   \
    } while (0)

struct groups {
    size_t count;
    size_t rows, larger; /* rows of a group; the first `larger` of them take one more */
    size_t fetchers;     /* the first of them, which prefetch the next panel */
    size_t pace;         /* values of a panel that each of those prefetches in a step */
};

INLINE struct groups groups_of(size_t rows, bool fetch) /* rows > 0 */
{
    size_t count = (rows + GROUP - 1) / GROUP, sharers = count < PREFETCHERS ? count : PREFETCHERS;
    return (struct groups){.count = count,
                           .rows = rows / count,
                           .larger = rows % count,
                           .fetchers = fetch ? sharers : 0,
                           .pace = (PANEL + sharers - 1) / sharers};
}
#endif
