/* SPDX-License-Identifier: Apache-2.0 */
/* A network whose weights are packed and whose positions are projected: immutable once made. */
#ifndef DEBERTA_MODEL_MODEL_H
#define DEBERTA_MODEL_MODEL_H

#include "deberta.h"
#include "kernels/kernels.h"
#include "nn/attention.h"
#include "nn/linear.h"

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
    enum activation act, conv_act, head_act;
    size_t hidden_stride, embedding_stride, head_stride; /* H, E and head_size, rounded up to the panel */
    struct deberta_tensor word;                          // (V, E), read where the checkpoint holds it
    float *vectors;                                      /* what the next ones and those of the layers point to */
    const float *absolute, *type;                        // (M, E), (Y, E) or NULL
    const float *embedding_gain, *embedding_bias;        // (H)
    struct matrix projection;                            /* E to H; unused when they are equal */
    struct distances distances;
    struct layer *layers;                // (L)
    struct matrix conv;                  /* rows of the embeddings, K next to each other, to H */
    const float *conv_gain, *conv_shift; // (H)
    struct matrix head_dense, head_out;
    const float *head_gain, *head_shift; // (head_size)
    size_t bytes;
};

/* Whether the head answers for every token, not for every sequence. */
static inline bool model_answers_for_tokens(const struct deberta_model *model)
{
    enum deberta_head head = model->config.head;
    return head == DEBERTA_TOKENS || head == DEBERTA_MASKED_LM || head == DEBERTA_REPLACED_TOKENS;
}

/* How many numbers the head gives for a row. */
static inline size_t model_outputs(const struct deberta_model *model)
{
    return model->config.head == DEBERTA_POOLER ? model->config.head_size : model->config.num_labels;
}

/* Refuses sizes that contradict each other. */
MUST_USE enum deberta_status model_check_config(const struct deberta_config *config);

#endif
