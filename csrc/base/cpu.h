/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor can do, and the operating system lets it do. */
#ifndef DEBERTA_BASE_CPU_H
#define DEBERTA_BASE_CPU_H

#include <stdbool.h>

enum isa { ISA_SCALAR = 0, ISA_AVX2, ISA_AVX512, ISA_COUNT };

extern const char *const isa_names[ISA_COUNT];

/* avx2 asks for AVX2, FMA and F16C; avx512 for F, BW, DQ and VL besides. */
bool cpu_has(enum isa level);

#endif
