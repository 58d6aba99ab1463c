/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass of linear layers, by the same kernel as the forward pass: for the gradients of weights it reads
 * both operands in place, or copies of blocks where the kernels want copies; for those of inputs weights are transposed
 * block by block, into a block that stays in L2. Every element is one sum in ascending order. When the caller cancels,
 * the sums end between two blocks of rows and are incomplete. */
#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/watch.h"
#include "nn/linear.h"
#include "nn/linear_mixed.h"

#define INPUT_COLUMNS 128 /* columns of d_in at a time, whose weights are transposed */
#define INPUT_DEPTH 768   /* of their rows, outputs of the layer, at a time */
#define INPUT_ROWS 192    /* rows of d_out at a time */

#define TOKENS 128         /* rows of `in` and d_out that one product sums */
#define WEIGHT_INPUTS 384  /* columns of `in` of a task, at most */
#define WEIGHT_OUTPUTS 512 /* columns of d_out of a task, at most */
#define LEAST_INPUTS 24    /* columns of `in` of a task, if the layer has as many */
#define COPY_STRIDE 400    /* of copied rows of `in`: an odd number of cache lines, so that they use all sets of L1 */

size_t linear_backward_scratch(const struct linear *linear)
{
    if (linear->path == &linear_mixed)
        return mixed_backward_scratch(linear);
    size_t input = INPUT_COLUMNS * min_size(INPUT_DEPTH, linear->out_stride);
    return kernels_want_copies() ? max_size(input, TOKENS * (COPY_STRIDE + WEIGHT_OUTPUTS)) : input;
}

struct backward {
    const struct linear *linear;
    const float *in;    // (rows, in_stride)
    const float *d_out; // (rows, out_stride)
    size_t rows;
    bool accumulate;
    float *d_in;              // (rows, in_stride)
    enum activation act;      /* whose output the layer reads */
    float *x;                 // (rows, in_stride): what it reads, and then its output; unused for ACT_LINEAR
    float *d_packed, *d_bias; // (out_stride / panel_width, in, panel_width), (out_stride)
    float *scratch;           // (workers, scratch_floats)
    size_t scratch_floats;
    size_t slices, others; /* of the panels; of the inputs, for the weights */
};

static float *scratch_of(const struct backward *b, int worker)
{
    return b->scratch + (size_t)worker * b->scratch_floats;
}

/* transposed[o - first][panel_width] = weights[o][column...] for `depth` outputs o from `first`. */
static void transpose_weights(const struct linear *m, size_t column, size_t first, size_t depth, float *transposed)
{
    size_t width = kernels->panel_width, columns = min_size(width, m->in - column);
    for (size_t o = first; o < first + depth; o += width, transposed += width * width)
        kernels->pack(m->packed + (o * m->in + column * width), width, columns, width, transposed);
}

/* d_in (+)= `depth` columns of d_out from o, times the transposed weights of a group of panels; and through the
 * activation after the last of them, while the sums are in the cache. */
static void multiply_group(const struct backward *b, size_t first, size_t last, size_t o, size_t depth,
                           const float *transposed)
{
    const struct linear *m = b->linear;
    size_t width = kernels->panel_width, ld = m->in_stride;
    bool activated = b->act != ACT_LINEAR && o + depth == m->out_stride;
    for (size_t row = 0; row < b->rows; row += INPUT_ROWS) {
        if (row > 0 && watch_check() != DEBERTA_OK)
            return;
        size_t rows = min_size(INPUT_ROWS, b->rows - row), place = row * ld + first * width;
        for (size_t panel = first; panel < last; panel++) {
            struct product product = {
                .a = b->d_out + row * m->out_stride + o,
                .lda = m->out_stride,
                .panel = transposed + (panel - first) * depth * width,
                .k = depth,
                .c = b->d_in + row * ld + panel * width,
                .ldc = ld,
                .rows = rows,
                .columns = width,
                .accumulate = b->accumulate || o > 0,
            };
            kernels->product(&product);
        }
        if (activated)
            kernels->activate_backward(b->act, b->x + place, ld, b->d_in + place, ld, rows, (last - first) * width);
    }
}

/* A slice of the columns of d_in, in groups of panels: the weights of a group are transposed once for all rows. */
static void input_slice(size_t index, int worker, void *context)
{
    const struct backward *b = context;
    const struct linear *m = b->linear;
    size_t width = kernels->panel_width, panels = m->in_stride / width;
    size_t begin = index * panels / b->slices, end = (index + 1) * panels / b->slices;
    float *transposed = scratch_of(b, worker);
    size_t group = INPUT_COLUMNS / width;
    for (size_t first = begin; first < end; first += group) {
        size_t last = min_size(first + group, end);
        for (size_t o = 0; o < m->out_stride; o += INPUT_DEPTH) {
            size_t depth = min_size(INPUT_DEPTH, m->out_stride - o);
            for (size_t panel = first; panel < last; panel++)
                transpose_weights(m, panel * width, o, depth, transposed + (panel - first) * depth * width);
            multiply_group(b, first, last, o, depth, transposed);
        }
    }
}

static void run_input(struct backward b)
{
    const struct linear *m = b.linear;
    assert(m->path == &linear_packed);
    b.scratch_floats = linear_backward_scratch(m);
    b.slices = (size_t)threads_of_call();
    double operations = 2.0 * (double)(b.rows * m->in_stride * m->out_stride) / (double)b.slices;
    if (b.rows > 0)
        parallel_for(b.slices, threads_grain(operations), input_slice, &b);
}

void linear_backward_input(const struct linear *linear, const float *d_out, size_t rows, bool accumulate, float *d_in,
                           float *scratch)
{
    if (linear->path == &linear_mixed) {
        mixed_backward_input(linear, d_out, rows, accumulate, ACT_LINEAR, NULL, d_in, scratch);
        return;
    }
    run_input((struct backward){.linear = linear,
                                .d_out = d_out,
                                .rows = rows,
                                .accumulate = accumulate,
                                .d_in = d_in,
                                .act = ACT_LINEAR,
                                .scratch = scratch});
}

void linear_backward_activated(const struct linear *linear, const float *d_out, size_t rows, enum activation act,
                               float *x, float *d_x, float *scratch)
{
    if (linear->path == &linear_mixed) {
        mixed_backward_input(linear, d_out, rows, false, act, x, d_x, scratch);
        return;
    }
    run_input((struct backward){
        .linear = linear, .d_out = d_out, .rows = rows, .d_in = d_x, .act = act, .x = x, .scratch = scratch});
}

/* What a task multiplies for a block of tokens: in place or copied. */
struct operands {
    const float *left; // (tokens, inputs) with row stride ld_left
    size_t ld_left;
    const float *right; // (panels, tokens, panel_width): steps from a panel to the next and from row to row
    size_t panel_step, ld_right;
};

static struct operands operands_in_place(const struct backward *b, size_t row, size_t i, size_t panel)
{
    const struct linear *m = b->linear;
    size_t width = kernels->panel_width;
    return (struct operands){.left = b->in + row * m->in_stride + i,
                             .ld_left = m->in_stride,
                             .right = b->d_out + row * m->out_stride + panel * width,
                             .panel_step = width,
                             .ld_right = m->out_stride};
}

static struct operands copied(const struct operands *from, size_t tokens, size_t inputs, size_t panels, float *scratch)
{
    size_t width = kernels->panel_width;
    float *left = scratch, *right = scratch + TOKENS * COPY_STRIDE;
    for (size_t t = 0; t < tokens; t++) {
        memcpy(left + t * COPY_STRIDE, from->left + t * from->ld_left, inputs * sizeof *left);
        for (size_t panel = 0; panel < panels; panel++)
            memcpy(right + (panel * tokens + t) * width, from->right + t * from->ld_right + panel * width,
                   width * sizeof *right);
    }
    return (struct operands){left, COPY_STRIDE, right, tokens * width, width};
}

/* Some panels of the gradient, for some inputs: the sum over all rows. */
static void weights_block(size_t index, int worker, void *context)
{
    const struct backward *b = context;
    const struct linear *m = b->linear;
    size_t width = kernels->panel_width, panels = m->out_stride / width;
    size_t slice = index / b->others, other = index % b->others;
    size_t first = slice * panels / b->slices, last = (slice + 1) * panels / b->slices;
    size_t i = other * m->in / b->others, inputs = (other + 1) * m->in / b->others - i;
    for (size_t row = 0; row < b->rows; row += TOKENS) {
        if (row > 0 && watch_check() != DEBERTA_OK)
            return;
        size_t tokens = min_size(TOKENS, b->rows - row);
        struct operands o = operands_in_place(b, row, i, first);
        if (kernels_want_copies())
            o = copied(&o, tokens, inputs, last - first, scratch_of(b, worker));
        for (size_t panel = first; panel < last; panel++) {
            const float *d = o.right + (panel - first) * o.panel_step;
            if (i == 0 && b->d_bias)
                add_rows(d, o.ld_right, tokens, width, b->d_bias + panel * width);
            if (!b->d_packed)
                continue;
            struct product product = {
                .a = o.left,
                .lda = 1,
                .step = o.ld_left,
                .panel = d,
                .ld_panel = o.ld_right,
                .k = tokens,
                .c = b->d_packed + (panel * m->in + i) * width,
                .ldc = width,
                .rows = inputs,
                .columns = width,
                .accumulate = true,
                .next = b->d_packed + ((panel + 1 < last ? panel + 1 : first) * m->in + i) * width, /* next sums */
            };
            kernels->product(&product);
        }
    }
}

void linear_backward_weights(const struct linear *linear, const float *in, const float *d_out, size_t rows,
                             float *d_packed, float *d_bias, float *scratch)
{
    if (linear->path == &linear_mixed) {
        mixed_backward_weights(linear, in, d_out, rows, d_packed, d_bias, scratch);
        return;
    }
    assert(linear->path == &linear_packed);
    size_t slices = pieces(linear->out_stride, WEIGHT_OUTPUTS);
    size_t others = balanced_parts(slices, pieces(linear->in, WEIGHT_INPUTS), linear->in / LEAST_INPUTS);
    struct backward b = {.linear = linear,
                         .in = in,
                         .d_out = d_out,
                         .rows = rows,
                         .d_packed = d_packed,
                         .d_bias = d_bias,
                         .scratch = scratch,
                         .scratch_floats = linear_backward_scratch(linear),
                         .slices = slices,
                         .others = others};
    double operations = 2.0 * (double)(rows * linear->in * linear->out_stride) / (double)(b.slices * b.others);
    parallel_for(b.slices * b.others, threads_grain(operations), weights_block, &b);
}
