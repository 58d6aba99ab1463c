/* SPDX-License-Identifier: Apache-2.0 */
#include "model/context.h"

#include "base/threads.h"

void context_trim(struct deberta_context *context)
{
    memory_free(context->block);
    context->block = NULL;
    context->block_bytes = 0;
}

static enum deberta_status make_room(struct deberta_context *context, size_t threads)
{
    const struct plan *plan = &context->plan;
    struct arena arena = {0};
    workspace_lay_out(context->model, plan, &arena);
    size_t scratch = 0; /* layers in float32 and in bfloat16 differ */
    for (size_t i = 0; i < context->model->config.layers; i++)
        scratch = max_size(scratch, attention_scratch(&context->model->layers[i].attention, plan->max_length));
    size_t floats_of_all, workspaces = plan->one_chunk_per_thread ? min_size(threads, plan->count) : 1;
    size_t bytes_of_work = workspaces * arena.used;
    if (__builtin_mul_overflow(threads * sizeof(float), scratch, &floats_of_all))
        return fail(DEBERTA_MEMORY, "a sequence of %zu tokens needs more memory than is available", plan->max_length);
    if (bytes_of_work + floats_of_all > context->block_bytes) {
        context_trim(context); /* first, because both may not fit */
        TRY(memory_calloc(bytes_of_work + floats_of_all, 1, &context->block));
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
    TRY(plan_make(&context->plan, &context->model->config, batch, threads));
    return make_room(context, threads);
}

enum deberta_status context_prepare_whole(struct deberta_context *context, const struct deberta_batch *batch)
{
    size_t threads = (size_t)threads_count();
    TRY(plan_make_whole(&context->plan, &context->model->config, batch));
    return make_room(context, threads);
}

struct workspace context_workspace(const struct deberta_context *context, int worker)
{
    struct arena arena = {.base = (char *)context->block + (size_t)worker * context->workspace_bytes};
    return workspace_lay_out(context->model, &context->plan, &arena);
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

void deberta_context_set_cancel(struct deberta_context *context, bool (*stop)(void *data), void *data)
{
    context->watch.stop = stop;
    context->watch.data = data;
}

size_t deberta_context_memory(const struct deberta_context *context)
{
    return context->block_bytes;
}

void deberta_context_free(struct deberta_context *context)
{
    if (!context)
        return;
    plan_release(&context->plan);
    memory_free(context->block);
    memory_free(context);
}
