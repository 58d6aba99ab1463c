/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a tokenizer, one after the other: from a text to its tokens and what a caller asks about them. */
#ifndef DEBERTA_TEXT_STAGES_H
#define DEBERTA_TEXT_STAGES_H

#include "text/models/subword.h"
#include "text/rows/tokens.h"
#include "text/stages/added_tokens.h"
#include "text/stages/normalizers.h"
#include "text/stages/pretokenizers.h"

struct stages {
    struct added_tokens raw, normalized; /* tokens that are found before and after normalising */
    bool marks_apart;                    /* see struct deberta_tokenizer_spec */
    struct normalizers normalizers;
    struct pretokenizers pretokenizers;
    struct subword subword;
};

/* One thread's buffers. Starts as {0}. */
struct stages_scratch {
    struct aligned text, spare;
    struct cut cut, spare_cut;
    struct subword_scratch subword;
    struct spans ranges;
};

/* Copies its input. */
MUST_USE enum deberta_status stages_init(struct stages *stages, const struct deberta_tokenizer_spec *spec);
void stages_release(struct stages *stages);
void stages_scratch_release(struct stages_scratch *scratch);

/* Appends the tokens of a text; word numbers continue those in `tokens`. */
MUST_USE enum deberta_status stages_encode(const struct stages *stages, struct stages_scratch *scratch,
                                           struct deberta_text text, bool split_special, struct tokens *tokens);

#endif
