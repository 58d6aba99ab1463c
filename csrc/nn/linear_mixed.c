/* SPDX-License-Identifier: Apache-2.0 */
/* The path of training in bfloat16: weights, gradients and sums are float32, and the operands of each product are
 * rounded to bfloat16 when it is computed, by the worker that multiplies them and into memory that stays in its cache.
 * No copy of the weights is kept. For CPUs with AVX512_BF16. */
#include "nn/linear_mixed.h"

#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/watch.h"
#include "nn/panels.h"

#define COLUMNS 128 /* of a result at a time: their panels are made once for all rows */
#define STEPS 768   /* words of a row that a product sums */
#define ROWS 192    /* rows at a time */
_Static_assert(STEPS % SHORT_PART == 0, "a part of a product of bfloat16 has a multiple of SHORT_PART steps");

#define TOKENS 192         /* rows of `in` and d_out that a product of the weights' gradient sums */
#define WEIGHT_INPUTS 384  /* columns of `in` of a task, at most */
#define WEIGHT_OUTPUTS 512 /* columns of d_out of a task, at most */
#define LEFT_STRIDE 400    /* of the words of `in`: an odd number of cache lines uses all sets of L1 */

/* ---- rows times weights ---- */

/* Words from step `first` on of a panel whose columns are those of the result. */
typedef void (*make_fn)(const struct linear *linear, size_t panel, size_t first, size_t steps, int32_t *words);

/* out = left . panels, which are made of the layer's weights. */
struct rows_product {
    const struct linear *linear;
    make_fn make;
    const float *left; // (rows, ld_left)
    size_t ld_left, rows, steps;
    float *out; // (rows, columns)
    size_t columns;
    const float *bias; // (columns) or NULL
    bool accumulate;
    enum activation act; /* of the result; or, with x, whose gradient */
    float *x;            // (rows, columns): what the activation read, then its output; or NULL
    float *scratch;      // (workers, scratch_floats)
    size_t scratch_floats, slices;
};

static size_t rows_scratch(size_t steps)
{
    return (COLUMNS + ROWS) * round_up(min_size(steps, STEPS), MAX_PANEL / 2);
}

/* Some rows times the panels from `first` to `last`, which begin at a step. */
static void multiply_rows(const struct rows_product *p, size_t row, size_t first, size_t last, size_t step,
                          const int32_t *panels, int32_t *left)
{
    size_t width = kernels->panel_width, rows = min_size(ROWS, p->rows - row), steps = min_size(STEPS, p->steps - step);
    size_t lda = round_up(steps, MAX_PANEL / 2), place = row * p->columns + first * width;
    kernels->round_bf16(p->left + row * p->ld_left + 2 * step, p->ld_left, rows, 2 * steps, left, lda);
    for (size_t panel = first; panel < last; panel++)
        kernels->product_bf16(&(struct short_product){
            .a = left,
            .lda = lda,
            .panel = panels + (panel - first) * steps * width,
            .steps = steps,
            .c = p->out + row * p->columns + panel * width,
            .ldc = p->columns,
            .rows = rows,
            .accumulate = p->accumulate || step > 0,
            .bias = p->bias ? p->bias + panel * width : NULL,
        });
    if (step + steps < p->steps)
        return;
    if (p->x)
        kernels->activate_backward(p->act, p->x + place, p->columns, p->out + place, p->columns, rows,
                                   (last - first) * width);
    else
        kernels->activate(p->act, p->out + place, p->columns, rows, (last - first) * width);
}

/* A slice of the columns, in groups of panels. */
static void multiply_slice(size_t index, int worker, void *context)
{
    const struct rows_product *p = context;
    size_t width = kernels->panel_width, all = p->columns / width, group = COLUMNS / width;
    size_t begin = index * all / p->slices, end = (index + 1) * all / p->slices;
    int32_t *panels = (int32_t *)(void *)(p->scratch + (size_t)worker * p->scratch_floats);
    int32_t *left = panels + COLUMNS * min_size(p->steps, STEPS);
    for (size_t first = begin; first < end; first += group) {
        size_t last = min_size(first + group, end);
        for (size_t step = 0; step < p->steps; step += STEPS) {
            size_t steps = min_size(STEPS, p->steps - step);
            for (size_t panel = first; panel < last; panel++)
                p->make(p->linear, panel, step, steps, panels + (panel - first) * steps * width);
            for (size_t row = 0; row < p->rows && (row == 0 || watch_check() == DEBERTA_OK); row += ROWS)
                multiply_rows(p, row, first, last, step, panels, left);
        }
    }
}

static void multiply(struct rows_product p)
{
    p.slices = (size_t)threads_of_call();
    double operations = 2.0 * (double)(p.rows * p.columns * p.steps) / (double)p.slices;
    if (p.rows > 0)
        parallel_for(p.slices, threads_grain(operations), multiply_slice, &p);
}

/* ---- forward ---- */

static void make_panel(const struct linear *m, size_t panel, size_t first, size_t steps, int32_t *words)
{
    size_t width = kernels->panel_width;
    kernels->pair_bf16(panels_at(m, panel, 2 * first), width, min_size(2 * steps, m->in - 2 * first), width, words,
                       width);
}

static size_t apply_floats(const struct linear *linear)
{
    return rows_scratch((linear->in + 1) / 2);
}

static enum deberta_status apply(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out, void *scratch)
{
    multiply((struct rows_product){
        .linear = linear,
        .make = make_panel,
        .left = in,
        .ld_left = linear->in_stride,
        .rows = rows,
        .steps = (linear->in + 1) / 2,
        .out = out,
        .columns = linear->out_stride,
        .bias = linear->bias,
        .act = act,
        .scratch = scratch,
        .scratch_floats = apply_floats(linear),
    });
    return DEBERTA_OK;
}

static size_t apply_scratch(const struct linear *linear, size_t rows)
{
    (void)rows;
    return (size_t)threads_of_call() * apply_floats(linear) * sizeof(float);
}

static enum deberta_status init(struct linear *linear, const struct weight *parts, size_t count)
{
    return linear_packed.init(linear, parts, count);
}

static void release(struct linear *linear)
{
    linear_packed.release(linear);
}

const struct linear_path linear_mixed = {.name = "own bfloat16 of float32",
                                         .init = init,
                                         .apply = apply,
                                         .release = release,
                                         .bytes = panels_bytes,
                                         .scratch = apply_scratch};

/* ---- the gradient by the input ---- */

size_t mixed_backward_scratch(const struct linear *linear)
{
    return max_size(rows_scratch(linear->out_stride / 2), TOKENS / 2 * (LEFT_STRIDE + MAX_PANEL));
}

/* Words of two outputs for each input of a panel: a panel of the transposed weights. */
static void make_transposed(const struct linear *m, size_t panel, size_t first, size_t steps, int32_t *words)
{
    int32_t block[MAX_PANEL * MAX_PANEL / 2];
    size_t width = kernels->panel_width, half = width / 2, inputs = min_size(width, m->in - panel * width);
    for (size_t step = first; step < first + steps; step += half, words += half * width) {
        kernels->round_bf16(m->packed + (2 * step * m->in + panel * width * width), width, inputs, width, block, half);
        kernels->pack((const float *)(const void *)block, half, inputs, half, (float *)(void *)words);
    }
}

void mixed_backward_input(const struct linear *linear, const float *d_out, size_t rows, bool accumulate,
                          enum activation act, float *x, float *d_in, float *scratch)
{
    multiply((struct rows_product){
        .linear = linear,
        .make = make_transposed,
        .left = d_out,
        .ld_left = linear->out_stride,
        .rows = rows,
        .steps = linear->out_stride / 2,
        .out = d_in,
        .columns = linear->in_stride,
        .accumulate = accumulate,
        .act = act,
        .x = act == ACT_LINEAR ? NULL : x,
        .scratch = scratch,
        .scratch_floats = mixed_backward_scratch(linear),
    });
}

/* ---- the gradient by the weights ---- */

struct weights_product {
    const struct linear *linear;
    const float *in;    // (rows, in_stride)
    const float *d_out; // (rows, out_stride)
    size_t rows;
    float *d_packed, *d_bias; // (out_stride / panel_width, in, panel_width), (out_stride); or NULL
    float *scratch;           // (workers, scratch_floats)
    size_t scratch_floats;    /* words of `in`, then of d_out */
    size_t slices, others;    /* of the panels of outputs, and of inputs */
};

/* Some panels of the gradient, for some panels of inputs: the sum over all rows, in pairs. */
static void weights_block(size_t index, int worker, void *context)
{
    const struct weights_product *p = context;
    const struct linear *m = p->linear;
    size_t width = kernels->panel_width, outputs = m->out_stride / width, all = m->in_stride / width;
    size_t slice = index / p->others, other = index % p->others;
    size_t first = slice * outputs / p->slices, last = (slice + 1) * outputs / p->slices;
    size_t i = other * all / p->others * width, inputs = min_size((other + 1) * all / p->others * width, m->in) - i;
    int32_t *left = (int32_t *)(void *)(p->scratch + (size_t)worker * p->scratch_floats);
    int32_t *words = left + TOKENS / 2 * LEFT_STRIDE;
    for (size_t row = 0; row < p->rows; row += TOKENS) {
        if (row > 0 && watch_check() != DEBERTA_OK)
            return;
        size_t tokens = min_size(TOKENS, p->rows - row), steps = (tokens + 1) / 2;
        const float *d_out = p->d_out + row * m->out_stride;
        if (i == 0 && p->d_bias)
            add_rows(d_out + first * width, m->out_stride, tokens, (last - first) * width, p->d_bias + first * width);
        if (!p->d_packed)
            continue;
        kernels->pair_bf16(p->in + row * m->in_stride + i, m->in_stride, tokens, inputs, left, LEFT_STRIDE);
        for (size_t panel = first; panel < last; panel++) {
            kernels->pair_bf16(d_out + panel * width, m->out_stride, tokens, width, words, width);
            kernels->product_bf16(&(struct short_product){
                .a = left,
                .lda = 1,
                .step = LEFT_STRIDE,
                .panel = words,
                .steps = steps,
                .c = p->d_packed + (panel * m->in + i) * width,
                .ldc = width,
                .rows = inputs,
                .accumulate = true,
            });
        }
    }
}

void mixed_backward_weights(const struct linear *linear, const float *in, const float *d_out, size_t rows,
                            float *d_packed, float *d_bias, float *scratch)
{
    size_t slices = pieces(linear->out_stride, WEIGHT_OUTPUTS), width = kernels->panel_width;
    struct weights_product p = {
        .linear = linear,
        .in = in,
        .d_out = d_out,
        .rows = rows,
        .d_packed = d_packed,
        .d_bias = d_bias,
        .scratch = scratch,
        .scratch_floats = mixed_backward_scratch(linear),
        .slices = slices,
        .others = balanced_parts(slices, pieces(linear->in_stride, WEIGHT_INPUTS), linear->in_stride / width),
    };
    double operations = (double)(rows * linear->in * linear->out_stride) / (double)(p.slices * p.others);
    parallel_for(p.slices * p.others, threads_grain(operations), weights_block, &p);
}
