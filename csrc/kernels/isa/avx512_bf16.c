/* SPDX-License-Identifier: Apache-2.0 */
/* Products of AVX-512 BF16: pairs of bfloat16, added to a float32 sum. */
#include "kernels/isa/vec_avx512.h"

#define SHORT_WORDS 1

typedef vf short_sum;

INLINE vf short_begin(const struct short_product *p, size_t row, int half)
{
    const float *first = p->accumulate ? p->c + row * p->ldc : p->bias;
    return first ? vf_load(first + half * VEC) : vf_set(0.0f);
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
    (void)half;
    if (p->scale)
        sum *= vf_set(p->scale[row]);
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

static void pair_bf16(const float *even, const float *odd, size_t n, int32_t *to)
{
    for (size_t i = 0; i < n; i += VEC) {
        __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(vf_load(even + i)));
        __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(vf_load(odd + i)));
        _mm512_storeu_si512(to + i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

const struct kernels kernels_avx512_bf16 = {
    .round_bf16 = round_bf16, .pair_bf16 = pair_bf16, .product_bf16 = product_bf16};
