/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows at once: cut into chunks by bytes, encoded on all threads, joined in order. */
#ifndef DEBERTA_TEXT_ENCODING_H
#define DEBERTA_TEXT_ENCODING_H

#include "deberta.h"

/* All texts of one call. */
struct encoding_batch {
    const struct deberta_tokenizer *tokenizer;
    const struct deberta_text *firsts;  // (count)
    const struct deberta_text *seconds; // (count) or NULL
    size_t count;
    const struct deberta_encode_options *options;
};

MUST_USE enum deberta_status encoding_run(const struct encoding_batch *batch, struct deberta_encodings *out);

#endif
