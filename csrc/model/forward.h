/* SPDX-License-Identifier: Apache-2.0 */
/* A forward pass without a tape, and the checks of a batch that every pass makes. */
#ifndef DEBERTA_MODEL_FORWARD_H
#define DEBERTA_MODEL_FORWARD_H

#include "deberta/model.h"

/* Fails with DEBERTA_ARGUMENT when the model cannot compute these outputs of the batch. */
MUST_USE enum deberta_status forward_check(const struct deberta_model *model, const struct deberta_batch *batch,
                                           const struct deberta_outputs *outputs);

/* Runs a batch that is checked. `given`, the output of the first `layers_given` layers (T, H), replaces these. */
MUST_USE enum deberta_status forward_run(const struct deberta_model *model, struct deberta_context *context,
                                         const struct deberta_batch *batch, const struct deberta_outputs *outputs,
                                         const float *given, size_t layers_given);

#endif
