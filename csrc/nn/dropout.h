/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout of rows, shared among the threads when not called by one of theirs. The mask of an element is a function of
 * the site's key and the element's index: it is never stored, and the same for any number of threads. */
#ifndef DEBERTA_NN_DROPOUT_H
#define DEBERTA_NN_DROPOUT_H

#include <stddef.h>
#include <stdint.h>

/* One place of the network in one forward pass. */
struct dropout {
    uint64_t key;
    uint32_t threshold; /* an element is dropped if its 32 random bits are below it */
    float scale;        /* of those that stay: 1 / (1 - probability) */
};

/* Sites of one seed have masks of their own; `probability` is at least 0 and below 1. */
struct dropout dropout_site(float probability, uint64_t seed, uint64_t site);

/* out[r][c] = dropout(x[r][c]) + residual[r][c]; element (r, c) has the index first + r * columns + c, all arrays the
 * row stride ld. residual may be NULL, out may be x or residual. The backward pass is the same call with the gradient
 * as x and no residual. */
void dropout_apply(const struct dropout *dropout, const float *x, const float *residual, size_t rows, size_t columns,
                   size_t ld, uint64_t first, float *out);

#endif
