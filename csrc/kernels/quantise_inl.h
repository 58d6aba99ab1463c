/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as integers from 0 to 255. The including file defines quantised_store(words, integers), which stores VEC of them
 * as words for its product. No operation is fused, so that every level computes the same bits. */

#define QUANTISED_TOP 255.0f
#define LEAST_RANGE 1e-30f /* a row that varies less counts as zeros */

INLINE vu vf_nearest(vf x) /* of |x| below 2**22; NaN is any number */
{
    const vf shift = vf_set(0x1.8p23f);
    return (vu)(x + shift) - (vu)shift;
}

INLINE void quantise_row(const float *x, size_t n, int32_t *to, float *scale, int32_t *zero)
{
    vf low = {0}, high = {0}, bad = {0}; /* `bad` is NaN if a value is not finite */
    for (size_t i = 0; i < n; i += VEC) {
        vf value = vf_load_lanes(x + i, n - i, 0.0f);
        low = vf_min(value, low);
        high = vf_max(value, high);
        bad += value * 0.0f;
    }
    float bottom = vf_largest(-low), range = vf_largest(high) + bottom; /* bottom: how far below zero */
    bool varies = range > LEAST_RANGE;
    float inverse = varies ? QUANTISED_TOP / range : 0.0f;
    uint32_t middle = vf_nearest(vf_set(bottom * inverse))[0];
    for (size_t i = 0; i < n; i += VEC) {
        vi value = (vi)(vf_nearest(vf_load_lanes(x + i, n - i, 0.0f) * inverse) + middle);
        value = value & ~(value >> 31);
        vi above = value > (int32_t)QUANTISED_TOP;
        quantised_store(to + i / 4 * INT8_WORDS, (above & (int32_t)QUANTISED_TOP) | (~above & value));
    }
    *scale = (varies ? range / QUANTISED_TOP : 0.0f) + vf_sum(bad);
    *zero = (int32_t)(middle & (uint32_t)QUANTISED_TOP);
}

static void quantise(const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to, float *scale,
                     int32_t *zero)
{
    for (size_t r = 0; r < rows; r++)
        quantise_row(x + r * ld, n, to + r * ld_to, &scale[r], &zero[r]);
}
#undef QUANTISED_TOP
#undef LEAST_RANGE
