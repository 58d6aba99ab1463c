/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a network in training. Those that are trained get gradients and moments when the first pass needs
 * them, except for the word table, whose rows have theirs in train/rows.h. They have the layout of the weights:
 * gradients are a model whose arrays hold them. */
#ifndef DEBERTA_TRAIN_PARAMETERS_H
#define DEBERTA_TRAIN_PARAMETERS_H

#include <stdint.h>

#include "deberta/train.h"
#include "model/model.h"
#include "train/adapter.h"

struct parameter {
    char name[112];
    size_t layer; /* the first one that it takes part in; embeddings, positions and convolution: 0; the head: L */
    size_t rows, columns; /* columns 0: a vector */
    bool panels;          /* of `panel_width` rows, else row-major */
    size_t floats;        /* of its values, padding included */
    float *value;
    float *gradient, *first, *second; /* NULL for the word table, and where they are not needed */
    bool trainable, decays;
    bool adapted; /* not trainable: its gradient goes to an adapter, whose matrices are parameters of their own */
    float rate;
};

struct parameters {
    struct deberta_model *model;         /* holds the values */
    struct deberta_model gradients;      /* only its arrays are set; NULL where nothing is trained */
    char *gradient_block, *moment_block; /* NULL before parameters_reserve */
    size_t bytes;                        /* of both */
    struct parameter *list;
    size_t count;
    struct adapter *adapters;
    size_t adapter_count;
};

MUST_USE enum deberta_status parameters_init(struct parameters *parameters, struct deberta_model *model);
/* Adapts a matrix, before gradients are made: it is no longer trainable, and "lora_A" and "lora_B" follow in the list.
 */
MUST_USE enum deberta_status parameters_adapt(struct parameters *parameters, size_t index, size_t rank, float scale);
/* Makes gradients and moments, zeros, for the parameters that are trainable now; does nothing a second time. */
MUST_USE enum deberta_status parameters_reserve(struct parameters *parameters);
/* How many of the first layers have no parameter that is trained, neither their own nor one of what is before them. The
 * last layer does not count if it is that of a mask decoder. */
size_t parameters_frozen(const struct parameters *parameters);
void parameters_release(struct parameters *parameters);

/* One part of a parameter, row-major. */
void parameter_read(const struct parameter *parameter, const float *part, float *out);
void parameter_write(const struct parameter *parameter, float *part, const float *in);

#endif
