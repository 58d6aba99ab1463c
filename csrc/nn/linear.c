/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/linear.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/watch.h"

static const struct linear_path *const paths[] = {&linear_packed, &linear_onednn};
static const struct linear_path *const fastest[ISA_COUNT] = {/* benchmarks/results/ISA/linear.json */
                                                             [ISA_SCALAR] = &linear_onednn,
                                                             [ISA_AVX2] = &linear_packed,
                                                             [ISA_AVX512] = &linear_packed,
                                                             [ISA_AMX] = &linear_packed /* as of AVX-512 */};
static const struct linear_path *chosen;

static enum deberta_status choose(const char *forced)
{
    chosen = fastest[kernels->isa];
    if (!forced || !*forced)
        return DEBERTA_OK;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        chosen = paths[i];
        if (strcmp(forced, chosen->name) == 0)
            return DEBERTA_OK;
    }
    return fail(DEBERTA_ARGUMENT, "DEBERTA_C_MATMUL is '%s'; it must be 'own' or 'onednn'", forced);
}

enum deberta_status linear_start(void)
{
    TRY(choose(getenv("DEBERTA_C_MATMUL")));
    return chosen->start ? chosen->start() : DEBERTA_OK;
}

void linear_stop(void)
{
    if (chosen && chosen->stop)
        chosen->stop();
}

const struct linear_path *linear_chosen(void)
{
    return chosen;
}

static enum deberta_status read_bias(struct linear *linear, const struct weight *parts, size_t count)
{
    void *block;
    TRY(memory_calloc(linear->out_stride, sizeof(float), &block));
    float *bias = linear->bias = block;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].bias)
            weight_read(parts[i].bias, parts[i].bias_dtype, parts[i].rows, parts[i].scale, bias);
        bias += round_up(parts[i].rows, kernels->panel_width);
    }
    return DEBERTA_OK;
}

enum deberta_status linear_init(struct linear *linear, const struct weight *parts, size_t count, size_t in)
{
    return linear_init_on(linear, chosen, parts, count, in);
}

enum deberta_status linear_init_on(struct linear *linear, const struct linear_path *path, const struct weight *parts,
                                   size_t count, size_t in)
{
    *linear = (struct linear){.path = path, .in = in, .in_stride = round_up(in, kernels->panel_width)};
    for (size_t i = 0; i < count; i++)
        linear->out_stride += round_up(parts[i].rows, kernels->panel_width);
    enum deberta_status status = read_bias(linear, parts, count);
    if (status == DEBERTA_OK)
        status = linear->path->init(linear, parts, count);
    if (status != DEBERTA_OK)
        linear_release(linear);
    return status;
}

struct linear linear_part(const struct linear *linear, size_t first, size_t columns)
{
    return (struct linear){.path = linear->path,
                           .in = linear->in,
                           .in_stride = linear->in_stride,
                           .out_stride = columns,
                           .packed = linear->packed ? linear->packed + first * linear->in : NULL,
                           .steps = linear->steps,
                           .bias = linear->bias ? linear->bias + first : NULL};
}

void linear_release(struct linear *linear)
{
    if (linear->path)
        linear->path->release(linear);
    memory_free(linear->bias);
    *linear = (struct linear){0};
}

size_t linear_bytes(const struct linear *linear)
{
    return (linear->path ? linear->path->bytes(linear) : 0) + linear->out_stride * sizeof(float);
}

enum deberta_status linear_apply(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out)
{
    assert(linear_apply_scratch(linear, rows) == 0);
    return linear_apply_with(linear, in, rows, act, out, NULL);
}

enum deberta_status linear_apply_with(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                      float *out, void *scratch)
{
    if (rows == 0)
        return DEBERTA_OK;
    TRY(linear->path->apply(linear, in, rows, act, out, scratch));
    return watch_check();
}

size_t linear_apply_scratch(const struct linear *linear, size_t rows)
{
    return linear->path && linear->path->scratch ? linear->path->scratch(linear, rows) : 0;
}
