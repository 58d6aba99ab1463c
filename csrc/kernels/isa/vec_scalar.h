/* SPDX-License-Identifier: Apache-2.0 */
/* Four lanes in the compiler's portable vectors: runs on every x86-64. */
#define ISA_NAME scalar
#define ISA_LEVEL ISA_SCALAR
#define VEC 4
#define GROUP 4

#include "kernels/vec_inl.h"

static inline vf vf_set(float value)
{
    return (vf){value, value, value, value};
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

static inline vf vf_max(vf a, vf b)
{
    return vf_select(a > b, a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return vf_select(a < b, a, b);
}

static inline vf vf_sqrt(vf x)
{
    for (int lane = 0; lane < VEC; lane++)
        x[lane] = __builtin_sqrtf(x[lane]);
    return x;
}

static inline vi vi_madd(vi a, vi b)
{
    return ((vi)((vu)a << 16) >> 16) * ((vi)((vu)b << 16) >> 16) + (a >> 16) * (b >> 16);
}

/* IEEE binary16 by integer arithmetic: the exponent is moved, subnormals are counted in units of 2**-24. */
static inline vf vf_from_f16(const uint16_t *from)
{
    vf result;
    for (int lane = 0; lane < VEC; lane++) {
        uint32_t half = from[lane], magnitude = half & 0x7fff, bits;
        if (magnitude >= 0x7c00)
            bits = 0x7f800000u | (magnitude & 0x3ff) << 13;
        else if (magnitude >= 0x400)
            bits = (magnitude << 13) + ((127 - 15) << 23);
        else
            bits = bits_of_float((float)magnitude * 0x1p-24f);
        result[lane] = float_of_bits(bits | (half & 0x8000) << 16);
    }
    return result;
}
