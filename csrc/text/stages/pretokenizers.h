/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-tokenizers of a tokenizer.json: they cut a normalised text into the words that the model sees one by one. */
#ifndef DEBERTA_TEXT_PRETOKENIZERS_H
#define DEBERTA_TEXT_PRETOKENIZERS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"

/* A stretch of the text: a word to be, or a token that was found. */
struct piece {
    size_t start, end; /* bytes of the aligned text; never empty */
    int32_t token;     /* the id of an added token, which no stage touches, or -1 */
};

struct pieces {
    struct piece *data;
    size_t size, capacity;
};

MUST_USE enum deberta_status pieces_append(struct pieces *pieces, struct piece piece);

/* A text and its pieces, in ascending order, without overlap; they need not cover the text. */
struct cut {
    struct aligned text;
    struct pieces pieces;
};

void cut_clear(struct cut *cut);
void cut_release(struct cut *cut);

struct pretokenizer_stage; /* in pretokenizers.c */

struct pretokenizers {
    struct pretokenizer_stage *stages;
    size_t count;
};

/* Copies what it needs of the stages. An unknown type or pattern is DEBERTA_FORMAT and names it. ByteLevel cuts, and
 * leaves the bytes as they are: the model takes bytes for the characters that stand for them. */
MUST_USE enum deberta_status pretokenizers_init(struct pretokenizers *pretokenizers, const struct deberta_stage *stages,
                                                size_t count);
void pretokenizers_release(struct pretokenizers *pretokenizers);
bool pretokenizers_have_byte_level(const struct pretokenizers *pretokenizers);
/* Whether pieces depend on where their first character came from (a Metaspace that prepends to the first): then a text
 * must be tracked, for what was stripped or inserted before it counts. */
bool pretokenizers_need_spans(const struct pretokenizers *pretokenizers);

/* Replaces *cut; `spare` is room of the same kind (same `tracked`), whose content is lost. Empty pieces vanish. */
MUST_USE enum deberta_status pretokenizers_apply(const struct pretokenizers *pretokenizers, struct cut *cut,
                                                 struct cut *spare);

#endif
