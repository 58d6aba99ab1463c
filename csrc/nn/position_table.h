/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the projected positions of a layer. A table is stored per head in panels of `panel_width` positions: the
 * position queries in the order of rows, the position keys from the last row to the first, as the columns of their
 * products run. */
#ifndef DEBERTA_NN_POSITION_TABLE_H
#define DEBERTA_NN_POSITION_TABLE_H

#include "nn/attention.h"

/* Floats of a table that a position takes for each head. */
size_t position_table_depth(const struct attention *attention);

/* Floats of a table with this many floats for each position and head. */
size_t position_table_floats(const struct distances *distances, size_t heads, size_t depth);

/* Packs (2 * span, heads * head_size) projected positions into a table; `rows` has row stride ld and must already
 * be in the order of the table's positions. A table of bfloat16 has words as rows, and half the head size. */
void position_table_pack(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                         size_t ld, float *table);
/* The same for the panels that hold the positions [first, end); of their other rows, anything is packed. */
void position_table_update(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                           size_t ld, size_t first, size_t end, float *table);
/* The whole table, of zeros before, in bytes: each position and head has its own scale. */
void position_table_pack_bytes(const struct distances *distances, size_t heads, size_t head_size, const float *rows,
                               size_t ld, float *table);

#endif
