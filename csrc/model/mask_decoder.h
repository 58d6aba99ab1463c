/* SPDX-License-Identifier: Apache-2.0 */
/* The enhanced mask decoder: He et al. 2021, section 3.2; masked_language_model.py of Microsoft's DeBERTa. */
#ifndef DEBERTA_MODEL_MASK_DECODER_H
#define DEBERTA_MODEL_MASK_DECODER_H

#include "model/pass.h"

/* Applies the last layer twice to w->x plus absolute positions, with the keys and values of w->x itself. The decoded
 * rows are in w->x afterwards; the ordinary output of the last layer is computed only if an output needs it. */
MUST_USE enum deberta_status mask_decoder_apply(const struct pass *pass, const struct chunk *chunk,
                                                const struct workspace *w);

#endif
