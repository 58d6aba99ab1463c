/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass of layers with the path `linear_mixed`, and what it shares with that of `linear_packed`; the
 * arguments are those of the functions of linear.h. */
#ifndef DEBERTA_NN_LINEAR_MIXED_H
#define DEBERTA_NN_LINEAR_MIXED_H

#include "base/memory.h"
#include "base/threads.h"
#include "nn/linear.h"

/* sum[columns] += the rows of d (rows, ld) */
static inline void add_rows(const float *d, size_t ld, size_t rows, size_t columns, float *sum)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            sum[c] += d[r * ld + c];
}

/* In how many parts to cut the inputs: from `least` to `most`, so that the tasks, `slices` for each part, keep the
 * threads equally busy. */
static inline size_t balanced_parts(size_t slices, size_t least, size_t most)
{
    size_t threads = (size_t)threads_of_call(), parts = least;
    while (parts < most && round_up(slices * parts, threads) - slices * parts > slices * parts / 10)
        parts++;
    return parts;
}

/* The floats that one worker needs. */
size_t mixed_backward_scratch(const struct linear *linear);

/* Through the activation whose output the layer reads, unless `act` is ACT_LINEAR. */
void mixed_backward_input(const struct linear *linear, const float *d_out, size_t rows, bool accumulate,
                          enum activation act, float *x, float *d_in, float *scratch);

void mixed_backward_weights(const struct linear *linear, const float *in, const float *d_out, size_t rows,
                            float *d_packed, float *d_bias, float *scratch);

#endif
