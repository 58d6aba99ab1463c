/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are found in a text before the model sees it, such as [MASK].
 * Source: added_vocabulary.rs of huggingface/tokenizers. */
#ifndef DEBERTA_TEXT_ADDED_TOKENS_H
#define DEBERTA_TEXT_ADDED_TOKENS_H

#include "deberta/tokenizer.h"
#include "text/models/trie.h"

struct added_tokens {
    struct trie trie; /* from the texts to their places in `tokens` */
    struct added_token {
        int32_t id;
        bool single_word, lstrip, rstrip, special;
    } *tokens;
    bool starts[256]; /* bytes that a token begins with */
    int only_start;   /* the only such byte, or -1 */
};

struct added_match {
    size_t start, end; /* with the white space that the token takes */
    int32_t id;        /* -1: none, and both ends are the size of the text */
};

/* Of equal texts the first counts; empty ones are passed over. `normalized` of the tokens is not looked at. */
MUST_USE enum deberta_status added_tokens_init(struct added_tokens *added, const struct deberta_added_token *tokens,
                                               size_t count);
void added_tokens_release(struct added_tokens *added);

/* The leftmost token at or after `from`, where the match before it ended; the longest of those that start there. */
struct added_match added_tokens_find(const struct added_tokens *added, const char *text, size_t size, size_t from,
                                     bool split_special);

#endif
