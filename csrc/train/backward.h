/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass: from the gradient by the logits to the gradients of all parameters that are trained. */
#ifndef DEBERTA_TRAIN_BACKWARD_H
#define DEBERTA_TRAIN_BACKWARD_H

#include "model/pass.h"
#include "train/relative.h"
#include "train/rows.h"
#include "train/vocabulary.h"

/* Gradients of activations. Rows have the strides of the model. */
struct gradients {
    float *d_x;               // (T, H): by the output of a layer, then by its input
    float *d_rows;            // (Q, H): the same by the rows that a last layer for first tokens or a mask decoder reads
    float *d_sum, *d_dropped; // (T, H)
    float *d_context;         // (T, H)
    float *d_query;           // (T, H)
    float *d_key_value;       // (T, 2 H)
    float *d_up;              // (block of T, I)
    float *d_embedded;        // (T, E), or NULL
    float *unfolded;          // (block of T, K H), or NULL: rows of the convolution, then their gradient
    float *d_input;           // (T, H), or NULL: by what the convolution reads
    float *d_logits;          // (n, C), or NULL where the loss is over the vocabulary
    float *pooled, *d_pooled; // (n, D)
    struct attention_gradients *sequences; // (N)
    float *sums;                           /* of attention's positions, or NULL */
    float *scratch;                        /* of linear layers and of LayerNorm, one after the other */
    float *attention_scratch;              // (threads, attention_floats)
    size_t attention_floats;
};

/* Lays the arrays out for a batch of this plan; an arena without memory only measures. */
void gradients_lay_out(struct gradients *gradients, const struct deberta_model *model, const struct plan *plan,
                       size_t head_rows, bool has_logits, size_t threads, struct arena *arena);

struct backward {
    const struct pass *pass;
    struct deberta_model *parameters; /* where gradients of parameters are added: arrays only, NULL without one */
    struct rows *words;               /* gets the gradients of the word table, or NULL */
    struct relative *relative;
    const struct gradients *work;
    int32_t padding;                     /* id without a gradient, or -1 */
    const float *d_logits;               // (n, C) without padding; or NULL: of the loss over the vocabulary
    const struct vocabulary *vocabulary; /* that loss, */
    float scale;                         /* times this */
};

MUST_USE enum deberta_status backward_run(const struct backward *backward);

#endif
