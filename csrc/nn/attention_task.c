/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/attention_task.h"

#include <string.h>

#include "nn/dropout.h"
#include "nn/position_table.h"

#define TILE_ROWS 192 /* queries whose scores are in a tile */
#define LEAST_ROWS 12 /* however long the sequence is */
#define KEY_CHUNK 48  /* keys whose p2c scores are computed and added transposed at a time */
#define ROW_BLOCK 256 /* rows of a panel that are multiplied at a time */
#define SPARE_ROWS 3  /* add_transposed works on four rows */
_Static_assert(ROW_BLOCK % SHORT_PART == 0, "a part of a product of bfloat16 has a multiple of SHORT_PART steps");

static ptrdiff_t floor_div(ptrdiff_t a, ptrdiff_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
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

struct attention_task task_of(const struct attention *attention, size_t length)
{
    return (struct attention_task){.attention = attention,
                                   .length = length,
                                   .depth = attention->head_size,
                                   .steps = attention->head_size / (attention->bf16 ? 2 : 1),
                                   .width = kernels->panel_width};
}

float *task_floats_after(struct arena *arena, size_t before, size_t count)
{
    float *block = arena_floats(arena, before + count);
    return block ? block + before : NULL;
}

void task_lay_out(struct attention_task *t, size_t tile_floats, struct arena *arena)
{
    size_t width = t->width, columns = round_up(t->length, width);
    t->ld_tile = columns + 2 * width;
    t->tile_rows = min_size(TILE_ROWS, max_size(tile_floats / t->ld_tile, LEAST_ROWS));
    t->tile_rows = min_size(t->tile_rows, t->length);
    t->ld_part = round_up(t->tile_rows, width) + 2 * width;
    if (t->attention->bf16) {
        t->query_words = arena_floats(arena, t->length * t->steps);
        t->key_words = arena_floats(arena, t->length * t->steps);
    }
    t->keys = arena_floats(arena, columns * t->steps);
    t->tile = task_floats_after(arena, width, (t->tile_rows + SPARE_ROWS) * t->ld_tile);
    t->inverse_sum = arena_floats(arena, t->tile_rows);
    if (!attention_is_relative(t->attention))
        return;
    t->part = task_floats_after(arena, width, KEY_CHUNK * t->ld_part);
    size_t panels = 2 * panels_around(t->length, width) + 1;
    bool repeats = (ptrdiff_t)t->length - 1 > t->attention->distances->direct;
    for (int side = 0; side < 2; side++) {
        t->panels[side] = arena_pointers(arena, panels);
        t->far[side] = arena_floats(arena, repeats || t->attention->bytes ? panels * t->steps * width : 0);
    }
}

/* ---- panels ---- */

static void pack_columns(const struct attention_task *t, const float *rows, size_t ld, size_t steps, float *panels)
{
    for (size_t j = 0; j < t->length; j += t->width)
        kernels->pack(rows + j * ld, ld, min_size(t->width, t->length - j), steps, panels + j * steps);
}

void task_pack_columns(const struct attention_task *t, const float *rows, size_t ld, float *panels)
{
    pack_columns(t, rows + t->head * t->depth, ld, t->depth, panels);
}

size_t task_copy_stride(const struct attention_task *t)
{
    size_t padded = round_up(t->depth, t->width);
    return kernels_want_copies() ? padded | t->width : padded;
}

static bool stays_in_place(const struct attention_task *t)
{
    return t->depth % t->width == 0 && !kernels_want_copies();
}

size_t task_copy_floats(const struct attention_task *t, size_t count)
{
    return stays_in_place(t) ? 0 : count * task_copy_stride(t);
}

struct head_rows task_rows(const struct attention_task *t, const float *rows, size_t ld, size_t count, float *copy)
{
    size_t padded = round_up(t->depth, t->width), stride = task_copy_stride(t);
    rows += t->head * t->depth;
    if (stays_in_place(t))
        return (struct head_rows){rows, ld};
    for (size_t i = 0; i < count; i++) {
        memcpy(copy + i * stride, rows + i * ld, t->depth * sizeof *copy);
        memset(copy + i * stride + t->depth, 0, (padded - t->depth) * sizeof *copy);
    }
    return (struct head_rows){copy, stride};
}

/* Copies the table's column of a position. */
static void copy_column(const struct attention_task *t, const float *table, size_t position, float *to)
{
    size_t width = t->width, column = position % width;
    const float *panel = table + position / width * position_table_depth(t->attention) * width;
    const int8_t *bytes = (const int8_t *)(panel + width) + column;
    if (t->attention->bytes)
        for (size_t d = 0; d < t->steps; d++)
            to[d * width] = (float)bytes[d * width] * panel[column];
    else
        for (size_t d = 0; d < t->steps; d++)
            to[d * width] = panel[d * width + column];
}

/* Copies the columns that serve the lags from `lag` on: each is the table's column of its distance's row. */
static void gather_panel(const struct attention_task *t, enum side side, const float *table, ptrdiff_t lag,
                         float *panel)
{
    const struct distances *distances = t->attention->distances;
    for (size_t column = 0; column < t->width; column++, lag++) {
        size_t row = distance_row(distances, side == BY_KEY ? -lag : lag);
        copy_column(t, table, side == BY_KEY ? 2 * distances->span - 1 - row : row, panel + column);
    }
}

/* Finds the panels of all lags of the sequence. Panels whose rows are used once are read in place, in a table of floats
 * or words. */
static void find_panels(struct attention_task *t, enum side side)
{
    const struct attention *a = t->attention;
    const float *table = attention_table(a, side);
    if (!table)
        return;
    size_t width = t->width, around = panels_around(t->length, width), depth = position_table_depth(a);
    table += t->head * position_table_floats(a->distances, 1, depth);
    ptrdiff_t zero = origin(a->distances, side), last = (ptrdiff_t)t->length - 1, direct = a->distances->direct;
    ptrdiff_t first_panel = zero / (ptrdiff_t)width - (ptrdiff_t)around;
    float *far = t->far[side];
    for (size_t i = 0; i <= 2 * around; i++) {
        ptrdiff_t panel = first_panel + (ptrdiff_t)i, lag = panel * (ptrdiff_t)width - zero;
        if (lag > last || lag + (ptrdiff_t)width - 1 < -last)
            continue; /* no pair of tokens has this lag */
        const float *own = table + panel * (ptrdiff_t)(depth * width);
        bool once = larger(lag, -last) >= -direct && smaller(lag + (ptrdiff_t)width - 1, last) <= direct;
        t->panels[side][i] = once && !a->bytes ? own : far;
        if (once && !a->bytes)
            continue;
        if (once)
            kernels->convert_int8((const int8_t *)(own + width), own, t->steps, far);
        else
            gather_panel(t, side, table, lag, far);
        far += t->steps * width;
    }
}

/* The rows of the task's head, or in `words` their numbers in bfloat16. */
static const float *rows_of_head(const struct attention_task *t, const float *rows, size_t ld, size_t count,
                                 float *words, size_t *ld_out)
{
    rows += t->head * t->depth;
    *ld_out = words ? t->steps : ld;
    if (!words)
        return rows;
    kernels->round_bf16(rows, ld, count, t->depth, (int32_t *)(void *)words, t->steps);
    return words;
}

void task_begin(struct attention_task *t)
{
    const struct attention *a = t->attention;
    const struct attention_sequence *s = t->sequence;
    t->query = rows_of_head(t, s->query, a->ld_query, s->queries, t->query_words, &t->ld_query);
    t->key = rows_of_head(t, s->key, a->ld_key, s->length, t->key_words, &t->ld_key);
    pack_columns(t, t->key, t->ld_key, t->steps, t->keys);
    find_panels(t, BY_KEY);
    find_panels(t, BY_QUERY);
}

/* ---- products ---- */

/* The product in the type of the attention; in bfloat16, `a`, `panel` and `k` are words and columns are panel_width. */
static void multiply(const struct attention_task *t, const struct product *p)
{
    if (!t->attention->bf16) {
        kernels->product(p);
        return;
    }
    struct short_product product = {
        .a = (const int32_t *)(const void *)p->a,
        .lda = p->lda,
        .panel = (const int32_t *)(const void *)p->panel,
        .steps = p->k,
        .c = p->c,
        .ldc = p->ldc,
        .rows = p->rows,
        .accumulate = p->accumulate,
        .scale = p->row_scale,
    };
    kernels->product_bf16(&product);
}

void task_multiply_columns(const struct attention_task *t, const float *left, size_t ld, size_t rows,
                           const float *panels, float *tile, bool accumulate)
{
    for (size_t j = 0; j < t->length; j += t->width) {
        struct product product = {
            .a = left,
            .lda = ld,
            .panel = panels + j * t->steps,
            .k = t->steps,
            .c = tile + j,
            .ldc = t->ld_tile,
            .rows = rows,
            .columns = t->width,
            .accumulate = accumulate,
        };
        multiply(t, &product);
    }
}

void task_multiply_rows(const struct attention_task *t, struct product whole, size_t step)
{
    for (size_t d = 0; d < t->depth; d += t->width) {
        for (size_t k = 0; k < whole.k; k += ROW_BLOCK) {
            struct product product = whole;
            product.a += k * (whole.step ? whole.step : 1);
            product.panel += d * step + k * (whole.ld_panel ? whole.ld_panel : t->width);
            product.k = min_size(ROW_BLOCK, whole.k - k);
            product.c += d;
            product.columns = min_size(t->width, t->depth - d);
            product.accumulate = whole.accumulate || k > 0;
            product.row_scale = k + ROW_BLOCK >= whole.k ? whole.row_scale : NULL;
            multiply(t, &product);
        }
    }
}

/* For the rows [begin, end) of `rows` (tokens of one kind) and the tokens [low, high) of the other kind:
 * out[row - begin][other - low] = rows[row] . panel[other - row]. Panels of lags are multiplied in place; the row
 * stride of ld + 1 stores each product under its own token. Overwrites up to width - 1 columns before and after. */
static void multiply_lags(const struct attention_task *t, enum side side, const float *rows, size_t ld_rows,
                          ptrdiff_t begin, ptrdiff_t end, ptrdiff_t low, ptrdiff_t high, float *out, size_t ld_out)
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
            .k = t->steps,
            .c = out + (from - begin) * (ptrdiff_t)ld_out + (from + lag - low),
            .ldc = ld_out + 1,
            .rows = (size_t)(to - from),
            .columns = t->width,
        };
        multiply(t, &product);
    }
}

static void add_position_to_content(const struct attention_task *t, size_t first, size_t rows)
{
    for (size_t j = 0; j < t->length; j += KEY_CHUNK) {
        size_t keys = min_size(KEY_CHUNK, t->length - j);
        multiply_lags(t, BY_QUERY, t->key, t->ld_key, (ptrdiff_t)j, (ptrdiff_t)(j + keys), (ptrdiff_t)first,
                      (ptrdiff_t)(first + rows), t->part, t->ld_part);
        kernels->add_transposed(t->part, t->ld_part, keys, rows, t->tile + j, t->ld_tile);
    }
}

/* Exponentials of the scores, and in t->inverse_sum one over their sums. */
static void normalise_scores(const struct attention_task *t, size_t first, size_t rows)
{
    const uint8_t *pairs = t->sequence->pair_mask;
    if (!pairs)
        kernels->softmax(t->tile, t->ld_tile, rows, t->length, t->sequence->mask, t->inverse_sum);
    for (size_t i = 0; pairs && i < rows; i++)
        kernels->softmax(t->tile + i * t->ld_tile, t->ld_tile, 1, t->length, pairs + (first + i) * t->length,
                         t->inverse_sum + i);
}

void task_scores(const struct attention_task *t, size_t first, size_t rows)
{
    const struct attention *a = t->attention;
    bool by_key = attention_table(a, BY_KEY);
    if (by_key)
        multiply_lags(t, BY_KEY, t->query, t->ld_query, (ptrdiff_t)first, (ptrdiff_t)(first + rows), 0,
                      (ptrdiff_t)t->length, t->tile, t->ld_tile);
    task_multiply_columns(t, t->query + first * t->ld_query, t->ld_query, rows, t->keys, t->tile, by_key);
    if (attention_table(a, BY_QUERY))
        add_position_to_content(t, first, rows);
    normalise_scores(t, first, rows);
}

void task_drop(const struct attention_task *t, size_t first, size_t rows, float *tile)
{
    const struct dropout *dropout = t->attention->dropout;
    if (!dropout)
        return;
    uint64_t index = t->sequence->first_pair + (t->head * t->sequence->queries + first) * t->length;
    for (size_t i = 0; i < rows; i++, tile += t->ld_tile, index += t->length)
        kernels->dropout(tile, NULL, t->length, index, dropout->key, dropout->threshold, dropout->scale, tile);
}
