/* SPDX-License-Identifier: Apache-2.0 */
/* Features of the processor that the operating system supports, too. */
#ifndef DEBERTA_BASE_CPU_H
#define DEBERTA_BASE_CPU_H

#include <stdbool.h>

/* Bits of a set. Later ones do not imply earlier ones. */
enum cpu_feature {
    CPU_AVX2 = 1 << 0,   /* with FMA and F16C */
    CPU_AVX512 = 1 << 1, /* F, BW, DQ and VL */
    CPU_AVX512_VNNI = 1 << 2,
    CPU_AVX512_BF16 = 1 << 3,
    CPU_AVX_VNNI = 1 << 4,
    CPU_AMX_INT8 = 1 << 5,
    CPU_AMX_BF16 = 1 << 6,
};

unsigned cpu_features(void);

/* The levels that DEBERTA_C_ISA names. A level includes the kernels of all levels below it. */
enum isa { ISA_SCALAR = 0, ISA_AVX2, ISA_AVX512, ISA_AMX, ISA_COUNT };

extern const char *const isa_names[ISA_COUNT];

/* Whether the processor has the features that a level needs. For AMX it asks Linux for permission to use tiles,
 * which then holds for the whole process. */
bool cpu_has(enum isa level);

#endif
