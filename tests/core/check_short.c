/* SPDX-License-Identifier: Apache-2.0 */
/* Products in int8 and bfloat16: kernels of every level against exact sums, and linear layers against double
 * precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "floats.h"
#include "kernels/kernels.h"
#include "nn/linear.h"
#include "paths.h"

/* ---- int8 ---- */

/* The integers of a row as `quantise` stores them. */
static int integer_at(const struct kernels *k, const int32_t *words, size_t i)
{
    if (k->int8_words == 1)
        return ((const uint8_t *)words)[i];
    uint32_t word = (uint32_t)words[i / 4 * 2 + i % 2];
    return (int)(i % 4 < 2 ? word & 0xffff : word >> 16);
}

/* The formula of `quantise`, in the same order of float operations. */
static void check_integers(const struct kernels *k, const float *x, size_t n, const int32_t *words, float scale,
                           int32_t zero)
{
    float low = 0.0f, high = 0.0f;
    for (size_t i = 0; i < n; i++)
        low = fminf(low, x[i]), high = fmaxf(high, x[i]);
    float range = high - low, inverse = range > 0.0f ? 255.0f / range : 0.0f;
    CHECK(scale == range / 255.0f && zero == (int32_t)nearbyintf(-low * inverse));
    for (size_t i = 0; i < n; i++) {
        int value = (int)nearbyintf(x[i] * inverse) + zero;
        CHECK(integer_at(k, words, i) == (value < 0 ? 0 : value > 255 ? 255 : value));
    }
}

enum kind { RANDOM, ALL_HIGH, ALL_LOW, SIGNS, ZEROS, KINDS };

/* Rows and weights of a kind; SIGNS puts the largest integers with alternating signs. */
static float value_of(enum kind kind, size_t i)
{
    return kind == RANDOM     ? draw()
           : kind == ALL_HIGH ? 3.0f
           : kind == ALL_LOW  ? -3.0f
           : kind == ZEROS    ? 0.0f
                              : (i % 2 ? 3.0f : -3.0f);
}

static int8_t weight_of_kind(enum kind kind, size_t i, size_t column)
{
    int sign = kind == SIGNS ? (i % 2 ? 1 : -1) : column % 2 ? 1 : -1;
    return (int8_t)(kind == RANDOM ? (int)(draw() * 127.4f) : 127 * sign);
}

static void check_int8(const struct kernels *k, size_t rows, size_t n, enum kind kind)
{
    size_t width = k->panel_width, steps = (n + 3) / 4, ld = round_up(n, MAX_PANEL), ldc = width + 3;
    size_t ld_words = ld / 4 * k->int8_words;
    float *x = floats(rows * ld), *scale = floats(rows), *c = floats(rows * ldc);
    float *bias = floats(width), *column_scale = floats(width);
    void *memory[3];
    CHECK(memory_calloc(rows * ld_words, 4, &memory[0]) == DEBERTA_OK);
    CHECK(memory_calloc(steps * width, 4, &memory[1]) == DEBERTA_OK);
    CHECK(memory_calloc(rows + width, 4, &memory[2]) == DEBERTA_OK);
    int32_t *words = memory[0], *panel = memory[1], *zero = memory[2], *column_sum = zero + rows;
    for (size_t i = 0; i < rows * ld; i++)
        x[i] = value_of(kind, i);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            int8_t weight = weight_of_kind(kind, i, j);
            ((int8_t *)panel)[(i / 4 * width + j) * 4 + i % 4] = weight;
            column_sum[j] += weight;
        }
    }
    k->quantise(x, ld, rows, n, words, ld_words, scale, zero);
    struct short_product p = {.a = words, .lda = ld_words, .panel = panel, .steps = steps, .c = c, .ldc = ldc};
    p.rows = rows, p.bias = bias, p.scale = scale, p.zero = zero;
    p.column_scale = column_scale, p.column_sum = column_sum, p.next = panel;
    k->product_int8(&p);
    for (size_t r = 0; r < rows; r++) {
        check_integers(k, x + r * ld, n, words + r * ld_words, scale[r], zero[r]);
        for (size_t j = 0; j < width; j++) {
            int64_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += (int64_t)(integer_at(k, words + r * ld_words, i) - zero[r]) *
                       ((int8_t *)panel)[(i / 4 * width + j) * 4 + i % 4];
            float factor = column_scale[j] * scale[r], product = (float)sum * factor;
            CHECK(c[r * ldc + j] == product + bias[j]); /* the same bits at every level */
        }
    }
    release(x, rows * ld), release(scale, rows), release(c, rows * ldc), release(bias, width);
    release(column_scale, width);
    for (int i = 0; i < 3; i++)
        memory_free(memory[i]);
}

static void check_not_finite(const struct kernels *k)
{
    float x[MAX_PANEL] = {1.0f, 2.0f}, scale;
    int32_t words[MAX_PANEL], zero;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        x[5] = bad[i];
        k->quantise(x, MAX_PANEL, 1, 7, words, MAX_PANEL, &scale, &zero);
        CHECK(!isfinite(scale));
    }
}

static void check_int8_of(const struct kernels *k)
{
    for (size_t rows = 1; rows <= 34; rows++)
        for (int kind = 0; kind < KINDS; kind++)
            check_int8(k, rows, 1 + rows * 7 % 70, (enum kind)kind);
    for (int kind = 0; kind < KINDS; kind++)
        check_int8(k, 5, 4099, (enum kind)kind), check_int8(k, 65, 259, (enum kind)kind);
    check_not_finite(k);
}

/* ---- bfloat16 ---- */

static uint16_t rounded(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float widened(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Random words of a panel, and its numbers as floats. */
static int32_t *drawn_panel(size_t steps, size_t width, float *numbers)
{
    void *memory;
    CHECK(memory_alloc(steps * width, 4, &memory) == DEBERTA_OK);
    uint16_t *halves = memory;
    for (size_t i = 0; i < steps * width * 2; i++) {
        halves[i] = rounded(draw());
        numbers[(i / (2 * width) * 2 + i % 2) * width + i / 2 % width] = widened(halves[i]);
    }
    return memory;
}

/* Ties, zeros, and the largest number, whose nearest is infinity. */
static void check_rounding(const struct kernels *k, size_t rows, size_t n)
{
    static const uint32_t hard[] = {0x3f808000, 0x3f818000, 0x3f817fff, 0x3f818001, 0x80000000, 0x7f7fffff, 0xff7f8000};
    size_t ld = round_up(n, MAX_PANEL) + MAX_PANEL, ld_to = ld / 2 + 3, whole = round_up(n, MAX_PANEL);
    float *x = floats(rows * ld), *to = floats(rows * ld_to);
    memcpy(x, hard, min_size(n, sizeof hard / sizeof *hard) * sizeof *hard);
    k->round_bf16(x, ld, rows, n, (int32_t *)(void *)to, ld_to);
    float *in_place = floats_copy(x, rows * ld);
    k->round_bf16(in_place, ld, rows, n, (int32_t *)(void *)in_place, ld);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            CHECK(((const uint16_t *)(const void *)(to + r * ld_to))[i] == rounded(x[r * ld + i]));
            CHECK(((const uint16_t *)(const void *)(in_place + r * ld))[i] == rounded(x[r * ld + i]));
        }
        CHECK(memcmp(in_place + r * ld + whole, x + r * ld + whole, MAX_PANEL * sizeof *x) == 0);
    }
    release(x, rows * ld), release(to, rows * ld_to), release(in_place, rows * ld);
}

/* The product in two parts, of `row_words` words of a row each; `first` is the number of steps of the first part, and
 * `parts` takes the place of c. */
static void multiply_parts(void (*multiply)(const struct short_product *), const struct short_product *whole,
                           size_t width, size_t row_words, size_t first, float *parts)
{
    struct short_product part = *whole;
    part.c = parts, part.steps = first, part.next = NULL;
    multiply(&part);
    part.a += part.steps * row_words, part.panel += part.steps * width;
    part.steps = whole->steps - part.steps, part.accumulate = true;
    multiply(&part);
}

/* c = x times weights, plus bias, in double precision. */
static void check_sums(const float *x, size_t ld, size_t rows, const float *weights, size_t n, size_t width,
                       const float *bias, const float *c, size_t ldc)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < width; j++) {
            double sum = (double)bias[j], size = fabs(sum);
            for (size_t i = 0; i < n; i++) {
                double term = (double)x[r * ld + i] * (double)weights[i * width + j];
                sum += term, size += fabs(term);
            }
            CHECK(fabs((double)c[r * ldc + j] - sum) <= 1e-6 * size);
        }
    }
}

static void check_bf16(const struct kernels *k, size_t rows, size_t n)
{
    size_t width = k->panel_width, ld = round_up(n, MAX_PANEL), steps = ld / 2, ldc = width + 3;
    float *x = floats(rows * ld), *c = floats(rows * ldc), *parts = floats(rows * ldc), *bias = floats(width);
    float *weights = floats(ld * width);
    void *memory;
    CHECK(memory_calloc(rows * steps, 4, &memory) == DEBERTA_OK);
    int32_t *words = memory, *panel = drawn_panel(steps, width, weights);
    uint16_t *halves = memory;
    k->round_bf16(x, ld, rows, n, words, steps);
    struct short_product p = {
        .a = words, .lda = steps, .panel = panel, .steps = steps, .c = c, .ldc = ldc, .rows = rows, .bias = bias};
    p.next = panel;
    k->product_bf16(&p);
    multiply_parts(k->product_bf16, &p, width, 1, round_up(steps / 3, SHORT_PART), parts);
    for (size_t i = 0; i < rows * ld; i++) {
        CHECK(halves[i] == rounded(x[i]));
        x[i] = widened(halves[i]);
    }
    check_sums(x, ld, rows, weights, ld, width, bias, c, ldc);
    for (size_t r = 0; r < rows; r++)
        CHECK(memcmp(c + r * ldc, parts + r * ldc, width * sizeof *c) == 0);
    release(x, rows * ld), release(c, rows * ldc), release(parts, rows * ldc), release(bias, width);
    release(weights, ld * width);
    memory_free(memory), memory_free(panel);
}

/* Rows of floats, in one part or two, with and without a panel to prefetch: the bits of `product` with the same numbers
 * in a panel of floats. What is between the rows of c stays. */
static void check_widened(const struct kernels *k, size_t rows, size_t steps)
{
    size_t width = k->panel_width, n = 2 * steps, lda = n + 5, ldc = width + 3;
    float *x = floats(rows * lda), *weights = floats(n * width), *bias = floats(width);
    float *c = floats(rows * ldc), *parts = floats_copy(c, rows * ldc), *wanted = floats_copy(c, rows * ldc);
    int32_t *panel = drawn_panel(steps, width, weights);
    struct product exact = {.a = x, .lda = lda, .panel = weights, .k = n, .c = wanted, .ldc = ldc};
    exact.rows = rows, exact.columns = width, exact.bias = bias;
    k->product(&exact);
    struct short_product p = {.lda = lda, .panel = panel, .steps = steps, .c = c, .ldc = ldc, .rows = rows};
    p.a = (const int32_t *)(const void *)x, p.bias = bias, p.next = panel;
    k->product_widened(&p);
    multiply_parts(k->product_widened, &p, width, 2, steps / 3, parts);
    CHECK(memcmp(c, wanted, rows * ldc * sizeof *c) == 0 && memcmp(parts, wanted, rows * ldc * sizeof *c) == 0);
    check_sums(x, lda, rows, weights, n, width, bias, c, ldc);
    release(x, rows * lda), release(weights, n * width), release(bias, width);
    release(c, rows * ldc), release(parts, rows * ldc), release(wanted, rows * ldc);
    memory_free(panel);
}

/* ---- layers ---- */

/* Two parts of a fused weight, the second scaled and without bias. `tolerance` is relative to the product of norms. */
static void check_layer(const struct linear_path *path, size_t in, size_t out, size_t rows, double tolerance)
{
    float *first = drawn(out * in), *bias = drawn(out), *second = drawn(out * in);
    struct weight parts[] = {{.data = first, .bias = bias, .rows = out, .scale = 1.0f},
                             {.data = second, .rows = out, .scale = 0.5f}};
    struct linear linear;
    CHECK(linear_init_on(&linear, path, parts, 2, in) == DEBERTA_OK);
    CHECK(linear_bytes(&linear) < 2 * out * in * 3 + 4096 * in);
    float *x = drawn(rows * linear.in_stride), *y = drawn(rows * linear.out_stride), *again = drawn(linear.out_stride);
    void *scratch;
    CHECK(memory_alloc(linear_apply_scratch(&linear, rows), 1, &scratch) == DEBERTA_OK);
    CHECK(linear_apply_with(&linear, x, rows, ACT_RELU, y, scratch) == DEBERTA_OK);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < 2 * out; o++) {
            size_t row = o % out, column = o < out ? o : linear.out_stride / 2 + row;
            double sum = o < out ? (double)bias[row] : 0.0;
            for (size_t i = 0; i < in; i++)
                sum += (double)x[r * linear.in_stride + i] *
                       (o < out ? (double)first[row * in + i] : 0.5 * (double)second[row * in + i]);
            CHECK(fabs((double)y[r * linear.out_stride + column] - fmax(sum, 0.0)) < tolerance * sqrt((double)in));
        }
        deberta_set_threads(1); /* the same bits alone, on one thread */
        CHECK(linear_apply_with(&linear, x + r * linear.in_stride, 1, ACT_RELU, again, scratch) == DEBERTA_OK);
        CHECK(memcmp(again, y + r * linear.out_stride, linear.out_stride * sizeof *y) == 0);
        deberta_set_threads(2);
    }
    CHECK(linear_apply_with(&linear, x, 0, ACT_RELU, y, scratch) == DEBERTA_OK);
    linear_release(&linear);
    memory_free(first), memory_free(bias), memory_free(second), memory_free(x), memory_free(y), memory_free(again);
    memory_free(scratch);
}

static void check_layers(const struct linear_path *path, double tolerance)
{
    for (size_t rows = 1; rows <= 26; rows += 5)
        check_layer(path, 24, 40, rows, tolerance);
    check_layer(path, 1, 1, 1, tolerance);
    check_layer(path, 7, 3, 5, tolerance);
    check_layer(path, 3333, 17, 3, tolerance); /* more than one block of k in bfloat16 */
    check_layer(path, 32, 70, 401, tolerance); /* blocks of rows, and a last group of panels that is not full */
    check_layer(path, 256, 300, 33, tolerance);
}

/* Two paths give the same bits: weights that are rounded when they are multiplied and those that are rounded before
 * (mixed, bf16), and weights in bfloat16 and the same ones in float32 (widened, packed). */
static void check_same_bits(const struct linear_path *first, const struct linear_path *second, size_t in, size_t out,
                            size_t rows, int threads)
{
    float *weights = drawn(out * in), *bias = drawn(out);
    struct weight part = {.data = weights, .bias = bias, .rows = out, .scale = 1.0f};
    const struct linear_path *paths[] = {first, second};
    float *x = NULL, *y[2];
    size_t outputs = 0;
    deberta_set_threads(threads);
    CHECK(threads_count() == threads);
    for (int i = 0; i < 2; i++) {
        struct linear linear;
        void *scratch;
        for (size_t w = 0; paths[i] == &linear_packed && w < out * in; w++)
            weights[w] = widened(rounded(weights[w]));
        CHECK(linear_init_on(&linear, paths[i], &part, 1, in) == DEBERTA_OK);
        CHECK(memory_alloc(linear_apply_scratch(&linear, rows), 1, &scratch) == DEBERTA_OK);
        x = x ? x : drawn(rows * linear.in_stride);
        outputs = rows * linear.out_stride;
        y[i] = drawn(outputs);
        CHECK(linear_apply_with(&linear, x, rows, ACT_GELU, y[i], scratch) == DEBERTA_OK);
        memory_free(scratch);
        linear_release(&linear);
    }
    CHECK(memcmp(y[0], y[1], outputs * sizeof(float)) == 0);
    memory_free(weights), memory_free(bias), memory_free(x), memory_free(y[0]), memory_free(y[1]);
    deberta_set_threads(2);
}

static void check_failed_allocations(const struct linear_path *path)
{
    float *weights = drawn(64);
    struct weight part = {.data = weights, .rows = 8, .scale = 1.0f};
    for (long nth = 1; nth <= 3; nth++) {
        struct linear linear;
        memory_fail_at(nth);
        CHECK(linear_init_on(&linear, path, &part, 1, 8) == DEBERTA_MEMORY);
    }
    memory_fail_at(0);
    memory_free(weights);
}

/* ---- known products ---- */

static void (*right_int8)(const struct short_product *);

/* A machine whose sums of two products saturate at 16 bits, as vpmaddubsw does. */
static void saturating_int8(const struct short_product *p)
{
    right_int8(p);
    for (size_t row = 0; row < p->rows; row++)
        for (size_t j = 0; j < kernels->panel_width; j++)
            p->c[row * p->ldc + j] = fminf(p->c[row * p->ldc + j], 32767.0f);
}

static void check_known_products(void)
{
    bool right;
    for (int type = 0; type < DEBERTA_PRECISIONS; type++) {
        CHECK(deberta_known_products((enum deberta_precision)type, &right) == DEBERTA_OK);
        CHECK(right);
    }
    const struct kernels *before = kernels;
    struct kernels saturates = *kernels;
    right_int8 = kernels->product_int8;
    saturates.product_int8 = saturating_int8;
    kernels_select(&saturates);
    CHECK(deberta_known_products(DEBERTA_INT8, &right) == DEBERTA_OK && !right);
    kernels_select(before);
    enum isa of_floats = kernels->isa == ISA_AMX ? ISA_AVX512 : kernels->isa;
    CHECK(strcmp(deberta_instructions(DEBERTA_FLOAT32), isa_names[of_floats]) == 0);
    CHECK(strcmp(deberta_multiplier(DEBERTA_INT8), "own") == 0);
    const char *instructions = !deberta_multiplies(DEBERTA_BFLOAT16) ? isa_names[kernels->isa]
                               : kernels->isa == ISA_AMX             ? "amx_bf16"
                                                                     : "avx512_bf16";
    CHECK(strcmp(deberta_instructions(DEBERTA_BFLOAT16), instructions) == 0);
}

static void check_paths(const struct linear_path *first, const struct linear_path *second)
{
    for (int threads = 1; threads <= 3; threads++) {
        check_same_bits(first, second, 1, 1, 1, threads);
        check_same_bits(first, second, 33, 70, 26, threads);
        check_same_bits(first, second, 197, 300, 401, threads);
        check_same_bits(first, second, 3333, 40, 5, threads);
    }
}

static void check_level(bool own)
{
    check_known_products();
    if (!own)
        return;
    check_int8_of(kernels);
    check_layers(&linear_int8, 0.02);
    check_failed_allocations(&linear_int8);
    CHECK(deberta_multiplies(DEBERTA_INT8) && deberta_multiplies(DEBERTA_FLOAT32));
    CHECK(deberta_multiplies(DEBERTA_BFLOAT16) == (kernels->product_bf16 != NULL));
    for (size_t n = 1; n <= 67; n++)
        check_rounding(kernels, 1 + n % 4, n);
    for (size_t rows = 0; rows <= 26; rows++)
        check_widened(kernels, rows, 1 + rows * 7 % 35);
    check_layers(&linear_widened, 0.005);
    check_paths(&linear_widened, &linear_packed);
    check_failed_allocations(&linear_widened);
    if (!kernels->product_bf16) {
        printf("check_short: no products of bfloat16 with %s\n", isa_names[kernels->isa]);
        return;
    }
    for (size_t rows = 1; rows <= 34; rows++)
        check_bf16(kernels, rows, 1 + rows * 7 % 70);
    check_bf16(kernels, 65, 131);
    check_layers(&linear_bf16, 0.01);
    check_layers(&linear_mixed, 0.01);
    check_paths(&linear_bf16, &linear_mixed);
    check_failed_allocations(&linear_bf16);
}

int main(void)
{
    for_each_path("check_short", check_level);
    if (cpu_has(ISA_AVX512))
        check_int8_of(&kernels_avx512); /* as on a CPU without VNNI */
    return 0;
}
