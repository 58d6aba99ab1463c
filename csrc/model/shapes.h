/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of what a forward pass writes. */
#ifndef DEBERTA_MODEL_SHAPES_H
#define DEBERTA_MODEL_SHAPES_H

#include "model/config.h"

/* Rows of logits of a sequence: one, or its selected tokens. */
size_t shapes_logit_rows(const struct deberta_config *config, const struct deberta_batch *batch, size_t sequence);
/* Numbers that the head gives for a row. */
size_t shapes_logit_columns(const struct deberta_config *config);

#endif
