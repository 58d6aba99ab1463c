/* SPDX-License-Identifier: Apache-2.0 */
#include "model/convolution.h"

#include "nn/elementwise.h"

void convolution_unfold(const struct pass *pass, const struct chunk *chunk, const float *input, size_t row, size_t n,
                        float *unfolded)
{
    const struct deberta_model *m = pass->model;
    const int64_t *offsets = pass->batch->offsets;
    size_t h = m->config.hidden_size, kernel = m->config.conv_kernel_size, sequence = chunk->sequence;
    for (size_t i = 0; i < n; i++) {
        int64_t token = (int64_t)(chunk->token + row + i);
        while (offsets[sequence + 1] <= token)
            sequence++;
        float *to = unfolded + i * m->conv.in_stride;
        for (size_t k = 0; k < kernel; k++, to += h) {
            int64_t from = token + (int64_t)k - (int64_t)(kernel / 2);
            if (from < offsets[sequence] || from >= offsets[sequence + 1])
                memset(to, 0, h * sizeof *to);
            else
                memcpy(to, input + ((size_t)from - chunk->token) * m->hidden_stride, h * sizeof *to);
        }
    }
    pass_clear_padding(unfolded, n, m->conv.in, m->conv.in_stride);
}

/* For a tape: dropout before the activation; keeps what the activation and the LayerNorm read. */
static void finish_taped(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    const struct tape *tape = pass->tape;
    size_t h = m->config.hidden_size, ld = m->hidden_stride, floats = chunk->tokens * ld;
    struct dropout dropout = tape_dropout(tape, DROPOUT_CONVOLUTION, 0);
    memcpy(tape->conv_input, w->input, floats * sizeof(float));
    dropout_apply(&dropout, w->y, NULL, chunk->tokens, h, ld, 0, tape->conv_dense);
    activation_apply(m->act.conv, tape->conv_dense, chunk->tokens, ld, tape->conv_sum);
    add_apply(w->x, tape->conv_sum, floats);
    norm_forward(&m->conv_norm, tape->conv_sum, w->x, chunk->tokens);
}

enum deberta_status convolution_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    const struct tape *tape = tape_of_layer(pass->tape, 0);
    size_t block = workspace_block_rows(chunk->tokens);
    for (size_t row = 0; row < chunk->tokens; row += block) {
        size_t n = min_size(block, chunk->tokens - row);
        convolution_unfold(pass, chunk, w->input, row, n, w->unfolded);
        TRY(linear_apply(&m->conv, w->unfolded, n, tape ? ACT_LINEAR : m->act.conv, w->y + row * m->hidden_stride));
    }
    if (tape)
        finish_taped(pass, chunk, w);
    else
        norm_apply(&m->conv_norm, w->y, w->x, chunk->tokens);
    return DEBERTA_OK;
}
