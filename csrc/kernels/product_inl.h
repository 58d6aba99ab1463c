/* SPDX-License-Identifier: Apache-2.0 */
/* The micro-kernel: a group of rows times one panel, all sums in registers.
 * Rows of `a` are read in place; four base pointers and one stride address twelve of them. */

#define ROWS_PER_BASE 3
#define PREFETCHERS 4 /* row groups that share the prefetching of the next panel, so that memory is never idle */
#define BASES ((GROUP + ROWS_PER_BASE - 1) / ROWS_PER_BASE)

/* Advances a pointer; the assembly keeps the compiler from holding the address of every row. */
#define STEP(pointer, by)                                                                                              \
    do {                                                                                                               \
        (pointer) += (by);                                                                                             \
        __asm__("" : "+r"(pointer));                                                                                   \
    } while (0)

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

    const size_t lda = p->lda, step = p->step ? p->step : 1, ld_panel = p->ld_panel ? p->ld_panel : PANEL;
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
        panel += ld_panel;
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
GROUP_OF(1)
GROUP_OF(2)
GROUP_OF(3)
GROUP_OF(4)
#if GROUP > 4
GROUP_OF(5)
GROUP_OF(6)
#endif
#if GROUP > 6
GROUP_OF(7)
GROUP_OF(8)
GROUP_OF(9)
GROUP_OF(10)
GROUP_OF(11)
GROUP_OF(12)
#endif
#undef GROUP_OF

static void (*const product_groups[])(const struct product *, const float *, float *, size_t, const float *,
                                      const float *, size_t) = {
    NULL,      product_1, product_2, product_3,  product_4,
#if GROUP > 4
    product_5, product_6,
#endif
#if GROUP > 6
    product_7, product_8, product_9, product_10, product_11, product_12,
#endif
};

static void product(const struct product *p)
{
    if (p->rows == 0)
        return;
    size_t groups = (p->rows + GROUP - 1) / GROUP;
    size_t small = p->rows / groups, larger = p->rows % groups; /* this many groups take one row more */
    size_t sharers = groups < PREFETCHERS ? groups : PREFETCHERS, pace = (PANEL + sharers - 1) / sharers, row = 0;
    for (size_t g = 0; g < groups; g++) {
        size_t rows = small + (g < larger);
        const float *a = p->a + row * p->lda;
        float *c = p->c + row * p->ldc;
        const float *row_scale = p->row_scale ? p->row_scale + row : NULL;
        bool fetches = p->next && g < sharers;
        const float *next = fetches ? p->next + g * p->k * pace : p->panel;
        if (p->columns == PANEL) {
            product_groups[rows](p, a, c, p->ldc, row_scale, next, fetches ? pace : 0);
        } else { /* the columns after these must not be written */
            float narrow[GROUP * PANEL] = {0};
            for (size_t r = 0; p->accumulate && r < rows; r++)
                memcpy(narrow + r * PANEL, c + r * p->ldc, p->columns * sizeof(float));
            product_groups[rows](p, a, narrow, PANEL, row_scale, next, fetches ? pace : 0);
            for (size_t r = 0; r < rows; r++)
                memcpy(c + r * p->ldc, narrow + r * PANEL, p->columns * sizeof(float));
        }
        row += rows;
    }
}
#undef STEP
#undef BASES
#undef ROWS_PER_BASE
#undef PREFETCHERS
