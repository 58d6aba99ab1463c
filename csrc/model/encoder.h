/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one chunk of a batch through the network. */
#ifndef DEBERTA_MODEL_ENCODER_H
#define DEBERTA_MODEL_ENCODER_H

#include "model/pass.h"

/* Computes the chunk's share of the outputs, on all threads unless called inside a parallel loop. */
MUST_USE enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w);

/* The embeddings and the first `layers` layers, those that are not given: w->x. */
MUST_USE enum deberta_status encode_layers(const struct pass *pass, const struct chunk *chunk,
                                           const struct workspace *w, size_t layers);
/* A layer of the whole chunk: w->x. */
MUST_USE enum deberta_status encode_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                          size_t number);
/* The workspace of a layer: with a tape, arrays that it keeps are the tape's. */
struct workspace encode_workspace(const struct pass *pass, const struct workspace *w, size_t number);
/* Fills w->sequences for attention. */
void encode_sequences(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number,
                      bool only_first);
/* Attention of the whole chunk, from w->query and w->key_value to w->context; of each sequence's first query only, if
 * only the first rows are needed. */
MUST_USE enum deberta_status encode_attention(const struct pass *pass, const struct chunk *chunk,
                                              const struct workspace *w, size_t number, bool only_first);
/* w->query (rows, H): the queries of x (rows, H), divided by the divisor of the scores. */
MUST_USE enum deberta_status encode_queries(const struct deberta_model *m, const struct layer *layer, const float *x,
                                            size_t rows, const struct workspace *w);
/* The rest of a layer after attention: x (rows, H) is the layer's input and becomes its output; w->context is the
 * output of attention. */
MUST_USE enum deberta_status encode_finish(const struct pass *pass, size_t number, float *x, size_t rows,
                                           const struct workspace *w);
/* Whether these outputs need the last layer for the first token of each sequence only. */
bool encode_only_first(const struct deberta_model *model, const struct deberta_outputs *outputs);
/* Writes w->x to hidden state `number` and to the last hidden state, if these are outputs. */
void encode_store(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number);

#endif
