/* SPDX-License-Identifier: Apache-2.0 */
/* A network with packed weights and projected positions; immutable after it is made. */
#ifndef DEBERTA_MODEL_MODEL_H
#define DEBERTA_MODEL_MODEL_H

#include "model/config.h"
#include "nn/attention.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

struct layer {
    struct linear query;     /* the divisor of the scores is folded in */
    struct linear key_value; /* keys, then values */
    struct linear output, up, down;
    struct attention attention;
    float *position_tables; /* the tables of `attention` */
    struct norm attention_norm, final_norm;
};

struct deberta_model {
    struct deberta_config config; /* the strings are not kept */
    struct activations act;
    size_t hidden_stride, embedding_stride, head_stride; /* H, E and head_size, rounded up to the panel */
    struct deberta_tensor word;                          // (V, E), read in place, in the checkpoint
    float *vectors;                                      /* memory of the vectors below and of all norms */
    const float *absolute, *type;                        // (M, E), (Y, E) or NULL
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

#endif
