/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const isa_names[ISA_COUNT] = {"scalar", "avx2", "avx512", "amx"};

/* Registers of cpuid, by leaf. */
enum { ECX_1, EBX_7, ECX_7, EDX_7, EAX_7_1, REGISTERS };

/* Registers that the system saves, as bits of XCR0. */
enum { YMM = 0x6, ZMM = 0xE6, TILES = 0x60000 };

static bool all_of(uint64_t set, uint64_t bits)
{
    return (set & bits) == bits;
}

static uint64_t saved_by_the_system(uint32_t ecx_1)
{
    if (!(ecx_1 & 1u << 27)) /* OSXSAVE */
        return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void read_registers(uint32_t registers[REGISTERS])
{
    uint32_t a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d))
        registers[ECX_1] = c;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    registers[EBX_7] = b;
    registers[ECX_7] = c;
    registers[EDX_7] = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        registers[EAX_7_1] = a;
}

#define BIT(n) (1u << (n))

unsigned cpu_features(void)
{
    static const struct {
        enum cpu_feature feature;
        uint32_t saved; /* of XCR0 */
        uint32_t bits[REGISTERS];
    } known[] = {
        {CPU_AVX2, YMM, {[ECX_1] = BIT(12) | BIT(28) | BIT(29), [EBX_7] = BIT(5)}},
        {CPU_AVX512, ZMM, {[EBX_7] = BIT(16) | BIT(17) | BIT(30) | BIT(31)}},
        {CPU_AVX512_VNNI, ZMM, {[ECX_7] = BIT(11)}},
        {CPU_AVX512_BF16, ZMM, {[EAX_7_1] = BIT(5)}},
        {CPU_AVX_VNNI, YMM, {[EAX_7_1] = BIT(4)}},
        {CPU_AMX_INT8, TILES, {[EDX_7] = BIT(24) | BIT(25)}},
        {CPU_AMX_BF16, TILES, {[EDX_7] = BIT(24) | BIT(22)}},
    };
    uint32_t registers[REGISTERS] = {0};
    read_registers(registers);
    uint64_t saved = saved_by_the_system(registers[ECX_1]);
    unsigned features = 0;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        bool has = all_of(saved, known[i].saved);
        for (int r = 0; r < REGISTERS; r++)
            has &= all_of(registers[r], known[i].bits[r]);
        features |= has ? known[i].feature : 0u;
    }
    return features;
}

/* A process that was not permitted to use tiles would end by a signal: Linux, Documentation/arch/x86/xstate.rst. */
static bool tiles_permitted(void)
{
    static const unsigned long ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

bool cpu_has(enum isa level)
{
    enum { AVX512 = CPU_AVX2 | CPU_AVX512 };
    static const unsigned needs[ISA_COUNT] = {
        [ISA_AVX2] = CPU_AVX2,
        [ISA_AVX512] = AVX512,
        [ISA_AMX] = AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16 | CPU_AMX_INT8 | CPU_AMX_BF16,
    };
    return level < ISA_COUNT && all_of(cpu_features(), needs[level]) && (level < ISA_AMX || tiles_permitted());
}
