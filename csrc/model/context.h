/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a call: its plan, a workspace for each worker, the scratch of attention. */
#ifndef DEBERTA_MODEL_CONTEXT_H
#define DEBERTA_MODEL_CONTEXT_H

#include "base/watch.h"
#include "model/workspace.h"

struct deberta_context {
    const struct deberta_model *model;
    struct watch watch; /* of a pass; without `stop` it cannot be cancelled */
    struct plan plan;
    size_t rows_read; /* rows of the word table read since its pages were dropped */
    void *block;      /* workspaces, then attention scratch */
    size_t block_bytes;
    size_t workspace_bytes, scratch_floats; /* of one worker */
    float *scratch;                         // (threads, scratch_floats)
};

/* Cuts the batch and makes room for it; allocates only when no earlier batch was as large. */
MUST_USE enum deberta_status context_prepare(struct deberta_context *context, const struct deberta_batch *batch);

/* The same for a pass with a tape: one chunk. */
MUST_USE enum deberta_status context_prepare_whole(struct deberta_context *context, const struct deberta_batch *batch);

/* Frees the memory of passes until the next one. */
void context_trim(struct deberta_context *context);

/* The activations of a worker. */
struct workspace context_workspace(const struct deberta_context *context, int worker);

#endif
