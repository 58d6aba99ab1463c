/* SPDX-License-Identifier: Apache-2.0 */
/* How a batch is cut into chunks of whole sequences, and which threads run them. */
#ifndef DEBERTA_MODEL_PLAN_H
#define DEBERTA_MODEL_PLAN_H

#include "deberta/model.h"

/* Consecutive sequences that go through the layers together. */
struct chunk {
    size_t sequence, count; /* the first one, and how many */
    size_t token, tokens;   /* the same in tokens of the batch */
    size_t logit_row;       /* its first row of logits */
    double cost;            /* floating point operations of a layer */
};

struct plan {
    struct chunk *chunks;             /* most expensive first */
    size_t *pairs;                    // (N): pairs of tokens in the sequences before this one
    double *loads;                    // (threads)
    size_t count;                     /* chunks */
    bool one_chunk_per_thread;        /* each thread takes chunks of its own; else all threads share each chunk */
    size_t max_tokens, max_sequences; /* of a chunk */
    size_t max_length;                /* of a sequence */
    size_t total_pairs;
    size_t room; /* sequences and threads that the arrays hold */
};

/* Cuts the batch for `threads` threads; allocates only when no earlier batch was as large. */
MUST_USE enum deberta_status plan_make(struct plan *plan, const struct deberta_config *config,
                                       const struct deberta_batch *batch, size_t threads);
void plan_release(struct plan *plan);

#endif
