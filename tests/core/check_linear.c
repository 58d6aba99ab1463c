/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers against plain formulas in double precision, with every path and instruction set of this machine. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "floats.h"
#include "kernels/kernels.h"
#include "nn/linear.h"
#include "paths.h"

/* Two parts of a fused weight, the second scaled and in bfloat16 without bias. */
static void check_shape_of_linear(size_t in, size_t out, size_t rows)
{
    float *first = drawn(out * in), *bias = drawn(out), *second = drawn(out * in);
    uint16_t *halves = malloc(out * in * sizeof *halves);
    for (size_t i = 0; i < out * in; i++) {
        uint32_t bits;
        memcpy(&bits, &second[i], sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
        bits &= 0xffff0000u;
        memcpy(&second[i], &bits, sizeof bits);
    }
    struct weight parts[] = {
        {.data = first, .bias = bias, .rows = out, .scale = 1.0f},
        {.data = halves, .dtype = DEBERTA_BF16, .rows = out, .scale = 0.5f},
    };
    struct linear linear;
    CHECK(linear_init(&linear, parts, 2, in) == DEBERTA_OK);
    CHECK(linear.out_stride == 2 * round_up(out, kernels->panel_width) && linear_bytes(&linear) >= 8 * in * out);
    float *x = drawn(rows * linear.in_stride), *y = drawn(rows * linear.out_stride);
    CHECK(linear_apply(&linear, x, rows, ACT_RELU, y) == DEBERTA_OK);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < 2 * out; o++) {
            size_t row = o % out, column = o < out ? o : linear.out_stride / 2 + row;
            double sum = o < out ? (double)bias[row] : 0.0;
            for (size_t i = 0; i < in; i++)
                sum += (double)x[r * linear.in_stride + i] *
                       (o < out ? (double)first[row * in + i] : 0.5 * (double)second[row * in + i]);
            double wanted = fmax(sum, 0.0);
            CHECK(fabs((double)y[r * linear.out_stride + column] - wanted) < 2e-6 * sqrt((double)in) + 1e-6);
        }
    }
    CHECK(linear_apply(&linear, x, 0, ACT_RELU, y) == DEBERTA_OK);
    linear_release(&linear);
    memory_free(first), memory_free(bias), memory_free(second), free(halves), memory_free(x), memory_free(y);
}

static void check_linear(bool own)
{
    CHECK((linear_chosen() == &linear_packed) == own);
    for (size_t rows = 1; rows <= 26; rows += rows < 8 ? 1 : 5)
        check_shape_of_linear(24, 40, rows);
    check_shape_of_linear(1, 1, 1);
    check_shape_of_linear(7, 3, 5);
    check_shape_of_linear(1537, 17, 3); /* more than one block of k */
    check_shape_of_linear(32, 70, 401); /* more than one block of rows, a last group of panels that is not full */
}

int main(void)
{
    for_each_path("check_linear", check_linear);
    return 0;
}
