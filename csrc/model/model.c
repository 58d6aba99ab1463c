/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "model/params.h"
#include "model/positions.h"
#include "nn/position_table.h"

#define TRIMMED ((size_t)4 << 20) /* bytes of a model whose memory returns to the system at once */

/* ---- vectors and small tables ---- */

/* Reserves the tensor's place in the arena and, if the arena has memory, fills it. */
static const float *place(struct arena *arena, const struct deberta_tensor *tensor)
{
    if (!tensor)
        return NULL;
    size_t n = tensor->shape[0] * (tensor->rank == 2 ? tensor->shape[1] : 1);
    float *to = arena_floats(arena, n);
    if (to)
        weight_read(tensor->data, tensor->dtype, n, 1.0f, to);
    return to;
}

static struct norm place_norm(const struct deberta_model *m, struct arena *arena, const struct deberta_tensor *gain,
                              const struct deberta_tensor *bias, size_t size)
{
    const float *placed = place(arena, gain);
    return (struct norm){.gain = placed,
                         .bias = place(arena, bias),
                         .size = size,
                         .stride = round_up(size, kernels->panel_width),
                         .epsilon = m->config.layer_norm_eps};
}

static void place_all(struct deberta_model *m, const struct model_tensors *t, const struct layer_tensors *layers,
                      struct arena *arena)
{
    m->absolute = place(arena, t->absolute);
    m->type = place(arena, t->type);
    if (m->trainable) {
        m->words = (float *)(uintptr_t)place(arena, t->word);
        m->relative = place(arena, t->relative);
        m->relative_norm = place_norm(m, arena, t->relative_gain, t->relative_bias, m->config.hidden_size);
    }
    m->embedding_norm = place_norm(m, arena, t->gain, t->bias, m->config.hidden_size);
    m->conv_norm = place_norm(m, arena, t->conv_gain, t->conv_shift, m->config.hidden_size);
    m->head_norm = place_norm(m, arena, t->head_gain, t->head_shift, m->config.head_size);
    for (size_t i = 0; i < m->config.layers; i++) {
        const struct layer_tensors *l = &layers[i];
        struct layer *layer = &m->layers[i];
        layer->attention_norm = place_norm(m, arena, l->attention_gain, l->attention_bias, m->config.hidden_size);
        layer->final_norm = place_norm(m, arena, l->final_gain, l->final_bias, m->config.hidden_size);
    }
}

static enum deberta_status load_vectors(struct deberta_model *m, const struct model_tensors *t,
                                        const struct layer_tensors *layers)
{
    struct arena arena = {0};
    place_all(m, t, layers, &arena);
    void *block;
    TRY(memory_alloc(arena.used, 1, &block));
    m->vectors = block;
    m->bytes += arena.used;
    arena = (struct arena){.base = block};
    place_all(m, t, layers, &arena);
    return DEBERTA_OK;
}

/* ---- linear layers ---- */

static struct weight weight_of(const struct deberta_tensor *weight, const struct deberta_tensor *bias, float scale)
{
    return (struct weight){.data = weight->data,
                           .bias = bias ? bias->data : NULL,
                           .dtype = weight->dtype,
                           .bias_dtype = bias ? bias->dtype : DEBERTA_F32,
                           .rows = weight->shape[0],
                           .block = weight->block,
                           .step = weight->step,
                           .scale = scale};
}

static enum deberta_status init_linear(struct deberta_model *m, struct linear *linear, const struct linear_path *path,
                                       const struct weight *parts, size_t count, size_t in)
{
    TRY(linear_init_on(linear, path, parts, count, in));
    m->bytes += linear_bytes(linear);
    return DEBERTA_OK;
}

static const struct linear_path *float32_path(const struct deberta_model *m)
{
    return m->trainable ? &linear_packed : linear_of(DEBERTA_FLOAT32);
}

/* The path of a linear layer of the encoder. */
static const struct linear_path *layer_path(const struct deberta_model *m, bool exact)
{
    return m->trainable || exact ? float32_path(m) : linear_of(m->config.precision);
}

static enum deberta_status load_on(struct deberta_model *m, struct linear *linear, const struct linear_path *path,
                                   const struct deberta_tensor *weight, const struct deberta_tensor *bias, float scale)
{
    struct weight part = weight_of(weight, bias, scale);
    return init_linear(m, linear, path, &part, 1, weight->shape[1]);
}

/* A layer outside the encoder, or of positions. */
static enum deberta_status load_linear(struct deberta_model *m, struct linear *linear,
                                       const struct deberta_tensor *weight, const struct deberta_tensor *bias)
{
    return load_on(m, linear, float32_path(m), weight, bias, 1.0f);
}

static enum deberta_status load_of_layer(struct deberta_model *m, struct linear *linear,
                                         const struct deberta_tensor *weight, const struct deberta_tensor *bias,
                                         float scale)
{
    return load_on(m, linear, layer_path(m, weight->exact), weight, bias, scale);
}

float model_score_scale(const struct deberta_config *c)
{
    return (float)(1.0 / sqrt((double)(c->hidden_size / c->heads * c->attention_terms)));
}

/* What the weights of queries are multiplied with. */
static float folded_scale(const struct deberta_model *m)
{
    return m->trainable ? 1.0f : model_score_scale(&m->config);
}

static enum deberta_status load_linears(struct deberta_model *m, struct layer *layer, const struct layer_tensors *t)
{
    TRY(load_of_layer(m, &layer->query, t->query, t->query_bias, folded_scale(m)));
    struct weight parts[] = {weight_of(t->key, t->key_bias, 1.0f), weight_of(t->value, t->value_bias, 1.0f)};
    const struct linear_path *path = layer_path(m, t->key->exact || t->value->exact);
    TRY(init_linear(m, &layer->key_value, path, parts, 2, m->config.hidden_size));
    bool exact = m->trainable || m->config.precision == DEBERTA_FLOAT32 || t->query->exact || t->key->exact;
    layer->attention.bf16 = !exact && !t->value->exact && attention_has_bf16(layer->attention.head_size);
    layer->attention.bytes = !exact && m->config.precision == DEBERTA_INT8 && !layer->attention.bf16;
    if (m->trainable && t->position_key)
        TRY(load_linear(m, &layer->position_key, t->position_key, t->position_key_bias));
    if (m->trainable && t->position_query)
        TRY(load_linear(m, &layer->position_query, t->position_query, t->position_query_bias));
    TRY(load_of_layer(m, &layer->output, t->output, t->output_bias, 1.0f));
    TRY(load_of_layer(m, &layer->up, t->up, t->up_bias, 1.0f));
    return load_of_layer(m, &layer->down, t->down, t->down_bias, 1.0f);
}

static void set_next_linears(struct deberta_model *m)
{
    for (size_t i = 0; i < m->config.layers; i++) {
        struct layer *layer = &m->layers[i];
        layer->query.next = &layer->key_value;
        layer->key_value.next = &layer->output;
        layer->output.next = &layer->up;
        layer->up.next = &layer->down;
        layer->down.next = i + 1 < m->config.layers ? &layer[1].query : NULL;
    }
}

/* ---- positions ---- */

/* The normalised position embeddings and the buffers of their projections; `ascending` points to the block of all
 * three. */
struct relative {
    size_t rows;       /* R */
    float *ascending;  // (R, hidden_stride): from the first row to the last
    float *descending; // (R, hidden_stride): from the last row to the first
    float *product;    // (R, hidden_stride)
};

static enum deberta_status load_relative(const struct deberta_model *m, const struct model_tensors *t,
                                         struct relative *out)
{
    size_t rows = out->rows, h = m->config.hidden_size, ld = m->hidden_stride;
    void *block;
    TRY(memory_calloc(3 * rows, ld * sizeof(float), &block));
    out->ascending = block;
    out->descending = out->ascending + rows * ld;
    out->product = out->descending + rows * ld;
    size_t item = dtype_size(t->relative->dtype);
    for (size_t r = 0; r < rows; r++)
        weight_read((const char *)t->relative->data + r * h * item, t->relative->dtype, h, 1.0f,
                    out->ascending + r * ld);
    if (t->relative_gain) {
        void *norm;
        TRY(memory_alloc(2 * h, sizeof(float), &norm));
        float *gain = norm, *bias = gain + h;
        weight_read(t->relative_gain->data, t->relative_gain->dtype, h, 1.0f, gain);
        weight_read(t->relative_bias->data, t->relative_bias->dtype, h, 1.0f, bias);
        kernels->layernorm(out->ascending, NULL, gain, bias, m->config.layer_norm_eps, rows, h, ld, out->ascending);
        memory_free(norm);
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(out->descending + r * ld, out->ascending + (rows - 1 - r) * ld, ld * sizeof(float));
    return DEBERTA_OK;
}

/* Projects the rows by one weight and packs the result as one table of the layer's attention. */
static enum deberta_status project(const struct deberta_model *m, const struct attention *attention,
                                   const struct relative *r, const float *rows, struct weight weight, float *table)
{
    struct linear linear;
    TRY(linear_init(&linear, &weight, 1, m->config.hidden_size));
    enum deberta_status status = linear_apply(&linear, rows, r->rows, ACT_LINEAR, r->product);
    size_t ld = linear.out_stride;
    if (status == DEBERTA_OK && attention->bf16)
        kernels->round_bf16(r->product, ld, r->rows, ld, (int32_t *)(void *)r->product, ld);
    if (status == DEBERTA_OK && attention->bytes)
        position_table_pack_bytes(&m->distances, attention->heads, attention->head_size, r->product, ld, table);
    else if (status == DEBERTA_OK)
        position_table_pack(&m->distances, attention->heads, position_table_depth(attention), r->product, ld, table);
    linear_release(&linear);
    return status;
}

static enum deberta_status load_tables(struct deberta_model *m, const struct relative *r, struct layer *layer,
                                       const struct layer_tensors *t)
{
    const struct deberta_config *c = &m->config;
    size_t floats = position_table_floats(&m->distances, c->heads, position_table_depth(&layer->attention));
    void *block;
    TRY(memory_calloc(floats * (size_t)(c->c2p + c->p2c), sizeof(float), &block));
    m->bytes += floats * (size_t)(c->c2p + c->p2c) * sizeof(float);
    layer->position_tables = block;
    float *keys = block, *queries = keys + (c->c2p ? floats : 0);
    layer->attention.position_keys = c->c2p ? keys : NULL;
    layer->attention.position_queries = c->p2c ? queries : NULL;
    if (m->trainable)
        return DEBERTA_OK;
    if (c->c2p) {
        struct weight weight = c->share_att_key ? weight_of(t->key, t->key_bias, 1.0f)
                                                : weight_of(t->position_key, t->position_key_bias, 1.0f);
        TRY(project(m, &layer->attention, r, r->descending, weight, keys));
    }
    if (c->p2c) {
        float scale = model_score_scale(c);
        struct weight weight = c->share_att_key ? weight_of(t->query, t->query_bias, scale)
                                                : weight_of(t->position_query, t->position_query_bias, scale);
        TRY(project(m, &layer->attention, r, r->ascending, weight, queries));
    }
    return DEBERTA_OK;
}

static enum deberta_status load_positions(struct deberta_model *m, const struct model_tensors *t,
                                          struct relative *relative)
{
    if (relative->rows == 0)
        return DEBERTA_OK;
    TRY(positions_init(&m->distances, m->config.position_buckets, m->config.max_relative_positions));
    m->bytes += (size_t)(2 * m->distances.reach + 1) * sizeof *m->distances.row;
    return m->trainable ? DEBERTA_OK : load_relative(m, t, relative);
}

/* ---- the whole ---- */

/* Loads layer by layer: the pages of a mapped file are dropped before the next layer is read. */
static enum deberta_status load_layers(struct deberta_model *m, const struct relative *relative,
                                       const struct layer_tensors *tensors)
{
    for (size_t i = 0; i < m->config.layers; i++) {
        TRY(load_linears(m, &m->layers[i], &tensors[i]));
        if (relative->rows > 0) {
            m->layers[i].attention.distances = &m->distances;
            TRY(load_tables(m, relative, &m->layers[i], &tensors[i]));
        }
        params_drop_pages_layer(&tensors[i]);
    }
    set_next_linears(m);
    return DEBERTA_OK;
}

/* Everything outside the layers. */
static enum deberta_status load_ends(struct deberta_model *m, const struct model_tensors *t)
{
    if (t->projection)
        TRY(load_linear(m, &m->projection, t->projection, NULL));
    if (t->conv)
        TRY(load_linear(m, &m->conv, t->conv, t->conv_bias));
    if (t->head_dense)
        TRY(load_linear(m, &m->head_dense, t->head_dense, t->head_dense_bias));
    if (t->head_out)
        TRY(load_linear(m, &m->head_out, t->head_out, t->head_out_bias));
    params_drop_pages(t->head_out);
    return DEBERTA_OK;
}

static enum deberta_status load(struct deberta_model *m, const struct checkpoint *checkpoint,
                                struct layer_tensors *layers)
{
    struct model_tensors tensors;
    TRY(params_of_model(checkpoint, &tensors));
    for (size_t i = 0; i < m->config.layers; i++)
        TRY(params_of_layer(checkpoint, i, &layers[i]));
    m->word = *tensors.word;
    m->word.name = NULL; /* the name is the caller's */
    TRY(load_vectors(m, &tensors, layers));
    if (m->trainable) {
        m->word.data = m->words;
        m->word.dtype = DEBERTA_F32;
        m->word.mapped = false;
        params_drop_pages(tensors.word);
    }
    TRY(load_ends(m, &tensors));
    struct relative relative = {.rows = config_relative_rows(&m->config)};
    enum deberta_status status = load_positions(m, &tensors, &relative);
    if (status == DEBERTA_OK)
        status = load_layers(m, &relative, layers);
    memory_free(relative.ascending);
    params_drop_pages_model(&tensors);
    return status;
}

static void init_layers(struct deberta_model *m)
{
    size_t heads = m->config.heads, stride = m->hidden_stride;
    for (size_t i = 0; i < m->config.layers; i++)
        m->layers[i].attention = (struct attention){.heads = heads,
                                                    .head_size = m->config.hidden_size / heads,
                                                    .ld_query = stride,
                                                    .ld_key = 2 * stride,
                                                    .ld_value = 2 * stride,
                                                    .ld_context = stride};
}

enum deberta_status model_load(const struct deberta_config *config, const struct deberta_tensor *tensors, size_t count,
                               bool trainable, struct deberta_model **out)
{
    *out = NULL;
    TRY(config_check(config));
    void *block;
    TRY(memory_calloc(1, sizeof(struct deberta_model), &block));
    struct deberta_model *m = block;
    m->config = *config;
    m->trainable = trainable;
    m->hidden_stride = round_up(config->hidden_size, kernels->panel_width);
    m->embedding_stride = round_up(config->embedding_size, kernels->panel_width);
    m->head_stride = round_up(config->head_size, kernels->panel_width);
    void *found = NULL;
    enum deberta_status status = config_activations(config, &m->act);
    if (status == DEBERTA_OK)
        status = memory_calloc(config->layers, sizeof(struct layer), &block);
    if (status == DEBERTA_OK) {
        m->layers = block;
        init_layers(m);
        status = memory_calloc(config->layers, sizeof(struct layer_tensors), &found);
    }
    if (status == DEBERTA_OK) {
        struct checkpoint checkpoint = {config, tensors, count};
        status = load(m, &checkpoint, found);
    }
    memory_free(found);
    m->config.hidden_act = m->config.conv_act = m->config.head_act = NULL;
    if (status == DEBERTA_OK)
        *out = m;
    else
        deberta_model_free(m);
    return status;
}

enum deberta_status deberta_model_new(const struct deberta_config *config, const struct deberta_tensor *tensors,
                                      size_t count, struct deberta_model **out)
{
    return model_load(config, tensors, count, false, out);
}

void deberta_model_free(struct deberta_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; model->layers && i < model->config.layers; i++) {
        struct layer *layer = &model->layers[i];
        linear_release(&layer->query);
        linear_release(&layer->key_value);
        linear_release(&layer->output);
        linear_release(&layer->up);
        linear_release(&layer->down);
        linear_release(&layer->position_key);
        linear_release(&layer->position_query);
        memory_free(layer->position_tables);
    }
    linear_release(&model->projection);
    linear_release(&model->conv);
    linear_release(&model->head_dense);
    linear_release(&model->head_out);
    positions_release(&model->distances);
    memory_free(model->vectors);
    memory_free(model->layers);
    bool large = model->bytes > TRIMMED;
    memory_free(model);
    if (large)
        memory_trim();
}

const void *deberta_model_words(const struct deberta_model *model)
{
    return model->word.data;
}

size_t deberta_model_memory(const struct deberta_model *model)
{
    return model->bytes;
}
