/* SPDX-License-Identifier: Apache-2.0 */
/* exp and the normal distribution. The coefficients are printed by tools/fit_polynomials.py. */

/* p(x) for the polynomial with `count` coefficients, constant first. */
INLINE vf vf_polynomial(vf x, const float *coefficients, int count)
{
    vf value = vf_set(coefficients[count - 1]);
#pragma GCC unroll 16
    for (int i = count - 2; i >= 0; i--)
        value = vf_fma(value, x, vf_set(coefficients[i]));
    return value;
}

/* exp(x), relative error below 2e-7; 0 below -87.3, exp(88.7) above 88.7. NaN stays NaN. */
INLINE vf vf_exp(vf x)
{
    static const float exp_rest[] = {
        5.000000095e-01f, 1.666651890e-01f, 4.166620598e-02f, 8.368882318e-03f, 1.395047894e-03f,
    };
    const vf shift = vf_set(0x1.8p23f); /* adding it rounds to an integer, held in the low bits */
    vf bounded = vf_min(vf_set(88.7f), vf_max(vf_set(-87.3f), x));
    vf shifted = vf_fma(bounded, vf_set(0x1.715476p0f), shift); /* x / log 2 */
    vf whole = shifted - shift;
    vf rest = vf_fma(whole, vf_set(-0x1.62e4p-1f), bounded); /* x - whole * log 2, in two parts */
    rest = vf_fma(whole, vf_set(-0x1.7f7d1cp-20f), rest);
    vf result = vf_fma(rest * rest, vf_polynomial(rest, exp_rest, 5), rest) + 1.0f;
    result = (vf)((vi)result + ((vi)shifted << 23));
    return vf_select(x < -87.3f, vf_set(0.0f), result);
}

/* Phi(-t) of the standard normal distribution for t >= 0; larger t counts as 9. */
INLINE vf vf_normal_tail(vf t)
{
    static const float log_normal_tail[] = {
        -6.931471757e-01f, -7.978848980e-01f, -3.183062297e-01f, -3.635004334e-02f, 4.808559779e-03f,  1.374062549e-05f,
        -2.060856654e-04f, 5.899634129e-05f,  -9.341253247e-06f, 8.934812777e-07f,  -4.797631499e-08f, 1.107451366e-09f,
    };
    return vf_exp(vf_polynomial(vf_min(vf_set(9.0f), t), log_normal_tail, 12));
}

INLINE vf vf_sigmoid(vf x)
{
    return 1.0f / (1.0f + vf_exp(-x));
}

INLINE vf vf_tanh(vf x)
{
    vf decay = vf_exp(-2.0f * vf_abs(x));
    vf magnitude = (1.0f - decay) / (1.0f + decay);
    return (vf)((vi)magnitude | ((vi)x & (int32_t)0x80000000));
}
