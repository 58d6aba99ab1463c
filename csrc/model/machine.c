/* SPDX-License-Identifier: Apache-2.0 */
/* deberta/machine.h: instruction set, threads, oneDNN. */
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "deberta.h"
#include "kernels/kernels.h"
#include "model/model.h"

/* The highest level that is used unasked. AMX must be named: benchmarks/many_cores.py has not measured it yet. */
#define HIGHEST ISA_AVX512

static enum deberta_status choose(enum isa *level)
{
    const char *forced = getenv("DEBERTA_C_ISA");
    for (*level = HIGHEST; !cpu_has(*level); --*level)
        continue;
    if (!forced || !*forced)
        return DEBERTA_OK;
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(forced, isa_names[i]) != 0)
            continue;
        *level = (enum isa)i;
        return cpu_has(*level) ? DEBERTA_OK
                               : fail(DEBERTA_ARGUMENT, "DEBERTA_C_ISA is '%s', which this CPU lacks%s", forced,
                                      i == ISA_AMX ? " or Linux does not permit (5.16 or later does)" : "");
    }
    return fail(DEBERTA_ARGUMENT, "DEBERTA_C_ISA is '%s'; it must be scalar, avx2, avx512 or amx", forced);
}

/* Rejects non-numbers, which strtol would ignore silently. */
static enum deberta_status check_thread_setting(void)
{
    const char *wanted = getenv("DEBERTA_C_NUM_THREADS");
    if (!wanted || !*wanted)
        return DEBERTA_OK;
    char *end;
    long count = strtol(wanted, &end, 10);
    if (*end == '\0' && count >= 1 && count <= MOST_THREADS)
        return DEBERTA_OK;
    return fail(DEBERTA_ARGUMENT, "DEBERTA_C_NUM_THREADS is '%s'; it must be a number from 1 to %d", wanted,
                MOST_THREADS);
}

enum deberta_status deberta_start(void)
{
    TRY(check_thread_setting());
    enum isa level;
    TRY(choose(&level));
    kernels_select(kernels_of(level));
    return linear_start();
}

void deberta_stop(void)
{
    linear_stop();
}

const char *deberta_isa(void)
{
    return isa_names[kernels->isa];
}

const char *deberta_linear(void)
{
    return linear_chosen()->name;
}

const struct linear_path *linear_of(enum deberta_precision precision)
{
    if (precision == DEBERTA_BFLOAT16)
        return deberta_multiplies(precision) ? &linear_bf16 : &linear_widened;
    return precision == DEBERTA_INT8 ? &linear_int8 : linear_chosen();
}

bool deberta_multiplies(enum deberta_precision precision)
{
    return precision != DEBERTA_BFLOAT16 || kernels->product_bf16;
}

const char *deberta_multiplier(enum deberta_precision precision)
{
    return precision == DEBERTA_FLOAT32 ? deberta_linear() : "own";
}

const char *deberta_instructions(enum deberta_precision precision)
{
    bool tiles = kernels->isa == ISA_AMX;
    if (precision == DEBERTA_INT8 && kernels->int8_words == 1)
        return tiles ? "amx_int8" : "avx512_vnni";
    if (precision == DEBERTA_BFLOAT16 && deberta_multiplies(precision))
        return tiles ? "amx_bf16" : "avx512_bf16";
    return tiles ? isa_names[ISA_AVX512] : deberta_isa(); /* tiles have no float32 */
}

enum deberta_status deberta_known_products(enum deberta_precision precision, bool *right)
{
    return linear_is_exact(linear_of(precision), right);
}

const char *deberta_onednn(void)
{
    return linear_onednn_version();
}

int deberta_threads(void)
{
    return threads_count();
}

void deberta_set_threads(int count)
{
    threads_set(count);
}

const char *deberta_message(void)
{
    return status_message();
}
