/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass of linear layers against plain sums in double precision, at every level and in bfloat16: every
 * mixture of blocks, fused parts, accumulation, padding, and the same bits for any number of threads. */
#include "check.h"
#include "floats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "nn/elementwise.h"
#include "nn/linear.h"

static const struct linear_path *path; /* of the layers */

/* The nearest number of bfloat16, of two the even one. */
static float nearest(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Random operands of a product: in bfloat16 numbers whose products are exact in float32. */
static float *operands(size_t count)
{
    float *x = floats(count);
    for (size_t i = 0; path == &linear_mixed && i < count; i++)
        x[i] = nearest(x[i]);
    return x;
}

struct layer {
    struct linear linear;
    size_t in, out; /* out of each of two parts */
    float *weights; // (2 * out, in)
};

/* Column c of the output lies at this column of its rows. */
static size_t place(const struct layer *l, size_t c)
{
    return c < l->out ? c : l->linear.out_stride / 2 + c - l->out;
}

static struct layer layer_of(size_t in, size_t out)
{
    struct layer l = {.in = in, .out = out, .weights = operands(2 * out * in)};
    struct weight parts[] = {{.data = l.weights, .rows = out, .scale = 1.0f},
                             {.data = l.weights + out * in, .rows = out, .scale = 1.0f}};
    CHECK(linear_init_on(&l.linear, path, parts, 2, in) == DEBERTA_OK);
    return l;
}

/* Gradients whose padding is zero. */
static float *d_out_of(const struct layer *l, size_t rows)
{
    size_t ld = l->linear.out_stride;
    float *d = operands(rows * ld), *kept = floats_copy(d, rows * ld);
    memset(d, 0, rows * ld * sizeof *d);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < 2 * l->out; c++)
            d[r * ld + place(l, c)] = kept[r * ld + place(l, c)];
    release(kept, rows * ld);
    return d;
}

static void check_input(const struct layer *l, size_t rows, bool accumulate)
{
    const struct linear *m = &l->linear;
    size_t scratch_floats = linear_backward_scratch(m), all = scratch_floats * (size_t)threads_count();
    float *d_out = d_out_of(l, rows), *d_in = floats(rows * m->in_stride), *scratch = floats(all);
    float *before = floats_copy(d_in, rows * m->in_stride);
    linear_backward_input(m, d_out, rows, accumulate, d_in, scratch);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < m->in_stride; i++) {
            double wanted = accumulate ? (double)before[r * m->in_stride + i] : 0.0;
            for (size_t c = 0; i < l->in && c < 2 * l->out; c++)
                wanted += (double)d_out[r * m->out_stride + place(l, c)] * (double)l->weights[c * l->in + i];
            CHECK(fabs((double)d_in[r * m->in_stride + i] - wanted) < 2e-6 * sqrt(2.0 * (double)l->out) + 1e-6);
        }
    }
    release(d_out, rows * m->out_stride), release(d_in, rows * m->in_stride), release(scratch, all);
    release(before, rows * m->in_stride);
}

/* Through an activation: the bits of the two steps one after the other. */
static void check_activated(const struct layer *l, size_t rows)
{
    const struct linear *m = &l->linear;
    size_t n = rows * m->in_stride, all = linear_backward_scratch(m) * (size_t)threads_count();
    float *d_out = d_out_of(l, rows), *d_x = floats(n), *x = floats(n), *scratch = floats(all);
    float *wanted = floats(n), *activated = floats_copy(x, n);
    linear_backward_activated(m, d_out, rows, ACT_GELU, x, d_x, scratch);
    linear_backward_input(m, d_out, rows, false, wanted, scratch);
    activation_backward(ACT_GELU, activated, rows, m->in_stride, wanted);
    CHECK(memcmp(d_x, wanted, n * sizeof *d_x) == 0 && memcmp(x, activated, n * sizeof *x) == 0);
    release(d_out, rows * m->out_stride), release(d_x, n), release(x, n), release(scratch, all);
    release(wanted, n), release(activated, n);
}

static void check_weights(const struct layer *l, size_t rows)
{
    const struct linear *m = &l->linear;
    size_t width = kernels->panel_width, size = m->out_stride * m->in;
    size_t scratch_floats = linear_backward_scratch(m), all = scratch_floats * (size_t)threads_count();
    float *in = operands(rows * m->in_stride), *d_out = d_out_of(l, rows), *scratch = floats(all);
    float *d_packed = floats(size), *d_bias = floats(m->out_stride);
    float *before = floats_copy(d_packed, size), *bias_before = floats_copy(d_bias, m->out_stride);
    linear_backward_weights(m, in, d_out, rows, d_packed, d_bias, scratch);
    for (size_t o = 0; o < m->out_stride; o++) {
        double wanted = (double)bias_before[o];
        for (size_t r = 0; r < rows; r++)
            wanted += (double)d_out[r * m->out_stride + o];
        CHECK(fabs((double)d_bias[o] - wanted) < 1e-6 * (double)rows + 1e-6);
        for (size_t i = 0; i < m->in; i++) {
            size_t at = (o / width * m->in + i) * width + o % width;
            wanted = (double)before[at];
            for (size_t r = 0; r < rows; r++)
                wanted += (double)in[r * m->in_stride + i] * (double)d_out[r * m->out_stride + o];
            CHECK(fabs((double)d_packed[at] - wanted) < 2e-6 * sqrt((double)rows) + 1e-6);
        }
    }
    for (size_t c = l->out; c < m->out_stride / 2; c++) /* padding */
        CHECK(d_bias[c] == bias_before[c] &&
              d_packed[c / width * m->in * width + c % width] == before[c / width * m->in * width + c % width]);
    release(in, rows * m->in_stride), release(d_out, rows * m->out_stride), release(scratch, all);
    release(d_packed, size), release(d_bias, m->out_stride), release(before, size);
    release(bias_before, m->out_stride);
}

static void check_shape(size_t in, size_t out, size_t rows)
{
    struct layer l = layer_of(in, out);
    check_input(&l, rows, false);
    check_input(&l, rows, true);
    check_activated(&l, rows);
    check_weights(&l, rows);
    linear_release(&l.linear);
    release(l.weights, 2 * out * in);
}

/* Numbers of float32 count as the nearest ones of bfloat16, except in the gradient of the bias. */
static void check_rounding(size_t in, size_t out, size_t rows)
{
    struct layer l = layer_of(in, out);
    const struct linear *m = &l.linear;
    size_t all = linear_backward_scratch(m) * (size_t)threads_count(), size = m->out_stride * in;
    float *scratch = floats(all), *x = floats(rows * m->in_stride), *d_out = d_out_of(&l, rows);
    float *d_in[2], *d_packed[2];
    for (size_t i = 0; i < rows * m->out_stride; i++)
        d_out[i] *= 1.001f;
    for (size_t i = 0; i < size; i++)
        l.linear.packed[i] *= 1.001f;
    for (int run = 0; run < 2; run++) {
        d_in[run] = floats(rows * m->in_stride), d_packed[run] = floats(size);
        memset(d_packed[run], 0, size * sizeof(float));
        linear_backward_input(m, d_out, rows, false, d_in[run], scratch);
        linear_backward_weights(m, x, d_out, rows, d_packed[run], NULL, scratch);
        for (size_t i = 0; i < rows * m->out_stride; i++)
            d_out[i] = nearest(d_out[i]);
        for (size_t i = 0; i < rows * m->in_stride; i++)
            x[i] = nearest(x[i]);
        for (size_t i = 0; i < size; i++)
            l.linear.packed[i] = nearest(l.linear.packed[i]);
    }
    CHECK(memcmp(d_in[0], d_in[1], rows * m->in_stride * sizeof(float)) == 0);
    CHECK(memcmp(d_packed[0], d_packed[1], size * sizeof(float)) == 0);
    for (int run = 0; run < 2; run++)
        release(d_in[run], rows * m->in_stride), release(d_packed[run], size);
    release(scratch, all), release(x, rows * m->in_stride), release(d_out, rows * m->out_stride);
    linear_release(&l.linear);
    release(l.weights, 2 * out * in);
}

/* The same bits from one thread and from three, from all rows at once and, for the input, from one row alone. */
static void check_bits(void)
{
    enum { IN = 210, OUT = 300, ROWS = 530 };
    struct layer l = layer_of(IN, OUT);
    const struct linear *m = &l.linear;
    float *in = floats(ROWS * m->in_stride), *d_out = d_out_of(&l, ROWS);
    float *d_in[2], *d_packed[2], *d_bias[2];
    for (int run = 0; run < 2; run++) {
        threads_set(run ? 3 : 1);
        size_t all = linear_backward_scratch(m) * (size_t)threads_count();
        float *scratch = floats(all);
        d_in[run] = floats(ROWS * m->in_stride);
        d_packed[run] = floats(m->out_stride * IN);
        d_bias[run] = floats(m->out_stride);
        memset(d_packed[run], 0, m->out_stride * IN * sizeof(float));
        memset(d_bias[run], 0, m->out_stride * sizeof(float));
        linear_backward_input(m, d_out, ROWS, false, d_in[run], scratch);
        linear_backward_weights(m, in, d_out, ROWS, d_packed[run], d_bias[run], scratch);
        if (run)
            for (size_t r = 0; r < ROWS; r += 13)
                linear_backward_input(m, d_out + r * m->out_stride, 1, false, d_in[1] + r * m->in_stride, scratch);
        release(scratch, all);
    }
    CHECK(memcmp(d_in[0], d_in[1], ROWS * m->in_stride * sizeof(float)) == 0);
    CHECK(memcmp(d_packed[0], d_packed[1], m->out_stride * IN * sizeof(float)) == 0);
    CHECK(memcmp(d_bias[0], d_bias[1], m->out_stride * sizeof(float)) == 0);
    for (int run = 0; run < 2; run++) {
        release(d_in[run], ROWS * m->in_stride), release(d_packed[run], m->out_stride * IN);
        release(d_bias[run], m->out_stride);
    }
    release(in, ROWS * m->in_stride), release(d_out, ROWS * m->out_stride);
    linear_release(&l.linear);
    release(l.weights, 2 * OUT * IN);
}

static void check_path(const struct linear_path *of)
{
    path = of;
    for (int threads = 1; threads <= 3; threads += 2) {
        threads_set(threads);
        check_shape(1, 1, 1);
        for (size_t n = 1; n <= 67; n += 3)
            check_shape(n, 68 - n, 1 + n % 9);
        check_shape(40, 24, 0);
        check_shape(197, 33, 259); /* several blocks of inputs and of rows */
        check_shape(24, 400, 20);  /* several blocks of outputs */
    }
    check_bits();
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_linear_backward: no %s on this machine\n", isa_names[level]);
            continue;
        }
        kernels_select(k);
        check_path(&linear_packed);
        printf("check_linear_backward: %s is right\n", isa_names[level]);
        if (!k->product_bf16)
            continue;
        check_path(&linear_mixed);
        check_shape(20, 900, 195); /* several blocks of outputs and of rows in bfloat16 */
        check_shape(900, 20, 195); /* of inputs */
        check_rounding(70, 50, 37);
        printf("check_linear_backward: bfloat16 is right with %s\n", isa_names[level]);
    }
    return 0;
}
