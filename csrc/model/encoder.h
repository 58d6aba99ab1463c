/* SPDX-License-Identifier: Apache-2.0 */
/* One chunk of a batch through the network. */
#ifndef DEBERTA_MODEL_ENCODER_H
#define DEBERTA_MODEL_ENCODER_H

#include "model/context.h"

struct pass {
    const struct deberta_model *model;
    const struct deberta_context *context;
    const struct deberta_batch *batch;
    const struct deberta_outputs *outputs;
};

/* Computes the chunk's share of the outputs, on all threads unless called by one of theirs. `watched`: this is the
 * thread that called, and asks before every layer whether to stop. */
MUST_USE enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w,
                                          bool watched);

#endif
