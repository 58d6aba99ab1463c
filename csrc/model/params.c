/* SPDX-License-Identifier: Apache-2.0 */
#include "model/params.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "nn/weights.h"

struct wanted {
    const char *name;
    size_t rows, columns; /* columns 0: a vector */
    bool needed;
    const struct deberta_tensor **found;
};

static void describe_shape(const struct deberta_tensor *tensor, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < tensor->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ", %zu" : "%zu", tensor->shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
}

static enum deberta_status check_shape(const struct deberta_tensor *tensor, const struct wanted *w)
{
    int rank = w->columns ? 2 : 1;
    if (tensor->rank == rank && tensor->shape[0] == w->rows && (rank == 1 || tensor->shape[1] == w->columns))
        return DEBERTA_OK;
    char found[128];
    describe_shape(tensor, found, sizeof found);
    if (rank == 2)
        return fail(DEBERTA_FORMAT, "tensor '%s' has shape %s, but config.json asks for (%zu, %zu)", w->name, found,
                    w->rows, w->columns);
    return fail(DEBERTA_FORMAT, "tensor '%s' has shape %s, but config.json asks for (%zu)", w->name, found, w->rows);
}

/* ---- numbers ---- */

#define SLICE ((size_t)1 << 17) /* numbers that a thread checks at once */
#define SLICES 128              /* slices that are checked before their pages are dropped */
#define WORTH 8                 /* slices that are worth a thread */

struct check {
    const struct deberta_tensor *tensor;
    size_t begin, end; /* of the numbers that are checked now */
    atomic_size_t bad; /* the first bad one, or `end` */
};

static size_t numbers_of(const struct deberta_tensor *tensor)
{
    return tensor->shape[0] * (tensor->rank == 2 ? tensor->shape[1] : 1);
}

/* The address of a number, also when the rows are in blocks; a block is contiguous. */
static const void *number_at(const struct deberta_tensor *t, size_t i)
{
    if (t->block) {
        size_t row = i / t->shape[1];
        i += row / t->block * (t->step - t->block) * t->shape[1];
    }
    return (const char *)t->data + i * dtype_size(t->dtype);
}

static void check_slice(size_t index, int worker, void *context)
{
    (void)worker;
    struct check *check = context;
    const struct deberta_tensor *t = check->tensor;
    size_t begin = check->begin + index * SLICE, end = min_size(begin + SLICE, check->end);
    while (begin < end) {
        size_t block = t->block * t->shape[1], n = end - begin;
        n = block ? min_size(n, block - begin % block) : n;
        size_t found = begin + weight_first_bad(number_at(t, begin), t->dtype, n), first = check->bad;
        while (found < begin + n && found < first && !atomic_compare_exchange_weak(&check->bad, &first, found))
            ;
        begin += n;
    }
}

static void drop_pages(const struct deberta_tensor *t, size_t begin, size_t end)
{
    const char *first = number_at(t, begin), *last = number_at(t, end - 1);
    if (t->mapped)
        memory_drop_pages(first, (size_t)(last - first) + dtype_size(t->dtype));
}

static enum deberta_status check_numbers(const struct deberta_tensor *tensor)
{
    size_t all = numbers_of(tensor);
    for (size_t begin = 0; begin < all; begin += SLICES * SLICE) {
        size_t end = min_size(begin + SLICES * SLICE, all);
        struct check check = {.tensor = tensor, .begin = begin, .end = end, .bad = end};
        parallel_for((end - begin + SLICE - 1) / SLICE, WORTH, check_slice, &check);
        if (check.bad < end) {
            float value;
            weight_read(number_at(tensor, check.bad), tensor->dtype, 1, 1.0f, &value);
            return fail(DEBERTA_FORMAT, "tensor '%s' holds %s at index %zu; the file is damaged, copy it again",
                        tensor->name, isnan(value) ? "nan" : "inf", (size_t)check.bad);
        }
        drop_pages(tensor, begin, end);
    }
    return DEBERTA_OK;
}

void params_drop_pages(const struct deberta_tensor *tensor)
{
    if (tensor && numbers_of(tensor) > 0)
        drop_pages(tensor, 0, numbers_of(tensor));
}

void params_drop_pages_layer(const struct layer_tensors *t)
{
#define P(member, name, rows, columns, needed, place) params_drop_pages(t->member);
    PARAMS_OF_LAYER(P)
#undef P
}

void params_drop_pages_model(const struct model_tensors *t)
{
#define P(member, name, rows, columns, needed, place) params_drop_pages(t->member);
    PARAMS_OF_MODEL(P)
#undef P
}

/* ---- the lists ---- */

static enum deberta_status find(const struct checkpoint *checkpoint, const struct wanted *w)
{
    *w->found = NULL;
    for (size_t i = 0; w->needed && i < checkpoint->count && !*w->found; i++)
        if (strcmp(checkpoint->tensors[i].name, w->name) == 0)
            *w->found = &checkpoint->tensors[i];
    if (!w->needed)
        return DEBERTA_OK;
    if (!*w->found)
        return fail(DEBERTA_FORMAT, "the checkpoint has no tensor '%s', which config.json asks for", w->name);
    TRY(check_shape(*w->found, w));
    return check_numbers(*w->found);
}

enum deberta_status params_of_model(const struct checkpoint *checkpoint, struct model_tensors *out)
{
    CONFIG_LETTERS(checkpoint->config);
#define P(member, name, rows, columns, needed, place)                                                                  \
    TRY(find(checkpoint, &(struct wanted){name, rows, columns, needed, &out->member}));
    PARAMS_OF_MODEL(P)
#undef P
    return DEBERTA_OK;
}

enum deberta_status params_of_layer(const struct checkpoint *checkpoint, size_t number, struct layer_tensors *out)
{
    CONFIG_LETTERS(checkpoint->config);
    char full[160];
#define P(member, name, rows, columns, needed, place)                                                                  \
    snprintf(full, sizeof full, "deberta.encoder.layer.%zu.%s", number, name);                                         \
    TRY(find(checkpoint, &(struct wanted){full, rows, columns, needed, &out->member}));
    PARAMS_OF_LAYER(P)
#undef P
    return DEBERTA_OK;
}

enum deberta_status deberta_parameters(const struct deberta_config *config,
                                       void (*visit)(const char *name, size_t rows, size_t columns, void *data),
                                       void *data)
{
    TRY(config_check(config));
    CONFIG_LETTERS(config);
    char full[160];
#define P(member, name, rows, columns, needed, place)                                                                  \
    if (needed)                                                                                                        \
        visit(name, rows, columns, data);
    PARAMS_OF_MODEL(P)
#undef P
    for (size_t i = 0; i < config->layers; i++) {
#define P(member, name, rows, columns, needed, place)                                                                  \
    snprintf(full, sizeof full, "deberta.encoder.layer.%zu.%s", i, name);                                              \
    if (needed)                                                                                                        \
        visit(full, rows, columns, data);
        PARAMS_OF_LAYER(P)
#undef P
    }
    return DEBERTA_OK;
}
