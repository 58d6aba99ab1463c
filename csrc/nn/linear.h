/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers: the weights, packed once for the path that will read them, and their product with rows.
 *
 * Activations lie in rows of round_up(columns, panel_width) floats, dense: `in_stride` and `out_stride` of the
 * matrix. What stands in the padding meets zero weights: a caller keeps it finite. */
#ifndef DEBERTA_NN_LINEAR_H
#define DEBERTA_NN_LINEAR_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/kernels.h"
#include "nn/weights.h"

struct matrix {
    const struct linear_path *path; /* fixed when it is made; NULL: nothing to release */
    size_t in, in_stride;
    size_t out_stride;         /* of all parts together; each part starts at a multiple of the panel width */
    float *packed;             /* panels (out_stride / panel_width, in, panel_width), or the layout of its path */
    float *bias;               // (out_stride)
    const struct matrix *then; /* the one that is applied next, NULL: unknown */
    void *layout;              /* the path's own description of `packed`, or NULL */
};

/* A way to multiply. `init` makes `packed` (and `layout`) for a matrix whose other members are set; `release` frees
 * them, also when `init` failed half-way. */
struct linear_path {
    const char *name;
    enum deberta_status (*start)(void); /* before anything else; NULL: nothing to do */
    void (*stop)(void);                 /* when the process ends; NULL: nothing to do */
    enum deberta_status (*init)(struct matrix *matrix, const struct weight *parts, size_t count);
    enum deberta_status (*apply)(const struct matrix *matrix, const float *in, size_t rows, enum activation act,
                                 float *out);
    void (*release)(struct matrix *matrix);
    size_t (*bytes)(const struct matrix *matrix); /* of `packed` */
};

extern const struct linear_path linear_packed, linear_onednn;

/* Chooses the path of new matrices: our own where benchmarks/results/ISA/linear.json shows it ahead on this instruction
 * set, else oneDNN, or the one that DEBERTA_C_MATMUL (own, onednn) names. */
MUST_USE enum deberta_status linear_start(void);
const struct linear_path *linear_chosen(void);
/* Before the process ends: waits for callers where its exit would take away what they use, and keeps others out. */
void linear_stop(void);
const char *linear_onednn_version(void);

/* Packs the rows of all parts, one below the other; `in` is their number of columns. */
MUST_USE enum deberta_status matrix_init(struct matrix *matrix, const struct weight *parts, size_t count, size_t in);
void matrix_release(struct matrix *matrix);
size_t matrix_bytes(const struct matrix *matrix);

/* out[rows][out_stride] = act(in[rows][in_stride] . weights^T + bias), shared among the threads when not called by one
 * of theirs. */
MUST_USE enum deberta_status matrix_apply(const struct matrix *matrix, const float *in, size_t rows,
                                          enum activation act, float *out);

#endif
