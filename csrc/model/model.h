/* SPDX-License-Identifier: Apache-2.0 */
/* A network whose weights are packed and whose positions are projected: immutable once made. */
#ifndef DEBERTA_MODEL_MODEL_H
#define DEBERTA_MODEL_MODEL_H

#include "deberta.h"
#include "kernels/kernels.h"
#include "nn/attention.h"
#include "nn/matmul.h"

struct layer {
    struct matrix query;     /* the divisor of the scores is folded in */
    struct matrix key_value; /* keys, then values */
    struct matrix output, up, down;
    struct attention attention;
    float *position_tables;                                                 /* what `attention` points to */
    const float *attention_gain, *attention_bias, *final_gain, *final_bias; // (H)
};

struct deberta_model {
    struct deberta_config config; /* the strings are not kept */
    enum activation act, pooler_act;
    size_t hidden_stride, embedding_stride;       /* H and E, rounded up to the panel */
    struct deberta_tensor word;                   // (V, E), read where the checkpoint holds it
    float *vectors;                               /* what the next ones and those of the layers point to */
    const float *absolute, *type;                 // (M, E), (Y, E) or NULL
    const float *embedding_gain, *embedding_bias; // (H)
    struct matrix projection;                     /* E to H; unused when they are equal */
    struct distances distances;
    struct layer *layers; // (L)
    struct matrix pooler, classifier;
    bool has_head;
    size_t bytes;
};

#endif
