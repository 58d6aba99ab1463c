/* SPDX-License-Identifier: Apache-2.0 */
/* The convolution beside the first layer: ConvLayer of transformers' modeling_deberta_v2.py. */
#ifndef DEBERTA_MODEL_CONVOLUTION_H
#define DEBERTA_MODEL_CONVOLUTION_H

#include "model/pass.h"

/* Adds the convolution of w->input to w->x and normalises the sum. */
MUST_USE enum deberta_status convolution_apply(const struct pass *pass, const struct chunk *chunk,
                                               const struct workspace *w);

/* Each of n rows of `unfolded` (n, K H) holds the K rows of `input` (T, H) around a token, from token `row` of the
 * chunk on, with zeros outside its sequence. */
void convolution_unfold(const struct pass *pass, const struct chunk *chunk, const float *input, size_t row, size_t n,
                        float *unfolded);

#endif
