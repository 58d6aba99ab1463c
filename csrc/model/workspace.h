/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of a chunk, laid out in one block. */
#ifndef DEBERTA_MODEL_WORKSPACE_H
#define DEBERTA_MODEL_WORKSPACE_H

#include "base/arena.h"
#include "model/model.h"
#include "model/plan.h"

/* Activations of one chunk: Tc tokens, Nc sequences. Rows are rounded up to the panel. */
struct workspace {
    float *x;                             // (Tc, H): input and output of the layers
    float *y;                             // (Tc, H): added to x
    float *query;                         // (Tc, H): in the place of y
    float *key_value;                     // (Tc, 2 H)
    float *context;                       // (Tc, H)
    float *up;                            // (block of Tc, I): in the place of both, unless there is a decoder
    float *scratch;                       /* for linear_apply_with */
    float *embedded;                      // (Tc, E) when E is not H
    float *input;                         // (Tc, H): the embeddings, when there is a convolution
    float *unfolded;                      // (block of Tc, K H) for it
    float *decoded;                       // (Tc, H) when there is a decoder
    float *first;                         // (Nc, H): the rows that a sequence head reads
    float *chosen;                        // (Tc, H): the rows that a token head reads
    float *pooled;                        // (block of them, head_size)
    float *logits;                        // (block of them, C)
    struct attention_sequence *sequences; // (Nc)
};

/* Lays the arrays out in the arena; an arena without memory only measures. */
struct workspace workspace_lay_out(const struct deberta_model *model, const struct plan *plan, struct arena *arena);

/* Rows of a block of the feed-forward network. */
size_t workspace_block_rows(size_t tokens);
/* Rows that go through the head at a time, out of `rows`. */
size_t workspace_head_rows(const struct deberta_model *model, size_t rows);

#endif
