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

struct tape tape_of_step(const struct tape *tape, size_t step)
{
    struct tape of_step = *tape;
    of_step.layers += step;
    of_step.seed += step; /* dropout of its own */
    return of_step;
}

static void lay_out_layer(struct layer_tape *l, const struct deberta_model *m, size_t tokens, size_t rows,
                          bool own_queries, struct arena *arena)
{
    size_t h = m->hidden_stride, positions = config_relative_rows(&m->config) * h;
    *l = (struct layer_tape){.input = arena_floats(arena, tokens * h)};
    l->first = own_queries ? arena_floats(arena, rows * h) : NULL;
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

/* The second step of the mask decoder reads the keys, values and positions of the first. */
static void lay_out_second_step(struct tape *tape, const struct deberta_model *m, size_t tokens, struct arena *arena)
{
    struct layer_tape *second = &tape->layers[m->config.layers];
    const struct layer_tape *first = second - 1;
    lay_out_layer(second, m, tokens, tokens, true, arena);
    second->input = first->input;
    second->key_value = first->key_value;
    second->positions = first->positions;
    second->position_keys = first->position_keys;
    second->position_queries = first->position_queries;
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
    bool begins = tape->frozen == 0, projected = begins && m->config.embedding_size != m->config.hidden_size;
    tape->embedded = projected ? arena_floats(arena, tokens * m->embedding_stride) : NULL;
    tape->embedding_sum = begins ? arena_floats(arena, tokens * m->hidden_stride) : NULL;
    bool convolved = begins && m->config.conv_kernel_size > 0;
    float **conv[] = {&tape->conv_input, &tape->conv_dense, &tape->conv_sum};
    for (size_t i = 0; i < sizeof conv / sizeof *conv; i++)
        *conv[i] = convolved ? arena_floats(arena, tokens * m->hidden_stride) : NULL;
    for (size_t i = tape->frozen; i < m->config.layers; i++) {
        bool last = i + 1 == m->config.layers, only_first = last && tape->only_first;
        if (tape->inputs_only && tape->frozen < i && i < tape_whole_layers(tape, &m->config)) {
            tape->layers[i] = tape->layers[tape->frozen];
            tape->layers[i].input = arena_floats(arena, tokens * m->hidden_stride);
            continue;
        }
        lay_out_layer(&tape->layers[i], m, tokens, only_first ? sequences : tokens,
                      only_first || (last && m->config.enhanced_mask_decoder), arena);
    }
    if (m->config.enhanced_mask_decoder)
        lay_out_second_step(tape, m, tokens, arena);
    tape->head_rows = head_rows;
    lay_out_head(&tape->head, m, head_rows, arena);
}
