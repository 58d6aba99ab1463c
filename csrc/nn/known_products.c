/* SPDX-License-Identifier: Apache-2.0 */
/* The test of a path on the machine at hand: products of integers whose sums are known. */
#include "base/memory.h"
#include "nn/linear.h"

enum { ROWS = 45, IN = 250, OUT = 70 }; /* no multiple of any group or panel; more rows than two tiles have */

/* From -128 to 127; both ends are in each row, so that a row in 8 bits has the scale 1. The first rows have one value
 * as often as possible, which saturates sums of 16 bits. */
static int input_at(size_t row, size_t i)
{
    if (i < 2)
        return i == 0 ? -128 : 127;
    return row == 0 ? 127 : row == 1 ? -128 : (int)((row * 37 + i * 101) % 256) - 128;
}

/* From -127 to 127, which is in each column. */
static int weight_at(size_t column, size_t i)
{
    if (i == 0 || column < 2)
        return column == 1 ? -127 : 127;
    return (int)((column * 53 + i * 29) % 255) - 127;
}

static bool sums_are_exact(const struct linear *linear, const float *y)
{
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t column = 0; column < OUT; column++) {
            int sum = 0;
            for (size_t i = 0; i < IN; i++)
                sum += input_at(row, i) * weight_at(column, i);
            if (y[row * linear->out_stride + column] != (float)sum)
                return false;
        }
    }
    return true;
}

static enum deberta_status apply(const struct linear *linear, bool *exact)
{
    void *memory;
    TRY(memory_calloc(ROWS * (linear->in_stride + linear->out_stride) * sizeof(float) +
                          linear_apply_scratch(linear, ROWS),
                      1, &memory));
    float *x = memory, *y = x + ROWS * linear->in_stride;
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < IN; i++)
            x[row * linear->in_stride + i] = (float)input_at(row, i);
    enum deberta_status status = linear_apply_with(linear, x, ROWS, ACT_LINEAR, y, y + ROWS * linear->out_stride);
    *exact = status == DEBERTA_OK && sums_are_exact(linear, y);
    memory_free(memory);
    return status;
}

enum deberta_status linear_is_exact(const struct linear_path *path, bool *exact)
{
    void *block;
    struct linear linear;
    *exact = false;
    TRY(memory_alloc(OUT * IN, sizeof(float), &block));
    float *weights = block;
    for (size_t column = 0; column < OUT; column++)
        for (size_t i = 0; i < IN; i++)
            weights[column * IN + i] = (float)weight_at(column, i);
    struct weight part = {.data = weights, .rows = OUT, .scale = 1.0f};
    enum deberta_status status = linear_init_on(&linear, path, &part, 1, IN);
    memory_free(block);
    if (status != DEBERTA_OK)
        return status;
    status = apply(&linear, exact);
    linear_release(&linear);
    return status;
}
