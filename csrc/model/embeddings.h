/* SPDX-License-Identifier: Apache-2.0 */
/* From ids to the input of the first layer. */
#ifndef DEBERTA_MODEL_EMBEDDINGS_H
#define DEBERTA_MODEL_EMBEDDINGS_H

#include "model/pass.h"

/* Fills w->x, and w->input where there is a convolution. */
MUST_USE enum deberta_status embeddings_apply(const struct pass *pass, const struct chunk *chunk,
                                              const struct workspace *w);

/* Adds the rows of the absolute position table to x (Tc, H), for the enhanced mask decoder. */
void embeddings_add_positions(const struct pass *pass, const struct chunk *chunk, float *x);

#endif
