/* SPDX-License-Identifier: Apache-2.0 */
/* Products of AVX-512 BF16: pairs of bfloat16, added to a float32 sum. */
#include "kernels/isa/vec_avx512.h"

#define SHORT_WORDS 1

typedef vf short_sum;

INLINE vf short_begin(const struct short_product *p, size_t row, int half)
{
    return vf_load((p->accumulate ? p->c + row * p->ldc : p->bias) + half * VEC);
}

INLINE vi short_right(const int32_t *panel, int word)
{
    (void)word;
    return vi_load(panel);
}

INLINE vf short_dot(vf sum, vi left, vi right)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

INLINE vf short_end(const struct short_product *p, size_t row, int half, vf sum)
{
    (void)p, (void)row, (void)half;
    return sum;
}

#include "kernels/short_inl.h"

static void product_bf16(const struct short_product *product)
{
    short_product(product);
}

static void round_bf16(const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += PANEL) {
            const float *from = x + r * ld + i;
            __m512bh numbers = _mm512_cvtne2ps_pbh(vf_load(from + VEC), vf_load(from));
            memcpy(to + r * ld_to + i / 2, &numbers, sizeof numbers);
        }
    }
}

const struct kernels kernels_avx512_bf16 = {.round_bf16 = round_bf16, .product_bf16 = product_bf16};
