/* SPDX-License-Identifier: Apache-2.0 */
/* What attention and its gradients have in common: the work on one head of one sequence, a tile of queries at a time.
 */
#ifndef DEBERTA_NN_ATTENTION_TASK_H
#define DEBERTA_NN_ATTENTION_TASK_H

#include "base/arena.h"
#include "kernels/kernels.h"
#include "nn/attention.h"

/* The two sides of the relative terms. Lags are key - query on that of the position keys, whose rows are queries, and
 * query - key on that of the position queries, whose rows are keys. */
enum side { BY_KEY = 0, BY_QUERY = 1 };

/* The packed positions of a side, or NULL. */
static inline const float *attention_table(const struct attention *attention, enum side side)
{
    if (!attention->distances)
        return NULL;
    return side == BY_KEY ? attention->position_keys : attention->position_queries;
}

static inline bool attention_is_relative(const struct attention *attention)
{
    return attention_table(attention, BY_KEY) || attention_table(attention, BY_QUERY);
}

static inline ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static inline ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* One head of one sequence and its buffers. */
struct attention_task {
    const struct attention *attention;
    const struct attention_sequence *sequence;
    size_t head;
    size_t length, depth, width; /* S, head size, panel width */
    size_t steps;                /* words of a row of a head: depth, or half of it in bfloat16 */
    size_t tile_rows, ld_tile, ld_part;
    float *query_words; // (S, steps), of bfloat16; else NULL
    float *key_words;   // (S, steps)
    const float *query; // (queries, steps) with row stride ld_query
    const float *key;   // (S, steps) with row stride ld_key
    size_t ld_query, ld_key;
    float *keys;        // (ceil(S / width), steps, width)
    float *tile;        // (tile_rows, ld_tile): scores, each row with `width` floats of room on both sides
    float *part;        // (KEY_CHUNK, ld_part): p2c scores, keys by queries, with the same room
    float *inverse_sum; // (tile_rows)
    float *far[2];      // panels that are not in the table as they are: of repeated rows, of bytes
    const float **panels[2];
};

/* A task whose buffers are not laid out yet. */
struct attention_task task_of(const struct attention *attention, size_t length);
/* Lays out the buffers: tiles of at most `tile_floats`, or of a few rows. */
void task_lay_out(struct attention_task *task, size_t tile_floats, struct arena *arena);
/* `count` floats that are preceded by `before` floats of room. */
float *task_floats_after(struct arena *arena, size_t before, size_t count);

/* Takes the queries and keys of the task's sequence and head, packs the keys, and finds the panels of its lags. */
void task_begin(struct attention_task *task);
/* Fills the tile for the queries [first, first + rows): exponentials of the scores, 0 where masked, and one over the
 * sums of each row. */
void task_scores(const struct attention_task *task, size_t first, size_t rows);

/* Applies the dropout of the attention to values in the shape of the tile, for the same queries. */
void task_drop(const struct attention_task *task, size_t first, size_t rows, float *tile);

/* Packs the rows [S][depth] of the task's head as columns of panels: (ceil(S / width), depth, width). */
void task_pack_columns(const struct attention_task *task, const float *rows, size_t ld, float *panels);

/* Rows of a head as the right operand of products, which read whole panels of each row. */
struct head_rows {
    const float *rows; // (count, depth up to a multiple of the panel width)
    size_t ld;
};

/* The row stride of copied rows: whole panels, an odd number of them where that makes the rows use all sets of L1. */
size_t task_copy_stride(const struct attention_task *task);
/* The rows [count][depth] of the task's head: in place, or copied if a panel would reach into another head or the
 * kernels want copies. */
struct head_rows task_rows(const struct attention_task *task, const float *rows, size_t ld, size_t count, float *copy);
/* Floats for a copy; 0 for rows that stay in place. */
size_t task_copy_floats(const struct attention_task *task, size_t count);

/* tile[rows][S] (+)= left[rows][steps] . packed columns */
void task_multiply_columns(const struct attention_task *task, const float *left, size_t ld, size_t rows,
                           const float *panels, float *tile, bool accumulate);
/* The product with rows [k][depth], of which `product` describes the first panel; a panel of columns after it begins
 * `step` floats later for each column. */
void task_multiply_rows(const struct attention_task *task, struct product product, size_t step);

#endif
