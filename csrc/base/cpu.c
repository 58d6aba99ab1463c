/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

const char *const isa_names[ISA_COUNT] = {"scalar", "avx2", "avx512"};

bool cpu_has(enum isa level)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    switch (level) {
    case ISA_SCALAR:
        return true;
    case ISA_AVX2:
        return avx2;
    case ISA_AVX512:
        return avx2 && avx512;
    default:
        return false;
    }
}
