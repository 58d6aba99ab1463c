/* SPDX-License-Identifier: Apache-2.0 */
/* The micro-kernel of floats: a group of rows times one panel, all sums in registers.
 * Rows of `a` are read in place; four base pointers and one stride address twelve of them. */

#include "kernels/groups_inl.h"

INLINE void product_group(const int rows, const struct product *p, const float *a, float *c, size_t ldc,
                          const float *row_scale, const float *next, size_t pace)
{
    vf sum[GROUP][2];
    const float *init = p->accumulate ? c : p->bias;
    size_t ld_init = p->accumulate ? ldc : 0;
    if (init) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            sum[r][0] = vf_load(init);
            sum[r][1] = vf_load(init + VEC);
            STEP(init, ld_init);
        }
    } else {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            sum[r][0] = sum[r][1] = (vf){0};
    }

    const size_t lda = p->lda, step = p->step ? p->step : 1;
    const float *panel = p->panel;
    const float *base[BASES];
#pragma GCC unroll 4
    for (int g = 0; g < BASES; g++)
        base[g] = a + g * ROWS_PER_BASE * lda;
    for (size_t k = p->k; k > 0; k--) {
        vf left = vf_load(panel), right = vf_load(panel + VEC);
        __builtin_prefetch(next, 0, 2);
        if (PANEL * sizeof(float) > 64)
            __builtin_prefetch(next + pace - 1, 0, 2);
        panel += PANEL;
        next += pace;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vf value = vf_set(base[r / ROWS_PER_BASE][(r % ROWS_PER_BASE) * lda]);
            sum[r][0] = vf_fma(value, left, sum[r][0]);
            sum[r][1] = vf_fma(value, right, sum[r][1]);
        }
#pragma GCC unroll 4
        for (int g = 0; g < (rows + ROWS_PER_BASE - 1) / ROWS_PER_BASE; g++)
            STEP(base[g], step);
    }

    if (row_scale) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            sum[r][0] *= row_scale[r];
            sum[r][1] *= row_scale[r];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        vf_store(c, sum[r][0]);
        vf_store(c + VEC, sum[r][1]);
        STEP(c, ldc);
    }
}

#define GROUP_OF(n)                                                                                                    \
    static void product_##n(const struct product *p, const float *a, float *c, size_t ldc, const float *row_scale,     \
                            const float *next, size_t pace)                                                            \
    {                                                                                                                  \
        product_group(n, p, a, c, ldc, row_scale, next, pace);                                                         \
    }
GROUP_SIZES(GROUP_OF)
#undef GROUP_OF

static void (*const product_groups[])(const struct product *, const float *, float *, size_t, const float *,
                                      const float *, size_t) = {
#define GROUP_OF(n) [n] = product_##n,
    GROUP_SIZES(GROUP_OF)
#undef GROUP_OF
};

static void product(const struct product *p)
{
    if (p->rows == 0)
        return;
    struct groups groups = groups_of(p->rows, p->next != NULL);
    for (size_t g = 0, row = 0; g < groups.count; g++) {
        size_t rows = groups.rows + (g < groups.larger);
        const float *a = p->a + row * p->lda;
        float *c = p->c + row * p->ldc;
        const float *row_scale = p->row_scale ? p->row_scale + row : NULL;
        bool fetches = g < groups.fetchers;
        const float *next = fetches ? p->next + g * p->k * groups.pace : p->panel;
        if (p->columns == PANEL) {
            product_groups[rows](p, a, c, p->ldc, row_scale, next, fetches ? groups.pace : 0);
        } else { /* the columns after these must not be written */
            float narrow[GROUP * PANEL] = {0};
            for (size_t r = 0; p->accumulate && r < rows; r++)
                memcpy(narrow + r * PANEL, c + r * p->ldc, p->columns * sizeof(float));
            product_groups[rows](p, a, narrow, PANEL, row_scale, next, fetches ? groups.pace : 0);
            for (size_t r = 0; r < rows; r++)
                memcpy(c + r * p->ldc, narrow + r * PANEL, p->columns * sizeof(float));
        }
        row += rows;
    }
}
