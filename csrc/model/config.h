/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a configuration, the layers of its head, its activations. */
#ifndef DEBERTA_MODEL_CONFIG_H
#define DEBERTA_MODEL_CONFIG_H

#include "deberta/model.h"
#include "kernels/kernels.h"

static inline bool head_has_dense(enum deberta_head head)
{
    return head != DEBERTA_NO_HEAD && head != DEBERTA_TOKENS;
}

static inline bool head_has_norm(enum deberta_head head)
{
    return head == DEBERTA_MASKED_LM || head == DEBERTA_REPLACED_TOKENS;
}

static inline bool head_has_out(enum deberta_head head)
{
    return head != DEBERTA_NO_HEAD && head != DEBERTA_POOLER;
}

/* Whether the head reads all or selected tokens instead of each sequence's first. */
static inline bool head_reads_tokens(enum deberta_head head)
{
    return head == DEBERTA_TOKENS || head == DEBERTA_MASKED_LM || head == DEBERTA_REPLACED_TOKENS;
}

struct activations {
    enum activation hidden, conv, head;
};

/* Fails when sizes are invalid or contradict each other. */
MUST_USE enum deberta_status config_check(const struct deberta_config *config);

/* Finds the activations by their names in transformers; those of absent layers are not set. */
MUST_USE enum deberta_status config_activations(const struct deberta_config *config, struct activations *out);

/* Rows of the relative position table; 0 when there is no relative term. */
size_t config_relative_rows(const struct deberta_config *config);

#endif
