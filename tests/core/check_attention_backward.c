/* SPDX-License-Identifier: Apache-2.0 */
/* Attention with dropout and the gradients of attention at every level that the machine has, against formulas in double
 * precision, which are checked by finite differences. */
#include "floats.h"
#include "position_tables.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "deberta.h"
#include "kernels/kernels.h"
#include "model/positions.h"
#include "nn/attention.h"
#include "nn/dropout.h"

#define TOLERANCE 2e-5

enum masking { NO_MASK, OF_KEYS, OF_PAIRS };
enum queries { ALL, SOME, FIRST };

struct setting {
    size_t heads, depth, buckets, max_relative;
    bool c2p, p2c, dropout;
    enum masking masking;
    enum queries queries;
};

/* A sequence for the formulas, without gaps. Gradients have the same layout. */
struct oracle {
    size_t length, queries;
    double *query, *key, *value;               // (queries or S, H)
    double *position_keys, *position_queries;  // (R, H)
    double *d_context;                         // (queries, H)
    double *kept;                              // (heads, queries, S): factors of dropout
    const struct attention_sequence *sequence; /* its masks */
};

/* A batch, its gradients, and what is wanted. */
struct problem {
    struct setting s;
    struct distances distances;
    size_t count, hidden, rows, longest; /* sequences, H, R, tokens of the longest */
    struct dropout dropout;
    struct attention attention;
    struct attention_positions positions;
    struct attention_sequence *sequences;
    struct attention_gradients *gradients;
    float *keys, *queries; /* packed tables */
};

/* ---- formulas ---- */

static size_t row_at(const struct problem *p, size_t h, size_t i, size_t j)
{
    return distance_row(&p->distances, (ptrdiff_t)i - (ptrdiff_t)j) * p->hidden + h * p->s.depth;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool is_masked(const struct oracle *o, size_t i, size_t j)
{
    const struct attention_sequence *q = o->sequence;
    return q->pair_mask ? !q->pair_mask[i * o->length + j] : q->mask && !q->mask[j];
}

/* The probabilities [S] of a query, before dropout. */
static void probabilities(const struct problem *p, const struct oracle *o, size_t h, size_t i, double *out)
{
    size_t depth = p->s.depth, column = h * depth;
    const double *query = o->query + i * p->hidden + column;
    double top = -INFINITY, sum = 0.0;
    for (size_t j = 0; j < o->length; j++) {
        const double *key = o->key + j * p->hidden + column;
        out[j] = dot(query, key, depth);
        out[j] += p->s.c2p ? dot(query, o->position_keys + row_at(p, h, i, j), depth) : 0.0;
        out[j] += p->s.p2c ? dot(key, o->position_queries + row_at(p, h, i, j), depth) : 0.0;
        if (is_masked(o, i, j))
            out[j] = -INFINITY;
        top = fmax(top, out[j]);
    }
    for (size_t j = 0; j < o->length; j++)
        sum += out[j] = exp(out[j] - top);
    for (size_t j = 0; j < o->length; j++)
        out[j] /= sum;
}

static const double *kept_by(const struct oracle *o, size_t h, size_t i)
{
    return o->kept + (h * o->queries + i) * o->length;
}

static void context_of(const struct problem *p, const struct oracle *o, double *context)
{
    double *probability = malloc(o->length * sizeof *probability);
    memset(context, 0, o->queries * p->hidden * sizeof *context);
    for (size_t h = 0; h < p->s.heads; h++) {
        for (size_t i = 0; i < o->queries; i++) {
            const double *kept = kept_by(o, h, i);
            probabilities(p, o, h, i, probability);
            for (size_t j = 0; j < o->length; j++)
                for (size_t c = h * p->s.depth; c < (h + 1) * p->s.depth; c++)
                    context[i * p->hidden + c] += kept[j] * probability[j] * o->value[j * p->hidden + c];
        }
    }
    free(probability);
}

static void add(double *to, double factor, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

static void differentiate_query(const struct problem *p, const struct oracle *o, size_t h, size_t i, struct oracle *d)
{
    size_t depth = p->s.depth, column = h * depth, n = o->length;
    const double *d_context = o->d_context + i * p->hidden + column, *query = o->query + i * p->hidden + column;
    const double *kept = kept_by(o, h, i);
    double *probability = malloc(n * sizeof *probability), *d_probability = malloc(n * sizeof *d_probability);
    double mean = 0.0;
    probabilities(p, o, h, i, probability);
    for (size_t j = 0; j < n; j++) {
        size_t at = j * p->hidden + column;
        d_probability[j] = kept[j] * dot(d_context, o->value + at, depth);
        mean += probability[j] * d_probability[j];
        add(d->value + at, kept[j] * probability[j], d_context, depth);
    }
    for (size_t j = 0; j < n; j++) {
        size_t at = j * p->hidden + column, row = row_at(p, h, i, j);
        double d_score = probability[j] * (d_probability[j] - mean);
        add(d->query + i * p->hidden + column, d_score, o->key + at, depth);
        add(d->key + at, d_score, query, depth);
        if (p->s.c2p) {
            add(d->query + i * p->hidden + column, d_score, o->position_keys + row, depth);
            add(d->position_keys + row, d_score, query, depth);
        }
        if (p->s.p2c) {
            add(d->key + at, d_score, o->position_queries + row, depth);
            add(d->position_queries + row, d_score, o->key + at, depth);
        }
    }
    free(probability), free(d_probability);
}

/* ---- problems ---- */

/* Random rows with gaps of canaries behind each. */
static float *rows_of(size_t rows, size_t columns, size_t ld)
{
    float *block = floats(rows * ld);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = columns; c < ld; c++)
            block[r * ld + c] = CANARY;
    return block;
}

static void release_rows(const float *block, size_t rows, size_t columns, size_t ld)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = columns; c < ld; c++)
            CHECK(block[r * ld + c] == CANARY);
    release((float *)(uintptr_t)block, rows * ld);
}

static float *filled(size_t count, float value)
{
    float *block = floats(count);
    for (size_t i = 0; i < count; i++)
        block[i] = value;
    return block;
}

static float *table_of(const struct problem *p, const float *rows, bool from_the_end)
{
    float *table = floats(position_table_floats(&p->distances, p->s.heads, p->s.depth));
    pack_positions(&p->distances, p->s.heads, p->s.depth, rows, p->positions.ld, from_the_end, table);
    return table;
}

/* A mask of rows * n bytes, with at least one key in each row. */
static uint8_t *mask_of(size_t rows, size_t n)
{
    uint8_t *mask = malloc(rows * n);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            mask[i * n + j] = (i * 5 + j) % 3 != 1 || j == i % n;
    return mask;
}

static void make_sequence(struct problem *p, size_t index, size_t length)
{
    const struct attention *a = &p->attention;
    size_t h = p->hidden, queries = p->s.queries == ALL ? length : p->s.queries == SOME ? length / 2 + 1 : 1;
    queries = queries < length ? queries : length;
    p->sequences[index] = (struct attention_sequence){
        .length = length,
        .queries = queries,
        .query = rows_of(queries, h, a->ld_query),
        .key = rows_of(length, h, a->ld_key),
        .value = rows_of(length, h, a->ld_value),
        .mask = p->s.masking == OF_KEYS ? mask_of(1, length) : NULL,
        .pair_mask = p->s.masking == OF_PAIRS ? mask_of(length, length) : NULL,
        .context = rows_of(queries, h, a->ld_context),
        .first_pair = index * 1000003,
    };
    p->gradients[index] = (struct attention_gradients){
        .d_context = rows_of(queries, h, a->ld_context),
        .d_query = rows_of(queries, h, a->ld_query),
        .d_key = rows_of(length, h, a->ld_key),
        .d_value = rows_of(length, h, a->ld_value),
    };
    p->longest = p->longest > length ? p->longest : length;
}

static void make_positions(struct problem *p)
{
    size_t ld = p->hidden + 2;
    CHECK(positions_init(&p->distances, p->s.buckets, p->s.max_relative) == DEBERTA_OK);
    p->rows = 2 * p->distances.span;
    p->positions = (struct attention_positions){
        .keys = rows_of(p->rows, p->hidden, ld),
        .queries = rows_of(p->rows, p->hidden, ld),
        .d_keys = rows_of(p->rows, p->hidden, ld),
        .d_queries = rows_of(p->rows, p->hidden, ld),
        .ld = ld,
    };
    p->keys = table_of(p, p->positions.keys, true);
    p->queries = table_of(p, p->positions.queries, false);
}

static void make_problem(struct problem *p, const struct setting *s, const size_t *lengths, size_t count)
{
    size_t hidden = s->heads * s->depth;
    *p = (struct problem){.s = *s, .count = count, .hidden = hidden};
    p->dropout = dropout_site(0.25f, 7, 3);
    make_positions(p);
    p->attention = (struct attention){.heads = s->heads,
                                      .head_size = s->depth,
                                      .distances = s->c2p || s->p2c ? &p->distances : NULL,
                                      .position_keys = s->c2p ? p->keys : NULL,
                                      .position_queries = s->p2c ? p->queries : NULL,
                                      .ld_query = hidden + 3,
                                      .ld_key = hidden + 1,
                                      .ld_value = hidden + 5,
                                      .ld_context = hidden,
                                      .dropout = s->dropout ? &p->dropout : NULL};
    p->sequences = calloc(count, sizeof *p->sequences);
    p->gradients = calloc(count, sizeof *p->gradients);
    for (size_t i = 0; i < count; i++)
        make_sequence(p, i, lengths[i]);
}

static void release_problem(struct problem *p)
{
    const struct attention *a = &p->attention;
    size_t h = p->hidden, table = position_table_floats(&p->distances, p->s.heads, p->s.depth);
    for (size_t i = 0; i < p->count; i++) {
        const struct attention_sequence *q = &p->sequences[i];
        const struct attention_gradients *g = &p->gradients[i];
        release_rows(q->query, q->queries, h, a->ld_query), release_rows(q->key, q->length, h, a->ld_key);
        release_rows(q->value, q->length, h, a->ld_value), release_rows(q->context, q->queries, h, a->ld_context);
        release_rows(g->d_context, q->queries, h, a->ld_context);
        release_rows(g->d_query, q->queries, h, a->ld_query), release_rows(g->d_key, q->length, h, a->ld_key);
        release_rows(g->d_value, q->length, h, a->ld_value);
        free((void *)(uintptr_t)q->mask), free((void *)(uintptr_t)q->pair_mask);
    }
    const struct attention_positions *t = &p->positions;
    release_rows(t->keys, p->rows, h, t->ld), release_rows(t->queries, p->rows, h, t->ld);
    release_rows(t->d_keys, p->rows, h, t->ld), release_rows(t->d_queries, p->rows, h, t->ld);
    release(p->keys, table), release(p->queries, table);
    positions_release(&p->distances);
    free(p->sequences), free(p->gradients);
}

/* ---- the two together ---- */

static double *doubles_of(const float *rows, size_t count, size_t columns, size_t ld)
{
    double *block = malloc(count * columns * sizeof *block);
    for (size_t r = 0; r < count; r++)
        for (size_t c = 0; c < columns; c++)
            block[r * columns + c] = (double)rows[r * ld + c];
    return block;
}

/* The factors of dropout, from one call over all pairs of the sequence. */
static double *kept_pairs(const struct problem *p, const struct attention_sequence *q)
{
    size_t pairs = p->s.heads * q->queries * q->length;
    float *kept = filled(pairs, 1.0f);
    if (p->s.dropout)
        kernels->dropout(kept, NULL, pairs, q->first_pair, p->dropout.key, p->dropout.threshold, p->dropout.scale,
                         kept);
    double *factors = doubles_of(kept, 1, pairs, pairs);
    release(kept, pairs);
    return factors;
}

static struct oracle make_oracle(const struct problem *p, size_t index)
{
    const struct attention *a = &p->attention;
    const struct attention_sequence *q = &p->sequences[index];
    size_t h = p->hidden;
    return (struct oracle){
        .length = q->length,
        .queries = q->queries,
        .query = doubles_of(q->query, q->queries, h, a->ld_query),
        .key = doubles_of(q->key, q->length, h, a->ld_key),
        .value = doubles_of(q->value, q->length, h, a->ld_value),
        .position_keys = doubles_of(p->positions.keys, p->rows, h, p->positions.ld),
        .position_queries = doubles_of(p->positions.queries, p->rows, h, p->positions.ld),
        .d_context = doubles_of(p->gradients[index].d_context, q->queries, h, a->ld_context),
        .kept = kept_pairs(p, q),
        .sequence = q,
    };
}

static void release_oracle(struct oracle *o)
{
    free(o->query), free(o->key), free(o->value), free(o->position_keys), free(o->position_queries);
    free(o->d_context), free(o->kept);
}

/* The gradients of a sequence; those of positions are added to d. */
static struct oracle differentiate(const struct problem *p, const struct oracle *o, double *d_position_keys,
                                   double *d_position_queries)
{
    struct oracle d = {
        .query = calloc(o->queries * p->hidden, sizeof(double)),
        .key = calloc(o->length * p->hidden, sizeof(double)),
        .value = calloc(o->length * p->hidden, sizeof(double)),
        .position_keys = d_position_keys,
        .position_queries = d_position_queries,
    };
    for (size_t h = 0; h < p->s.heads; h++)
        for (size_t i = 0; i < o->queries; i++)
            differentiate_query(p, o, h, i, &d);
    return d;
}

static double worst;

static void compare(const float *rows, size_t count, size_t columns, size_t ld, const double *wanted)
{
    for (size_t r = 0; r < count; r++) {
        for (size_t c = 0; c < columns; c++) {
            double value = wanted[r * columns + c];
            double error = fabs((double)rows[r * ld + c] - value) / (1.0 + fabs(value));
            CHECK(error < TOLERANCE);
            worst = fmax(worst, error);
        }
    }
}

static void run(struct problem *p)
{
    size_t apply_floats = attention_scratch(&p->attention, p->longest);
    size_t backward_floats = attention_backward_scratch(&p->attention, p->longest);
    size_t threads = (size_t)threads_count(), sums = attention_position_sums(&p->attention, p->longest, p->count);
    float *scratch = filled(apply_floats * threads, NAN);
    attention_apply(&p->attention, p->sequences, p->count, scratch, apply_floats);
    release(scratch, apply_floats * threads);
    scratch = filled(backward_floats * threads, NAN);
    p->positions.sums = filled(sums, NAN);
    attention_backward(&p->attention, p->attention.distances ? &p->positions : NULL, p->sequences, p->gradients,
                       p->count, scratch, backward_floats);
    release(scratch, backward_floats * threads), release(p->positions.sums, sums);
}

static void check_gradients(const struct setting *s, const size_t *lengths, size_t count)
{
    struct problem p;
    make_problem(&p, s, lengths, count);
    const struct attention *a = &p.attention;
    struct attention_positions *t = &p.positions;
    double *d_keys = doubles_of(t->d_keys, p.rows, p.hidden, t->ld);
    double *d_queries = doubles_of(t->d_queries, p.rows, p.hidden, t->ld);
    run(&p);
    for (size_t i = 0; i < count; i++) {
        const struct attention_sequence *q = &p.sequences[i];
        const struct attention_gradients *g = &p.gradients[i];
        struct oracle o = make_oracle(&p, i), d = differentiate(&p, &o, d_keys, d_queries);
        double *context = malloc(q->queries * p.hidden * sizeof *context);
        context_of(&p, &o, context);
        compare(q->context, q->queries, p.hidden, a->ld_context, context);
        compare(g->d_query, q->queries, p.hidden, a->ld_query, d.query);
        compare(g->d_key, q->length, p.hidden, a->ld_key, d.key);
        compare(g->d_value, q->length, p.hidden, a->ld_value, d.value);
        free(context), free(d.query), free(d.key), free(d.value);
        release_oracle(&o);
    }
    compare(t->d_keys, p.rows, p.hidden, t->ld, d_keys);
    compare(t->d_queries, p.rows, p.hidden, t->ld, d_queries);
    free(d_keys), free(d_queries);
    release_problem(&p);
}

/* ---- the formulas against finite differences ---- */

/* The loss: the sum of context * d_context. */
static double loss_of(const struct problem *p, const struct oracle *o)
{
    size_t n = o->queries * p->hidden;
    double *context = malloc(n * sizeof *context);
    context_of(p, o, context);
    double loss = dot(context, o->d_context, n);
    free(context);
    return loss;
}

static void check_slopes(const struct problem *p, const struct oracle *o, double *x, size_t count, const double *d)
{
    const double by = 1e-5;
    for (size_t i = 0; i < count; i++) {
        double before = x[i];
        x[i] = before + by;
        double above = loss_of(p, o);
        x[i] = before - by;
        double below = loss_of(p, o);
        x[i] = before;
        CHECK(fabs((above - below) / (2.0 * by) - d[i]) < 1e-8);
    }
}

static void check_formulas(const struct setting *s, size_t length)
{
    struct problem p;
    make_problem(&p, s, &length, 1);
    size_t table = p.rows * p.hidden;
    double *d_keys = calloc(table, sizeof *d_keys), *d_queries = calloc(table, sizeof *d_queries);
    struct oracle o = make_oracle(&p, 0), d = differentiate(&p, &o, d_keys, d_queries);
    check_slopes(&p, &o, o.query, o.queries * p.hidden, d.query);
    check_slopes(&p, &o, o.key, o.length * p.hidden, d.key);
    check_slopes(&p, &o, o.value, o.length * p.hidden, d.value);
    check_slopes(&p, &o, o.position_keys, table, d_keys);
    check_slopes(&p, &o, o.position_queries, table, d_queries);
    free(d.query), free(d.key), free(d.value), free(d_keys), free(d_queries);
    release_oracle(&o);
    release_problem(&p);
}

/* ---- the same bits ---- */

static float *append(float *to, const float *from, size_t count)
{
    memcpy(to, from, count * sizeof *to);
    return to + count;
}

/* The floats of all gradients. */
static size_t gradient_floats(const struct problem *p)
{
    size_t count = 2 * p->rows * p->positions.ld;
    for (size_t i = 0; i < p->count; i++)
        count += p->sequences[i].queries * p->attention.ld_query +
                 p->sequences[i].length * (p->attention.ld_key + p->attention.ld_value);
    return count;
}

/* All gradients of a run, those of positions starting at zero. */
static float *gradients_by(struct problem *p, int threads)
{
    size_t table = p->rows * p->positions.ld;
    float *all = floats(gradient_floats(p)), *to = all;
    for (size_t r = 0; r < p->rows; r++) {
        memset(p->positions.d_keys + r * p->positions.ld, 0, p->hidden * sizeof(float));
        memset(p->positions.d_queries + r * p->positions.ld, 0, p->hidden * sizeof(float));
    }
    threads_set(threads);
    run(p);
    for (size_t i = 0; i < p->count; i++) {
        const struct attention_sequence *q = &p->sequences[i];
        to = append(to, p->gradients[i].d_query, q->queries * p->attention.ld_query);
        to = append(to, p->gradients[i].d_key, q->length * p->attention.ld_key);
        to = append(to, p->gradients[i].d_value, q->length * p->attention.ld_value);
    }
    to = append(to, p->positions.d_keys, table);
    append(to, p->positions.d_queries, table);
    return all;
}

static void check_threads(const struct setting *s, const size_t *lengths, size_t count)
{
    struct problem p;
    make_problem(&p, s, lengths, count);
    size_t n = gradient_floats(&p);
    float *one = gradients_by(&p, 1);
    for (int threads = 2; threads <= 3; threads++) {
        float *more = gradients_by(&p, threads);
        CHECK(memcmp(one, more, n * sizeof *one) == 0);
        release(more, n);
    }
    release(one, n);
    release_problem(&p);
}

static const size_t ragged[] = {1, 2, 15, 16, 17, 31, 33, 48, 49, 97}, lengthy[] = {197, 64, 403};

static void check_terms(struct setting s)
{
    for (int terms = 0; terms < 4; terms++) {
        s.c2p = terms & 1, s.p2c = terms & 2;
        for (enum masking masking = NO_MASK; masking <= OF_PAIRS; masking++) {
            s.masking = masking, s.queries = (enum queries)masking, s.dropout = masking != OF_KEYS;
            check_gradients(&s, ragged, 10);
            s.queries = (enum queries)((masking + 1) % 3), s.dropout = !s.dropout;
            check_gradients(&s, ragged, 10);
        }
    }
}

static void check_level(void)
{
    struct setting s = {.heads = 2, .depth = 8, .buckets = 256, .max_relative = 512};
    check_terms(s);
    s = (struct setting){.heads = 3, .depth = 10, .buckets = 8, .max_relative = 40, .c2p = true, .p2c = true};
    check_gradients(&s, ragged, 10); /* lags far beyond the tables, whose rows are no multiple of a panel */
    s = (struct setting){.heads = 1, .depth = 33, .max_relative = 20, .c2p = true, .p2c = true, .dropout = true};
    check_gradients(&s, ragged, 10);
    s = (struct setting){.heads = 1, .depth = 32, .buckets = 256, .max_relative = 512, .c2p = true, .p2c = true};
    check_gradients(&s, lengthy, 3); /* several tiles of queries, repeated rows */
    check_threads(&s, lengthy, 3);
    s.depth = 64, s.heads = 2, s.dropout = true, s.masking = OF_KEYS;
    check_gradients(&s, lengthy, 3);
    check_threads(&s, ragged, 10);
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        if (!cpu_has((enum isa)level)) {
            printf("check_attention_backward: no %s on this machine\n", isa_names[level]);
            continue;
        }
        setenv("DEBERTA_C_ISA", isa_names[level], 1);
        CHECK(deberta_start() == DEBERTA_OK);
        threads_set(2);
        worst = 0.0;
        check_level();
        printf("check_attention_backward: %s is right, largest error %.1e\n", isa_names[level], worst);
    }
    struct setting s = {.heads = 2, .depth = 3, .max_relative = 3, .c2p = true, .p2c = true, .dropout = true};
    check_formulas(&s, 6);
    s.masking = OF_PAIRS, s.queries = SOME;
    check_formulas(&s, 7);
    s.masking = OF_KEYS, s.c2p = false, s.queries = FIRST;
    check_formulas(&s, 7);
    return 0;
}
