/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/params.h"
#include "model/positions.h"

#define MAX_LAYERS 1000

/* The names of transformers' ACT2FN. */
static enum deberta_status activation_named(const char *field, const char *name, enum activation *out)
{
    static const struct {
        const char *name;
        enum activation activation;
    } names[] = {
        {"gelu", ACT_GELU},
        {"gelu_python", ACT_GELU},
        {"gelu_new", ACT_GELU_TANH},
        {"gelu_fast", ACT_GELU_TANH},
        {"gelu_pytorch_tanh", ACT_GELU_TANH},
        {"gelu_python_tanh", ACT_GELU_TANH},
        {"gelu_accurate", ACT_GELU_TANH},
        {"quick_gelu", ACT_QUICK_GELU},
        {"gelu_10", ACT_GELU_10},
        {"relu", ACT_RELU},
        {"relu2", ACT_RELU2},
        {"relu6", ACT_RELU6},
        {"leaky_relu", ACT_LEAKY_RELU},
        {"silu", ACT_SILU},
        {"swish", ACT_SILU},
        {"tanh", ACT_TANH},
        {"sigmoid", ACT_SIGMOID},
        {"linear", ACT_LINEAR},
        {"mish", ACT_MISH},
        {"hardswish", ACT_HARDSWISH},
        {"laplace", ACT_LAPLACE},
    };
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].activation;
            return DEBERTA_OK;
        }
    }
    char known[256] = "";
    for (size_t i = 0, used = 0; i < sizeof names / sizeof *names && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, i ? ", %s" : "%s", names[i].name);
    return fail(DEBERTA_ARGUMENT, "%s is '%s', which is not known here; known are %s", field, name ? name : "(none)",
                known);
}

static enum deberta_status name_activations(struct deberta_model *m)
{
    TRY(activation_named("hidden_act", m->config.hidden_act, &m->act));
    if (m->config.conv_kernel_size > 0)
        TRY(activation_named("conv_act", m->config.conv_act, &m->conv_act));
    if (head_has_dense(m->config.head))
        TRY(activation_named("head_act", m->config.head_act, &m->head_act));
    return DEBERTA_OK;
}

enum deberta_status model_check_config(const struct deberta_config *c)
{
    const struct {
        const char *name;
        size_t value;
    } positive[] = {{"vocab_size", c->vocab_size},     {"embedding_size", c->embedding_size},
                    {"hidden_size", c->hidden_size},   {"num_hidden_layers", c->layers},
                    {"num_attention_heads", c->heads}, {"intermediate_size", c->intermediate_size},
                    {"num_labels", c->num_labels},     {"max_position_embeddings", c->max_positions},
                    {"head_size", c->head_size}};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i].value == 0 || positive[i].value > INT32_MAX)
            return fail(DEBERTA_ARGUMENT, "%s is %zu; it must be a positive number", positive[i].name,
                        positive[i].value);
    if (c->layers > MAX_LAYERS)
        return fail(DEBERTA_ARGUMENT, "num_hidden_layers is %zu; at most %d are supported", c->layers, MAX_LAYERS);
    if (c->hidden_size % c->heads != 0)
        return fail(DEBERTA_ARGUMENT, "hidden_size %zu is not a multiple of num_attention_heads %zu", c->hidden_size,
                    c->heads);
    if (c->attention_terms == 0)
        return fail(DEBERTA_ARGUMENT, "attention_terms is 0; it counts the content term, so it is at least 1");
    if (c->type_vocab_size > UINT8_MAX + 1)
        return fail(DEBERTA_ARGUMENT, "type_vocab_size is %zu; at most 256 token types are supported",
                    c->type_vocab_size);
    if (c->relative_attention && c->max_relative_positions == 0)
        return fail(DEBERTA_ARGUMENT, "max_relative_positions is 0; relative attention needs at least 1");
    if (c->conv_kernel_size > 0 && c->conv_kernel_size % 2 == 0)
        return fail(DEBERTA_ARGUMENT, "conv_kernel_size is %zu; it must be odd, or 0 for none", c->conv_kernel_size);
    if (c->enhanced_mask_decoder &&
        (c->head != DEBERTA_MASKED_LM || c->layers < 2 || c->embedding_size != c->hidden_size))
        return fail(DEBERTA_ARGUMENT, "the enhanced mask decoder needs the masked language model's head, at least 2 "
                                      "layers and embeddings of hidden_size");
    if (head_has_dense(c->head) && c->head != DEBERTA_MASKED_LM && c->head_size != c->hidden_size)
        return fail(DEBERTA_ARGUMENT, "head_size is %zu; with hidden_size %zu it must be the same", c->head_size,
                    c->hidden_size);
    if (!(c->layer_norm_eps > 0.0f) || isinf(c->layer_norm_eps))
        return fail(DEBERTA_ARGUMENT, "layer_norm_eps is %g; it must be a positive number", (double)c->layer_norm_eps);
    return DEBERTA_OK;
}

/* ---- vectors and small tables ---- */

/* Takes the tensor's place in the arena and, once that has a block, fills it. */
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

static void place_all(struct deberta_model *m, const struct model_tensors *t, const struct layer_tensors *layers,
                      struct arena *arena)
{
    m->absolute = place(arena, t->absolute);
    m->type = place(arena, t->type);
    m->embedding_gain = place(arena, t->gain);
    m->embedding_bias = place(arena, t->bias);
    m->conv_gain = place(arena, t->conv_gain);
    m->conv_shift = place(arena, t->conv_shift);
    m->head_gain = place(arena, t->head_gain);
    m->head_shift = place(arena, t->head_shift);
    for (size_t i = 0; i < m->config.layers; i++) {
        m->layers[i].attention_gain = place(arena, layers[i].attention_gain);
        m->layers[i].attention_bias = place(arena, layers[i].attention_bias);
        m->layers[i].final_gain = place(arena, layers[i].final_gain);
        m->layers[i].final_bias = place(arena, layers[i].final_bias);
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

/* ---- matrices ---- */

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

static enum deberta_status load_matrix(struct deberta_model *m, struct matrix *matrix,
                                       const struct deberta_tensor *weight, const struct deberta_tensor *bias,
                                       float scale)
{
    struct weight part = weight_of(weight, bias, scale);
    TRY(matrix_init(matrix, &part, 1, weight->shape[1]));
    m->bytes += matrix_bytes(matrix);
    return DEBERTA_OK;
}

/* 1 / sqrt(head size * terms): a score is a sum of that many products. */
static float score_scale(const struct deberta_config *c)
{
    return (float)(1.0 / sqrt((double)(c->hidden_size / c->heads * c->attention_terms)));
}

static enum deberta_status load_matrices(struct deberta_model *m, struct layer *layer, const struct layer_tensors *t)
{
    TRY(load_matrix(m, &layer->query, t->query, t->query_bias, score_scale(&m->config)));
    struct weight parts[] = {weight_of(t->key, t->key_bias, 1.0f), weight_of(t->value, t->value_bias, 1.0f)};
    TRY(matrix_init(&layer->key_value, parts, 2, m->config.hidden_size));
    m->bytes += matrix_bytes(&layer->key_value);
    TRY(load_matrix(m, &layer->output, t->output, t->output_bias, 1.0f));
    TRY(load_matrix(m, &layer->up, t->up, t->up_bias, 1.0f));
    return load_matrix(m, &layer->down, t->down, t->down_bias, 1.0f);
}

/* Tells each matrix which one follows it. */
static void link_matrices(struct deberta_model *m)
{
    for (size_t i = 0; i < m->config.layers; i++) {
        struct layer *layer = &m->layers[i];
        layer->query.then = &layer->key_value;
        layer->key_value.then = &layer->output;
        layer->output.then = &layer->up;
        layer->up.then = &layer->down;
        layer->down.then = i + 1 < m->config.layers ? &layer[1].query : NULL;
    }
}

/* ---- positions ---- */

/* The position embeddings, normalised, and what their projections need; `forward` is the block of all three. */
struct relative {
    size_t rows;     /* R */
    float *forward;  // (R, hidden_stride)
    float *backward; // (R, hidden_stride): from the last row to the first
    float *product;  // (R, hidden_stride)
};

static enum deberta_status load_relative(const struct deberta_model *m, const struct model_tensors *t,
                                         struct relative *out)
{
    size_t rows = out->rows, h = m->config.hidden_size, ld = m->hidden_stride;
    void *block;
    TRY(memory_calloc(3 * rows, ld * sizeof(float), &block));
    out->forward = block;
    out->backward = out->forward + rows * ld;
    out->product = out->backward + rows * ld;
    size_t item = dtype_size(t->relative->dtype);
    for (size_t r = 0; r < rows; r++)
        weight_read((const char *)t->relative->data + r * h * item, t->relative->dtype, h, 1.0f, out->forward + r * ld);
    if (t->relative_gain) {
        void *norm;
        TRY(memory_alloc(2 * h, sizeof(float), &norm));
        float *gain = norm, *bias = gain + h;
        weight_read(t->relative_gain->data, t->relative_gain->dtype, h, 1.0f, gain);
        weight_read(t->relative_bias->data, t->relative_bias->dtype, h, 1.0f, bias);
        kernels->layernorm(out->forward, NULL, gain, bias, m->config.layer_norm_eps, rows, h, ld, out->forward);
        memory_free(norm);
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(out->backward + r * ld, out->forward + (rows - 1 - r) * ld, ld * sizeof(float));
    return DEBERTA_OK;
}

/* Projects the rows by one weight and packs the result as one table of the layer's attention. */
static enum deberta_status project(const struct deberta_model *m, const struct relative *r, const float *rows,
                                   struct weight weight, float *table)
{
    struct matrix matrix;
    TRY(matrix_init(&matrix, &weight, 1, m->config.hidden_size));
    enum deberta_status status = matrix_apply(&matrix, rows, r->rows, ACT_LINEAR, r->product);
    if (status == DEBERTA_OK)
        position_table_pack(&m->distances, m->config.heads, m->config.hidden_size / m->config.heads, r->product,
                            matrix.out_stride, table);
    matrix_release(&matrix);
    return status;
}

static enum deberta_status load_tables(struct deberta_model *m, const struct relative *r, struct layer *layer,
                                       const struct layer_tensors *t)
{
    const struct deberta_config *c = &m->config;
    size_t floats = position_table_floats(&m->distances, c->heads, c->hidden_size / c->heads);
    void *block;
    TRY(memory_alloc(floats * (size_t)(c->c2p + c->p2c), sizeof(float), &block));
    m->bytes += floats * (size_t)(c->c2p + c->p2c) * sizeof(float);
    layer->position_tables = block;
    float *keys = block, *queries = keys + (c->c2p ? floats : 0);
    if (c->c2p) {
        struct weight weight = c->share_att_key ? weight_of(t->key, t->key_bias, 1.0f)
                                                : weight_of(t->position_key, t->position_key_bias, 1.0f);
        TRY(project(m, r, r->backward, weight, keys));
        layer->attention.position_keys = keys;
    }
    if (c->p2c) {
        float scale = score_scale(c);
        struct weight weight = c->share_att_key ? weight_of(t->query, t->query_bias, scale)
                                                : weight_of(t->position_query, t->position_query_bias, scale);
        TRY(project(m, r, r->forward, weight, queries));
        layer->attention.position_queries = queries;
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
    return load_relative(m, t, relative);
}

/* ---- the whole ---- */

/* One layer after the other: what was read of a file goes back before the next is read. */
static enum deberta_status load_layers(struct deberta_model *m, const struct relative *relative,
                                       const struct layer_tensors *tensors)
{
    for (size_t i = 0; i < m->config.layers; i++) {
        TRY(load_matrices(m, &m->layers[i], &tensors[i]));
        if (relative->rows > 0) {
            m->layers[i].attention.distances = &m->distances;
            TRY(load_tables(m, relative, &m->layers[i], &tensors[i]));
        }
        params_forget_layer(&tensors[i]);
    }
    link_matrices(m);
    return DEBERTA_OK;
}

/* What lies round the layers. */
static enum deberta_status load_ends(struct deberta_model *m, const struct model_tensors *t)
{
    if (t->projection)
        TRY(load_matrix(m, &m->projection, t->projection, NULL, 1.0f));
    if (t->conv)
        TRY(load_matrix(m, &m->conv, t->conv, t->conv_bias, 1.0f));
    if (t->head_dense)
        TRY(load_matrix(m, &m->head_dense, t->head_dense, t->head_dense_bias, 1.0f));
    if (t->head_out)
        TRY(load_matrix(m, &m->head_out, t->head_out, t->head_out_bias, 1.0f));
    params_forget(t->head_out);
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
    TRY(load_ends(m, &tensors));
    struct relative relative = {.rows = params_relative_rows(&m->config)};
    enum deberta_status status = load_positions(m, &tensors, &relative);
    if (status == DEBERTA_OK)
        status = load_layers(m, &relative, layers);
    memory_free(relative.forward);
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

enum deberta_status deberta_model_new(const struct deberta_config *config, const struct deberta_tensor *tensors,
                                      size_t count, struct deberta_model **out)
{
    *out = NULL;
    TRY(model_check_config(config));
    void *block;
    TRY(memory_calloc(1, sizeof(struct deberta_model), &block));
    struct deberta_model *m = block;
    m->config = *config;
    m->hidden_stride = round_up(config->hidden_size, kernels->panel_width);
    m->embedding_stride = round_up(config->embedding_size, kernels->panel_width);
    m->head_stride = round_up(config->head_size, kernels->panel_width);
    void *found = NULL;
    enum deberta_status status = name_activations(m);
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

void deberta_model_free(struct deberta_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; model->layers && i < model->config.layers; i++) {
        struct layer *layer = &model->layers[i];
        matrix_release(&layer->query);
        matrix_release(&layer->key_value);
        matrix_release(&layer->output);
        matrix_release(&layer->up);
        matrix_release(&layer->down);
        memory_free(layer->position_tables);
    }
    matrix_release(&model->projection);
    matrix_release(&model->conv);
    matrix_release(&model->head_dense);
    matrix_release(&model->head_out);
    positions_release(&model->distances);
    memory_free(model->vectors);
    memory_free(model->layers);
    memory_free(model);
}

const void *deberta_model_words(const struct deberta_model *model)
{
    return model->word.data;
}

size_t deberta_model_memory(const struct deberta_model *model)
{
    return model->bytes;
}
