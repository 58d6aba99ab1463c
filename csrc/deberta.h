/* SPDX-License-Identifier: Apache-2.0 */
/* The only door to the core: everything that a binding may call.
 *
 *     struct deberta_model *model;
 *     if (deberta_model_new(&config, tensors, n_tensors, &model) != DEBERTA_OK)
 *         puts(deberta_message());
 *
 * Models and tokenizers are immutable and may be used from many threads at once.
 * Functions return a status; the message of a failure belongs to the calling thread.
 * Dimension letters: T tokens, N sequences, S tokens of one sequence, H hidden, A heads, D head size,
 * I intermediate, V vocabulary, E embedding size, L layers, C labels. */
#ifndef DEBERTA_H
#define DEBERTA_H

#include "base/status.h"
#include "deberta/machine.h"
#include "deberta/model.h"
#include "deberta/tokenizer.h"
#include "deberta/train.h"

const char *deberta_message(void);

#endif
