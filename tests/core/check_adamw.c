/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW against the formulas of torch.optim.AdamW and of the DeBERTa paper in double precision, at every level; norms
 * of many arrays; the same bits for any number of threads. */
#include "check.h"
#include "floats.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "train/adamw.h"

/* torch.optim.AdamW, _single_tensor_adam with decoupled weight decay. */
static void torch_step(const struct adamw_settings *s, double g, double *value, double *m, double *v)
{
    g *= s->scale;
    *value *= 1.0 - s->rate * s->decay;
    *m += (1.0 - s->beta1) * (g - *m);
    *v = *v * s->beta2 + (1.0 - s->beta2) * g * g;
    double correction1 = 1.0 - pow(s->beta1, (double)s->step), correction2 = 1.0 - pow(s->beta2, (double)s->step);
    *value -= s->rate / correction1 * *m / (sqrt(*v) / sqrt(correction2) + s->epsilon);
}

/* XAdam of the DeBERTa repository. */
static void paper_step(const struct adamw_settings *s, double g, double *value, double *m, double *v)
{
    g *= s->scale;
    *m = s->beta1 * *m + (1.0 - s->beta1) * g;
    *v = s->beta2 * *v + (1.0 - s->beta2) * g * g;
    *value -= s->rate * (*m / (sqrt(*v) + s->epsilon) + s->decay * *value);
}

static struct adamw_settings settings_of(bool torch, long step)
{
    return (struct adamw_settings){.rate = 1e-2 / (double)step,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .epsilon = torch ? 1e-8 : 1e-6,
                                   .decay = 0.1,
                                   .scale = 0.25 + 0.1 * (double)(step % 5),
                                   .step = step,
                                   .bias_correction = torch};
}

static void check_steps(const struct kernels *k, size_t n, bool torch)
{
    float *value = floats(n), *m = floats(n), *v = floats(n);
    double *wanted = malloc(3 * n * sizeof *wanted);
    for (size_t i = 0; i < n; i++)
        wanted[3 * i] = (double)value[i], wanted[3 * i + 1] = wanted[3 * i + 2] = 0.0, m[i] = v[i] = 0.0f;
    for (long step = 1; step <= 20; step++) {
        float *gradient = floats(n);
        struct adamw_settings s = settings_of(torch, step);
        struct adamw a = adamw_step(&s, 1.0, 1.0);
        if (step == 3)
            gradient[0] = 0.0f;
        k->adamw(value, gradient, m, v, n, &a);
        for (size_t i = 0; i < n; i++)
            (torch ? torch_step : paper_step)(&s, (double)gradient[i], wanted + 3 * i, wanted + 3 * i + 1,
                                              wanted + 3 * i + 2);
        release(gradient, n);
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(fabs((double)value[i] - wanted[3 * i]) < 1e-6 * fmax(1.0, fabs(wanted[3 * i])));
        CHECK(fabs((double)m[i] - wanted[3 * i + 1]) < 1e-6 && fabs((double)v[i] - wanted[3 * i + 2]) < 1e-7);
    }
    free(wanted);
    release(value, n), release(m, n), release(v, n);
}

static void check_sum_squares(const struct kernels *k, size_t n)
{
    float *x = floats(n);
    double wanted = 0.5, sum = 0.5;
    for (size_t i = 0; i < n; i++)
        x[i] *= i % 7 ? 1.0f : 1e3f, wanted += (double)x[i] * (double)x[i];
    k->sum_squares(x, n, &sum);
    CHECK(fabs(sum - wanted) <= 1e-12 * wanted);
    x[n / 2] = NAN;
    k->sum_squares(x, n, &sum);
    CHECK(isnan(sum));
    sum = 0.0;
    x[n / 2] = FLT_MAX; /* no overflow */
    k->sum_squares(x, n, &sum);
    CHECK(isfinite(sum));
    release(x, n);
}

/* Equal values, whose float sums would drift all to one side. */
static void check_many(const struct kernels *k)
{
    size_t n = (size_t)1 << 22;
    float *x = floats(n);
    double sum = 0.0, wanted = (double)n * (double)0.7f * (double)0.7f;
    for (size_t i = 0; i < n; i++)
        x[i] = 0.7f;
    k->sum_squares(x, n, &sum);
    CHECK(fabs(sum - wanted) < 1e-10 * wanted);
    release(x, n);
}

/* Arrays of all sizes, some empty: each element is taken once, with the step of its array. */
static void check_arrays(int count_of_arrays)
{
    enum { MOST = 40 };
    struct adamw_array arrays[MOST];
    float *value[2][MOST], *m[2][MOST], *v[2][MOST];
    double squares = 0.0;
    struct adamw_settings s = settings_of(true, 4);
    for (int i = 0; i < count_of_arrays; i++) {
        size_t n = i % 5 == 3 ? 0 : (size_t)(i * i * 37 % 20011 + 1);
        arrays[i] = (struct adamw_array){
            .value = floats(n), .m = floats(n), .v = floats(n), .count = n, .step = adamw_step(&s, i % 3, i % 2)};
        for (size_t j = 0; j < n; j++)
            arrays[i].v[j] = fabsf(arrays[i].v[j]);
        value[0][i] = arrays[i].value, m[0][i] = arrays[i].m, v[0][i] = arrays[i].v;
        value[1][i] = floats_copy(value[0][i], n), m[1][i] = floats_copy(m[0][i], n);
        v[1][i] = floats_copy(v[0][i], n), arrays[i].gradient = floats(n);
        for (size_t j = 0; j < n; j++)
            squares += (double)arrays[i].gradient[j] * (double)arrays[i].gradient[j];
    }
    threads_set(1);
    double alone = adamw_squares(arrays, (size_t)count_of_arrays);
    threads_set(3);
    CHECK(threads_count() == 3);
    CHECK(adamw_squares(arrays, (size_t)count_of_arrays) == alone && fabs(alone - squares) <= 1e-12 * squares);
    for (int i = 0; i < count_of_arrays; i++)
        kernels->adamw(value[1][i], arrays[i].gradient, m[1][i], v[1][i], arrays[i].count, &arrays[i].step);
    adamw_update(arrays, (size_t)count_of_arrays);
    for (int i = 0; i < count_of_arrays; i++) {
        size_t n = arrays[i].count;
        for (size_t j = 0; j < n; j++)
            CHECK(arrays[i].gradient[j] == 0.0f);
        CHECK(memcmp(value[0][i], value[1][i], n * sizeof(float)) == 0);
        CHECK(memcmp(m[0][i], m[1][i], n * sizeof(float)) == 0);
        CHECK(memcmp(v[0][i], v[1][i], n * sizeof(float)) == 0);
        release(arrays[i].gradient, n);
        for (int run = 0; run < 2; run++)
            release(value[run][i], n), release(m[run][i], n), release(v[run][i], n);
    }
}

static void check_settings(void)
{
    CHECK(adamw_clip(2.0, 0.0) == 1.0 && adamw_clip(0.5, 1.0) == 1.0 && adamw_clip(0.0, 1.0) == 1.0);
    CHECK(fabs(adamw_clip(4.0, 1.0) - 1.0 / (4.0 + 1e-6)) < 1e-15);
    struct adamw_settings s = settings_of(true, 1);
    struct adamw a = adamw_step(&s, 0.5, 0.0);
    CHECK(a.keep == 1.0f && a.step == 0.05f && a.take_m == 0.1f && fabsf(a.root - 31.622777f) < 1e-5f);
}

int main(void)
{
    check_settings();
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_adamw: no %s on this machine\n", isa_names[level]);
            continue;
        }
        for (size_t n = 1; n <= 67; n++) {
            check_steps(k, n, n % 2 == 0);
            check_steps(k, n, n % 2 == 1);
            check_sum_squares(k, n);
        }
        check_many(k);
        kernels_select(k);
        check_arrays(0);
        check_arrays(1);
        check_arrays(40);
        printf("check_adamw: %s is right\n", isa_names[level]);
    }
    return 0;
}
