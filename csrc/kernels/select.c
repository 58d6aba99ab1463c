/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

const struct kernels *kernels;

const struct kernels *kernels_of(enum isa level)
{
    static const struct kernels *const tables[ISA_COUNT] = {&kernels_scalar, &kernels_avx2, &kernels_avx512};
    return cpu_has(level) ? tables[level] : NULL;
}

void kernels_select(const struct kernels *table)
{
    kernels = table;
}
