/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation of rows, shared among the threads when not called by one of theirs. */
#ifndef DEBERTA_NN_LAYERNORM_H
#define DEBERTA_NN_LAYERNORM_H

#include <stddef.h>

struct norm {
    const float *gain, *bias; // (size)
    size_t size, stride;      /* of a row, and from one row to the next */
    float epsilon;
};

/* x (rows, size) = LayerNorm(x + added); added (rows, size) or NULL. */
void norm_apply(const struct norm *norm, const float *added, float *x, size_t rows);

/* out (rows, size) = LayerNorm(sum), both with the row stride of the norm. */
void norm_forward(const struct norm *norm, const float *sum, float *out, size_t rows);

/* The floats of `scratch` below, for all threads together. */
size_t norm_backward_scratch(const struct norm *norm);

/* d_sum (rows, size) = the gradient at the sum that norm_forward took, from that of its output; d_sum may be d_out.
 * Adds to d_gain and d_bias (size), unless they are NULL. The bits do not depend on the number of threads. */
void norm_backward(const struct norm *norm, const float *sum, const float *d_out, size_t rows, float *d_sum,
                   float *d_gain, float *d_bias, float *scratch);

#endif
