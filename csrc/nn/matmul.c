/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/matmul.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

#define ROW_BLOCK 192   /* rows whose activations stay in the cache while panels pass by */
#define DEPTH_BLOCK 768 /* of k: a panel of that depth streams from L2 */
#define PANEL_GROUP 4   /* panels whose output is finished (activated) while it is still in the cache */
#define PRIMITIVES 256  /* oneDNN keeps that many compiled products */
#define LAYOUT_ROWS 64  /* the number of rows for which oneDNN chooses its layout of a weight */

static enum matmul_path path = MATMUL_ONEDNN;
static dnnl_engine_t engine; /* one CPU engine for the process */

static enum deberta_status onednn_failed(const char *what, dnnl_status_t status)
{
    return fail(status == dnnl_out_of_memory ? DEBERTA_MEMORY : DEBERTA_INTERNAL, "oneDNN: %s failed with status %d",
                what, (int)status);
}

#define ONEDNN(what, call)                                                                                             \
    do {                                                                                                               \
        dnnl_status_t onednn_status_ = (call);                                                                         \
        if (onednn_status_ != dnnl_success)                                                                            \
            return onednn_failed(what, onednn_status_);                                                                \
    } while (0)

enum deberta_status matmul_start(void)
{
    static const bool own_is_ahead[ISA_COUNT] = {[ISA_AVX2] = true, [ISA_AVX512] = true}; /* results/linear.json */
    path = own_is_ahead[kernels->isa] ? MATMUL_OWN : MATMUL_ONEDNN;
    const char *forced = getenv("DEBERTA_C_MATMUL");
    if (forced && *forced) {
        if (strcmp(forced, "own") != 0 && strcmp(forced, "onednn") != 0)
            return fail(DEBERTA_ARGUMENT, "DEBERTA_C_MATMUL is '%s'; it may be 'own' or 'onednn'", forced);
        path = strcmp(forced, "own") == 0 ? MATMUL_OWN : MATMUL_ONEDNN;
    }
    if (engine)
        return DEBERTA_OK;
    ONEDNN("the primitive cache", dnnl_set_primitive_cache_capacity(PRIMITIVES));
    ONEDNN("the CPU engine", dnnl_engine_create(&engine, dnnl_cpu, 0));
    return DEBERTA_OK;
}

enum matmul_path matmul_path(void)
{
    return path;
}

const char *matmul_onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

void weight_read(const void *from, enum deberta_dtype dtype, size_t n, float scale, float *to)
{
    if (dtype == DEBERTA_F16)
        kernels->convert_f16(from, n, to);
    else if (dtype == DEBERTA_BF16)
        kernels->convert_bf16(from, n, to);
    else
        memcpy(to, from, n * sizeof *to);
    for (size_t i = 0; scale != 1.0f && i < n; i++)
        to[i] *= scale;
}

/* The row of the data that holds row r. */
static const void *weight_row(const struct weight *w, size_t r, size_t in)
{
    size_t row = w->block ? r / w->block * w->step + r % w->block : r;
    return (const char *)w->data + row * in * dtype_size(w->dtype);
}

#define CHECKED 4096 /* numbers that are looked at together */

static bool is_bad(const void *from, enum deberta_dtype dtype, size_t n)
{
    unsigned bad = 0;
    if (dtype == DEBERTA_F32) {
        const uint32_t *bits = from;
        for (size_t i = 0; i < n; i++)
            bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
    } else {
        const uint16_t *bits = from;
        const uint16_t exponent = dtype == DEBERTA_F16 ? 0x7c00 : 0x7f80;
        for (size_t i = 0; i < n; i++)
            bad |= (bits[i] & exponent) == exponent;
    }
    return bad;
}

size_t weight_first_bad(const void *from, enum deberta_dtype dtype, size_t n)
{
    size_t item = dtype_size(dtype);
    for (size_t i = 0; i < n; i += CHECKED) {
        size_t end = min_size(i + CHECKED, n);
        if (!is_bad((const char *)from + i * item, dtype, end - i))
            continue;
        while (!is_bad((const char *)from + i * item, dtype, 1))
            i++;
        return i;
    }
    return n;
}

/* ---- our own path ---- */

struct packing {
    const struct weight *part;
    size_t in;
    float *panels; /* where the part's first panel goes */
    float *rows;   // (workers, panel_width, in)
};

static void pack_panel(size_t index, int worker, void *context)
{
    const struct packing *p = context;
    size_t width = kernels->panel_width, first = index * width;
    size_t n = min_size(width, p->part->rows - first);
    float *rows = p->rows + (size_t)worker * width * p->in;
    for (size_t r = 0; r < n; r++)
        weight_read(weight_row(p->part, first + r, p->in), p->part->dtype, p->in, p->part->scale, rows + r * p->in);
    kernels->pack(rows, p->in, n, p->in, p->panels + first * p->in);
}

static enum deberta_status pack_own(struct matrix *matrix, const struct weight *parts, size_t count)
{
    size_t width = kernels->panel_width;
    void *rows;
    TRY(memory_alloc((size_t)threads_count() * width, matrix->in * sizeof(float), &rows));
    float *panels = matrix->packed;
    for (size_t i = 0; i < count; i++) {
        struct packing packing = {.part = &parts[i], .in = matrix->in, .panels = panels, .rows = rows};
        parallel_for((parts[i].rows + width - 1) / width, threads_grain(10.0 * (double)(width * matrix->in)),
                     pack_panel, &packing);
        panels += round_up(parts[i].rows, width) * matrix->in;
    }
    memory_free(rows);
    return DEBERTA_OK;
}

struct application {
    const struct matrix *matrix;
    const float *in;
    size_t rows;
    enum activation act;
    float *out;
    size_t row_block, slices; /* rows of a task; slices of the panels */
};

/* Where a slice of the panels begins. */
static size_t slice_begin(const struct matrix *matrix, size_t slice, size_t slices)
{
    return slice * (matrix->out_stride / kernels->panel_width) / slices;
}

static const float *panel_at(const struct matrix *matrix, size_t panel, size_t k)
{
    return matrix->packed + (panel * matrix->in + k) * kernels->panel_width;
}

/* A few panels, until their output is finished: bias first, then k in ascending blocks, then the activation. `after` is
 * the panel that follows, to be fetched ahead. */
static void apply_panels(const struct application *a, size_t row, size_t first, size_t last, const float *after)
{
    const struct matrix *m = a->matrix;
    size_t width = kernels->panel_width, rows = min_size(a->row_block, a->rows - row);
    float *out = a->out + row * m->out_stride;
    for (size_t k = 0; k < m->in; k += DEPTH_BLOCK) {
        for (size_t panel = first; panel < last; panel++) {
            bool last_block = k + DEPTH_BLOCK >= m->in;
            struct product product = {
                .a = a->in + row * m->in_stride + k,
                .lda = m->in_stride,
                .panel = panel_at(m, panel, k),
                .k = min_size(DEPTH_BLOCK, m->in - k),
                .c = out + panel * width,
                .ldc = m->out_stride,
                .rows = rows,
                .columns = width,
                .accumulate = k > 0,
                .bias = m->bias + panel * width,
                .next = panel + 1 < last ? panel_at(m, panel + 1, k)
                        : last_block     ? after
                                         : panel_at(m, first, k + DEPTH_BLOCK),
            };
            kernels->product(&product);
        }
    }
    kernels->activate(a->act, out + first * width, m->out_stride, rows, (last - first) * width);
}

/* One block of rows times one slice of the panels. A worker that keeps its slice walks through memory from end to end,
 * and at the end fetches the beginning of the same slice of the matrix to come: memory is never idle. */
static void apply_slice(size_t index, int worker, void *context)
{
    (void)worker;
    const struct application *a = context;
    const struct matrix *m = a->matrix, *then = m->then;
    size_t slice = index % a->slices, row = index / a->slices * a->row_block;
    size_t begin = slice_begin(m, slice, a->slices), end = slice_begin(m, slice + 1, a->slices);
    const float *after = then ? panel_at(then, slice_begin(then, slice, a->slices), 0) : NULL;
    for (size_t panel = begin; panel < end; panel += PANEL_GROUP) {
        size_t last = min_size(panel + PANEL_GROUP, end);
        apply_panels(a, row, panel, last, last < end ? panel_at(m, last, 0) : after);
    }
}

static void apply_own(const struct matrix *matrix, const float *in, size_t rows, enum activation act, float *out)
{
    size_t blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK, slices = (size_t)threads_team();
    size_t row_block = round_up((rows + blocks - 1) / blocks, kernels->row_group);
    struct application application = {
        .matrix = matrix, .in = in, .rows = rows, .act = act, .out = out, .row_block = row_block, .slices = slices};
    double operations = 2.0 * (double)(min_size(row_block, rows) * matrix->in * matrix->out_stride) / (double)slices;
    parallel_for((rows + row_block - 1) / row_block * slices, threads_grain(operations), apply_slice, &application);
}

/* ---- oneDNN's path ---- */

struct onednn {
    dnnl_memory_desc_t layout; /* of the packed weights */
};

/* The product of `rows` rows; layout NULL lets oneDNN choose that of the weights. */
static dnnl_status_t describe(const struct matrix *m, size_t rows, const_dnnl_memory_desc_t layout,
                              dnnl_primitive_desc_t *out)
{
    dnnl_dims_t in = {(dnnl_dim_t)rows, (dnnl_dim_t)m->in_stride},
                result = {(dnnl_dim_t)rows, (dnnl_dim_t)m->out_stride};
    dnnl_dims_t both = {(dnnl_dim_t)m->out_stride, (dnnl_dim_t)m->in_stride}, bias = {(dnnl_dim_t)m->out_stride};
    dnnl_memory_desc_t in_md = NULL, weights_md = NULL, bias_md = NULL, out_md = NULL;
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&in_md, 2, in, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_memory_desc_create_with_tag(&out_md, 2, result, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_memory_desc_create_with_tag(&bias_md, 1, bias, dnnl_f32, dnnl_a);
    if (status == dnnl_success && !layout)
        status = dnnl_memory_desc_create_with_tag(&weights_md, 2, both, dnnl_f32, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = dnnl_inner_product_forward_primitive_desc_create(out, engine, dnnl_forward_inference, in_md,
                                                                  layout ? layout : weights_md, bias_md, out_md, NULL);
    dnnl_memory_desc_destroy(in_md);
    dnnl_memory_desc_destroy(weights_md);
    dnnl_memory_desc_destroy(bias_md);
    dnnl_memory_desc_destroy(out_md);
    return status;
}

static dnnl_status_t choose_layout(const struct matrix *m, dnnl_memory_desc_t *layout)
{
    dnnl_primitive_desc_t chosen;
    dnnl_status_t status = describe(m, LAYOUT_ROWS, NULL, &chosen);
    if (status != dnnl_success)
        return status;
    status = dnnl_memory_desc_clone(layout, dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0));
    dnnl_primitive_desc_destroy(chosen);
    return status;
}

static dnnl_status_t run(dnnl_primitive_t primitive, const int *names, void *const *data,
                         const const_dnnl_memory_desc_t *layouts, int count)
{
    dnnl_exec_arg_t arguments[4];
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    int made = 0;
    for (; status == dnnl_success && made < count; made += status == dnnl_success) {
        arguments[made].arg = names[made];
        status = dnnl_memory_create(&arguments[made].memory, layouts[made], engine, data[made]);
    }
    threads_lend();
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, count, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    while (made > 0)
        dnnl_memory_destroy(arguments[--made].memory);
    dnnl_stream_destroy(stream);
    return status;
}

/* plain (out_stride, in_stride) -> the layout of m->onednn */
static dnnl_status_t reorder(const struct matrix *m, float *plain)
{
    dnnl_dims_t dims = {(dnnl_dim_t)m->out_stride, (dnnl_dim_t)m->in_stride};
    dnnl_memory_desc_t from = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&from, 2, dims, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&description, from, engine, m->onednn->layout, engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&primitive, description);
    if (status == dnnl_success)
        status = run(primitive, (int[]){DNNL_ARG_FROM, DNNL_ARG_TO}, (void *[]){plain, m->packed},
                     (const_dnnl_memory_desc_t[]){from, m->onednn->layout}, 2);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    dnnl_memory_desc_destroy(from);
    return status;
}

static enum deberta_status pack_onednn(struct matrix *m, const struct weight *parts, size_t count)
{
    void *block;
    TRY(memory_calloc(m->out_stride * m->in_stride, sizeof(float), &block));
    float *row = block;
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < parts[i].rows; r++)
            weight_read(weight_row(&parts[i], r, m->in), parts[i].dtype, m->in, parts[i].scale, row + r * m->in_stride);
        row += round_up(parts[i].rows, kernels->panel_width) * m->in_stride;
    }
    dnnl_status_t status = reorder(m, block);
    memory_free(block);
    return status == dnnl_success ? DEBERTA_OK : onednn_failed("packing a weight", status);
}

static enum deberta_status apply_onednn(const struct matrix *m, const float *in, size_t rows, float *out)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    threads_lend(); /* the thread count is part of what oneDNN compiles */
    dnnl_status_t status = describe(m, rows, m->onednn->layout, &description);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&primitive, description);
    if (status == dnnl_success)
        status = run(primitive, (int[]){DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST},
                     (void *[]){(void *)(uintptr_t)in, m->packed, m->bias, out},
                     (const_dnnl_memory_desc_t[]){dnnl_primitive_desc_query_md(description, dnnl_query_src_md, 0),
                                                  m->onednn->layout,
                                                  dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 1),
                                                  dnnl_primitive_desc_query_md(description, dnnl_query_dst_md, 0)},
                     4);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    return status == dnnl_success ? DEBERTA_OK : onednn_failed("a product", status);
}

struct activation_job {
    enum activation act;
    float *x;
    size_t rows, stride;
};

#define ACTIVATION_ROWS 8

static void activate_rows(size_t index, int worker, void *context)
{
    (void)worker;
    const struct activation_job *job = context;
    size_t row = index * ACTIVATION_ROWS;
    kernels->activate(job->act, job->x + row * job->stride, job->stride, min_size(ACTIVATION_ROWS, job->rows - row),
                      job->stride);
}

/* ---- both ---- */

static enum deberta_status pack_all(struct matrix *matrix, const struct weight *parts, size_t count)
{
    void *block;
    size_t floats = matrix->out_stride * matrix->in;
    if (path == MATMUL_ONEDNN) {
        TRY(memory_calloc(1, sizeof *matrix->onednn, &block));
        matrix->onednn = block;
        dnnl_status_t status = choose_layout(matrix, &matrix->onednn->layout);
        if (status != dnnl_success)
            return onednn_failed("choosing the layout of a weight", status);
        floats = dnnl_memory_desc_get_size(matrix->onednn->layout) / sizeof(float);
    }
    TRY(memory_alloc(floats, sizeof(float), &block));
    matrix->packed = block;
    TRY(memory_calloc(matrix->out_stride, sizeof(float), &block));
    matrix->bias = block;
    float *bias = matrix->bias;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].bias)
            weight_read(parts[i].bias, parts[i].bias_dtype, parts[i].rows, parts[i].scale, bias);
        bias += round_up(parts[i].rows, kernels->panel_width);
    }
    return matrix->onednn ? pack_onednn(matrix, parts, count) : pack_own(matrix, parts, count);
}

enum deberta_status matrix_init(struct matrix *matrix, const struct weight *parts, size_t count, size_t in)
{
    *matrix = (struct matrix){.in = in, .in_stride = round_up(in, kernels->panel_width)};
    for (size_t i = 0; i < count; i++)
        matrix->out_stride += round_up(parts[i].rows, kernels->panel_width);
    enum deberta_status status = pack_all(matrix, parts, count);
    if (status != DEBERTA_OK)
        matrix_release(matrix);
    return status;
}

void matrix_release(struct matrix *matrix)
{
    if (matrix->onednn)
        dnnl_memory_desc_destroy(matrix->onednn->layout);
    memory_free(matrix->onednn);
    memory_free(matrix->packed);
    memory_free(matrix->bias);
    *matrix = (struct matrix){0};
}

size_t matrix_bytes(const struct matrix *matrix)
{
    size_t packed = matrix->onednn ? dnnl_memory_desc_get_size(matrix->onednn->layout)
                                   : matrix->out_stride * matrix->in * sizeof(float);
    return packed + matrix->out_stride * sizeof(float);
}

enum deberta_status matrix_apply(const struct matrix *matrix, const float *in, size_t rows, enum activation act,
                                 float *out)
{
    if (rows == 0)
        return DEBERTA_OK;
    if (!matrix->onednn) {
        apply_own(matrix, in, rows, act, out);
        return DEBERTA_OK;
    }
    TRY(apply_onednn(matrix, in, rows, out));
    struct activation_job job = {.act = act, .x = out, .rows = rows, .stride = matrix->out_stride};
    if (act != ACT_LINEAR)
        parallel_for((rows + ACTIVATION_ROWS - 1) / ACTIVATION_ROWS,
                     threads_grain(20.0 * ACTIVATION_ROWS * (double)job.stride), activate_rows, &job);
    return DEBERTA_OK;
}
