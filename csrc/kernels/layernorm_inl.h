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
