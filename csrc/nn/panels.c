/* SPDX-License-Identifier: Apache-2.0 */
/* Packing weights into panels, and products that walk through them block by block. */
#include "nn/panels.h"

#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/watch.h"

#define ROW_BLOCK 192           /* rows at a time, so that their activations stay in the cache */
#define BLOCK_WORDS (192 * 768) /* of those rows: 576 KB of L2 */
#define PANEL_GROUP 4           /* panels at a time: the activation runs while their output is in the cache */

/* ---- packing ---- */

struct packing {
    struct linear *linear;
    const struct panels_format *format;
    const struct weight *part;
    size_t first;  /* column of the layer at which the part begins */
    size_t stride; /* of rows below */
    float *rows;   // (workers, panel_width, stride)
};

static void pack_panel(size_t index, int worker, void *context)
{
    const struct packing *p = context;
    size_t width = kernels->panel_width, first = index * width, in = p->linear->in;
    size_t n = min_size(width, p->part->rows - first);
    float *rows = p->rows + (size_t)worker * width * p->stride;
    for (size_t r = 0; r < n; r++) {
        float *row = rows + r * p->stride;
        weight_read_row(p->part, first + r, in, row);
        memset(row + in, 0, (p->stride - in) * sizeof *row);
        if (p->format->encode)
            p->format->encode(p->linear, p->first + first + r, row);
    }
    float *panel = p->linear->packed + (p->first + first) * p->linear->steps;
    kernels->pack(rows, p->stride, n, p->linear->steps, panel);
}

enum deberta_status panels_pack(struct linear *linear, const struct panels_format *format, const struct weight *parts,
                                size_t count)
{
    size_t width = kernels->panel_width, stride = linear->in_stride, first = 0;
    void *packed, *rows;
    linear->steps = (linear->in + format->numbers - 1) / format->numbers;
    TRY(memory_alloc(linear->out_stride * linear->steps, sizeof(float), &packed));
    linear->packed = packed;
    TRY(memory_alloc((size_t)threads_count() * width, stride * sizeof(float), &rows));
    for (size_t i = 0; i < count; i++) {
        struct packing packing = {
            .linear = linear, .format = format, .part = &parts[i], .first = first, .stride = stride, .rows = rows};
        parallel_for((parts[i].rows + width - 1) / width, threads_grain(10.0 * (double)(width * linear->in)),
                     pack_panel, &packing);
        first += round_up(parts[i].rows, width);
    }
    memory_free(rows);
    return DEBERTA_OK;
}

/* ---- products ---- */

/* The first panel of a slice. */
static size_t slice_begin(const struct linear *linear, size_t slice, size_t slices)
{
    return slice * (linear->out_stride / kernels->panel_width) / slices;
}

struct task {
    const struct panels_format *format;
    struct panels_product product;
};

/* Computes the output of a few panels: bias first, then k in ascending blocks, then the activation. `after` is the next
 * panel, to prefetch. */
static void apply_panels(const struct task *task, size_t row, size_t first, size_t last, const float *after)
{
    const struct panels_product *p = &task->product;
    const struct linear *m = p->linear;
    size_t width = kernels->panel_width, rows = min_size(p->row_block, p->rows - row), depth = task->format->depth;
    for (size_t step = 0; step < m->steps; step += depth) {
        bool last_block = m->steps - step <= depth;
        for (size_t panel = first; panel < last; panel++) {
            struct panels_part part = {
                .row = row,
                .rows = rows,
                .panel = panel,
                .step = step,
                .steps = min_size(depth, m->steps - step),
                .next = panel + 1 < last ? panels_at(m, panel + 1, step)
                        : last_block     ? after
                                         : panels_at(m, first, step + depth),
            };
            task->format->multiply(p, &part);
        }
        if (last_block)
            break;
    }
    kernels->activate(p->act, p->out + row * m->out_stride + first * width, m->out_stride, rows,
                      (last - first) * width);
}

/* One block of rows times one slice of the panels; nothing when the caller cancels. A worker that keeps its slice walks
 * through memory from end to end, and at the end fetches the beginning of the same slice of the next linear layer, so
 * that memory is never idle. */
static void apply_slice(size_t index, int worker, void *context)
{
    (void)worker;
    const struct task *task = context;
    const struct linear *m = task->product.linear, *next = m->next;
    size_t slices = task->product.slices, slice = index % slices, row = index / slices * task->product.row_block;
    if (row > 0 && watch_check() != DEBERTA_OK)
        return;
    size_t begin = slice_begin(m, slice, slices), end = slice_begin(m, slice + 1, slices);
    const float *after = next && next->steps ? panels_at(next, slice_begin(next, slice, slices), 0) : NULL;
    for (size_t panel = begin; panel < end; panel += PANEL_GROUP) {
        size_t last = min_size(panel + PANEL_GROUP, end);
        apply_panels(task, row, panel, last, last < end ? panels_at(m, last, 0) : after);
    }
}

void panels_apply(const struct panels_format *format, struct panels_product product)
{
    size_t row_words = product.row_words ? product.row_words : 1;
    size_t words = min_size(format->depth, product.linear->steps) * row_words;
    size_t most = min_size(ROW_BLOCK, BLOCK_WORDS / words + 1), rows = product.rows, blocks = (rows + most - 1) / most;
    product.slices = (size_t)threads_of_call();
    product.row_block = round_up((rows + blocks - 1) / blocks, kernels->row_group);
    struct task task = {.format = format, .product = product};
    double operations = 2.0 * (double)(min_size(product.row_block, rows) * product.linear->steps * row_words) *
                        (double)product.linear->out_stride / (double)product.slices;
    parallel_for((rows + product.row_block - 1) / product.row_block * product.slices, threads_grain(operations),
                 apply_slice, &task);
}

size_t panels_bytes(const struct linear *linear)
{
    return linear->out_stride * linear->steps * sizeof(float);
}
