/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers: the weights, packed once for the path that will read them, and their product with rows.
 *
 * Activations lie in rows of round_up(columns, panel_width) floats, dense: `in_stride` and `out_stride` of the
 * matrix. What stands in the padding meets zero weights: a caller keeps it finite. */
#ifndef DEBERTA_NN_MATMUL_H
#define DEBERTA_NN_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"
#include "base/status.h"
#include "kernels/kernels.h"

/* Rows of a fused weight: one tensor of the checkpoint. */
struct weight {
    const void *data; // (rows, in)
    const void *bias; // (rows) or NULL: zeros
    enum deberta_dtype dtype, bias_dtype;
    size_t rows;
    size_t block,
        step;    /* not 0: the rows lie in blocks of `block`, and block b begins `step` * b rows after the data */
    float scale; /* multiplies weight and bias */
};

struct matrix {
    size_t in, in_stride;
    size_t out_stride;         /* of all parts together; each part starts at a multiple of the panel width */
    float *packed;             /* panels (out_stride / panel_width, in, panel_width), or oneDNN's layout */
    float *bias;               // (out_stride)
    const struct matrix *then; /* the one that is applied next, NULL: unknown */
    struct onednn *onednn;     /* NULL: our own kernel multiplies */
};

/* Which path a new matrix takes: oneDNN, unless benchmarks/results/linear.json shows our kernel ahead on this
 * instruction set, or DEBERTA_C_MATMUL (onednn, own) names one. */
enum matmul_path { MATMUL_OWN = 0, MATMUL_ONEDNN };
MUST_USE enum deberta_status matmul_start(void);
enum matmul_path matmul_path(void);
const char *matmul_onednn_version(void);

/* Packs the rows of all parts, one below the other; `in` is their number of columns. */
MUST_USE enum deberta_status matrix_init(struct matrix *matrix, const struct weight *parts, size_t count, size_t in);
void matrix_release(struct matrix *matrix);
size_t matrix_bytes(const struct matrix *matrix);

/* out[rows][out_stride] = act(in[rows][in_stride] . weights^T + bias), shared among the threads when not called by one
 * of theirs. */
MUST_USE enum deberta_status matrix_apply(const struct matrix *matrix, const float *in, size_t rows,
                                          enum activation act, float *out);

/* Where the first number is that is infinite or none, of n; n when all are finite. */
size_t weight_first_bad(const void *from, enum deberta_dtype dtype, size_t n);

/* to[n] = scale * from[n] */
void weight_read(const void *from, enum deberta_dtype dtype, size_t n, float scale, float *to);

#endif
