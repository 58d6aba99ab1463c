/* SPDX-License-Identifier: Apache-2.0 */
/* Eight lanes: AVX2, FMA, F16C. */
#include <immintrin.h>

#define ISA_NAME avx2
#define ISA_LEVEL ISA_AVX2
#define VEC 8
#define GROUP 6

#include "kernels/vec_inl.h"

static inline vf vf_set(float value)
{
    return _mm256_set1_ps(value);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline vf vf_sqrt(vf x)
{
    return _mm256_sqrt_ps(x);
}

static inline vi vi_madd(vi a, vi b)
{
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

static inline vf vf_from_f16(const uint16_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}
