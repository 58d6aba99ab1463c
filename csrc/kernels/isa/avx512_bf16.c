/* SPDX-License-Identifier: Apache-2.0 */
/* Products of AVX-512 BF16: pairs of bfloat16, added to a float32 sum. */
#include "kernels/isa/vec_avx512.h"

#define SHORT_WORDS 1
#define SHORT(name) name##_bf16

typedef vf sum_bf16;

INLINE vf begin_bf16(const struct short_product *p, size_t row, int half)
{
    const float *first = p->accumulate ? p->c + row * p->ldc : p->bias;
    return first ? vf_load(first + half * VEC) : vf_set(0.0f);
}

INLINE vi right_bf16(const int32_t *panel, int word)
{
    (void)word;
    return vi_load(panel);
}

INLINE vf dot_bf16(vf sum, vi left, vi right)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

INLINE vf end_bf16(const struct short_product *p, size_t row, int half, vf sum)
{
    (void)half;
    if (p->scale)
        sum *= vf_set(p->scale[row]);
    return sum;
}

#include "kernels/short_inl.h"

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

static void pair_bf16(const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to)
{
    typedef int16_t halves __attribute__((vector_size(64)));
    const halves interleaved = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    for (size_t r = 0; r < rows; r += 2, x += 2 * ld, to += ld_to) {
        for (size_t i = 0; i < n; i += VEC) {
            vf odd = r + 1 < rows ? vf_load(x + ld + i) : vf_set(0.0f);
            __m512bh numbers = _mm512_cvtne2ps_pbh(odd, vf_load(x + i));
            _mm512_storeu_si512(to + i, _mm512_permutexvar_epi16((__m512i)interleaved, (__m512i)numbers));
        }
    }
}

const struct kernels kernels_avx512_bf16 = {
    .round_bf16 = round_bf16, .pair_bf16 = pair_bf16, .product_bf16 = product_bf16};
