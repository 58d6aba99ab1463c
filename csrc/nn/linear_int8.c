/* SPDX-License-Identifier: Apache-2.0 */
/* Our own path in 8 bits. Each output column has a scale: its weights are integers from -127 to 127. Each row of the
 * input has a scale and a zero, found when the layer is applied: its values are integers from 0 to 255. Sums of
 * products are exact, in 32 bits. */
#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "nn/panels.h"

#define ROWS 8           /* that a call quantises */
#define LARGEST_IN 65536 /* columns of the input for which no sum overflows: 255 * 127 * 65536 < 2**31 */
#define LARGEST_WEIGHT 127.0f
#define LEAST_WEIGHT 1e-30f /* a column whose weights are all smaller counts as zeros */

/* `layout` of the layer. */
struct columns {
    float *scale; // (out_stride)
    int32_t *sum; // (out_stride): of the integers of a column
};

/* The rows of a call, in its scratch memory. */
struct rows {
    const struct linear *linear;
    const float *in; // (rows, in_stride)
    size_t count, ld;
    int32_t *words; // (rows, ld)
    float *scale;   // (rows)
    int32_t *zero;  // (rows)
};

static size_t words_of_row(const struct linear *linear)
{
    return linear->in_stride / 4 * kernels->int8_words;
}

static void quantise_rows(size_t index, int worker, void *context)
{
    (void)worker;
    const struct rows *r = context;
    size_t row = index * ROWS, stride = r->linear->in_stride;
    kernels->quantise(r->in + row * stride, stride, min_size(ROWS, r->count - row), r->linear->in,
                      r->words + row * r->ld, r->ld, r->scale + row, r->zero + row);
}

static void encode(struct linear *linear, size_t column, float *weights)
{
    const struct columns *columns = linear->layout;
    float largest = 0.0f;
    for (size_t i = 0; i < linear->in; i++)
        largest = fmaxf(largest, fabsf(weights[i]));
    bool zeros = largest < LEAST_WEIGHT;
    float inverse = zeros ? 0.0f : LARGEST_WEIGHT / largest;
    int8_t *to = (int8_t *)weights;
    int32_t sum = 0;
    for (size_t i = 0; i < round_up(linear->in, 4); i++) { /* behind the weights are zeros */
        int32_t value = (int32_t)lrintf(weights[i] * inverse);
        to[i] = (int8_t)value;
        sum += value;
    }
    columns->scale[column] = zeros ? 0.0f : largest / LARGEST_WEIGHT;
    columns->sum[column] = sum;
}

static void multiply(const struct panels_product *p, const struct panels_part *part)
{
    const struct linear *m = p->linear;
    const struct columns *columns = m->layout;
    const struct rows *rows = p->left;
    size_t width = kernels->panel_width, column = part->panel * width;
    struct short_product product = {
        .a = rows->words + part->row * rows->ld,
        .lda = rows->ld,
        .panel = (const int32_t *)(const void *)panels_at(m, part->panel, 0),
        .steps = part->steps,
        .c = p->out + part->row * m->out_stride + column,
        .ldc = m->out_stride,
        .rows = part->rows,
        .bias = m->bias + column,
        .next = (const int32_t *)(const void *)part->next,
        .scale = rows->scale + part->row,
        .zero = rows->zero + part->row,
        .column_scale = columns->scale + column,
        .column_sum = columns->sum + column,
    };
    kernels->product_int8(&product);
}

static const struct panels_format format = {.numbers = 4, .depth = LARGEST_IN, .encode = encode, .multiply = multiply};

static enum deberta_status init(struct linear *linear, const struct weight *parts, size_t count)
{
    void *block, *numbers;
    if (linear->in > LARGEST_IN)
        return fail(DEBERTA_ARGUMENT,
                    "int8: a linear layer has %zu inputs; at most %d are possible, keep it in float32", linear->in,
                    LARGEST_IN);
    TRY(memory_alloc(1, sizeof(struct columns), &block));
    struct columns *columns = linear->layout = block;
    *columns = (struct columns){0};
    TRY(memory_calloc(linear->out_stride, sizeof(float) + sizeof(int32_t), &numbers));
    columns->scale = numbers;
    columns->sum = (int32_t *)(void *)(columns->scale + linear->out_stride);
    return panels_pack(linear, &format, parts, count);
}

static size_t scratch_bytes(const struct linear *linear, size_t rows)
{
    return rows * (words_of_row(linear) * sizeof(int32_t) + sizeof(float) + sizeof(int32_t));
}

static enum deberta_status apply(const struct linear *linear, const float *in, size_t count, enum activation act,
                                 float *out, void *scratch)
{
    struct rows rows = {.linear = linear, .in = in, .count = count, .ld = words_of_row(linear), .words = scratch};
    rows.scale = (float *)(void *)(rows.words + count * rows.ld);
    rows.zero = (int32_t *)(void *)(rows.scale + count);
    parallel_for((count + ROWS - 1) / ROWS, threads_grain(4.0 * ROWS * (double)linear->in), quantise_rows, &rows);
    panels_apply(
        &format,
        (struct panels_product){
            .linear = linear, .left = &rows, .rows = count, .row_words = kernels->int8_words, .act = act, .out = out});
    return DEBERTA_OK;
}

static void release(struct linear *linear)
{
    struct columns *columns = linear->layout;
    memory_free(linear->packed);
    if (columns)
        memory_free(columns->scale);
    memory_free(columns);
}

static size_t bytes(const struct linear *linear)
{
    return panels_bytes(linear) + linear->out_stride * (sizeof(float) + sizeof(int32_t));
}

const struct linear_path linear_int8 = {
    .name = "own int8", .init = init, .apply = apply, .release = release, .bytes = bytes, .scratch = scratch_bytes};
