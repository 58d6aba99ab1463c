/* SPDX-License-Identifier: Apache-2.0 */
/* Our own paths in bfloat16: weights are rounded when they are packed. For CPUs with AVX512_BF16 one that rounds the
 * rows, too, and multiplies bfloat16; for all others one that reads the weights as float32: half the memory. */
#include "base/memory.h"
#include "base/threads.h"
#include "nn/panels.h"

#define ROWS 8    /* that a call rounds */
#define DEPTH 768 /* words of a row that a product sums */
_Static_assert(DEPTH % SHORT_PART == 0, "a part of a product of bfloat16 has a multiple of SHORT_PART steps");

/* The rows as words of two numbers, in `scratch`. */
struct rounding {
    const struct linear *linear;
    const float *in; // (rows, in_stride)
    size_t rows;
    int32_t *words; // (rows, in_stride / 2)
};

static void round_rows(size_t index, int worker, void *context)
{
    (void)worker;
    const struct rounding *r = context;
    size_t row = index * ROWS, stride = r->linear->in_stride;
    kernels->round_bf16(r->in + row * stride, stride, min_size(ROWS, r->rows - row), stride,
                        r->words + row * (stride / 2), stride / 2);
}

static void encode(struct linear *linear, size_t column, float *weights)
{
    (void)column;
    kernels->round_bf16(weights, 0, 1, linear->in_stride, (int32_t *)(void *)weights, 0);
}

/* The product of some rows, in which a step has `words` words of 4 bytes. */
static struct short_product product_of(const struct panels_product *p, const struct panels_part *part, size_t words)
{
    const struct linear *m = p->linear;
    size_t width = kernels->panel_width, lda = m->in_stride / 2 * words;
    return (struct short_product){
        .a = (const int32_t *)p->left + part->row * lda + part->step * words,
        .lda = lda,
        .panel = (const int32_t *)(const void *)panels_at(m, part->panel, part->step),
        .steps = part->steps,
        .c = p->out + part->row * m->out_stride + part->panel * width,
        .ldc = m->out_stride,
        .rows = part->rows,
        .accumulate = part->step > 0,
        .bias = m->bias + part->panel * width,
        .next = (const int32_t *)(const void *)part->next,
    };
}

static void multiply_words(const struct panels_product *p, const struct panels_part *part)
{
    struct short_product product = product_of(p, part, 1);
    kernels->product_bf16(&product);
}

static void multiply_floats(const struct panels_product *p, const struct panels_part *part)
{
    struct short_product product = product_of(p, part, 2);
    kernels->product_widened(&product);
}

static const struct panels_format words = {.numbers = 2, .depth = DEPTH, .encode = encode, .multiply = multiply_words};
static const struct panels_format floats = {
    .numbers = 2, .depth = DEPTH, .encode = encode, .multiply = multiply_floats};

static enum deberta_status init(struct linear *linear, const struct weight *parts, size_t count)
{
    return panels_pack(linear, &words, parts, count);
}

static enum deberta_status apply(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out, void *scratch)
{
    struct rounding rounding = {.linear = linear, .in = in, .rows = rows, .words = scratch};
    parallel_for((rows + ROWS - 1) / ROWS, threads_grain(1.0 * ROWS * (double)linear->in_stride), round_rows,
                 &rounding);
    panels_apply(&words,
                 (struct panels_product){.linear = linear, .left = scratch, .rows = rows, .act = act, .out = out});
    return DEBERTA_OK;
}

static enum deberta_status apply_widened(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                         float *out, void *scratch)
{
    (void)scratch;
    panels_apply(&floats, (struct panels_product){
                              .linear = linear, .left = in, .rows = rows, .row_words = 2, .act = act, .out = out});
    return DEBERTA_OK;
}

static void release(struct linear *linear)
{
    memory_free(linear->packed);
}

static size_t scratch_bytes(const struct linear *linear, size_t rows)
{
    return rows * linear->in_stride * 2;
}

const struct linear_path linear_bf16 = {.name = "own bfloat16",
                                        .init = init,
                                        .apply = apply,
                                        .release = release,
                                        .bytes = panels_bytes,
                                        .scratch = scratch_bytes};
const struct linear_path linear_widened = {
    .name = "own float32 of bfloat16", .init = init, .apply = apply_widened, .release = release, .bytes = panels_bytes};
