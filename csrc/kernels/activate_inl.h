/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of transformers' ACT2FN and their derivatives, by their formulas. Where a derivative jumps, it is
 * torch's. */

/* d/dx sigmoid(x) = e^-|x| / (1 + e^-|x|)^2 */
INLINE vf vf_sigmoid_slope(vf x)
{
    vf decay = vf_exp(-vf_abs(x)), part = 1.0f / (1.0f + decay);
    return decay * part * part;
}

INLINE vf vf_normal_density(vf x)
{
    return 0.3989422804f * vf_exp(-0.5f * x * x);
}

/* x Phi(x) = relu(x) - |x| Phi(-|x|): no cancellation on either side (Hendrycks, Gimpel 2016) */
INLINE vf act_gelu(vf x)
{
    vf size = vf_min(vf_set(9.0f), vf_abs(x));
    return vf_max(vf_set(0.0f), x) - size * vf_normal_tail(size);
}

/* Phi(x) + x phi(x) */
INLINE vf slope_gelu(vf x)
{
    vf size = vf_min(vf_set(9.0f), vf_abs(x)), tail = vf_normal_tail(size);
    vf lean = size * vf_normal_density(size);
    return vf_select(x < 0.0f, tail - lean, 1.0f - tail + lean);
}

INLINE vf act_gelu_tanh(vf x)
{
    vf inner = 0.7978845608f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + vf_tanh(inner));
}

/* With u the argument of tanh, 0.5 (1 + tanh u) = sigmoid(2 u); beyond 10 the derivative is 0 or 1. */
INLINE vf slope_gelu_tanh(vf x)
{
    x = vf_min(vf_set(10.0f), vf_max(vf_set(-10.0f), x));
    vf square = x * x, twice = 1.5957691216f * x * (1.0f + 0.044715f * square);
    return vf_sigmoid(twice) + x * vf_sigmoid_slope(twice) * 1.5957691216f * (1.0f + 0.134145f * square);
}

INLINE vf act_quick_gelu(vf x)
{
    return x * vf_sigmoid(1.702f * x);
}

INLINE vf slope_quick_gelu(vf x)
{
    vf z = 1.702f * x;
    return vf_sigmoid(z) + z * vf_sigmoid_slope(z);
}

INLINE vf act_gelu_10(vf x)
{
    return vf_min(vf_set(10.0f), vf_max(vf_set(-10.0f), act_gelu(x)));
}

INLINE vf slope_gelu_10(vf x)
{
    return vf_select(x > 10.0f, vf_set(0.0f), slope_gelu(x));
}

INLINE vf act_relu(vf x)
{
    return vf_max(vf_set(0.0f), x);
}

INLINE vf slope_relu(vf x)
{
    return vf_select(x > 0.0f, vf_set(1.0f), vf_set(0.0f));
}

INLINE vf act_relu2(vf x)
{
    vf positive = act_relu(x);
    return positive * positive;
}

INLINE vf slope_relu2(vf x)
{
    return 2.0f * act_relu(x);
}

INLINE vf act_relu6(vf x)
{
    return vf_min(vf_set(6.0f), act_relu(x));
}

INLINE vf slope_relu6(vf x)
{
    return vf_select((x > 0.0f) & (x < 6.0f), vf_set(1.0f), vf_set(0.0f));
}

INLINE vf act_leaky_relu(vf x)
{
    return vf_select(x < 0.0f, 0.01f * x, x);
}

INLINE vf slope_leaky_relu(vf x)
{
    return vf_select(x > 0.0f, vf_set(1.0f), vf_set(0.01f));
}

INLINE vf act_silu(vf x)
{
    return x * vf_sigmoid(x);
}

INLINE vf slope_silu(vf x)
{
    return vf_sigmoid(x) + x * vf_sigmoid_slope(x);
}

INLINE vf act_tanh(vf x)
{
    return vf_tanh(x);
}

INLINE vf slope_tanh(vf x)
{
    return 4.0f * vf_sigmoid_slope(2.0f * x);
}

INLINE vf act_sigmoid(vf x)
{
    return vf_sigmoid(x);
}

INLINE vf slope_sigmoid(vf x)
{
    return vf_sigmoid_slope(x);
}

/* x tanh(log(1 + e^x)) = x (e^2x + 2 e^x) / (e^2x + 2 e^x + 2) (Misra 2019); x itself above 20 */
INLINE vf act_mish(vf x)
{
    vf e = vf_exp(vf_min(vf_set(20.0f), x));
    vf n = e * (e + 2.0f);
    return vf_select(x > 20.0f, x, x * n / (n + 2.0f));
}

/* With w = n / (n + 2), n as above: w + 4 x e (e + 1) / (n + 2)^2 */
INLINE vf slope_mish(vf x)
{
    vf e = vf_exp(vf_min(vf_set(20.0f), x));
    vf n = e * (e + 2.0f), part = 1.0f / (n + 2.0f);
    return vf_select(x > 20.0f, vf_set(1.0f), n * part + 4.0f * x * (e * part) * ((e + 1.0f) * part));
}

INLINE vf act_hardswish(vf x)
{
    return x * act_relu6(x + 3.0f) / 6.0f;
}

INLINE vf slope_hardswish(vf x)
{
    return vf_select(x < 3.0f, vf_select(x > -3.0f, x / 3.0f + 0.5f, vf_set(0.0f)), vf_set(1.0f));
}

/* Phi((x - mu) / sigma), mu = sqrt(1/2), sigma = sqrt(1/(4 pi)) as rounded by transformers (Ma et al. 2022) */
INLINE vf act_laplace(vf x)
{
    vf z = (x - 0.707107f) / 0.282095f;
    vf tail = vf_normal_tail(vf_abs(z));
    return vf_select(z < 0.0f, tail, 1.0f - tail);
}

INLINE vf slope_laplace(vf x)
{
    return vf_normal_density((x - 0.707107f) / 0.282095f) / 0.282095f;
}

/* NAME, name: all but ACT_LINEAR, which changes nothing */
#define ACTIVATIONS(A)                                                                                                 \
    A(GELU, gelu)                                                                                                      \
    A(GELU_TANH, gelu_tanh)                                                                                            \
    A(QUICK_GELU, quick_gelu)                                                                                          \
    A(GELU_10, gelu_10)                                                                                                \
    A(RELU, relu)                                                                                                      \
    A(RELU2, relu2)                                                                                                    \
    A(RELU6, relu6)                                                                                                    \
    A(LEAKY_RELU, leaky_relu)                                                                                          \
    A(SILU, silu)                                                                                                      \
    A(TANH, tanh)                                                                                                      \
    A(SIGMOID, sigmoid)                                                                                                \
    A(MISH, mish)                                                                                                      \
    A(HARDSWISH, hardswish)                                                                                            \
    A(LAPLACE, laplace)

static void activate(enum activation kind, float *x, size_t ld, size_t rows, size_t columns)
{
    switch (kind) {
#define A(NAME, name)                                                                                                  \
    case ACT_##NAME:                                                                                                   \
        for (size_t row = 0; row < rows; row++)                                                                        \
            for (size_t i = 0; i < columns; i += VEC)                                                                  \
                vf_store(x + row * ld + i, act_##name(vf_load(x + row * ld + i)));                                     \
        break;
        ACTIVATIONS(A)
#undef A
    default:
        break;
    }
}

static void activate_backward(enum activation kind, float *x, size_t ld_x, float *d, size_t ld_d, size_t rows,
                              size_t columns)
{
    switch (kind) {
#define A(NAME, name)                                                                                                  \
    case ACT_##NAME:                                                                                                   \
        for (size_t row = 0; row < rows; row++) {                                                                      \
            float *in = x + row * ld_x, *slope = d + row * ld_d;                                                       \
            for (size_t i = 0; i < columns; i += VEC) {                                                                \
                vf value = vf_load(in + i);                                                                            \
                vf_store(slope + i, vf_load(slope + i) * slope_##name(value));                                         \
                vf_store(in + i, act_##name(value));                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        break;
        ACTIVATIONS(A)
#undef A
    default:
        break;
    }
}
#undef ACTIVATIONS
