/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout by a counter: whether an element is kept depends on its index and the key alone, so that nothing is stored.
 */
#include "base/random.h"

/* triple32 (Wellons 2018), with the second word of the key between its rounds, so that the numbers of one key are no
 * rearrangement of those of another. */
INLINE vu dropout_hash(vu index, uint32_t first, uint32_t second)
{
    vu x = index ^ first;
    x = (x ^ x >> 17) * 0xed5ad4bbu;
    x = (x ^ x >> 11) * 0xac4c1b51u ^ second;
    x = (x ^ x >> 15) * 0x31848babu;
    return x ^ x >> 14;
}

/* Elements whose indices share their upper 32 bits; the first has the lower bits `index`. */
static void dropout_run(const float *x, const float *residual, size_t n, uint32_t index, uint64_t words,
                        uint32_t threshold, float scale, float *out)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vu lanes;
    memcpy(&lanes, counts, sizeof lanes);
    for (size_t i = 0; i < n; i += VEC) {
        vu hash = dropout_hash(lanes + (index + (uint32_t)i), (uint32_t)words, (uint32_t)(words >> 32));
        vf value = vf_load_lanes(x + i, n - i, 0.0f) * scale;
        value = vf_select((vi)(hash >= threshold), value, vf_set(0.0f));
        if (residual)
            value += vf_load_lanes(residual + i, n - i, 0.0f);
        vf_store_lanes(out + i, value, n - i);
    }
}

static void dropout(const float *x, const float *residual, size_t n, uint64_t index, uint64_t key, uint32_t threshold,
                    float scale, float *out)
{
    while (n > 0) {
        uint64_t left = (UINT64_C(1) << 32) - (uint32_t)index;
        size_t run = n < left ? n : (size_t)left;
        dropout_run(x, residual, run, (uint32_t)index, random_mix(key ^ index >> 32), threshold, scale, out);
        x += run, out += run, index += run, n -= run;
        residual = residual ? residual + run : NULL;
    }
}
