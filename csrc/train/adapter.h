/* SPDX-License-Identifier: Apache-2.0 */
/* Low-rank adapters (LoRA: Hu et al. 2021): a weight W (rows, columns) changes by scale * B A alone. W holds that sum
 * at any time; an update adds by how much the sum has changed, so that no copy of the first weight is needed. */
#ifndef DEBERTA_TRAIN_ADAPTER_H
#define DEBERTA_TRAIN_ADAPTER_H

#include <stddef.h>

#include "base/status.h"

/* Matrices are in panels, as weights are. */
struct adapter {
    size_t weight; /* the index of the parameter that it adapts */
    size_t rows, columns, rank;
    float scale;
    char *block;
    float *a, *b;               // (rank, columns), (rows, rank)
    float *d_a, *d_b;           /* their gradients */
    float *before_a, *before_b; /* A and -B before an update */
    float *sum;                 // (columns, panel_width): the change of a panel of W
    size_t bytes;
};

/* A and B are zeros. */
MUST_USE enum deberta_status adapter_init(struct adapter *adapter, size_t weight, size_t rows, size_t columns,
                                          size_t rank, float scale);
void adapter_release(struct adapter *adapter);

/* Moves the gradient of W, in panels, to those of A and B; it is zero afterwards. */
void adapter_take_gradient(const struct adapter *adapter, float *gradient);
/* Before A and B change, and afterwards: w, the panels of W, gets the difference. */
void adapter_begin(const struct adapter *adapter);
void adapter_merge(const struct adapter *adapter, float *w);

#endif
