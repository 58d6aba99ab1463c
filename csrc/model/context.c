/* SPDX-License-Identifier: Apache-2.0 */
#include "model/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

#define CHUNK_TOKENS 128              /* a chunk of its own thread is closed before it has more */
#define LEAST_TOKENS 32               /* smaller chunks read the weights too often */
#define SHARED_TOKENS 768             /* a chunk shared among the threads is closed before it has more */
#define BLOCK_ROWS 192                /* of the feed-forward network: its inner activations stay in the cache */
#define HEAD_FLOATS ((size_t)1 << 22) /* logits of a vocabulary that are computed together */
#define IMBALANCE 1.05 /* the busiest thread over the average beyond which the threads share each chunk */

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

/* Rows of logits that a head gives for a sequence. */
static size_t answers_of(const struct deberta_model *model, const struct deberta_batch *batch, size_t sequence)
{
    if (!model_answers_for_tokens(model))
        return 1;
    if (!batch->wanted)
        return length_of(batch, sequence);
    size_t wanted = 0;
    for (int64_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
        wanted += batch->wanted[t] != 0;
    return wanted;
}

static void cut(struct plan *plan, const struct deberta_model *model, const struct deberta_batch *batch,
                size_t most_tokens)
{
    size_t answers = 0;
    plan->count = 0;
    plan->max_tokens = plan->max_sequences = 0;
    for (size_t i = 0; i < batch->count; i++) {
        size_t length = length_of(batch, i);
        struct chunk *chunk = &plan->chunks[plan->count - (plan->count > 0)];
        if (plan->count == 0 || chunk->tokens + length > most_tokens) {
            chunk = &plan->chunks[plan->count++];
            *chunk = (struct chunk){.sequence = i, .token = (size_t)batch->offsets[i], .answer = answers};
        }
        chunk->count++;
        chunk->tokens += length;
        chunk->cost += cost_of(&model->config, length);
        answers += answers_of(model, batch, i);
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

static void make_plan(struct plan *plan, const struct deberta_model *model, const struct deberta_batch *batch,
                      size_t threads)
{
    size_t tokens = (size_t)batch->offsets[batch->count];
    plan->total_pairs = plan->max_length = 0;
    for (size_t i = 0; i < batch->count; i++) {
        plan->pairs[i] = plan->total_pairs;
        plan->total_pairs += length_of(batch, i) * length_of(batch, i);
        plan->max_length = max_size(plan->max_length, length_of(batch, i));
    }
    size_t share = tokens / (2 * threads);
    cut(plan, model, batch, min_size(CHUNK_TOKENS, max_size(share, LEAST_TOKENS)));
    qsort(plan->chunks, plan->count, sizeof *plan->chunks, dearer_first);
    plan->apart = threads > 1 && imbalance(plan, threads) <= IMBALANCE;
    if (!plan->apart)
        cut(plan, model, batch, SHARED_TOKENS);
}

/* ---- memory ---- */

size_t context_block_rows(size_t tokens)
{
    size_t blocks = (tokens + BLOCK_ROWS - 1) / BLOCK_ROWS;
    return min_size(round_up((tokens + blocks - 1) / blocks, kernels->row_group), BLOCK_ROWS);
}

size_t context_head_rows(const struct deberta_model *model, size_t rows)
{
    size_t most = HEAD_FLOATS / max_size(model->head_out.out_stride, 1);
    return min_size(rows, max_size(most, kernels->row_group));
}

static struct workspace lay_out(const struct deberta_model *m, const struct plan *plan, struct arena *arena)
{
    size_t h = m->hidden_stride, tokens = plan->max_tokens, sequences = plan->max_sequences;
    bool projected = m->config.embedding_size != m->config.hidden_size;
    size_t per_sequence = round_up(sizeof(struct attention_sequence), sizeof(float)) / sizeof(float);
    struct workspace w = {.x = arena_floats(arena, tokens * h)};
    w.y = arena_floats(arena, tokens * h);
    w.query = arena_floats(arena, tokens * h);
    w.key_value = arena_floats(arena, tokens * 2 * h);
    w.context = arena_floats(arena, tokens * h);
    w.up = arena_floats(arena, min_size(BLOCK_ROWS, tokens) * m->layers[0].up.out_stride);
    w.embedded = projected ? arena_floats(arena, tokens * m->embedding_stride) : NULL;
    bool convolved = m->config.conv_kernel_size > 0, of_tokens = model_answers_for_tokens(m);
    size_t head_rows = context_head_rows(m, of_tokens ? tokens : sequences);
    w.input = convolved ? arena_floats(arena, tokens * h) : NULL;
    w.unfolded = convolved ? arena_floats(arena, min_size(BLOCK_ROWS, tokens) * m->conv.in_stride) : NULL;
    w.decoded = m->config.enhanced_mask_decoder ? arena_floats(arena, tokens * h) : NULL;
    w.first = arena_floats(arena, sequences * h);
    w.chosen = of_tokens ? arena_floats(arena, tokens * h) : NULL;
    w.pooled = arena_floats(arena, head_rows * m->head_stride);
    w.logits = arena_floats(arena, head_rows * m->head_out.out_stride);
    w.sequences = (struct attention_sequence *)(void *)arena_floats(arena, sequences * per_sequence);
    return w;
}

static enum deberta_status make_room_for_plan(struct deberta_context *context, size_t sequences, size_t threads)
{
    size_t room = max_size(sequences, threads);
    if (room <= context->room)
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
    memory_free(context->plan.chunks);
    memory_free(context->plan.pairs);
    memory_free(context->plan.loads);
    context->plan = (struct plan){.chunks = chunks, .pairs = pairs, .loads = loads};
    context->room = room;
    return DEBERTA_OK;
}

static enum deberta_status make_room_for_work(struct deberta_context *context, size_t threads)
{
    const struct plan *plan = &context->plan;
    struct arena arena = {0};
    lay_out(context->model, plan, &arena);
    size_t scratch = attention_scratch(&context->model->layers[0].attention, plan->max_length);
    size_t floats_of_all, workspaces = plan->apart ? min_size(threads, plan->count) : 1;
    size_t bytes_of_work = workspaces * arena.used;
    if (__builtin_mul_overflow(threads * sizeof(float), scratch, &floats_of_all))
        return fail(DEBERTA_MEMORY, "a sequence of %zu tokens needs more memory than there is", plan->max_length);
    if (bytes_of_work + floats_of_all > context->block_bytes) {
        void *block;
        TRY(memory_calloc(bytes_of_work + floats_of_all, 1, &block));
        memory_free(context->block);
        context->block = block;
        context->block_bytes = bytes_of_work + floats_of_all;
    }
    context->workspace_bytes = arena.used;
    context->scratch_floats = scratch;
    context->scratch = (float *)(void *)((char *)context->block + bytes_of_work);
    return DEBERTA_OK;
}

enum deberta_status context_prepare(struct deberta_context *context, const struct deberta_batch *batch)
{
    size_t threads = (size_t)threads_count();
    TRY(make_room_for_plan(context, batch->count, threads));
    make_plan(&context->plan, context->model, batch, threads);
    return make_room_for_work(context, threads);
}

struct workspace context_workspace(const struct deberta_context *context, int worker)
{
    struct arena arena = {.base = (char *)context->block + (size_t)worker * context->workspace_bytes};
    return lay_out(context->model, &context->plan, &arena);
}

enum deberta_status deberta_context_new(const struct deberta_model *model, struct deberta_context **out)
{
    void *block;
    *out = NULL;
    TRY(memory_calloc(1, sizeof(struct deberta_context), &block));
    *out = block;
    (*out)->model = model;
    return DEBERTA_OK;
}

void deberta_context_watch(struct deberta_context *context, bool (*stop)(void *data), void *data)
{
    context->stop = stop;
    context->stop_data = data;
}

size_t deberta_context_memory(const struct deberta_context *context)
{
    return context->block_bytes;
}

void deberta_context_free(struct deberta_context *context)
{
    if (!context)
        return;
    memory_free(context->plan.chunks);
    memory_free(context->plan.pairs);
    memory_free(context->plan.loads);
    memory_free(context->block);
    memory_free(context);
}
