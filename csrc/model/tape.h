/* SPDX-License-Identifier: Apache-2.0 */
/* What a training pass keeps for its backward pass, and the dropout of the pass. A pass with a tape has one chunk: the
 * whole batch. Rows have the strides of the model. */
#ifndef DEBERTA_MODEL_TAPE_H
#define DEBERTA_MODEL_TAPE_H

#include "base/arena.h"
#include "model/model.h"
#include "nn/dropout.h"

/* Q rows leave a layer: T, or N in a last layer that is computed for first tokens only. */
struct layer_tape {
    float *input;                            // (T, H)
    float *first;                            // (Q, H): what the queries are of, where that is not `input`; else NULL
    float *query;                            // (Q, H), divided by the divisor of the scores
    float *key_value;                        // (T, 2 H)
    float *context;                          // (Q, H)
    float *attention_sum;                    // (Q, H): what the first LayerNorm reads
    float *attended;                         // (Q, H): what it returns
    float *up;                               // (Q, I): before the activation
    float *final_sum;                        // (Q, H): what the last LayerNorm reads
    float *positions;                        // (R, H): rows of the position table after LayerNorm and dropout, or NULL
    float *position_keys, *position_queries; // (R, H): their projections, or NULL
};

/* What a head reads and computes for its n rows; NULL where it has no such layer. */
struct head_tape {
    float *sum;       // (n, H): what the LayerNorm before `dense` reads
    float *input;     // (n, H): what its first linear layer reads
    float *dense;     // (n, D): before the activation
    float *activated; // (n, D): what the LayerNorm after it reads
    float *out_input; // (n, D): what `out` reads, when there is a layer before it
};

struct tape {
    uint64_t seed;
    float hidden_dropout, attention_dropout, pooler_dropout, head_dropout; /* probabilities */
    bool only_first;                                                       /* the last layer is for first tokens only */
    bool inputs_only; /* layers for all tokens keep their input; they share the other arrays, for one layer at a time */
    size_t frozen;    /* the first layers, which need no backward pass: they and the embeddings keep nothing, and have
                         no dropout */
    float *embedded;  // (T, E) before the projection, or NULL
    float *embedding_sum;      // (T, H): what the LayerNorm of the embeddings reads
    float *conv_input;         // (T, H): what the convolution reads, or NULL
    float *conv_dense;         // (T, H): what its activation reads
    float *conv_sum;           // (T, H): what its LayerNorm reads
    struct layer_tape *layers; // (L + 1): with a mask decoder, the last two are its steps
    struct head_tape head;
    size_t head_rows; /* n */
};

enum dropout_place {
    DROPOUT_EMBEDDINGS,
    DROPOUT_POOLER,
    DROPOUT_HEAD,
    DROPOUT_CONVOLUTION,
    DROPOUT_POSITIONS,
    DROPOUT_PROBABILITIES,
    DROPOUT_ATTENTION,
    DROPOUT_FEED_FORWARD,
    DROPOUT_PLACES
};

/* The dropout of a place in a layer (0 outside the layers). */
struct dropout tape_dropout(const struct tape *tape, enum dropout_place place, size_t layer);

/* The tape of a step of the mask decoder (0 or 1), as that of a pass through the last layer. */
struct tape tape_of_step(const struct tape *tape, size_t step);

/* The tape of a layer, or NULL where it keeps nothing; `tape` may be NULL. Embeddings and convolution belong to layer
 * 0.
 */
static inline const struct tape *tape_of_layer(const struct tape *tape, size_t number)
{
    return tape && number >= tape->frozen ? tape : NULL;
}

/* The layers that a pass computes for all tokens, in the ordinary way: all, or all but the last. */
static inline size_t tape_whole_layers(const struct tape *tape, const struct deberta_config *config)
{
    return config->layers - (tape->only_first || config->enhanced_mask_decoder);
}

/* Lays the arrays out for a batch of `tokens` in `sequences`, of whose rows the head reads `head_rows`; an arena
 * without memory only measures. `layers` has room for L + 1. */
void tape_lay_out(struct tape *tape, const struct deberta_model *model, size_t tokens, size_t sequences,
                  size_t head_rows, struct arena *arena);

#endif
