/* SPDX-License-Identifier: Apache-2.0 */
/* The only door to the core: everything that a binding may call.
 *
 *     struct deberta_model *model;
 *     if (deberta_model_new(&config, tensors, n_tensors, &model) != DEBERTA_OK)
 *         puts(deberta_message());
 *
 * Models and tokenizers are immutable and may be used from many threads at once.
 * Functions return a status; the message of a failure belongs to the calling thread.
 * Dimension letters: T tokens, N sequences, S tokens of one sequence, H hidden, A heads, D head size,
 * I intermediate, V vocabulary, E embedding size, L layers, C labels. */
#ifndef DEBERTA_H
#define DEBERTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

const char *deberta_message(void);

/* ---- machine ---- */

/* Chooses the instruction set once: DEBERTA_C_ISA (scalar, avx2, avx512) or the best that the CPU has.
 * Naming a level that the CPU lacks is an error. Must succeed before anything else is called. */
MUST_USE enum deberta_status deberta_start(void);
const char *deberta_isa(void);       /* "scalar", "avx2" or "avx512" */
const char *deberta_linear(void);    /* who multiplies in linear layers: "own" or "onednn" */
const char *deberta_onednn(void);    /* version of oneDNN in use, such as "3.2.0" */
int deberta_threads(void);           /* threads that a call uses */
void deberta_set_threads(int count); /* for the whole process; 0 restores the default */

/* ---- tokenizer ---- */

struct deberta_tokenizer;

struct deberta_tokenizer_options {
    bool lower_case;     /* do_lower_case */
    bool split_by_punct; /* every punctuation mark is a word of its own */
    bool byte_fallback;  /* unknown characters become <0xHH> pieces, as in sentencepiece, not [UNK] */
};

struct deberta_text {
    const char *bytes; /* UTF-8, valid, not NUL-terminated */
    size_t size;
};

enum deberta_truncation {
    DEBERTA_KEEP = 0,      /* nothing is cut */
    DEBERTA_LONGEST_FIRST, /* the longer text of a pair loses tokens first */
    DEBERTA_ONLY_FIRST,
    DEBERTA_ONLY_SECOND,
};

struct deberta_encode_options {
    bool add_special_tokens; /* [CLS] A [SEP] or [CLS] A [SEP] B [SEP] */
    enum deberta_truncation truncation;
    size_t max_length; /* tokens of a row, special ones included; ignored with DEBERTA_KEEP */
};

struct deberta_encodings {
    int32_t *ids;     /* (T) */
    uint8_t *types;   /* (T) 0 for the first text and its special tokens, 1 for the second */
    int64_t *offsets; /* (N + 1) */
    size_t count;     /* N */
    size_t cut;       /* rows that lost tokens */
};

/* `spm` holds the bytes of an spm.model (a sentencepiece ModelProto); it is not needed afterwards. */
MUST_USE enum deberta_status deberta_tokenizer_new(const void *spm, size_t size,
                                                   const struct deberta_tokenizer_options *options,
                                                   struct deberta_tokenizer **out);
void deberta_tokenizer_free(struct deberta_tokenizer *tokenizer);
/* Number of ids, [MASK] included. */
size_t deberta_tokenizer_size(const struct deberta_tokenizer *tokenizer);
/* The string of an id below the size; lives as long as the tokenizer. */
struct deberta_text deberta_tokenizer_piece(const struct deberta_tokenizer *tokenizer, size_t id);
/* Encodes `count` texts, or pairs when `seconds` is not NULL, on all threads. */
MUST_USE enum deberta_status deberta_tokenizer_encode(const struct deberta_tokenizer *tokenizer,
                                                      const struct deberta_text *firsts,  // (count)
                                                      const struct deberta_text *seconds, // (count) or NULL
                                                      size_t count, const struct deberta_encode_options *options,
                                                      struct deberta_encodings *out);
void deberta_encodings_release(struct deberta_encodings *encodings);

/* ---- model ---- */

struct deberta_model;
struct deberta_context; /* the workspace of a call: one thread's at a time */

struct deberta_tensor {
    const char *name; /* as in the checkpoint, with the `deberta.` prefix */
    enum deberta_dtype dtype;
    int rank;
    size_t shape[4];
    const void *data; /* row-major, aligned to its item; must outlive the model */
};

struct deberta_config {
    size_t vocab_size, embedding_size, hidden_size, layers, heads, intermediate_size;
    size_t max_positions;   /* rows of the absolute position table */
    size_t type_vocab_size; /* 0: token types are ignored */
    size_t num_labels;
    size_t position_buckets;       /* 0: none */
    size_t max_relative_positions; /* already resolved: never below 1 when relative_attention */
    bool relative_attention, c2p, p2c, share_att_key, norm_rel_ebd, position_biased_input;
    size_t attention_terms; /* 1 + entries of pos_att_type that enlarge the score's divisor */
    float layer_norm_eps;
    const char *hidden_act, *pooler_hidden_act; /* Hugging Face names */
};

/* Checks every tensor against the configuration, packs the weights and projects the positions. The word table
 * is read where it lies. Tensors that the network does not know are ignored. Without `classifier.*` or `pooler.dense.*`
 * the model is made all the same, and deberta_model_has_head is false. */
MUST_USE enum deberta_status deberta_model_new(const struct deberta_config *config,
                                               const struct deberta_tensor *tensors, size_t count,
                                               struct deberta_model **out);
void deberta_model_free(struct deberta_model *model);
bool deberta_model_has_head(const struct deberta_model *model);
/* Bytes of memory that the model holds (the mapped word table not counted). */
size_t deberta_model_memory(const struct deberta_model *model);

/* A packed batch: no padding. */
struct deberta_batch {
    const int32_t *ids;     // (T)
    const uint8_t *types;   // (T) or NULL: zeros
    const uint8_t *mask;    // (T) or NULL: every token may be attended to
    const int64_t *offsets; // (N + 1), strictly increasing from 0
    const int32_t *first;   // (N) or NULL: absolute position of each sequence's first token
    size_t count;           /* N */
};

/* What a forward pass writes; NULL members are not computed. */
struct deberta_outputs {
    float *logits;     // (N, C)
    float *hidden;     // (L + 1, T, H)
    float *attentions; // (L, sum over sequences of A * S * S), sequence after sequence
};

MUST_USE enum deberta_status deberta_context_new(const struct deberta_model *model, struct deberta_context **out);
void deberta_context_free(struct deberta_context *context);
size_t deberta_context_memory(const struct deberta_context *context); /* bytes of its workspace */
/* From now on the thread that calls forward asks `stop(data)` before every layer that it works on; true ends the pass
 * with DEBERTA_STOPPED. NULL asks nobody. */
void deberta_context_watch(struct deberta_context *context, bool (*stop)(void *data), void *data);
/* Runs the network over a batch. The context must have been made for this model. */
MUST_USE enum deberta_status deberta_model_forward(const struct deberta_model *model, struct deberta_context *context,
                                                   const struct deberta_batch *batch,
                                                   const struct deberta_outputs *outputs);

#endif
