/* SPDX-License-Identifier: Apache-2.0 */
/* A forward pass: data that all chunks of a batch share. */
#ifndef DEBERTA_MODEL_PASS_H
#define DEBERTA_MODEL_PASS_H

#include <string.h>

#include "model/context.h"
#include "model/tape.h"

struct pass {
    const struct deberta_model *model;
    const struct deberta_context *context;
    const struct deberta_batch *batch;
    const struct deberta_outputs *outputs;
    const struct tape *tape; /* NULL: nothing is kept, and there is no dropout */
    const float *given;      // (T, H): the output of the first `layers_given` layers, which are not computed; or NULL
    size_t layers_given;
};

/* Zeros the padding of each row: oneDNN and products in bfloat16 multiply it by zero weights, and NaN would stay NaN.
 */
static inline void pass_clear_padding(float *rows, size_t count, size_t columns, size_t stride)
{
    for (size_t r = 0; r < count && columns < stride; r++)
        memset(rows + r * stride + columns, 0, (stride - columns) * sizeof *rows);
}

#endif
