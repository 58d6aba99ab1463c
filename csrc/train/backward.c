/* SPDX-License-Identifier: Apache-2.0 */
#include "train/backward.h"

#include <string.h>

#include "base/threads.h"
#include "base/watch.h"
#include "model/convolution.h"
#include "model/encoder.h"
#include "model/shapes.h"
#include "nn/elementwise.h"

#define BLOCK_ROWS 1024 /* rows of the feed-forward network at a time: its inner gradients take little memory */

/* ---- memory ---- */

static size_t linear_scratch(const struct deberta_model *m)
{
    const struct layer *layer = &m->layers[m->config.layers - 1]; /* trained if one is; all have the same shapes */
    const struct linear *linears[] = {&layer->query,  &layer->key_value, &layer->output, &layer->up,  &layer->down,
                                      &m->projection, &m->conv,          &m->head_dense, &m->head_out};
    size_t floats = 0;
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        if (linears[i]->packed)
            floats = max_size(floats, linear_backward_scratch(linears[i]));
    return floats;
}

static size_t norm_scratch(const struct deberta_model *m)
{
    size_t floats = norm_backward_scratch(&m->embedding_norm);
    return m->head_norm.gain ? max_size(floats, norm_backward_scratch(&m->head_norm)) : floats;
}

void gradients_lay_out(struct gradients *g, const struct deberta_model *m, const struct plan *plan, size_t head_rows,
                       bool has_logits, size_t threads, struct arena *arena)
{
    size_t h = m->hidden_stride, tokens = plan->max_tokens, sequences = plan->max_sequences;
    size_t block = min_size(BLOCK_ROWS, tokens), width = m->layers[0].up.out_stride;
    size_t per_sequence = round_up(sizeof(struct attention_gradients), sizeof(float)) / sizeof(float);
    bool projected = m->config.embedding_size != m->config.hidden_size;
    *g = (struct gradients){.d_x = arena_floats(arena, tokens * h)};
    size_t own_rows = m->config.enhanced_mask_decoder ? tokens : max_size(sequences, head_rows);
    g->d_rows = arena_floats(arena, own_rows * h);
    g->d_sum = arena_floats(arena, tokens * h);
    g->d_dropped = arena_floats(arena, tokens * h);
    g->d_context = arena_floats(arena, tokens * h);
    g->d_query = arena_floats(arena, tokens * h);
    g->d_key_value = arena_floats(arena, tokens * 2 * h);
    g->d_up = arena_floats(arena, block * width);
    g->d_embedded = projected ? arena_floats(arena, tokens * m->embedding_stride) : NULL;
    bool convolved = m->config.conv_kernel_size > 0;
    g->unfolded = convolved ? arena_floats(arena, block * m->conv.in_stride) : NULL;
    g->d_input = convolved ? arena_floats(arena, tokens * h) : NULL;
    g->d_logits = has_logits ? arena_floats(arena, head_rows * m->head_out.out_stride) : NULL;
    g->pooled = arena_floats(arena, head_rows * m->head_stride);
    g->d_pooled = arena_floats(arena, head_rows * m->head_stride);
    g->sequences = (struct attention_gradients *)(void *)arena_floats(arena, sequences * per_sequence);
    const struct attention *attention = &m->layers[0].attention;
    g->sums = attention->distances
                  ? arena_floats(arena, attention_position_sums(attention, plan->max_length, sequences))
                  : NULL;
    g->attention_floats = attention_backward_scratch(&m->layers[0].attention, plan->max_length);
    g->attention_scratch = arena_floats(arena, threads * g->attention_floats);
    g->scratch = arena_floats(arena, max_size(threads * linear_scratch(m), norm_scratch(m)));
}

/* ---- steps that all layers share ---- */

/* The place of gradients in an array of parameters. */
static float *at(const float *values)
{
    return (float *)(uintptr_t)values;
}

/* Adds the gradients of a linear layer's weights, where it has some: from its input and the gradient by its output,
 * (rows, ...). */
static void weights_backward(const struct backward *b, const struct linear *linear, const struct linear *gradient,
                             const float *in, const float *d_out, size_t rows)
{
    if (gradient->packed || gradient->bias)
        linear_backward_weights(linear, in, d_out, rows, gradient->packed, gradient->bias, b->work->scratch);
}

/* d_sum = the gradient by what the LayerNorm reads. */
static void normalisation_backward(const struct backward *b, const struct norm *norm, const struct norm *gradient,
                                   const float *sum, const float *d_out, size_t rows, float *d_sum)
{
    norm_backward(norm, sum, d_out, rows, d_sum, at(gradient->gain), at(gradient->bias), b->work->scratch);
    pass_clear_padding(d_sum, rows, norm->size, norm->stride);
}

static void dropout_backward(const struct backward *b, enum dropout_place place, size_t number, const float *d,
                             size_t rows, size_t columns, size_t stride, float *out)
{
    struct dropout dropout = tape_dropout(b->pass->tape, place, number);
    dropout_apply(&dropout, d, NULL, rows, columns, stride, 0, out);
    pass_clear_padding(out, rows, columns, stride);
}

/* Whether the rows of the position table are trained. */
static bool trains_positions(const struct backward *b)
{
    return b->relative->rows > 0 && (b->parameters->relative || b->parameters->relative_norm.gain);
}

/* Whether a part of the embeddings is trained. */
static bool trains_embeddings(const struct backward *b)
{
    const struct deberta_model *p = b->parameters;
    return b->words || p->absolute || p->type || p->embedding_norm.gain || p->projection.packed || p->projection.bias;
}

/* Whether the gradient by the input of a layer is used; the steps of a mask decoder pass it on. */
static bool trains_below(const struct backward *b, size_t number)
{
    size_t frozen = b->pass->tape->frozen;
    return number > frozen || (frozen == 0 && (trains_embeddings(b) || b->work->d_input)) ||
           b->pass->model->config.enhanced_mask_decoder;
}

/* Row `row` of a table, if it is trained, += d. */
static void add_row(float *table, size_t row, size_t stride, size_t width, const float *d)
{
    for (size_t i = 0; table && i < width; i++)
        table[row * stride + i] += d[i];
}

/* ---- a layer ---- */

/* d_attended (rows, H): += the gradient through the feed-forward network; d_dropped: the gradient by its output. */
static void feed_forward_backward(const struct backward *b, size_t number, size_t rows, float *d_attended)
{
    const struct deberta_model *m = b->pass->model;
    const struct layer *layer = &m->layers[number], *gradient = &b->parameters->layers[number];
    const struct layer_tape *tape = &b->pass->tape->layers[number];
    const struct gradients *g = b->work;
    size_t ld = m->hidden_stride, width = layer->up.out_stride;
    for (size_t row = 0; row < rows && watch_check() == DEBERTA_OK; row += BLOCK_ROWS) {
        size_t n = min_size(BLOCK_ROWS, rows - row);
        float *up = tape->up + row * width;
        const float *d_out = g->d_dropped + row * ld;
        linear_backward_activated(&layer->down, d_out, n, m->act.hidden, up, g->d_up, g->scratch);
        weights_backward(b, &layer->down, &gradient->down, up, d_out, n);
        weights_backward(b, &layer->up, &gradient->up, tape->attended + row * ld, g->d_up, n);
        linear_backward_input(&layer->up, g->d_up, n, true, d_attended + row * ld, g->scratch);
    }
}

/* From g->d_context to the gradients by queries, keys, values and position rows. */
static void attention_gradient(const struct backward *b, const struct chunk *chunk, size_t number, bool only_first)
{
    const struct pass *pass = b->pass;
    const struct deberta_model *m = pass->model;
    const struct gradients *g = b->work;
    const struct layer_tape *tape = &pass->tape->layers[number];
    struct workspace w = context_workspace(pass->context, 0);
    w = encode_workspace(pass, &w, number);
    encode_sequences(pass, chunk, &w, number, only_first);
    size_t ld = m->hidden_stride;
    for (size_t i = 0; i < chunk->count; i++) {
        const struct attention_sequence *sequence = &w.sequences[i];
        ptrdiff_t query = sequence->query - w.query, key = sequence->key - w.key_value;
        g->sequences[i] = (struct attention_gradients){.d_context = g->d_context + query,
                                                       .d_query = g->d_query + query,
                                                       .d_key = g->d_key_value + key,
                                                       .d_value = g->d_key_value + key + ld};
    }
    struct attention attention = m->layers[number].attention;
    struct dropout dropout = tape_dropout(pass->tape, DROPOUT_PROBABILITIES, number);
    attention.dropout = &dropout;
    struct attention_positions positions = {.keys = tape->position_keys,
                                            .queries = tape->position_queries,
                                            .d_keys = b->relative->d_keys,
                                            .d_queries = b->relative->d_queries,
                                            .ld = ld,
                                            .sums = g->sums};
    attention_backward(&attention, b->relative->rows > 0 ? &positions : NULL, w.sequences, g->sequences, chunk->count,
                       g->attention_scratch, g->attention_floats);
    pass_clear_padding(g->d_query, only_first ? chunk->count : chunk->tokens, m->config.hidden_size, ld);
    pass_clear_padding(g->d_key_value, 2 * chunk->tokens, m->config.hidden_size, ld);
}

static size_t position_rows(const struct backward *b, size_t number)
{
    return relative_count(b->relative, b->pass->model, number, b->pass->tape);
}

/* Adds what flows from `count` position rows of a layer: to a projection's weights and to the rows. */
static void projection_backward(const struct backward *b, const struct linear *linear, const struct linear *gradient,
                                const float *rows, const float *d_out, size_t count, bool accumulate)
{
    const struct relative *r = b->relative;
    size_t first = r->first * linear->in_stride, first_out = r->first * linear->out_stride;
    weights_backward(b, linear, gradient, rows + first, d_out + first_out, count);
    if (trains_positions(b))
        linear_backward_input(linear, d_out + first_out, count, accumulate, r->d_layer + first, b->work->scratch);
}

static void positions_backward(const struct backward *b, size_t number)
{
    const struct relative *r = b->relative;
    if (r->rows == 0)
        return;
    const struct deberta_model *m = b->pass->model;
    const struct layer *layer = &m->layers[number], *gradient = &b->parameters->layers[number];
    const float *rows = b->pass->tape->layers[number].positions;
    size_t h = m->config.hidden_size, ld = m->hidden_stride, first = r->first * ld, count = position_rows(b, number);
    if (m->config.c2p) {
        bool shared = !layer->position_key.packed;
        struct linear linear = shared ? linear_part(&layer->key_value, 0, ld) : layer->position_key;
        projection_backward(b, &linear, shared ? &gradient->key_value : &gradient->position_key, rows, r->d_keys, count,
                            false);
    }
    if (m->config.p2c) {
        bool shared = !layer->position_query.packed;
        scale_apply(model_score_scale(&m->config), r->d_queries + first, count * ld);
        projection_backward(b, shared ? &layer->query : &layer->position_query,
                            shared ? &gradient->query : &gradient->position_query, rows, r->d_queries, count,
                            m->config.c2p);
    }
    if (!trains_positions(b))
        return;
    struct dropout dropout = tape_dropout(b->pass->tape, DROPOUT_POSITIONS, number);
    dropout_apply(&dropout, r->d_layer + first, NULL, count, h, ld, r->first * h, r->d_layer + first);
    add_apply(r->d_layer + first, r->d_normalised + first, count * ld);
}

static void clear_positions(const struct backward *b, size_t number)
{
    const struct relative *r = b->relative;
    size_t ld = b->pass->model->hidden_stride, count = position_rows(b, number);
    if (r->rows == 0)
        return;
    memset(r->d_keys + r->first * ld, 0, count * ld * sizeof(float));
    memset(r->d_queries + r->first * ld, 0, count * ld * sizeof(float));
}

/* From the gradient by a layer's output to that by its input, both g->d_x (T, H). Where queries are of other rows, for
 * first tokens or in a mask decoder, from that by its output to that by these rows, both g->d_rows (Q, H), and to
 * g->d_x through keys and values, which is added to if `accumulate`. */
static enum deberta_status layer_backward(const struct backward *b, const struct chunk *chunk, size_t number,
                                          bool only_first, bool accumulate)
{
    const struct deberta_model *m = b->pass->model;
    const struct layer *layer = &m->layers[number], *gradient = &b->parameters->layers[number];
    const struct layer_tape *tape = &b->pass->tape->layers[number];
    const struct gradients *g = b->work;
    size_t rows = only_first ? chunk->count : chunk->tokens, h = m->config.hidden_size, ld = m->hidden_stride;
    bool own_queries = tape->first;
    float *d_out = own_queries ? g->d_rows : g->d_x;

    normalisation_backward(b, &layer->final_norm, &gradient->final_norm, tape->final_sum, d_out, rows, g->d_sum);
    dropout_backward(b, DROPOUT_FEED_FORWARD, number, g->d_sum, rows, h, ld, g->d_dropped);
    feed_forward_backward(b, number, rows, g->d_sum);
    TRY(watch_check());
    normalisation_backward(b, &layer->attention_norm, &gradient->attention_norm, tape->attention_sum, g->d_sum, rows,
                           d_out);
    dropout_backward(b, DROPOUT_ATTENTION, number, d_out, rows, h, ld, g->d_dropped);
    weights_backward(b, &layer->output, &gradient->output, tape->context, g->d_dropped, rows);
    linear_backward_input(&layer->output, g->d_dropped, rows, false, g->d_context, g->scratch);

    clear_positions(b, number);
    attention_gradient(b, chunk, number, only_first);
    TRY(watch_check());
    scale_apply(model_score_scale(&m->config), g->d_query, rows * ld);
    weights_backward(b, &layer->query, &gradient->query, own_queries ? tape->first : tape->input, g->d_query, rows);
    weights_backward(b, &layer->key_value, &gradient->key_value, tape->input, g->d_key_value, chunk->tokens);
    positions_backward(b, number);
    if (!trains_below(b, number))
        return DEBERTA_OK;
    linear_backward_input(&layer->query, g->d_query, rows, true, d_out, g->scratch);
    linear_backward_input(&layer->key_value, g->d_key_value, chunk->tokens, !own_queries || accumulate, g->d_x,
                          g->scratch);
    return watch_check();
}

/* to[the first row of each sequence] += rows (N, H) */
static void add_to_first_rows(const struct backward *b, const struct chunk *chunk, const float *rows, float *to)
{
    size_t ld = b->pass->model->hidden_stride;
    for (size_t i = 0; i < chunk->count; i++) {
        float *row = to + (size_t)b->pass->batch->offsets[i] * ld;
        for (size_t c = 0; c < ld; c++)
            row[c] += rows[i * ld + c];
    }
}

/* ---- the convolution ---- */

/* Adds n rows of gradients (n, K H) to the rows (T, H) that convolution_unfold took them from. */
static void fold(const struct pass *pass, size_t row, size_t n, const float *unfolded, float *to)
{
    const struct deberta_model *m = pass->model;
    const int64_t *offsets = pass->batch->offsets;
    size_t h = m->config.hidden_size, kernel = m->config.conv_kernel_size, sequence = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t token = (int64_t)(row + i);
        while (offsets[sequence + 1] <= token)
            sequence++;
        for (size_t k = 0; k < kernel; k++) {
            int64_t from = token + (int64_t)k - (int64_t)(kernel / 2);
            if (from >= offsets[sequence] && from < offsets[sequence + 1])
                add_row(to, (size_t)from, m->hidden_stride, h, unfolded + i * m->conv.in_stride + k * h);
        }
    }
}

/* g->d_x: from the gradient by the output of the convolution to that by the first layer's output; g->d_input: by the
 * convolution's input. */
static void convolution_backward(const struct backward *b, const struct chunk *chunk)
{
    const struct deberta_model *m = b->pass->model, *p = b->parameters;
    const struct tape *tape = b->pass->tape;
    const struct gradients *g = b->work;
    size_t ld = m->hidden_stride, tokens = chunk->tokens;
    normalisation_backward(b, &m->conv_norm, &p->conv_norm, tape->conv_sum, g->d_x, tokens, g->d_x);
    memcpy(g->d_dropped, g->d_x, tokens * ld * sizeof(float));
    activation_backward(m->act.conv, tape->conv_dense, tokens, ld, g->d_dropped);
    dropout_backward(b, DROPOUT_CONVOLUTION, 0, g->d_dropped, tokens, m->config.hidden_size, ld, g->d_dropped);
    memset(g->d_input, 0, tokens * ld * sizeof(float));
    for (size_t row = 0; row < tokens && watch_check() == DEBERTA_OK; row += BLOCK_ROWS) {
        size_t n = min_size(BLOCK_ROWS, tokens - row);
        const float *d_out = g->d_dropped + row * ld;
        convolution_unfold(b->pass, chunk, tape->conv_input, row, n, g->unfolded);
        weights_backward(b, &m->conv, &p->conv, g->unfolded, d_out, n);
        linear_backward_input(&m->conv, d_out, n, false, g->unfolded, g->scratch);
        fold(b->pass, row, n, g->unfolded, g->d_input);
    }
}

/* ---- the head ---- */

/* From the gradient by logits to that by the rows that the output layer reads, or that are the logits. */
static enum deberta_status logits_backward(const struct backward *b)
{
    const struct deberta_model *m = b->pass->model, *p = b->parameters;
    const struct head_tape *tape = &b->pass->tape->head;
    const struct gradients *g = b->work;
    bool dense = m->head_dense.packed, out = m->head_out.packed;
    const float *in = dense ? tape->out_input : tape->input;
    float *d_in = dense ? g->d_pooled : g->d_rows, *d_out = out ? g->d_logits : g->d_pooled;
    if (!b->d_logits)
        return vocabulary_backward(b->vocabulary, in, b->scale, &p->head_out, d_in, g->scratch);
    size_t n = b->pass->tape->head_rows, columns = shapes_logit_columns(&m->config);
    size_t stride = out ? m->head_out.out_stride : m->head_stride;
    for (size_t i = 0; i < n; i++) {
        memcpy(d_out + i * stride, b->d_logits + i * columns, columns * sizeof(float));
        memset(d_out + i * stride + columns, 0, (stride - columns) * sizeof(float));
    }
    if (out) {
        weights_backward(b, &m->head_out, &p->head_out, in, d_out, n);
        linear_backward_input(&m->head_out, d_out, n, false, d_in, g->scratch);
    }
    return DEBERTA_OK;
}

/* From the gradient by logits to that by what the head's first linear layer reads, in g->d_rows (n, H). */
static enum deberta_status head_backward(const struct backward *b)
{
    const struct deberta_model *m = b->pass->model, *p = b->parameters;
    const struct head_tape *tape = &b->pass->tape->head;
    const struct gradients *g = b->work;
    bool dense = m->head_dense.packed, out = m->head_out.packed;
    size_t n = b->pass->tape->head_rows, ld = m->head_stride, d = m->config.head_size;
    TRY(logits_backward(b));
    if (dense && out)
        dropout_backward(b, DROPOUT_HEAD, 0, g->d_pooled, n, d, ld, g->d_pooled);
    if (tape->activated)
        normalisation_backward(b, &m->head_norm, &p->head_norm, tape->activated, g->d_pooled, n, g->d_pooled);
    if (dense) {
        activation_backward(m->act.head, tape->dense, n, ld, g->d_pooled);
        weights_backward(b, &m->head_dense, &p->head_dense, tape->input, g->d_pooled, n);
        linear_backward_input(&m->head_dense, g->d_pooled, n, false, g->d_rows, g->scratch);
    }
    dropout_backward(b, dense ? DROPOUT_POOLER : DROPOUT_HEAD, 0, g->d_rows, n, m->config.hidden_size, m->hidden_stride,
                     g->d_rows);
    if (tape->sum)
        normalisation_backward(b, &m->head_norm, &p->head_norm, tape->sum, g->d_rows, n, g->d_rows);
    return DEBERTA_OK;
}

/* From the rows that a head of tokens reads to all tokens: g->d_x. */
static void tokens_backward(const struct backward *b, const struct chunk *chunk)
{
    const struct deberta_batch *batch = b->pass->batch;
    const struct gradients *g = b->work;
    size_t ld = b->pass->model->hidden_stride;
    bool adds_first = b->pass->model->config.head == DEBERTA_REPLACED_TOKENS;
    const float *from = g->d_rows;
    memset(g->d_x, 0, chunk->tokens * ld * sizeof(float));
    for (size_t i = 0; i < chunk->count; i++) {
        float *first = g->d_x + (size_t)batch->offsets[i] * ld;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++) {
            if (batch->selected && !batch->selected[t])
                continue;
            for (size_t c = 0; c < ld; c++) {
                g->d_x[t * ld + c] += from[c];
                first[c] += adds_first ? from[c] : 0.0f;
            }
            from += ld;
        }
    }
}

/* ---- the ends ---- */

/* Adds the gradients of the tables, from those of the rows that are summed from them. */
static enum deberta_status tables_backward(const struct backward *b, float *d, size_t stride)
{
    const struct deberta_model *m = b->pass->model, *p = b->parameters;
    const struct deberta_batch *batch = b->pass->batch;
    size_t width = m->config.embedding_size, tokens = (size_t)batch->offsets[batch->count];
    for (size_t i = 0; i < batch->count; i++) {
        size_t position = batch->first ? (size_t)batch->first[i] : 0;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++, position++) {
            if (m->config.position_biased_input)
                add_row(at(p->absolute), position, width, width, d + t * stride);
            if (m->type)
                add_row(at(p->type), batch->types ? batch->types[t] : 0, width, width, d + t * stride);
            if (batch->ids[t] == b->padding)
                memset(d + t * stride, 0, width * sizeof(float));
        }
    }
    return b->words ? rows_add(b->words, batch->ids, tokens, d, stride) : DEBERTA_OK;
}

static enum deberta_status embeddings_backward(const struct backward *b, const struct chunk *chunk)
{
    const struct deberta_model *m = b->pass->model;
    const struct gradients *g = b->work;
    const uint8_t *mask = b->pass->batch->mask;
    size_t ld = m->hidden_stride;
    for (size_t t = 0; mask && t < chunk->tokens; t++)
        if (!mask[t])
            memset(g->d_x + t * ld, 0, ld * sizeof(float));
    dropout_backward(b, DROPOUT_EMBEDDINGS, 0, g->d_x, chunk->tokens, m->config.hidden_size, ld, g->d_x);
    normalisation_backward(b, &m->embedding_norm, &b->parameters->embedding_norm, b->pass->tape->embedding_sum, g->d_x,
                           chunk->tokens, g->d_sum);
    if (!g->d_embedded)
        return tables_backward(b, g->d_sum, ld);
    weights_backward(b, &m->projection, &b->parameters->projection, b->pass->tape->embedded, g->d_sum, chunk->tokens);
    linear_backward_input(&m->projection, g->d_sum, chunk->tokens, false, g->d_embedded, g->scratch);
    return tables_backward(b, g->d_embedded, m->embedding_stride);
}

/* Adds the gradient of the position table, through its LayerNorm. */
static void relative_backward(const struct backward *b)
{
    const struct deberta_model *m = b->pass->model, *p = b->parameters;
    const struct relative *r = b->relative;
    if (!trains_positions(b))
        return;
    size_t h = m->config.hidden_size, ld = m->hidden_stride, first = r->first * ld;
    if (m->relative_norm.gain)
        normalisation_backward(b, &m->relative_norm, &p->relative_norm, r->table + first, r->d_normalised + first,
                               r->count, r->d_normalised + first);
    for (size_t row = r->first; row < r->first + r->count; row++)
        add_row(at(p->relative), row, h, h, r->d_normalised + row * ld);
}

/* ---- the whole ---- */

/* The forward pass of a layer whose tape holds its input alone, with the same dropout. */
static enum deberta_status run_again(const struct backward *b, const struct chunk *chunk, size_t number)
{
    const struct pass *pass = b->pass;
    struct workspace w = context_workspace(pass->context, 0);
    memcpy(w.x, pass->tape->layers[number].input, chunk->tokens * pass->model->hidden_stride * sizeof(float));
    TRY(relative_project(b->relative, pass->model, number, pass->tape));
    return encode_layer(pass, chunk, &w, number);
}

/* The steps of the mask decoder: from the gradient by the last one's output, g->d_x, to that by the last layer's input.
 */
static enum deberta_status mask_decoder_backward(const struct backward *b, const struct chunk *chunk)
{
    const struct deberta_model *m = b->pass->model;
    const struct deberta_batch *batch = b->pass->batch;
    const struct gradients *g = b->work;
    size_t ld = m->hidden_stride, h = m->config.hidden_size;
    memcpy(g->d_rows, g->d_x, chunk->tokens * ld * sizeof(float));
    for (size_t step = 2; step-- > 0;) {
        struct tape tape = tape_of_step(b->pass->tape, step);
        struct pass pass = *b->pass;
        struct backward of_step = *b;
        pass.tape = &tape;
        of_step.pass = &pass;
        TRY(layer_backward(&of_step, chunk, m->config.layers - 1, false, step == 0));
    }
    add_apply(g->d_rows, g->d_x, chunk->tokens * ld);
    for (size_t i = 0; i < batch->count; i++) {
        size_t position = batch->first ? (size_t)batch->first[i] : 0;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++, position++)
            add_row(at(b->parameters->absolute), position, h, h, g->d_rows + t * ld);
    }
    return DEBERTA_OK;
}

/* From the gradient by the rows that the head reads, in g->d_rows, to that by the output of the encoder. */
static void choice_backward(const struct backward *b, const struct chunk *chunk)
{
    const struct pass *pass = b->pass;
    const struct gradients *g = b->work;
    if (head_reads_tokens(pass->model->config.head)) {
        tokens_backward(b, chunk);
    } else if (!pass->tape->only_first) {
        memset(g->d_x, 0, chunk->tokens * pass->model->hidden_stride * sizeof(float));
        add_to_first_rows(b, chunk, g->d_rows, g->d_x);
    }
}

enum deberta_status backward_run(const struct backward *b)
{
    const struct pass *pass = b->pass;
    const struct chunk *chunk = &pass->context->plan.chunks[0];
    const struct gradients *g = b->work;
    const struct relative *r = b->relative;
    size_t ld = pass->model->hidden_stride, layers = pass->model->config.layers, frozen = pass->tape->frozen;
    bool only_first = pass->tape->only_first, decoder = pass->model->config.enhanced_mask_decoder;
    if (r->rows > 0)
        memset(r->d_normalised + r->first * ld, 0, r->count * ld * sizeof(float));
    TRY(head_backward(b));
    if (frozen == layers)
        return DEBERTA_OK;
    choice_backward(b, chunk);
    for (size_t i = layers; i-- > frozen;) {
        bool last = i + 1 == layers;
        TRY(watch_check());
        if (pass->tape->inputs_only && i + 1 < tape_whole_layers(pass->tape, &pass->model->config))
            TRY(run_again(b, chunk, i));
        if (i == 0 && g->d_input)
            convolution_backward(b, chunk);
        TRY(last && decoder ? mask_decoder_backward(b, chunk) : layer_backward(b, chunk, i, last && only_first, false));
        if (last && only_first)
            add_to_first_rows(b, chunk, g->d_rows, g->d_x);
    }
    relative_backward(b);
    if (frozen > 0 || !trains_embeddings(b))
        return DEBERTA_OK;
    if (g->d_input)
        add_apply(g->d_input, g->d_x, chunk->tokens * ld);
    return embeddings_backward(b, chunk);
}
