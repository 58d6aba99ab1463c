/* SPDX-License-Identifier: Apache-2.0 */
/* Heads: from rows of the last layer to logits. */
#ifndef DEBERTA_MODEL_HEAD_H
#define DEBERTA_MODEL_HEAD_H

#include "model/pass.h"

/* Fills the chunk's share of outputs->logits from w->first, or from w->x where the head reads tokens. */
MUST_USE enum deberta_status head_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w);

#endif
