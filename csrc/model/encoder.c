/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encoder.h"

#include <string.h>

#include "base/threads.h"

#define NORM_ROWS 8           /* rows that a thread normalises at a time */
#define OPERATIONS_OF_NORM 20 /* about, for an element: what its memory takes counted too */

static size_t blocks_of(size_t rows)
{
    return (rows + NORM_ROWS - 1) / NORM_ROWS;
}

/* Zeros what stands behind the columns of each row: oneDNN multiplies it by zero weights, and NaN would stay NaN. */
static void clear_padding(float *rows, size_t count, size_t columns, size_t stride)
{
    for (size_t r = 0; r < count && columns < stride; r++)
        memset(rows + r * stride + columns, 0, (stride - columns) * sizeof *rows);
}

/* ---- x = norm(y + x) ---- */

struct normalisation {
    const struct deberta_model *model;
    const float *gain, *bias, *added; // (rows, H) or NULL
    float *x;                         // (rows, H)
    size_t rows;
};

static void normalise_block(size_t index, int worker, void *context)
{
    (void)worker;
    const struct normalisation *n = context;
    size_t ld = n->model->hidden_stride, row = index * NORM_ROWS;
    kernels->layernorm(n->x + row * ld, n->added ? n->added + row * ld : NULL, n->gain, n->bias,
                       n->model->config.layer_norm_eps, min_size(NORM_ROWS, n->rows - row),
                       n->model->config.hidden_size, ld, n->x + row * ld);
}

static void normalise(struct normalisation n)
{
    double operations = OPERATIONS_OF_NORM * NORM_ROWS * (double)n.model->config.hidden_size;
    parallel_for(blocks_of(n.rows), threads_grain(operations), normalise_block, &n);
}

/* ---- embeddings ---- */

struct embedding {
    const struct pass *pass;
    const struct chunk *chunk;
    float *out; // (Tc, E)
    size_t stride;
};

static void add_row(float *to, const float *table, size_t row, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] += table[row * width + i];
}

static void embed_sequence(size_t index, int worker, void *context)
{
    (void)worker;
    const struct embedding *e = context;
    const struct deberta_model *m = e->pass->model;
    const struct deberta_batch *batch = e->pass->batch;
    size_t sequence = e->chunk->sequence + index, width = m->config.embedding_size;
    size_t begin = (size_t)batch->offsets[sequence], end = (size_t)batch->offsets[sequence + 1];
    size_t position = batch->first ? (size_t)batch->first[sequence] : 0, item = dtype_size(m->word.dtype);
    for (size_t t = begin; t < end; t++, position++) {
        float *to = e->out + (t - e->chunk->token) * e->stride;
        weight_read((const char *)m->word.data + (size_t)batch->ids[t] * width * item, m->word.dtype, width, 1.0f, to);
        if (m->absolute)
            add_row(to, m->absolute, position, width);
        if (m->type)
            add_row(to, m->type, batch->types ? batch->types[t] : 0, width);
    }
}

static enum deberta_status embed(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    struct embedding e = {.pass = pass, .chunk = chunk, .out = w->x, .stride = m->hidden_stride};
    if (w->embedded)
        e.out = w->embedded, e.stride = m->embedding_stride;
    double operations = OPERATIONS_OF_NORM * (double)(chunk->tokens / chunk->count * e.stride);
    parallel_for(chunk->count, threads_grain(operations), embed_sequence, &e);
    clear_padding(e.out, chunk->tokens, m->config.embedding_size, e.stride);
    if (w->embedded)
        TRY(matrix_apply(&m->projection, w->embedded, chunk->tokens, ACT_LINEAR, w->x));
    normalise((struct normalisation){
        .model = m, .gain = m->embedding_gain, .bias = m->embedding_bias, .x = w->x, .rows = chunk->tokens});
    for (size_t t = 0; pass->batch->mask && t < chunk->tokens; t++)
        if (!pass->batch->mask[chunk->token + t])
            memset(w->x + t * m->hidden_stride, 0, m->hidden_stride * sizeof(float));
    return DEBERTA_OK;
}

/* ---- a layer ---- */

static void store_hidden(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number)
{
    if (!pass->outputs->hidden)
        return;
    const struct deberta_model *m = pass->model;
    size_t h = m->config.hidden_size, all = (size_t)pass->batch->offsets[pass->batch->count];
    float *to = pass->outputs->hidden + (number * all + chunk->token) * h;
    for (size_t t = 0; t < chunk->tokens; t++, to += h) {
        if (pass->batch->mask && !pass->batch->mask[chunk->token + t])
            memset(to, 0, h * sizeof *to);
        else
            memcpy(to, w->x + t * m->hidden_stride, h * sizeof *to);
    }
}

/* Attention of the whole chunk, or, where only the first rows are read, of each sequence's first query. */
static void attend_chunk(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number,
                         bool only_first)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_batch *batch = pass->batch;
    size_t ld = m->hidden_stride, heads = m->config.heads;
    clear_padding(w->context, only_first ? chunk->count : chunk->tokens, m->config.hidden_size, ld);
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

/* x (rows, H) is the layer's input where its output is wanted; w->context holds what attention made of it. */
static enum deberta_status finish_layer(const struct deberta_model *m, const struct layer *layer, float *x, size_t rows,
                                        const struct workspace *w)
{
    TRY(matrix_apply(&layer->output, w->context, rows, ACT_LINEAR, w->y));
    normalise((struct normalisation){m, layer->attention_gain, layer->attention_bias, w->y, x, rows});
    size_t block = context_block_rows(rows), ld = m->hidden_stride;
    for (size_t row = 0; row < rows; row += block) {
        size_t n = min_size(block, rows - row);
        TRY(matrix_apply(&layer->up, x + row * ld, n, m->act, w->up));
        TRY(matrix_apply(&layer->down, w->up, n, ACT_LINEAR, w->y + row * ld));
    }
    normalise((struct normalisation){m, layer->final_gain, layer->final_bias, w->y, x, rows});
    return DEBERTA_OK;
}

static enum deberta_status run_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                     size_t number)
{
    const struct layer *layer = &pass->model->layers[number];
    TRY(matrix_apply(&layer->query, w->x, chunk->tokens, ACT_LINEAR, w->query));
    TRY(matrix_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    attend_chunk(pass, chunk, w, number, false);
    return finish_layer(pass->model, layer, w->x, chunk->tokens, w);
}

static void take_first_rows(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    size_t ld = pass->model->hidden_stride;
    for (size_t i = 0; i < chunk->count; i++) {
        size_t row = (size_t)pass->batch->offsets[chunk->sequence + i] - chunk->token;
        memcpy(w->first + i * ld, w->x + row * ld, ld * sizeof(float));
    }
}

/* The last layer, computed for the first token of each sequence only: w->first. */
static enum deberta_status run_last_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    size_t number = pass->model->config.layers - 1;
    const struct layer *layer = &pass->model->layers[number];
    take_first_rows(pass, chunk, w);
    TRY(matrix_apply(&layer->query, w->first, chunk->count, ACT_LINEAR, w->query));
    TRY(matrix_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    attend_chunk(pass, chunk, w, number, true);
    return finish_layer(pass->model, layer, w->first, chunk->count, w);
}

/* ---- the head: ContextPooler and classifier of transformers' modeling_deberta_v2.py ---- */

static enum deberta_status classify(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    size_t labels = m->config.num_labels;
    TRY(matrix_apply(&m->pooler, w->first, chunk->count, m->pooler_act, w->pooled));
    TRY(matrix_apply(&m->classifier, w->pooled, chunk->count, ACT_LINEAR, w->logits));
    for (size_t i = 0; i < chunk->count; i++)
        memcpy(pass->outputs->logits + (chunk->sequence + i) * labels, w->logits + i * m->classifier.out_stride,
               labels * sizeof(float));
    return DEBERTA_OK;
}

/* Whoever is asked may run anything, another call on this thread too. */
static enum deberta_status ask(const struct deberta_context *context)
{
    if (!context->stop)
        return DEBERTA_OK;
    int held = threads_hold();
    bool stop = context->stop(context->stop_data);
    threads_restore(held);
    return stop ? fail(DEBERTA_STOPPED, "stopped") : DEBERTA_OK;
}

enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w, bool watched)
{
    const struct deberta_outputs *outputs = pass->outputs;
    size_t layers = pass->model->config.layers;
    bool only_first = !outputs->hidden && !outputs->attentions;
    TRY(embed(pass, chunk, &w));
    store_hidden(pass, chunk, &w, 0);
    for (size_t i = 0; i < layers - only_first; i++) {
        if (watched)
            TRY(ask(pass->context));
        TRY(run_layer(pass, chunk, &w, i));
        store_hidden(pass, chunk, &w, i + 1);
    }
    if (only_first)
        TRY(run_last_layer(pass, chunk, &w));
    else
        take_first_rows(pass, chunk, &w);
    return outputs->logits ? classify(pass, chunk, &w) : DEBERTA_OK;
}
