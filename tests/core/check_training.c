/* SPDX-License-Identifier: Apache-2.0 */
/* Training a small network: gradients are slopes with dropout on, steps reduce the loss, failing allocations. */
#include <math.h>
#include <stdint.h>

#include "network.h"
#include "paths.h"

static const struct deberta_training_options with_dropout = {
    .dropout = {.hidden = 0.2f, .attention = 0.3f, .pooler = 0.1f, .head = 0.1f}, .padding = 0};
static const struct deberta_update update_of_step = {.learning_rate = 1e-3,
                                                     .beta1 = 0.9,
                                                     .beta2 = 0.999,
                                                     .epsilon = 1e-8,
                                                     .weight_decay = 0.01,
                                                     .max_norm = 1.0,
                                                     .scale = 1.0,
                                                     .bias_correction = true};

/* The sum of sines of the logits, and its gradient by them. */
static double loss_of(struct deberta_training *training, const struct deberta_batch *of, uint64_t seed, float *d_logits)
{
    float logits[17 * H];
    CHECK(deberta_training_forward(training, of, NULL, seed, logits) == DEBERTA_OK);
    struct deberta_shapes shapes = deberta_training_shapes(training);
    double loss = 0.0;
    for (size_t i = 0; i < shapes.logit_rows * shapes.logit_columns; i++) {
        loss += sin((double)logits[i]);
        d_logits[i] = cosf(logits[i]);
    }
    return loss;
}

static size_t floats_of(const struct deberta_training *training, size_t index)
{
    struct deberta_parameter p = deberta_training_parameter(training, index);
    return p.rows * (p.columns ? p.columns : 1);
}

/* Along a gradient the loss changes as fast as the gradient is long, parameter by parameter. */
static void check_slopes(struct deberta_training *training, const struct deberta_batch *of)
{
    enum { MOST = V * H * 4 };
    static float values[MOST], moved[MOST], gradient[MOST], d_logits[17 * H];
    const enum deberta_parameter_part part = DEBERTA_VALUE;
    CHECK(deberta_training_backward(training, d_logits) == DEBERTA_ARGUMENT);
    loss_of(training, of, 7, d_logits);
    CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
    CHECK(deberta_training_backward(training, d_logits) == DEBERTA_ARGUMENT);
    for (size_t index = 0; index < deberta_training_count(training); index++) {
        size_t n = floats_of(training, index);
        double length = 0.0, losses[2];
        CHECK(n <= MOST);
        CHECK(deberta_training_read(training, index, part, values) == DEBERTA_OK);
        CHECK(deberta_training_read(training, index, DEBERTA_GRADIENT, gradient) == DEBERTA_OK);
        for (size_t i = 0; i < n; i++)
            length += (double)gradient[i] * (double)gradient[i];
        length = sqrt(length);
        if (length < 1e-3)
            continue; /* key biases, which softmax ignores */
        double step = fmin(0.01 / length, 0.02);
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                moved[i] = values[i] + (float)((side ? -step : step) * (double)gradient[i] / length);
            CHECK(deberta_training_write(training, index, part, moved) == DEBERTA_OK);
            losses[side] = loss_of(training, of, 7, d_logits);
        }
        CHECK(deberta_training_write(training, index, part, values) == DEBERTA_OK);
        double slope = (losses[0] - losses[1]) / (2.0 * step);
        CHECK(fabs(slope - length) <= 0.03 * length + 2e-3);
    }
    CHECK(deberta_training_write(training, 0, DEBERTA_GRADIENT, values) == DEBERTA_ARGUMENT);
}

static double evaluate(struct deberta_training *training)
{
    float logits[4 * C];
    double loss = 0.0;
    CHECK(deberta_training_evaluate(training, &batch, NULL, &(struct deberta_outputs){.logits = logits}) == DEBERTA_OK);
    for (size_t i = 0; i < 4 * C; i++)
        loss += sin((double)logits[i]);
    return loss;
}

/* Descends the sum of sines; a second step of the same shape allocates nothing. */
static void check_steps(struct deberta_training *training)
{
    float d_logits[4 * C];
    double first = evaluate(training), norm;
    for (int step = 0; step < 30; step++) {
        long before = memory_count();
        loss_of(training, &batch, (uint64_t)step, d_logits);
        CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
        CHECK(step == 0 || memory_count() == before);
        CHECK(deberta_training_update(training, &update_of_step, &norm) == DEBERTA_OK && isfinite(norm) && norm > 0.0);
    }
    CHECK(deberta_training_steps(training) == 30 && evaluate(training) < first - 0.5);
    d_logits[0] = NAN;
    loss_of(training, &batch, 1, d_logits);
    d_logits[0] = NAN;
    CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
    CHECK(deberta_training_update(training, &update_of_step, &norm) == DEBERTA_OK && !isfinite(norm));
    CHECK(deberta_training_steps(training) == 30);
}

/* Both passes over a batch of classified sequences. */
static enum deberta_status differentiate(struct deberta_training *training, const struct deberta_batch *of)
{
    static const float d_logits[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    float logits[2 * C];
    enum deberta_status status = deberta_training_forward(training, of, NULL, 1, logits);
    return status == DEBERTA_OK ? deberta_training_backward(training, d_logits) : status;
}

/* Reads all gradients and sets them to zero; returns their number. */
static size_t take_gradients(struct deberta_training *training, float *gradients)
{
    size_t count = 0;
    double norm;
    for (size_t index = 0; index < deberta_training_count(training); count += floats_of(training, index++))
        CHECK(deberta_training_read(training, index, DEBERTA_GRADIENT, gradients + count) == DEBERTA_OK);
    CHECK(deberta_training_update(training, &(struct deberta_update){.scale = 1.0, .epsilon = 1.0}, &norm) ==
          DEBERTA_OK);
    return count;
}

/* A step can be cancelled at every check of both passes; then all gradients are zero, and the next step has the
 * gradients of a step that nothing came before. */
static void check_stop(const struct network *n, bool checkpointing)
{
    enum { T = 300, MOST = 1 << 15 }; /* several tiles, and several blocks of rows */
    static int32_t long_ids[T];
    static float whole[MOST], found[MOST];
    const struct deberta_batch two = {.ids = long_ids, .offsets = (const int64_t[]){0, T - 20, T}, .count = 2};
    struct deberta_training_options options = with_dropout;
    options.checkpointing = checkpointing;
    struct deberta_training *training;
    struct stop stop = {0};
    deberta_set_threads(1); /* several threads vary the number of checks */
    CHECK(deberta_training_new(&n->config, n->tensors, n->count, &options, &training) == DEBERTA_OK);
    deberta_training_set_cancel(training, count_and_stop, &stop);
    CHECK(differentiate(training, &two) == DEBERTA_OK);
    size_t count = take_gradients(training, whole);
    int checks = stop.calls;
    CHECK(count <= MOST && checks > L * 20);
    for (int at = 1; at <= checks; at++) {
        stop = (struct stop){.at = at};
        CHECK(differentiate(training, &two) == DEBERTA_STOPPED && stop.calls == at);
        stop = (struct stop){0};
        take_gradients(training, found);
        for (size_t i = 0; i < count; i++)
            CHECK(found[i] == 0.0f);
        CHECK(differentiate(training, &two) == DEBERTA_OK && take_gradients(training, found) == count);
        CHECK(memcmp(found, whole, count * sizeof *whole) == 0);
    }
    deberta_training_free(training);
    deberta_set_threads(2);
}

static void check_failing_allocations(const struct network *n)
{
    float d_logits[4 * C];
    double norm;
    for (long nth = 1;; nth++) {
        struct deberta_training *training = NULL;
        float logits[4 * C];
        memory_fail_at(nth);
        enum deberta_status status = deberta_training_new(&n->config, n->tensors, n->count, &with_dropout, &training);
        if (status == DEBERTA_OK)
            status = deberta_training_forward(training, &batch, NULL, 1, logits);
        for (size_t i = 0; i < 4 * C; i++)
            d_logits[i] = 1.0f;
        if (status == DEBERTA_OK)
            status = deberta_training_backward(training, d_logits);
        if (status == DEBERTA_OK)
            status = deberta_training_update(training, &update_of_step, &norm);
        if (status == DEBERTA_OK)
            status = deberta_training_evaluate(training, &batch, NULL, &(struct deberta_outputs){.logits = logits});
        memory_fail_at(0);
        CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
        deberta_training_free(training);
        if (status == DEBERTA_OK)
            break;
    }
}

/* An evaluation gives the logits of the model, and leaves no trace in later passes. */
static void check_evaluation(const struct network *n, struct deberta_training *training)
{
    float expected[4 * C], found[4 * C];
    struct deberta_model *model;
    struct deberta_context *context;
    CHECK(deberta_model_new(&n->config, n->tensors, n->count, &model) == DEBERTA_OK);
    CHECK(deberta_context_new(model, &context) == DEBERTA_OK);
    CHECK(deberta_model_forward(model, context, &batch, &(struct deberta_outputs){.logits = expected}) == DEBERTA_OK);
    CHECK(deberta_training_evaluate(training, &batch, NULL, &(struct deberta_outputs){.logits = found}) == DEBERTA_OK);
    for (size_t i = 0; i < 4 * C; i++)
        CHECK(fabs((double)(expected[i] - found[i])) < 1e-5);
    deberta_context_free(context);
    deberta_model_free(model);
}

static void set_trainable(struct deberta_training *training, const char *part, bool trainable)
{
    for (size_t i = 0; i < deberta_training_count(training); i++)
        if (strstr(deberta_training_parameter(training, i).name, part))
            CHECK(deberta_training_set_options(training, i, trainable, true, 1.0f) == DEBERTA_OK);
}

/* The embeddings, the position table and layer 0 do not change and have no gradients; their output can be given. */
static void check_frozen(const struct network *n, bool bf16)
{
    enum { MOST = V * H * 4 };
    static float gradient[MOST], rows[17 * H];
    float logits[4 * C], again[4 * C], d_logits[4 * C];
    struct deberta_training_options options = with_dropout;
    struct deberta_training *training;
    double norm;
    options.bf16 = bf16;
    CHECK(deberta_training_new(&n->config, n->tensors, n->count, &options, &training) == DEBERTA_OK);
    size_t whole = deberta_training_memory(training);
    CHECK(deberta_training_frozen(training) == 0);
    CHECK(deberta_training_forward(training, &batch, rows, 3, logits) == DEBERTA_ARGUMENT);
    static const char *const parts[] = {"embeddings", "encoder.LayerNorm", "layer.0."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        set_trainable(training, parts[i], false);
    CHECK(deberta_training_frozen(training) == 1 && deberta_training_memory(training) == whole);
    CHECK(deberta_training_frozen_output(training, &batch, rows) == DEBERTA_OK);
    for (int step = 0; step < 3; step++) {
        uint64_t seed = (uint64_t)step;
        CHECK(deberta_training_forward(training, &batch, NULL, seed, logits) == DEBERTA_OK);
        CHECK(deberta_training_forward(training, &batch, rows, seed, again) == DEBERTA_OK);
        CHECK(memcmp(logits, again, sizeof logits) == 0);
        for (size_t i = 0; i < 4 * C; i++)
            d_logits[i] = cosf(logits[i]);
        CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
        for (size_t i = 0; i < deberta_training_count(training); i++) {
            double length = 0.0;
            CHECK(deberta_training_read(training, i, DEBERTA_GRADIENT, gradient) == DEBERTA_OK);
            for (size_t k = 0; k < floats_of(training, i); k++)
                length += (double)(gradient[k] * gradient[k]);
            CHECK((length > 0.0) == deberta_training_parameter(training, i).trainable);
        }
        CHECK(deberta_training_update(training, &update_of_step, &norm) == DEBERTA_OK && norm > 0.0);
    }
    CHECK(deberta_training_evaluate(training, &batch, NULL, &(struct deberta_outputs){.logits = logits}) == DEBERTA_OK);
    CHECK(deberta_training_evaluate(training, &batch, rows, &(struct deberta_outputs){.logits = again}) == DEBERTA_OK);
    CHECK(memcmp(logits, again, sizeof logits) == 0);
    CHECK(deberta_training_set_options(training, 0, true, true, 1.0f) == DEBERTA_OK); /* rows need no room */
    CHECK(deberta_training_set_options(training, 1, true, true, 1.0f) == DEBERTA_ARGUMENT);
    CHECK(deberta_training_write(training, 1, DEBERTA_FIRST_MOMENT, gradient) == DEBERTA_ARGUMENT);
    deberta_training_free(training);
}

/* Checkpointing changes no bit of a gradient, and takes less memory. */
static void check_checkpointing(const struct network *n)
{
    enum { MOST = V * H * 4 };
    static float gradients[2][MOST], logits[17 * H];
    struct deberta_training *trainings[2];
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        struct deberta_training_options options = with_dropout;
        struct deberta_config config = n->config;
        options.checkpointing = i;
        config.head = DEBERTA_TOKENS; /* which all layers serve with all tokens */
        CHECK(deberta_training_new(&config, n->tensors, n->count, &options, &trainings[i]) == DEBERTA_OK);
        CHECK(deberta_training_forward(trainings[i], &batch, NULL, 5, logits) == DEBERTA_OK);
        for (size_t k = 0; k < 17 * H; k++)
            logits[k] = cosf(logits[k]);
        CHECK(deberta_training_backward(trainings[i], logits) == DEBERTA_OK);
        bytes[i] = deberta_training_memory(trainings[i]);
    }
    CHECK(bytes[1] < bytes[0]);
    for (size_t index = 0; index < deberta_training_count(trainings[0]); index++) {
        for (int i = 0; i < 2; i++)
            CHECK(deberta_training_read(trainings[i], index, DEBERTA_GRADIENT, gradients[i]) == DEBERTA_OK);
        CHECK(memcmp(gradients[0], gradients[1], floats_of(trainings[0], index) * sizeof(float)) == 0);
    }
    deberta_training_free(trainings[0]);
    deberta_training_free(trainings[1]);
}

/* All matrices of the layers are adapted: descends, and of the network only the sums change. */
static void check_adapters(const struct network *n, long fail_at)
{
    enum { RANK = 5 };
    static float values[I * H];
    struct deberta_training *training = NULL;
    double norm;
    float d_logits[4 * C];
    const struct deberta_training_options plain = {.padding = -1};
    memory_fail_at(fail_at);
    enum deberta_status status = deberta_training_new(&n->config, n->tensors, n->count, &plain, &training);
    size_t count = status == DEBERTA_OK ? deberta_training_count(training) : 0;
    for (size_t i = 0; i < count && status == DEBERTA_OK; i++) {
        struct deberta_parameter p = deberta_training_parameter(training, i);
        if (strstr(p.name, ".layer.") && p.columns > 0)
            status = deberta_training_adapt(training, i, RANK, 0.5f);
        else if (!strstr(p.name, "head."))
            status = deberta_training_set_options(training, i, false, true, 1.0f);
    }
    memory_fail_at(0);
    CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = sinf((float)i);
    for (size_t i = count; status == DEBERTA_OK && i < deberta_training_count(training); i += 2)
        CHECK(deberta_training_write(training, i, DEBERTA_VALUE, values) == DEBERTA_OK);
    double first = status == DEBERTA_OK ? evaluate(training) : 0.0;
    for (int step = 0; status == DEBERTA_OK && fail_at == 0 && step < 40; step++) {
        loss_of(training, &batch, (uint64_t)step, d_logits);
        CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
        CHECK(deberta_training_update(training, &update_of_step, &norm) == DEBERTA_OK && norm > 0.0);
    }
    if (fail_at == 0) {
        CHECK(evaluate(training) < first - 0.5);
        CHECK(deberta_training_count(training) == count + 2 * 6 * L);
        CHECK(deberta_training_adapt(training, count, RANK, 1.0f) == DEBERTA_ARGUMENT);
    }
    deberta_training_free(training);
}

/* Layer 0 stays in float32 and needs less memory for its gradients than the others in bfloat16 with many rows. */
static void check_bf16_above_frozen(const struct network *n)
{
    enum { T = 200 };
    static const int64_t whole[] = {0, T};
    static int32_t long_ids[T];
    const struct deberta_training_options options = {.padding = -1, .bf16 = true};
    struct deberta_batch of_many = {.ids = long_ids, .offsets = whole, .count = 1};
    struct deberta_config config = n->config;
    struct deberta_training *training;
    float d_logits[T * C];
    config.head = DEBERTA_TOKENS; /* whose gradient is of all rows */
    deberta_set_threads(1);       /* so that the next bytes are not another thread's */
    CHECK(deberta_training_new(&config, n->tensors, n->count, &options, &training) == DEBERTA_OK);
    static const char *const parts[] = {"embeddings", "encoder.LayerNorm", "layer.0."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        set_trainable(training, parts[i], false);
    CHECK(deberta_training_frozen(training) == 1);
    CHECK(deberta_training_forward(training, &of_many, NULL, 1, d_logits) == DEBERTA_OK);
    CHECK(deberta_training_backward(training, d_logits) == DEBERTA_OK);
    deberta_training_free(training);
    deberta_set_threads(2);
}

/* A step that is not finite leaves no trace, not even in the padding of rows, which bfloat16 reads with the last number
 * of an odd row. */
static void check_bf16_after_infinity(void)
{
    enum { ODD = 15, MOST = 60 };
    static float infinite[V * ODD], words[V * ODD], logits[MOST * C];
    static int32_t many_ids[MOST];
    const struct deberta_training_options options = {.padding = -1, .bf16 = true};
    struct network n;
    struct deberta_training *training;
    double norm;
    make_network_of(&n, ODD);
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &options, &training) == DEBERTA_OK);
    CHECK(floats_of(training, 0) == V * ODD && deberta_training_read(training, 0, DEBERTA_VALUE, words) == DEBERTA_OK);
    for (size_t i = 0; i < V * ODD; i++)
        infinite[i] = INFINITY;
    for (int64_t length = 1; length <= MOST; length++) {
        const int64_t starts[] = {0, length};
        const struct deberta_batch batches[] = {{.ids = many_ids, .offsets = starts, .count = 1}, batch};
        for (int i = 0; i < 2; i++) {
            CHECK(deberta_training_write(training, 0, DEBERTA_VALUE, i ? words : infinite) == DEBERTA_OK);
            CHECK(deberta_training_forward(training, &batches[i], NULL, 1, logits) == DEBERTA_OK);
            CHECK(!isfinite(logits[0]) == !i && deberta_training_backward(training, logits) == DEBERTA_OK);
            CHECK(deberta_training_update(training, &update_of_step, &norm) == DEBERTA_OK);
            CHECK(!isfinite(norm) == !i);
        }
    }
    deberta_training_free(training);
    free_network(&n);
}

/* In bfloat16: the gradients of float32 within its precision, steps that descend, evaluations in float32. */
static void check_bf16(const struct network *n)
{
    enum { MOST = V * H * 4 };
    static float gradients[2][MOST], d_logits[17 * H];
    struct deberta_training_options options = {.padding = -1};
    struct deberta_training *trainings[2] = {NULL, NULL};
    bool has = deberta_multiplies(DEBERTA_BFLOAT16);
    double wrong = 0.0, length = 0.0;
    for (int i = 0; i < 2; i++) {
        options.bf16 = i;
        enum deberta_status status = deberta_training_new(&n->config, n->tensors, n->count, &options, &trainings[i]);
        CHECK(status == (i && !has ? DEBERTA_ARGUMENT : DEBERTA_OK));
        if (status != DEBERTA_OK)
            continue;
        check_evaluation(n, trainings[i]);
        loss_of(trainings[i], &batch, 5, d_logits);
        CHECK(deberta_training_backward(trainings[i], d_logits) == DEBERTA_OK);
    }
    for (size_t index = 0; trainings[1] && index < deberta_training_count(trainings[0]); index++) {
        for (int i = 0; i < 2; i++)
            CHECK(deberta_training_read(trainings[i], index, DEBERTA_GRADIENT, gradients[i]) == DEBERTA_OK);
        for (size_t k = 0; k < floats_of(trainings[0], index); k++) {
            wrong += pow((double)gradients[1][k] - (double)gradients[0][k], 2.0);
            length += pow((double)gradients[0][k], 2.0);
        }
    }
    CHECK(!has || (wrong > 0.0 && sqrt(wrong / length) < 0.06));
    deberta_training_free(trainings[0]);
    deberta_training_free(trainings[1]);
    if (!has)
        return;
    CHECK(deberta_training_new(&n->config, n->tensors, n->count, &options, &trainings[1]) == DEBERTA_OK);
    check_steps(trainings[1]);
    deberta_training_free(trainings[1]);
}

static void check_training(bool own)
{
    (void)own; /* training has one path */
    static const uint8_t mask[] = {1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    struct network n;
    struct deberta_training *training;
    make_network(&n);
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &with_dropout, &training) == DEBERTA_OK);
    check_evaluation(&n, training);
    check_slopes(training, &batch);
    deberta_training_free(training);
    struct deberta_batch masked = batch;
    masked.mask = mask;
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &with_dropout, &training) == DEBERTA_OK);
    check_slopes(training, &masked);
    deberta_training_free(training);
    struct deberta_training_options plain = {.padding = -1};
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &plain, &training) == DEBERTA_OK);
    check_steps(training);
    deberta_training_free(training);
    check_failing_allocations(&n);
    check_stop(&n, false);
    check_stop(&n, true);
    check_frozen(&n, false);
    if (deberta_multiplies(DEBERTA_BFLOAT16)) {
        check_frozen(&n, true);
        check_bf16_above_frozen(&n);
        check_bf16_after_infinity();
    }
    check_checkpointing(&n);
    check_bf16(&n);
    for (long nth = 0; nth < 80; nth++)
        check_adapters(&n, nth);
    struct deberta_training_options tied = {.tied = true};
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &tied, &training) == DEBERTA_ARGUMENT && !training);
    n.config.head = DEBERTA_NO_HEAD;
    CHECK(deberta_training_new(&n.config, n.tensors, n.count, &with_dropout, &training) == DEBERTA_ARGUMENT);
    free_network(&n);
}

int main(void)
{
    for_each_path("check_training", check_training);
    return 0;
}
