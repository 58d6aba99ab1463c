/* SPDX-License-Identifier: Apache-2.0 */
#include "model/embeddings.h"

#include "base/threads.h"

#define OPERATIONS_OF_ROW 20 /* approximate cost per copied element, including memory access */

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

static void keep(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    memcpy(pass->tape->embedding_sum, w->x, chunk->tokens * m->hidden_stride * sizeof(float));
    if (w->embedded)
        memcpy(pass->tape->embedded, w->embedded, chunk->tokens * m->embedding_stride * sizeof(float));
}

enum deberta_status embeddings_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    const struct tape *tape = tape_of_layer(pass->tape, 0);
    struct embedding e = {.pass = pass, .chunk = chunk, .out = w->x, .stride = m->hidden_stride};
    if (w->embedded)
        e.out = w->embedded, e.stride = m->embedding_stride;
    double operations = OPERATIONS_OF_ROW * (double)(chunk->tokens / chunk->count * e.stride);
    parallel_for(chunk->count, threads_grain(operations), embed_sequence, &e);
    pass_clear_padding(e.out, chunk->tokens, m->config.embedding_size, e.stride);
    if (w->embedded)
        TRY(linear_apply(&m->projection, w->embedded, chunk->tokens, ACT_LINEAR, w->x));
    if (tape)
        keep(pass, chunk, w);
    norm_apply(&m->embedding_norm, NULL, w->x, chunk->tokens);
    if (tape) {
        struct dropout dropout = tape_dropout(tape, DROPOUT_EMBEDDINGS, 0);
        dropout_apply(&dropout, w->x, NULL, chunk->tokens, m->config.hidden_size, m->hidden_stride, 0, w->x);
    }
    for (size_t t = 0; pass->batch->mask && t < chunk->tokens; t++)
        if (!pass->batch->mask[chunk->token + t])
            memset(w->x + t * m->hidden_stride, 0, m->hidden_stride * sizeof(float));
    if (w->input)
        memcpy(w->input, w->x, chunk->tokens * m->hidden_stride * sizeof(float));
    return DEBERTA_OK;
}

void embeddings_add_positions(const struct pass *pass, const struct chunk *chunk, float *x)
{
    const struct deberta_model *m = pass->model;
    const struct deberta_batch *batch = pass->batch;
    for (size_t i = chunk->sequence; i < chunk->sequence + chunk->count; i++) {
        size_t position = batch->first ? (size_t)batch->first[i] : 0;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++, position++)
            add_row(x + (t - chunk->token) * m->hidden_stride, m->absolute, position, m->config.hidden_size);
    }
}
