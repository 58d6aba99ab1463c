/* SPDX-License-Identifier: Apache-2.0 */
#include "train/relative.h"

#include <string.h>

#include "model/pass.h"
#include "nn/elementwise.h"
#include "nn/position_table.h"

void relative_lay_out(struct relative *r, const struct deberta_model *m, struct arena *arena)
{
    size_t rows = config_relative_rows(&m->config), floats = rows * m->hidden_stride;
    *r = (struct relative){.rows = rows};
    float **arrays[] = {&r->table,  &r->normalised, &r->reversed, &r->keys,        &r->queries,
                        &r->d_keys, &r->d_queries,  &r->d_layer,  &r->d_normalised};
    for (size_t i = 0; rows > 0 && i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = arena_floats(arena, floats);
    const struct linear *projection =
        &m->layers[m->config.layers - 1].query; /* trained if one is; all read H numbers */
    r->scratch = arena_floats(arena, linear_apply_scratch(projection, rows) / sizeof(float));
}

void relative_begin(struct relative *r, const struct deberta_model *m, size_t length)
{
    if (r->rows == 0)
        return;
    size_t h = m->config.hidden_size, ld = m->hidden_stride, last = 0;
    r->first = r->rows;
    for (ptrdiff_t distance = 1 - (ptrdiff_t)length; distance < (ptrdiff_t)length; distance++) {
        size_t row = distance_row(&m->distances, distance);
        r->first = min_size(r->first, row);
        last = max_size(last, row);
    }
    r->count = last + 1 - r->first;
    r->ahead = distance_row(&m->distances, 0) + 1 - r->first;
    for (size_t row = r->first; row <= last; row++)
        memcpy(r->table + row * ld, m->relative + row * h, h * sizeof(float));
    if (m->relative_norm.gain)
        norm_forward(&m->relative_norm, r->table + r->first * ld, r->normalised + r->first * ld, r->count);
    else
        memcpy(r->normalised + r->first * ld, r->table + r->first * ld, r->count * ld * sizeof(float));
}

size_t relative_count(const struct relative *r, const struct deberta_model *m, size_t number, const struct tape *tape)
{
    return tape && tape->only_first && number + 1 == m->config.layers ? r->ahead : r->count;
}

/* Packs `count` projected rows from `first` on for attention. */
static void pack(const struct deberta_model *m, const float *rows, size_t first, size_t count, float *table)
{
    position_table_update(&m->distances, m->config.heads, m->config.hidden_size / m->config.heads, rows,
                          m->hidden_stride, first, first + count, table);
}

static enum deberta_status project_keys(const struct relative *r, const struct deberta_model *m,
                                        const struct layer *layer, const float *rows, size_t count, float *keys)
{
    size_t ld = m->hidden_stride, first = r->first * ld;
    struct linear linear = layer->position_key.packed ? layer->position_key : linear_part(&layer->key_value, 0, ld);
    TRY(linear_apply_with(&linear, rows + first, count, ACT_LINEAR, keys + first, r->scratch));
    size_t begin = r->rows - r->first - count; /* the first row in the order from the last to the first */
    for (size_t i = 0; i < count; i++)
        memcpy(r->reversed + (begin + i) * ld, keys + (r->first + count - 1 - i) * ld, ld * sizeof(float));
    pack(m, r->reversed, begin, count, layer->position_tables);
    return DEBERTA_OK;
}

static enum deberta_status project_queries(const struct relative *r, const struct deberta_model *m,
                                           const struct layer *layer, const float *rows, size_t count, float *queries)
{
    size_t ld = m->hidden_stride, first = r->first * ld;
    const struct linear *linear = layer->position_query.packed ? &layer->position_query : &layer->query;
    TRY(linear_apply_with(linear, rows + first, count, ACT_LINEAR, queries + first, r->scratch));
    scale_apply(model_score_scale(&m->config), queries + first, count * ld);
    pack(m, queries, r->first, count,
         layer->position_tables + (layer->attention.position_queries - layer->position_tables));
    return DEBERTA_OK;
}

enum deberta_status relative_project(const struct relative *r, const struct deberta_model *m, size_t number,
                                     const struct tape *tape)
{
    if (r->rows == 0)
        return DEBERTA_OK;
    const struct layer *layer = &m->layers[number];
    const struct layer_tape *kept = tape ? &tape->layers[number] : NULL;
    const float *rows = r->normalised;
    size_t count = relative_count(r, m, number, tape);
    if (kept) {
        struct dropout dropout = tape_dropout(tape, DROPOUT_POSITIONS, number);
        size_t h = m->config.hidden_size, ld = m->hidden_stride, first = r->first * ld;
        dropout_apply(&dropout, rows + first, NULL, count, h, ld, r->first * h, kept->positions + first);
        pass_clear_padding(kept->positions + first, count, h, ld);
        rows = kept->positions;
    }
    if (m->config.c2p)
        TRY(project_keys(r, m, layer, rows, count, kept ? kept->position_keys : r->keys));
    if (m->config.p2c)
        TRY(project_queries(r, m, layer, rows, count, kept ? kept->position_queries : r->queries));
    return DEBERTA_OK;
}
