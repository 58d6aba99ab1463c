/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encoder.h"

#include "base/watch.h"
#include "model/convolution.h"
#include "model/embeddings.h"
#include "model/head.h"
#include "model/mask_decoder.h"
#include "nn/elementwise.h"

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

void encode_sequences(const struct pass *pass, const struct chunk *chunk, const struct workspace *w, size_t number,
                      bool only_first)
{
    const struct deberta_batch *batch = pass->batch;
    size_t ld = pass->model->hidden_stride, heads = pass->model->config.heads;
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
            .first_pair = plan->pairs[sequence] * heads,
            .context = w->context + query * ld,
            .probabilities =
                pass->outputs->attentions
                    ? pass->outputs->attentions + (number * plan->total_pairs + plan->pairs[sequence]) * heads
                    : NULL,
        };
    }
}

enum deberta_status encode_attention(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                     size_t number, bool only_first)
{
    const struct deberta_model *m = pass->model;
    pass_clear_padding(w->context, only_first ? chunk->count : chunk->tokens, m->config.hidden_size, m->hidden_stride);
    encode_sequences(pass, chunk, w, number, only_first);
    struct attention attention = m->layers[number].attention;
    const struct tape *tape = tape_of_layer(pass->tape, number);
    struct dropout dropout;
    if (tape) {
        dropout = tape_dropout(tape, DROPOUT_PROBABILITIES, number);
        attention.dropout = &dropout;
    }
    attention_apply(&attention, w->sequences, chunk->count, pass->context->scratch, pass->context->scratch_floats);
    return watch_check();
}

/* What the tape keeps of a layer, or NULL. */
static const struct layer_tape *layer_tape(const struct pass *pass, size_t number)
{
    const struct tape *tape = tape_of_layer(pass->tape, number);
    return tape ? &tape->layers[number] : NULL;
}

/* out = LayerNorm(x + y); without a tape, out is x. A tape drops some of y, and keeps the sum. */
static void add_and_normalise(const struct pass *pass, enum dropout_place place, size_t number, const struct norm *norm,
                              const struct workspace *w, const float *x, size_t rows, float *sum, float *out)
{
    const struct tape *tape = tape_of_layer(pass->tape, number);
    if (!tape) {
        norm_apply(norm, w->y, out, rows);
        return;
    }
    struct dropout dropout = tape_dropout(tape, place, number);
    dropout_apply(&dropout, w->y, x, rows, norm->size, norm->stride, 0, sum);
    norm_forward(norm, sum, out, rows);
    pass_clear_padding(out, rows, norm->size, norm->stride);
}

/* The feed-forward network of a block of rows, up to its last product; `up` keeps what the activation reads, or is
 * NULL. */
static enum deberta_status feed_forward(const struct deberta_model *m, const struct layer *layer, const float *x,
                                        size_t rows, const struct workspace *w, float *up, float *y)
{
    if (up) {
        TRY(linear_apply_with(&layer->up, x, rows, ACT_LINEAR, up, w->scratch));
        activation_apply(m->act.hidden, up, rows, layer->up.out_stride, w->up);
    } else {
        TRY(linear_apply_with(&layer->up, x, rows, m->act.hidden, w->up, w->scratch));
    }
    return linear_apply_with(&layer->down, w->up, rows, ACT_LINEAR, y, w->scratch);
}

enum deberta_status encode_finish(const struct pass *pass, size_t number, float *x, size_t rows,
                                  const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    const struct layer *layer = &m->layers[number];
    const struct layer_tape *tape = layer_tape(pass, number);
    size_t block = workspace_block_rows(rows), ld = m->hidden_stride, width = layer->up.out_stride;
    float *attended = tape ? tape->attended : x;
    TRY(linear_apply_with(&layer->output, w->context, rows, ACT_LINEAR, w->y, w->scratch));
    add_and_normalise(pass, DROPOUT_ATTENTION, number, &layer->attention_norm, w, x, rows,
                      tape ? tape->attention_sum : NULL, attended);
    for (size_t row = 0; row < rows; row += block)
        TRY(feed_forward(m, layer, attended + row * ld, min_size(block, rows - row), w,
                         tape ? tape->up + row * width : NULL, w->y + row * ld));
    add_and_normalise(pass, DROPOUT_FEED_FORWARD, number, &layer->final_norm, w, attended, rows,
                      tape ? tape->final_sum : NULL, x);
    return DEBERTA_OK;
}

enum deberta_status encode_queries(const struct deberta_model *m, const struct layer *layer, const float *x,
                                   size_t rows, const struct workspace *w)
{
    TRY(linear_apply_with(&layer->query, x, rows, ACT_LINEAR, w->query, w->scratch));
    if (m->trainable)
        scale_apply(model_score_scale(&m->config), w->query, rows * m->hidden_stride);
    return DEBERTA_OK;
}

struct workspace encode_workspace(const struct pass *pass, const struct workspace *w, size_t number)
{
    struct workspace of_layer = *w;
    const struct layer_tape *tape = layer_tape(pass, number);
    if (tape) {
        of_layer.query = tape->query;
        of_layer.key_value = tape->key_value;
        of_layer.context = tape->context;
    }
    return of_layer;
}

static void keep(const struct pass *pass, size_t rows, const float *x, float *to)
{
    memcpy(to, x, rows * pass->model->hidden_stride * sizeof *to);
}

enum deberta_status encode_layer(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                 size_t number)
{
    const struct layer *layer = &pass->model->layers[number];
    const struct layer_tape *tape = layer_tape(pass, number);
    struct workspace own = encode_workspace(pass, w, number);
    if (tape)
        keep(pass, chunk->tokens, w->x, tape->input);
    TRY(encode_queries(pass->model, layer, w->x, chunk->tokens, &own));
    TRY(linear_apply_with(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, own.key_value, w->scratch));
    TRY(encode_attention(pass, chunk, &own, number, false));
    return encode_finish(pass, number, w->x, chunk->tokens, &own);
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
    const struct layer_tape *tape = layer_tape(pass, number);
    struct workspace own = encode_workspace(pass, w, number);
    take_first_rows(pass, chunk, w);
    if (tape) {
        keep(pass, chunk->tokens, w->x, tape->input);
        keep(pass, chunk->count, w->first, tape->first);
    }
    TRY(encode_queries(pass->model, layer, w->first, chunk->count, &own));
    TRY(linear_apply_with(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, own.key_value, w->scratch));
    TRY(encode_attention(pass, chunk, &own, number, true));
    return encode_finish(pass, number, w->first, chunk->count, &own);
}

bool encode_only_first(const struct deberta_model *m, const struct deberta_outputs *outputs)
{
    return !outputs->last && !outputs->hidden && !outputs->attentions && !head_reads_tokens(m->config.head) &&
           !(m->config.conv_kernel_size > 0 && m->config.layers == 1);
}

/* w->x = the given output of the first layers. */
static void load_given(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    size_t h = pass->model->config.hidden_size, ld = pass->model->hidden_stride;
    for (size_t t = 0; t < chunk->tokens; t++)
        memcpy(w->x + t * ld, pass->given + (chunk->token + t) * h, h * sizeof(float));
    pass_clear_padding(w->x, chunk->tokens, h, ld);
}

enum deberta_status encode_layers(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                  size_t layers)
{
    if (pass->given) {
        load_given(pass, chunk, w);
    } else {
        TRY(embeddings_apply(pass, chunk, w));
        encode_store(pass, chunk, w, 0);
    }
    for (size_t i = pass->layers_given; i < layers; i++) {
        TRY(encode_layer(pass, chunk, w, i));
        if (i == 0 && w->input)
            TRY(convolution_apply(pass, chunk, w));
        encode_store(pass, chunk, w, i + 1);
    }
    return DEBERTA_OK;
}

enum deberta_status encode_chunk(const struct pass *pass, const struct chunk *chunk, struct workspace w)
{
    const struct deberta_config *config = &pass->model->config;
    bool only_first = encode_only_first(pass->model, pass->outputs), decoder = config->enhanced_mask_decoder;
    TRY(encode_layers(pass, chunk, &w, config->layers - (only_first || decoder)));
    if (only_first && pass->layers_given < config->layers)
        TRY(run_last_layer(pass, chunk, &w));
    else if (decoder)
        TRY(mask_decoder_apply(pass, chunk, &w));
    else
        take_first_rows(pass, chunk, &w);
    return pass->outputs->logits || pass->tape ? head_apply(pass, chunk, &w) : DEBERTA_OK;
}
