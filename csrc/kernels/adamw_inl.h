/* SPDX-License-Identifier: Apache-2.0 */
/* Loshchilov, Hutter 2019, "Decoupled Weight Decay Regularization": one pass over values, gradients and moments. */
static void adamw(float *value, const float *gradient, float *m, float *v, size_t n, const struct adamw *a)
{
    for (size_t i = 0; i < n; i += VEC) {
        vf g = vf_load_lanes(gradient + i, n - i, 0.0f) * a->scale;
        vf mean = vf_fma(g, vf_set(a->take_m), vf_load_lanes(m + i, n - i, 0.0f) * a->keep_m);
        vf square = vf_fma(g * g, vf_set(a->take_v), vf_load_lanes(v + i, n - i, 0.0f) * a->keep_v);
        vf by = vf_fma(vf_sqrt(square), vf_set(a->root), vf_set(a->epsilon));
        vf kept = vf_load_lanes(value + i, n - i, 0.0f) * a->keep;
        vf_store_lanes(m + i, mean, n - i);
        vf_store_lanes(v + i, square, n - i);
        vf_store_lanes(value + i, kept - a->step * mean / by, n - i);
    }
}

typedef float vf_half __attribute__((vector_size(VEC * 2), aligned(4), may_alias));
typedef double vd __attribute__((vector_size(VEC * 4)));

/* The square of a float is exact in a double. */
static void sum_squares(const float *x, size_t n, double *sum)
{
    vd total[2] = {{0}};
    size_t whole = n / VEC * VEC;
    for (size_t i = 0; i < whole; i += VEC) {
        for (int part = 0; part < 2; part++) {
            vd value = __builtin_convertvector(*(const vf_half *)(x + i + part * (VEC / 2)), vd);
            total[part] += value * value;
        }
    }
    total[0] += total[1];
    for (int lane = 0; lane < VEC / 2; lane++)
        *sum += total[0][lane];
    for (size_t i = whole; i < n; i++)
        *sum += (double)x[i] * (double)x[i];
}
