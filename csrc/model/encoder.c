/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encoder.h"

#include "base/threads.h"
#include "model/convolution.h"
#include "model/embeddings.h"
#include "model/head.h"
#include "model/mask_decoder.h"

/* Copies the chunk's rows to their place in an output (T, H); masked rows become zeros. */
static void store(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, float *output)
{
    const struct deberta_model *m = pass->model;
    size_t h = m->config.hidden_size;
    float *to = output + chunk->token * h;
    for (size_t t = 0; t < chunk->tokens; t++, to += h) {
        if (pass->batch->mask && !pass->batch->mask[chunk->token + t])
            memset(to, 0, h * sizeof *to);
        else
            memcpy(to, w->x + t * m->hidden_stride, h * sizeof *to);
    }
}

void encode_store(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number)
{
    size_t all = (size_t)pass->batch->offsets[pass->batch->count] * pass->model->config.hidden_size;
    if (pass->outputs->hidden)
        store(pass, chunk, w, pass->outputs->hidden + number * all);
    if (pass->outputs->last && number == pass->model->config.layers)
        store(pass, chunk, w, pass->outputs->last);
}

void encode_attention(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number,
                      bool only_first)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_batch *batch = pass->batch;
    size_t ld = m->hidden_stride, heads = m->config.heads;
    pass_clear_padding(w->context, only_first ? chunk->count : chunk->tokens, m->config.hidden_size, ld);
    for (size_t i = 0; i < chunk->count; i++) {
        size_t sequence = chunk->sequence + i, token = (size_t)batch->offsets[sequence];
        size_t row = token - chunk->token, query = only_first ? i : row;
        size_t length = (size_t)batch->offsets[sequence + 1] - token;
        const struct plan *plan = &pass->context->plan;
        w->sequences[i] = (struct attention_sequence){
            .length = length,
            .queries = only_first ? 1 : length,
            .query = w->query + query * ld,
            .key = w->key_value + row * 2 * ld,
            .value = w->key_value + row * 2 * ld + ld,
            .mask = batch->mask ? batch->mask + token : NULL,
            .pair_mask = batch->pair_mask ? batch->pair_mask + plan->pairs[sequence] : NULL,
            .context = w->context + query * ld,
            .probabilities =
                pass->outputs->attentions
                    ? pass->outputs->attentions + (number * plan->total_pairs + plan->pairs[sequence]) * heads
                    : NULL,
        };
    }
    attention_apply(&m->layers[number].attention, w->sequences, chunk->count, pass->context->scratch,
                    pass->context->scratch_floats);
}

enum deberta_status encode_finish(const struct deberta_model *m, const struct layer *layer, float *x, size_t rows,
                                  const struct workspace *w)
{
    TRY(linear_apply(&layer->output, w->context, rows, ACT_LINEAR, w->y));
    norm_apply(&layer->attention_norm, w->y, x, rows);
    size_t block = workspace_block_rows(rows), ld = m->hidden_stride;
    for (size_t row = 0; row < rows; row += block) {
        size_t n = min_size(block, rows - row);
        TRY(linear_apply(&layer->up, x + row * ld, n, m->act.hidden, w->up));
        TRY(linear_apply(&layer->down, w->up, n, ACT_LINEAR, w->y + row * ld));
    }
    norm_apply(&layer->final_norm, w->y, x, rows);
    return DEBERTA_OK;
}

enum deberta_status encode_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                 size_t number)
{
    const struct layer *layer = &pass->model->layers[number];
    TRY(linear_apply(&layer->query, w->x, chunk->tokens, ACT_LINEAR, w->query));
    TRY(linear_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    encode_attention(pass, chunk, w, number, false);
    return encode_finish(pass->model, layer, w->x, chunk->tokens, w);
}

static void take_first_rows(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    size_t ld = pass->model->hidden_stride;
    for (size_t i = 0; i < chunk->count; i++) {
        size_t row = (size_t)pass->batch->offsets[chunk->sequence + i] - chunk->token;
        memcpy(w->first + i * ld, w->x + row * ld, ld * sizeof(float));
    }
}

/* The last layer for the first token of each sequence only, in w->first. */
static enum deberta_status run_last_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    size_t number = pass->model->config.layers - 1;
    const struct layer *layer = &pass->model->layers[number];
    take_first_rows(pass, chunk, w);
    TRY(linear_apply(&layer->query, w->first, chunk->count, ACT_LINEAR, w->query));
    TRY(linear_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    encode_attention(pass, chunk, w, number, true);
    return encode_finish(pass->model, layer, w->first, chunk->count, w);
}

/* The callback may do anything, even another forward pass on this thread. */
static enum deberta_status check_cancelled(const struct deberta_context *context)
{
    if (!context->stop)
        return DEBERTA_OK;
    int saved = threads_save();
    bool stop = context->stop(context->stop_data);
    threads_restore(saved);
    return stop ? fail(DEBERTA_STOPPED, "stopped") : DEBERTA_OK;
}

/* Whether the last layer is needed for the first token of each sequence only. */
static bool only_first_rows(const struct pass *pass)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_outputs *outputs = pass->outputs;
    return !outputs->last && !outputs->hidden && !outputs->attentions && !head_reads_tokens(m->config.head) &&
           !(m->config.conv_kernel_size > 0 && m->config.layers == 1);
}

enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w,
                                 bool cancellable)
{
    const struct deberta_config *config = &pass->model->config;
    bool only_first = only_first_rows(pass), decoder = config->enhanced_mask_decoder;
    TRY(embeddings_apply(pass, chunk, &w));
    encode_store(pass, chunk, &w, 0);
    for (size_t i = 0; i < config->layers - (only_first || decoder); i++) {
        if (cancellable)
            TRY(check_cancelled(pass->context));
        TRY(encode_layer(pass, chunk, &w, i));
        if (i == 0 && w.input)
            TRY(convolution_apply(pass, chunk, &w));
        encode_store(pass, chunk, &w, i + 1);
    }
    if (only_first)
        TRY(run_last_layer(pass, chunk, &w));
    else if (decoder)
        TRY(mask_decoder_apply(pass, chunk, &w));
    else
        take_first_rows(pass, chunk, &w);
    return pass->outputs->logits ? head_apply(pass, chunk, &w) : DEBERTA_OK;
}
