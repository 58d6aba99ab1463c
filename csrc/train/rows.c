/* SPDX-License-Identifier: Apache-2.0 */
#include "train/rows.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

#define COLUMNS 128  /* that a thread adds gradients for */
#define ROW_BLOCK 64 /* rows that a thread catches up at a time */
#define SHARES 16    /* of the ids of a batch: one call takes all ids of a share, so that no row is caught up twice */
#define NEGLIGIBLE 0x1p-32f /* a move of this share of the learning rate */
#define REST_STEPS 32       /* between two questions whether a row moves */
#define MOST_STEPS 65536    /* of the history, before all rows are caught up */

enum deberta_status rows_init(struct rows *rows, float *value, size_t count, size_t columns)
{
    *rows = (struct rows){.count = count, .columns = columns, .value = value};
    void *m, *v, *moved, *taken, *slots, *zeros;
    enum deberta_status status = memory_sparse(count * columns, sizeof *rows->m, &m);
    rows->m = m;
    if (status == DEBERTA_OK)
        status = memory_sparse(count * columns, sizeof *rows->v, &v), rows->v = v;
    if (status == DEBERTA_OK)
        status = memory_calloc(count, sizeof *rows->moved, &moved), rows->moved = moved;
    if (status == DEBERTA_OK)
        status = memory_calloc(count, sizeof *rows->taken, &taken), rows->taken = taken;
    if (status == DEBERTA_OK)
        status = memory_alloc(count, sizeof *rows->slots, &slots), rows->slots = slots;
    if (status == DEBERTA_OK)
        status = memory_calloc(columns, sizeof *rows->zeros, &zeros), rows->zeros = zeros;
    if (status != DEBERTA_OK) {
        rows_release(rows);
        return status;
    }
    memset(rows->slots, -1, count * sizeof *rows->slots);
    return DEBERTA_OK;
}

void rows_release(struct rows *rows)
{
    memory_free(rows->m), memory_free(rows->v), memory_free(rows->moved), memory_free(rows->taken);
    memory_free(rows->slots), memory_free(rows->ids), memory_free(rows->gradient);
    memory_free(rows->history), memory_free(rows->zeros);
    *rows = (struct rows){0};
}

/* ---- gradients ---- */

static enum deberta_status reserve_gradients(struct rows *r, size_t wanted)
{
    if (wanted <= r->capacity)
        return DEBERTA_OK;
    size_t capacity = min_size(max_size(wanted, 2 * r->capacity), r->count), row = r->columns * sizeof(float);
    void *ids = r->ids, *gradient = r->gradient;
    TRY(memory_grow(r->used * sizeof *r->ids, capacity, sizeof *r->ids, &ids));
    r->ids = ids;
    TRY(memory_grow(r->used * row, capacity, row, &gradient));
    r->gradient = gradient;
    memset(r->gradient + r->used * r->columns, 0, (capacity - r->used) * row);
    r->capacity = capacity;
    return DEBERTA_OK;
}

struct addition {
    const struct rows *rows;
    const int32_t *ids;
    size_t n;
    const float *d; // (n, ld)
    size_t ld;
};

static void add_columns(size_t index, int worker, void *context)
{
    (void)worker;
    const struct addition *a = context;
    size_t ld = a->rows->columns, begin = index * COLUMNS, end = min_size(begin + COLUMNS, ld);
    for (size_t t = 0; t < a->n; t++) {
        const float *from = a->d + t * a->ld;
        float *to = a->rows->gradient + (size_t)a->rows->slots[a->ids[t]] * ld;
        for (size_t c = begin; c < end; c++)
            to[c] += from[c];
    }
}

enum deberta_status rows_add(struct rows *rows, const int32_t *ids, size_t n, const float *d, size_t ld)
{
    size_t fresh = 0;
    for (size_t t = 0; t < n; t++)
        fresh += rows->slots[ids[t]] < 0;
    TRY(reserve_gradients(rows, min_size(rows->used + fresh, rows->count)));
    for (size_t t = 0; t < n; t++) {
        if (rows->slots[ids[t]] < 0) {
            rows->ids[rows->used] = ids[t];
            rows->slots[ids[t]] = (int32_t)rows->used++;
        }
    }
    struct addition addition = {rows, ids, n, d, ld};
    parallel_for((rows->columns + COLUMNS - 1) / COLUMNS, threads_grain(4.0 * (double)(n * COLUMNS)), add_columns,
                 &addition);
    return DEBERTA_OK;
}

struct adamw_array rows_gradients(const struct rows *rows)
{
    return (struct adamw_array){.gradient = rows->gradient, .count = rows->used * rows->columns};
}

void rows_drop_gradients(struct rows *rows)
{
    for (size_t slot = 0; slot < rows->used; slot++)
        rows->slots[rows->ids[slot]] = -1;
    if (rows->used > 0)
        memset(rows->gradient, 0, rows->used * rows->columns * sizeof *rows->gradient);
    rows->used = 0;
}

/* ---- steps without a gradient ---- */

/* Whether what is left of the moments moves nothing: a move is at most rate * |m| / (sqrt(v) + epsilon), and a step
 * multiplies that by about beta1 / sqrt(beta2). */
static bool is_at_rest(const float *m, const float *v, size_t n, const struct adamw *step)
{
    float most = 0.0f, floor = step->epsilon * step->epsilon;
    for (size_t i = 0; i < n; i++) {
        float square = m[i] * m[i] / (v[i] + floor);
        most = square > most ? square : most;
    }
    return most <= NEGLIGIBLE * NEGLIGIBLE && step->keep_m * step->keep_m < step->keep_v;
}

/* Multiplies by the factors of some steps, one after the other, a block in registers at a time. */
static void shrink(float *x, size_t n, const struct adamw *first, const struct adamw *end, bool is_value)
{
    enum { BLOCK = 32 };
    while (first < end && is_value && first->keep == 1.0f)
        first++;
    for (size_t begin = 0; first < end && begin < n; begin += BLOCK) {
        float block[BLOCK] = {0};
        size_t size = min_size(BLOCK, n - begin) * sizeof *x;
        memcpy(block, x + begin, size);
        for (const struct adamw *step = first; step < end; step++) {
            float factor = is_value ? step->keep : step->keep_v;
            for (size_t i = 0; i < BLOCK; i++)
                block[i] *= factor;
        }
        memcpy(x + begin, block, size);
    }
}

/* Takes one step after the other, as the kernel rounds them, so that it does not matter when a row is caught up. Also
 * whether its moments are at rest is asked after steps of fixed numbers. */
static void catch_up(struct rows *r, size_t row)
{
    if (r->taken[row] == r->steps)
        return;
    size_t n = r->columns, number = r->number - (r->steps - r->taken[row]);
    float *value = r->value + row * n, *m = r->m + row * n, *v = r->v + row * n;
    const struct adamw *step = r->history + r->taken[row], *end = r->history + r->steps;
    bool moves = r->moved[row] && memcmp(m, r->zeros, n * sizeof *m) != 0;
    for (; moves && step < end; step++) {
        kernels->adamw(value, r->zeros, m, v, n, step);
        moves = ++number % REST_STEPS != 0 || !is_at_rest(m, v, n, step);
        if (!moves)
            memset(m, 0, n * sizeof *m);
    }
    shrink(value, n, step, end, true);
    shrink(v, r->moved[row] ? n : 0, step, end, false);
    r->taken[row] = (uint32_t)r->steps;
}

struct reading {
    struct rows *rows;
    const int32_t *ids;
    size_t n;
};

static void catch_up_share(size_t share, int worker, void *context)
{
    (void)worker;
    const struct reading *reading = context;
    for (size_t t = 0; t < reading->n; t++)
        if ((size_t)reading->ids[t] % SHARES == share)
            catch_up(reading->rows, (size_t)reading->ids[t]);
}

void rows_catch_up(struct rows *rows, const int32_t *ids, size_t n)
{
    struct reading reading = {rows, ids, n};
    if (rows->steps > 0)
        parallel_for(SHARES, threads_grain((double)(n * rows->columns)), catch_up_share, &reading);
}

static void catch_up_block(size_t block, int worker, void *context)
{
    (void)worker;
    struct rows *r = context;
    for (size_t row = block * ROW_BLOCK; row < min_size((block + 1) * ROW_BLOCK, r->count); row++)
        catch_up(r, row);
}

void rows_catch_up_all(struct rows *rows)
{
    if (rows->steps == 0)
        return;
    parallel_for((rows->count + ROW_BLOCK - 1) / ROW_BLOCK, threads_grain((double)(ROW_BLOCK * rows->columns)),
                 catch_up_block, rows);
    memset(rows->taken, 0, rows->count * sizeof *rows->taken);
    rows->steps = 0;
}

/* ---- steps ---- */

/* Appends a step to the history. */
static enum deberta_status remember(struct rows *r, const struct adamw *step)
{
    if (r->steps == MOST_STEPS)
        rows_catch_up_all(r);
    if (r->steps == r->room) {
        size_t room = max_size(64, 2 * r->room);
        void *history = r->history;
        TRY(memory_grow(r->steps * sizeof *step, room, sizeof *step, &history));
        r->history = history;
        r->room = room;
    }
    r->history[r->steps] = *step;
    return DEBERTA_OK;
}

static void update_slot(size_t slot, int worker, void *context)
{
    (void)worker;
    struct rows *r = context;
    size_t row = (size_t)r->ids[slot], at = row * r->columns;
    catch_up(r, row);
    kernels->adamw(r->value + at, r->gradient + slot * r->columns, r->m + at, r->v + at, r->columns,
                   &r->history[r->steps]);
    r->moved[row] = true;
    r->taken[row]++;
}

enum deberta_status rows_update(struct rows *rows, const struct adamw *step)
{
    TRY(remember(rows, step));
    parallel_for(rows->used, threads_grain(30.0 * (double)rows->columns), update_slot, rows);
    rows->steps++;
    rows->number++;
    rows_drop_gradients(rows);
    return DEBERTA_OK;
}

void rows_set_moments(struct rows *rows, const float *m, const float *v)
{
    size_t bytes = rows->columns * sizeof(float);
    assert(rows->steps == 0);
    for (size_t row = 0; row < rows->count; row++) {
        size_t at = row * rows->columns;
        bool moves = memcmp(m + at, rows->zeros, bytes) != 0 || memcmp(v + at, rows->zeros, bytes) != 0;
        if (moves || rows->moved[row]) {
            memcpy(rows->m + at, m + at, bytes);
            memcpy(rows->v + at, v + at, bytes);
        }
        rows->moved[row] = moves;
    }
}
