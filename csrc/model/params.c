/* SPDX-License-Identifier: Apache-2.0 */
#include "model/params.h"

#include <stdio.h>
#include <string.h>

struct wanted {
    const char *name;
    size_t rows, columns; /* columns 0: a vector */
    bool needed;
    const struct deberta_tensor **found;
};

size_t params_relative_rows(const struct deberta_config *config)
{
    if (!config->relative_attention || !(config->c2p || config->p2c))
        return 0;
    return 2 * (config->position_buckets > 0 ? config->position_buckets : config->max_relative_positions);
}

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

static enum deberta_status find(const struct checkpoint *checkpoint, const struct wanted *w)
{
    *w->found = NULL;
    if (!w->needed)
        return DEBERTA_OK;
    for (size_t i = 0; i < checkpoint->count; i++) {
        if (strcmp(checkpoint->tensors[i].name, w->name) != 0)
            continue;
        TRY(check_shape(&checkpoint->tensors[i], w));
        *w->found = &checkpoint->tensors[i];
        return DEBERTA_OK;
    }
    return DEBERTA_OK;
}

static enum deberta_status find_needed(const struct checkpoint *checkpoint, const struct wanted *w)
{
    TRY(find(checkpoint, w));
    if (w->needed && !*w->found)
        return fail(DEBERTA_FORMAT, "the checkpoint has no tensor '%s', which config.json asks for", w->name);
    return DEBERTA_OK;
}

/* The letters of the lists. */
#define LETTERS(config)                                                                                                \
    const struct deberta_config *c = config;                                                                           \
    const size_t V = c->vocab_size, E = c->embedding_size, H = c->hidden_size, A = H, I = c->intermediate_size;        \
    const size_t R = params_relative_rows(c), M = c->max_positions, Y = c->type_vocab_size, C = c->num_labels;         \
    (void)V, (void)E, (void)A, (void)I, (void)R, (void)M, (void)Y, (void)C

enum deberta_status params_of_model(const struct checkpoint *checkpoint, struct model_tensors *out)
{
    LETTERS(checkpoint->config);
#define P(member, name, rows, columns, needed)                                                                         \
    TRY(find_needed(checkpoint, &(struct wanted){name, rows, columns, needed, &out->member}));
    PARAMS_OF_MODEL(P)
#undef P
    return DEBERTA_OK;
}

enum deberta_status params_of_layer(const struct checkpoint *checkpoint, size_t number, struct layer_tensors *out)
{
    LETTERS(checkpoint->config);
    char full[160];
#define P(member, name, rows, columns, needed)                                                                         \
    snprintf(full, sizeof full, "deberta.encoder.layer.%zu.%s", number, name);                                         \
    TRY(find_needed(checkpoint, &(struct wanted){full, rows, columns, needed, &out->member}));
    PARAMS_OF_LAYER(P)
#undef P
    return DEBERTA_OK;
}

enum deberta_status params_of_head(const struct checkpoint *checkpoint, struct head_tensors *out, bool *complete)
{
    LETTERS(checkpoint->config);
    *complete = true;
#define P(member, name, rows, columns, needed)                                                                         \
    TRY(find(checkpoint, &(struct wanted){name, rows, columns, needed, &out->member}));                                \
    *complete = *complete && out->member;
    PARAMS_OF_HEAD(P)
#undef P
    return DEBERTA_OK;
}
