/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of attention over a batch of equal lengths, for benchmarks/core/attention.py.
 * Reads lines `threads heads head_size relative buckets max_relative length`, answers each with a median in GFLOP/s. */
#include "measure.h"

#include "base/threads.h"
#include "model/positions.h"
#include "nn/attention.h"

#define TOKENS 1536 /* of a batch, approximately */

struct work {
    struct attention attention;
    struct attention_sequence *sequences;
    size_t count;
    float *scratch;
    size_t scratch_floats;
};

static void apply(void *context)
{
    struct work *work = context;
    attention_apply(&work->attention, work->sequences, work->count, work->scratch, work->scratch_floats);
}

/* A table of position keys or queries, projected and packed as at load. */
static float *table_of(const struct distances *distances, size_t heads, size_t head_size)
{
    size_t hidden = heads * head_size;
    float *rows = drawn(2 * distances->span * hidden, 0.1f);
    float *table = drawn(position_table_floats(distances, heads, head_size), 0.0f);
    position_table_pack(distances, heads, head_size, rows, hidden, table);
    memory_free(rows);
    return table;
}

/* Keys and values are side by side, as in the layer's fused product. */
static double measure(size_t heads, size_t head_size, const struct distances *distances, size_t length)
{
    size_t hidden = heads * head_size, count = max_size((TOKENS + length / 2) / length, 1), tokens = count * length;
    float *query = drawn(tokens * hidden, 0.5f), *key_value = drawn(tokens * 2 * hidden, 0.5f);
    float *context = drawn(tokens * hidden, 0.0f);
    float *keys = distances ? table_of(distances, heads, head_size) : NULL;
    float *queries = distances ? table_of(distances, heads, head_size) : NULL;
    struct attention_sequence *sequences = calloc(count, sizeof *sequences);
    for (size_t i = 0; sequences && i < count; i++) {
        const float *key = key_value + i * length * 2 * hidden;
        sequences[i] = (struct attention_sequence){.length = length,
                                                   .queries = length,
                                                   .query = query + i * length * hidden,
                                                   .key = key,
                                                   .value = key + hidden,
                                                   .context = context + i * length * hidden};
    }
    struct work work = {.attention = {.heads = heads,
                                      .head_size = head_size,
                                      .distances = distances,
                                      .position_keys = keys,
                                      .position_queries = queries,
                                      .ld_query = hidden,
                                      .ld_key = 2 * hidden,
                                      .ld_value = 2 * hidden,
                                      .ld_context = hidden},
                        .sequences = sequences,
                        .count = count};
    work.scratch_floats = attention_scratch(&work.attention, length);
    work.scratch = drawn(work.scratch_floats * (size_t)threads_count(), 0.0f);
    double products = distances ? 8.0 : 4.0; /* content and context, and two with the positions */
    double operations = products * (double)(count * length * length) * (double)hidden, rates[ROUNDS];
    apply(&work);
    for (int round = 0; round < ROUNDS; round++)
        rates[round] = rate(apply, &work, operations);
    memory_free(query), memory_free(key_value), memory_free(context), memory_free(keys), memory_free(queries);
    free(sequences), memory_free(work.scratch);
    return median(rates);
}

int main(void)
{
    size_t heads, head_size, buckets, max_relative, length;
    int threads, relative;
    must(deberta_start());
    printf("%s %s\n", deberta_isa(), deberta_onednn());
    fflush(stdout);
    while (scanf("%d %zu %zu %d %zu %zu %zu", &threads, &heads, &head_size, &relative, &buckets, &max_relative,
                 &length) == 7) {
        struct distances distances = {0};
        deberta_set_threads(threads);
        if (relative)
            must(positions_init(&distances, buckets, max_relative));
        printf("%.2f\n", measure(heads, head_size, relative ? &distances : NULL, length));
        fflush(stdout);
        positions_release(&distances);
    }
    return 0;
}
