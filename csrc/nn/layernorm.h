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

#endif
