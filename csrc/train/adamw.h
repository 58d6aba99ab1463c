/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW as torch.optim.AdamW, and without bias correction as the optimiser of the DeBERTa paper: one pass over values,
 * gradients and moments, shared among the threads. Padding, whose gradients are zero, stays zero. */
#ifndef DEBERTA_TRAIN_ADAMW_H
#define DEBERTA_TRAIN_ADAMW_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernels.h"

/* What is the same for all arrays in one update. */
struct adamw_settings {
    double rate, beta1, beta2, epsilon, decay;
    double scale;         /* of gradients */
    long step;            /* the number of this update, from 1 */
    bool bias_correction; /* as torch; without it the paper's */
};

/* The step of an array whose learning rate and decay are these multiples of the settings'. */
struct adamw adamw_step(const struct adamw_settings *settings, double rate, double decay);

/* An array of parameters. */
struct adamw_array {
    float *value, *gradient, *m, *v; // (count)
    size_t count;
    struct adamw step;
};

/* The sum of the squares of all gradients: not finite if one of them is not. The same bits for any number of threads.
 */
double adamw_squares(const struct adamw_array *arrays, size_t count);

/* The factor that limits gradients of this global norm to `most`, as torch's clip_grad_norm_; most 0: 1. */
double adamw_clip(double norm, double most);

/* Takes the step of each array and sets its gradients to zero. */
void adamw_update(const struct adamw_array *arrays, size_t count);

#endif
