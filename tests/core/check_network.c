/* SPDX-License-Identifier: Apache-2.0 */
/* A whole small network: rows, chunks, threads, cancellation, wrong batches and weights, failing allocations. */
#include <math.h>
#include <stdint.h>

#include "base/threads.h"
#include "model/context.h"
#include "network.h"
#include "nn/linear.h"
#include "paths.h"

/* A row of logits does not depend on other rows of the batch, nor on the other outputs. */
static void check_rows(const struct deberta_model *model, struct deberta_context *context)
{
    enum { T = 17 };
    float together[4 * C], calls[4 * C], hidden[(L + 1) * T * H], attentions[L * 3 * (9 + 49 + 4 + 25)];
    CHECK(deberta_model_forward(model, context, &batch, &(struct deberta_outputs){.logits = together}) == DEBERTA_OK);
    struct deberta_outputs all = {.logits = calls, .hidden = hidden, .attentions = attentions};
    CHECK(deberta_model_forward(model, context, &batch, &all) == DEBERTA_OK);
    CHECK(memcmp(together, calls, sizeof calls) == 0 || linear_chosen() == &linear_onednn);
    for (size_t i = 0; i < 4; i++) {
        int64_t alone_offsets[] = {0, offsets[i + 1] - offsets[i]};
        struct deberta_batch alone = {.ids = ids + offsets[i], .offsets = alone_offsets, .count = 1};
        float logits[C];
        CHECK(deberta_model_forward(model, context, &alone, &(struct deberta_outputs){.logits = logits}) == DEBERTA_OK);
        for (size_t c = 0; c < C; c++)
            CHECK(fabs((double)(logits[c] - together[i * C + c])) < 1e-5 && isfinite(logits[c]));
    }
    double sum = 0.0;
    for (size_t j = 0; j < 3; j++)
        sum += (double)attentions[j];
    CHECK(fabs(sum - 1.0) < 1e-6);
}

/* Ragged batches of every mixture: each row has the bits that it has alone (with oneDNN nearly), whatever the chunks,
 * the threads and the blocks of the feed-forward network. */
static void check_ragged(const struct deberta_model *model, struct deberta_context *context)
{
    enum { MOST = 40, LONGEST = 420, ALL = 2000 };
    static int32_t drawn_ids[ALL];
    int64_t starts[MOST + 1] = {0};
    float together[MOST * C], alone[C];
    struct deberta_batch mixed = {.ids = drawn_ids, .offsets = starts};
    size_t longest = draw() < 0.0f ? LONGEST : 30;
    while (mixed.count < MOST) {
        int64_t length = 1 + (int64_t)((double)longest * pow(fabs((double)draw()), 2.0));
        if (starts[mixed.count] + length > ALL)
            break;
        starts[mixed.count + 1] = starts[mixed.count] + length;
        mixed.count++;
    }
    for (int64_t t = 0; t < starts[mixed.count]; t++)
        drawn_ids[t] = (int32_t)fabs((double)draw() * (V - 1));
    struct deberta_outputs outputs = {.logits = together};
    CHECK(deberta_model_forward(model, context, &mixed, &outputs) == DEBERTA_OK);
    for (size_t i = 0; i < mixed.count; i++) {
        int64_t own[] = {0, starts[i + 1] - starts[i]};
        struct deberta_batch one = {.ids = drawn_ids + starts[i], .offsets = own, .count = 1};
        CHECK(deberta_model_forward(model, context, &one, &(struct deberta_outputs){.logits = alone}) == DEBERTA_OK);
        for (size_t c = 0; c < C; c++)
            CHECK(linear_chosen() == &linear_packed ? alone[c] == together[i * C + c]
                                                    : fabs((double)(alone[c] - together[i * C + c])) < 1e-5);
    }
}

/* A row of infinities leaves no trace, not even in the padding of the rows. */
static void check_after_infinity(struct network *n, struct deberta_context *context)
{
    float *word = (float *)(uintptr_t)n->tensors[0].data, kept[H], logits[4 * C];
    memcpy(kept, word + 4 * H, sizeof kept);
    struct deberta_outputs outputs = {.logits = logits};
    int32_t bad_ids[60];
    for (size_t i = 0; i < 60; i++)
        bad_ids[i] = 4;
    for (int64_t length = 1; length <= 60; length++) {
        for (size_t i = 0; i < H; i++)
            word[4 * H + i] = INFINITY;
        struct deberta_batch bad = {.ids = bad_ids, .offsets = (const int64_t[]){0, length}, .count = 1};
        CHECK(deberta_model_forward(context->model, context, &bad, &outputs) == DEBERTA_OK && !isfinite(logits[0]));
        memcpy(word + 4 * H, kept, sizeof kept);
        CHECK(deberta_model_forward(context->model, context, &batch, &outputs) == DEBERTA_OK);
        for (size_t i = 0; i < 4 * C; i++)
            CHECK(isfinite(logits[i]));
    }
}

/* A pass can be stopped at every check, also within a layer, and leaves nothing behind: with several threads, the
 * callback is asked while the caller waits, so that the number of checks varies. */
static void check_stop(const struct deberta_model *model, struct deberta_context *context, int threads)
{
    enum { T = 200 }; /* two tiles, and two blocks of rows */
    static int32_t long_ids[T];
    struct deberta_batch one = {.ids = long_ids, .offsets = (const int64_t[]){0, T}, .count = 1};
    float whole[C], logits[C];
    struct deberta_outputs outputs = {.logits = logits};
    struct stop stop = {0};
    deberta_set_threads(threads);
    CHECK(deberta_model_forward(model, context, &one, &(struct deberta_outputs){.logits = whole}) == DEBERTA_OK);
    deberta_context_set_cancel(context, count_and_stop, &stop);
    CHECK(deberta_model_forward(model, context, &one, &outputs) == DEBERTA_OK);
    int checks = stop.calls;
    CHECK(checks > L * 6);
    for (int at = 1; at <= checks; at++) {
        stop = (struct stop){.at = at};
        enum deberta_status status = deberta_model_forward(model, context, &one, &outputs);
        CHECK(stop.calls >= at ? status == DEBERTA_STOPPED && stop.calls == at : status == DEBERTA_OK);
        CHECK(stop.calls == at || threads > 1);
        stop = (struct stop){0};
        CHECK(deberta_model_forward(model, context, &one, &outputs) == DEBERTA_OK);
        CHECK(memcmp(logits, whole, sizeof whole) == 0 || linear_chosen() == &linear_onednn);
    }
    deberta_context_set_cancel(context, NULL, NULL);
}

static bool set_four_threads(void *data)
{
    *(int *)data = threads_of_call();
    deberta_set_threads(4);
    return threads_count() != 4;
}

/* The callback may set the number of threads: the call goes on with the number it started with. */
static void check_threads_set_by_the_callback(const struct deberta_model *model, struct deberta_context *context)
{
    enum { T = 17 };
    float hidden[(L + 1) * T * H];
    struct deberta_outputs outputs = {.hidden = hidden};
    int seen = 0;
    deberta_set_threads(1);
    deberta_context_set_cancel(context, set_four_threads, &seen);
    CHECK(L > 1 && deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && seen == 1);
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && seen == 4);
    deberta_context_set_cancel(context, NULL, NULL);
}

static void check_wrong_batches(const struct deberta_model *model, struct deberta_context *context)
{
    float logits[4 * C];
    struct deberta_outputs outputs = {.logits = logits};
    int32_t wrong[17];
    memcpy(wrong, ids, sizeof ids);
    struct deberta_batch bad = batch;
    bad.ids = wrong;
    wrong[4] = V;
    CHECK(deberta_model_forward(model, context, &bad, &outputs) == DEBERTA_ARGUMENT && strstr(deberta_message(), "19"));
    wrong[4] = -1;
    CHECK(deberta_model_forward(model, context, &bad, &outputs) == DEBERTA_ARGUMENT && strstr(deberta_message(), "-1"));
    bad = batch;
    bad.offsets = (const int64_t[]){0, 3, 3, 12, 17};
    CHECK(deberta_model_forward(model, context, &bad, &outputs) == DEBERTA_ARGUMENT);
    bad = batch;
    bad.mask = (const uint8_t[17]){1, 1, 1};
    CHECK(deberta_model_forward(model, context, &bad, &outputs) == DEBERTA_ARGUMENT);
    bad.count = 0;
    CHECK(deberta_model_forward(model, context, &bad, &outputs) == DEBERTA_ARGUMENT);
}

static void check_wrong_weights(struct network *n)
{
    struct deberta_model *model;
    for (size_t i = 0; i < n->count; i++) {
        struct deberta_tensor *tensor = &n->tensors[i];
        tensor->shape[0]++;
        CHECK(deberta_model_new(&n->config, n->tensors, n->count, &model) == DEBERTA_FORMAT && !model);
        CHECK(strstr(deberta_message(), tensor->name));
        tensor->shape[0]--;
        const char *name = tensor->name;
        tensor->name = "absent";
        enum deberta_status status = deberta_model_new(&n->config, n->tensors, n->count, &model);
        CHECK(status == DEBERTA_FORMAT && strstr(deberta_message(), name));
        tensor->name = name;
        float *number = (float *)(uintptr_t)tensor->data + i % C, kept = *number;
        *number = i % 2 ? NAN : -INFINITY;
        CHECK(deberta_model_new(&n->config, n->tensors, n->count, &model) == DEBERTA_FORMAT && !model);
        CHECK(strstr(deberta_message(), name) && strstr(deberta_message(), i % 2 ? "nan" : "inf"));
        *number = kept;
    }
    struct deberta_config wrong = n->config;
    wrong.heads = 5;
    CHECK(deberta_model_new(&wrong, n->tensors, n->count, &model) == DEBERTA_ARGUMENT);
    wrong = n->config, wrong.hidden_act = "sine";
    CHECK(deberta_model_new(&wrong, n->tensors, n->count, &model) == DEBERTA_ARGUMENT);
    CHECK(strstr(deberta_message(), "sine"));
}

/* The linear layers whose names have `part` stay in float32. */
static void keep_exact(struct network *n, const char *part)
{
    for (size_t i = 0; i < n->count; i++)
        n->tensors[i].exact = part && n->tensors[i].rank == 2 && strstr(n->tensors[i].name, part);
}

/* Attention is in bfloat16 in layers whose queries, keys and values all are, if the CPU multiplies it; layers of both
 * types, in any order, have room for a long sequence in one call. */
static void check_types_of_layers(void)
{
    enum { T = 100, WIDE = 96 };
    static const char *const kept[] = {NULL, "layer.0.", "layer.1.", "query_proj", "key_proj", "value_proj", "dense"};
    static int32_t long_ids[T];
    struct deberta_batch one = {.ids = long_ids, .offsets = (const int64_t[]){0, T}, .count = 1};
    struct network n;
    make_network_of(&n, WIDE);
    n.config.precision = DEBERTA_BFLOAT16;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        bool rounded[L] = {i == 0 || i == 2 || i == 6, i == 0 || i == 1 || i == 6};
        struct deberta_model *model;
        struct deberta_context *context;
        float logits[C];
        keep_exact(&n, kept[i]);
        CHECK(deberta_model_new(&n.config, n.tensors, n.count, &model) == DEBERTA_OK);
        CHECK(deberta_context_new(model, &context) == DEBERTA_OK);
        CHECK(context_prepare(context, &one) == DEBERTA_OK);
        for (size_t layer = 0; layer < L; layer++) {
            const struct attention *attention = &model->layers[layer].attention;
            CHECK(attention->bf16 == (rounded[layer] && deberta_multiplies(DEBERTA_BFLOAT16)));
            CHECK(context->scratch_floats >= attention_scratch(attention, T));
        }
        CHECK(deberta_model_forward(model, context, &one, &(struct deberta_outputs){.logits = logits}) == DEBERTA_OK);
        for (size_t c = 0; c < C; c++)
            CHECK(isfinite(logits[c]));
        deberta_context_free(context);
        deberta_model_free(model);
    }
    free_network(&n);
}

static void check_network(bool own)
{
    (void)own;
    struct network n;
    make_network(&n);
    struct deberta_model *model;
    struct deberta_context *context;
    CHECK(deberta_model_new(&n.config, n.tensors, n.count, &model) == DEBERTA_OK);
    CHECK(deberta_model_memory(model) > 4 * L * (4 * H * H + 2 * H * I));
    CHECK(deberta_context_new(model, &context) == DEBERTA_OK);
    for (int threads = 1; threads <= 4; threads++) {
        deberta_set_threads(threads);
        check_rows(model, context);
        for (int i = 0; i < 12; i++)
            check_ragged(model, context);
    }
    check_after_infinity(&n, context);
    check_wrong_batches(model, context);
    for (int threads = 1; threads <= 2; threads++)
        check_stop(model, context, threads);
    check_threads_set_by_the_callback(model, context);
    deberta_context_free(context);
    deberta_model_free(model);
    check_wrong_weights(&n);
    check_memory(&n);
    free_network(&n);
    check_types_of_layers();
}

int main(void)
{
    for_each_path("check_network", check_network);
    return 0;
}
