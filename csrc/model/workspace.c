/* SPDX-License-Identifier: Apache-2.0 */
#include "model/workspace.h"

#define BLOCK_ROWS                                                                                                     \
    192 /* rows of the feed-forward network at a time, so that its inner activations stay in the cache                 \
         */
#define HEAD_FLOATS ((size_t)1 << 22) /* logits of the vocabulary computed at a time */

size_t workspace_block_rows(size_t tokens)
{
    size_t blocks = (tokens + BLOCK_ROWS - 1) / BLOCK_ROWS;
    return min_size(round_up((tokens + blocks - 1) / blocks, kernels->row_group), BLOCK_ROWS);
}

size_t workspace_head_rows(const struct deberta_model *model, size_t rows)
{
    size_t most = HEAD_FLOATS / max_size(model->head_out.out_stride, 1);
    return min_size(rows, max_size(most, kernels->row_group));
}

/* The bytes for any linear layer of the encoder. */
static size_t scratch_bytes(const struct deberta_model *m, size_t tokens)
{
    size_t bytes = 0, block = min_size(BLOCK_ROWS, tokens);
    for (size_t i = 0; i < m->config.layers; i++) {
        const struct layer *layer = &m->layers[i];
        bytes = max_size(bytes, linear_apply_scratch(&layer->query, tokens));
        bytes = max_size(bytes, linear_apply_scratch(&layer->key_value, tokens));
        bytes = max_size(bytes, linear_apply_scratch(&layer->output, tokens));
        bytes = max_size(bytes, linear_apply_scratch(&layer->up, block));
        bytes = max_size(bytes, linear_apply_scratch(&layer->down, block));
    }
    return bytes;
}

/* The feed-forward network takes the place of what attention has read; a decoder reads its keys and values twice. */
static void lay_out_layer(const struct deberta_model *m, size_t tokens, struct arena *arena, struct workspace *w)
{
    size_t h = m->hidden_stride, up = min_size(BLOCK_ROWS, tokens) * m->layers[0].up.out_stride;
    bool decoder = m->config.enhanced_mask_decoder;
    w->key_value = arena_floats(arena, decoder ? tokens * 2 * h : max_size(tokens * 3 * h, up));
    w->context = decoder ? arena_floats(arena, tokens * h) : w->key_value ? w->key_value + tokens * 2 * h : NULL;
    w->up = decoder ? arena_floats(arena, up) : w->key_value;
}

struct workspace workspace_lay_out(const struct deberta_model *m, const struct plan *plan, struct arena *arena)
{
    size_t h = m->hidden_stride, tokens = plan->max_tokens, sequences = plan->max_sequences;
    bool projected = m->config.embedding_size != m->config.hidden_size;
    size_t per_sequence = round_up(sizeof(struct attention_sequence), sizeof(float)) / sizeof(float);
    struct workspace w = {.x = arena_floats(arena, tokens * h)};
    w.y = w.query = arena_floats(arena, tokens * h); /* queries are read before the output of a layer is written */
    lay_out_layer(m, tokens, arena, &w);
    w.scratch = arena_floats(arena, (scratch_bytes(m, tokens) + sizeof(float) - 1) / sizeof(float));
    w.embedded = projected ? arena_floats(arena, tokens * m->embedding_stride) : NULL;
    bool convolved = m->config.conv_kernel_size > 0, of_tokens = head_reads_tokens(m->config.head);
    size_t head_rows = workspace_head_rows(m, of_tokens ? tokens : sequences);
    w.input = convolved ? arena_floats(arena, tokens * h) : NULL;
    w.unfolded = convolved ? arena_floats(arena, min_size(BLOCK_ROWS, tokens) * m->conv.in_stride) : NULL;
    w.decoded = m->config.enhanced_mask_decoder ? arena_floats(arena, tokens * h) : NULL;
    w.first = arena_floats(arena, sequences * h);
    w.chosen = of_tokens ? arena_floats(arena, tokens * h) : NULL;
    w.pooled = arena_floats(arena, head_rows * m->head_stride);
    w.logits = arena_floats(arena, head_rows * m->head_out.out_stride);
    w.sequences = (struct attention_sequence *)(void *)arena_floats(arena, sequences * per_sequence);
    return w;
}
