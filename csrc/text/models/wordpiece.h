/* SPDX-License-Identifier: Apache-2.0 */
/* WordPiece: the longest piece that the rest of a word begins with, repeatedly; a word that does not split so is
 * unknown. Source: models/wordpiece/mod.rs of huggingface/tokenizers. */
#ifndef DEBERTA_TEXT_WORDPIECE_H
#define DEBERTA_TEXT_WORDPIECE_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/models/trie.h"

struct wordpiece {
    struct trie starts;     /* every token of the vocabulary */
    struct trie continuing; /* tokens with the prefix, without it */
    int32_t unknown;
    size_t longest_word; /* code points; a longer word is unknown */
};

MUST_USE enum deberta_status wordpiece_init(struct wordpiece *wordpiece, const struct deberta_vocabulary *vocabulary);
void wordpiece_release(struct wordpiece *wordpiece);

/* As subword_encode. */
MUST_USE enum deberta_status wordpiece_encode(const struct wordpiece *wordpiece, const char *word, size_t size,
                                              struct ids *ids, struct spans *ranges);

#endif
