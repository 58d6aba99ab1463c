/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

/* A masked score is -FLT_MAX, as in transformers; its exp is exactly zero. */
static void softmax(float *tile, size_t ld, size_t rows, size_t n, const uint8_t *mask, float *inverse_sum)
{
    size_t padded = (n + VEC - 1) / VEC * VEC;
    for (size_t row = 0; row < rows; row++) {
        float *score = tile + row * ld;
        for (size_t i = n; i < padded; i++)
            score[i] = -FLT_MAX;
        for (size_t i = 0; mask && i < n; i++)
            if (!mask[i])
                score[i] = -FLT_MAX;
        vf largest = vf_load(score);
        for (size_t i = VEC; i < padded; i += VEC)
            largest = vf_max(largest, vf_load(score + i));
        const vf top = vf_set(vf_largest(largest));
        vf sum = {0};
        for (size_t i = 0; i < padded; i += VEC) {
            vf value = vf_exp(vf_load(score + i) - top);
            vf_store(score + i, value);
            sum += value;
        }
        inverse_sum[row] = 1.0f / vf_sum(sum);
    }
}

static void softmax_backward(float *p, float *d, size_t ld, size_t rows, size_t n, const float *inverse_sum)
{
    for (size_t row = 0; row < rows; row++, p += ld, d += ld) {
        const vf scale = vf_set(inverse_sum[row]);
        vf sum = {0};
        for (size_t i = 0; i < n; i += VEC) {
            vf probability = vf_load(p + i) * scale;
            vf_store(p + i, probability);
            sum = vf_fma(probability, vf_load(d + i), sum);
        }
        const vf mean = vf_set(vf_sum(sum));
        for (size_t i = 0; i < n; i += VEC)
            vf_store(d + i, vf_load(p + i) * (vf_load(d + i) - mean));
    }
}

static void exp_sums(const float *x, size_t n, float *sums)
{
    vf largest = vf_set(-FLT_MAX);
    for (size_t i = 0; i < n; i += VEC)
        largest = vf_max(largest, vf_load_lanes(x + i, n - i, -FLT_MAX));
    const vf top = vf_set(vf_largest(largest));
    vf sum = {0}, total = {0};
    for (size_t i = 0; i < n; i += VEC) {
        sum += vf_exp(vf_load_lanes(x + i, n - i, -FLT_MAX) - top);
        total += vf_load_lanes(x + i, n - i, 0.0f);
    }
    sums[0] = top[0];
    sums[1] = vf_sum(sum);
    sums[2] = vf_sum(total);
}

static void exp_scaled(float *x, size_t n, float largest, float scale, float shift)
{
    for (size_t i = 0; i < n; i += VEC) {
        vf value = vf_exp(vf_load_lanes(x + i, n - i, 0.0f) - largest);
        vf_store_lanes(x + i, value * scale - shift, n - i);
    }
}
