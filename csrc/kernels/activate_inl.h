/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of transformers' ACT2FN, by their formulas. */

INLINE vf act_linear(vf x)
{
    return x;
}

/* x Phi(x) = relu(x) - |x| Phi(-|x|): no cancellation on either side (Hendrycks, Gimpel 2016) */
INLINE vf act_gelu(vf x)
{
    vf size = vf_min(vf_set(9.0f), vf_abs(x));
    return vf_max(vf_set(0.0f), x) - size * vf_normal_tail(size);
}

INLINE vf act_gelu_tanh(vf x)
{
    vf inner = 0.7978845608f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + vf_tanh(inner));
}

INLINE vf act_quick_gelu(vf x)
{
    return x * vf_sigmoid(1.702f * x);
}

INLINE vf act_gelu_10(vf x)
{
    return vf_min(vf_set(10.0f), vf_max(vf_set(-10.0f), act_gelu(x)));
}

INLINE vf act_relu(vf x)
{
    return vf_max(vf_set(0.0f), x);
}

INLINE vf act_relu2(vf x)
{
    vf positive = act_relu(x);
    return positive * positive;
}

INLINE vf act_relu6(vf x)
{
    return vf_min(vf_set(6.0f), act_relu(x));
}

INLINE vf act_leaky_relu(vf x)
{
    return vf_select(x < 0.0f, 0.01f * x, x);
}

INLINE vf act_silu(vf x)
{
    return x * vf_sigmoid(x);
}

INLINE vf act_tanh(vf x)
{
    return vf_tanh(x);
}

INLINE vf act_sigmoid(vf x)
{
    return vf_sigmoid(x);
}

/* x tanh(log(1 + e^x)) = x (e^2x + 2 e^x) / (e^2x + 2 e^x + 2) (Misra 2019); x itself above 20 */
INLINE vf act_mish(vf x)
{
    vf e = vf_exp(vf_min(vf_set(20.0f), x));
    vf n = e * (e + 2.0f);
    return vf_select(x > 20.0f, x, x * n / (n + 2.0f));
}

INLINE vf act_hardswish(vf x)
{
    return x * act_relu6(x + 3.0f) / 6.0f;
}

/* Phi((x - mu) / sigma), mu = sqrt(1/2), sigma = sqrt(1/(4 pi)) as rounded by transformers (Ma et al. 2022) */
INLINE vf act_laplace(vf x)
{
    vf z = (x - 0.707107f) / 0.282095f;
    vf tail = vf_normal_tail(vf_abs(z));
    return vf_select(z < 0.0f, tail, 1.0f - tail);
}

#define APPLY(act)                                                                                                     \
    for (size_t row = 0; row < rows; row++)                                                                            \
        for (size_t i = 0; i < columns; i += VEC)                                                                      \
            vf_store(x + row * ld + i, act(vf_load(x + row * ld + i)));                                                \
    break

static void activate(enum activation kind, float *x, size_t ld, size_t rows, size_t columns)
{
    switch (kind) {
    case ACT_GELU:
        APPLY(act_gelu);
    case ACT_GELU_TANH:
        APPLY(act_gelu_tanh);
    case ACT_QUICK_GELU:
        APPLY(act_quick_gelu);
    case ACT_GELU_10:
        APPLY(act_gelu_10);
    case ACT_RELU:
        APPLY(act_relu);
    case ACT_RELU2:
        APPLY(act_relu2);
    case ACT_RELU6:
        APPLY(act_relu6);
    case ACT_LEAKY_RELU:
        APPLY(act_leaky_relu);
    case ACT_SILU:
        APPLY(act_silu);
    case ACT_TANH:
        APPLY(act_tanh);
    case ACT_SIGMOID:
        APPLY(act_sigmoid);
    case ACT_MISH:
        APPLY(act_mish);
    case ACT_HARDSWISH:
        APPLY(act_hardswish);
    case ACT_LAPLACE:
        APPLY(act_laplace);
    case ACT_LINEAR:
    default:
        break;
    }
}
#undef APPLY
