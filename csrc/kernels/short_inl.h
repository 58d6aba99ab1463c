/* SPDX-License-Identifier: Apache-2.0 */
/* The micro-kernel of short numbers: product_inl.h for words of several numbers. The including file defines these
 * before; the two macros end here.
 *
 *   SHORT_WORDS     words of a row for a step
 *   SHORT(name)     the name with an end of its own; SHORT(product) is the kernel
 *   SHORT(sum)      vector of sums: vi or vf
 *   SHORT(begin)    (product, row, half of the panel): the first value of the sums of a row
 *   SHORT(right)    (words of the panel, number of the word): the right operand for that word of a row
 *   SHORT(dot)      (sum, left, right)
 *   SHORT(end)      (product, row, half, sum): the values of c */

#include "kernels/groups_inl.h"

INLINE void SHORT(group)(const int rows, const struct short_product *p, size_t row, const int32_t *next, size_t pace)
{
    SHORT(sum) sum[GROUP][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        sum[r][0] = SHORT(begin)(p, row + (size_t)r, 0);
        sum[r][1] = SHORT(begin)(p, row + (size_t)r, 1);
    }
    const size_t lda = p->lda, stride = p->step ? p->step : SHORT_WORDS;
    const int32_t *panel = p->panel;
    const int32_any *base[BASES];
#pragma GCC unroll 4
    for (int g = 0; g < BASES; g++)
        base[g] = p->a + (row + (size_t)g * ROWS_PER_BASE) * lda;
    for (size_t step = p->steps; step > 0; step--) {
        __builtin_prefetch(next, 0, 2);
        if (PANEL * sizeof *panel > 64)
            __builtin_prefetch(next + pace - 1, 0, 2);
        next += pace;
#pragma GCC unroll 2
        for (int word = 0; word < SHORT_WORDS; word++) {
            vi left = SHORT(right)(panel, word), right = SHORT(right)(panel + VEC, word);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vi value = (vi){0} + base[r / ROWS_PER_BASE][(size_t)(r % ROWS_PER_BASE) * lda + (size_t)word];
                sum[r][0] = SHORT(dot)(sum[r][0], value, left);
                sum[r][1] = SHORT(dot)(sum[r][1], value, right);
            }
        }
        panel += PANEL;
#pragma GCC unroll 4
        for (int g = 0; g < (rows + ROWS_PER_BASE - 1) / ROWS_PER_BASE; g++)
            STEP(base[g], stride);
    }
    float *c = p->c + row * p->ldc;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        vf_store(c, SHORT(end)(p, row + (size_t)r, 0, sum[r][0]));
        vf_store(c + VEC, SHORT(end)(p, row + (size_t)r, 1, sum[r][1]));
        STEP(c, p->ldc);
    }
}

#define GROUP_OF(n)                                                                                                    \
    static void SHORT(group_##n)(const struct short_product *p, size_t row, const int32_t *next, size_t pace)          \
    {                                                                                                                  \
        SHORT(group)(n, p, row, next, pace);                                                                           \
    }
GROUP_SIZES(GROUP_OF)
#undef GROUP_OF

static void (*const SHORT(groups)[])(const struct short_product *, size_t, const int32_t *, size_t) = {
#define GROUP_OF(n) [n] = SHORT(group_##n),
    GROUP_SIZES(GROUP_OF)
#undef GROUP_OF
};

static void SHORT(product)(const struct short_product *p)
{
    if (p->rows == 0)
        return;
    struct groups groups = groups_of(p->rows, p->next != NULL);
    for (size_t g = 0, row = 0; g < groups.count; g++) {
        size_t rows = groups.rows + (g < groups.larger);
        bool fetches = g < groups.fetchers;
        const int32_t *next = fetches ? p->next + g * p->steps * groups.pace : p->panel;
        (*SHORT(groups)[rows])(p, row, next, fetches ? groups.pace : 0);
        row += rows;
    }
}
#undef SHORT
#undef SHORT_WORDS
