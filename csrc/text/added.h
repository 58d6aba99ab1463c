/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are found in a text before it is normalised, such as [MASK]. */
#ifndef DEBERTA_TEXT_ADDED_H
#define DEBERTA_TEXT_ADDED_H

#include "text/trie.h"

struct added {
    struct trie trie;
    bool starts[256]; /* bytes that a token begins with */
    int only_start;   /* the only such byte, or -1 */
};

struct added_match {
    size_t start, end;
    int32_t id; /* -1: none, and both ends are the size of the text */
};

/* Empty strings are not allowed. */
MUST_USE enum deberta_status added_init(struct added *added, struct trie_key *tokens, size_t count);
void added_release(struct added *added);

/* The leftmost token at or after `from`, the longest of those that start there. */
struct added_match added_find(const struct added *added, const char *text, size_t size, size_t from);

#endif
