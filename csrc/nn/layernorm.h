/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation of rows, shared among the threads when not called by one of theirs. */
#ifndef DEBERTA_NN_LAYERNORM_H
#define DEBERTA_NN_LAYERNORM_H

#include <stddef.h>

struct layernorm {
    const float *gain, *bias; // (size)
    const float *added;       // (rows, size) or NULL
    float *x;                 // (rows, size): norm(x + added) takes its place
    size_t rows, size, stride;
    float epsilon;
};

void layernorm_apply(const struct layernorm *norm);

#endif
