/* SPDX-License-Identifier: Apache-2.0 */
/* deberta_training: a network whose weights change. */
#include "deberta/train.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "model/encoder.h"
#include "model/forward.h"
#include "model/shapes.h"
#include "train/adamw.h"
#include "train/backward.h"
#include "train/parameters.h"

enum { WORDS = 0 }; /* the index of the word table among the parameters */

struct deberta_training {
    struct deberta_model *model;
    struct parameters parameters;
    struct rows words;
    struct adamw_array *arrays; // (parameters.count), for an update
    struct adamw word_step;
    struct deberta_context *context; /* of passes with a tape */
    struct deberta_context *plain;   /* of evaluations */
    struct deberta_training_options options;
    uint64_t steps;
    struct tape tape; /* of the last forward pass */
    bool taped;       /* the tape waits for its backward pass */
    bool masked;      /* which is that of the loss over the vocabulary */
    size_t projected; /* the position tables are those of evaluations, for sequences of up to this length; 0: not */
    struct deberta_batch batch; /* a copy of the last forward pass's batch, in `inputs` */
    struct relative relative;
    struct gradients gradients;
    struct vocabulary vocabulary;
    float *summed; // (V, E): rows of a table that has a base, for what is read; or NULL
    char *inputs;  /* memory of the batch */
    size_t inputs_bytes;
    char *block; /* memory of the tape, the position rows and the gradients of activations */
    size_t block_bytes;
    int threads; /* that the block has scratch for */
};

/* ---- life ---- */

static enum deberta_status init(struct deberta_training *t, const struct deberta_config *config,
                                const struct deberta_tensor *tensors, size_t count)
{
    void *layers, *arrays;
    TRY(model_load(config, tensors, count, true, &t->model));
    TRY(parameters_init(&t->parameters, t->model));
    TRY(rows_init(&t->words, t->model->words, config->vocab_size, config->embedding_size));
    if (t->options.base) {
        void *summed;
        TRY(memory_sparse(config->vocab_size * config->embedding_size, sizeof(float), &summed));
        t->model->word.data = t->summed = summed;
    }
    TRY(memory_alloc(t->parameters.count, sizeof(struct adamw_array), &arrays));
    t->arrays = arrays;
    TRY(deberta_context_new(t->model, &t->context));
    TRY(deberta_context_new(t->model, &t->plain));
    TRY(memory_calloc(config->layers + 1, sizeof(struct layer_tape), &layers));
    t->tape.layers = layers;
    return DEBERTA_OK;
}

static enum deberta_status check_base(const struct deberta_config *config,
                                      const struct deberta_training_options *options)
{
    if (!options->base)
        return DEBERTA_OK;
    const struct rows *words = &options->base->words;
    if (words->count != config->vocab_size || words->columns != config->embedding_size)
        return fail(DEBERTA_ARGUMENT, "base has a word table (%zu, %zu), this network one of (%zu, %zu)", words->count,
                    words->columns, config->vocab_size, config->embedding_size);
    return options->tied || options->base->options.base
               ? fail(DEBERTA_ARGUMENT, "base is given with a tied table, or has a base itself")
               : DEBERTA_OK;
}

enum deberta_status deberta_training_new(const struct deberta_config *config, const struct deberta_tensor *tensors,
                                         size_t count, const struct deberta_training_options *options,
                                         struct deberta_training **out)
{
    *out = NULL;
    if (options->tied && (config->num_labels != config->vocab_size || config->head_size != config->embedding_size))
        return fail(DEBERTA_ARGUMENT, "the output layer (%zu, %zu) cannot be the word table (%zu, %zu)",
                    config->num_labels, config->head_size, config->vocab_size, config->embedding_size);
    TRY(check_base(config, options));
    if (options->bf16 && !deberta_multiplies(DEBERTA_BFLOAT16))
        return fail(DEBERTA_ARGUMENT, "bf16 needs a CPU with AVX512_BF16; the instruction set in use is %s",
                    isa_names[kernels->isa]);
    if (config->head == DEBERTA_NO_HEAD)
        return fail(DEBERTA_ARGUMENT, "a model without a head has no logits to train; open it with a head");
    void *block;
    TRY(memory_calloc(1, sizeof(struct deberta_training), &block));
    struct deberta_training *t = block;
    t->options = *options;
    enum deberta_status status = init(t, config, tensors, count);
    if (status == DEBERTA_OK)
        *out = t;
    else
        deberta_training_free(t);
    return status;
}

void deberta_training_free(struct deberta_training *t)
{
    if (!t)
        return;
    deberta_context_free(t->context);
    deberta_context_free(t->plain);
    rows_release(&t->words);
    parameters_release(&t->parameters);
    deberta_model_free(t->model);
    memory_free(t->arrays);
    memory_free(t->tape.layers);
    memory_free(t->summed);
    memory_free(t->inputs);
    memory_free(t->block);
    memory_free(t);
}

void deberta_training_trim(struct deberta_training *t)
{
    context_trim(t->context);
    context_trim(t->plain);
    memory_free(t->inputs);
    memory_free(t->block);
    t->inputs = t->block = NULL;
    t->inputs_bytes = t->block_bytes = 0;
    t->batch = (struct deberta_batch){0};
    t->taped = false;
}

size_t deberta_training_memory(const struct deberta_training *t)
{
    return t->model->bytes + t->parameters.bytes + t->inputs_bytes + t->block_bytes +
           deberta_context_memory(t->context) + deberta_context_memory(t->plain);
}

void deberta_training_set_cancel(struct deberta_training *t, bool (*stop)(void *data), void *data)
{
    deberta_context_set_cancel(t->context, stop, data);
    deberta_context_set_cancel(t->plain, stop, data);
}

/* ---- memory of a pass ---- */

static void *place_input(struct arena *arena, const void *from, size_t bytes)
{
    if (!from)
        return NULL;
    void *to = arena_floats(arena, (bytes + sizeof(float) - 1) / sizeof(float));
    return to ? memcpy(to, from, bytes) : NULL;
}

static struct deberta_batch place_batch(const struct deberta_batch *from, size_t pairs, struct arena *arena)
{
    size_t tokens = (size_t)from->offsets[from->count];
    struct deberta_batch batch = {.count = from->count};
    batch.ids = place_input(arena, from->ids, tokens * sizeof *from->ids);
    batch.types = place_input(arena, from->types, tokens);
    batch.mask = place_input(arena, from->mask, tokens);
    batch.pair_mask = place_input(arena, from->pair_mask, pairs);
    batch.offsets = place_input(arena, from->offsets, (from->count + 1) * sizeof *from->offsets);
    batch.first = place_input(arena, from->first, from->count * sizeof *from->first);
    batch.selected = place_input(arena, from->selected, tokens);
    return batch;
}

/* Makes a block of at least `bytes`, which are lost; the old one is freed first, because both may not fit. */
static enum deberta_status make_room(char **block, size_t *size, size_t bytes)
{
    if (bytes <= *size)
        return DEBERTA_OK;
    void *new;
    memory_free(*block);
    *block = NULL;
    *size = 0;
    TRY(memory_calloc(bytes, 1, &new));
    *block = new;
    *size = bytes;
    return DEBERTA_OK;
}

static enum deberta_status copy_batch(struct deberta_training *t, const struct deberta_batch *batch)
{
    size_t pairs = t->context->plan.total_pairs;
    struct arena arena = {0};
    place_batch(batch, pairs, &arena);
    TRY(make_room(&t->inputs, &t->inputs_bytes, arena.used));
    arena = (struct arena){.base = t->inputs};
    t->batch = place_batch(batch, pairs, &arena);
    return DEBERTA_OK;
}

static void lay_out(struct deberta_training *t, const struct plan *plan, size_t head_rows, size_t threads,
                    struct arena *arena)
{
    tape_lay_out(&t->tape, t->model, plan->max_tokens, plan->max_sequences, head_rows, arena);
    relative_lay_out(&t->relative, t->model, arena);
    gradients_lay_out(&t->gradients, t->model, plan, head_rows, !t->masked, threads, arena);
    if (t->masked)
        vocabulary_lay_out(&t->vocabulary, t->context, head_rows, arena);
}

static enum deberta_status prepare(struct deberta_training *t, const struct plan *plan, size_t head_rows)
{
    struct arena arena = {0};
    t->threads = threads_of_call();
    size_t threads = (size_t)t->threads;
    lay_out(t, plan, head_rows, threads, &arena);
    TRY(make_room(&t->block, &t->block_bytes, arena.used));
    arena = (struct arena){.base = t->block};
    lay_out(t, plan, head_rows, threads, &arena);
    return DEBERTA_OK;
}

/* The position tables of the layers from `first` on. */
static enum deberta_status project_positions(struct deberta_training *t, size_t length, size_t first,
                                             const struct tape *tape)
{
    relative_begin(&t->relative, t->model, length);
    for (size_t i = first; i < t->model->config.layers; i++)
        TRY(relative_project(&t->relative, t->model, i, tape_of_layer(tape, i)));
    return DEBERTA_OK;
}

/* ---- the word table ---- */

static bool is_words(const struct deberta_training *t, const struct parameter *p)
{
    return p->value == t->model->words;
}

/* The parameter that holds the values: of a tied word table, the output layer. */
static struct parameter *holder(const struct deberta_training *t, size_t index)
{
    struct parameter *list = t->parameters.list;
    for (size_t i = 0; t->options.tied && index == WORDS && i < t->parameters.count; i++)
        if (list[i].value == t->model->head_out.packed)
            return &list[i];
    return &list[index];
}

static bool trains_words(const struct deberta_training *t)
{
    return holder(t, WORDS)->trainable;
}

/* The row of an id in the panels of the output layer; its items are a panel's width apart. */
static float *panel_row(float *packed, size_t columns, int32_t id)
{
    size_t width = kernels->panel_width, row = (size_t)id;
    return packed + row / width * columns * width + row % width;
}

/* Makes the rows of the table that a batch reads current. A tied table is in the output layer, in panels. */
static void update_words(struct deberta_training *t, const int32_t *ids, size_t count)
{
    size_t columns = t->words.columns;
    if (!t->options.tied)
        rows_catch_up(&t->words, ids, count);
    for (size_t i = 0; t->options.tied && i < count; i++) {
        const float *from = panel_row(t->model->head_out.packed, columns, ids[i]);
        float *to = t->words.value + (size_t)ids[i] * columns;
        for (size_t c = 0; c < columns; c++)
            to[c] = from[c * kernels->panel_width];
    }
}

/* The rows of the table for the forward pass of a batch. */
static void read_words(struct deberta_training *t, const struct deberta_batch *batch)
{
    size_t columns = t->words.columns, tokens = (size_t)batch->offsets[batch->count];
    update_words(t, batch->ids, tokens);
    if (!t->options.base)
        return;
    update_words(t->options.base, batch->ids, tokens);
    for (size_t i = 0; i < tokens; i++) {
        size_t at = (size_t)batch->ids[i] * columns;
        for (size_t c = 0; c < columns; c++)
            t->summed[at + c] = t->words.value[at + c] + t->options.base->words.value[at + c];
    }
}

/* Adds the gradients of a tied table to those of the output layer. */
static void move_word_gradients(struct deberta_training *t)
{
    size_t columns = t->words.columns;
    for (size_t slot = 0; slot < t->words.used; slot++) {
        const float *from = t->words.gradient + slot * columns;
        float *to = panel_row(t->parameters.gradients.head_out.packed, columns, t->words.ids[slot]);
        for (size_t c = 0; c < columns; c++)
            to[c * kernels->panel_width] += from[c];
    }
    rows_drop_gradients(&t->words);
}

/* Sets all gradients to zero. */
static void drop_gradients(struct deberta_training *t)
{
    for (size_t i = 0; i < t->parameters.count; i++)
        if (t->parameters.list[i].gradient)
            memset(t->parameters.list[i].gradient, 0, t->parameters.list[i].floats * sizeof(float));
    rows_drop_gradients(&t->words);
}

/* ---- adapters ---- */

static void take_gradient(size_t index, int worker, void *context)
{
    (void)worker;
    const struct parameters *p = context;
    adapter_take_gradient(&p->adapters[index], p->list[p->adapters[index].weight].gradient);
}

static void begin_update(size_t index, int worker, void *context)
{
    (void)worker;
    const struct parameters *p = context;
    adapter_begin(&p->adapters[index]);
}

static void merge(size_t index, int worker, void *context)
{
    (void)worker;
    const struct parameters *p = context;
    adapter_merge(&p->adapters[index], p->list[p->adapters[index].weight].value);
}

/* Each adapter is one thread's. */
static void for_each_adapter(struct deberta_training *t, void (*fn)(size_t index, int worker, void *context))
{
    parallel_for(t->parameters.adapter_count, 1, fn, &t->parameters);
}

enum deberta_status deberta_training_adapt(struct deberta_training *t, size_t index, size_t rank, float scale)
{
    void *arrays = t->arrays;
    TRY(parameters_adapt(&t->parameters, index, rank, scale));
    TRY(memory_grow(0, t->parameters.count, sizeof *t->arrays, &arrays));
    t->arrays = arrays;
    return DEBERTA_OK;
}

/* ---- passes ---- */

static struct pass pass_of(const struct deberta_training *t, const struct deberta_outputs *outputs)
{
    return (struct pass){
        .model = t->model, .context = t->context, .batch = &t->batch, .outputs = outputs, .tape = &t->tape};
}

/* The linear layers of the network's layers from `first` on multiply bfloat16, the others float32. */
static void choose_products(const struct deberta_training *t, size_t first)
{
    for (size_t i = 0; i < t->model->config.layers; i++) {
        struct layer *l = &t->model->layers[i];
        struct linear *linears[] = {&l->query, &l->key_value,    &l->output,        &l->up,
                                    &l->down,  &l->position_key, &l->position_query};
        for (size_t j = 0; j < sizeof linears / sizeof *linears; j++)
            if (linears[j]->packed)
                linears[j]->path = t->options.bf16 && i >= first ? &linear_mixed : &linear_packed;
    }
}

/* Before a pass without a tape. */
static void choose_float32(const struct deberta_training *t)
{
    choose_products(t, t->model->config.layers);
}

/* The sum with another table changes as that does. */
static size_t frozen_layers(const struct deberta_training *t)
{
    return t->options.base ? 0 : parameters_frozen(&t->parameters);
}

/* The number of layers that `given`, the output of the frozen ones, replaces. */
static enum deberta_status count_given(const struct deberta_training *t, const float *given, size_t *layers)
{
    *layers = given ? frozen_layers(t) : 0;
    return given && *layers == 0 ? fail(DEBERTA_ARGUMENT, "given is not None, but the first layer is trained")
                                 : DEBERTA_OK;
}

/* A pass with a tape; without `logits` it ends before the output layer. */
static enum deberta_status run_forward(struct deberta_training *t, const struct deberta_batch *batch,
                                       const struct deberta_dropout *dropout, const float *given, uint64_t seed,
                                       float *logits)
{
    struct deberta_outputs outputs = {.logits = logits};
    struct plan *plan = &t->context->plan;
    size_t layers_given;
    t->taped = false;
    t->masked = !logits;
    t->projected = 0;
    TRY(forward_check(t->model, batch, &outputs));
    TRY(count_given(t, given, &layers_given));
    TRY(parameters_reserve(&t->parameters));
    choose_products(t, frozen_layers(t));
    TRY(context_prepare_whole(t->context, batch));
    TRY(copy_batch(t, batch));
    read_words(t, batch);
    t->tape.inputs_only = t->options.checkpointing;
    t->tape.frozen = frozen_layers(t);
    t->tape.seed = seed;
    t->tape.hidden_dropout = dropout->hidden;
    t->tape.attention_dropout = dropout->attention;
    t->tape.pooler_dropout = dropout->pooler;
    t->tape.head_dropout = dropout->head;
    t->tape.only_first = encode_only_first(t->model, &outputs);
    TRY(prepare(t, plan, deberta_output_shapes(&t->model->config, batch).logit_rows));
    TRY(project_positions(t, plan->max_length, layers_given, &t->tape));
    struct pass pass = pass_of(t, &outputs);
    pass.given = given;
    pass.layers_given = layers_given;
    TRY(encode_chunk(&pass, &plan->chunks[0], context_workspace(t->context, 0)));
    t->taped = true;
    return DEBERTA_OK;
}

enum deberta_status deberta_training_forward(struct deberta_training *t, const struct deberta_batch *batch,
                                             const float *given, uint64_t seed, float *logits)
{
    struct watching before = watch_begin(&t->context->watch);
    return watch_end(&t->context->watch, before, run_forward(t, batch, &t->options.dropout, given, seed, logits));
}

static enum deberta_status check_targets(const struct vocabulary *v)
{
    for (size_t row = 0; row < v->rows; row++)
        if (v->targets[row] >= 0 && (size_t)v->targets[row] >= v->size)
            return fail(DEBERTA_ARGUMENT, "targets: id %d of selected token %zu is outside the vocabulary of %zu ids",
                        (int)v->targets[row], row, v->size);
    return DEBERTA_OK;
}

static enum deberta_status run_masked_lm(struct deberta_training *t, const struct deberta_batch *batch,
                                         const struct deberta_targets *targets, bool drops, uint64_t seed, double *loss)
{
    static const struct deberta_dropout none = {0};
    struct vocabulary *v = &t->vocabulary;
    if (t->model->config.head != DEBERTA_MASKED_LM)
        return fail(DEBERTA_ARGUMENT, "the model is not a masked language model; open it as one");
    TRY(run_forward(t, batch, drops ? &t->options.dropout : &none, NULL, seed, NULL));
    t->taped = false;
    memcpy(v->targets, targets->ids, v->rows * sizeof *v->targets);
    v->smoothing = targets->smoothing;
    TRY(check_targets(v));
    TRY(vocabulary_loss(v, t->tape.head.out_input, loss));
    t->taped = true;
    return DEBERTA_OK;
}

enum deberta_status deberta_training_masked_lm(struct deberta_training *t, const struct deberta_batch *batch,
                                               const struct deberta_targets *targets, bool drops, uint64_t seed,
                                               double *loss)
{
    struct watching before = watch_begin(&t->context->watch);
    return watch_end(&t->context->watch, before, run_masked_lm(t, batch, targets, drops, seed, loss));
}

enum deberta_status deberta_training_sample(struct deberta_training *t, uint64_t seed, int32_t *ids)
{
    if (!t->taped || !t->masked)
        return fail(DEBERTA_ARGUMENT, "sample needs masked_lm before it, and comes before the backward pass");
    threads_restore(t->threads);
    struct watching before = watch_begin(&t->context->watch);
    return watch_end(&t->context->watch, before, vocabulary_sample(&t->vocabulary, t->tape.head.out_input, seed, ids));
}

struct deberta_shapes deberta_training_shapes(const struct deberta_training *t)
{
    return t->batch.count ? deberta_output_shapes(&t->model->config, &t->batch) : (struct deberta_shapes){0};
}

static enum deberta_status run_backward(struct deberta_training *t, const float *d_logits, float scale)
{
    t->taped = false;
    struct deberta_outputs none = {0};
    struct pass pass = pass_of(t, &none);
    threads_restore(t->threads);
    bool words = trains_words(t);
    struct backward backward = {.pass = &pass,
                                .parameters = &t->parameters.gradients,
                                .words = words ? &t->words : NULL,
                                .relative = &t->relative,
                                .work = &t->gradients,
                                .padding = t->options.padding,
                                .d_logits = d_logits,
                                .vocabulary = &t->vocabulary,
                                .scale = scale};
    TRY(backward_run(&backward));
    if (t->options.tied && words)
        move_word_gradients(t);
    for_each_adapter(t, take_gradient);
    return DEBERTA_OK;
}

/* d_logits NULL: of scale * the loss over the vocabulary. */
static enum deberta_status watched_backward(struct deberta_training *t, const float *d_logits, float scale)
{
    if (!t->taped || t->masked != !d_logits)
        return fail(DEBERTA_ARGUMENT, "%s before it, and uses it once",
                    d_logits ? "backward needs a forward pass" : "masked_lm_backward needs masked_lm");
    struct watching before = watch_begin(&t->context->watch);
    enum deberta_status status = watch_end(&t->context->watch, before, run_backward(t, d_logits, scale));
    if (status != DEBERTA_OK)
        drop_gradients(t); /* a part of them may be added */
    return status;
}

enum deberta_status deberta_training_backward(struct deberta_training *t, const float *d_logits)
{
    return watched_backward(t, d_logits, 1.0f);
}

enum deberta_status deberta_training_masked_lm_backward(struct deberta_training *t, double scale)
{
    return watched_backward(t, NULL, (float)scale);
}

static size_t longest(const struct deberta_batch *batch)
{
    size_t length = 0;
    for (size_t i = 0; i < batch->count; i++)
        length = max_size(length, (size_t)(batch->offsets[i + 1] - batch->offsets[i]));
    return length;
}

/* Position tables of all layers for passes without a tape. */
static enum deberta_status project_plain(struct deberta_training *t, size_t length)
{
    threads_count();
    t->taped = false; /* the position tables are overwritten, and products are in float32 */
    if (length <= t->projected)
        return DEBERTA_OK;
    TRY(prepare(t, &(struct plan){.max_length = 1}, 0));
    TRY(project_positions(t, length, 0, NULL));
    t->projected = length;
    return DEBERTA_OK;
}

enum deberta_status deberta_training_evaluate(struct deberta_training *t, const struct deberta_batch *batch,
                                              const float *given, const struct deberta_outputs *outputs)
{
    size_t layers_given;
    TRY(forward_check(t->model, batch, outputs));
    TRY(count_given(t, given, &layers_given));
    if (given && (outputs->hidden || outputs->attentions))
        return fail(DEBERTA_ARGUMENT,
                    "given is not None, so that hidden states and attentions of its layers are unknown");
    choose_float32(t);
    read_words(t, batch);
    TRY(project_plain(t, longest(batch)));
    return forward_run(t->model, t->plain, batch, outputs, given, layers_given);
}

size_t deberta_training_frozen(const struct deberta_training *t)
{
    return frozen_layers(t);
}

enum deberta_status deberta_training_frozen_output(struct deberta_training *t, const struct deberta_batch *batch,
                                                   float *out)
{
    static const struct deberta_outputs none = {0};
    size_t h = t->model->config.hidden_size, ld = t->model->hidden_stride;
    TRY(forward_check(t->model, batch, &none));
    t->taped = false;
    choose_float32(t);
    TRY(context_prepare_whole(t->context, batch));
    read_words(t, batch);
    TRY(project_plain(t, longest(batch)));
    struct pass pass = {.model = t->model, .context = t->context, .batch = batch, .outputs = &none};
    struct workspace w = context_workspace(t->context, 0);
    struct watching before = watch_begin(&t->context->watch);
    TRY(watch_end(&t->context->watch, before, encode_layers(&pass, &t->context->plan.chunks[0], &w, frozen_layers(t))));
    for (int64_t i = 0; i < batch->offsets[batch->count]; i++)
        memcpy(out + (size_t)i * h, w.x + (size_t)i * ld, h * sizeof *out);
    return DEBERTA_OK;
}

/* ---- updates ---- */

/* The arrays that updates change; of parameters that they leave the gradients are zeroed here. */
static size_t list_arrays(struct deberta_training *t, const struct adamw_settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < t->parameters.count; i++) {
        const struct parameter *p = &t->parameters.list[i];
        struct adamw step = adamw_step(settings, (double)p->rate, p->decays ? 1.0 : 0.0);
        if (is_words(t, p))
            t->word_step = step;
        else if (p->trainable)
            t->arrays[count++] = (struct adamw_array){p->value, p->gradient, p->first, p->second, p->floats, step};
        else if (p->gradient && !p->adapted)
            memset(p->gradient, 0, p->floats * sizeof(float));
        if (is_words(t, p) && !p->trainable)
            rows_drop_gradients(&t->words);
    }
    return count;
}

enum deberta_status deberta_training_update(struct deberta_training *t, const struct deberta_update *update,
                                            double *norm)
{
    struct adamw_settings settings = {.rate = update->learning_rate,
                                      .beta1 = update->beta1,
                                      .beta2 = update->beta2,
                                      .epsilon = update->epsilon,
                                      .decay = update->weight_decay,
                                      .step = (long)t->steps + 1,
                                      .bias_correction = update->bias_correction};
    t->taped = false;
    t->projected = 0;
    threads_count();
    TRY(parameters_reserve(&t->parameters));
    size_t count = list_arrays(t, &settings);
    t->arrays[count] = rows_gradients(&t->words);
    *norm = sqrt(adamw_squares(t->arrays, count + 1)) * fabs(update->scale);
    if (!isfinite(*norm)) {
        drop_gradients(t);
        return DEBERTA_OK;
    }
    settings.scale = update->scale * adamw_clip(*norm, update->max_norm);
    list_arrays(t, &settings);
    if (!t->options.tied && t->parameters.list[WORDS].trainable)
        TRY(rows_update(&t->words, &t->word_step));
    for_each_adapter(t, begin_update);
    adamw_update(t->arrays, count);
    for_each_adapter(t, merge);
    t->steps++;
    return DEBERTA_OK;
}

/* ---- parameters ---- */

size_t deberta_training_count(const struct deberta_training *t)
{
    return t->parameters.count;
}

struct deberta_parameter deberta_training_parameter(const struct deberta_training *t, size_t index)
{
    const struct parameter *p = &t->parameters.list[index];
    return (struct deberta_parameter){p->name, p->rows, p->columns, p->trainable, p->decays, p->rate};
}

enum deberta_status deberta_training_set_options(struct deberta_training *t, size_t index, bool trainable, bool decays,
                                                 float rate)
{
    struct parameter *list = t->parameters.list, *p = holder(t, index);
    if (trainable && p->adapted)
        return fail(DEBERTA_ARGUMENT, "'%s' is adapted; its adapter is trained in its place", p->name);
    if (trainable && t->parameters.gradient_block && !p->gradient && !is_words(t, p))
        return fail(DEBERTA_ARGUMENT, "'%s' was not trained in the first pass, so that it has no gradient", p->name);
    p->trainable = trainable;
    p->decays = decays;
    p->rate = rate;
    if (t->options.tied)
        list[WORDS].trainable = holder(t, WORDS)->trainable;
    return DEBERTA_OK;
}

static float *part_of(const struct deberta_training *t, const struct parameter *p, enum deberta_parameter_part part)
{
    bool words = is_words(t, p);
    switch (part) {
    case DEBERTA_GRADIENT:
        return p->gradient;
    case DEBERTA_FIRST_MOMENT:
        return words ? t->words.m : p->first;
    case DEBERTA_SECOND_MOMENT:
        return words ? t->words.v : p->second;
    case DEBERTA_VALUE:
    default:
        return p->value;
    }
}

static void read_word_gradients(const struct deberta_training *t, float *out)
{
    size_t columns = t->words.columns;
    memset(out, 0, t->words.count * columns * sizeof *out);
    for (size_t slot = 0; slot < t->words.used; slot++)
        memcpy(out + (size_t)t->words.ids[slot] * columns, t->words.gradient + slot * columns, columns * sizeof *out);
}

enum deberta_status deberta_training_read(struct deberta_training *t, size_t index, enum deberta_parameter_part part,
                                          float *out)
{
    const struct parameter *p = holder(t, index);
    threads_count();
    if (is_words(t, p))
        rows_catch_up_all(&t->words);
    const float *from = part_of(t, p, part);
    if (is_words(t, p) && part == DEBERTA_GRADIENT)
        read_word_gradients(t, out);
    else if (from)
        parameter_read(p, from, out);
    else
        memset(out, 0, p->rows * max_size(p->columns, 1) * sizeof *out);
    return DEBERTA_OK;
}

enum deberta_status deberta_training_write(struct deberta_training *t, size_t index, enum deberta_parameter_part part,
                                           const float *in)
{
    const struct parameter *p = holder(t, index);
    if (part == DEBERTA_GRADIENT)
        return fail(DEBERTA_ARGUMENT, "gradients cannot be written");
    if (part != DEBERTA_VALUE && !p->trainable)
        return fail(DEBERTA_ARGUMENT, "'%s' is not trained, so that it has no moments", p->name);
    if (part != DEBERTA_VALUE)
        TRY(parameters_reserve(&t->parameters));
    t->taped = false;
    t->projected = 0;
    threads_count();
    if (is_words(t, p))
        rows_catch_up_all(&t->words);
    if (is_words(t, p) && part != DEBERTA_VALUE)
        rows_set_moments(&t->words, part == DEBERTA_FIRST_MOMENT ? in : t->words.m,
                         part == DEBERTA_SECOND_MOMENT ? in : t->words.v);
    else
        parameter_write(p, part_of(t, p, part), in);
    return DEBERTA_OK;
}

uint64_t deberta_training_steps(const struct deberta_training *t)
{
    return t->steps;
}

void deberta_training_set_steps(struct deberta_training *t, uint64_t steps)
{
    threads_count();
    rows_catch_up_all(&t->words);
    t->steps = t->words.number = steps;
}
