/* SPDX-License-Identifier: Apache-2.0 */
/* base/cpu.h for a CPU with AVX-512 (VNNI, BF16) and AMX, which immintrin.h emulates. The levels that need neither are
 * left out: they are checked without emulation. */
#include "base/cpu.h"

const char *const isa_names[ISA_COUNT] = {"scalar", "avx2", "avx512", "amx"};

unsigned cpu_features(void)
{
    return CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16 | CPU_AMX_INT8 | CPU_AMX_BF16;
}

bool cpu_has(enum isa level)
{
    return level >= ISA_AVX512 && level < ISA_COUNT;
}
