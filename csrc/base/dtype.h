/* SPDX-License-Identifier: Apache-2.0 */
/* Number formats of weights. */
#ifndef DEBERTA_BASE_DTYPE_H
#define DEBERTA_BASE_DTYPE_H

#include <stddef.h>

enum deberta_dtype { DEBERTA_F32 = 0, DEBERTA_F16, DEBERTA_BF16 };

static inline size_t dtype_size(enum deberta_dtype dtype)
{
    return dtype == DEBERTA_F32 ? 4 : 2;
}

#endif
