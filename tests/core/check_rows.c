/* SPDX-License-Identifier: Apache-2.0 */
/* The lazy table has the bits of AdamW on the whole table, over hundreds of steps with warm-up, weight decay and
 * clipping: rows that are used often, after long pauses, once or never. */
#include "check.h"
#include "floats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "train/adamw.h"
#include "train/rows.h"

enum { V = 120, STEPS = 500, TOKENS = 40 };

static struct adamw step_of(long number, bool torch)
{
    double share = number <= 50 ? (double)number / 50.0 : (double)(STEPS + 1 - number) / (STEPS - 50);
    struct adamw_settings settings = {.rate = 1e-3 * share,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = torch ? 1e-8 : 1e-6,
                                      .decay = 0.1,
                                      .scale = adamw_clip(0.5 + fabs((double)draw()), 0.7),
                                      .step = number,
                                      .bias_correction = torch};
    return adamw_step(&settings, 1.0, 1.0);
}

/* Small ids often, large ones rarely; those above V - 10 never, and some only at the beginning. */
static int32_t drawn_id(long number)
{
    double u = 0.5 + 0.5 * (double)draw();
    return (int32_t)(number < 20 && u < 0.1 ? V - 11 : (V - 12) * u * u * u * u);
}

/* The whole table, (V, E), which the kernel updates at every step. */
static struct adamw_array dense_of(const float *value, size_t columns)
{
    size_t n = V * columns;
    struct adamw_array d = {
        .value = floats_copy(value, n), .gradient = floats(n), .m = floats(n), .v = floats(n), .count = n};
    for (size_t i = 0; i < n; i++)
        d.m[i] = d.v[i] = d.gradient[i] = 0.0f;
    return d;
}

static void release_dense(const struct adamw_array *d)
{
    release(d->value, d->count), release(d->m, d->count), release(d->v, d->count), release(d->gradient, d->count);
}

static void update_dense(struct adamw_array *d, const struct adamw *step)
{
    d->step = *step;
    adamw_update(d, 1);
}

/* The same bits; a mean of gradients that moves nothing may be zero. */
static void compare(const struct rows *r, const struct adamw_array *d, size_t row)
{
    for (size_t i = row * r->columns; i < (row + 1) * r->columns; i++) {
        CHECK(r->value[i] == d->value[i] && r->v[i] == d->v[i]);
        CHECK(fabsf(r->m[i] - d->m[i]) <= 1e-5f * fabsf(d->m[i]) + 1e-7f);
    }
}

static void compare_all(const struct rows *r, const struct adamw_array *d)
{
    for (size_t row = 0; row < V; row++)
        compare(r, d, row);
}

static void check_steps(size_t columns, bool torch)
{
    float *value = floats(V * columns);
    struct adamw_array dense = dense_of(value, columns);
    struct rows rows;
    CHECK(rows_init(&rows, value, V, columns) == DEBERTA_OK);
    for (long number = 1; number <= STEPS; number++) {
        int32_t ids[TOKENS];
        size_t ld = columns + 2;
        float *d = floats(TOKENS * ld);
        for (size_t t = 0; t < TOKENS; t++)
            ids[t] = drawn_id(number);
        rows_catch_up(&rows, ids, TOKENS);
        for (size_t t = 0; t < TOKENS; t++) {
            compare(&rows, &dense, (size_t)ids[t]);
            for (size_t c = 0; c < columns; c++)
                dense.gradient[(size_t)ids[t] * columns + c] += d[t * ld + c];
        }
        CHECK(rows_add(&rows, ids, TOKENS / 2, d, ld) == DEBERTA_OK); /* two micro-batches */
        CHECK(rows_add(&rows, ids + TOKENS / 2, TOKENS / 2, d + TOKENS / 2 * ld, ld) == DEBERTA_OK);
        struct adamw_array sparse = rows_gradients(&rows);
        double squares = adamw_squares(&dense, 1);
        CHECK(fabs(adamw_squares(&sparse, 1) - squares) < 1e-9 * squares);
        struct adamw step = step_of(number, torch);
        CHECK(rows_update(&rows, &step) == DEBERTA_OK && rows.used == 0);
        update_dense(&dense, &step);
        if (number == 333) { /* saved */
            rows_catch_up_all(&rows);
            compare_all(&rows, &dense);
        }
        release(d, TOKENS * ld);
    }
    rows_catch_up_all(&rows);
    compare_all(&rows, &dense);
    CHECK(!rows.moved[V - 1] && rows.moved[0] && rows.moved[V - 11]);
    rows_release(&rows);
    release_dense(&dense), release(value, V * columns);
}

/* A row that is touched once, then left alone for `pause` steps, then touched again; with other betas. */
static void check_pause(long pause, double beta1, double beta2)
{
    enum { E = 19 };
    float *value = floats(V * E), *d = floats(E);
    struct adamw_array dense = dense_of(value, E);
    struct rows rows;
    CHECK(rows_init(&rows, value, V, E) == DEBERTA_OK);
    for (long number = 1; number <= pause + 2; number++) {
        struct adamw_settings settings = {.rate = 1e-3,
                                          .beta1 = beta1,
                                          .beta2 = beta2,
                                          .epsilon = beta2 > 0.9 ? 1e-8 : 1e-2,
                                          .decay = 0.01,
                                          .scale = 1.0,
                                          .step = number,
                                          .bias_correction = true};
        struct adamw step = adamw_step(&settings, 1.0, 1.0);
        if (number == 1 || number == pause + 2) {
            CHECK(rows_add(&rows, (const int32_t[]){5}, 1, d, E) == DEBERTA_OK);
            memcpy(dense.gradient + 5 * E, d, E * sizeof *d);
        }
        CHECK(rows_update(&rows, &step) == DEBERTA_OK);
        update_dense(&dense, &step);
    }
    rows_catch_up(&rows, (const int32_t[]){5, 6, 5}, 3);
    compare(&rows, &dense, 5), compare(&rows, &dense, 6);
    rows_release(&rows);
    release_dense(&dense), release(value, V * E), release(d, E);
}

/* Steps with the same ids and gradients from one thread and from three, and from moments that were saved and set again
 * at any step: the same bits. */
static void check_bits(void)
{
    enum { E = 260, RUNS = 3 };
    float *first = floats(V * E), *d = floats(TOKENS * E), *value[RUNS], *m[RUNS], *v[RUNS];
    for (int run = 0; run < RUNS; run++) {
        struct rows rows;
        threads_set(run == 1 ? 3 : 1);
        CHECK(threads_count() == (run == 1 ? 3 : 1));
        value[run] = floats_copy(first, V * E), m[run] = floats(V * E), v[run] = floats(V * E);
        CHECK(rows_init(&rows, value[run], V, E) == DEBERTA_OK);
        for (long number = 1; number <= 400; number++) {
            int32_t ids[TOKENS];
            for (size_t t = 0; t < TOKENS; t++)
                ids[t] = (int32_t)(number > 2 && number < 390 ? t / 30 : (size_t)number * (t + 1) % (V - 10));
            rows_catch_up(&rows, ids, TOKENS);
            CHECK(rows_add(&rows, ids, TOKENS, d, E) == DEBERTA_OK);
            struct adamw_settings settings = {1e-3, 0.9, 0.999, 1e-8, 0.1, 1.0, number, true};
            struct adamw step = adamw_step(&settings, 1.0, 1.0);
            CHECK(rows_update(&rows, &step) == DEBERTA_OK);
            if (run == 2 && number % 37 == 0) {
                size_t steps = rows.number;
                rows_catch_up_all(&rows);
                memcpy(m[run], rows.m, V * E * sizeof(float));
                memcpy(v[run], rows.v, V * E * sizeof(float));
                rows_release(&rows);
                CHECK(rows_init(&rows, value[run], V, E) == DEBERTA_OK);
                rows.number = steps;
                rows_set_moments(&rows, m[run], v[run]);
                CHECK(!rows.moved[V - 1] && rows.moved[1]);
            }
        }
        rows_catch_up_all(&rows);
        memcpy(m[run], rows.m, V * E * sizeof(float));
        memcpy(v[run], rows.v, V * E * sizeof(float));
        rows_release(&rows);
    }
    for (int run = 0; run < RUNS; run++) {
        CHECK(memcmp(value[run], value[0], V * E * sizeof(float)) == 0);
        CHECK(memcmp(m[run], m[0], V * E * sizeof(float)) == 0 && memcmp(v[run], v[0], V * E * sizeof(float)) == 0);
    }
    for (int run = 0; run < RUNS; run++)
        release(value[run], V * E), release(m[run], V * E), release(v[run], V * E);
    release(first, V * E), release(d, TOKENS * E);
}

/* A gradient that is dropped leaves no trace. */
static void check_drop(void)
{
    enum { E = 9 };
    float *value = floats(V * E), *before = floats_copy(value, V * E), *d = floats(2 * E);
    struct rows rows;
    CHECK(rows_init(&rows, value, V, E) == DEBERTA_OK);
    d[0] = NAN;
    CHECK(rows_add(&rows, (const int32_t[]){7, 8}, 2, d, E) == DEBERTA_OK);
    struct adamw_array gradients = rows_gradients(&rows);
    CHECK(rows.used == 2 && isnan(adamw_squares(&gradients, 1)));
    rows_drop_gradients(&rows);
    struct adamw_settings settings = {1e-3, 0.9, 0.999, 1e-8, 0.0, 1.0, 1, true};
    struct adamw step = adamw_step(&settings, 1.0, 1.0);
    CHECK(rows_add(&rows, (const int32_t[]){9}, 1, d + E, E) == DEBERTA_OK && rows.used == 1);
    CHECK(rows_update(&rows, &step) == DEBERTA_OK);
    rows_catch_up_all(&rows);
    for (size_t i = 0; i < V * E; i++)
        CHECK(i / E == 9 ? value[i] != before[i] : value[i] == before[i]);
    rows_release(&rows);
    release(value, V * E), release(before, V * E), release(d, 2 * E);
}

static size_t resident(void)
{
    size_t all, pages;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%zu %zu", &all, &pages) == 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Moments of rows without gradients need no memory, even after all rows have been caught up. */
static void check_memory(void)
{
    enum { ROWS = 1 << 16, E = 256 };
    float *value = floats((size_t)ROWS * E), *d = floats(2 * E);
    struct rows rows;
    size_t before = resident();
    CHECK(rows_init(&rows, value, ROWS, E) == DEBERTA_OK);
    CHECK(rows_add(&rows, (const int32_t[]){3, ROWS - 7}, 2, d, E) == DEBERTA_OK);
    struct adamw_settings settings = {1e-3, 0.9, 0.999, 1e-8, 0.01, 1.0, 1, true};
    struct adamw step = adamw_step(&settings, 1.0, 1.0);
    for (int i = 0; i < 3; i++)
        CHECK(rows_update(&rows, &step) == DEBERTA_OK);
    rows_catch_up_all(&rows);
    CHECK(resident() < before + sizeof(float) * ROWS * E / 2); /* of twice the table */
    rows_release(&rows);
    release(value, (size_t)ROWS * E), release(d, 2 * E);
}

/* Every allocation fails once: nothing changes, nothing leaks. */
static void check_failures(void)
{
    enum { E = 9 };
    float *value = floats(V * E), *before = floats_copy(value, V * E), *d = floats(E);
    struct adamw_settings settings = {1e-3, 0.9, 0.999, 1e-8, 0.01, 1.0, 1, true};
    struct adamw step = adamw_step(&settings, 1.0, 1.0);
    enum deberta_status status = DEBERTA_MEMORY;
    for (long nth = 1; status != DEBERTA_OK; nth++) {
        struct rows rows;
        memory_fail_at(nth);
        status = rows_init(&rows, value, V, E);
        if (status == DEBERTA_OK)
            status = rows_add(&rows, (const int32_t[]){1}, 1, d, E);
        if (status == DEBERTA_OK)
            status = rows_update(&rows, &step);
        memory_fail_at(0);
        CHECK(status == DEBERTA_OK || (status == DEBERTA_MEMORY && memcmp(value, before, V * E * sizeof *d) == 0));
        rows_release(&rows);
    }
    CHECK(memcmp(value, before, V * E * sizeof *d) != 0);
    release(value, V * E), release(before, V * E), release(d, E);
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_rows: no %s on this machine\n", isa_names[level]);
            continue;
        }
        kernels_select(k);
        threads_set(1);
        check_steps(37, true);
        check_steps(150, false);
        for (long pause = 0; pause < 400; pause += pause < 5 ? 1 : 79) {
            check_pause(pause, 0.9, 0.999);
            check_pause(pause, 0.0, 0.999);
            check_pause(pause, 0.9, 0.8); /* moves grow until epsilon stops them */
            check_pause(pause, 0.9, 0.0);
        }
        check_bits();
        check_drop();
        printf("check_rows: %s is right\n", isa_names[level]);
    }
    check_memory();
    check_failures();
    return 0;
}
