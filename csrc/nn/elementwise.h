/* SPDX-License-Identifier: Apache-2.0 */
/* Activations and sums of rows, element by element, shared among the threads when not called by one of theirs. */
#ifndef DEBERTA_NN_ELEMENTWISE_H
#define DEBERTA_NN_ELEMENTWISE_H

#include "kernels/kernels.h"

/* out = act(x), both (rows, stride). */
void activation_apply(enum activation act, const float *x, size_t rows, size_t stride, float *out);

/* d *= act'(x), both (rows, stride): from the gradient by act(x) to that by x. x becomes act(x). */
void activation_backward(enum activation act, float *x, size_t rows, size_t stride, float *d);

/* x *= scale, n numbers. */
void scale_apply(float scale, float *x, size_t n);

/* x += added, n numbers. */
void add_apply(const float *added, float *x, size_t n);

#endif
