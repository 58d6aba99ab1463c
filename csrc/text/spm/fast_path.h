/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of DeBERTa v2 and v3 in one pass, for callers that want ids only. The list of stages (stages.h) gives
 * the same ids; this gives them several times as fast, for words of ASCII are looked up in place. */
#ifndef DEBERTA_TEXT_FAST_PATH_H
#define DEBERTA_TEXT_FAST_PATH_H

#include "deberta/tokenizer.h"
#include "text/models/unigram.h"
#include "text/spm/fast_path_words.h"
#include "text/spm/spm_normalizer.h"

struct fast_path {
    const struct unigram *unigram; /* NULL: the tokenizer has other stages, and this is not in use */
    bool as_sentencepiece;         /* as sentencepiece itself */
    bool lower_case, split_by_punct;
    struct spm_normalizer normalizer;
    struct word_cutter cutter;
    struct bytes token; /* what the cutter looks for */
    bool finds_special; /* that is a special token */
    bool has_plain;     /* plain is in use */
    bool plain[256];    /* bytes of which words are made that need no normalising and no cutting */
};

/* One thread's buffers. Starts as {0}. */
struct fast_path_scratch {
    struct bytes lower, normal;
    struct words words;
    struct unigram_scratch unigram;
};

/* Sets `path` up if the stages are those of transformers 4, or of sentencepiece, for an spm.model; otherwise it is not
 * in use. */
MUST_USE enum deberta_status fast_path_init(struct fast_path *path, const struct deberta_tokenizer_spec *spec,
                                            const struct unigram *unigram);
void fast_path_release(struct fast_path *path);
void fast_path_scratch_release(struct fast_path_scratch *scratch);

/* Appends the ids of a text between two tokens that were found in it. */
MUST_USE enum deberta_status fast_path_encode(const struct fast_path *path, struct fast_path_scratch *scratch,
                                              const char *text, size_t size, struct ids *ids);

#endif
