/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, enhanced mask decoder and every head: outputs, selected tokens, blocks of rows, names of tensors. */
#include <math.h>
#include <stdint.h>

#include "model/context.h"
#include "network.h"
#include "paths.h"

/* Rows in blocks of H / 3, each followed by as many foreign rows, as in v1's interleaved projections. */
static void scatter(struct deberta_tensor *tensor)
{
    size_t block = H / 3, columns = tensor->shape[1];
    float *dense = (float *)(uintptr_t)tensor->data, *in_blocks = drawn(2 * tensor->shape[0] * columns);
    for (size_t r = 0; r < tensor->shape[0]; r++)
        memcpy(in_blocks + (r / block * 2 * block + r % block) * columns, dense + r * columns, columns * sizeof *dense);
    memory_free(dense);
    tensor->data = in_blocks, tensor->block = block, tensor->step = 2 * block;
}

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

struct visited {
    const struct network *network;
    size_t count;
};

/* Every tensor visited exists, in that shape. */
static void is_there(const char *name, size_t rows, size_t columns, void *data)
{
    struct visited *visited = data;
    bool found = false;
    for (size_t i = 0; i < visited->network->count; i++) {
        const struct deberta_tensor *t = &visited->network->tensors[i];
        found |=
            strcmp(t->name, name) == 0 && t->shape[0] == rows && (t->rank == 1 ? columns == 0 : t->shape[1] == columns);
    }
    CHECK(found);
    visited->count++;
}

/* Rows of logits are the same alone and in a batch, all or only the selected ones; canaries follow them. */
static void check_logits(const struct deberta_model *model, struct deberta_context *context, enum deberta_head head)
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

static void check_heads(bool own)
{
    (void)own;
    for (enum deberta_head head = DEBERTA_POOLER; head <= DEBERTA_REPLACED_TOKENS; head++) {
        struct network n;
        make_variant(&n, head);
        struct deberta_model *dense, *model;
        struct deberta_context *context;
        struct visited visited = {&n, 0};
        CHECK(deberta_parameters(&n.config, is_there, &visited) == DEBERTA_OK && visited.count >= n.count - 5);
        CHECK(deberta_model_new(&n.config, n.tensors, n.count, &dense) == DEBERTA_OK);
        for (size_t i = 0; i < n.count; i++)
            if (strstr(n.tensors[i].name, "query_proj.weight"))
                scatter(&n.tensors[i]);
        CHECK(deberta_model_new(&n.config, n.tensors, n.count, &model) == DEBERTA_OK);
        CHECK(memcmp(dense->layers[1].query.packed, model->layers[1].query.packed, 4 * H * H) == 0);
        CHECK(deberta_context_new(model, &context) == DEBERTA_OK);
        for (int threads = 1; threads <= 3; threads++) {
            deberta_set_threads(threads);
            check_logits(model, context, head);
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

int main(void)
{
    for_each_path("check_heads", check_heads);
    return 0;
}
