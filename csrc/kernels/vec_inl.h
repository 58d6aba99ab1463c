/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the compiler's vectors at every width; a level adds set, fma, max, min, the binary16 load and
 * madd: the sum of two products of 16-bit integers in each lane. */
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

#define PANEL (2 * VEC)
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(VEC * 4), may_alias));
typedef int32_t vi __attribute__((vector_size(VEC * 4), may_alias));
typedef uint32_t vu __attribute__((vector_size(VEC * 4), may_alias));
typedef int32_t int32_any __attribute__((may_alias));
typedef int32_t vi_unaligned __attribute__((vector_size(VEC * 4), aligned(4), may_alias));
typedef float vf_unaligned __attribute__((vector_size(VEC * 4), aligned(4), may_alias));

#ifndef IN_REGISTER /* tests/emulated/immintrin.h defines it: its vectors are in memory */
#define IN_REGISTER(vector) __asm__("" : "+v"(vector))
#endif

INLINE vf vf_load(const float *from)
{
    return *(const vf_unaligned *)from;
}

INLINE void vf_store(float *to, vf value)
{
    *(vf_unaligned *)to = value;
}

INLINE vi vi_load(const int32_t *from)
{
    return *(const vi_unaligned *)from;
}

INLINE vf vf_select(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

INLINE vf vf_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* The first n < VEC lanes, then zeros. */
INLINE vf vf_load_part(const float *from, size_t n)
{
    vf value = {0};
    memcpy(&value, from, n * sizeof(float));
    return value;
}

/* The first n values; lanes beyond them are `fill`. */
INLINE vf vf_load_lanes(const float *from, size_t n, float fill)
{
    if (n >= VEC)
        return vf_load(from);
    vf value = (vf){0} + fill;
    memcpy(&value, from, n * sizeof(float));
    return value;
}

INLINE void vf_store_part(float *to, vf value, size_t n)
{
    memcpy(to, &value, n * sizeof(float));
}

/* The first n lanes. */
INLINE void vf_store_lanes(float *to, vf value, size_t n)
{
    if (n >= VEC)
        vf_store(to, value);
    else
        vf_store_part(to, value, n);
}

INLINE float vf_sum(vf value)
{
    float lanes[VEC];
    vf_store(lanes, value);
    for (int width = VEC / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; lane++)
            lanes[lane] += lanes[lane + width];
    return lanes[0];
}

INLINE float vf_largest(vf value)
{
    float largest = value[0];
    for (int lane = 1; lane < VEC; lane++)
        largest = value[lane] > largest ? value[lane] : largest;
    return largest;
}

INLINE float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
