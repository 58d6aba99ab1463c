/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encoder.h"

#include <string.h>

#include "base/threads.h"
#include "model/head.h"
#include "nn/layernorm.h"

#define OPERATIONS_OF_ROW 20 /* about, for an element that is copied: what its memory takes counted too */

/* Zeros what stands behind the columns of each row: oneDNN multiplies it by zero weights, and NaN would stay NaN. */
static void clear_padding(float *rows, size_t count, size_t columns, size_t stride)
{
    for (size_t r = 0; r < count && columns < stride; r++)
        memset(rows + r * stride + columns, 0, (stride - columns) * sizeof *rows);
}

static void normalise(const struct deberta_model *m, const float *gain, const float *bias, const float *added, float *x,
                      size_t rows)
{
    layernorm_apply(&(struct layernorm){.gain = gain,
                                        .bias = bias,
                                        .added = added,
                                        .x = x,
                                        .rows = rows,
                                        .size = m->config.hidden_size,
                                        .stride = m->hidden_stride,
                                        .epsilon = m->config.layer_norm_eps});
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
        if (m->config.position_biased_input)
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
    double operations = OPERATIONS_OF_ROW * (double)(chunk->tokens / chunk->count * e.stride);
    parallel_for(chunk->count, threads_grain(operations), embed_sequence, &e);
    clear_padding(e.out, chunk->tokens, m->config.embedding_size, e.stride);
    if (w->embedded)
        TRY(matrix_apply(&m->projection, w->embedded, chunk->tokens, ACT_LINEAR, w->x));
    normalise(m, m->embedding_gain, m->embedding_bias, NULL, w->x, chunk->tokens);
    for (size_t t = 0; pass->batch->mask && t < chunk->tokens; t++)
        if (!pass->batch->mask[chunk->token + t])
            memset(w->x + t * m->hidden_stride, 0, m->hidden_stride * sizeof(float));
    if (w->input)
        memcpy(w->input, w->x, chunk->tokens * m->hidden_stride * sizeof(float));
    return DEBERTA_OK;
}

/* ---- a layer ---- */

/* Rows of the chunk to their place in an output (T, H), zeros where the mask is. */
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

static void store_hidden(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number)
{
    size_t all = (size_t)pass->batch->offsets[pass->batch->count] * pass->model->config.hidden_size;
    if (pass->outputs->hidden)
        store(pass, chunk, w, pass->outputs->hidden + number * all);
    if (pass->outputs->last && number == pass->model->config.layers)
        store(pass, chunk, w, pass->outputs->last);
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
    normalise(m, layer->attention_gain, layer->attention_bias, w->y, x, rows);
    size_t block = context_block_rows(rows), ld = m->hidden_stride;
    for (size_t row = 0; row < rows; row += block) {
        size_t n = min_size(block, rows - row);
        TRY(matrix_apply(&layer->up, x + row * ld, n, m->act, w->up));
        TRY(matrix_apply(&layer->down, w->up, n, ACT_LINEAR, w->y + row * ld));
    }
    normalise(m, layer->final_gain, layer->final_bias, w->y, x, rows);
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

/* ---- the convolution: ConvLayer of transformers' modeling_deberta_v2.py ---- */

/* Each row of `to` holds the K rows of the input round its token; beyond the sequence there are zeros. */
static void unfold(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t row, size_t n)
{
    const struct deberta_model *m = pass->model;
    const int64_t *offsets = pass->batch->offsets;
    size_t h = m->config.hidden_size, kernel = m->config.conv_kernel_size, sequence = chunk->sequence;
    for (size_t i = 0; i < n; i++) {
        int64_t token = (int64_t)(chunk->token + row + i);
        while (offsets[sequence + 1] <= token)
            sequence++;
        float *to = w->unfolded + i * m->conv.in_stride;
        for (size_t k = 0; k < kernel; k++, to += h) {
            int64_t from = token + (int64_t)k - (int64_t)(kernel / 2);
            if (from < offsets[sequence] || from >= offsets[sequence + 1])
                memset(to, 0, h * sizeof *to);
            else
                memcpy(to, w->input + ((size_t)from - chunk->token) * m->hidden_stride, h * sizeof *to);
        }
    }
    clear_padding(w->unfolded, n, m->conv.in, m->conv.in_stride);
}

static enum deberta_status convolve(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    size_t block = context_block_rows(chunk->tokens);
    for (size_t row = 0; row < chunk->tokens; row += block) {
        size_t n = min_size(block, chunk->tokens - row);
        unfold(pass, chunk, w, row, n);
        TRY(matrix_apply(&m->conv, w->unfolded, n, m->conv_act, w->y + row * m->hidden_stride));
    }
    normalise(m, m->conv_gain, m->conv_shift, w->y, w->x, chunk->tokens);
    return DEBERTA_OK;
}

/* ---- the enhanced mask decoder: He et al. 2021, section 3.2; masked_language_model.py of Microsoft's DeBERTa ---- */

static void add_positions(const struct pass *pass, const struct chunk *chunk, float *x)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_batch *batch = pass->batch;
    for (size_t i = chunk->sequence; i < chunk->sequence + chunk->count; i++) {
        size_t position = batch->first ? (size_t)batch->first[i] : 0;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++, position++)
            add_row(x + (t - chunk->token) * m->hidden_stride, m->absolute, position, m->config.hidden_size);
    }
}

/* w->x holds what the last layer would get; it gives keys and values to both passes. The ordinary output of the last
 * layer is computed where somebody asks for it. Leaves the decoded rows in w->x. */
static enum deberta_status decode(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    static const struct deberta_outputs none = {0};
    const struct deberta_model *m = pass->model;
    size_t number = m->config.layers - 1, bytes = chunk->tokens * m->hidden_stride * sizeof(float);
    const struct layer *layer = &m->layers[number];
    memcpy(w->decoded, w->x, bytes);
    add_positions(pass, chunk, w->decoded);
    if (pass->outputs->hidden || pass->outputs->last || pass->outputs->attentions) {
        TRY(run_layer(pass, chunk, w, number));
        store_hidden(pass, chunk, w, number + 1);
    } else {
        TRY(matrix_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    }
    struct pass silent = *pass;
    silent.outputs = &none;
    for (int i = 0; i < 2; i++) {
        TRY(matrix_apply(&layer->query, w->decoded, chunk->tokens, ACT_LINEAR, w->query));
        attend_chunk(&silent, chunk, w, number, false);
        TRY(finish_layer(m, layer, w->decoded, chunk->tokens, w));
    }
    memcpy(w->x, w->decoded, bytes);
    return DEBERTA_OK;
}

/* ---- the whole ---- */

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

/* Whether nobody looks at the last layer but for the first token of each sequence. */
static bool only_first_rows(const struct pass *pass)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_outputs *outputs = pass->outputs;
    return !outputs->last && !outputs->hidden && !outputs->attentions && !model_answers_for_tokens(m) &&
           !(m->config.conv_kernel_size > 0 && m->config.layers == 1);
}

enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w, bool watched)
{
    const struct deberta_config *config = &pass->model->config;
    bool only_first = only_first_rows(pass), decoder = config->enhanced_mask_decoder;
    TRY(embed(pass, chunk, &w));
    store_hidden(pass, chunk, &w, 0);
    for (size_t i = 0; i < config->layers - (only_first || decoder); i++) {
        if (watched)
            TRY(ask(pass->context));
        TRY(run_layer(pass, chunk, &w, i));
        if (i == 0 && w.input)
            TRY(convolve(pass, chunk, &w));
        store_hidden(pass, chunk, &w, i + 1);
    }
    if (only_first)
        TRY(run_last_layer(pass, chunk, &w));
    else if (decoder)
        TRY(decode(pass, chunk, &w));
    else
        take_first_rows(pass, chunk, &w);
    return pass->outputs->logits ? head_apply(pass, chunk, &w) : DEBERTA_OK;
}
