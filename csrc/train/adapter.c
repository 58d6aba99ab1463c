/* SPDX-License-Identifier: Apache-2.0 */
#include "train/adapter.h"

#include <string.h>

#include "base/arena.h"
#include "kernels/kernels.h"
#include "nn/elementwise.h"

static size_t floats_of_a(const struct adapter *a)
{
    return round_up(a->rank, kernels->panel_width) * a->columns;
}

static size_t floats_of_b(const struct adapter *a)
{
    return round_up(a->rows, kernels->panel_width) * a->rank;
}

static void lay_out(struct adapter *a, struct arena *arena)
{
    float **of_a[] = {&a->a, &a->d_a, &a->before_a}, **of_b[] = {&a->b, &a->d_b, &a->before_b};
    for (size_t i = 0; i < sizeof of_a / sizeof *of_a; i++) {
        *of_a[i] = arena_floats(arena, floats_of_a(a));
        *of_b[i] = arena_floats(arena, floats_of_b(a));
    }
    a->sum = arena_floats(arena, a->columns * kernels->panel_width);
}

enum deberta_status adapter_init(struct adapter *a, size_t weight, size_t rows, size_t columns, size_t rank,
                                 float scale)
{
    *a = (struct adapter){.weight = weight, .rows = rows, .columns = columns, .rank = rank, .scale = scale};
    struct arena arena = {0};
    void *block;
    lay_out(a, &arena);
    TRY(memory_calloc(arena.used, 1, &block));
    a->block = block;
    a->bytes = arena.used;
    arena = (struct arena){.base = block};
    lay_out(a, &arena);
    return DEBERTA_OK;
}

void adapter_release(struct adapter *a)
{
    memory_free(a->block);
    *a = (struct adapter){0};
}

/* d_b += d . A^T and d_a += B^T . d for a panel of W's gradient, d (columns, panel_width), and the ranks from `first`
 * on: those of a panel of A. */
static void take_panel(const struct adapter *a, const float *d, size_t panel, size_t first)
{
    size_t width = kernels->panel_width, ranks = min_size(width, a->rank - first);
    size_t of_a = first * a->columns, of_b = (panel * a->rank + first) * width;
    _Alignas(MEMORY_ALIGNMENT) float transposed[MAX_PANEL * MAX_PANEL];
    kernels->product(&(struct product){.a = a->a + of_a,
                                       .lda = 1,
                                       .step = width,
                                       .panel = d,
                                       .k = a->columns,
                                       .c = a->d_b + of_b,
                                       .ldc = width,
                                       .rows = ranks,
                                       .columns = width,
                                       .accumulate = true});
    kernels->pack(a->b + of_b, width, ranks, width, transposed);
    kernels->product(&(struct product){.a = d,
                                       .lda = width,
                                       .panel = transposed,
                                       .k = width,
                                       .c = a->d_a + of_a,
                                       .ldc = width,
                                       .rows = a->columns,
                                       .columns = width,
                                       .accumulate = true});
}

void adapter_take_gradient(const struct adapter *a, float *gradient)
{
    size_t width = kernels->panel_width, floats = round_up(a->rows, width) * a->columns;
    scale_apply(a->scale, gradient, floats);
    for (size_t panel = 0; panel * width < a->rows; panel++)
        for (size_t first = 0; first < a->rank; first += width)
            take_panel(a, gradient + panel * a->columns * width, panel, first);
    memset(gradient, 0, floats * sizeof *gradient);
}

void adapter_begin(const struct adapter *a)
{
    size_t floats = floats_of_b(a);
    memcpy(a->before_a, a->a, floats_of_a(a) * sizeof *a->a);
    for (size_t i = 0; i < floats; i++)
        a->before_b[i] = -a->b[i];
}

/* The sum, of a panel of W, (+)= A^T . B^T. */
static void add_product(const struct adapter *a, const float *of_a, const float *of_b, size_t panel, bool accumulate)
{
    size_t width = kernels->panel_width;
    for (size_t first = 0; first < a->rank; first += width)
        kernels->product(&(struct product){.a = of_a + first * a->columns,
                                           .lda = width,
                                           .panel = of_b + (panel * a->rank + first) * width,
                                           .k = min_size(width, a->rank - first),
                                           .c = a->sum,
                                           .ldc = width,
                                           .rows = a->columns,
                                           .columns = width,
                                           .accumulate = accumulate || first > 0});
}

void adapter_merge(const struct adapter *a, float *w)
{
    size_t width = kernels->panel_width, floats = a->columns * width;
    for (size_t panel = 0; panel * width < a->rows; panel++, w += floats) {
        add_product(a, a->a, a->b, panel, false);
        add_product(a, a->before_a, a->before_b, panel, true);
        for (size_t i = 0; i < floats; i++)
            w[i] += a->scale * a->sum[i];
    }
}
