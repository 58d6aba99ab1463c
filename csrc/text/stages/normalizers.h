/* SPDX-License-Identifier: Apache-2.0 */
/* The normalizers of a tokenizer.json, one after the other, over an aligned text. */
#ifndef DEBERTA_TEXT_NORMALIZERS_H
#define DEBERTA_TEXT_NORMALIZERS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"

struct normalizer_stage; /* in normalizers.c */

struct normalizers {
    struct normalizer_stage *stages;
    size_t count;
};

/* Copies the stages. An unknown type or pattern is DEBERTA_FORMAT; the message names it. With `spm`, the type "Spm"
 * (not a type of tokenizer.json) is sentencepiece's own normalizer of that file. */
MUST_USE enum deberta_status normalizers_init(struct normalizers *normalizers, const struct deberta_stage *stages,
                                              size_t count, const struct deberta_spm *spm);
void normalizers_release(struct normalizers *normalizers);

/* Replaces *text; `spare` is a buffer of the same kind, whose content is lost. */
MUST_USE enum deberta_status normalizers_apply(const struct normalizers *normalizers, struct aligned *text,
                                               struct aligned *spare);

#endif
