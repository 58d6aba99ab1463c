/* SPDX-License-Identifier: Apache-2.0 */
/* The pipelines of DeBERTa v2 and v3 in one pass, for callers that want ids only. The list of stages (pipeline.h) gives
 * the same ids; this gives them several times as fast, for words of ASCII are looked up where they lie. */
#ifndef DEBERTA_TEXT_DIRECT_H
#define DEBERTA_TEXT_DIRECT_H

#include "deberta/tokenizer.h"
#include "text/direct_words.h"
#include "text/normalizer.h"
#include "text/unigram.h"

struct direct {
    const struct unigram *unigram; /* NULL: the pipeline is another one, and this is not in use */
    bool sentences;                /* as sentencepiece itself */
    bool lower_case, split_by_punct;
    struct normalizer normalizer;
    struct word_cutter cutter;
    struct bytes token; /* what the cutter looks for */
    bool has_plain;     /* plain is in use */
    bool plain[256];    /* bytes of which words are made that need no normalising and no cutting */
};

/* One thread's buffers. Starts as {0}. */
struct direct_scratch {
    struct bytes lower, normal;
    struct words words;
    struct unigram_scratch unigram;
};

/* Whether a pipeline is the one of transformers 4 for an spm.model. If so, `direct` is in use afterwards. */
MUST_USE enum deberta_status direct_init(struct direct *direct, const struct deberta_pipeline *pipeline,
                                         const struct unigram *unigram);
/* For sentencepiece's own way. */
MUST_USE enum deberta_status direct_init_spm(struct direct *direct, const struct spm *spm,
                                             const struct deberta_spm_options *options, const struct unigram *unigram);
void direct_release(struct direct *direct);
void direct_scratch_release(struct direct_scratch *scratch);

/* Appends the ids of a text between two tokens that were found in it. */
MUST_USE enum deberta_status direct_encode(const struct direct *direct, struct direct_scratch *scratch,
                                           const char *text, size_t size, struct ids *ids);

#endif
