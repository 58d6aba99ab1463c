/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"

#include "base/threads.h"
#include "base/watch.h"
#include "nn/attention_task.h"

#define TILE_FLOATS 110000 /* limit of a tile, so that it stays in L2 */

/* A task and the panels of its values. */
struct forward_task {
    struct attention_task task;
    float *values; // (ceil(depth / width), value_rows, width) in bfloat16, else a copy of the rows, if they need one
    size_t value_rows;     /* S; in bfloat16 a row for two tokens */
    struct head_rows rows; // (S, depth) in float32
};

static void lay_out(struct forward_task *f, struct arena *arena)
{
    struct attention_task *t = &f->task;
    task_lay_out(t, TILE_FLOATS, arena);
    f->value_rows = t->attention->bf16 ? (t->length + 1) / 2 : t->length;
    size_t copied = task_copy_floats(t, t->length);
    f->values = arena_floats(arena, t->attention->bf16 ? round_up(t->depth, t->width) * f->value_rows : copied);
}

bool attention_has_bf16(size_t head_size)
{
    return kernels->product_bf16 && head_size % MAX_PANEL == 0;
}

size_t attention_scratch(const struct attention *attention, size_t length)
{
    struct arena arena = {0};
    struct forward_task task = {.task = task_of(attention, length)};
    lay_out(&task, &arena);
    return arena.used / sizeof(float);
}

static void mix_values(const struct forward_task *f, size_t first, size_t rows)
{
    const struct attention_task *t = &f->task;
    size_t ld = t->attention->ld_context;
    bool bf16 = t->attention->bf16;
    struct product product = {
        .a = t->tile,
        .lda = t->ld_tile,
        .panel = bf16 ? f->values : f->rows.rows,
        .ld_panel = bf16 ? 0 : f->rows.ld,
        .k = f->value_rows,
        .c = t->sequence->context + first * ld + t->head * t->depth,
        .ldc = ld,
        .rows = rows,
        .row_scale = t->inverse_sum,
    };
    task_multiply_rows(t, product, bf16 ? f->value_rows : 1);
}

/* Packs the values as words of two tokens. */
static void pack_pairs(const struct forward_task *f)
{
    const struct attention_task *t = &f->task;
    size_t ld = t->attention->ld_value;
    for (size_t d = 0; d < t->depth; d += t->width) {
        float *panel = f->values + d * f->value_rows;
        kernels->pair_bf16(t->sequence->value + t->head * t->depth + d, ld, t->length, t->width,
                           (int32_t *)(void *)panel, t->width);
    }
}

/* The tile's numbers become words of two keys, in place. */
static void round_tile(const struct attention_task *t, size_t rows)
{
    if (t->length % 2)
        for (size_t i = 0; i < rows; i++)
            t->tile[i * t->ld_tile + t->length] = 0.0f;
    kernels->round_bf16(t->tile, t->ld_tile, rows, t->length, (int32_t *)(void *)t->tile, t->ld_tile);
}

static void store_probabilities(const struct attention_task *t, size_t first, size_t rows)
{
    float *out = t->sequence->probabilities + (t->head * t->sequence->queries + first) * t->length;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < t->length; j++)
            out[i * t->length + j] = t->tile[i * t->ld_tile + j] * t->inverse_sum[i];
}

static void attend_tile(const struct forward_task *f, size_t first, size_t rows)
{
    task_scores(&f->task, first, rows);
    task_drop(&f->task, first, rows, f->task.tile);
    if (f->task.sequence->probabilities)
        store_probabilities(&f->task, first, rows);
    if (f->task.attention->bf16)
        round_tile(&f->task, rows);
    mix_values(f, first, rows);
}

struct batch {
    const struct attention *attention;
    const struct attention_sequence *sequences;
    float *scratch;
    size_t scratch_floats;
};

/* One head of one sequence; ends between two tiles when the caller cancels. */
static void attend(size_t index, int worker, void *context)
{
    const struct batch *batch = context;
    const struct attention *a = batch->attention;
    const struct attention_sequence *sequence = &batch->sequences[index / a->heads];
    struct arena arena = {.base = (char *)(batch->scratch + (size_t)worker * batch->scratch_floats)};
    struct forward_task f = {.task = task_of(a, sequence->length)};
    struct attention_task *t = &f.task;
    t->sequence = sequence;
    t->head = index % a->heads;
    lay_out(&f, &arena);
    task_begin(t);
    if (a->bf16)
        pack_pairs(&f);
    else
        f.rows = task_rows(t, sequence->value, a->ld_value, t->length, f.values);
    for (size_t first = 0; first < sequence->queries; first += t->tile_rows) {
        if (first > 0 && watch_check() != DEBERTA_OK)
            return;
        attend_tile(&f, first, min_size(t->tile_rows, sequence->queries - first));
    }
}

void attention_apply(const struct attention *attention, const struct attention_sequence *sequences, size_t count,
                     float *scratch, size_t scratch_floats)
{
    struct batch batch = {attention, sequences, scratch, scratch_floats};
    double pairs = 0.0;
    for (size_t i = 0; i < count; i++)
        pairs += (double)sequences[i].length * (double)sequences[i].queries;
    double operations = 8.0 * pairs / (double)count * (double)attention->head_size;
    parallel_for(count * attention->heads, threads_grain(operations), attend, &batch);
}
