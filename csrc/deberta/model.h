/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: from rows of ids to logits. */
#ifndef DEBERTA_MODEL_H
#define DEBERTA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

struct deberta_model;
struct deberta_context; /* the workspace of a call, for one thread at a time */

/* An array of the checkpoint under its name in DeBERTa v2, also for other families. */
struct deberta_tensor {
    const char *name;
    enum deberta_dtype dtype;
    int rank;
    size_t shape[4];
    const void *data;   /* row-major, aligned to its item; that of the word table must outlive the model */
    size_t block, step; /* not 0: rows come in blocks of `block`, and block b begins `step` * b rows after the data */
    bool mapped;        /* the data is a mapped file, whose pages are dropped after reading */
    bool exact;         /* its linear layer computes in float32, whatever the precision of the network */
};

/* The type in which the linear layers of the encoder multiply. Everything else is float32, except attention, which
 * multiplies bfloat16 in both other types where the CPU can (AVX512_BF16). */
enum deberta_precision { DEBERTA_FLOAT32 = 0, DEBERTA_BFLOAT16, DEBERTA_INT8, DEBERTA_PRECISIONS };

/* Whether the kernels in use multiply numbers of this type. Without AVX512_BF16 a network in bfloat16 has its weights
 * in that type, and multiplies float32. */
bool deberta_multiplies(enum deberta_precision precision);
/* Who multiplies, "own" or "onednn", and with which instructions, such as "avx512_vnni". */
const char *deberta_multiplier(enum deberta_precision precision);
const char *deberta_instructions(enum deberta_precision precision);
/* Multiplies integers whose sums are known: *right is false on a machine whose products saturate. */
MUST_USE enum deberta_status deberta_known_products(enum deberta_precision precision, bool *right);

/* What follows the encoder. Weights are head.dense, head.LayerNorm and head.out. */
enum deberta_head {
    DEBERTA_NO_HEAD,
    DEBERTA_POOLER,          /* dense of each sequence's first token */
    DEBERTA_SEQUENCE,        /* out of the pooled row */
    DEBERTA_TOKENS,          /* out of every token */
    DEBERTA_MASKED_LM,       /* dense, LayerNorm, out of every token */
    DEBERTA_REPLACED_TOKENS, /* LayerNorm of token and first token, dense, out of every token */
};

struct deberta_config {
    size_t vocab_size, embedding_size, hidden_size, layers, heads, intermediate_size;
    size_t max_positions;          /* rows of the absolute position table */
    size_t type_vocab_size;        /* 0: token types are ignored */
    size_t num_labels;             /* C: outputs of the head's `out` per row */
    size_t head_size;              /* outputs of its `dense` */
    size_t position_buckets;       /* 0: none */
    size_t max_relative_positions; /* resolved: at least 1 when relative_attention */
    bool relative_attention, c2p, p2c, share_att_key, norm_rel_ebd, position_biased_input;
    size_t attention_terms;     /* 1 + the entries of pos_att_type that count in the score's divisor */
    bool key_bias;              /* for keys and position keys */
    size_t conv_kernel_size;    /* K: width of the convolution beside the first layer; 0: none */
    bool enhanced_mask_decoder; /* the last layer runs twice as a decoder, with absolute positions
                                 */
    enum deberta_head head;
    float layer_norm_eps;
    const char *hidden_act, *conv_act, *head_act; /* Hugging Face names; ignored when their part is absent */
    enum deberta_precision precision;             /* ignored in training */
};

/* Calls `visit` once per tensor that the configuration needs; columns is 0 for a vector. */
MUST_USE enum deberta_status
deberta_parameters(const struct deberta_config *config,
                   void (*visit)(const char *name, size_t rows, size_t columns, void *data), void *data);

/* Checks every tensor against the configuration, packs the weights and projects the positions. The word table stays
 * where it is and is read in place. Other tensors are ignored. */
MUST_USE enum deberta_status deberta_model_new(const struct deberta_config *config,
                                               const struct deberta_tensor *tensors, size_t count,
                                               struct deberta_model **out);
void deberta_model_free(struct deberta_model *model);
/* The data of the word table, the only tensor that the model reads after it is made. */
const void *deberta_model_words(const struct deberta_model *model);
/* Bytes of memory that the model holds, without the mapped word table. */
size_t deberta_model_memory(const struct deberta_model *model);

/* A packed batch: no padding. */
struct deberta_batch {
    const int32_t *ids;       // (T)
    const uint8_t *types;     // (T) or NULL: zeros
    const uint8_t *mask;      // (T) 0 for masked tokens; NULL: none
    const uint8_t *pair_mask; // (sum of S * S) or NULL: for each sequence the keys (S, S) that each query may attend to
    const int64_t *offsets;   // (N + 1), strictly increasing from 0
    const int32_t *first;     // (N) or NULL: absolute position of each sequence's first token
    const uint8_t *selected;  // (T) 1 for the K tokens to compute logits for, with a token head; NULL: all
    size_t count;             /* N */
};

/* Outputs of a forward pass; NULL members are not computed. */
struct deberta_outputs {
    float *logits;     // (N, C); token heads: (K, C); pooler: (N, head_size)
    float *last;       // (T, H): of the last layer
    float *hidden;     // (L + 1, T, H)
    float *attentions; // (L, sum over sequences of A * S * S), sequence after sequence
};

/* Sizes of the outputs: logits (logit_rows, logit_columns), attentions (probabilities). SIZE_MAX on overflow. */
struct deberta_shapes {
    size_t logit_rows, logit_columns, tokens, probabilities;
};
struct deberta_shapes deberta_output_shapes(const struct deberta_config *config, const struct deberta_batch *batch);

MUST_USE enum deberta_status deberta_context_new(const struct deberta_model *model, struct deberta_context **out);
void deberta_context_free(struct deberta_context *context);
size_t deberta_context_memory(const struct deberta_context *context); /* bytes of its workspace */
/* Calls `stop(data)` at short intervals, within a layer too, on the thread that called forward; true cancels the pass
 * with DEBERTA_STOPPED. NULL disables. */
void deberta_context_set_cancel(struct deberta_context *context, bool (*stop)(void *data), void *data);
/* Runs the network on a batch. The context must belong to this model. */
MUST_USE enum deberta_status deberta_model_forward(const struct deberta_model *model, struct deberta_context *context,
                                                   const struct deberta_batch *batch,
                                                   const struct deberta_outputs *outputs);

#endif
