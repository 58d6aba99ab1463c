/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention.h"

#include <string.h>

#include "base/arena.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define TILE_ROWS 192      /* queries whose scores are in a tile */
#define TILE_FLOATS 110000 /* limit of a tile, so that it stays in L2 */
#define KEY_CHUNK 48       /* keys whose p2c scores are computed and added transposed at a time */
#define VALUE_BLOCK 256    /* values that a tile is multiplied with at a time */
#define SPARE_ROWS 3       /* add_transposed works on four rows */

/* One head of one sequence and its buffers. */
struct task {
    const struct attention *attention;
    const struct attention_sequence *sequence;
    size_t head;
    size_t length, depth, width; /* S, head size, panel width */
    size_t tile_rows, ld_tile, ld_part;
    float *keys;   // (ceil(S / width), depth, width)
    float *values; // (ceil(depth / width), S, width)
    float *tile;   // (tile_rows + SPARE_ROWS, ld_tile): scores; column 0 is preceded by `width` floats of room
    float *part;   // (KEY_CHUNK, ld_part): p2c scores, keys by queries
    float *scale;  // (tile_rows)
    float *far[2]; // panels of positions that repeat rows of the table, for keys and queries
    const float **panels[2];
};

/* The two sides of the relative terms. Columns of their products are lags: key - query in that of the position
 * keys, query - key in that of the position queries. */
enum side { BY_KEY = 0, BY_QUERY = 1 };

static ptrdiff_t floor_div(ptrdiff_t a, ptrdiff_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* The position of lag 0 in the table. */
static ptrdiff_t origin(const struct distances *distances, enum side side)
{
    return (ptrdiff_t)distances->span - (side == BY_KEY);
}

/* Panels on each side of the one that holds lag 0. */
static size_t panels_around(size_t length, size_t width)
{
    return (length - 1) / width + 1;
}

static bool is_relative(const struct attention *attention)
{
    return attention->distances && (attention->position_keys || attention->position_queries);
}

/* Lays out the scratch of a task; length, depth and width are set. */
static void layout(struct task *t, struct arena *arena)
{
    size_t width = t->width, columns = round_up(t->length, width);
    t->ld_tile = columns + 2 * width;
    t->tile_rows = min_size(TILE_ROWS, max_size(TILE_FLOATS / t->ld_tile, 12));
    t->tile_rows = min_size(t->tile_rows, t->length);
    t->ld_part = round_up(t->tile_rows, width) + 2 * width;
    t->keys = arena_floats(arena, columns * t->depth);
    t->values = arena_floats(arena, round_up(t->depth, width) * t->length);
    t->tile = arena_floats(arena, (t->tile_rows + SPARE_ROWS) * t->ld_tile + width);
    t->scale = arena_floats(arena, t->tile_rows);
    if (!is_relative(t->attention))
        return;
    t->part = arena_floats(arena, KEY_CHUNK * t->ld_part + width);
    size_t panels = 2 * panels_around(t->length, width) + 1;
    bool repeats = (ptrdiff_t)t->length - 1 > t->attention->distances->direct;
    for (int side = 0; side < 2; side++) {
        t->panels[side] = arena_pointers(arena, panels);
        t->far[side] = arena_floats(arena, repeats ? panels * t->depth * width : 0);
    }
}

size_t attention_scratch(const struct attention *attention, size_t length)
{
    struct arena arena = {0};
    struct task task = {
        .attention = attention, .length = length, .depth = attention->head_size, .width = kernels->panel_width};
    layout(&task, &arena);
    return arena.used / sizeof(float);
}

/* ---- position panels ---- */

size_t position_table_floats(const struct distances *distances, size_t heads, size_t head_size)
{
    return heads * head_size * round_up(2 * distances->span, kernels->panel_width);
}

void position_table_pack(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                         size_t ld, float *table)
{
    size_t width = kernels->panel_width, positions = 2 * distances->span;
    for (size_t head = 0; head < heads; head++) {
        for (size_t p = 0; p < positions; p += width) {
            kernels->pack(rows + p * ld + head * head_size, ld, min_size(width, positions - p), head_size, table);
            table += head_size * width;
        }
    }
}

/* Copies the columns that serve the lags from `lag` on: each is the table's column of its distance's row. */
static void gather_panel(const struct task *t, enum side side, const float *table, ptrdiff_t lag, float *panel)
{
    const struct distances *distances = t->attention->distances;
    for (size_t column = 0; column < t->width; column++, lag++) {
        size_t row = distance_row(distances, side == BY_KEY ? -lag : lag);
        size_t position = side == BY_KEY ? 2 * distances->span - 1 - row : row;
        const float *from = table + position / t->width * t->depth * t->width + position % t->width;
        for (size_t d = 0; d < t->depth; d++)
            panel[d * t->width + column] = from[d * t->width];
    }
}

/* Finds the panels of all lags of the sequence. Panels whose rows are used once are read in place, in the table. */
static void find_panels(struct task *t, enum side side)
{
    const struct attention *a = t->attention;
    const float *table = side == BY_KEY ? a->position_keys : a->position_queries;
    if (!table)
        return;
    size_t width = t->width, around = panels_around(t->length, width);
    table += t->head * position_table_floats(a->distances, 1, t->depth);
    ptrdiff_t zero = origin(a->distances, side), last = (ptrdiff_t)t->length - 1, direct = a->distances->direct;
    ptrdiff_t first_panel = zero / (ptrdiff_t)width - (ptrdiff_t)around;
    float *far = t->far[side];
    for (size_t i = 0; i <= 2 * around; i++) {
        ptrdiff_t panel = first_panel + (ptrdiff_t)i, lag = panel * (ptrdiff_t)width - zero;
        if (lag > last || lag + (ptrdiff_t)width - 1 < -last)
            continue; /* no pair of tokens has this lag */
        if (larger(lag, -last) >= -direct && smaller(lag + (ptrdiff_t)width - 1, last) <= direct) {
            t->panels[side][i] = table + (size_t)panel * t->depth * width;
        } else {
            gather_panel(t, side, table, lag, far);
            t->panels[side][i] = far;
            far += t->depth * width;
        }
    }
}

/* ---- the steps of a task ---- */

static void pack_keys_and_values(const struct task *t)
{
    const struct attention *a = t->attention;
    const float *key = t->sequence->key + t->head * t->depth, *value = t->sequence->value + t->head * t->depth;
    for (size_t j = 0; j < t->length; j += t->width)
        kernels->pack(key + j * a->ld_key, a->ld_key, min_size(t->width, t->length - j), t->depth,
                      t->keys + j * t->depth);
    for (size_t d = 0; d < t->depth; d += t->width) {
        size_t n = min_size(t->width, t->depth - d);
        float *panel = t->values + d * t->length;
        for (size_t j = 0; j < t->length; j++, panel += t->width) {
            memcpy(panel, value + j * a->ld_value + d, n * sizeof *panel);
            memset(panel + n, 0, (t->width - n) * sizeof *panel);
        }
    }
}

/* For the rows [begin, end) of `rows` (tokens of one kind) and the tokens [low, high) of the other kind:
 * out[row - begin][other - low] = rows[row] . panel[other - row]. Panels of lags are multiplied in place; the row
 * stride of ld + 1 stores each product under its own token. Overwrites up to width - 1 columns before and after. */
static void multiply_lags(const struct task *t, enum side side, const float *rows, size_t ld_rows, ptrdiff_t begin,
                          ptrdiff_t end, ptrdiff_t low, ptrdiff_t high, float *out, size_t ld_out)
{
    ptrdiff_t width = (ptrdiff_t)t->width, zero = origin(t->attention->distances, side);
    ptrdiff_t first_panel = zero / width - (ptrdiff_t)panels_around(t->length, t->width);
    ptrdiff_t panel = floor_div(low - (end - 1) + zero, width), last_panel = floor_div(high - 1 - begin + zero, width);
    for (; panel <= last_panel; panel++) {
        ptrdiff_t lag = panel * width - zero;
        ptrdiff_t from = larger(begin, low - lag - width + 1), to = smaller(end, high - lag);
        if (from >= to)
            continue;
        struct product product = {
            .a = rows + (size_t)from * ld_rows,
            .lda = ld_rows,
            .panel = t->panels[side][panel - first_panel],
            .k = t->depth,
            .c = out + (from - begin) * (ptrdiff_t)ld_out + (from + lag - low),
            .ldc = ld_out + 1,
            .rows = (size_t)(to - from),
            .columns = t->width,
        };
        kernels->product(&product);
    }
}

static void score_content(const struct task *t, const float *query, size_t rows, float *tile, bool accumulate)
{
    for (size_t j = 0; j < t->length; j += t->width) {
        struct product product = {
            .a = query,
            .lda = t->attention->ld_query,
            .panel = t->keys + j * t->depth,
            .k = t->depth,
            .c = tile + j,
            .ldc = t->ld_tile,
            .rows = rows,
            .columns = t->width,
            .accumulate = accumulate,
        };
        kernels->product(&product);
    }
}

static void add_position_to_content(const struct task *t, size_t first, size_t rows, float *tile)
{
    const struct attention *a = t->attention;
    const float *key = t->sequence->key + t->head * t->depth;
    float *part = t->part + t->width;
    for (size_t j = 0; j < t->length; j += KEY_CHUNK) {
        size_t keys = min_size(KEY_CHUNK, t->length - j);
        multiply_lags(t, BY_QUERY, key, a->ld_key, (ptrdiff_t)j, (ptrdiff_t)(j + keys), (ptrdiff_t)first,
                      (ptrdiff_t)(first + rows), part, t->ld_part);
        kernels->add_transposed(part, t->ld_part, keys, rows, tile + j, t->ld_tile);
    }
}

static void mix_values(const struct task *t, size_t first, size_t rows, const float *tile)
{
    const struct attention *a = t->attention;
    float *context = t->sequence->context + first * a->ld_context + t->head * t->depth;
    for (size_t d = 0; d < t->depth; d += t->width) {
        for (size_t j = 0; j < t->length; j += VALUE_BLOCK) {
            struct product product = {
                .a = tile + j,
                .lda = t->ld_tile,
                .panel = t->values + d * t->length + j * t->width,
                .k = min_size(VALUE_BLOCK, t->length - j),
                .c = context + d,
                .ldc = a->ld_context,
                .rows = rows,
                .columns = min_size(t->width, t->depth - d),
                .accumulate = j > 0,
                .row_scale = j + VALUE_BLOCK >= t->length ? t->scale : NULL,
            };
            kernels->product(&product);
        }
    }
}

static void store_probabilities(const struct task *t, size_t first, size_t rows, const float *tile)
{
    float *out = t->sequence->probabilities + (t->head * t->sequence->queries + first) * t->length;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < t->length; j++)
            out[i * t->length + j] = tile[i * t->ld_tile + j] * t->scale[i];
}

/* Exponentials of the scores, and in t->scale one over their sums. */
static void normalise_scores(const struct task *t, size_t first, size_t rows, float *tile)
{
    const uint8_t *pairs = t->sequence->pair_mask;
    if (!pairs)
        kernels->softmax(tile, t->ld_tile, rows, t->length, t->sequence->mask, t->scale);
    for (size_t i = 0; pairs && i < rows; i++)
        kernels->softmax(tile + i * t->ld_tile, t->ld_tile, 1, t->length, pairs + (first + i) * t->length,
                         t->scale + i);
}

static void attend_tile(const struct task *t, size_t first, size_t rows)
{
    const struct attention *a = t->attention;
    const float *query = t->sequence->query + t->head * t->depth;
    float *tile = t->tile + t->width;
    bool by_key = a->distances && a->position_keys;
    if (by_key)
        multiply_lags(t, BY_KEY, query, a->ld_query, (ptrdiff_t)first, (ptrdiff_t)(first + rows), 0,
                      (ptrdiff_t)t->length, tile, t->ld_tile);
    score_content(t, query + first * a->ld_query, rows, tile, by_key);
    if (a->distances && a->position_queries)
        add_position_to_content(t, first, rows, tile);
    normalise_scores(t, first, rows, tile);
    if (t->sequence->probabilities)
        store_probabilities(t, first, rows, tile);
    mix_values(t, first, rows, tile);
}

struct batch {
    const struct attention *attention;
    const struct attention_sequence *sequences;
    float *scratch;
    size_t scratch_floats;
};

static void attend(size_t index, int worker, void *context)
{
    const struct batch *batch = context;
    const struct attention *a = batch->attention;
    const struct attention_sequence *sequence = &batch->sequences[index / a->heads];
    struct arena arena = {.base = (char *)(batch->scratch + (size_t)worker * batch->scratch_floats)};
    struct task task = {.attention = a,
                        .sequence = sequence,
                        .head = index % a->heads,
                        .length = sequence->length,
                        .depth = a->head_size,
                        .width = kernels->panel_width};
    layout(&task, &arena);
    pack_keys_and_values(&task);
    if (is_relative(a)) {
        find_panels(&task, BY_KEY);
        find_panels(&task, BY_QUERY);
    }
    for (size_t first = 0; first < sequence->queries; first += task.tile_rows)
        attend_tile(&task, first, min_size(task.tile_rows, sequence->queries - first));
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
