/* SPDX-License-Identifier: Apache-2.0 */
#include "model/head.h"

#include <string.h>

#include "model/shapes.h"
#include "nn/elementwise.h"

/* Copies the rows of the selected tokens to w->chosen and, if the head adds it, the first row of each one's sequence to
 * w->y. Returns how many. */
static size_t choose(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_batch *batch = pass->batch;
    size_t ld = pass->model->hidden_stride, chosen = 0;
    bool adds_first = pass->model->config.head == DEBERTA_REPLACED_TOKENS;
    for (size_t i = chunk->sequence; i < chunk->sequence + chunk->count; i++) {
        const float *first = w->x + ((size_t)batch->offsets[i] - chunk->token) * ld;
        for (size_t t = (size_t)batch->offsets[i]; t < (size_t)batch->offsets[i + 1]; t++) {
            if (batch->selected && !batch->selected[t])
                continue;
            memcpy(w->chosen + chosen * ld, w->x + (t - chunk->token) * ld, ld * sizeof(float));
            if (adds_first)
                memcpy(w->y + chosen * ld, first, ld * sizeof(float));
            chosen++;
        }
    }
    return chosen;
}

/* What the layers of a head read: `rows` (n, H) and w->pooled (n, D), after dropout if there is a tape, which keeps
 * them; row `at` is the first of the n in the batch. */
static const float *dropped(const struct pass *pass, enum dropout_place place, const float *x, size_t n, size_t at,
                            size_t columns, size_t stride, float *kept)
{
    if (!pass->tape)
        return x;
    struct dropout dropout = tape_dropout(pass->tape, place, 0);
    dropout_apply(&dropout, x, NULL, n, columns, stride, at * columns, kept + at * stride);
    return kept + at * stride;
}

/* w->pooled (n, D) = the activation of the dense layer, and for masked tokens its LayerNorm. */
static enum deberta_status pool(const struct pass *pass, const float *rows, size_t n, size_t at,
                                const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    bool normalised = m->config.head == DEBERTA_MASKED_LM;
    if (pass->tape) {
        float *dense = pass->tape->head.dense + at * m->head_stride;
        TRY(linear_apply(&m->head_dense, rows, n, ACT_LINEAR, dense));
        activation_apply(m->act.head, dense, n, m->head_stride, w->pooled);
        if (normalised)
            memcpy(pass->tape->head.activated + at * m->head_stride, w->pooled, n * m->head_stride * sizeof(float));
    } else {
        TRY(linear_apply(&m->head_dense, rows, n, m->act.head, w->pooled));
    }
    if (normalised)
        norm_apply(&m->head_norm, NULL, w->pooled, n);
    return DEBERTA_OK;
}

/* Logits of n rows (n, H): dense, LayerNorm and out, as far as the head has them. Without `logits` a tape keeps what
 * `out` reads. */
static enum deberta_status apply(const struct pass *pass, const float *rows, size_t n, size_t at,
                                 const struct workspace *w, float *logits)
{
    const struct deberta_model *m = pass->model;
    const struct head_tape *tape = pass->tape ? &pass->tape->head : NULL;
    size_t outputs = shapes_logit_columns(&m->config), stride = m->hidden_stride;
    bool dense = m->head_dense.packed;
    rows = dropped(pass, dense ? DROPOUT_POOLER : DROPOUT_HEAD, rows, n, at, m->config.hidden_size, stride,
                   tape ? tape->input : NULL);
    if (dense) {
        TRY(pool(pass, rows, n, at, w));
        rows = w->pooled, stride = m->head_stride;
    }
    if (dense && m->head_out.packed)
        rows = dropped(pass, DROPOUT_HEAD, rows, n, at, m->config.head_size, stride, tape ? tape->out_input : NULL);
    if (!logits)
        return DEBERTA_OK;
    if (m->head_out.packed) {
        TRY(linear_apply(&m->head_out, rows, n, ACT_LINEAR, w->logits));
        rows = w->logits, stride = m->head_out.out_stride;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(logits + i * outputs, rows + i * stride, outputs * sizeof *logits);
    return DEBERTA_OK;
}

enum deberta_status head_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    const float *rows = w->first;
    size_t count = chunk->count;
    if (head_reads_tokens(m->config.head)) {
        count = choose(pass, chunk, w);
        rows = w->chosen;
        if (m->config.head == DEBERTA_REPLACED_TOKENS && pass->tape) {
            memcpy(pass->tape->head.sum, w->chosen, count * m->hidden_stride * sizeof(float));
            add_apply(w->y, pass->tape->head.sum, count * m->hidden_stride);
        }
        if (m->config.head == DEBERTA_REPLACED_TOKENS)
            norm_apply(&m->head_norm, w->y, w->chosen, count);
    }
    size_t block = workspace_head_rows(m, count);
    for (size_t row = 0; row < count; row += block) {
        float *logits = pass->outputs->logits;
        if (logits)
            logits += (chunk->logit_row + row) * shapes_logit_columns(&m->config);
        TRY(apply(pass, rows + row * m->hidden_stride, min_size(block, count - row), row, w, logits));
    }
    return DEBERTA_OK;
}
