/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of a chunk, laid out in one block. */
#ifndef DEBERTA_MODEL_WORKSPACE_H
#define DEBERTA_MODEL_WORKSPACE_H

#include "base/arena.h"
#include "model/model.h"
#include "model/plan.h"

/* Activations of one chunk: Tc tokens, Nc sequences. Rows are rounded up to the panel. */
struct workspace {
    float *x;                             // (Tc, H): what goes from layer to layer
    float *y;                             // (Tc, H): what is added to it
    float *query;                         // (Tc, H)
    float *key_value;                     // (Tc, 2 H)
    float *context;                       // (Tc, H)
    float *up;                            // (block of Tc, I)
    float *embedded;                      // (Tc, E) when E is not H
    float *input;                         // (Tc, H): the embeddings, when there is a convolution
    float *unfolded;                      // (block of Tc, K H) for it
    float *decoded;                       // (Tc, H) when there is a decoder
    float *first;                         // (Nc, H): the rows that a head of sequences reads
    float *chosen;                        // (Tc, H): those that a head of tokens reads
    float *pooled;                        // (block of them, head_size)
    float *logits;                        // (block of them, C)
    struct attention_sequence *sequences; // (Nc)
};

/* Takes the arrays' places in the arena; without a block it only measures. */
struct workspace workspace_lay_out(const struct deberta_model *model, const struct plan *plan, struct arena *arena);

/* Rows of a block of the feed-forward network. */
size_t workspace_block_rows(size_t tokens);
/* Rows that go through the head together, of `rows` in all. */
size_t workspace_head_rows(const struct deberta_model *model, size_t rows);

#endif
