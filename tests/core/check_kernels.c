/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of every level that the machine has, against plain formulas in double precision, with canaries around
 * what it may write. */
#include "check.h"
#include "floats.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* A transposed left operand lies as (depth, rows); the panel beside it is a part of wider rows. */
static void check_product(const struct kernels *k, size_t rows, size_t depth, size_t columns, int init, bool scaled,
                          bool transposed)
{
    size_t lda = transposed ? 1 : depth + 5, step = transposed ? rows + 5 : 1;
    size_t ldc = columns + 3, width = k->panel_width, size_a = transposed ? depth * step : rows * lda;
    size_t ld_panel = transposed ? width + 3 : width;
    float *a = floats(size_a), *panel = floats(depth * ld_panel), *bias = floats(width);
    float *c = floats(rows * ldc), *scale = floats(rows);
    double *wanted = malloc(rows * ldc * sizeof *wanted);
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < ldc; j++) {
            double sum = init == 1 ? (double)bias[j] : init == 2 ? (double)c[r * ldc + j] : 0.0;
            for (size_t i = 0; j < columns && i < depth; i++)
                sum += (double)a[r * lda + i * step] * (double)panel[i * ld_panel + j];
            wanted[r * ldc + j] = j >= columns ? (double)c[r * ldc + j] : scaled ? sum * (double)scale[r] : sum;
        }
    }
    struct product p = {.a = a,
                        .lda = lda,
                        .step = transposed ? step : 0,
                        .panel = panel,
                        .ld_panel = transposed ? ld_panel : 0,
                        .k = depth,
                        .c = c,
                        .ldc = ldc,
                        .rows = rows,
                        .columns = columns,
                        .accumulate = init == 2,
                        .bias = init == 1 ? bias : NULL,
                        .row_scale = scaled ? scale : NULL};
    k->product(&p);
    for (size_t i = 0; i < rows * ldc; i++)
        CHECK(fabs((double)c[i] - wanted[i]) < 1e-6 * sqrt((double)depth) + 1e-6);
    free(wanted);
    release(a, size_a), release(panel, depth * ld_panel), release(bias, width);
    release(c, rows * ldc), release(scale, rows);
}

/* The same bits for a row, whatever group it falls into. */
static void check_grouping(const struct kernels *k)
{
    size_t rows = 3 * k->row_group + 1, depth = 131, width = k->panel_width;
    float *a = floats(rows * depth), *panel = floats(depth * width);
    float *together = floats(rows * width), *alone = floats(rows * width);
    struct product p = {
        .a = a, .lda = depth, .panel = panel, .k = depth, .c = together, .ldc = width, .rows = rows, .columns = width};
    k->product(&p);
    for (size_t r = 0; r < rows; r++) {
        struct product one = p;
        one.a = a + r * depth, one.c = alone + r * width, one.rows = 1;
        one.k = 50; /* in two parts: the second continues the first */
        k->product(&one);
        one.a += 50, one.panel += 50 * width, one.k = depth - 50, one.accumulate = true;
        k->product(&one);
    }
    CHECK(memcmp(together, alone, rows * width * sizeof(float)) == 0);
    release(a, rows * depth), release(panel, depth * width);
    release(together, rows * width), release(alone, rows * width);
}

static void check_pack(const struct kernels *k, size_t n, size_t depth)
{
    size_t ld = depth + 3, width = k->panel_width;
    float *rows = floats(n * ld), *panel = floats(depth * width);
    k->pack(rows, ld, n, depth, panel);
    for (size_t i = 0; i < depth; i++)
        for (size_t j = 0; j < width; j++)
            CHECK(panel[i * width + j] == (j < n ? rows[j * ld + i] : 0.0f));
    release(rows, n * ld), release(panel, depth * width);
}

static void check_softmax(const struct kernels *k, size_t n, bool masked)
{
    size_t rows = 3, ld = n + MAX_PANEL;
    float *tile = floats(rows * ld), *before = floats(rows * ld), inverse[3];
    uint8_t *mask = malloc(n);
    for (size_t i = 0; i < n; i++)
        mask[i] = i % 3 != 1;
    for (size_t i = 0; i < rows * ld; i++)
        before[i] = tile[i] *= 12.0f;
    k->softmax(tile, ld, rows, n, masked ? mask : NULL, inverse);
    for (size_t r = 0; r < rows; r++) {
        double top = -INFINITY, sum = 0.0;
        for (size_t i = 0; i < n; i++)
            if (!masked || mask[i])
                top = fmax(top, (double)before[r * ld + i]);
        for (size_t i = 0; i < n; i++)
            sum += masked && !mask[i] ? 0.0 : exp((double)before[r * ld + i] - top);
        for (size_t i = 0; i < n; i++) {
            double wanted = masked && !mask[i] ? 0.0 : exp((double)before[r * ld + i] - top) / sum;
            CHECK(fabs((double)(tile[r * ld + i] * inverse[r]) - wanted) <= 3e-6 * wanted); /* x - max is rounded */
        }
    }
    free(mask);
    release(tile, rows * ld), release(before, rows * ld);
}

/* Rows of n values, of which p holds numerators of softmax with zeros behind. */
static void check_softmax_backward(const struct kernels *k, size_t n)
{
    size_t rows = 3, ld = n + MAX_PANEL;
    float *p = floats(rows * ld), *d = floats(rows * ld), inverse[3];
    k->softmax(p, ld, rows, n, NULL, inverse);
    double *probabilities = malloc(rows * n * sizeof *probabilities), *wanted = malloc(rows * n * sizeof *wanted);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0.0;
        for (size_t i = 0; i < n; i++) {
            probabilities[r * n + i] = (double)p[r * ld + i] * (double)inverse[r];
            mean += probabilities[r * n + i] * (double)d[r * ld + i];
        }
        for (size_t i = 0; i < n; i++)
            wanted[r * n + i] = probabilities[r * n + i] * ((double)d[r * ld + i] - mean);
    }
    k->softmax_backward(p, d, ld, rows, n, inverse);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            CHECK(fabs((double)p[r * ld + i] - probabilities[r * n + i]) < 1e-7);
            CHECK(fabs((double)d[r * ld + i] - wanted[r * n + i]) < 1e-6);
        }
    }
    free(probabilities), free(wanted);
    release(p, rows * ld), release(d, rows * ld);
}

/* Sums of exponentials over n values; nothing behind them counts or changes. */
static void check_exp(const struct kernels *k, size_t n)
{
    float *x = floats(n), *before = floats(n), sums[3];
    double top = -INFINITY, sum = 0.0, total = 0.0;
    for (size_t i = 0; i < n; i++)
        before[i] = x[i] *= 12.0f, top = fmax(top, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top), total += (double)x[i];
    k->exp_sums(x, n, sums);
    CHECK((double)sums[0] == top && fabs((double)sums[1] - sum) < 3e-6 * sum && fabs((double)sums[2] - total) < 1e-4);
    k->exp_scaled(x, n, sums[0], 0.25f, 0.01f);
    for (size_t i = 0; i < n; i++)
        CHECK(fabs((double)x[i] - (0.25 * exp((double)before[i] - top) - (double)0.01f)) < 1e-6);
    release(x, n), release(before, n);
}

static void check_add_transposed(const struct kernels *k, size_t keys, size_t rows)
{
    size_t ld_part = rows + 9, ld_tile = keys + 7, part_rows = keys + 3, tile_rows = rows + 3;
    float *part = floats(part_rows * ld_part), *tile = floats(tile_rows * ld_tile + 8);
    float *before = floats(tile_rows * ld_tile + 8);
    memcpy(before, tile, (tile_rows * ld_tile + 8) * sizeof(float));
    k->add_transposed(part, ld_part, keys, rows, tile, ld_tile);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < keys; j++)
            CHECK(tile[r * ld_tile + j] == before[r * ld_tile + j] + part[j * ld_part + r]);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = keys + 3; j < ld_tile; j++)
            CHECK(tile[r * ld_tile + j] == before[r * ld_tile + j]);
    release(part, part_rows * ld_part), release(tile, tile_rows * ld_tile + 8);
    release(before, tile_rows * ld_tile + 8);
}

static void check_layernorm(const struct kernels *k, size_t n, bool with_residual)
{
    size_t rows = 2, ld = n + 1;
    float *x = floats(rows * ld), *residual = floats(rows * ld), *gain = floats(n), *bias = floats(n);
    float *out = floats(rows * ld), last = out[rows * ld - 1];
    const float eps = 1e-7f;
    k->layernorm(x, with_residual ? residual : NULL, gain, bias, eps, rows, n, ld, out);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0.0, variance = 0.0;
        for (size_t i = 0; i < n; i++)
            mean += ((double)x[r * ld + i] + (with_residual ? (double)residual[r * ld + i] : 0.0)) / (double)n;
        for (size_t i = 0; i < n; i++) {
            double d = (double)x[r * ld + i] + (with_residual ? (double)residual[r * ld + i] : 0.0) - mean;
            variance += d * d / (double)n;
        }
        for (size_t i = 0; i < n; i++) {
            double v = (double)x[r * ld + i] + (with_residual ? (double)residual[r * ld + i] : 0.0);
            double wanted = (v - mean) / sqrt(variance + (double)eps) * (double)gain[i] + (double)bias[i];
            CHECK(fabs((double)out[r * ld + i] - wanted) < (n < 4 ? 1e-4 : 5e-6));
        }
    }
    CHECK(out[rows * ld - 1] == last);
    release(x, rows * ld), release(residual, rows * ld), release(gain, n), release(bias, n), release(out, rows * ld);
}

/* The gradients, by their formulas; d_x in the place of d_out when `in_place`. */
static void check_layernorm_backward(const struct kernels *k, size_t n, bool in_place)
{
    size_t rows = 3, ld = n + 1;
    float *x = floats(rows * ld), *d_out = floats(rows * ld), *gain = floats(n),
          *before = floats_copy(d_out, rows * ld);
    float *d_x = in_place ? d_out : floats(rows * ld), *d_gain = floats(n), *d_bias = floats(n);
    float last = d_x[rows * ld - 1];
    double *wanted_gain = malloc(n * sizeof *wanted_gain), *wanted_bias = malloc(n * sizeof *wanted_bias);
    const float eps = 1e-3f; /* few values are nearly equal now and then */
    for (size_t i = 0; i < n; i++)
        wanted_gain[i] = (double)d_gain[i], wanted_bias[i] = (double)d_bias[i];
    k->layernorm_backward(x, d_out, gain, eps, rows, n, ld, d_x, d_gain, d_bias);
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * ld, *d = before + r * ld;
        double mean = 0.0, variance = 0.0, mean_g = 0.0, mean_gy = 0.0;
        for (size_t i = 0; i < n; i++)
            mean += (double)row[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            variance += ((double)row[i] - mean) * ((double)row[i] - mean) / (double)n;
        double sigma = sqrt(variance + (double)eps);
        for (size_t i = 0; i < n; i++) {
            double y = ((double)row[i] - mean) / sigma, g = (double)d[i] * (double)gain[i];
            mean_g += g / (double)n, mean_gy += g * y / (double)n;
            wanted_gain[i] += (double)d[i] * y, wanted_bias[i] += (double)d[i];
        }
        for (size_t i = 0; i < n; i++) {
            double y = ((double)row[i] - mean) / sigma, g = (double)d[i] * (double)gain[i];
            CHECK(fabs((double)d_x[r * ld + i] - (g - mean_g - y * mean_gy) / sigma) < 4e-6 / sigma);
        }
    }
    for (size_t i = 0; i < n; i++)
        CHECK(fabs((double)d_gain[i] - wanted_gain[i]) < 4e-6 && fabs((double)d_bias[i] - wanted_bias[i]) < 1e-6);
    CHECK(d_x[rows * ld - 1] == last);
    free(wanted_gain), free(wanted_bias);
    release(x, rows * ld), release(d_out, rows * ld), release(gain, n), release(before, rows * ld);
    release(d_gain, n), release(d_bias, n);
    if (!in_place)
        release(d_x, rows * ld);
}

static double formula(enum activation act, double x)
{
    double phi = 0.5 * erfc(-x / sqrt(2.0));
    switch (act) {
    case ACT_GELU:
        return x * phi;
    case ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case ACT_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case ACT_GELU_10:
        return fmin(10.0, fmax(-10.0, x * phi));
    case ACT_RELU:
        return fmax(x, 0.0);
    case ACT_RELU2:
        return fmax(x, 0.0) * fmax(x, 0.0);
    case ACT_RELU6:
        return fmin(6.0, fmax(x, 0.0));
    case ACT_LEAKY_RELU:
        return x < 0.0 ? 0.01 * x : x;
    case ACT_SILU:
        return x / (1.0 + exp(-x));
    case ACT_TANH:
        return tanh(x);
    case ACT_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case ACT_MISH:
        return x * tanh(log1p(exp(x)));
    case ACT_HARDSWISH:
        return x * fmin(6.0, fmax(0.0, x + 3.0)) / 6.0;
    case ACT_LAPLACE:
        return 0.5 * (1.0 + erf((x - 0.707107) / (0.282095 * sqrt(2.0))));
    default:
        return x;
    }
}

static void check_activation(const struct kernels *k, enum activation act)
{
    enum { COLUMNS = 4001, LD = 4001 + MAX_PANEL };
    float *x = floats(2 * LD);
    for (size_t i = 0; i < COLUMNS; i++)
        x[i] = x[LD + i] = (float)(((double)i - 2000.0) / 150.0);
    x[1] = -100.0f, x[2] = 100.0f, x[3] = -1e30f, x[4] = 60.0f;
    float copy[COLUMNS];
    memcpy(copy, x, sizeof copy);
    k->activate(act, x, LD, 2, COLUMNS);
    double worst = 0.0;
    for (size_t i = 0; i < COLUMNS; i++) {
        double wanted = formula(act, (double)copy[i]);
        worst = fmax(worst, fabs((double)x[i] - wanted) / fmax(1.0, fabs(wanted)));
    }
    CHECK(worst < 6e-7);
    release(x, 2 * LD);
}

/* Central differences of the formula, except where the derivative jumps. */
static void check_activation_backward(const struct kernels *k, enum activation act)
{
    enum { COLUMNS = 4001, LD = 4001 + MAX_PANEL };
    float *x = floats(2 * LD), *d = floats(2 * LD);
    for (size_t i = 0; i < COLUMNS; i++)
        x[i] = x[LD + i] = (float)(((double)i - 2000.0) / 150.0), d[i] = 1.0f, d[LD + i] = -2.0f;
    x[1] = -100.0f, x[2] = 100.0f, x[3] = -1e30f, x[4] = 60.0f, x[5] = 1e30f;
    float *copy = floats_copy(x, 2 * LD), *activated = floats_copy(x, 2 * LD);
    k->activate(act, activated, LD, 2, COLUMNS);
    k->activate_backward(act, x, LD, d, LD, 2, COLUMNS);
    double worst = 0.0;
    for (size_t i = 0; i < COLUMNS; i++) {
        CHECK(x[i] == activated[i] && x[LD + i] == activated[LD + i]);
        double at = (double)copy[i], h = 1e-6 * fmax(1.0, fabs(at));
        double up = (formula(act, at + h) - formula(act, at)) / h, down = (formula(act, at) - formula(act, at - h)) / h;
        if (fabs(up - down) > 5e-3 * fmax(1.0, fabs(up)))
            continue;
        worst = fmax(worst, fabs((double)d[i] - 0.5 * (up + down)) / fmax(1.0, fabs(up)));
        if (i > 5)
            CHECK(d[LD + i] == -2.0f * d[i]);
    }
    CHECK(worst < 8e-7);
    release(x, 2 * LD), release(d, 2 * LD), release(copy, 2 * LD), release(activated, 2 * LD);
}

/* Where the derivative jumps, it is torch's. */
static void check_jumps(const struct kernels *k)
{
    static const struct {
        enum activation act;
        float x, slope;
    } jumps[] = {{ACT_RELU, 0.0f, 0.0f},        {ACT_RELU6, 0.0f, 0.0f},     {ACT_RELU6, 6.0f, 0.0f},
                 {ACT_LEAKY_RELU, 0.0f, 0.01f}, {ACT_HARDSWISH, 3.0f, 1.0f}, {ACT_HARDSWISH, -3.0f, 0.0f}};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        float x[MAX_PANEL] = {jumps[i].x}, d[MAX_PANEL] = {1.0f};
        k->activate_backward(jumps[i].act, x, MAX_PANEL, d, MAX_PANEL, 1, 1);
        CHECK(d[0] == jumps[i].slope);
    }
}

static void check_convert(const struct kernels *k)
{
    uint16_t halves[65536];
    static float converted[65536];
    for (size_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    k->convert_f16(halves, 65535, converted); /* an odd number: the tail is tried too */
    for (size_t i = 0; i < 65535; i++) {
        int exponent = (int)(i >> 10 & 31), fraction = (int)(i & 1023);
        double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
        if (exponent == 31)
            CHECK(fraction ? isnan(converted[i]) : isinf(converted[i]));
        else
            CHECK((double)converted[i] == (i & 0x8000 ? -size : size));
    }
    k->convert_bf16(halves, 65535, converted);
    for (size_t i = 0; i < 65535; i++) {
        uint32_t bits = (uint32_t)i << 16;
        CHECK(memcmp(&bits, &converted[i], sizeof bits) == 0);
    }
}

#define MOST_ROWS 9

static void check_convert_int8(const struct kernels *k, size_t rows)
{
    int8_t from[MOST_ROWS * MAX_PANEL] = {0};
    size_t width = k->panel_width, n = rows * width;
    float *scale = floats(width), *to = floats(n);
    for (size_t i = 0; i < n; i++)
        from[i] = (int8_t)(i * 37 % 255 - 127);
    k->convert_int8(from, scale, rows, to);
    for (size_t i = 0; i < n; i++)
        CHECK(to[i] == (float)from[i] * scale[i % width]);
    release(scale, width), release(to, n);
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_kernels: no %s on this machine\n", isa_names[level]);
            continue;
        }
        CHECK(k->isa == (enum isa)level && MAX_PANEL % k->panel_width == 0 && k->row_group <= MAX_GROUP);
        for (size_t rows = 0; rows <= 27; rows++)
            for (int init = 0; init < 3; init++)
                for (size_t columns = 1; columns <= k->panel_width; columns += columns < 3 ? 1 : 3)
                    check_product(k, rows, 1 + rows * 5 % 67, columns, init, rows % 2 == 0, columns % 2 == 0);
        for (size_t rows = 1; rows <= 2 * MAX_GROUP; rows++)
            for (int transposed = 0; transposed < 2; transposed++)
                check_product(k, rows, 64, k->panel_width, 2, true, transposed);
        check_grouping(k);
        for (size_t rows = 0; rows <= MOST_ROWS; rows++)
            check_convert_int8(k, rows);
        for (size_t n = 1; n <= k->panel_width; n++)
            for (size_t depth = 1; depth <= 9; depth++)
                check_pack(k, n, depth);
        for (size_t n = 1; n <= 67; n++) {
            check_softmax(k, n, false);
            check_softmax(k, n, true);
            check_softmax_backward(k, n);
            check_exp(k, n);
            check_add_transposed(k, n, 1 + n % 13);
            check_layernorm(k, n, n % 2 == 0);
            check_layernorm_backward(k, n, n % 2 == 0);
        }
        for (int act = 0; act < ACT_COUNT; act++) {
            check_activation(k, (enum activation)act);
            check_activation_backward(k, (enum activation)act);
        }
        check_jumps(k);
        check_convert(k);
        printf("check_kernels: %s is right\n", isa_names[level]);
    }
    return 0;
}
