/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation of rows, forward out of place and backward: against differences in double precision, at every
 * level, with padding, and the same bits for any number of threads. */
#include "check.h"
#include "floats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "nn/layernorm.h"

/* sum over i of d[i] * LayerNorm(x)[i] */
static double loss(const struct norm *n, const double *x, const float *d)
{
    double mean = 0.0, variance = 0.0, sum = 0.0;
    for (size_t i = 0; i < n->size; i++)
        mean += x[i] / (double)n->size;
    for (size_t i = 0; i < n->size; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)n->size;
    for (size_t i = 0; i < n->size; i++)
        sum += (double)d[i] *
               ((x[i] - mean) / sqrt(variance + (double)n->epsilon) * (double)n->gain[i] + (double)n->bias[i]);
    return sum;
}

static void check_differences(const struct norm *n, const float *x, const float *d, const float *d_x)
{
    double *at = malloc(n->size * sizeof *at);
    for (size_t i = 0; i < n->size; i++)
        at[i] = (double)x[i];
    for (size_t i = 0; i < n->size; i++) {
        const double h = 1e-5;
        at[i] = (double)x[i] + h;
        double up = loss(n, at, d);
        at[i] = (double)x[i] - h;
        double down = loss(n, at, d);
        at[i] = (double)x[i];
        CHECK(fabs((double)d_x[i] - (up - down) / (2.0 * h)) < 2e-5);
    }
    free(at);
}

static void check_norm(size_t size, size_t rows)
{
    size_t ld = size + 3;
    float *gain = floats(size), *bias = floats(size), *sum = floats(rows * ld), *d_out = floats(rows * ld);
    struct norm norm = {.gain = gain, .bias = bias, .size = size, .stride = ld, .epsilon = 1e-2f};
    float *out = floats(rows * ld), *applied = floats_copy(sum, rows * ld);
    norm_forward(&norm, sum, out, rows);
    norm_apply(&norm, NULL, applied, rows);
    for (size_t r = 0; r < rows; r++)
        CHECK(memcmp(out + r * ld, applied + r * ld, size * sizeof *out) == 0);

    size_t scratch_floats = norm_backward_scratch(&norm);
    float *scratch = floats(scratch_floats), *d_gain[2], *d_bias[2], *d_sum[2];
    for (int run = 0; run < 2; run++) { /* the second in place, with three threads */
        threads_set(run ? 3 : 1);
        CHECK(threads_count() == (run ? 3 : 1));
        d_gain[run] = floats_copy(gain, size);
        d_bias[run] = floats_copy(bias, size);
        d_sum[run] = run ? floats_copy(d_out, rows * ld) : floats(rows * ld);
        norm_backward(&norm, sum, run ? d_sum[1] : d_out, rows, d_sum[run], d_gain[run], d_bias[run], scratch);
    }
    for (size_t r = 0; r < rows; r++) {
        CHECK(memcmp(d_sum[0] + r * ld, d_sum[1] + r * ld, size * sizeof(float)) == 0);
        CHECK(memcmp(d_sum[1] + r * ld + size, d_out + r * ld + size, (ld - size) * sizeof(float)) == 0);
        if (r < 3)
            check_differences(&norm, sum + r * ld, d_out + r * ld, d_sum[0] + r * ld);
    }
    CHECK(memcmp(d_gain[0], d_gain[1], size * sizeof(float)) == 0);
    CHECK(memcmp(d_bias[0], d_bias[1], size * sizeof(float)) == 0);
    for (size_t i = 0; i < size; i++) {
        double wanted_gain = (double)gain[i], wanted_bias = (double)bias[i];
        for (size_t r = 0; r < rows; r++) {
            double d = (double)d_out[r * ld + i];
            wanted_gain += d * ((double)out[r * ld + i] - (double)bias[i]) / (double)gain[i];
            wanted_bias += d;
        }
        double room = 1e-6 * (1.0 + (double)rows);
        CHECK(fabs((double)d_gain[0][i] - wanted_gain) < room + room / fabs((double)gain[i]));
        CHECK(fabs((double)d_bias[0][i] - wanted_bias) < room);
    }
    for (int run = 0; run < 2; run++)
        release(d_gain[run], size), release(d_bias[run], size), release(d_sum[run], rows * ld);
    release(gain, size), release(bias, size), release(sum, rows * ld), release(d_out, rows * ld);
    release(out, rows * ld), release(applied, rows * ld), release(scratch, scratch_floats);
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_layernorm: no %s on this machine\n", isa_names[level]);
            continue;
        }
        kernels_select(k);
        for (size_t n = 1; n <= 67; n++)
            check_norm(n, n % 11);
        check_norm(133, 7);
        check_norm(64, 300);
        check_norm(768, 131);
        printf("check_layernorm: %s is right\n", isa_names[level]);
    }
    return 0;
}
