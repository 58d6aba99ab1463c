/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer: its stages, the strings of its ids, and the template of its rows. */
#ifndef DEBERTA_TEXT_TOKENIZER_H
#define DEBERTA_TEXT_TOKENIZER_H

#include "deberta/tokenizer.h"
#include "text/rows/template.h"
#include "text/spm/fast_path.h"
#include "text/stages.h"

struct deberta_tokenizer {
    struct stages stages;
    struct fast_path fast_path; /* the same in one pass, for ids only, if it is in use */
    struct template template;
    size_t count;        /* ids */
    char *pieces;        /* the concatenated strings of the ids */
    size_t *piece_start; // (count + 1)
};

/* One thread's buffers. Starts as {0}. */
struct tokenizer_scratch {
    struct fast_path_scratch fast_path;
    struct stages_scratch stages;
};

void tokenizer_scratch_release(struct tokenizer_scratch *scratch);

/* Appends the tokens of a text, without special tokens around it; word numbers continue those in `tokens`. */
MUST_USE enum deberta_status tokenizer_encode_text(const struct deberta_tokenizer *tokenizer,
                                                   struct tokenizer_scratch *scratch, struct deberta_text text,
                                                   bool split_special_tokens, struct tokens *tokens);

#endif
