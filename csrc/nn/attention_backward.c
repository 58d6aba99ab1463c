/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of attention. For each tile of queries the probabilities P are computed again; with C the context and dS
 * the gradient at the scores:
 *
 *     dP_ij = dC_i . V_j                      dS_ij = P_ij (dP_ij - sum_k P_ik dP_ik)
 *     dV_j = sum_i P_ij dC_i
 *     dQ_i = sum_j dS_ij (K_j + PK[j - i])    dPK[lag] = sum_i dS(i, i + lag) Q_i
 *     dK_j = sum_i dS_ij (Q_i + PQ[i - j])    dPQ[lag] = sum_j dS(j + lag, j) K_j
 *
 * All sums are products with the tile as left operand: transposed by its strides for sums over queries, along its
 * diagonals for lags. A group of rows of a diagonal begins and ends outside of the tile, where there are zeros. The
 * gradients at positions are summed by lag for each head and each lane of sequences, and added to the rows of the
 * tables in the order of the lanes. */
#include <string.h>

#include "base/threads.h"
#include "base/watch.h"
#include "nn/attention_task.h"

#define LANES 8           /* parts of a batch whose sums are kept apart */
#define TILE_FLOATS 55000 /* limit of a tile, so that two stay in L2 */

struct call {
    const struct attention *attention;
    const struct attention_positions *positions;
    const struct attention_sequence *sequences;
    const struct attention_gradients *gradients;
    size_t count, lags; /* sequences; lags of the longest one */
    float *scratch;
    size_t scratch_floats;
};

/* One head of a lane, one sequence after the other. Lag 0 is in the middle of the lags of the longest. */
struct backward_task {
    struct attention_task task;
    const struct attention_gradients *gradients;
    size_t lags;
    float *lag_rows[2]; // (lags, ld_lag): position keys and queries
    size_t ld_lag;
    float *lag_sums[2];                               // (lags, depth): their gradients
    float *values;                                    // (ceil(S / width), depth, width)
    float *copies[3];                                 // of the three that follow, if they need one
    struct head_rows key_rows, query_rows, d_context; // (S, depth), (queries, depth), (queries, depth)
    float *d_tile; // (tile_rows, ld_tile): gradients at the scores, with zeros around
};

static size_t lags_of(size_t length)
{
    return 2 * length - 1;
}

/* ---- memory ---- */

/* Rows and columns of zeros around d_tile. */
static size_t margin(void)
{
    return kernels->row_group - 1;
}

static size_t floats_before_tile(const struct attention_task *t)
{
    return margin() * t->ld_tile + t->width;
}

static size_t floats_from_tile(const struct attention_task *t)
{
    return (t->tile_rows + margin()) * t->ld_tile;
}

static void lay_out_lags(struct backward_task *b, struct arena *arena)
{
    b->ld_lag = task_copy_stride(&b->task);
    for (int side = 0; side < 2; side++)
        if (attention_table(b->task.attention, side))
            b->lag_rows[side] = arena_floats(arena, b->lags * b->ld_lag);
}

static void lay_out(struct backward_task *b, struct arena *arena)
{
    struct attention_task *t = &b->task;
    task_lay_out(t, TILE_FLOATS, arena);
    b->values = arena_floats(arena, round_up(t->length, t->width) * t->depth);
    for (int i = 0; i < 3; i++)
        b->copies[i] = arena_floats(arena, task_copy_floats(t, t->length));
    b->d_tile = task_floats_after(arena, floats_before_tile(t), floats_from_tile(t));
}

size_t attention_backward_scratch(const struct attention *attention, size_t length)
{
    struct arena arena = {0};
    struct backward_task b = {.task = task_of(attention, length), .lags = lags_of(length)};
    lay_out_lags(&b, &arena);
    lay_out(&b, &arena);
    return arena.used / sizeof(float);
}

static size_t lanes_of(size_t count)
{
    return min_size(count, LANES);
}

size_t attention_position_sums(const struct attention *attention, size_t length, size_t count)
{
    if (!attention_is_relative(attention))
        return 0;
    return lanes_of(count) * attention->heads * 2 * lags_of(length) * attention->head_size;
}

/* (lags, depth) */
static float *sums_of(const struct call *call, size_t lane, size_t head, enum side side)
{
    const struct attention *a = call->attention;
    return call->positions->sums + ((lane * a->heads + head) * 2 + side) * call->lags * a->head_size;
}

/* ---- sums along the lags ---- */

/* The tile as one side sees it: the tokens whose rows belong to the side, and the others. */
struct view {
    const float *tile; /* at the first token and the first other */
    ptrdiff_t token_step, other_step;
    ptrdiff_t token, token_end, other, other_end;
};

static const float *view_at(const struct view *v, ptrdiff_t token, ptrdiff_t other)
{
    return v->tile + (token - v->token) * v->token_step + (other - v->other) * v->other_step;
}

static struct view view_of(const struct backward_task *b, enum side side, size_t first, size_t rows)
{
    ptrdiff_t ld = (ptrdiff_t)b->task.ld_tile, length = (ptrdiff_t)b->task.length;
    ptrdiff_t query = (ptrdiff_t)first, query_end = (ptrdiff_t)(first + rows);
    if (side == BY_KEY)
        return (struct view){b->d_tile, ld, 1, query, query_end, 0, length};
    return (struct view){b->d_tile, 1, ld, 0, length, query, query_end};
}

/* The number of groups of rows of products that n rows make. */
static ptrdiff_t groups_of(ptrdiff_t n)
{
    ptrdiff_t group = (ptrdiff_t)kernels->row_group;
    return (n + group - 1) / group;
}

/* out[token] += sum over lags of dS(token, token + lag) * lag_rows[lag] */
static void add_rows_of_lags(const struct backward_task *b, enum side side, const struct view *v, float *out, size_t ld)
{
    ptrdiff_t tokens = v->token_end - v->token, groups = groups_of(tokens), middle = (ptrdiff_t)b->lags / 2;
    for (ptrdiff_t g = 0; g < groups; g++) {
        ptrdiff_t from = v->token + tokens * g / groups, to = v->token + tokens * (g + 1) / groups;
        ptrdiff_t lag = v->other - (to - 1), end = v->other_end - from;
        struct product product = {
            .a = view_at(v, from, from + lag),
            .lda = (size_t)(v->token_step + v->other_step),
            .step = (size_t)v->other_step,
            .panel = b->lag_rows[side] + (size_t)(lag + middle) * b->ld_lag,
            .ld_panel = b->ld_lag,
            .k = (size_t)(end - lag),
            .c = out + (size_t)from * ld,
            .ldc = ld,
            .rows = (size_t)(to - from),
            .accumulate = true,
        };
        task_multiply_rows(&b->task, product, 1);
    }
}

/* lag_sums[lag] += sum over tokens of dS(token, token + lag) * rows[token] */
static void add_sums_of_lags(const struct backward_task *b, enum side side, const struct view *v,
                             const struct head_rows *rows)
{
    ptrdiff_t first_lag = v->other - (v->token_end - 1), lags = v->other_end - v->token - first_lag;
    ptrdiff_t groups = groups_of(lags), middle = (ptrdiff_t)b->lags / 2;
    for (ptrdiff_t g = 0; g < groups; g++) {
        ptrdiff_t from = first_lag + lags * g / groups, to = first_lag + lags * (g + 1) / groups;
        ptrdiff_t token = larger(v->token, v->other - (to - 1)), end = smaller(v->token_end, v->other_end - from);
        struct product product = {
            .a = view_at(v, token, token + from),
            .lda = (size_t)v->other_step,
            .step = (size_t)(v->token_step + v->other_step),
            .panel = rows->rows + (size_t)token * rows->ld,
            .ld_panel = rows->ld,
            .k = (size_t)(end - token),
            .c = b->lag_sums[side] + (size_t)(from + middle) * b->task.depth,
            .ldc = b->task.depth,
            .rows = (size_t)(to - from),
            .accumulate = true,
        };
        task_multiply_rows(&b->task, product, 1);
    }
}

/* ---- a tile ---- */

/* Fills d_tile, and the tile with the probabilities that the values were multiplied with. */
static void differentiate_scores(const struct backward_task *b, size_t first, size_t rows)
{
    const struct attention_task *t = &b->task;
    size_t ld = t->attention->ld_context;
    task_scores(t, first, rows);
    task_multiply_columns(t, b->gradients->d_context + first * ld + t->head * t->depth, ld, rows, b->values, b->d_tile,
                          false);
    task_drop(t, first, rows, b->d_tile);
    kernels->softmax_backward(t->tile, b->d_tile, t->ld_tile, rows, t->length, t->inverse_sum);
    task_drop(t, first, rows, t->tile);
    memset(b->d_tile + rows * t->ld_tile, 0, margin() * t->ld_tile * sizeof *b->d_tile);
}

/* out[key] (+)= sum over the tile's queries of tile[query][key] * rows[query] */
static void sum_over_queries(const struct backward_task *b, const float *tile, const struct head_rows *query_rows,
                             size_t first, size_t rows, float *out, size_t ld)
{
    const struct attention_task *t = &b->task;
    struct product product = {
        .a = tile,
        .lda = 1,
        .step = t->ld_tile,
        .panel = query_rows->rows + first * query_rows->ld,
        .ld_panel = query_rows->ld,
        .k = rows,
        .c = out,
        .ldc = ld,
        .rows = t->length,
        .accumulate = first > 0,
    };
    task_multiply_rows(t, product, 1);
}

static void sum_over_keys(const struct backward_task *b, size_t rows, float *out, size_t ld)
{
    const struct attention_task *t = &b->task;
    struct product product = {
        .a = b->d_tile,
        .lda = t->ld_tile,
        .panel = b->key_rows.rows,
        .ld_panel = b->key_rows.ld,
        .k = t->length,
        .c = out,
        .ldc = ld,
        .rows = rows,
    };
    task_multiply_rows(t, product, 1);
}

static void differentiate_tile(const struct backward_task *b, size_t first, size_t rows)
{
    const struct attention_task *t = &b->task;
    const struct attention *a = t->attention;
    size_t column = t->head * t->depth;
    float *d_query = b->gradients->d_query + column, *d_key = b->gradients->d_key + column;
    differentiate_scores(b, first, rows);
    sum_over_queries(b, t->tile, &b->d_context, first, rows, b->gradients->d_value + column, a->ld_value);
    sum_over_queries(b, b->d_tile, &b->query_rows, first, rows, d_key, a->ld_key);
    sum_over_keys(b, rows, d_query + first * a->ld_query, a->ld_query);
    if (attention_table(a, BY_KEY)) {
        struct view view = view_of(b, BY_KEY, first, rows);
        add_rows_of_lags(b, BY_KEY, &view, d_query, a->ld_query);
        add_sums_of_lags(b, BY_KEY, &view, &b->query_rows);
    }
    if (attention_table(a, BY_QUERY)) {
        struct view view = view_of(b, BY_QUERY, first, rows);
        add_rows_of_lags(b, BY_QUERY, &view, d_key, a->ld_key);
        add_sums_of_lags(b, BY_QUERY, &view, &b->key_rows);
    }
}

/* ---- a lane ---- */

static void differentiate_sequence(struct backward_task *b)
{
    struct attention_task *t = &b->task;
    const struct attention *a = t->attention;
    size_t queries = t->sequence->queries;
    task_begin(t);
    task_pack_columns(t, t->sequence->value, a->ld_value, b->values);
    b->key_rows = task_rows(t, t->sequence->key, a->ld_key, t->length, b->copies[0]);
    b->query_rows = task_rows(t, t->sequence->query, a->ld_query, queries, b->copies[1]);
    b->d_context = task_rows(t, b->gradients->d_context, a->ld_context, queries, b->copies[2]);
    float *zeros = b->d_tile - floats_before_tile(t);
    memset(zeros, 0, (floats_before_tile(t) + floats_from_tile(t)) * sizeof *zeros);
    size_t tiles = (queries + t->tile_rows - 1) / t->tile_rows, rows = (queries + tiles - 1) / tiles;
    for (size_t first = 0; first < queries; first += rows) {
        if (watch_check() != DEBERTA_OK)
            return;
        differentiate_tile(b, first, min_size(rows, queries - first));
    }
}

/* The sequences [begin, end) of a lane, and the length of its longest. */
struct lane {
    size_t begin, end, longest;
};

static struct lane lane_at(const struct call *call, size_t index)
{
    size_t lanes = lanes_of(call->count);
    struct lane lane = {.begin = call->count * index / lanes, .end = call->count * (index + 1) / lanes};
    for (size_t i = lane.begin; i < lane.end; i++)
        lane.longest = max_size(lane.longest, call->sequences[i].length);
    return lane;
}

/* The row of the tables that serves the lag with this index. */
static size_t row_of_lag(const struct attention *a, enum side side, size_t index, size_t lags)
{
    ptrdiff_t lag = (ptrdiff_t)index - (ptrdiff_t)lags / 2;
    return distance_row(a->distances, side == BY_KEY ? -lag : lag);
}

static void begin_side(struct backward_task *b, const struct call *call, size_t lane, size_t head, enum side side)
{
    const struct attention_positions *p = call->positions;
    const float *rows = (side == BY_KEY ? p->keys : p->queries) + head * b->task.depth;
    for (size_t i = 0; i < b->lags; i++)
        memcpy(b->lag_rows[side] + i * b->ld_lag, rows + row_of_lag(call->attention, side, i, b->lags) * p->ld,
               b->task.depth * sizeof(float));
    b->lag_sums[side] = sums_of(call, lane, head, side);
    memset(b->lag_sums[side], 0, b->lags * b->task.depth * sizeof(float));
}

static void differentiate_lane(size_t index, int worker, void *context)
{
    const struct call *call = context;
    const struct attention *a = call->attention;
    size_t head = index % a->heads;
    struct lane lane = lane_at(call, index / a->heads);
    struct arena arena = {.base = (char *)(call->scratch + (size_t)worker * call->scratch_floats)};
    struct backward_task b = {.task = task_of(a, lane.longest), .lags = lags_of(lane.longest)};
    lay_out_lags(&b, &arena);
    for (int side = 0; side < 2; side++)
        if (attention_table(a, side))
            begin_side(&b, call, index / a->heads, head, side);
    size_t used = arena.used;
    for (size_t i = lane.begin; i < lane.end; i++) {
        arena.used = used;
        b.task = task_of(a, call->sequences[i].length);
        b.task.sequence = &call->sequences[i];
        b.task.head = head;
        b.gradients = &call->gradients[i];
        lay_out(&b, &arena);
        differentiate_sequence(&b);
    }
}

/* ---- a call ---- */

static void add_sums_of_side(const struct call *call, size_t head, enum side side)
{
    const struct attention *a = call->attention;
    const struct attention_positions *p = call->positions;
    float *rows = (side == BY_KEY ? p->d_keys : p->d_queries) + head * a->head_size;
    for (size_t lane = 0; lane < lanes_of(call->count); lane++) {
        const float *sum = sums_of(call, lane, head, side);
        size_t lags = lags_of(lane_at(call, lane).longest);
        for (size_t i = 0; i < lags; i++, sum += a->head_size) {
            float *row = rows + row_of_lag(a, side, i, lags) * p->ld;
            for (size_t d = 0; d < a->head_size; d++)
                row[d] += sum[d];
        }
    }
}

static void add_sums(size_t head, int worker, void *context)
{
    (void)worker;
    const struct call *call = context;
    for (int side = 0; side < 2; side++)
        if (attention_table(call->attention, side))
            add_sums_of_side(call, head, side);
}

void attention_backward(const struct attention *attention, const struct attention_positions *positions,
                        const struct attention_sequence *sequences, const struct attention_gradients *gradients,
                        size_t count, float *scratch, size_t scratch_floats)
{
    struct call call = {attention, positions, sequences, gradients, count, 0, scratch, scratch_floats};
    double pairs = 0.0;
    for (size_t i = 0; i < count; i++) {
        call.lags = max_size(call.lags, lags_of(sequences[i].length));
        pairs += (double)sequences[i].length * (double)sequences[i].queries;
    }
    double lanes = (double)lanes_of(count), depth = (double)attention->head_size;
    parallel_for(lanes_of(count) * attention->heads, threads_grain(22.0 * pairs / lanes * depth), differentiate_lane,
                 &call);
    if (attention_is_relative(attention))
        parallel_for(attention->heads, threads_grain(2.0 * lanes * (double)call.lags * depth), add_sums, &call);
}
