/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen lanes: AVX-512 F, BW, DQ, VL. */
#include <immintrin.h>

#define ISA_NAME avx512
#define ISA_LEVEL ISA_AVX512
#define VEC 16
#define GROUP 12

#include "kernels/vec_inl.h"

static inline vf vf_set(float value)
{
    return _mm512_set1_ps(value);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vf vf_sqrt(vf x)
{
    return _mm512_sqrt_ps(x);
}

static inline vi vi_madd(vi a, vi b)
{
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
}

static inline vf vf_from_f16(const uint16_t *from)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}
