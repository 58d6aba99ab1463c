/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a checkpoint: reading as float32, search for NaN and infinity. */
#ifndef DEBERTA_NN_WEIGHTS_H
#define DEBERTA_NN_WEIGHTS_H

#include <stddef.h>

#include "base/dtype.h"

/* Rows of a fused weight: one tensor of the checkpoint. */
struct weight {
    const void *data; // (rows, in)
    const void *bias; // (rows) or NULL: zeros
    enum deberta_dtype dtype, bias_dtype;
    size_t rows;
    size_t block, step; /* not 0: rows come in blocks of `block`, and block b begins `step` * b rows after the data */
    float scale;        /* multiplies weight and bias */
};

/* to[n] = scale * from[n] */
void weight_read(const void *from, enum deberta_dtype dtype, size_t n, float scale, float *to);

/* to[in] = scale * row r of the weight */
void weight_read_row(const struct weight *weight, size_t r, size_t in, float *to);

/* The index of the first infinity or NaN among n numbers; n when all are finite. */
size_t weight_first_bad(const void *from, enum deberta_dtype dtype, size_t n);

#endif
