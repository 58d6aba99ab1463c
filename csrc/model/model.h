/* SPDX-License-Identifier: Apache-2.0 */
/* A network with packed weights and projected positions; immutable after it is made, unless it was made for training.
 */
#ifndef DEBERTA_MODEL_MODEL_H
#define DEBERTA_MODEL_MODEL_H

#include "model/config.h"
#include "nn/attention.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

struct layer {
    struct linear query;     /* the divisor of the scores is folded in, but not for training */
    struct linear key_value; /* keys, then values */
    struct linear output, up, down;
    struct linear position_key, position_query; /* for training, unless they are those of tokens */
    struct attention attention;
    float *position_tables; /* the tables of `attention` */
    struct norm attention_norm, final_norm;
};

struct deberta_model {
    struct deberta_config config; /* the strings are not kept */
    bool trainable;               /* weights are kept as they are, on the own path, and may change */
    struct activations act;
    size_t hidden_stride, embedding_stride, head_stride; /* H, E and head_size, rounded up to the panel */
    struct deberta_tensor word;                          // (V, E), read in place, in the checkpoint
    float *vectors;                                      /* memory of the vectors below and of all norms */
    float *words;                                        // (V, E) for training: what `word` reads; else NULL
    const float *absolute, *type;                        // (M, E), (Y, E) or NULL
    const float *relative;                               // (R, H) for training, or NULL
    struct norm relative_norm;                           /* of its rows, for training; no gain: none */
    struct norm embedding_norm;
    struct linear projection; /* E to H; unused when they are equal */
    struct distances distances;
    struct layer *layers; // (L)
    struct linear conv;   /* from K neighbouring rows of the embeddings to H */
    struct norm conv_norm;
    struct linear head_dense, head_out;
    struct norm head_norm;
    size_t bytes;
};

/* The path of new linear layers in a type. */
const struct linear_path *linear_of(enum deberta_precision precision);

/* As deberta_model_new. For training, weights are in the own path's panels, whatever path is chosen, the divisor of the
 * scores is applied to the queries, and the tables of positions are zeros until positions_project. */
MUST_USE enum deberta_status model_load(const struct deberta_config *config, const struct deberta_tensor *tensors,
                                        size_t count, bool trainable, struct deberta_model **out);

/* 1 / sqrt(head size * terms), the inverse of the divisor of the scores: a score is the sum of `terms` products. */
float model_score_scale(const struct deberta_config *config);

#endif
