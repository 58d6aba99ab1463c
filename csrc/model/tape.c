/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tape.h"

struct dropout tape_dropout(const struct tape *tape, enum dropout_place place, size_t layer)
{
    float probability = place == DROPOUT_PROBABILITIES ? tape->attention_dropout
                        : place == DROPOUT_POOLER      ? tape->pooler_dropout
                        : place == DROPOUT_HEAD        ? tape->head_dropout
                                                       : tape->hidden_dropout;
    return dropout_site(probability, tape->seed, layer * DROPOUT_PLACES + (size_t)place);
}

static void lay_out_layer(struct layer_tape *l, const struct deberta_model *m, size_t tokens, size_t rows,
                          bool only_first, struct arena *arena)
{
    size_t h = m->hidden_stride, positions = config_relative_rows(&m->config) * h;
    *l = (struct layer_tape){.input = arena_floats(arena, tokens * h)};
    l->first = only_first ? arena_floats(arena, rows * h) : NULL;
    l->query = arena_floats(arena, rows * h);
    l->key_value = arena_floats(arena, tokens * 2 * h);
    l->context = arena_floats(arena, rows * h);
    l->attention_sum = arena_floats(arena, rows * h);
    l->attended = arena_floats(arena, rows * h);
    l->up = arena_floats(arena, rows * m->layers[0].up.out_stride);
    l->final_sum = arena_floats(arena, rows * h);
    l->positions = positions ? arena_floats(arena, positions) : NULL;
    l->position_keys = positions && m->config.c2p ? arena_floats(arena, positions) : NULL;
    l->position_queries = positions && m->config.p2c ? arena_floats(arena, positions) : NULL;
}

static void lay_out_head(struct head_tape *head, const struct deberta_model *m, size_t rows, struct arena *arena)
{
    bool dense = m->head_dense.packed, out = m->head_out.packed;
    *head = (struct head_tape){0};
    head->sum = m->config.head == DEBERTA_REPLACED_TOKENS ? arena_floats(arena, rows * m->hidden_stride) : NULL;
    head->input = arena_floats(arena, rows * m->hidden_stride);
    head->dense = dense ? arena_floats(arena, rows * m->head_stride) : NULL;
    head->activated = m->config.head == DEBERTA_MASKED_LM ? arena_floats(arena, rows * m->head_stride) : NULL;
    head->out_input = dense && out ? arena_floats(arena, rows * m->head_stride) : NULL;
}

void tape_lay_out(struct tape *tape, const struct deberta_model *m, size_t tokens, size_t sequences, size_t head_rows,
                  struct arena *arena)
{
    bool projected = m->config.embedding_size != m->config.hidden_size;
    tape->embedded = projected ? arena_floats(arena, tokens * m->embedding_stride) : NULL;
    tape->embedding_sum = arena_floats(arena, tokens * m->hidden_stride);
    for (size_t i = 0; i < m->config.layers; i++) {
        bool only_first = tape->only_first && i + 1 == m->config.layers;
        lay_out_layer(&tape->layers[i], m, tokens, only_first ? sequences : tokens, only_first, arena);
    }
    tape->head_rows = head_rows;
    lay_out_head(&tape->head, m, head_rows, arena);
}
