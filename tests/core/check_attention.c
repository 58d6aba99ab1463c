/* SPDX-License-Identifier: Apache-2.0 */
/* Attention against plain formulas in double precision, with every instruction set of this machine. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "floats.h"
#include "kernels/kernels.h"
#include "model/positions.h"
#include "nn/position_table.h"
#include "paths.h"
#include "position_tables.h"

struct setting {
    size_t heads, depth, buckets, max_relative;
    bool c2p, p2c, masked, first_only;
    bool bf16, bytes;
};

/* Numbers which the type of the attention represents, so that scores are sums of exact products. */
static float *numbers(const struct setting *s, size_t n)
{
    float *x = drawn(n);
    for (size_t i = 0; s->bf16 && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0xffff0000;
        memcpy(x + i, &bits, sizeof bits);
    }
    return x;
}

/* The rows [R][heads * depth] become the numbers that a table of bytes holds. */
static void round_to_bytes(const struct setting *s, float *rows, size_t count)
{
    for (float *row = rows; row < rows + count * s->heads * s->depth; row += s->depth) {
        float largest = 0.0f;
        for (size_t i = 0; i < s->depth; i++)
            largest = fmaxf(largest, fabsf(row[i]));
        for (size_t i = 0; i < s->depth; i++)
            row[i] = rintf(row[i] * (127.0f / largest)) * (largest / 127.0f);
    }
}

static float *table_of_bytes(const struct distances *d, const struct setting *s, const float *rows, bool from_the_end)
{
    struct attention attention = {.head_size = s->depth, .bytes = true};
    size_t count = 2 * d->span, ld = s->heads * s->depth;
    void *table;
    CHECK(memory_calloc(position_table_floats(d, s->heads, position_table_depth(&attention)), sizeof(float), &table) ==
          DEBERTA_OK);
    float *ordered = drawn(count * ld);
    for (size_t r = 0; r < count; r++)
        memcpy(ordered + r * ld, rows + (from_the_end ? count - 1 - r : r) * ld, ld * sizeof *ordered);
    position_table_pack_bytes(d, s->heads, s->depth, ordered, ld, table);
    memory_free(ordered);
    return table;
}

static float *table_of(const struct distances *d, const struct setting *s, const float *rows, bool from_the_end)
{
    if (s->bytes)
        return table_of_bytes(d, s, rows, from_the_end);
    size_t ld = s->heads * s->depth, depth = s->bf16 ? s->depth / 2 : s->depth;
    float *table = drawn(position_table_floats(d, s->heads, depth)), *words = drawn(2 * d->span * ld);
    memcpy(words, rows, 2 * d->span * ld * sizeof *words);
    if (s->bf16)
        kernels->round_bf16(words, ld, 2 * d->span, ld, (int32_t *)(void *)words, ld);
    pack_positions(d, s->heads, depth, words, ld, from_the_end, table);
    memory_free(words);
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
    double tolerance = s->bf16 ? 1.0 / 512 : 6e-6; /* in bfloat16, probabilities have 8 bits */
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
                CHECK(fabs((double)q->context[i * ld + h * s->depth + c] - wanted) < tolerance);
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
    float *pk = numbers(s, 2 * d.span * ld), *pq = numbers(s, 2 * d.span * ld);
    float *keys = table_of(&d, s, pk, true), *queries = table_of(&d, s, pq, false);
    if (s->bytes)
        round_to_bytes(s, pk, 2 * d.span), round_to_bytes(s, pq, 2 * d.span);
    struct attention a = {.heads = s->heads,
                          .head_size = s->depth,
                          .distances = s->c2p || s->p2c ? &d : NULL,
                          .position_keys = s->c2p ? keys : NULL,
                          .position_queries = s->p2c ? queries : NULL,
                          .ld_query = ld,
                          .ld_key = ld,
                          .ld_value = ld,
                          .ld_context = ld,
                          .bf16 = s->bf16,
                          .bytes = s->bytes};
    struct attention_sequence *sequences = calloc(count, sizeof *sequences);
    for (size_t i = 0; i < count; i++) {
        size_t n = lengths[i], q = s->first_only ? 1 : n;
        uint8_t *mask = malloc(n);
        for (size_t j = 0; j < n; j++)
            mask[j] = j % 3 != 1;
        sequences[i] = (struct attention_sequence){.length = n,
                                                   .queries = q,
                                                   .query = numbers(s, n * ld),
                                                   .key = numbers(s, n * ld),
                                                   .value = numbers(s, n * ld),
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

/* Attention does not depend on the path of linear layers. */
static void check_attentions(bool own)
{
    if (!own)
        return;
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
    check_attention(&s, ragged, 10); /* lags far beyond the tables, whose rows are not a multiple of a panel */
    s = (struct setting){.heads = 1, .depth = 24, .max_relative = 20, .c2p = true, .p2c = true, .masked = true};
    check_attention(&s, ragged, 10);
    s = (struct setting){.heads = 1, .depth = 32, .buckets = 256, .max_relative = 512, .c2p = true, .p2c = true};
    check_attention(&s, lengthy, 3); /* several tiles of queries, repeated rows */
    s.bytes = true;
    check_attention(&s, lengthy, 3);
    s = (struct setting){.heads = 3, .depth = 10, .buckets = 8, .max_relative = 40, .bytes = true};
    for (int terms = 1; terms < 4; terms++) {
        s.c2p = terms & 1, s.p2c = terms & 2;
        check_attention(&s, ragged, 10);
    }
    CHECK(!attention_has_bf16(8) && !attention_has_bf16(48)); /* a head would end within a panel */
    CHECK(attention_has_bf16(32) == (kernels->product_bf16 != NULL));
    if (!attention_has_bf16(32))
        return;
    s = (struct setting){.heads = 3, .depth = 32, .buckets = 8, .max_relative = 40, .bf16 = true};
    for (int terms = 0; terms < 4; terms++) {
        s.c2p = terms & 1, s.p2c = terms & 2;
        for (int how = 0; how < 4; how++) {
            s.masked = how & 1, s.first_only = how & 2;
            check_attention(&s, ragged, 10);
        }
    }
    s = (struct setting){.heads = 2, .depth = 64, .buckets = 256, .c2p = true, .p2c = true, .bf16 = true};
    s.max_relative = 512;
    check_attention(&s, lengthy, 3);
}

int main(void)
{
    for_each_path("check_attention", check_attentions);
    return 0;
}
