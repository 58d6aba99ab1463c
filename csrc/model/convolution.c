/* SPDX-License-Identifier: Apache-2.0 */
#include "model/convolution.h"

/* Each row of `to` holds the K rows of the input around its token, with zeros outside the sequence. */
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
    pass_clear_padding(w->unfolded, n, m->conv.in, m->conv.in_stride);
}

enum deberta_status convolution_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    size_t block = workspace_block_rows(chunk->tokens);
    for (size_t row = 0; row < chunk->tokens; row += block) {
        size_t n = min_size(block, chunk->tokens - row);
        unfold(pass, chunk, w, row, n);
        TRY(linear_apply(&m->conv, w->unfolded, n, m->act.conv, w->y + row * m->hidden_stride));
    }
    norm_apply(&m->conv_norm, w->y, w->x, chunk->tokens);
    return DEBERTA_OK;
}
