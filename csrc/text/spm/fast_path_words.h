/* SPDX-License-Identifier: Apache-2.0 */
/* For text/spm/fast_path.c: cuts normalised text into the words that the model sees one by one, each beginning with
 * U+2581. */
#ifndef DEBERTA_TEXT_FAST_PATH_WORDS_H
#define DEBERTA_TEXT_FAST_PATH_WORDS_H

#include "base/array.h"

struct word {
    size_t end;    /* in the text of the words: a word starts where the one before it ends */
    int32_t token; /* the id of a token found in the normalised text, or -1 for a word */
};

struct words {
    struct bytes text;
    struct word *data;
    size_t size, capacity;
};

struct word_cutter {
    bool split_by_punct;
    /* A token that is looked for in normalised text. */
    const char *token; /* valid UTF-8, or NULL */
    size_t token_size;
    int32_t token_id;
};

/* Between two pieces of one segment. */
struct word_cutter_state {
    bool space; /* the text so far ended with a space that no word has taken yet */
};

/* Appends the words of a piece of a segment. A piece ends with a space, or is the last of its segment. */
MUST_USE enum deberta_status words_cut(const struct word_cutter *cutter, struct word_cutter_state *state,
                                       const char *text, size_t size, bool last, struct words *words);
void words_clear(struct words *words);
void words_release(struct words *words);

#endif
