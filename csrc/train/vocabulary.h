/* SPDX-License-Identifier: Apache-2.0 */
/* The loss of a masked language model: cross-entropy over the vocabulary, for the rows that the output layer reads. The
 * vocabulary goes by in chunks of that layer, so that no array has a number for each row and each token. The bits do
 * not depend on the number of threads. */
#ifndef DEBERTA_TRAIN_VOCABULARY_H
#define DEBERTA_TRAIN_VOCABULARY_H

#include <stdint.h>

#include "base/arena.h"
#include "model/context.h"

struct vocabulary {
    const struct linear *out;
    size_t size;          /* V: outputs of the layer without padding */
    size_t rows;          /* K */
    size_t chunk, blocks; /* columns of a chunk; blocks of columns that have sums of their own */
    int32_t *targets;     // (K): negative: the row has no loss
    float smoothing;      /* the share of the loss that asks for all tokens alike */
    float *logits;        // (K, chunk)
    float *sums;          // (K, blocks, 3): see the kernel exp_sums
    float *right;         // (K): the logit of the target
    float *largest;       // (K): of all logits
    double *sum, *losses; // (K): of exp(logit - largest); the loss
};

/* Lays the arrays out for K rows; an arena without memory only measures. */
void vocabulary_lay_out(struct vocabulary *vocabulary, const struct deberta_context *context, size_t rows,
                        struct arena *arena);

/* The sum of the losses of the rows `in` (K, in_stride); `targets` and `smoothing` are set before. */
MUST_USE enum deberta_status vocabulary_loss(const struct vocabulary *vocabulary, const float *in, double *loss);
/* After vocabulary_loss of the same rows: d_in (K, in_stride) = the gradient of scale * loss by them; adds that of the
 * weights to `gradient`. scratch: (threads, linear_backward_scratch). */
MUST_USE enum deberta_status vocabulary_backward(const struct vocabulary *vocabulary, const float *in, float scale,
                                                 const struct linear *gradient, float *d_in, float *scratch);
/* After vocabulary_loss of the same rows: a token for each (K), drawn from the softmax of its logits by `seed`. */
MUST_USE enum deberta_status vocabulary_sample(const struct vocabulary *vocabulary, const float *in, uint64_t seed,
                                               int32_t *tokens);

#endif
