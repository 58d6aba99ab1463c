/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of the outputs of a forward pass. */
#ifndef DEBERTA_MODEL_SHAPES_H
#define DEBERTA_MODEL_SHAPES_H

#include "model/config.h"

/* Rows of logits of a sequence: one, or its selected tokens. */
size_t shapes_logit_rows(const struct deberta_config *config, const struct deberta_batch *batch, size_t sequence);
/* Outputs of the head per row. */
size_t shapes_logit_columns(const struct deberta_config *config);

#endif
