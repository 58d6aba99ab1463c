/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a network in training, each with its gradient and moments, except for the word table, whose rows
 * have theirs in train/rows.h. They have the layout of the weights: gradients are a model whose arrays hold them, and
 * moments lie like the gradients in blocks of their own. */
#ifndef DEBERTA_TRAIN_PARAMETERS_H
#define DEBERTA_TRAIN_PARAMETERS_H

#include <stdint.h>

#include "deberta/train.h"
#include "model/model.h"

struct parameter {
    char name[112];
    size_t rows, columns;                     /* columns 0: a vector */
    bool panels;                              /* of `panel_width` rows, else row-major */
    size_t floats;                            /* of its values, padding included */
    float *value, *gradient, *first, *second; /* the last three are NULL for the word table */
    bool trainable, decays;
    float rate;
};

struct parameters {
    struct deberta_model *model;    /* holds the values */
    struct deberta_model gradients; /* only its arrays are set */
    float *gradient_block, *first_block, *second_block;
    size_t block_bytes; /* of each */
    struct parameter *list;
    size_t count;
};

MUST_USE enum deberta_status parameters_init(struct parameters *parameters, struct deberta_model *model);
void parameters_release(struct parameters *parameters);

/* One part of a parameter, row-major. */
void parameter_read(const struct parameter *parameter, const float *part, float *out);
void parameter_write(const struct parameter *parameter, float *part, const float *in);

#endif
