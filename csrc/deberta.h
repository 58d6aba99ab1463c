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

struct deberta_text {
    const char *bytes; /* UTF-8, valid, not NUL-terminated */
    size_t size;
};

/* Flags of a stage, named as tokenizer.json names them. */
enum deberta_stage_flag {
    DEBERTA_STRIP_LEFT = 1 << 0, /* Strip */
    DEBERTA_STRIP_RIGHT = 1 << 1,
    DEBERTA_CLEAN_TEXT = 1 << 2, /* BertNormalizer */
    DEBERTA_CHINESE_CHARS = 1 << 3,
    DEBERTA_STRIP_ACCENTS = 1 << 4,
    DEBERTA_LOWERCASE = 1 << 5,
    DEBERTA_REGEX = 1 << 6,          /* Replace, Split: the pattern is a regular expression, of those that are known */
    DEBERTA_INVERT = 1 << 7,         /* Split */
    DEBERTA_PREPEND_ALWAYS = 1 << 8, /* Metaspace: prepend_scheme; neither: never */
    DEBERTA_PREPEND_FIRST = 1 << 9,
    DEBERTA_SPLIT = 1 << 10,        /* Metaspace */
    DEBERTA_PREFIX_SPACE = 1 << 11, /* ByteLevel: add_prefix_space */
    DEBERTA_USE_REGEX = 1 << 12,    /* ByteLevel */
};

enum deberta_behavior { /* of Punctuation and Split */
                        DEBERTA_ISOLATED,
                        DEBERTA_REMOVED,
                        DEBERTA_MERGED_WITH_PREVIOUS,
                        DEBERTA_MERGED_WITH_NEXT,
                        DEBERTA_CONTIGUOUS,
};

/* A normalizer or a pre-tokenizer of a tokenizer.json. */
struct deberta_stage {
    const char *type; /* as the file names it: "Strip" */
    unsigned flags;   /* of enum deberta_stage_flag */
    enum deberta_behavior behavior;
    struct deberta_text pattern; /* Replace, Split: what is looked for; Precompiled: the charsmap, decoded */
    struct deberta_text content; /* Replace, Prepend: what comes instead; Metaspace: the replacement */
};

enum deberta_model_type { DEBERTA_UNIGRAM, DEBERTA_WORDPIECE, DEBERTA_BPE };

/* The model of a tokenizer.json. */
struct deberta_vocabulary {
    enum deberta_model_type type;
    const struct deberta_text *tokens; // (count) all different; their ids are below 2^24
    const int32_t *ids;                // (count)
    const double *scores;              // (count) Unigram
    size_t count;
    int32_t unknown;                       /* id of the unknown token, or -1 */
    bool byte_fallback;                    /* Unigram, BPE */
    bool fuse_unknown;                     /* BPE */
    bool ignore_merges;                    /* BPE */
    struct deberta_text continuing_prefix; /* WordPiece, BPE: of every piece but a word's first */
    struct deberta_text word_suffix;       /* BPE: end_of_word_suffix */
    size_t longest_word;                   /* WordPiece: max_input_chars_per_word */
    const struct deberta_text *merges;     // (2 * merge_count) BPE: pairs in the order of their ranks
    size_t merge_count;
};

/* A token that is found in a text before the model sees it. */
struct deberta_added_token {
    struct deberta_text text;
    int32_t id;
    bool single_word;    /* only between characters that are no word's */
    bool lstrip, rstrip; /* takes the white space on that side with it */
    bool normalized;     /* looked for after normalising, in its own normalised form */
    bool special;        /* not looked for when split_special_tokens */
};

enum { DEBERTA_SEQUENCE_A = -1, DEBERTA_SEQUENCE_B = -2 };

/* A part of a row: the id of a special token, or one of the texts. */
struct deberta_template_part {
    int32_t id; /* or DEBERTA_SEQUENCE_A, _B */
    uint8_t type;
};

struct deberta_pipeline {
    const struct deberta_stage *normalizers, *pretokenizers;
    size_t normalizer_count, pretokenizer_count;
    struct deberta_vocabulary vocabulary;
    const struct deberta_added_token *added;
    size_t added_count;
    const struct deberta_template_part *single, *pair;
    size_t single_count, pair_count;
};

enum deberta_truncation {
    DEBERTA_KEEP = 0,      /* nothing is cut */
    DEBERTA_LONGEST_FIRST, /* the longer text of a pair loses tokens first */
    DEBERTA_ONLY_FIRST,
    DEBERTA_ONLY_SECOND,
};

enum deberta_want { /* beyond ids and types */
                    DEBERTA_WANT_SPANS = 1,
                    DEBERTA_WANT_WORDS = 2,
                    DEBERTA_WANT_STRINGS = 4,
                    DEBERTA_WANT_SEQUENCES = 8,
};

struct deberta_encode_options {
    bool add_special_tokens; /* whether the template is applied */
    enum deberta_truncation truncation;
    size_t max_length; /* tokens of a row, special ones included; ignored with DEBERTA_KEEP */
    bool cut_left;     /* truncation_side */
    bool overflow;     /* what does not fit makes rows of its own after its row */
    size_t stride;     /* tokens that such a row shares with the one before it */
    bool split_special_tokens;
    unsigned wanted;          /* of enum deberta_want */
    bool (*stop)(void *data); /* asked by the calling thread now and then, NULL: never; true: DEBERTA_STOPPED */
    void *stop_data;
};

/* The texts of a call: row r is text r, or the words [first_words[r], first_words[r + 1]). */
struct deberta_rows {
    const struct deberta_text *firsts;
    const struct deberta_text *seconds;        /* NULL: no pairs */
    const int64_t *first_words, *second_words; // (count + 1) or NULL
    size_t count;
};

struct deberta_encodings {
    int32_t *ids;      // (T)
    uint8_t *types;    // (T) as the template says
    int64_t *offsets;  // (N + 1)
    size_t count;      /* N: more than the rows of the call when some overflow */
    size_t cut;        /* rows that lost tokens */
    int8_t *sequences; // (T) 0 for the first text, 1 for the second, -1 for what the template added; NULL: not wanted
    int32_t *spans;    // (T, 2) code points of the text; zeros for what the template added
    int32_t *words;    // (T) -1 for what the template added
    int32_t *samples;  // (N) the row of the call, when overflow is asked for
    char *strings;     /* what each token was in the text where that is not its own string, one after the other */
    int64_t *string_offsets; // (T + 1)
};

enum deberta_rule {              /* how an spm.model is to be understood */
                    DEBERTA_HF4, /* as transformers 4 converts it */
                    DEBERTA_HF5, /* as transformers 5 does: the charsmap is not used */
                    DEBERTA_SPM, /* as sentencepiece: unknown characters become <0xHH> pieces, where there are such */
};

struct deberta_spm_options {
    enum deberta_rule rule;
    bool lower_case;     /* do_lower_case */
    bool split_by_punct; /* every punctuation mark is a word of its own */
};

MUST_USE enum deberta_status deberta_tokenizer_new(const struct deberta_pipeline *pipeline,
                                                   struct deberta_tokenizer **out);
/* `spm` holds the bytes of an spm.model (a sentencepiece ModelProto); it is not needed afterwards. */
MUST_USE enum deberta_status deberta_tokenizer_read_spm(const void *spm, size_t size,
                                                        const struct deberta_spm_options *options,
                                                        struct deberta_tokenizer **out);
void deberta_tokenizer_free(struct deberta_tokenizer *tokenizer);
/* Number of ids, added ones included: one more than the greatest. */
size_t deberta_tokenizer_size(const struct deberta_tokenizer *tokenizer);
/* The string of an id below the size, of no bytes when no token has it; lives as long as the tokenizer. */
struct deberta_text deberta_tokenizer_piece(const struct deberta_tokenizer *tokenizer, size_t id);
/* Encodes the rows on all threads. */
MUST_USE enum deberta_status deberta_tokenizer_encode(const struct deberta_tokenizer *tokenizer,
                                                      const struct deberta_rows *rows,
                                                      const struct deberta_encode_options *options,
                                                      struct deberta_encodings *out);
void deberta_encodings_release(struct deberta_encodings *encodings);

/* ---- model ---- */

struct deberta_model;
struct deberta_context; /* the workspace of a call: one thread's at a time */

/* An array of the checkpoint under the name that DeBERTa v2 gives it; every family is brought to these names. */
struct deberta_tensor {
    const char *name;
    enum deberta_dtype dtype;
    int rank;
    size_t shape[4];
    const void *data;   /* row-major, aligned to its item; that of the word table must outlive the model */
    size_t block, step; /* not 0: rows lie in blocks of `block`, and block b begins `step` * b rows after the data */
    bool mapped;        /* the data is a file's, mapped for reading: its pages are given back once they are read */
};

/* What follows the encoder. Weights are head.dense, head.LayerNorm and head.out. */
enum deberta_head {
    DEBERTA_NO_HEAD,
    DEBERTA_POOLER,          /* dense of each sequence's first token */
    DEBERTA_SEQUENCE,        /* out of that */
    DEBERTA_TOKENS,          /* out of every token */
    DEBERTA_MASKED_LM,       /* dense, LayerNorm, out of every token */
    DEBERTA_REPLACED_TOKENS, /* LayerNorm of token and first token, dense, out of every token */
};

struct deberta_config {
    size_t vocab_size, embedding_size, hidden_size, layers, heads, intermediate_size;
    size_t max_positions;          /* rows of the absolute position table */
    size_t type_vocab_size;        /* 0: token types are ignored */
    size_t num_labels;             /* C: what the head's `out` gives for a row */
    size_t head_size;              /* what its `dense` gives */
    size_t position_buckets;       /* 0: none */
    size_t max_relative_positions; /* already resolved: never below 1 when relative_attention */
    bool relative_attention, c2p, p2c, share_att_key, norm_rel_ebd, position_biased_input;
    size_t attention_terms;  /* 1 + entries of pos_att_type that enlarge the score's divisor */
    bool key_bias;           /* of keys and of position keys */
    size_t conv_kernel_size; /* K: of the convolution over the embeddings that the first layer's output gets; 0: none */
    bool enhanced_mask_decoder; /* the last layer decodes: twice, from absolute positions, with its keys and values kept
                                 */
    enum deberta_head head;
    float layer_norm_eps;
    const char *hidden_act, *conv_act, *head_act; /* Hugging Face names; of what is absent: ignored */
};

/* Tells the name and shape of every tensor that a network needs; columns 0: a vector. */
MUST_USE enum deberta_status deberta_parameters(const struct deberta_config *config,
                                                void (*tell)(const char *name, size_t rows, size_t columns, void *data),
                                                void *data);

/* Checks every tensor against the configuration, packs the weights and projects the positions. The word table
 * is read where it lies. Tensors that the network does not know are ignored. */
MUST_USE enum deberta_status deberta_model_new(const struct deberta_config *config,
                                               const struct deberta_tensor *tensors, size_t count,
                                               struct deberta_model **out);
void deberta_model_free(struct deberta_model *model);
/* The data of the one tensor that the model goes on reading: the word table. */
const void *deberta_model_words(const struct deberta_model *model);
/* Bytes of memory that the model holds (the mapped word table not counted). */
size_t deberta_model_memory(const struct deberta_model *model);

/* A packed batch: no padding. */
struct deberta_batch {
    const int32_t *ids;     // (T)
    const uint8_t *types;   // (T) or NULL: zeros
    const uint8_t *mask;    // (T) or NULL: every token may be attended to
    const int64_t *offsets; // (N + 1), strictly increasing from 0
    const int32_t *first;   // (N) or NULL: absolute position of each sequence's first token
    const uint8_t *wanted;  // (T) or NULL: the tokens, K of them, that a head of tokens answers for; NULL: every one
    size_t count;           /* N */
};

/* What a forward pass writes; NULL members are not computed. */
struct deberta_outputs {
    float *logits;     // (N, C), of a head of tokens (K, C), of a pooler (N, head_size)
    float *last;       // (T, H): of the last layer
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
