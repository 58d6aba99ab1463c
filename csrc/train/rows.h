/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW for a large table of which a batch uses few rows, such as the word table: an update costs the rows that have
 * gradients, and the others take its step when they are read or saved.
 *
 * A step without a gradient shrinks a row's moments and moves its values by what is left of them, until that is below
 * the resolution of floats; from then on only the factors of decay are left. Each step is rounded, so that a row has
 * the values that steps on the whole table would give, and the same ones however often it is caught up in between. Rows
 * that never had a gradient have no memory for moments.
 *
 * An update: rows_catch_up for the rows that the forward pass reads, rows_add for their gradients, rows_update. */
#ifndef DEBERTA_TRAIN_ROWS_H
#define DEBERTA_TRAIN_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "train/adamw.h"

/* V rows of E columns. */
struct rows {
    size_t count, columns;
    float *value;    // (V, E), the caller's
    float *m, *v;    // (V, E)
    bool *moved;     // (V): has had a gradient
    uint32_t *taken; // (V): steps of the history that it has taken

    int32_t *slots;  // (V): where its gradient is, or -1
    int32_t *ids;    // (used): the rows that have gradients
    float *gradient; // (used, E); zeros up to `capacity`
    size_t used, capacity;

    struct adamw *history; // (steps): since all rows were caught up
    size_t steps, room;
    size_t number; /* of all steps, also those before the history */
    float *zeros;  // (E)
};

/* The table `value` (count, columns) stays the caller's. */
MUST_USE enum deberta_status rows_init(struct rows *rows, float *value, size_t count, size_t columns);
void rows_release(struct rows *rows);

/* Adds gradients d (n, columns) with row stride ld to those of the rows ids[n], which may repeat. */
MUST_USE enum deberta_status rows_add(struct rows *rows, const int32_t *ids, size_t n, const float *d, size_t ld);
/* The gradients, for adamw_squares. */
struct adamw_array rows_gradients(const struct rows *rows);
void rows_drop_gradients(struct rows *rows);

/* One step for the table; the gradients are zero afterwards. On failure nothing has changed. */
MUST_USE enum deberta_status rows_update(struct rows *rows, const struct adamw *step);

/* Brings rows to the present: before they are read, and all of them before the table or its moments are saved. */
void rows_catch_up(struct rows *rows, const int32_t *ids, size_t n);
void rows_catch_up_all(struct rows *rows);

/* Sets the moments (V, E) of a table whose rows are all caught up. */
void rows_set_moments(struct rows *rows, const float *m, const float *v);

#endif
