/* SPDX-License-Identifier: Apache-2.0 */
/* The stages one after the other, as a tokenizer.json lists them: one text in, its tokens out, with all that is told of
 * them. */
#ifndef DEBERTA_TEXT_PIPELINE_H
#define DEBERTA_TEXT_PIPELINE_H

#include "text/models/subword.h"
#include "text/rows/tokens.h"
#include "text/stages/added_tokens.h"
#include "text/stages/normalizers.h"
#include "text/stages/pretokenizers.h"

struct pipeline {
    struct added_tokens raw, normalized; /* tokens that are looked for before and after normalising */
    bool marks_apart; /* every punctuation mark of the given text is normalised and encoded by itself */
    struct normalizers normalizers;
    struct pretokenizers pretokenizers;
    struct subword subword;
};

/* One thread's buffers. Starts as {0}. */
struct pipeline_scratch {
    struct aligned text, spare;
    struct cut cut, spare_cut;
    struct subword_scratch subword;
    struct spans ranges;
};

/* Copies what it needs. When `spm` is not NULL, the model is that of sentencepiece, and the vocabulary is not read. */
MUST_USE enum deberta_status pipeline_init(struct pipeline *pipeline, const struct deberta_pipeline *description,
                                           const struct spm *spm);
void pipeline_release(struct pipeline *pipeline);
void pipeline_scratch_release(struct pipeline_scratch *scratch);

/* Appends the tokens of a text; words are counted on from those that `tokens` holds. */
MUST_USE enum deberta_status pipeline_encode(const struct pipeline *pipeline, struct pipeline_scratch *scratch,
                                             struct deberta_text text, bool split_special, struct tokens *tokens);

#endif
