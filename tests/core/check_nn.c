/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers, relative positions, attention and a whole small network: against plain formulas in double precision,
 * with every path and instruction set of this machine, and with every allocation failing once. */
#include "check.h"
#include "position_tables.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "deberta.h"
#include "kernels/kernels.h"
#include "model/context.h"
#include "model/positions.h"
#include "nn/attention.h"
#include "nn/linear.h"

static uint64_t seed = 7;

static float draw(void) /* uniform on [-1, 1) */
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

static float *drawn(size_t count)
{
    void *block;
    CHECK(memory_alloc(count, sizeof(float), &block) == DEBERTA_OK);
    float *floats = block;
    for (size_t i = 0; i < count; i++)
        floats[i] = draw();
    return floats;
}

/* ---- linear layers ---- */

/* Two parts of a fused weight, the second scaled and in bfloat16 without bias. */
static void check_shape_of_linear(size_t in, size_t out, size_t rows)
{
    float *first = drawn(out * in), *bias = drawn(out), *second = drawn(out * in);
    uint16_t *halves = malloc(out * in * sizeof *halves);
    for (size_t i = 0; i < out * in; i++) {
        uint32_t bits;
        memcpy(&bits, &second[i], sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
        bits &= 0xffff0000u;
        memcpy(&second[i], &bits, sizeof bits);
    }
    struct weight parts[] = {
        {.data = first, .bias = bias, .rows = out, .scale = 1.0f},
        {.data = halves, .dtype = DEBERTA_BF16, .rows = out, .scale = 0.5f},
    };
    struct linear linear;
    CHECK(linear_init(&linear, parts, 2, in) == DEBERTA_OK);
    CHECK(linear.out_stride == 2 * round_up(out, kernels->panel_width) && linear_bytes(&linear) >= 8 * in * out);
    float *x = drawn(rows * linear.in_stride), *y = drawn(rows * linear.out_stride);
    CHECK(linear_apply(&linear, x, rows, ACT_RELU, y) == DEBERTA_OK);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < 2 * out; o++) {
            size_t row = o % out, column = o < out ? o : linear.out_stride / 2 + row;
            double sum = o < out ? (double)bias[row] : 0.0;
            for (size_t i = 0; i < in; i++)
                sum += (double)x[r * linear.in_stride + i] *
                       (o < out ? (double)first[row * in + i] : 0.5 * (double)second[row * in + i]);
            double wanted = fmax(sum, 0.0);
            CHECK(fabs((double)y[r * linear.out_stride + column] - wanted) < 2e-6 * sqrt((double)in) + 1e-6);
        }
    }
    CHECK(linear_apply(&linear, x, 0, ACT_RELU, y) == DEBERTA_OK);
    linear_release(&linear);
    memory_free(first), memory_free(bias), memory_free(second), free(halves), memory_free(x), memory_free(y);
}

static void check_linear(void)
{
    for (size_t rows = 1; rows <= 26; rows += rows < 8 ? 1 : 5)
        check_shape_of_linear(24, 40, rows);
    check_shape_of_linear(1, 1, 1);
    check_shape_of_linear(7, 3, 5);
    check_shape_of_linear(1537, 17, 3); /* more than one block of k */
    check_shape_of_linear(32, 70, 401); /* more than one block of rows, a last group of panels that is not full */
}

/* ---- relative positions ---- */

/* Buckets of make_log_bucket_position for (256, 512), from transformers. */
static void check_positions(void)
{
    static const struct {
        ptrdiff_t distance, bucket;
    } wanted[] = {{0, 0},     {1, 1},     {127, 127}, {128, 128}, {129, 129}, {131, 131}, {140, 137},
                  {160, 149}, {192, 166}, {200, 169}, {255, 192}, {256, 192}, {257, 192}, {300, 207},
                  {384, 229}, {400, 233}, {500, 254}, {510, 255}, {511, 255}, {512, 256}, {600, 270}};
    struct distances d;
    CHECK(positions_init(&d, 256, 512) == DEBERTA_OK);
    CHECK(d.span == 256 && d.direct == 131 && d.reach == 512);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ptrdiff_t up = wanted[i].bucket + 256, down = 256 - wanted[i].bucket;
        CHECK(distance_row(&d, wanted[i].distance) == (size_t)(up > 511 ? 511 : up));
        CHECK(distance_row(&d, -wanted[i].distance) == (size_t)(down < 0 ? 0 : down));
    }
    CHECK(distance_row(&d, 100000) == 511 && distance_row(&d, -100000) == 0);
    positions_release(&d);
    CHECK(positions_init(&d, 0, 4) == DEBERTA_OK);
    for (ptrdiff_t r = -9; r <= 9; r++)
        CHECK(distance_row(&d, r) == (size_t)(r < -4 ? 0 : r > 3 ? 7 : r + 4));
    positions_release(&d);
    /* the middle beyond the largest distance: log(160 / 128) / log(99 / 128) * 127 = -110.3 */
    CHECK(positions_init(&d, 256, 100) == DEBERTA_OK && d.direct == 128);
    CHECK(distance_row(&d, 128) == 384 && distance_row(&d, 160) == 256 + 128 - 110);
    CHECK(distance_row(&d, -160) == 256 - 128 + 110 && distance_row(&d, 100000) == 0);
    positions_release(&d);
    CHECK(positions_init(&d, 256, 129) == DEBERTA_ARGUMENT && strstr(deberta_message(), "129")); /* log(1) divides */
    CHECK(positions_init(&d, 1, 100) == DEBERTA_ARGUMENT);
}

/* ---- attention ---- */

struct setting {
    size_t heads, depth, buckets, max_relative;
    bool c2p, p2c, masked, first_only;
};

static float *table_of(const struct distances *d, const struct setting *s, const float *rows, bool from_the_end)
{
    float *table = drawn(position_table_floats(d, s->heads, s->depth));
    pack_positions(d, s->heads, s->depth, rows, s->heads * s->depth, from_the_end, table);
    return table;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void compare(const struct setting *s, const struct attention_sequence *q, const struct distances *d,
                    const float *pk, const float *pq)
{
    size_t ld = s->heads * s->depth;
    double *score = malloc(q->length * sizeof *score);
    for (size_t h = 0; h < s->heads; h++) {
        for (size_t i = 0; i < q->queries; i++) {
            const float *query = q->query + i * ld + h * s->depth;
            double top = -INFINITY, sum = 0.0;
            for (size_t j = 0; j < q->length; j++) {
                const float *key = q->key + j * ld + h * s->depth;
                size_t row = distance_row(d, (ptrdiff_t)i - (ptrdiff_t)j) * ld + h * s->depth;
                score[j] = dot(query, key, s->depth) + (s->c2p ? dot(query, pk + row, s->depth) : 0.0) +
                           (s->p2c ? dot(key, pq + row, s->depth) : 0.0);
                if (q->mask && !q->mask[j])
                    score[j] = -INFINITY;
                top = fmax(top, score[j]);
            }
            for (size_t j = 0; j < q->length; j++)
                sum += score[j] = exp(score[j] - top);
            for (size_t j = 0; j < q->length; j++)
                CHECK(fabs((double)q->probabilities[(h * q->queries + i) * q->length + j] - score[j] / sum) < 4e-6);
            for (size_t c = 0; c < s->depth; c++) {
                double wanted = 0.0;
                for (size_t j = 0; j < q->length; j++)
                    wanted += score[j] / sum * (double)q->value[j * ld + h * s->depth + c];
                CHECK(fabs((double)q->context[i * ld + h * s->depth + c] - wanted) < 6e-6);
            }
        }
    }
    free(score);
}

static void check_attention(const struct setting *s, const size_t *lengths, size_t count)
{
    struct distances d;
    CHECK(positions_init(&d, s->buckets, s->max_relative) == DEBERTA_OK);
    size_t ld = s->heads * s->depth, longest = 0;
    float *pk = drawn(2 * d.span * ld), *pq = drawn(2 * d.span * ld);
    float *keys = table_of(&d, s, pk, true), *queries = table_of(&d, s, pq, false);
    struct attention a = {.heads = s->heads,
                          .head_size = s->depth,
                          .distances = s->c2p || s->p2c ? &d : NULL,
                          .position_keys = s->c2p ? keys : NULL,
                          .position_queries = s->p2c ? queries : NULL,
                          .ld_query = ld,
                          .ld_key = ld,
                          .ld_value = ld,
                          .ld_context = ld};
    struct attention_sequence *sequences = calloc(count, sizeof *sequences);
    for (size_t i = 0; i < count; i++) {
        size_t n = lengths[i], q = s->first_only ? 1 : n;
        uint8_t *mask = malloc(n);
        for (size_t j = 0; j < n; j++)
            mask[j] = j % 3 != 1;
        sequences[i] = (struct attention_sequence){.length = n,
                                                   .queries = q,
                                                   .query = drawn(n * ld),
                                                   .key = drawn(n * ld),
                                                   .value = drawn(n * ld),
                                                   .mask = mask,
                                                   .context = drawn(q * ld),
                                                   .probabilities = drawn(s->heads * q * n)};
        if (!s->masked)
            sequences[i].mask = NULL, free(mask);
        longest = max_size(longest, n);
    }
    size_t scratch_floats = attention_scratch(&a, longest);
    float *scratch = drawn(scratch_floats * (size_t)threads_count());
    attention_apply(&a, sequences, count, scratch, scratch_floats);
    for (size_t i = 0; i < count; i++) {
        struct attention_sequence *q = &sequences[i];
        compare(s, q, &d, pk, pq);
        memory_free((void *)(uintptr_t)q->query), memory_free((void *)(uintptr_t)q->key);
        memory_free((void *)(uintptr_t)q->value), memory_free(q->context), memory_free(q->probabilities);
        free((void *)(uintptr_t)q->mask);
    }
    free(sequences), memory_free(scratch);
    memory_free(pk), memory_free(pq), memory_free(keys), memory_free(queries);
    positions_release(&d);
}

static void check_attentions(void)
{
    static const size_t ragged[] = {1, 2, 15, 16, 17, 31, 33, 48, 49, 97}, lengthy[] = {197, 385, 130};
    struct setting s = {.heads = 2, .depth = 8, .buckets = 256, .max_relative = 512};
    for (int terms = 0; terms < 4; terms++) {
        s.c2p = terms & 1, s.p2c = terms & 2;
        for (int how = 0; how < 4; how++) {
            s.masked = how & 1, s.first_only = how & 2;
            check_attention(&s, ragged, 10);
        }
    }
    s = (struct setting){.heads = 3, .depth = 10, .buckets = 8, .max_relative = 40, .c2p = true, .p2c = true};
    check_attention(&s, ragged, 10); /* lags far beyond the tables, whose rows are no multiple of a panel */
    s = (struct setting){.heads = 1, .depth = 24, .max_relative = 20, .c2p = true, .p2c = true, .masked = true};
    check_attention(&s, ragged, 10);
    s = (struct setting){.heads = 1, .depth = 32, .buckets = 256, .max_relative = 512, .c2p = true, .p2c = true};
    check_attention(&s, lengthy, 3); /* several tiles of queries, repeated rows */
}

/* ---- a whole network ---- */

enum { V = 19, H = 24, I = 36, L = 2, C = 3, BUCKETS = 8, MAX_TENSORS = 64 };

struct network {
    struct deberta_config config;
    struct deberta_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][96];
    size_t count;
};

static void add(struct network *n, const char *name, size_t rows, size_t columns)
{
    size_t i = n->count++;
    CHECK(i < MAX_TENSORS);
    snprintf(n->names[i], sizeof n->names[i], "%s", name);
    n->tensors[i] = (struct deberta_tensor){.name = n->names[i],
                                            .rank = columns ? 2 : 1,
                                            .shape = {rows, columns},
                                            .data = drawn(rows * (columns ? columns : 1))};
}

/* Rows in blocks of H / 3, each followed by as many foreign rows, as in v1's interleaved projections. */
static void scatter(struct deberta_tensor *tensor)
{
    size_t block = H / 3, columns = tensor->shape[1];
    float *dense = (float *)(uintptr_t)tensor->data, *apart = drawn(2 * tensor->shape[0] * columns);
    for (size_t r = 0; r < tensor->shape[0]; r++)
        memcpy(apart + (r / block * 2 * block + r % block) * columns, dense + r * columns, columns * sizeof *dense);
    memory_free(dense);
    tensor->data = apart, tensor->block = block, tensor->step = 2 * block;
}

static void add_dense(struct network *n, const char *name, size_t rows, size_t columns)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    add(n, full, rows, columns);
    snprintf(full, sizeof full, "%s.bias", name);
    add(n, full, rows, 0);
}

static void make_network(struct network *n)
{
    static const struct {
        const char *name;
        size_t rows, columns;
    } of_layer[] = {{"attention.self.query_proj", H, H},
                    {"attention.self.key_proj", H, H},
                    {"attention.self.value_proj", H, H},
                    {"attention.output.dense", H, H},
                    {"attention.output.LayerNorm", H, 0},
                    {"intermediate.dense", I, H},
                    {"output.dense", H, I},
                    {"output.LayerNorm", H, 0}};
    *n = (struct network){.config = {.vocab_size = V,
                                     .embedding_size = H,
                                     .hidden_size = H,
                                     .layers = L,
                                     .heads = 3,
                                     .intermediate_size = I,
                                     .max_positions = 64,
                                     .num_labels = C,
                                     .position_buckets = BUCKETS,
                                     .max_relative_positions = 64,
                                     .relative_attention = true,
                                     .c2p = true,
                                     .p2c = true,
                                     .share_att_key = true,
                                     .norm_rel_ebd = true,
                                     .attention_terms = 3,
                                     .key_bias = true,
                                     .head = DEBERTA_SEQUENCE,
                                     .head_size = H,
                                     .layer_norm_eps = 1e-7f,
                                     .hidden_act = "gelu",
                                     .head_act = "gelu"}};
    add(n, "deberta.embeddings.word_embeddings.weight", V, H);
    add_dense(n, "deberta.embeddings.LayerNorm", H, 0);
    add(n, "deberta.encoder.rel_embeddings.weight", 2 * BUCKETS, H);
    add_dense(n, "deberta.encoder.LayerNorm", H, 0);
    for (int layer = 0; layer < L; layer++) {
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++) {
            char name[96];
            snprintf(name, sizeof name, "deberta.encoder.layer.%d.%s", layer, of_layer[i].name);
            add_dense(n, name, of_layer[i].rows, of_layer[i].columns);
        }
    }
    add_dense(n, "head.dense", H, H);
    add_dense(n, "head.out", C, H);
}

static void free_network(struct network *n)
{
    for (size_t i = 0; i < n->count; i++)
        memory_free((void *)(uintptr_t)n->tensors[i].data);
}

static const int32_t ids[] = {1, 5, 2, 1, 7, 8, 9, 10, 11, 2, 1, 2, 1, 18, 0, 3, 2};
static const int64_t offsets[] = {0, 3, 10, 12, 17};
static const struct deberta_batch batch = {.ids = ids, .offsets = offsets, .count = 4};

/* A row of logits does not depend on other rows of the batch, nor on the other outputs. */
static void check_rows(const struct deberta_model *model, struct deberta_context *context)
{
    enum { T = 17 };
    float together[4 * C], asked[4 * C], hidden[(L + 1) * T * H], attentions[L * 3 * (9 + 49 + 4 + 25)];
    CHECK(deberta_model_forward(model, context, &batch, &(struct deberta_outputs){.logits = together}) == DEBERTA_OK);
    struct deberta_outputs all = {.logits = asked, .hidden = hidden, .attentions = attentions};
    CHECK(deberta_model_forward(model, context, &batch, &all) == DEBERTA_OK);
    CHECK(memcmp(together, asked, sizeof asked) == 0 || linear_chosen() == &linear_onednn);
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

static bool third_time(void *data)
{
    return ++*(int *)data == 3;
}

/* Called before each layer except the last, which is short: two chunks of L - 1 layers, then stopped. */
static void check_stop(const struct deberta_model *model, struct deberta_context *context)
{
    float logits[4 * C];
    struct deberta_outputs outputs = {.logits = logits};
    int asked = 0;
    deberta_set_threads(1);
    deberta_context_set_cancel(context, third_time, &asked);
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && asked == L - 1);
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && asked == 2 * (L - 1));
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_STOPPED && asked == 3);
    deberta_context_set_cancel(context, NULL, NULL);
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && asked == 3);
}

static bool meddle(void *data)
{
    *(int *)data = threads_of_call();
    deberta_set_threads(4);
    return threads_count() != 4;
}

/* The callback between layers may set the number of threads: the call goes on with the number it started with. With
 * hidden states it is called before all L layers. */
static void check_meddler(const struct deberta_model *model, struct deberta_context *context)
{
    enum { T = 17 };
    float hidden[(L + 1) * T * H];
    struct deberta_outputs outputs = {.hidden = hidden};
    int seen = 0;
    deberta_set_threads(1);
    deberta_context_set_cancel(context, meddle, &seen);
    CHECK(L > 1 && deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && seen == 1);
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && seen == 4);
    deberta_context_set_cancel(context, NULL, NULL);
}

static void check_refusals(const struct deberta_model *model, struct deberta_context *context)
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

/* Every allocation fails once, in the making and in the first pass; the second pass makes none. */
static void check_memory(const struct network *n)
{
    float logits[17 * H];
    struct deberta_outputs outputs = {.logits = logits};
    for (long nth = 1;; nth++) {
        struct deberta_model *model = NULL;
        struct deberta_context *context = NULL;
        memory_fail_at(nth);
        enum deberta_status status = deberta_model_new(&n->config, n->tensors, n->count, &model);
        if (status == DEBERTA_OK)
            status = deberta_context_new(model, &context);
        if (status == DEBERTA_OK)
            status = deberta_model_forward(model, context, &batch, &outputs);
        memory_fail_at(0);
        CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
        if (status == DEBERTA_OK) {
            long before = memory_count();
            CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && memory_count() == before);
        }
        deberta_context_free(context);
        deberta_model_free(model);
        if (status == DEBERTA_OK)
            break;
    }
}

/* ---- convolution, decoder and every head ---- */

static void make_variant(struct network *n, enum deberta_head head)
{
    make_network(n);
    n->config.head = head;
    n->config.max_positions = 512;
    n->config.enhanced_mask_decoder = head == DEBERTA_MASKED_LM;
    n->config.conv_kernel_size = 3;
    n->config.conv_act = "tanh";
    add(n, "deberta.embeddings.position_embeddings.weight", 512, H);
    add_dense(n, "deberta.encoder.conv", H, 3 * H);
    add_dense(n, "deberta.encoder.conv.LayerNorm", H, 0);
    add_dense(n, "head.LayerNorm", H, 0);
}

struct told {
    const struct network *network;
    size_t count;
};

/* Every tensor visited exists, in that shape. */
static void is_there(const char *name, size_t rows, size_t columns, void *data)
{
    struct told *told = data;
    bool found = false;
    for (size_t i = 0; i < told->network->count; i++) {
        const struct deberta_tensor *t = &told->network->tensors[i];
        found |=
            strcmp(t->name, name) == 0 && t->shape[0] == rows && (t->rank == 1 ? columns == 0 : t->shape[1] == columns);
    }
    CHECK(found);
    told->count++;
}

/* Rows of logits are the same alone and in a batch, all or only the selected ones; canaries follow them. */
static void check_answers(const struct deberta_model *model, struct deberta_context *context, enum deberta_head head)
{
    enum { T = 17 };
    bool of_tokens = head >= DEBERTA_TOKENS;
    size_t columns = head == DEBERTA_POOLER ? H : C, rows = of_tokens ? T : 4;
    float all[T * H + 1], some[T * H + 1], last[T * H], hidden[(L + 1) * T * H];
    all[rows * columns] = 7.0f;
    struct deberta_outputs outputs = {.logits = all, .last = last, .hidden = hidden};
    CHECK(deberta_model_forward(model, context, &batch, &outputs) == DEBERTA_OK && all[rows * columns] == 7.0f);
    CHECK(memcmp(last, hidden + L * T * H, sizeof last) == 0);
    uint8_t wanted[T];
    size_t kept = 0;
    for (size_t t = 0; t < T; t++)
        wanted[t] = draw() < 0.0f;
    struct deberta_batch chosen = batch;
    chosen.selected = of_tokens ? wanted : NULL;
    outputs = (struct deberta_outputs){.logits = some};
    CHECK(deberta_model_forward(model, context, &chosen, &outputs) == DEBERTA_OK);
    for (size_t row = 0; row < rows; row++) {
        if (of_tokens && !wanted[row])
            continue;
        for (size_t c = 0; c < columns; c++)
            CHECK(fabs((double)(some[kept * columns + c] - all[row * columns + c])) < 1e-5);
        kept++;
    }
}

/* Sequences shorter and longer than a block of rows give the same results alone and in any chunk and thread. */
static void check_blocks(const struct deberta_model *model, struct deberta_context *context)
{
    enum { MANY = 6, ROWS = 3 * (190 + 200) };
    static const size_t lengths[MANY] = {200, 190, 200, 190, 200, 190};
    static int32_t drawn_ids[ROWS];
    int64_t starts[MANY + 1] = {0};
    float together[MANY * H], alone[H];
    for (size_t t = 0; t < ROWS; t++)
        drawn_ids[t] = (int32_t)fabs((double)draw() * (V - 1));
    for (size_t i = 0; i < MANY; i++)
        starts[i + 1] = starts[i] + (int64_t)lengths[i];
    struct deberta_batch mixed = {.ids = drawn_ids, .offsets = starts, .count = MANY};
    CHECK(deberta_model_forward(model, context, &mixed, &(struct deberta_outputs){.logits = together}) == DEBERTA_OK);
    for (size_t i = 0; i < MANY; i++) {
        int64_t own[] = {0, (int64_t)lengths[i]};
        struct deberta_batch one = {.ids = drawn_ids + starts[i], .offsets = own, .count = 1};
        CHECK(deberta_model_forward(model, context, &one, &(struct deberta_outputs){.logits = alone}) == DEBERTA_OK);
        for (size_t c = 0; c < H; c++)
            CHECK(fabs((double)(alone[c] - together[i * H + c])) < 1e-5);
    }
}

static void check_heads(void)
{
    for (enum deberta_head head = DEBERTA_POOLER; head <= DEBERTA_REPLACED_TOKENS; head++) {
        struct network n;
        make_variant(&n, head);
        struct deberta_model *dense, *model;
        struct deberta_context *context;
        struct told told = {&n, 0};
        CHECK(deberta_parameters(&n.config, is_there, &told) == DEBERTA_OK && told.count >= n.count - 5);
        CHECK(deberta_model_new(&n.config, n.tensors, n.count, &dense) == DEBERTA_OK);
        for (size_t i = 0; i < n.count; i++)
            if (strstr(n.tensors[i].name, "query_proj.weight"))
                scatter(&n.tensors[i]);
        CHECK(deberta_model_new(&n.config, n.tensors, n.count, &model) == DEBERTA_OK);
        CHECK(memcmp(dense->layers[1].query.packed, model->layers[1].query.packed, 4 * H * H) == 0);
        CHECK(deberta_context_new(model, &context) == DEBERTA_OK);
        for (int threads = 1; threads <= 3; threads++) {
            deberta_set_threads(threads);
            check_answers(model, context, head);
            if (head == DEBERTA_POOLER)
                check_blocks(model, context);
        }
        deberta_context_free(context);
        deberta_model_free(dense);
        deberta_model_free(model);
        check_memory(&n);
        free_network(&n);
    }
}

static void check_network(void)
{
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
    check_refusals(model, context);
    check_stop(model, context);
    check_meddler(model, context);
    deberta_context_free(context);
    deberta_model_free(model);
    check_wrong_weights(&n);
    check_memory(&n);
    free_network(&n);
}

int main(void)
{
    static const char *const paths[] = {"own", "onednn"};
    for (int level = 0; level < ISA_COUNT; level++) {
        for (int path = 0; path < 2; path++) {
            setenv("DEBERTA_C_ISA", isa_names[level], 1);
            setenv("DEBERTA_C_MATMUL", paths[path], 1);
            if (!cpu_has((enum isa)level)) {
                CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), isa_names[level]));
                printf("check_nn: no %s on this machine\n", isa_names[level]);
                break;
            }
            CHECK(deberta_start() == DEBERTA_OK);
            deberta_set_threads(2);
            check_linear();
            if (path == 0)
                check_attentions();
            check_network();
            check_heads();
            printf("check_nn: %s is right with %s\n", isa_names[level], paths[path]);
        }
    }
    check_positions();
    setenv("DEBERTA_C_NUM_THREADS", "two", 1);
    CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), "two"));
    unsetenv("DEBERTA_C_NUM_THREADS");
    setenv("DEBERTA_C_ISA", "mmx", 1);
    CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), "mmx"));
    return 0;
}
