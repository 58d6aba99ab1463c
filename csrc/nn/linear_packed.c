/* SPDX-License-Identifier: Apache-2.0 */
/* Our own path in float32: weights in panels for the register-blocked kernel. */
#include "base/memory.h"
#include "nn/panels.h"

static void multiply(const struct panels_product *p, const struct panels_part *part)
{
    const struct linear *m = p->linear;
    size_t width = kernels->panel_width;
    struct product product = {
        .a = (const float *)p->left + part->row * m->in_stride + part->step,
        .lda = m->in_stride,
        .panel = panels_at(m, part->panel, part->step),
        .k = part->steps,
        .c = p->out + part->row * m->out_stride + part->panel * width,
        .ldc = m->out_stride,
        .rows = part->rows,
        .columns = width,
        .accumulate = part->step > 0,
        .bias = m->bias + part->panel * width,
        .next = part->next,
    };
    kernels->product(&product);
}

static const struct panels_format format = {.numbers = 1, .depth = 768, .multiply = multiply};

static enum deberta_status init(struct linear *linear, const struct weight *parts, size_t count)
{
    return panels_pack(linear, &format, parts, count);
}

static enum deberta_status apply(const struct linear *linear, const float *in, size_t rows, enum activation act,
                                 float *out, void *scratch)
{
    (void)scratch;
    panels_apply(&format, (struct panels_product){.linear = linear, .left = in, .rows = rows, .act = act, .out = out});
    return DEBERTA_OK;
}

static void release(struct linear *linear)
{
    memory_free(linear->packed);
}

const struct linear_path linear_packed = {
    .name = "own", .init = init, .apply = apply, .release = release, .bytes = panels_bytes};
