/* SPDX-License-Identifier: Apache-2.0 */
/* The relative positions of a training model: the table, its LayerNorm and the projections of each layer, which
 * inference computes once, at load. Only rows that the distances of a batch use are computed. */
#ifndef DEBERTA_TRAIN_RELATIVE_H
#define DEBERTA_TRAIN_RELATIVE_H

#include "model/tape.h"

struct relative {
    size_t rows;                         /* R; 0: the model has no relative positions */
    float *table;                        // (R, H): a copy of the parameter, with the stride of activations
    float *normalised;                   // (R, H): after LayerNorm
    float *reversed;                     // (R, H): from the last row to the first
    float *keys, *queries;               // (R, H): projections without a tape
    float *d_keys, *d_queries, *d_layer; // (R, H): gradients of a layer's projections and of its rows
    float *d_normalised;                 // (R, H): summed over the layers
    float *scratch;                      /* of a projection */
    size_t first, count;                 /* rows that are in use */
    size_t ahead;                        /* the first of them, for distances from a token to itself or a later one */
};

/* Lays the arrays out; an arena without memory only measures. */
void relative_lay_out(struct relative *relative, const struct deberta_model *model, struct arena *arena);
/* Finds the rows that sequences of up to `length` tokens use, and normalises them. */
void relative_begin(struct relative *relative, const struct deberta_model *model, size_t length);
/* The number of rows that a layer uses: in one for first tokens only, no key is before its query. */
size_t relative_count(const struct relative *relative, const struct deberta_model *model, size_t number,
                      const struct tape *tape);
/* Fills the position tables of a layer; `tape` keeps the rows after dropout and the projections, or is NULL. */
MUST_USE enum deberta_status relative_project(const struct relative *relative, const struct deberta_model *model,
                                              size_t number, const struct tape *tape);

#endif
