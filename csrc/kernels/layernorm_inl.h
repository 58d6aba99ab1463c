/* SPDX-License-Identifier: Apache-2.0 */
/* Ba, Kiros, Hinton 2016, "Layer Normalization": biased variance about the mean, in two passes. */
static void layernorm(const float *x, const float *residual, const float *gain, const float *bias, float eps,
                      size_t rows, size_t n, size_t ld, float *out)
{
    size_t whole = n / VEC * VEC, rest = n - whole;
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row * ld, *add = residual ? residual + row * ld : NULL;
        float *to = out + row * ld;
        vf total = {0};
        for (size_t i = 0; i < whole; i += VEC) {
            vf value = vf_load(from + i);
            if (add)
                value += vf_load(add + i);
            vf_store(to + i, value);
            total += value;
        }
        if (rest) {
            vf value = vf_load_part(from + whole, rest);
            if (add)
                value += vf_load_part(add + whole, rest);
            vf_store_part(to + whole, value, rest);
            total += value;
        }
        const float mean = vf_sum(total) / (float)n;

        vf squares = {0};
        for (size_t i = 0; i < whole; i += VEC) {
            vf value = vf_load(to + i) - mean;
            squares = vf_fma(value, value, squares);
        }
        float variance = vf_sum(squares);
        for (size_t i = whole; i < n; i++)
            variance += (to[i] - mean) * (to[i] - mean);
        const float scale = 1.0f / __builtin_sqrtf(variance / (float)n + eps);

        for (size_t i = 0; i < whole; i += VEC)
            vf_store(to + i, vf_fma((vf_load(to + i) - mean) * scale, vf_load(gain + i), vf_load(bias + i)));
        for (size_t i = whole; i < n; i++)
            to[i] = (to[i] - mean) * scale * gain[i] + bias[i];
    }
}

/* With y = (x - mean) / sigma and g = gain * d_out: d_x = (g - mean(g) - y mean(g y)) / sigma. Lanes beyond n hold the
 * mean as x and zero as all else, so that they add nothing. */
static void layernorm_backward(const float *x, const float *d_out, const float *gain, float eps, size_t rows, size_t n,
                               size_t ld, float *d_x, float *d_gain, float *d_bias)
{
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row * ld, *slope = d_out + row * ld;
        float *to = d_x + row * ld;
        vf total = {0}, squares = {0}, total_g = {0}, total_gy = {0};
        for (size_t i = 0; i < n; i += VEC)
            total += vf_load_lanes(from + i, n - i, 0.0f);
        const float mean = vf_sum(total) / (float)n;
        for (size_t i = 0; i < n; i += VEC) {
            vf value = vf_load_lanes(from + i, n - i, mean) - mean;
            squares = vf_fma(value, value, squares);
        }
        const float scale = 1.0f / __builtin_sqrtf(vf_sum(squares) / (float)n + eps);

        for (size_t i = 0; i < n; i += VEC) {
            vf y = (vf_load_lanes(from + i, n - i, mean) - mean) * scale;
            vf d = vf_load_lanes(slope + i, n - i, 0.0f), g = d * vf_load_lanes(gain + i, n - i, 0.0f);
            total_g += g;
            total_gy = vf_fma(g, y, total_gy);
            vf_store_lanes(d_gain + i, vf_fma(d, y, vf_load_lanes(d_gain + i, n - i, 0.0f)), n - i);
            vf_store_lanes(d_bias + i, vf_load_lanes(d_bias + i, n - i, 0.0f) + d, n - i);
        }
        const float mean_g = vf_sum(total_g) / (float)n, mean_gy = vf_sum(total_gy) / (float)n;

        for (size_t i = 0; i < n; i += VEC) {
            vf y = (vf_load_lanes(from + i, n - i, mean) - mean) * scale;
            vf g = vf_load_lanes(slope + i, n - i, 0.0f) * vf_load_lanes(gain + i, n - i, 0.0f);
            vf_store_lanes(to + i, (g - mean_g - y * mean_gy) * scale, n - i);
        }
    }
}
