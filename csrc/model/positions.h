/* SPDX-License-Identifier: Apache-2.0 */
/* Relative positions: which row of the table serves the distance between a query and a key. */
#ifndef DEBERTA_MODEL_POSITIONS_H
#define DEBERTA_MODEL_POSITIONS_H

#include "base/status.h"
#include "nn/attention.h"

/* `buckets` 0: one row per distance up to max_relative; otherwise distances beyond buckets / 2 share rows on a
 * logarithmic scale, as in make_log_bucket_position of transformers' modeling_deberta_v2.py. Rows are clamped to the
 * table of 2 * span. */
MUST_USE enum deberta_status positions_init(struct distances *distances, size_t buckets, size_t max_relative);
void positions_release(struct distances *distances);

#endif
