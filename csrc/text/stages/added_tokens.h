/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are found in a text before the model runs, such as [MASK].
 * Source: added_vocabulary.rs of huggingface/tokenizers. */
#ifndef DEBERTA_TEXT_ADDED_TOKENS_H
#define DEBERTA_TEXT_ADDED_TOKENS_H

#include "deberta/tokenizer.h"
#include "text/models/trie.h"

struct added_tokens {
    struct trie trie; /* from texts to indices in `tokens` */
    struct added_token {
        int32_t id;
        bool single_word, lstrip, rstrip, special;
    } *tokens;
    bool starts[256]; /* bytes that a token begins with */
    int only_start;   /* the only such byte, or -1 */
};

struct added_match {
    size_t start, end; /* with the white space that belongs to the token */
    int32_t id;        /* -1: none, and both ends are the size of the text */
};

/* The first of equal texts counts; empty ones are skipped. `normalized` of the tokens is ignored. */
MUST_USE enum deberta_status added_tokens_init(struct added_tokens *added, const struct deberta_added_token *tokens,
                                               size_t count);
void added_tokens_release(struct added_tokens *added);

/* The leftmost and then longest token at or after `from`, the end of the match before. */
struct added_match added_tokens_find(const struct added_tokens *added, const char *text, size_t size, size_t from,
                                     bool split_special);

#endif
