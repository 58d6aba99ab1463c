/* SPDX-License-Identifier: Apache-2.0 */
#include "train/parameters.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/params.h"

/* ---- the arrays of the gradients ---- */

static void lay_out_linear(const struct linear *of, struct linear *gradient, struct arena *arena)
{
    *gradient = (struct linear){.in = of->in, .in_stride = of->in_stride, .out_stride = of->out_stride};
    if (!of->packed)
        return;
    gradient->packed = arena_floats(arena, of->out_stride * of->in);
    gradient->bias = arena_floats(arena, of->out_stride);
}

static void lay_out_norm(const struct norm *of, struct norm *gradient, struct arena *arena)
{
    *gradient = (struct norm){.size = of->size, .stride = of->stride};
    if (!of->gain)
        return;
    gradient->gain = arena_floats(arena, of->size);
    gradient->bias = arena_floats(arena, of->size);
}

static void lay_out_layer(const struct layer *of, struct layer *gradient, struct arena *arena)
{
    lay_out_linear(&of->query, &gradient->query, arena);
    lay_out_linear(&of->key_value, &gradient->key_value, arena);
    lay_out_linear(&of->output, &gradient->output, arena);
    lay_out_linear(&of->up, &gradient->up, arena);
    lay_out_linear(&of->down, &gradient->down, arena);
    lay_out_linear(&of->position_key, &gradient->position_key, arena);
    lay_out_linear(&of->position_query, &gradient->position_query, arena);
    lay_out_norm(&of->attention_norm, &gradient->attention_norm, arena);
    lay_out_norm(&of->final_norm, &gradient->final_norm, arena);
}

static void lay_out(const struct deberta_model *m, struct deberta_model *g, struct arena *arena)
{
    const struct deberta_config *c = &m->config;
    g->absolute = m->absolute ? arena_floats(arena, c->max_positions * c->embedding_size) : NULL;
    g->type = m->type ? arena_floats(arena, c->type_vocab_size * c->embedding_size) : NULL;
    g->relative = m->relative ? arena_floats(arena, config_relative_rows(c) * c->hidden_size) : NULL;
    lay_out_norm(&m->relative_norm, &g->relative_norm, arena);
    lay_out_norm(&m->embedding_norm, &g->embedding_norm, arena);
    lay_out_norm(&m->conv_norm, &g->conv_norm, arena);
    lay_out_norm(&m->head_norm, &g->head_norm, arena);
    lay_out_linear(&m->projection, &g->projection, arena);
    lay_out_linear(&m->conv, &g->conv, arena);
    lay_out_linear(&m->head_dense, &g->head_dense, arena);
    lay_out_linear(&m->head_out, &g->head_out, arena);
    for (size_t i = 0; i < c->layers; i++)
        lay_out_layer(&m->layers[i], &g->layers[i], arena);
}

/* ---- the list ---- */

/* Where the values or gradients of a parameter lie. */
struct location {
    float *values;
    bool panels;
};

/* A part of a linear layer with `rows` outputs; all parts of a fused one have as many. */
static struct location panels_of(const struct linear *linear, size_t part, size_t rows)
{
    return (struct location){linear->packed + part * round_up(rows, kernels->panel_width) * linear->in, true};
}

static struct location bias_of(const struct linear *linear, size_t part, size_t rows)
{
    return (struct location){linear->bias + part * round_up(rows, kernels->panel_width), false};
}

static struct location values_of(const float *values)
{
    return (struct location){(float *)(uintptr_t)values, false};
}

#define PANELS(linear, part) panels_of(&(linear), part, outputs)
#define BIAS(linear, part) bias_of(&(linear), part, outputs)
#define VALUES(pointer) values_of(pointer)

static size_t floats_of(size_t rows, size_t columns, bool panels)
{
    return (panels ? round_up(rows, kernels->panel_width) : rows) * max_size(columns, 1);
}

/* Only counts when there is no list yet. */
static void append(struct parameters *p, const char *name, size_t rows, size_t columns, struct location value,
                   struct location gradient)
{
    struct parameter *new = p->list ? &p->list[p->count] : NULL;
    p->count++;
    if (!new)
        return;
    bool dense = gradient.values; /* not the word table: see train/rows.h */
    size_t offset = dense ? (size_t)(gradient.values - p->gradient_block) : 0;
    *new = (struct parameter){.rows = rows,
                              .columns = columns,
                              .panels = value.panels,
                              .floats = floats_of(rows, columns, value.panels),
                              .value = value.values,
                              .gradient = gradient.values,
                              .first = dense ? p->first_block + offset : NULL,
                              .second = dense ? p->second_block + offset : NULL,
                              .trainable = true,
                              .decays = columns > 0,
                              .rate = 1.0f};
    snprintf(new->name, sizeof new->name, "%s", name);
}

static void list_model(struct parameters *p)
{
    const struct deberta_model *m = p->model;
    CONFIG_LETTERS(&p->model->config);
#define P(member, name, rows, columns, needed, place)                                                                  \
    if (needed) {                                                                                                      \
        const size_t outputs = rows;                                                                                   \
        m = &p->gradients;                                                                                             \
        struct location gradient = place;                                                                              \
        m = p->model;                                                                                                  \
        append(p, name, outputs, columns, place, gradient);                                                            \
    }
    PARAMS_OF_MODEL(P)
#undef P
}

static void list_layer(struct parameters *p, size_t number)
{
    const struct layer *l;
    CONFIG_LETTERS(&p->model->config);
    char full[112];
#define P(member, name, rows, columns, needed, place)                                                                  \
    if (needed) {                                                                                                      \
        const size_t outputs = rows;                                                                                   \
        l = &p->gradients.layers[number];                                                                              \
        struct location gradient = place;                                                                              \
        l = &p->model->layers[number];                                                                                 \
        snprintf(full, sizeof full, "deberta.encoder.layer.%zu.%s", number, name);                                     \
        append(p, full, outputs, columns, place, gradient);                                                            \
    }
    PARAMS_OF_LAYER(P)
#undef P
}

static void list_all(struct parameters *p)
{
    p->count = 0;
    list_model(p);
    for (size_t i = 0; i < p->model->config.layers; i++)
        list_layer(p, i);
}

enum deberta_status parameters_init(struct parameters *p, struct deberta_model *model)
{
    *p = (struct parameters){.model = model};
    void *block;
    TRY(memory_calloc(model->config.layers, sizeof(struct layer), &block));
    p->gradients.layers = block;
    struct arena arena = {0};
    lay_out(model, &p->gradients, &arena);
    p->block_bytes = arena.used;
    float **blocks[] = {&p->gradient_block, &p->first_block, &p->second_block};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        TRY(memory_calloc(arena.used, 1, &block));
        *blocks[i] = block;
    }
    arena = (struct arena){.base = (char *)p->gradient_block};
    lay_out(model, &p->gradients, &arena);
    list_all(p);
    TRY(memory_calloc(p->count, sizeof(struct parameter), &block));
    p->list = block;
    list_all(p);
    return DEBERTA_OK;
}

void parameters_release(struct parameters *p)
{
    memory_free(p->gradients.layers);
    memory_free(p->gradient_block);
    memory_free(p->first_block);
    memory_free(p->second_block);
    memory_free(p->list);
    *p = (struct parameters){0};
}

/* ---- reading and writing ---- */

/* The index in the values of element (row, column). */
static size_t index_of(const struct parameter *p, size_t row, size_t column)
{
    size_t width = kernels->panel_width;
    return p->panels ? (row / width * p->columns + column) * width + row % width : row * p->columns + column;
}

void parameter_read(const struct parameter *p, const float *part, float *out)
{
    if (!p->panels) {
        memcpy(out, part, p->floats * sizeof *out);
        return;
    }
    for (size_t row = 0; row < p->rows; row++)
        for (size_t column = 0; column < p->columns; column++)
            *out++ = part[index_of(p, row, column)];
}

void parameter_write(const struct parameter *p, float *part, const float *in)
{
    if (!p->panels) {
        memcpy(part, in, p->floats * sizeof *part);
        return;
    }
    for (size_t row = 0; row < p->rows; row++)
        for (size_t column = 0; column < p->columns; column++)
            part[index_of(p, row, column)] = *in++;
}
