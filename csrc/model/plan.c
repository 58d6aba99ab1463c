/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/shapes.h"

#define CHUNK_TOKENS 128  /* limit of a chunk that one thread runs */
#define LEAST_TOKENS 32   /* smaller chunks read the weights too often */
#define SHARED_TOKENS 768 /* limit of a chunk that all threads share */
#define IMBALANCE                                                                                                      \
    1.05 /* limit of the busiest thread's load over the average; beyond it the threads share each chunk                \
          */

static size_t length_of(const struct deberta_batch *batch, size_t sequence)
{
    return (size_t)(batch->offsets[sequence + 1] - batch->offsets[sequence]);
}

/* Floating point operations of a layer over a sequence. */
static double cost_of(const struct deberta_config *c, size_t length)
{
    double h = (double)c->hidden_size, n = (double)length;
    return n * (8.0 * h * h + 4.0 * h * (double)c->intermediate_size) + 8.0 * n * n * h;
}

static void cut(struct plan *plan, const struct deberta_config *config, const struct deberta_batch *batch,
                size_t most_tokens)
{
    size_t rows = 0;
    plan->count = 0;
    plan->max_tokens = plan->max_sequences = 0;
    for (size_t i = 0; i < batch->count; i++) {
        size_t length = length_of(batch, i);
        struct chunk *chunk = &plan->chunks[plan->count - (plan->count > 0)];
        if (plan->count == 0 || chunk->tokens + length > most_tokens) {
            chunk = &plan->chunks[plan->count++];
            *chunk = (struct chunk){.sequence = i, .token = (size_t)batch->offsets[i], .logit_row = rows};
        }
        chunk->count++;
        chunk->tokens += length;
        chunk->cost += cost_of(config, length);
        rows += shapes_logit_rows(config, batch, i);
        plan->max_tokens = max_size(plan->max_tokens, chunk->tokens);
        plan->max_sequences = max_size(plan->max_sequences, chunk->count);
    }
}

static int dearer_first(const void *a, const void *b)
{
    double difference = ((const struct chunk *)b)->cost - ((const struct chunk *)a)->cost;
    return (difference > 0.0) - (difference < 0.0);
}

/* The load of the busiest thread over the average when each takes the next chunk as soon as it is free. */
static double imbalance(struct plan *plan, size_t threads)
{
    double total = 0.0, busiest = 0.0;
    memset(plan->loads, 0, threads * sizeof *plan->loads);
    for (size_t i = 0; i < plan->count; i++) {
        size_t idle = 0;
        for (size_t t = 1; t < threads; t++)
            if (plan->loads[t] < plan->loads[idle])
                idle = t;
        plan->loads[idle] += plan->chunks[i].cost;
        total += plan->chunks[i].cost;
        busiest = plan->loads[idle] > busiest ? plan->loads[idle] : busiest;
    }
    return busiest * (double)threads / total;
}

static void count_pairs(struct plan *plan, const struct deberta_batch *batch)
{
    plan->total_pairs = plan->max_length = 0;
    for (size_t i = 0; i < batch->count; i++) {
        plan->pairs[i] = plan->total_pairs;
        plan->total_pairs += length_of(batch, i) * length_of(batch, i);
        plan->max_length = max_size(plan->max_length, length_of(batch, i));
    }
}

static void cut_for(struct plan *plan, const struct deberta_config *config, const struct deberta_batch *batch,
                    size_t threads)
{
    size_t tokens = (size_t)batch->offsets[batch->count];
    size_t share = tokens / (2 * threads);
    cut(plan, config, batch, min_size(CHUNK_TOKENS, max_size(share, LEAST_TOKENS)));
    qsort(plan->chunks, plan->count, sizeof *plan->chunks, dearer_first);
    plan->one_chunk_per_thread = threads > 1 && imbalance(plan, threads) <= IMBALANCE;
    if (!plan->one_chunk_per_thread)
        cut(plan, config, batch, SHARED_TOKENS);
}

static enum deberta_status make_room(struct plan *plan, size_t sequences, size_t threads)
{
    size_t room = max_size(sequences, threads);
    if (room <= plan->room)
        return DEBERTA_OK;
    void *chunks, *pairs = NULL, *loads = NULL;
    enum deberta_status status = memory_alloc(room, sizeof(struct chunk), &chunks);
    if (status == DEBERTA_OK)
        status = memory_alloc(room, sizeof(size_t), &pairs);
    if (status == DEBERTA_OK)
        status = memory_alloc(room, sizeof(double), &loads);
    if (status != DEBERTA_OK) {
        memory_free(chunks);
        memory_free(pairs);
        return status;
    }
    memory_free(plan->chunks);
    memory_free(plan->pairs);
    memory_free(plan->loads);
    *plan = (struct plan){.chunks = chunks, .pairs = pairs, .loads = loads, .room = room};
    return DEBERTA_OK;
}

enum deberta_status plan_make(struct plan *plan, const struct deberta_config *config, const struct deberta_batch *batch,
                              size_t threads)
{
    TRY(make_room(plan, batch->count, threads));
    count_pairs(plan, batch);
    cut_for(plan, config, batch, threads);
    return DEBERTA_OK;
}

enum deberta_status plan_make_whole(struct plan *plan, const struct deberta_config *config,
                                    const struct deberta_batch *batch)
{
    TRY(make_room(plan, batch->count, 1));
    count_pairs(plan, batch);
    cut(plan, config, batch, SIZE_MAX);
    plan->one_chunk_per_thread = false;
    return DEBERTA_OK;
}

void plan_release(struct plan *plan)
{
    memory_free(plan->chunks);
    memory_free(plan->pairs);
    memory_free(plan->loads);
    *plan = (struct plan){0};
}
