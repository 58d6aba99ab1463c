/* SPDX-License-Identifier: Apache-2.0 */
/* Products of floats with weights of bfloat16, which become floats while they are read: a bfloat16 is the upper half of
 * a float. A word of the panel has two of them, which meet two floats of a row. */

typedef vf sum_widened;

INLINE vf begin_widened(const struct short_product *p, size_t row, int half)
{
    return vf_load((p->accumulate ? p->c + row * p->ldc : p->bias) + half * VEC);
}

INLINE vi right_widened(const int32_t *panel, int word)
{
    vu words = (vu)vi_load(panel);
    return word ? (vi)(words & 0xffff0000) : (vi)(words << 16);
}

INLINE vf dot_widened(vf sum, vi left, vi right)
{
    return vf_fma((vf)left, (vf)right, sum);
}

INLINE vf end_widened(const struct short_product *p, size_t row, int half, vf sum)
{
    (void)p, (void)row, (void)half;
    return sum;
}

#define SHORT_WORDS 2
#define SHORT(name) name##_widened
#include "kernels/short_inl.h"
