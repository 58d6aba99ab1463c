/* SPDX-License-Identifier: Apache-2.0 */
/* A small network with random weights, and a batch for it. */
#ifndef DEBERTA_TESTS_NETWORK_H
#define DEBERTA_TESTS_NETWORK_H

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "deberta.h"
#include "floats.h"

enum { V = 19, H = 24, I = 36, L = 2, C = 3, BUCKETS = 8, MAX_TENSORS = 64 };

struct network {
    struct deberta_config config;
    struct deberta_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][96];
    size_t count;
};

static inline void add(struct network *n, const char *name, size_t rows, size_t columns)
{
    size_t i = n->count++;
    CHECK(i < MAX_TENSORS);
    snprintf(n->names[i], sizeof n->names[i], "%s", name);
    n->tensors[i] = (struct deberta_tensor){.name = n->names[i],
                                            .rank = columns ? 2 : 1,
                                            .shape = {rows, columns},
                                            .data = drawn(rows * (columns ? columns : 1))};
}

static inline void add_dense(struct network *n, const char *name, size_t rows, size_t columns)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    add(n, full, rows, columns);
    snprintf(full, sizeof full, "%s.bias", name);
    add(n, full, rows, 0);
}

/* Of three heads, with h as hidden size. */
static inline void make_network_of(struct network *n, size_t h)
{
    const struct {
        const char *name;
        size_t rows, columns;
    } of_layer[] = {{"attention.self.query_proj", h, h},
                    {"attention.self.key_proj", h, h},
                    {"attention.self.value_proj", h, h},
                    {"attention.output.dense", h, h},
                    {"attention.output.LayerNorm", h, 0},
                    {"intermediate.dense", I, h},
                    {"output.dense", h, I},
                    {"output.LayerNorm", h, 0}};
    *n = (struct network){.config = {.vocab_size = V,
                                     .embedding_size = h,
                                     .hidden_size = h,
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
                                     .head_size = h,
                                     .layer_norm_eps = 1e-7f,
                                     .hidden_act = "gelu",
                                     .head_act = "gelu"}};
    add(n, "deberta.embeddings.word_embeddings.weight", V, h);
    add_dense(n, "deberta.embeddings.LayerNorm", h, 0);
    add(n, "deberta.encoder.rel_embeddings.weight", 2 * BUCKETS, h);
    add_dense(n, "deberta.encoder.LayerNorm", h, 0);
    for (int layer = 0; layer < L; layer++) {
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++) {
            char name[80];
            snprintf(name, sizeof name, "deberta.encoder.layer.%d.%s", layer, of_layer[i].name);
            add_dense(n, name, of_layer[i].rows, of_layer[i].columns);
        }
    }
    add_dense(n, "head.dense", h, h);
    add_dense(n, "head.out", C, h);
}

static inline void make_network(struct network *n)
{
    make_network_of(n, H);
}

static inline void free_network(struct network *n)
{
    for (size_t i = 0; i < n->count; i++)
        memory_free((void *)(uintptr_t)n->tensors[i].data);
}

static const int32_t ids[] = {1, 5, 2, 1, 7, 8, 9, 10, 11, 2, 1, 2, 1, 18, 0, 3, 2};
static const int64_t offsets[] = {0, 3, 10, 12, 17};
static const struct deberta_batch batch = {.ids = ids, .offsets = offsets, .count = 4};

/* Every allocation fails once, in the making and in the first pass; the second pass makes none. */
static inline void check_memory(const struct network *n)
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

/* Counts the calls, and stops at one of them. */
struct stop {
    int calls, at;
};

static inline bool count_and_stop(void *data)
{
    struct stop *stop = data;
    return ++stop->calls == stop->at;
}

#endif
