/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/weights.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"

void weight_read(const void *from, enum deberta_dtype dtype, size_t n, float scale, float *to)
{
    if (dtype == DEBERTA_F16)
        kernels->convert_f16(from, n, to);
    else if (dtype == DEBERTA_BF16)
        kernels->convert_bf16(from, n, to);
    else
        memcpy(to, from, n * sizeof *to);
    for (size_t i = 0; scale != 1.0f && i < n; i++)
        to[i] *= scale;
}

void weight_read_row(const struct weight *weight, size_t r, size_t in, float *to)
{
    size_t row = weight->block ? r / weight->block * weight->step + r % weight->block : r;
    const char *from = (const char *)weight->data + row * in * dtype_size(weight->dtype);
    weight_read(from, weight->dtype, in, weight->scale, to);
}

#define CHECKED 4096 /* numbers checked at a time */

static bool is_bad(const void *from, enum deberta_dtype dtype, size_t n)
{
    unsigned bad = 0;
    if (dtype == DEBERTA_F32) {
        const uint32_t *bits = from;
        for (size_t i = 0; i < n; i++)
            bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
    } else {
        const uint16_t *bits = from;
        const uint16_t exponent = dtype == DEBERTA_F16 ? 0x7c00 : 0x7f80;
        for (size_t i = 0; i < n; i++)
            bad |= (bits[i] & exponent) == exponent;
    }
    return bad;
}

size_t weight_first_bad(const void *from, enum deberta_dtype dtype, size_t n)
{
    size_t item = dtype_size(dtype);
    for (size_t i = 0; i < n; i += CHECKED) {
        size_t end = min_size(i + CHECKED, n);
        if (!is_bad((const char *)from + i * item, dtype, end - i))
            continue;
        while (!is_bad((const char *)from + i * item, dtype, 1))
            i++;
        return i;
    }
    return n;
}
