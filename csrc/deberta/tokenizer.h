/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: from texts to rows of ids. */
#ifndef DEBERTA_TOKENIZER_H
#define DEBERTA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

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
    DEBERTA_REGEX = 1 << 6,          /* Replace, Split: the pattern is one of the supported regular expressions */
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
    const char *type; /* as the file names it: "Strip"; "Spm": the normalizer of sentencepiece */
    unsigned flags;   /* of enum deberta_stage_flag */
    enum deberta_behavior behavior;
    struct deberta_text pattern; /* Replace, Split: the text to find; Precompiled: the decoded charsmap */
    struct deberta_text content; /* Replace, Metaspace: the replacement; Prepend: the text to prepend */
};

enum deberta_piece_type {
    DEBERTA_PIECE_NORMAL = 1,
    DEBERTA_PIECE_UNKNOWN,
    DEBERTA_PIECE_CONTROL,
    DEBERTA_PIECE_USER_DEFINED,
    DEBERTA_PIECE_UNUSED,
    DEBERTA_PIECE_BYTE,
};

/* An spm.model. Texts point into the file. Tokens, ids and scores can be those of a Unigram vocabulary. */
struct deberta_spm {
    struct deberta_text *tokens;    // (count) valid UTF-8, never empty
    int32_t *ids;                   // (count) 0, 1, 2, ...
    double *scores;                 // (count) finite floats
    enum deberta_piece_type *types; // (count)
    size_t count;
    int32_t unknown;              /* the id of the only piece of that type */
    int32_t bytes[256];           /* ids of the byte pieces; meaningful when byte_fallback */
    bool byte_fallback;           /* all 256 are there */
    struct deberta_text charsmap; /* precompiled replacements of the normalizer; of no bytes: none */
    bool add_dummy_prefix;        /* a text starts with a space */
    bool remove_extra_whitespaces;
    bool escape_whitespaces;         /* spaces become U+2581 */
    bool treat_whitespace_as_suffix; /* the dummy prefix goes to the end */
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
    struct deberta_text continuing_prefix; /* WordPiece, BPE: of every piece except a word's first */
    struct deberta_text word_suffix;       /* BPE: end_of_word_suffix */
    size_t longest_word;                   /* WordPiece: max_input_chars_per_word */
    const struct deberta_text *merges;     // (2 * merge_count) BPE: pairs in the order of their ranks
    size_t merge_count;
    const struct deberta_spm *sentencepiece; /* Unigram: the file of the tokens, to encode as sentencepiece does, or
                                                NULL: as tokenizers does */
};

/* A token that is found in a text before the model runs. */
struct deberta_added_token {
    struct deberta_text text;
    int32_t id;
    bool single_word;    /* only where it is not part of a word */
    bool lstrip, rstrip; /* includes the white space on that side */
    bool normalized;     /* found in the normalised text, in its normalised form */
    bool special;        /* not found when split_special_tokens */
};

enum { DEBERTA_SEQUENCE_A = -1, DEBERTA_SEQUENCE_B = -2 };

/* A part of a row: the id of a special token, or one of the texts. */
struct deberta_template_part {
    int32_t id; /* or DEBERTA_SEQUENCE_A, _B */
    uint8_t type;
};

struct deberta_tokenizer_spec {
    const struct deberta_stage *normalizers, *pretokenizers;
    size_t normalizer_count, pretokenizer_count;
    struct deberta_vocabulary vocabulary;
    const struct deberta_added_token *added;
    size_t added_count;
    const struct deberta_template_part *single, *pair;
    size_t single_count, pair_count;
    bool marks_apart; /* every punctuation mark of a text is normalised and encoded by itself */
};

enum deberta_truncation {
    DEBERTA_KEEP = 0,      /* no truncation */
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
    bool overflow;     /* tokens that do not fit become further rows, after their row */
    size_t stride;     /* tokens that such a row shares with the row before */
    bool split_special_tokens;
    unsigned wanted;          /* of enum deberta_want */
    bool (*stop)(void *data); /* or NULL; called at intervals on the calling thread; true cancels */
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
    uint8_t *types;    // (T) from the template
    int64_t *offsets;  // (N + 1)
    size_t count;      /* N: more than the rows of the call if some overflow */
    size_t cut;        /* rows that lost tokens */
    int8_t *sequences; // (T) 0 for the first text, 1 for the second, -1 for tokens of the template; NULL: not wanted
    int32_t *spans;    // (T, 2) code points of the text; zeros for tokens of the template
    int32_t *words;    // (T) -1 for tokens of the template
    int32_t *samples;  // (N) the row of the call, with overflow
    char *strings;     /* concatenated texts of tokens, where they differ from the token's string */
    int64_t *string_offsets; // (T + 1)
};

/* Reads an spm.model: a sentencepiece ModelProto in protobuf's wire format. The file is not trusted; two equal pieces
 * and a damaged charsmap are found by deberta_tokenizer_new. */
MUST_USE enum deberta_status deberta_spm_read(struct deberta_spm *spm, const void *file, size_t size);
void deberta_spm_release(struct deberta_spm *spm);
/* Copies its input. */
MUST_USE enum deberta_status deberta_tokenizer_new(const struct deberta_tokenizer_spec *spec,
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

#endif
