/* SPDX-License-Identifier: Apache-2.0 */
/* The normalizers of a tokenizer.json, one after the other, over an aligned text. */
#ifndef DEBERTA_TEXT_NORMALIZERS_H
#define DEBERTA_TEXT_NORMALIZERS_H

#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/spm/spm.h"

struct normalizer_stage; /* in normalizers.c */

struct normalizers {
    struct normalizer_stage *stages;
    size_t count;
};

/* Copies what it needs of the stages. An unknown type or pattern is DEBERTA_FORMAT and names it. Where `spm` is not
 * NULL, the type "Spm" stands for sentencepiece's own way with that file; no tokenizer.json has it. */
MUST_USE enum deberta_status normalizers_init(struct normalizers *normalizers, const struct deberta_stage *stages,
                                              size_t count, const struct spm *spm);
void normalizers_release(struct normalizers *normalizers);

/* Replaces *text; `spare` is room of the same kind, whose content is lost. */
MUST_USE enum deberta_status normalizers_apply(const struct normalizers *normalizers, struct aligned *text,
                                               struct aligned *spare);

#endif
