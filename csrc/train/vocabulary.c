/* SPDX-License-Identifier: Apache-2.0 */
#include "train/vocabulary.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/threads.h"
#include "model/encoder.h"

#define BLOCK 512                      /* columns that are summed at once; whole panels */
#define CHUNK_FLOATS ((size_t)1 << 20) /* logits at a time */

enum { LARGEST, SUM, TOTAL, SUMS }; /* what the kernel exp_sums finds in a block */

void vocabulary_lay_out(struct vocabulary *v, const struct deberta_context *context, size_t rows, struct arena *arena)
{
    const struct linear *out = &context->model->head_out;
    size_t blocks = (out->out_stride + BLOCK - 1) / BLOCK, fit = CHUNK_FLOATS / max_size(rows, 1) / BLOCK;
    *v = (struct vocabulary){.out = out, .size = context->model->config.num_labels, .rows = rows};
    v->blocks = blocks;
    v->chunk = min_size(max_size(fit, 1), blocks) * BLOCK;
    v->targets = (int32_t *)(void *)arena_floats(arena, rows);
    v->logits = arena_floats(arena, rows * min_size(v->chunk, out->out_stride));
    v->sums = arena_floats(arena, rows * blocks * SUMS);
    v->right = arena_floats(arena, rows);
    v->largest = arena_floats(arena, rows);
    v->sum = (double *)(void *)arena_floats(arena, 2 * rows);
    v->losses = (double *)(void *)arena_floats(arena, 2 * rows);
}

/* A chunk of the columns, and what a step over its rows needs. */
struct step {
    const struct vocabulary *v;
    size_t first, columns, valid; /* `valid` columns have tokens, the others are padding */
    float scale;
};

static float *sums_of(const struct vocabulary *v, size_t row, size_t block)
{
    return v->sums + (row * v->blocks + block) * SUMS;
}

/* The step of the chunk that begins at a column; its logits are computed. */
static enum deberta_status begin_chunk(const struct vocabulary *v, const float *in, size_t first, struct step *step)
{
    size_t columns = min_size(v->chunk, v->out->out_stride - first);
    *step = (struct step){.v = v, .first = first, .columns = columns, .valid = min_size(columns, v->size - first)};
    struct linear part = linear_part(v->out, first, columns);
    return linear_apply(&part, in, v->rows, ACT_LINEAR, v->logits);
}

static void for_each_row(const struct step *step, parallel_fn fn)
{
    parallel_for(step->v->rows, threads_grain(30.0 * (double)step->columns), fn, (void *)(uintptr_t)step);
}

/* ---- the loss ---- */

static void sum_row(size_t row, int worker, void *context)
{
    (void)worker;
    const struct step *s = context;
    const struct vocabulary *v = s->v;
    const float *logits = v->logits + row * s->columns;
    for (size_t begin = 0; begin < s->valid; begin += BLOCK)
        kernels->exp_sums(logits + begin, min_size(BLOCK, s->valid - begin),
                          sums_of(v, row, (s->first + begin) / BLOCK));
    size_t target = (size_t)v->targets[row];
    if (v->targets[row] >= 0 && target >= s->first && target < s->first + s->valid)
        v->right[row] = logits[target - s->first];
}

/* The sum of exp(logit - largest of all) in a block. */
static double share_of(const struct vocabulary *v, size_t row, size_t block)
{
    const float *sums = sums_of(v, row, block);
    return (double)sums[SUM] * exp((double)sums[LARGEST] - (double)v->largest[row]);
}

static void finish_row(size_t row, int worker, void *context)
{
    (void)worker;
    const struct vocabulary *v = ((const struct step *)context)->v;
    float largest = sums_of(v, row, 0)[LARGEST];
    for (size_t block = 1; block < v->blocks; block++)
        largest = fmaxf(largest, sums_of(v, row, block)[LARGEST]);
    v->largest[row] = largest;
    double sum = 0.0, total = 0.0, smoothing = (double)v->smoothing;
    for (size_t block = 0; block < v->blocks; block++) {
        sum += share_of(v, row, block);
        total += (double)sums_of(v, row, block)[TOTAL];
    }
    v->sum[row] = sum;
    double wanted = (1.0 - smoothing) * (double)v->right[row] + smoothing * total / (double)v->size;
    v->losses[row] = v->targets[row] < 0 ? 0.0 : log(sum) + (double)largest - wanted;
}

enum deberta_status vocabulary_loss(const struct vocabulary *v, const float *in, double *loss)
{
    struct step step = {.v = v};
    for (size_t first = 0; first < v->out->out_stride; first += v->chunk) {
        TRY(begin_chunk(v, in, first, &step));
        for_each_row(&step, sum_row);
    }
    for_each_row(&step, finish_row);
    *loss = 0.0;
    for (size_t row = 0; row < v->rows; row++)
        *loss += v->losses[row];
    return DEBERTA_OK;
}

/* ---- its gradient ---- */

/* The gradient by the logits of a row, in their place. */
static void gradient_of_row(size_t row, int worker, void *context)
{
    (void)worker;
    const struct step *s = context;
    const struct vocabulary *v = s->v;
    float *logits = v->logits + row * s->columns;
    size_t valid = v->targets[row] < 0 ? 0 : s->valid, target = (size_t)v->targets[row];
    kernels->exp_scaled(logits, valid, v->largest[row], (float)((double)s->scale / v->sum[row]),
                        s->scale * v->smoothing / (float)v->size);
    memset(logits + valid, 0, (s->columns - valid) * sizeof *logits);
    if (valid > 0 && target >= s->first && target < s->first + valid)
        logits[target - s->first] -= s->scale * (1.0f - v->smoothing);
}

enum deberta_status vocabulary_backward(const struct vocabulary *v, const float *in, float scale,
                                        const struct linear *gradient, float *d_in, float *scratch)
{
    for (size_t first = 0; first < v->out->out_stride && v->rows > 0; first += v->chunk) {
        struct step step;
        TRY(begin_chunk(v, in, first, &step));
        step.scale = scale;
        for_each_row(&step, gradient_of_row);
        struct linear part = linear_part(v->out, first, step.columns);
        struct linear of_part = linear_part(gradient, first, step.columns);
        if (of_part.packed || of_part.bias)
            linear_backward_weights(&part, in, v->logits, v->rows, of_part.packed, of_part.bias, scratch);
        linear_backward_input(&part, v->logits, v->rows, first > 0, d_in, scratch);
    }
    return DEBERTA_OK;
}

/* ---- samples ---- */

static double uniform(uint64_t seed, size_t row) /* on [0, 1) */
{
    return (double)(random_mix(random_mix(seed) + row) >> 11) * 0x1p-53;
}

/* The block in which the sums of the blocks before it reach *left, which becomes what is left of it. */
static size_t find_block(const struct vocabulary *v, size_t row, double *left)
{
    size_t block = 0;
    for (double share; block + 1 < v->blocks && *left >= (share = share_of(v, row, block)); block++)
        *left -= share;
    return block;
}

static enum deberta_status sample_row(const struct vocabulary *v, const float *in, size_t row, double left,
                                      int32_t *token)
{
    float logits[BLOCK];
    size_t first = find_block(v, row, &left) * BLOCK, columns = min_size(BLOCK, v->out->out_stride - first);
    size_t valid = min_size(columns, v->size - first), found = 0;
    struct linear part = linear_part(v->out, first, columns);
    TRY(linear_apply(&part, in + row * v->out->in_stride, 1, ACT_LINEAR, logits));
    kernels->exp_scaled(logits, valid, v->largest[row], 1.0f, 0.0f);
    for (; found + 1 < valid && left >= (double)logits[found]; found++)
        left -= (double)logits[found];
    *token = (int32_t)(first + found);
    return DEBERTA_OK;
}

enum deberta_status vocabulary_sample(const struct vocabulary *v, const float *in, uint64_t seed, int32_t *tokens)
{
    for (size_t row = 0; row < v->rows; row++)
        TRY(sample_row(v, in, row, uniform(seed, row) * v->sum[row], &tokens[row]));
    return DEBERTA_OK;
}
