/* SPDX-License-Identifier: Apache-2.0 */
/* Our own path: weights in panels of two vectors' width for the register-blocked kernel. */
#include "base/memory.h"
#include "base/threads.h"
#include "nn/linear.h"

#define ROW_BLOCK 192   /* rows at a time, so that their activations stay in the cache */
#define DEPTH_BLOCK 768 /* values of k at a time: a panel of this depth streams from L2 */
#define PANEL_GROUP 4   /* panels at a time: the activation runs while their output is in the cache */

struct packing {
    const struct weight *part;
    size_t in;
    float *panels; /* of the part */
    float *rows;   // (workers, panel_width, in)
};

static void pack_panel(size_t index, int worker, void *context)
{
    const struct packing *p = context;
    size_t width = kernels->panel_width, first = index * width;
    size_t n = min_size(width, p->part->rows - first);
    float *rows = p->rows + (size_t)worker * width * p->in;
    for (size_t r = 0; r < n; r++)
        weight_read_row(p->part, first + r, p->in, rows + r * p->in);
    kernels->pack(rows, p->in, n, p->in, p->panels + first * p->in);
}

static enum deberta_status init(struct linear *linear, const struct weight *parts, size_t count)
{
    size_t width = kernels->panel_width;
    void *packed, *rows;
    TRY(memory_alloc(linear->out_stride * linear->in, sizeof(float), &packed));
    linear->packed = packed;
    TRY(memory_alloc((size_t)threads_count() * width, linear->in * sizeof(float), &rows));
    float *panels = linear->packed;
    for (size_t i = 0; i < count; i++) {
        struct packing packing = {.part = &parts[i], .in = linear->in, .panels = panels, .rows = rows};
        parallel_for((parts[i].rows + width - 1) / width, threads_grain(10.0 * (double)(width * linear->in)),
                     pack_panel, &packing);
        panels += round_up(parts[i].rows, width) * linear->in;
    }
    memory_free(rows);
    return DEBERTA_OK;
}

struct application {
    const struct linear *linear;
    const float *in;
    size_t rows;
    enum activation act;
    float *out;
    size_t row_block, slices; /* rows of a task; slices of the panels */
};

/* The first panel of a slice. */
static size_t slice_begin(const struct linear *linear, size_t slice, size_t slices)
{
    return slice * (linear->out_stride / kernels->panel_width) / slices;
}

static const float *panel_at(const struct linear *linear, size_t panel, size_t k)
{
    return linear->packed + (panel * linear->in + k) * kernels->panel_width;
}

/* Computes the output of a few panels: bias first, then k in ascending blocks, then the activation. `after` is the next
 * panel, to prefetch. */
static void apply_panels(const struct application *a, size_t row, size_t first, size_t last, const float *after)
{
    const struct linear *m = a->linear;
    size_t width = kernels->panel_width, rows = min_size(a->row_block, a->rows - row);
    float *out = a->out + row * m->out_stride;
    for (size_t k = 0; k < m->in; k += DEPTH_BLOCK) {
        for (size_t panel = first; panel < last; panel++) {
            bool last_block = k + DEPTH_BLOCK >= m->in;
            struct product product = {
                .a = a->in + row * m->in_stride + k,
                .lda = m->in_stride,
                .panel = panel_at(m, panel, k),
                .k = min_size(DEPTH_BLOCK, m->in - k),
                .c = out + panel * width,
                .ldc = m->out_stride,
                .rows = rows,
                .columns = width,
                .accumulate = k > 0,
                .bias = m->bias + panel * width,
                .next = panel + 1 < last ? panel_at(m, panel + 1, k)
                        : last_block     ? after
                                         : panel_at(m, first, k + DEPTH_BLOCK),
            };
            kernels->product(&product);
        }
    }
    kernels->activate(a->act, out + first * width, m->out_stride, rows, (last - first) * width);
}

/* One block of rows times one slice of the panels. A worker that keeps its slice walks through memory from end to end,
 * and at the end fetches the beginning of the same slice of the next linear layer, so that memory is never idle. */
static void apply_slice(size_t index, int worker, void *context)
{
    (void)worker;
    const struct application *a = context;
    const struct linear *m = a->linear, *next = m->next;
    size_t slice = index % a->slices, row = index / a->slices * a->row_block;
    size_t begin = slice_begin(m, slice, a->slices), end = slice_begin(m, slice + 1, a->slices);
    const float *after = next ? panel_at(next, slice_begin(next, slice, a->slices), 0) : NULL;
    for (size_t panel = begin; panel < end; panel += PANEL_GROUP) {
        size_t last = min_size(panel + PANEL_GROUP, end);
        apply_panels(a, row, panel, last, last < end ? panel_at(m, last, 0) : after);
    }
}

static enum deberta_status apply(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out)
{
    size_t blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK, slices = (size_t)threads_of_call();
    size_t row_block = round_up((rows + blocks - 1) / blocks, kernels->row_group);
    struct application application = {
        .linear = linear, .in = in, .rows = rows, .act = act, .out = out, .row_block = row_block, .slices = slices};
    double operations = 2.0 * (double)(min_size(row_block, rows) * linear->in * linear->out_stride) / (double)slices;
    parallel_for((rows + row_block - 1) / row_block * slices, threads_grain(operations), apply_slice, &application);
    return DEBERTA_OK;
}

static void release(struct linear *linear)
{
    memory_free(linear->packed);
}

static size_t bytes(const struct linear *linear)
{
    return linear->out_stride * linear->in * sizeof(float);
}

const struct linear_path linear_packed = {"own", NULL, NULL, init, apply, release, bytes};
