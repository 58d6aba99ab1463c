/* SPDX-License-Identifier: Apache-2.0 */
/* One chunk of a batch through the network. */
#ifndef DEBERTA_MODEL_ENCODER_H
#define DEBERTA_MODEL_ENCODER_H

#include "model/pass.h"

/* Computes the chunk's share of the outputs, on all threads unless called by one of theirs. `cancellable`: this is the
 * thread that called; before every layer it asks whether to stop. */
MUST_USE enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w,
                                          bool cancellable);

/* A layer of the whole chunk: w->x. */
MUST_USE enum deberta_status encode_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                          size_t number);
/* Attention of the whole chunk, from w->query and w->key_value to w->context, or, where only the first rows are read,
 * of each sequence's first query. */
void encode_attention(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number,
                      bool only_first);
/* What follows attention: x (rows, H) is the layer's input and becomes its output, w->context the attention's. */
MUST_USE enum deberta_status encode_finish(const struct deberta_model *m, const struct layer *layer, float *x,
                                           size_t rows, const struct workspace *w);
/* Writes w->x as hidden state `number`, and as the last one, where the caller wants them. */
void encode_store(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number);

#endif
