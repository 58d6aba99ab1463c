/* SPDX-License-Identifier: Apache-2.0 */
/* Products of 8-bit integers with sums of 32 bits. INT8_WORDS is 1 for levels whose vectors multiply bytes; they
 * define right_int8 and dot_int8. The others multiply 16 bits, so that nothing saturates: a row has two words for a
 * step, its bytes 0 and 2, then 1 and 3, each widened to 16 bits; the bytes of the panel are widened while they are
 * read. */

#ifndef INT8_WORDS
#define INT8_WORDS 2

typedef int16_t vh __attribute__((vector_size(VEC * 4), may_alias));

INLINE vi right_int8(const int32_t *panel, int word)
{
    vi bytes = vi_load(panel);
    return word ? (vi)((vh)bytes >> 8) : (vi)((vh)((vu)bytes << 8) >> 8);
}

INLINE vi dot_int8(vi sum, vi left, vi right)
{
    sum += vi_madd(left, right);
    IN_REGISTER(sum); /* GCC would add the products of both words first, and keep the sums on the stack */
    return sum;
}

INLINE void quantised_store(int32_t *words, vi integers)
{
    uint64_t pairs[VEC / 2];
    memcpy(pairs, &integers, sizeof pairs);
    for (int step = 0; step < VEC / 4; step++)
        pairs[step] = pairs[2 * step] | pairs[2 * step + 1] << 16;
    memcpy(words, pairs, sizeof pairs / 2);
}
#else
INLINE void quantised_store(int32_t *words, vi integers)
{
    typedef uint8_t bytes __attribute__((vector_size(VEC)));
    bytes narrow = __builtin_convertvector(integers, bytes);
    memcpy(words, &narrow, sizeof narrow);
}
#endif

#include "kernels/int8_sums_inl.h"
#include "kernels/quantise_inl.h"

#define SHORT_WORDS INT8_WORDS
#define SHORT(name) name##_int8
#include "kernels/short_inl.h"
