/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-tokenizers of a tokenizer.json: they cut a normalised text into the words that the model encodes. */
#ifndef DEBERTA_TEXT_PRETOKENIZERS_H
#define DEBERTA_TEXT_PRETOKENIZERS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"

/* Part of a text: a word or an added token. */
struct piece {
    size_t start, end; /* bytes of the aligned text; never empty */
    int32_t token;     /* the id of an added token, which no stage changes, or -1 */
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

/* Copies the stages. An unknown type or pattern is DEBERTA_FORMAT; the message names it. ByteLevel only cuts; the model
 * maps bytes to its characters. */
MUST_USE enum deberta_status pretokenizers_init(struct pretokenizers *pretokenizers, const struct deberta_stage *stages,
                                                size_t count);
void pretokenizers_release(struct pretokenizers *pretokenizers);
bool pretokenizers_have_byte_level(const struct pretokenizers *pretokenizers);
/* Whether pieces depend on the place of their first character in the given text (Metaspace that prepends to the first):
 * the text must then be tracked. */
bool pretokenizers_need_spans(const struct pretokenizers *pretokenizers);

/* Replaces *cut; `spare` is a buffer of the same kind (same `tracked`), whose content is lost. Empty pieces are
 * dropped. */
MUST_USE enum deberta_status pretokenizers_apply(const struct pretokenizers *pretokenizers, struct cut *cut,
                                                 struct cut *spare);

#endif
