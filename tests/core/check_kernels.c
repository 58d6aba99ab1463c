/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of every level that the machine has, against plain formulas in double precision, with canaries around
 * what it may write. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

#define CANARY 12345.0f
#define ROOM 4096

static uint64_t seed = 1;

static float draw(void) /* uniform on [-1, 1) */
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

static float *floats(size_t count) /* random numbers between ROOM canaries on each side */
{
    float *block = aligned_alloc(64, (count + 2 * ROOM + 15) / 16 * 16 * sizeof(float));
    CHECK(block != NULL);
    for (size_t i = 0; i < count + 2 * ROOM; i++)
        block[i] = i < ROOM || i >= ROOM + count ? CANARY : draw();
    return block + ROOM;
}

static void release(float *block, size_t count)
{
    for (size_t i = 0; i < ROOM; i++)
        CHECK(block[-1 - (ptrdiff_t)i] == CANARY && block[count + i] == CANARY);
    free(block - ROOM);
}

static void check_product(const struct kernels *k, size_t rows, size_t depth, size_t columns, int init, bool scaled)
{
    size_t lda = depth + 5, ldc = columns + 3, width = k->panel_width;
    float *a = floats(rows * lda), *panel = floats(depth * width), *bias = floats(width);
    float *c = floats(rows * ldc), *scale = floats(rows);
    double *wanted = malloc(rows * ldc * sizeof *wanted);
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < ldc; j++) {
            double sum = init == 1 ? (double)bias[j] : init == 2 ? (double)c[r * ldc + j] : 0.0;
            for (size_t i = 0; j < columns && i < depth; i++)
                sum += (double)a[r * lda + i] * (double)panel[i * width + j];
            wanted[r * ldc + j] = j >= columns ? (double)c[r * ldc + j] : scaled ? sum * (double)scale[r] : sum;
        }
    }
    struct product p = {.a = a,
                        .lda = lda,
                        .panel = panel,
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
    release(a, rows * lda), release(panel, depth * width), release(bias, width);
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
                    check_product(k, rows, 1 + rows * 5 % 67, columns, init, rows % 2 == 0);
        for (size_t rows = 1; rows <= 2 * MAX_GROUP; rows++)
            check_product(k, rows, 64, k->panel_width, 2, true);
        check_grouping(k);
        for (size_t n = 1; n <= k->panel_width; n++)
            for (size_t depth = 1; depth <= 9; depth++)
                check_pack(k, n, depth);
        for (size_t n = 1; n <= 67; n++) {
            check_softmax(k, n, false);
            check_softmax(k, n, true);
            check_add_transposed(k, n, 1 + n % 13);
            check_layernorm(k, n, n % 2 == 0);
        }
        for (int act = 0; act < ACT_COUNT; act++)
            check_activation(k, (enum activation)act);
        check_convert(k);
        printf("check_kernels: %s is right\n", isa_names[level]);
    }
    return 0;
}
