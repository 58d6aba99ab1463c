/* SPDX-License-Identifier: Apache-2.0 */
#include "model/head.h"

#include <string.h>

#include "model/shapes.h"

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

/* Logits of n rows (n, H): dense, LayerNorm and out, as far as the head has them. */
static enum deberta_status apply(const struct deberta_model *m, const float *rows, size_t n, const struct workspace *w,
                                 float *logits)
{
    enum deberta_head head = m->config.head;
    size_t outputs = shapes_logit_columns(&m->config), stride = m->hidden_stride;
    if (m->head_dense.packed) {
        TRY(linear_apply(&m->head_dense, rows, n, m->act.head, w->pooled));
        if (head == DEBERTA_MASKED_LM)
            norm_apply(&m->head_norm, NULL, w->pooled, n);
        rows = w->pooled, stride = m->head_stride;
    }
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
        if (m->config.head == DEBERTA_REPLACED_TOKENS)
            norm_apply(&m->head_norm, w->y, w->chosen, count);
    }
    size_t block = workspace_head_rows(m, count);
    for (size_t row = 0; row < count; row += block)
        TRY(apply(m, rows + row * m->hidden_stride, min_size(block, count - row), w,
                  pass->outputs->logits + (chunk->logit_row + row) * shapes_logit_columns(&m->config)));
    return DEBERTA_OK;
}
