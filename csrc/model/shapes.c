/* SPDX-License-Identifier: Apache-2.0 */
#include "model/shapes.h"

size_t shapes_logit_rows(const struct deberta_config *config, const struct deberta_batch *batch, size_t sequence)
{
    size_t begin = (size_t)batch->offsets[sequence], end = (size_t)batch->offsets[sequence + 1], rows = 0;
    if (!head_reads_tokens(config->head))
        return 1;
    if (!batch->selected)
        return end - begin;
    for (size_t t = begin; t < end; t++)
        rows += batch->selected[t] != 0;
    return rows;
}

size_t shapes_logit_columns(const struct deberta_config *config)
{
    return config->head == DEBERTA_POOLER ? config->head_size : config->num_labels;
}

/* SIZE_MAX on overflow. */
static size_t probabilities_of(const struct deberta_config *config, const struct deberta_batch *batch)
{
    size_t squares = 0;
    bool overflow = false;
    for (size_t i = 0; i < batch->count; i++) {
        size_t length = (size_t)(batch->offsets[i + 1] - batch->offsets[i]), square;
        overflow |= __builtin_mul_overflow(length, length, &square);
        overflow |= __builtin_add_overflow(squares, square, &squares);
    }
    overflow |= __builtin_mul_overflow(squares, config->layers * config->heads, &squares);
    return overflow ? SIZE_MAX : squares;
}

struct deberta_shapes deberta_output_shapes(const struct deberta_config *config, const struct deberta_batch *batch)
{
    struct deberta_shapes shapes = {.logit_columns = shapes_logit_columns(config),
                                    .tokens = (size_t)batch->offsets[batch->count],
                                    .probabilities = probabilities_of(config, batch)};
    for (size_t i = 0; i < batch->count; i++)
        shapes.logit_rows += shapes_logit_rows(config, batch, i);
    return shapes;
}
