/* SPDX-License-Identifier: Apache-2.0 */
/* deberta_model_forward: checks a batch and runs its chunks. */
#include <stdatomic.h>
#include <stdio.h>

#include "base/threads.h"
#include "model/encoder.h"
#include "model/forward.h"
#include "model/params.h"

#define ROWS_KEPT 128 /* rows of the word table that are read before its pages are dropped */

static enum deberta_status check_offsets(const struct deberta_batch *batch)
{
    if (batch->count == 0)
        return fail(DEBERTA_ARGUMENT, "the batch has no sequence");
    if (batch->count > INT32_MAX || batch->offsets[0] != 0)
        return fail(DEBERTA_ARGUMENT, "offsets must start at 0 and hold at most 2**31 sequences");
    for (size_t i = 0; i < batch->count; i++)
        if (batch->offsets[i + 1] <= batch->offsets[i])
            return fail(DEBERTA_ARGUMENT, "sequence %zu has no token; leave empty sequences out", i);
    if (batch->offsets[batch->count] > INT32_MAX)
        return fail(DEBERTA_ARGUMENT, "the batch has %lld tokens; at most 2**31 - 1 fit",
                    (long long)batch->offsets[batch->count]);
    return DEBERTA_OK;
}

static enum deberta_status check_tokens(const struct deberta_config *c, const struct deberta_batch *batch)
{
    for (int64_t t = 0; t < batch->offsets[batch->count]; t++) {
        if (batch->ids[t] < 0 || (size_t)batch->ids[t] >= c->vocab_size)
            return fail(DEBERTA_ARGUMENT, "input_ids: id %d of token %lld is outside the vocabulary of %zu ids",
                        (int)batch->ids[t], (long long)t, c->vocab_size);
        if (c->type_vocab_size > 0 && batch->types && batch->types[t] >= c->type_vocab_size)
            return fail(DEBERTA_ARGUMENT, "token_type_ids: type %d of token %lld is outside the %zu token types",
                        (int)batch->types[t], (long long)t, c->type_vocab_size);
    }
    return DEBERTA_OK;
}

static enum deberta_status check_sequence(const struct deberta_config *c, const struct deberta_batch *batch, size_t i)
{
    int64_t begin = batch->offsets[i], end = batch->offsets[i + 1], first = batch->first ? batch->first[i] : 0;
    if (first < 0)
        return fail(DEBERTA_ARGUMENT, "first: position %lld of sequence %zu is negative", (long long)first, i);
    if ((c->position_biased_input || c->enhanced_mask_decoder) && (size_t)(first + end - begin) > c->max_positions)
        return fail(DEBERTA_ARGUMENT,
                    "sequence %zu reaches position %lld, but the position table of this model ends at "
                    "max_position_embeddings = %zu; truncate it",
                    i, (long long)(first + end - begin), c->max_positions);
    int64_t t = begin;
    while (batch->mask && t < end && !batch->mask[t])
        t++;
    if (t == end)
        return fail(DEBERTA_ARGUMENT, "attention_mask: sequence %zu has no token that may be attended to", i);
    return DEBERTA_OK;
}

static bool has_key(const uint8_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i])
            return true;
    return false;
}

static enum deberta_status check_pairs(const struct deberta_batch *batch)
{
    const uint8_t *keys = batch->pair_mask;
    for (size_t i = 0; i < batch->count; i++) {
        size_t length = (size_t)(batch->offsets[i + 1] - batch->offsets[i]);
        for (size_t query = 0; query < length; query++, keys += length)
            if (!has_key(keys, length))
                return fail(DEBERTA_ARGUMENT, "attention_mask: token %zu of sequence %zu may attend to no token", query,
                            i);
    }
    return DEBERTA_OK;
}

enum deberta_status forward_check(const struct deberta_model *model, const struct deberta_batch *batch,
                                  const struct deberta_outputs *outputs)
{
    if (outputs->logits && model->config.head == DEBERTA_NO_HEAD)
        return fail(DEBERTA_ARGUMENT, "the model has no head, so it has no logits");
    TRY(check_offsets(batch));
    TRY(check_tokens(&model->config, batch));
    for (size_t i = 0; i < batch->count; i++)
        TRY(check_sequence(&model->config, batch, i));
    return batch->pair_mask ? check_pairs(batch) : DEBERTA_OK;
}

/* Chunks run on several threads; the first failure is kept. */
struct run {
    struct pass pass;
    atomic_int status;
    char message[512];
};

static void run_chunk(size_t index, int worker, void *context)
{
    struct run *run = context;
    const struct deberta_context *work = run->pass.context;
    if (run->status != DEBERTA_OK)
        return;
    struct workspace workspace = context_workspace(work, work->plan.one_chunk_per_thread ? worker : 0);
    enum deberta_status status = encode_chunk(&run->pass, &work->plan.chunks[index], workspace);
    int none = DEBERTA_OK;
    if (status != DEBERTA_OK && atomic_compare_exchange_strong(&run->status, &none, (int)status))
        snprintf(run->message, sizeof run->message, "%s", status_message());
}

/* Each row read maps many pages around it, on some systems up to 2 MB: otherwise a few hundred words would bring the
 * whole table into memory. */
static void drop_word_pages(const struct deberta_model *model, struct deberta_context *context,
                            const struct deberta_batch *batch)
{
    context->rows_read += (size_t)batch->offsets[batch->count];
    if (context->rows_read < ROWS_KEPT)
        return;
    params_drop_pages(&model->word);
    context->rows_read = 0;
}

enum deberta_status forward_run(const struct deberta_model *model, struct deberta_context *context,
                                const struct deberta_batch *batch, const struct deberta_outputs *outputs,
                                const float *given, size_t layers_given)
{
    TRY(context_prepare(context, batch));
    struct run run = {.pass = {model, context, batch, outputs, NULL, given, layers_given}};
    struct watching before = watch_begin(&context->watch);
    if (context->plan.one_chunk_per_thread)
        parallel_for(context->plan.count, 1, run_chunk, &run);
    else
        for (size_t i = 0; i < context->plan.count; i++)
            run_chunk(i, 0, &run);
    drop_word_pages(model, context, batch);
    int status = run.status;
    if (status != DEBERTA_OK)
        status = (int)fail((enum deberta_status)status, "%s", run.message);
    return watch_end(&context->watch, before, (enum deberta_status)status);
}

enum deberta_status deberta_model_forward(const struct deberta_model *model, struct deberta_context *context,
                                          const struct deberta_batch *batch, const struct deberta_outputs *outputs)
{
    if (context->model != model)
        return fail(DEBERTA_ARGUMENT, "the context was made for another model");
    TRY(forward_check(model, batch, outputs));
    return forward_run(model, context, batch, outputs, NULL, 0);
}
