/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of attention and of its gradients over a batch of equal lengths, for benchmarks/core/attention.py.
 * Reads lines `threads heads head_size relative buckets max_relative length`, answers each with two medians in GFLOP/s:
 * forward, and the backward pass that computes the scores again. */
#include "measure.h"

#include "base/threads.h"
#include "model/positions.h"
#include "nn/position_table.h"

#define TOKENS 1536 /* of a batch, approximately */

struct shape {
    size_t heads, head_size, hidden, length, count;
    const struct distances *distances; /* NULL: plain attention */
};

struct work {
    struct attention attention;
    struct attention_positions positions;
    struct attention_sequence *sequences;
    struct attention_gradients *gradients;
    size_t count;
    float *scratch;
    size_t forward_floats, backward_floats; /* of a worker */
};

static void apply(void *context)
{
    struct work *w = context;
    attention_apply(&w->attention, w->sequences, w->count, w->scratch, w->forward_floats);
}

static void differentiate(void *context)
{
    struct work *w = context;
    attention_backward(&w->attention, w->attention.distances ? &w->positions : NULL, w->sequences, w->gradients,
                       w->count, w->scratch, w->backward_floats);
}

/* A table of projected position keys or queries, packed as at load. */
static float *table_of(const struct shape *s, const float *rows)
{
    float *table = drawn(position_table_floats(s->distances, s->heads, s->head_size), 0.0f);
    position_table_pack(s->distances, s->heads, s->head_size, rows, s->hidden, table);
    return table;
}

static void make_positions(struct work *w, const struct shape *s)
{
    size_t floats = 2 * s->distances->span * s->hidden;
    float *keys = drawn(floats, 0.1f), *queries = drawn(floats, 0.1f);
    w->attention.position_keys = table_of(s, keys);
    w->attention.position_queries = table_of(s, queries);
    w->positions = (struct attention_positions){.keys = keys,
                                                .queries = queries,
                                                .d_keys = drawn(floats, 0.0f),
                                                .d_queries = drawn(floats, 0.0f),
                                                .ld = s->hidden};
    w->positions.sums = drawn(attention_position_sums(&w->attention, s->length, s->count), 0.0f);
}

/* Keys and values are side by side, as in the layer's fused product. */
static void make_sequences(struct work *w, const struct shape *s)
{
    size_t hidden = s->hidden, n = s->count * s->length * hidden;
    float *query = drawn(n, 0.5f), *key_value = drawn(2 * n, 0.5f), *context = drawn(n, 0.0f);
    float *d_query = drawn(n, 0.0f), *d_key_value = drawn(2 * n, 0.0f), *d_context = drawn(n, 0.5f);
    w->sequences = calloc(s->count, sizeof *w->sequences);
    w->gradients = calloc(s->count, sizeof *w->gradients);
    for (size_t i = 0; w->sequences && w->gradients && i < s->count; i++) {
        size_t row = i * s->length * hidden;
        w->sequences[i] = (struct attention_sequence){.length = s->length,
                                                      .queries = s->length,
                                                      .query = query + row,
                                                      .key = key_value + 2 * row,
                                                      .value = key_value + 2 * row + hidden,
                                                      .context = context + row};
        w->gradients[i] = (struct attention_gradients){.d_context = d_context + row,
                                                       .d_query = d_query + row,
                                                       .d_key = d_key_value + 2 * row,
                                                       .d_value = d_key_value + 2 * row + hidden};
    }
}

static void release(struct work *w)
{
    struct attention_positions *p = &w->positions;
    struct attention_sequence *s = w->sequences;
    struct attention_gradients *g = w->gradients;
    const float *blocks[] = {
        p->keys,    p->queries, p->d_keys, p->d_queries, p->sums,    w->attention.position_keys,   s->query, s->key,
        s->context, g->d_query, g->d_key,  g->d_context, w->scratch, w->attention.position_queries};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        memory_free((float *)(uintptr_t)blocks[i]);
    free(s), free(g);
}

static void measure(const struct shape *s)
{
    size_t hidden = s->hidden;
    struct work w = {.attention = {.heads = s->heads,
                                   .head_size = s->head_size,
                                   .distances = s->distances,
                                   .ld_query = hidden,
                                   .ld_key = 2 * hidden,
                                   .ld_value = 2 * hidden,
                                   .ld_context = hidden},
                     .count = s->count};
    if (s->distances)
        make_positions(&w, s);
    make_sequences(&w, s);
    w.forward_floats = attention_scratch(&w.attention, s->length);
    w.backward_floats = attention_backward_scratch(&w.attention, s->length);
    w.scratch = drawn(max_size(w.forward_floats, w.backward_floats) * (size_t)threads_count(), 0.0f);
    double pairs = (double)(s->count * s->length * s->length * hidden), forward[ROUNDS], backward[ROUNDS];
    apply(&w), differentiate(&w);
    for (int round = 0; round < ROUNDS; round++) {
        forward[round] = rate(apply, &w, (s->distances ? 8.0 : 4.0) * pairs);
        backward[round] = rate(differentiate, &w, (s->distances ? 22.0 : 10.0) * pairs);
    }
    printf("%.2f %.2f\n", median(forward), median(backward));
    release(&w);
}

int main(void)
{
    struct shape s;
    size_t buckets, max_relative;
    int threads, relative;
    must(deberta_start());
    printf("%s %s\n", deberta_isa(), deberta_onednn());
    fflush(stdout);
    while (scanf("%d %zu %zu %d %zu %zu %zu", &threads, &s.heads, &s.head_size, &relative, &buckets, &max_relative,
                 &s.length) == 7) {
        struct distances distances = {0};
        deberta_set_threads(threads);
        if (relative)
            must(positions_init(&distances, buckets, max_relative));
        s.hidden = s.heads * s.head_size;
        s.count = max_size((TOKENS + s.length / 2) / s.length, 1);
        s.distances = relative ? &distances : NULL;
        measure(&s);
        fflush(stdout);
        positions_release(&distances);
    }
    return 0;
}
