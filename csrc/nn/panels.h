/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in panels of two vectors' width, for the paths with kernels of our own: how they are packed, and the order in
 * which a product takes rows and panels. A panel is (steps, panel_width) words of 4 bytes; a word holds one or more
 * weights of a column. */
#ifndef DEBERTA_NN_PANELS_H
#define DEBERTA_NN_PANELS_H

#include "nn/linear.h"

/* A product of all rows, or a part of it: some rows times a part of a panel. */
struct panels_product {
    const struct linear *linear;
    const void *left; /* the rows, as the format wants them */
    size_t rows;
    size_t row_words; /* that a row has for a step; 0: 1 */
    enum activation act;
    float *out;               // (rows, out_stride)
    size_t row_block, slices; /* rows of a task; slices of the panels */
};

struct panels_part {
    size_t row, rows, panel;
    size_t step, steps;
    const float *next; /* a panel to prefetch, or NULL */
};

struct panels_format {
    size_t numbers; /* weights of a word */
    size_t depth;   /* steps that are multiplied at a time: a panel of this depth streams from L2 */
    /* A column's weights (in) become words, in place; NULL: they are. */
    void (*encode)(struct linear *linear, size_t column, float *weights);
    void (*multiply)(const struct panels_product *product, const struct panels_part *part);
};

/* Sets `packed` and `steps`. */
MUST_USE enum deberta_status panels_pack(struct linear *linear, const struct panels_format *format,
                                         const struct weight *parts, size_t count);
/* The words of a panel from a step on. */
static inline const float *panels_at(const struct linear *linear, size_t panel, size_t step)
{
    return linear->packed + (panel * linear->steps + step) * kernels->panel_width;
}

/* `row_block` and `slices` of the product are not read. */
void panels_apply(const struct panels_format *format, struct panels_product product);

size_t panels_bytes(const struct linear *linear);

#endif
