/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels: floats in, floats out; no allocation, no failure, no threads.
 *
 * Each body (*_inl.h) is compiled once per instruction set; kernels_select chooses the table that `kernels` points to.
 * Every matrix product is a sum over k in ascending order in one accumulator per element, so that a result does
 * not depend on how rows are grouped, on other rows of the batch or on the number of threads. AMX adds the products of
 * bfloat16 of SHORT_PART steps first, then adds them to the accumulator.
 *
 * A panel is [k][panel_width] floats, 64-byte aligned: the right operand of a product, or `panel_width` columns of it. */
#ifndef DEBERTA_KERNELS_H
#define DEBERTA_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

#define MAX_PANEL 32 /* the widest panel of any level, in floats */
#define MAX_GROUP 12 /* the largest row group of any level */
#define SHORT_PART 16 /* steps of bfloat16 that AMX adds together */

enum activation {
    ACT_LINEAR = 0,
    ACT_GELU,
    ACT_GELU_TANH,
    ACT_QUICK_GELU,
    ACT_GELU_10,
    ACT_RELU,
    ACT_RELU2,
    ACT_RELU6,
    ACT_LEAKY_RELU,
    ACT_SILU,
    ACT_TANH,
    ACT_SIGMOID,
    ACT_MISH,
    ACT_HARDSWISH,
    ACT_LAPLACE,
    ACT_COUNT
};

/* c[rows][columns] = (init + a[rows][k] . panel[k][columns]) * row_scale */
struct product {
    const float *a;   /* (rows, k): element (r, k) at r * lda + k * step */
    size_t lda, step; /* step 0: 1; a transposed matrix has lda 1 and its row stride as step */
    const float *panel; /* (k, panel_width) */
    size_t ld_panel;    /* its row stride; 0: panel_width */
    size_t k;
    float *c; /* (rows, columns) with row stride ldc */
    size_t ldc;
    size_t rows, columns;   /* columns <= panel_width */
    bool accumulate;        /* init is c */
    const float *bias;      /* else init is bias (panel_width) or, when NULL, zero */
    const float *row_scale; /* (rows) or NULL */
    const float *next;      /* a panel to prefetch, or NULL */
};

/* c[rows][panel_width] = a . panel for short numbers. A step of k takes 4 bytes of each column of the panel: two numbers
 * of bfloat16, or four of int8. A product of bfloat16 may be computed in parts of its steps (`accumulate`); each part except
 * the last has a multiple of SHORT_PART steps. */
struct short_product {
    const int32_t *a;     /* (rows, steps): words of bfloat16 or, from `quantise`, int8_words for each step */
    size_t lda;           /* words */
    size_t step;          /* words from a step to the next in `a`, of bfloat16; 0: they lie one after the other */
    const int32_t *panel; /* (steps, panel_width) */
    size_t steps;
    float *c; /* (rows, panel_width) with row stride ldc */
    size_t ldc;
    size_t rows;
    const float *bias;         /* (panel_width); NULL, of bfloat16: zero */
    const int32_t *next;       /* a panel to prefetch, or NULL */
    bool accumulate;           /* of bfloat16: begins with c instead of the bias */
    const float *scale;        /* (rows); of bfloat16: what c is multiplied with, or NULL; of int8: from `quantise` */
    const int32_t *zero;       /* (rows) of int8, from `quantise` */
    const float *column_scale; /* (panel_width) of int8 */
    const int32_t *column_sum; /* (panel_width) of int8: the sum of the column's weights */
};

/* One step of Adam for the elements of an array. Of the gradient g * scale, m and v are the running means of itself and of
 * its square; value = keep * value - step * m / (root * sqrt(v) + epsilon). */
struct adamw {
    float scale;            /* of gradients: clipping, micro-batches */
    float keep_m, take_m;   /* beta1, 1 - beta1 */
    float keep_v, take_v;   /* beta2, 1 - beta2 */
    float keep, step, root; /* decoupled decay; learning rate and bias corrections */
    float epsilon;
};

/* name, parameters */
#define KERNEL_LIST(K)                                                                                                 \
    K(product, (const struct product *product))                                                                        \
    /* panel[k][panel_width] from n <= panel_width rows of k values; absent columns become zeros */                    \
    K(pack, (const float *rows, size_t ld, size_t n, size_t k, float *panel))                                          \
    /* Softmax numerators in place: exp(x - max) over n values of each row, zero where mask is 0; inverse_sum[row] =     \
     * 1 / their sum. A row must have room up to the next multiple of MAX_PANEL. */ \
    K(softmax, (float *tile, size_t ld, size_t rows, size_t n, const uint8_t *mask, float *inverse_sum))               \
    /* The gradient of softmax in place: p, the numerators that softmax left, becomes the probabilities; d, the gradient at   \
     * them, becomes that at the scores, p * (d - sum of p * d). d is finite up to the next multiple of MAX_PANEL. */ \
    K(softmax_backward, (float *p, float *d, size_t ld, size_t rows, size_t n, const float *inverse_sum)) \
    /* Of n values: the largest, the sum of exp(x - largest), the sum of x. */                                          \
    K(exp_sums, (const float *x, size_t n, float *sums))                                                               \
    /* x[n] = exp(x - largest) * scale - shift in place */                                                             \
    K(exp_scaled, (float *x, size_t n, float largest, float scale, float shift))                                       \
    /* tile[row][key] += part[key][row] */                                                                             \
    K(add_transposed,                                                                                                  \
      (const float *part, size_t ld_part, size_t keys, size_t rows, float *tile, size_t ld_tile))                      \
    /* out = gain * (x + residual - mean) / sqrt(variance + eps) + bias over n values of each row; residual or NULL */ \
    K(layernorm, (const float *x, const float *residual, const float *gain, const float *bias, float eps,              \
                  size_t rows, size_t n, size_t ld, float *out))                                                       \
    /* x[rows][columns] = act(x) in place; columns up to the next multiple of MAX_PANEL may change */                  \
    K(activate, (enum activation act, float *x, size_t ld, size_t rows, size_t columns))                               \
    /* d[rows][columns] *= act'(x), x = act(x); columns up to the next multiple of MAX_PANEL may change */             \
    K(activate_backward,                                                                                               \
      (enum activation act, float *x, size_t ld_x, float *d, size_t ld_d, size_t rows, size_t columns))                \
    /* The gradients of layernorm at x, the sum that it normalised, from that of its output. d_x may be d_out; d_gain    \
     * and d_bias (n) grow by the sums over these rows. */                                                             \
    K(layernorm_backward, (const float *x, const float *d_out, const float *gain, float eps, size_t rows, size_t n,    \
                           size_t ld, float *d_x, float *d_gain, float *d_bias))                                       \
    /* out[i] = (hash(key, index + i) >= threshold ? x[i] * scale : 0) + residual[i]; residual or NULL. The hash is the  \
     * same at every level. out may be x or residual. */                                                               \
    K(dropout, (const float *x, const float *residual, size_t n, uint64_t index, uint64_t key, uint32_t threshold,     \
                float scale, float *out))                                                                              \
    K(adamw, (float *value, const float *gradient, float *m, float *v, size_t n, const struct adamw *step))            \
    /* *sum += the squares of x, in double precision */                                                                \
    K(sum_squares, (const float *x, size_t n, double *sum))                                                            \
    K(convert_f16, (const uint16_t *from, size_t n, float *to))                                                        \
    K(convert_bf16, (const uint16_t *from, size_t n, float *to))                                                       \
    /* to[rows][n] = x, rounded to bfloat16; n up to the next multiple of MAX_PANEL is read and written. to may be x */ \
    K(round_bf16, (const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to))                       \
    /* to[rows][panel_width] = from * scale; a scale for each column */                                                \
    K(convert_int8, (const int8_t *from, const float *scale, size_t rows, float *to))                                  \
    /* Rows of n values as integers from 0 to 255, value = scale[row] * (integer - zero[row]), in words for              \
     * product_int8; zero is exact. A row that holds NaN or infinity has a scale that is not finite. `to` has room for n \
     * values rounded up to MAX_PANEL. */                                                                              \
    K(quantise, (const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to, float *scale,            \
                 int32_t *zero))                                                                                       \
    /* c = scale * column_scale * (sum of (a - zero) * panel) + bias; the sum is exact, and every level computes the    \
     * same bits */                                                                                                    \
    K(product_int8, (const struct short_product *product))                                                             \
    /* Rows of floats, as words, times weights of bfloat16, which are widened: float32 throughout. */ \
    K(product_widened, (const struct short_product *product))

/* Kernels that only a further feature of the CPU brings: NULL without it. */
#define FEATURE_KERNEL_LIST(K)                                                                                         \
    /* to[(rows + 1) / 2][n] = words of two rows of x, the first one in the low half, rounded to bfloat16; a row of zeros \
     * follows an odd number. n up to the next multiple of 16 is read and written. */                                   \
    K(pair_bf16, (const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to))                        \
    K(product_bf16, (const struct short_product *product))

struct kernels {
    enum isa isa;
    size_t panel_width; /* divides MAX_PANEL */
    size_t row_group;   /* rows that one step of `product` takes */
    size_t int8_words;  /* words of four values of a quantised row: 1, or 2 when the CPU multiplies 16 bits only */
#define K(name, parameters) void (*name) parameters;
    KERNEL_LIST(K)
    FEATURE_KERNEL_LIST(K)
#undef K
};

/* The table in use: NULL until kernels_select. */
extern const struct kernels *kernels;

/* Whether operands with strides are copied before they are multiplied: where a row of a panel is one cache line (AVX2). Its
 * arithmetic takes half the time of a row of AVX-512, too short for loads from L2, and rows in place often share few sets
 * of L1, because strides are multiples of large powers of two. */
static inline bool kernels_want_copies(void)
{
    return kernels->panel_width * sizeof(float) <= 64;
}

extern const struct kernels kernels_scalar, kernels_avx2, kernels_avx512;
extern const struct kernels kernels_avx512_vnni, kernels_avx512_bf16, kernels_amx; /* overlays: see kernels_of */

/* The table of a level, or NULL when the CPU lacks it. */
const struct kernels *kernels_of(enum isa level);
void kernels_select(const struct kernels *table);

#endif
