/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

const struct kernels *kernels;

/* Tables in the order in which they override each other. The table of a further feature has only some kernels; `from`
 * is the first level that may use it. */
static const struct overlay {
    enum isa from;
    unsigned needs; /* of enum cpu_feature, beyond those of the level */
    const struct kernels *table;
} overlays[] = {
    {ISA_SCALAR, 0, &kernels_scalar},
    {ISA_AVX2, 0, &kernels_avx2},
    {ISA_AVX512, 0, &kernels_avx512},
    {ISA_AVX512, CPU_AVX512_VNNI, &kernels_avx512_vnni},
    {ISA_AVX512, CPU_AVX512_BF16, &kernels_avx512_bf16},
    {ISA_AMX, 0, &kernels_amx},
};

static void lay_over(struct kernels *table, const struct kernels *overlay)
{
    if (overlay->panel_width) {
        table->panel_width = overlay->panel_width;
        table->row_group = overlay->row_group;
    }
    if (overlay->int8_words)
        table->int8_words = overlay->int8_words;
#define K(name, parameters)                                                                                            \
    if (overlay->name)                                                                                                 \
        table->name = overlay->name;
    KERNEL_LIST(K)
    FEATURE_KERNEL_LIST(K)
#undef K
}

const struct kernels *kernels_of(enum isa level)
{
    static struct kernels merged[ISA_COUNT];
    if (!cpu_has(level))
        return NULL;
    unsigned features = cpu_features();
    for (size_t i = 0; i < sizeof overlays / sizeof *overlays; i++)
        if (overlays[i].from <= level && (features & overlays[i].needs) == overlays[i].needs)
            lay_over(&merged[level], overlays[i].table);
    merged[level].isa = level;
    return &merged[level];
}

void kernels_select(const struct kernels *table)
{
    kernels = table;
}
