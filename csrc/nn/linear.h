/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers: the weights, packed once for the path that will read them, and their product with rows.
 *
 * Activations are rows of round_up(columns, panel_width) floats, without gaps: `in_stride` and `out_stride` of the
 * layer. The padding is multiplied by zero weights: callers keep it finite. */
#ifndef DEBERTA_NN_LINEAR_H
#define DEBERTA_NN_LINEAR_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/kernels.h"
#include "nn/weights.h"

struct linear {
    const struct linear_path *path; /* set by linear_init; NULL: nothing to release */
    size_t in, in_stride;
    size_t out_stride;         /* of all parts together; each part starts at a multiple of the panel width */
    float *packed;             /* panels (out_stride / panel_width, steps, panel_width), or the layout of its path */
    size_t steps;              /* words of a column of a panel: `in` in float32; 0: not in panels */
    float *bias;               // (out_stride)
    const struct linear *next; /* applied after this one; NULL: unknown */
    void *layout;              /* the path's own description of `packed`, or NULL */
};

/* One implementation of linear layers. `init` sets `packed` (and `layout`) when the other members are set; `release`
 * frees them, also after a failed `init`. */
struct linear_path {
    const char *name;
    enum deberta_status (*start)(void); /* called first; NULL: nothing to do */
    void (*stop)(void);                 /* called before the process exits; NULL: nothing to do */
    enum deberta_status (*init)(struct linear *linear, const struct weight *parts, size_t count);
    enum deberta_status (*apply)(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out, void *scratch);
    void (*release)(struct linear *linear);
    size_t (*bytes)(const struct linear *linear);                /* of `packed` and `layout` */
    size_t (*scratch)(const struct linear *linear, size_t rows); /* bytes that `apply` needs; NULL: none */
};

/* In float32, chosen for the process; in bfloat16 and int8, chosen for a model. */
extern const struct linear_path linear_packed, linear_onednn;
extern const struct linear_path linear_bf16, linear_int8;
/* In bfloat16 on a CPU that does not multiply it: products of float32 with weights of bfloat16. */
extern const struct linear_path linear_widened;
/* In training: the weights of linear_packed, products in bfloat16. A layer may change from one to the other. */
extern const struct linear_path linear_mixed;

/* Chooses the path of new linear layers: the one that DEBERTA_C_MATMUL (own, onednn) names, or the faster one on this
 * instruction set by benchmarks/results/ISA/linear.json. */
MUST_USE enum deberta_status linear_start(void);
const struct linear_path *linear_chosen(void);
/* Called before the process exits: waits for calls that use what the exit destroys, and blocks later ones. */
void linear_stop(void);
const char *linear_onednn_version(void);

/* Packs the rows of all parts as one weight; `in` is their number of columns. */
MUST_USE enum deberta_status linear_init(struct linear *linear, const struct weight *parts, size_t count, size_t in);
/* The same on a path of the caller's choice. */
MUST_USE enum deberta_status linear_init_on(struct linear *linear, const struct linear_path *path,
                                            const struct weight *parts, size_t count, size_t in);
void linear_release(struct linear *linear);
/* Some output columns of a layer on the own path, as a layer over the same weights, never released: `first` and
 * `columns` are multiples of the panel width. Absent weights stay absent. */
struct linear linear_part(const struct linear *linear, size_t first, size_t columns);
size_t linear_bytes(const struct linear *linear);

/* out[rows][out_stride] = act(in[rows][in_stride] . weights^T + bias), shared among the threads when not called by one
 * of theirs; for layers in float32. DEBERTA_STOPPED when the caller cancels. */
MUST_USE enum deberta_status linear_apply(const struct linear *linear, const float *in, size_t rows,
                                          enum activation act, float *out);
/* The same for a layer in any type; `scratch` are linear_apply_scratch(linear, rows) bytes, aligned to 64. */
MUST_USE enum deberta_status linear_apply_with(const struct linear *linear, const float *in, size_t rows,
                                               enum activation act, float *out, void *scratch);
size_t linear_apply_scratch(const struct linear *linear, size_t rows);

/* Whether a path multiplies integers, the largest ones among them, without an error: every type represents them and
 * their sums. */
MUST_USE enum deberta_status linear_is_exact(const struct linear_path *path, bool *exact);

/* The backward pass, of layers with the path `linear_packed` or `linear_mixed`. Its bits do not depend on the number of
 * threads. When the caller cancels, results are incomplete. */

/* The floats that one worker needs; `scratch` below is (threads_count(), linear_backward_scratch()), 64-byte aligned.
 */
size_t linear_backward_scratch(const struct linear *linear);

/* d_in[rows][in_stride] (+)= d_out[rows][out_stride] . weights */
void linear_backward_input(const struct linear *linear, const float *d_out, size_t rows, bool accumulate, float *d_in,
                           float *scratch);

/* The same through the activation whose output the layer reads: d_x[rows][in_stride] = (d_out . weights) * act'(x), and
 * x[rows][in_stride], what the activation read, becomes act(x). */
void linear_backward_activated(const struct linear *linear, const float *d_out, size_t rows, enum activation act,
                               float *x, float *d_x, float *scratch);

/* d_packed, in the layout of `packed`, += the gradient of the weights; d_bias[out_stride] += that of the bias; either
 * may be NULL. Padding columns of d_out must be zero: then those of the gradients stay zero. */
void linear_backward_weights(const struct linear *linear, const float *in, const float *d_out, size_t rows,
                             float *d_packed, float *d_bias, float *scratch);

#endif
