/* SPDX-License-Identifier: Apache-2.0 */
/* The path through oneDNN, whose library is loaded when it is needed: with its relocations it takes 11 MB of memory.
 *
 * oneDNN's primitive cache has a lock, which a fork copies in its current state and the exit of the process destroys. A
 * fork and the exit therefore wait until no thread is inside oneDNN, and block others (`gate`). When memory runs out
 * inside oneDNN, std::bad_alloc ends the process: a call fails with DEBERTA_MEMORY unless RESERVE bytes, far more than
 * a primitive takes, are available. */
#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/threads.h"
#include "nn/linear.h"

#define PRIMITIVES 256            /* compiled products that oneDNN keeps */
#define LAYOUT_ROWS 64            /* the number of rows for which oneDNN chooses its layout of a weight */
#define RESERVE ((size_t)8 << 20) /* bytes; a primitive takes 73 KB, the first one 3 MB */

#define LIBRARY "libdnnl.so.3" /* found by our RPATH: a folder of the package */

#define FUNCTIONS(X)                                                                                                   \
    X(engine_create)                                                                                                   \
    X(inner_product_forward_primitive_desc_create)                                                                     \
    X(memory_create)                                                                                                   \
    X(memory_desc_clone)                                                                                               \
    X(memory_desc_create_with_tag)                                                                                     \
    X(memory_desc_destroy)                                                                                             \
    X(memory_desc_get_size)                                                                                            \
    X(memory_destroy)                                                                                                  \
    X(primitive_create)                                                                                                \
    X(primitive_desc_destroy)                                                                                          \
    X(primitive_desc_query_md)                                                                                         \
    X(primitive_destroy)                                                                                               \
    X(primitive_execute)                                                                                               \
    X(reorder_primitive_desc_create)                                                                                   \
    X(set_primitive_cache_capacity)                                                                                    \
    X(stream_create)                                                                                                   \
    X(stream_destroy)                                                                                                  \
    X(stream_wait)                                                                                                     \
    X(version)

#define POINTER(name) __typeof__(&dnnl_##name) name;
static struct {
    FUNCTIONS(POINTER)
} onednn;
#undef POINTER

static dnnl_engine_t engine; /* one CPU engine for the process */

/* Callers read-lock it, fork and exit write-lock it. Readers that come later wait for a writer. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

/* Before a call into oneDNN that makes or runs a primitive, which depends on the number of threads. */
MUST_USE static enum deberta_status enter(void)
{
    TRY(memory_spare(RESERVE));
    pthread_rwlock_rdlock(&gate);
    threads_limit_openmp();
    return DEBERTA_OK;
}

static void leave(void)
{
    pthread_rwlock_unlock(&gate);
}

static void close_gate(void)
{
    pthread_rwlock_wrlock(&gate);
}

static void open_gate(void)
{
    pthread_rwlock_unlock(&gate);
}

static void new_gate(void) /* the threads that waited do not exist in a child */
{
    gate = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
}

static enum deberta_status failed(const char *what, dnnl_status_t status)
{
    return fail(status == dnnl_out_of_memory ? DEBERTA_MEMORY : DEBERTA_INTERNAL, "oneDNN: %s failed with status %d",
                what, (int)status);
}

static enum deberta_status load(void)
{
    static bool loaded;
    if (loaded)
        return DEBERTA_OK;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail(DEBERTA_INTERNAL, "oneDNN cannot be loaded: %s; install deberta_c again", dlerror());
#define FIND(name)                                                                                                     \
    if (!(*(void **)&onednn.name = dlsym(library, "dnnl_" #name)))                                                     \
        return fail(DEBERTA_INTERNAL, "oneDNN lacks a function: %s", dlerror());
    FUNCTIONS(FIND)
#undef FIND
    loaded = true;
    return DEBERTA_OK;
}

static enum deberta_status start(void)
{
    if (engine)
        return DEBERTA_OK;
    TRY(load());
    TRY(memory_spare(RESERVE));
    dnnl_status_t status = onednn.set_primitive_cache_capacity(PRIMITIVES);
    if (status == dnnl_success)
        status = onednn.engine_create(&engine, dnnl_cpu, 0);
    if (status != dnnl_success)
        return failed("the CPU engine", status);
    if (pthread_atfork(close_gate, open_gate, new_gate) != 0)
        return fail(DEBERTA_MEMORY, "out of memory: cannot register the handlers of a fork");
    return DEBERTA_OK;
}

const char *linear_onednn_version(void)
{
    static char text[32];
    if (load() != DEBERTA_OK)
        return NULL;
    const dnnl_version_t *version = onednn.version();
    snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

/* The product of `rows` rows; layout NULL: oneDNN chooses the layout of the weights. */
static dnnl_status_t describe(const struct linear *m, size_t rows, const_dnnl_memory_desc_t layout,
                              dnnl_primitive_desc_t *out)
{
    dnnl_dims_t in = {(dnnl_dim_t)rows, (dnnl_dim_t)m->in_stride},
                result = {(dnnl_dim_t)rows, (dnnl_dim_t)m->out_stride};
    dnnl_dims_t both = {(dnnl_dim_t)m->out_stride, (dnnl_dim_t)m->in_stride}, bias = {(dnnl_dim_t)m->out_stride};
    dnnl_memory_desc_t in_md = NULL, weights_md = NULL, bias_md = NULL, out_md = NULL;
    dnnl_status_t status = onednn.memory_desc_create_with_tag(&in_md, 2, in, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = onednn.memory_desc_create_with_tag(&out_md, 2, result, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = onednn.memory_desc_create_with_tag(&bias_md, 1, bias, dnnl_f32, dnnl_a);
    if (status == dnnl_success && !layout)
        status = onednn.memory_desc_create_with_tag(&weights_md, 2, both, dnnl_f32, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = onednn.inner_product_forward_primitive_desc_create(
            out, engine, dnnl_forward_inference, in_md, layout ? layout : weights_md, bias_md, out_md, NULL);
    onednn.memory_desc_destroy(in_md);
    onednn.memory_desc_destroy(weights_md);
    onednn.memory_desc_destroy(bias_md);
    onednn.memory_desc_destroy(out_md);
    return status;
}

static dnnl_status_t choose_layout(const struct linear *m, dnnl_memory_desc_t *layout)
{
    dnnl_primitive_desc_t chosen;
    dnnl_status_t status = describe(m, LAYOUT_ROWS, NULL, &chosen);
    if (status != dnnl_success)
        return status;
    status = onednn.memory_desc_clone(layout, onednn.primitive_desc_query_md(chosen, dnnl_query_weights_md, 0));
    onednn.primitive_desc_destroy(chosen);
    return status;
}

static dnnl_status_t run(dnnl_primitive_t primitive, const int *names, void *const *data,
                         const const_dnnl_memory_desc_t *layouts, int count)
{
    dnnl_exec_arg_t arguments[4];
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = onednn.stream_create(&stream, engine, dnnl_stream_default_flags);
    int made = 0;
    for (; status == dnnl_success && made < count; made += status == dnnl_success) {
        arguments[made].arg = names[made];
        status = onednn.memory_create(&arguments[made].memory, layouts[made], engine, data[made]);
    }
    if (status == dnnl_success)
        status = onednn.primitive_execute(primitive, stream, count, arguments);
    if (status == dnnl_success)
        status = onednn.stream_wait(stream);
    while (made > 0)
        onednn.memory_destroy(arguments[--made].memory);
    onednn.stream_destroy(stream);
    return status;
}

/* plain (out_stride, in_stride) -> the layout of m->layout */
static dnnl_status_t reorder(const struct linear *m, float *plain)
{
    dnnl_dims_t dims = {(dnnl_dim_t)m->out_stride, (dnnl_dim_t)m->in_stride};
    dnnl_memory_desc_t from = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status = onednn.memory_desc_create_with_tag(&from, 2, dims, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = onednn.reorder_primitive_desc_create(&description, from, engine, m->layout, engine, NULL);
    if (status == dnnl_success)
        status = onednn.primitive_create(&primitive, description);
    if (status == dnnl_success)
        status = run(primitive, (int[]){DNNL_ARG_FROM, DNNL_ARG_TO}, (void *[]){plain, m->packed},
                     (const_dnnl_memory_desc_t[]){from, m->layout}, 2);
    onednn.primitive_destroy(primitive);
    onednn.primitive_desc_destroy(description);
    onednn.memory_desc_destroy(from);
    return status;
}

static enum deberta_status pack(struct linear *m, const struct weight *parts, size_t count)
{
    void *block;
    TRY(memory_calloc(m->out_stride * m->in_stride, sizeof(float), &block));
    float *row = block;
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < parts[i].rows; r++)
            weight_read_row(&parts[i], r, m->in, row + r * m->in_stride);
        row += round_up(parts[i].rows, kernels->panel_width) * m->in_stride;
    }
    enum deberta_status status = enter();
    if (status == DEBERTA_OK) {
        dnnl_status_t reordered = reorder(m, block);
        leave();
        status = reordered == dnnl_success ? DEBERTA_OK : failed("packing a weight", reordered);
    }
    memory_free(block);
    return status;
}

static enum deberta_status init(struct linear *m, const struct weight *parts, size_t count)
{
    dnnl_memory_desc_t layout = NULL;
    void *packed;
    TRY(enter());
    dnnl_status_t status = choose_layout(m, &layout);
    leave();
    if (status != dnnl_success)
        return failed("choosing the layout of a weight", status);
    m->layout = layout;
    TRY(memory_alloc(onednn.memory_desc_get_size(layout), 1, &packed));
    m->packed = packed;
    return pack(m, parts, count);
}

static void release(struct linear *m)
{
    onednn.memory_desc_destroy(m->layout);
    memory_free(m->packed);
}

static size_t bytes(const struct linear *m)
{
    return m->layout ? onednn.memory_desc_get_size(m->layout) : 0;
}

static dnnl_status_t multiply(const struct linear *m, const float *in, size_t rows, float *out)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t status = describe(m, rows, m->layout, &description);
    if (status == dnnl_success)
        status = onednn.primitive_create(&primitive, description);
    if (status == dnnl_success)
        status = run(primitive, (int[]){DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST},
                     (void *[]){(void *)(uintptr_t)in, m->packed, m->bias, out},
                     (const_dnnl_memory_desc_t[]){onednn.primitive_desc_query_md(description, dnnl_query_src_md, 0),
                                                  m->layout,
                                                  onednn.primitive_desc_query_md(description, dnnl_query_weights_md, 1),
                                                  onednn.primitive_desc_query_md(description, dnnl_query_dst_md, 0)},
                     4);
    onednn.primitive_destroy(primitive);
    onednn.primitive_desc_destroy(description);
    return status;
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

static enum deberta_status apply(const struct linear *m, const float *in, size_t rows, enum activation act, float *out,
                                 void *scratch)
{
    (void)scratch;
    TRY(enter());
    dnnl_status_t status = multiply(m, in, rows, out);
    leave();
    if (status != dnnl_success)
        return failed("a product", status);
    struct activation_job job = {.act = act, .x = out, .rows = rows, .stride = m->out_stride};
    if (act != ACT_LINEAR)
        parallel_for((rows + ACTIVATION_ROWS - 1) / ACTIVATION_ROWS,
                     threads_grain(20.0 * ACTIVATION_ROWS * (double)job.stride), activate_rows, &job);
    return DEBERTA_OK;
}

const struct linear_path linear_onednn = {.name = "onednn",
                                          .start = start,
                                          .stop = close_gate,
                                          .init = init,
                                          .apply = apply,
                                          .release = release,
                                          .bytes = bytes};
