/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit products of AVX-512 VNNI: unsigned bytes of a row times signed bytes of a panel, four to a 32-bit sum. */
#include "kernels/isa/vec_avx512.h"

#define INT8_WORDS 1

INLINE vi right_int8(const int32_t *panel, int word)
{
    (void)word;
    return vi_load(panel);
}

INLINE vi dot_int8(vi sum, vi left, vi right)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)left, (__m512i)right);
}

#include "kernels/int8_inl.h"

const struct kernels kernels_avx512_vnni = {
    .int8_words = INT8_WORDS, .quantise = quantise, .product_int8 = product_int8};
