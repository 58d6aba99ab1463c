/* SPDX-License-Identifier: Apache-2.0 */
/* What begins and what ends the sums of 8-bit products. */

typedef vi sum_int8;

/* The product adds `zero` to every value of the row, so the sum of the column times `zero` is subtracted. */
INLINE vi begin_int8(const struct short_product *p, size_t row, int half)
{
    return -(vi_load(p->column_sum + half * VEC) * p->zero[row]);
}

INLINE vf end_int8(const struct short_product *p, size_t row, int half, vi sum)
{
    vf scale = vf_load(p->column_scale + half * VEC) * p->scale[row];
    vf product = __builtin_convertvector(sum, vf) * scale; /* a statement of its own: clang would fuse it */
    return product + vf_load(p->bias + half * VEC);
}
