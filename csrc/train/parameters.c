/* SPDX-License-Identifier: Apache-2.0 */
#include "train/parameters.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/params.h"

/* ---- the list ---- */

/* Where the values or gradients of a parameter lie. */
struct location {
    float *values;
    bool panels;
};

/* A part of a linear layer with `rows` outputs; all parts of a fused one have as many. */
static struct location panels_of(const struct linear *linear, size_t part, size_t rows)
{
    size_t offset = part * round_up(rows, kernels->panel_width) * linear->in;
    return (struct location){linear->packed ? linear->packed + offset : NULL, true};
}

static struct location bias_of(const struct linear *linear, size_t part, size_t rows)
{
    size_t offset = part * round_up(rows, kernels->panel_width);
    return (struct location){linear->bias ? linear->bias + offset : NULL, false};
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

/* Only counts when there is no list yet; of a parameter that is listed already, only its gradient is new. */
static void append(struct parameters *p, const char *name, size_t layer, size_t rows, size_t columns,
                   struct location value, struct location gradient)
{
    struct parameter *new = p->list ? &p->list[p->count] : NULL;
    p->count++;
    if (!new)
        return;
    new->gradient = gradient.values;
    if (new->value)
        return;
    *new = (struct parameter){.layer = layer,
                              .rows = rows,
                              .columns = columns,
                              .panels = value.panels,
                              .floats = floats_of(rows, columns, value.panels),
                              .value = value.values,
                              .trainable = true,
                              .decays = columns > 0,
                              .rate = 1.0f};
    snprintf(new->name, sizeof new->name, "%s", name);
}

/* The first layer that a parameter outside the layers belongs to. */
static size_t layer_of(const struct deberta_config *c, const char *name)
{
    bool of_decoder = strstr(name, ".position_embeddings.") && !c->position_biased_input;
    return strncmp(name, "head.", 5) == 0 ? c->layers : of_decoder ? c->layers - 1 : 0;
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
        append(p, name, layer_of(c, name), outputs, columns, place, gradient);                                         \
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
        append(p, full, number, outputs, columns, place, gradient);                                                    \
    }
    PARAMS_OF_LAYER(P)
#undef P
}

static void list_adapter(struct parameters *p, const struct adapter *adapter)
{
    const struct parameter *weight = &p->list[adapter->weight];
    int stem = (int)(strlen(weight->name) - strlen(".weight"));
    char full[sizeof weight->name];
    snprintf(full, sizeof full, "%.*s.lora_A.weight", stem, weight->name);
    append(p, full, weight->layer, adapter->rank, adapter->columns, (struct location){adapter->a, true},
           (struct location){adapter->d_a, true});
    snprintf(full, sizeof full, "%.*s.lora_B.weight", stem, weight->name);
    append(p, full, weight->layer, adapter->rows, adapter->rank, (struct location){adapter->b, true},
           (struct location){adapter->d_b, true});
}

static void list_all(struct parameters *p)
{
    p->count = 0;
    list_model(p);
    for (size_t i = 0; i < p->model->config.layers; i++)
        list_layer(p, i);
    for (size_t i = 0; i < p->adapter_count; i++)
        list_adapter(p, &p->adapters[i]);
}

enum deberta_status parameters_init(struct parameters *p, struct deberta_model *model)
{
    *p = (struct parameters){.model = model};
    void *block;
    TRY(memory_calloc(model->config.layers, sizeof(struct layer), &block));
    p->gradients.layers = block;
    list_all(p);
    TRY(memory_calloc(p->count, sizeof(struct parameter), &block));
    p->list = block;
    list_all(p);
    return DEBERTA_OK;
}

enum deberta_status parameters_adapt(struct parameters *p, size_t index, size_t rank, float scale)
{
    struct parameter *weight = &p->list[index];
    if (!weight->panels || weight->adapted || p->gradient_block)
        return fail(DEBERTA_ARGUMENT, "'%s' cannot be adapted: only matrices can, once, and before the first pass",
                    weight->name);
    if (rank == 0 || rank > min_size(weight->rows, weight->columns))
        return fail(DEBERTA_ARGUMENT, "the rank of an adapter of '%s' is %zu; it must be from 1 to %zu", weight->name,
                    rank, min_size(weight->rows, weight->columns));
    void *list = p->list, *adapters = p->adapters;
    TRY(memory_grow(p->count * sizeof *p->list, p->count + 2, sizeof *p->list, &list));
    p->list = list;
    memset(&p->list[p->count], 0, 2 * sizeof *p->list);
    TRY(memory_grow(p->adapter_count * sizeof *p->adapters, p->adapter_count + 1, sizeof *p->adapters, &adapters));
    p->adapters = adapters;
    weight = &p->list[index];
    struct adapter *new = &p->adapters[p->adapter_count];
    TRY(adapter_init(new, index, weight->rows, weight->columns, rank, scale));
    p->bytes += new->bytes;
    p->adapter_count++;
    weight->trainable = false;
    weight->adapted = true;
    list_all(p);
    return DEBERTA_OK;
}

void parameters_release(struct parameters *p)
{
    for (size_t i = 0; i < p->adapter_count; i++)
        adapter_release(&p->adapters[i]);
    memory_free(p->adapters);
    memory_free(p->gradients.layers);
    memory_free(p->gradient_block);
    memory_free(p->moment_block);
    memory_free(p->list);
    *p = (struct parameters){0};
}

/* ---- gradients and moments ---- */

/* Whether a parameter among these values is trained. */
static bool trained(const struct parameters *p, const float *values, size_t floats)
{
    uintptr_t begin = (uintptr_t)values, end = (uintptr_t)(values + floats);
    for (size_t i = 0; i < p->count; i++) {
        uintptr_t value = (uintptr_t)p->list[i].value;
        if ((p->list[i].trainable || p->list[i].adapted) && begin <= value && value < end)
            return true;
    }
    return false;
}

/* Room for the gradient of these values, or NULL if none of them is trained. */
static float *lay_out_values(const struct parameters *p, const float *values, size_t floats, struct arena *arena)
{
    return values && trained(p, values, floats) ? arena_floats(arena, floats) : NULL;
}

static void lay_out_linear(const struct parameters *p, const struct linear *of, struct linear *gradient,
                           struct arena *arena)
{
    *gradient = (struct linear){.in = of->in, .in_stride = of->in_stride, .out_stride = of->out_stride};
    gradient->packed = lay_out_values(p, of->packed, of->out_stride * of->in, arena);
    gradient->bias = lay_out_values(p, of->bias, of->out_stride, arena);
}

static void lay_out_norm(const struct parameters *p, const struct norm *of, struct norm *gradient, struct arena *arena)
{
    *gradient = (struct norm){.size = of->size, .stride = of->stride};
    if (!of->gain || !(trained(p, of->gain, of->size) || trained(p, of->bias, of->size)))
        return;
    gradient->gain = arena_floats(arena, of->size);
    gradient->bias = arena_floats(arena, of->size);
}

static void lay_out_layer(const struct parameters *p, const struct layer *of, struct layer *gradient,
                          struct arena *arena)
{
    lay_out_linear(p, &of->query, &gradient->query, arena);
    lay_out_linear(p, &of->key_value, &gradient->key_value, arena);
    lay_out_linear(p, &of->output, &gradient->output, arena);
    lay_out_linear(p, &of->up, &gradient->up, arena);
    lay_out_linear(p, &of->down, &gradient->down, arena);
    lay_out_linear(p, &of->position_key, &gradient->position_key, arena);
    lay_out_linear(p, &of->position_query, &gradient->position_query, arena);
    lay_out_norm(p, &of->attention_norm, &gradient->attention_norm, arena);
    lay_out_norm(p, &of->final_norm, &gradient->final_norm, arena);
}

static void lay_out(struct parameters *p, struct arena *arena)
{
    const struct deberta_model *m = p->model;
    const struct deberta_config *c = &m->config;
    struct deberta_model *g = &p->gradients;
    g->absolute = lay_out_values(p, m->absolute, c->max_positions * c->embedding_size, arena);
    g->type = lay_out_values(p, m->type, c->type_vocab_size * c->embedding_size, arena);
    g->relative = lay_out_values(p, m->relative, config_relative_rows(c) * c->hidden_size, arena);
    lay_out_norm(p, &m->relative_norm, &g->relative_norm, arena);
    lay_out_norm(p, &m->embedding_norm, &g->embedding_norm, arena);
    lay_out_norm(p, &m->conv_norm, &g->conv_norm, arena);
    lay_out_norm(p, &m->head_norm, &g->head_norm, arena);
    lay_out_linear(p, &m->projection, &g->projection, arena);
    lay_out_linear(p, &m->conv, &g->conv, arena);
    lay_out_linear(p, &m->head_dense, &g->head_dense, arena);
    lay_out_linear(p, &m->head_out, &g->head_out, arena);
    for (size_t i = 0; i < c->layers; i++)
        lay_out_layer(p, &m->layers[i], &g->layers[i], arena);
}

static void lay_out_moments(struct parameters *p, struct arena *arena)
{
    for (size_t i = 0; i < p->count; i++) {
        struct parameter *q = &p->list[i];
        bool kept = q->gradient && q->trainable;
        q->first = kept ? arena_floats(arena, q->floats) : NULL;
        q->second = kept ? arena_floats(arena, q->floats) : NULL;
    }
}

/* Zeros of the size that the arena has measured, which it carves then. */
static enum deberta_status make_block(struct arena *arena, char **block, size_t *bytes)
{
    void *new;
    TRY(memory_calloc(arena->used, 1, &new));
    *block = new;
    *bytes += arena->used;
    *arena = (struct arena){.base = new};
    return DEBERTA_OK;
}

enum deberta_status parameters_reserve(struct parameters *p)
{
    if (p->moment_block)
        return DEBERTA_OK;
    struct arena arena = {0};
    if (!p->gradient_block) {
        lay_out(p, &arena);
        TRY(make_block(&arena, &p->gradient_block, &p->bytes));
        lay_out(p, &arena);
        list_all(p);
        arena = (struct arena){0};
    }
    lay_out_moments(p, &arena);
    TRY(make_block(&arena, &p->moment_block, &p->bytes));
    lay_out_moments(p, &arena);
    return DEBERTA_OK;
}

size_t parameters_frozen(const struct parameters *p)
{
    size_t frozen = p->model->config.layers - p->model->config.enhanced_mask_decoder;
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].trainable)
            frozen = min_size(frozen, p->list[i].layer);
    return frozen;
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
