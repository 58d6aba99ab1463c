/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mask_decoder.h"

#include "model/embeddings.h"
#include "model/encoder.h"

enum deberta_status mask_decoder_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    static const struct deberta_outputs none = {0};
    const struct deberta_model *m = pass->model;
    size_t number = m->config.layers - 1, bytes = chunk->tokens * m->hidden_stride * sizeof(float);
    const struct layer *layer = &m->layers[number];
    memcpy(w->decoded, w->x, bytes);
    embeddings_add_positions(pass, chunk, w->decoded);
    if (pass->outputs->hidden || pass->outputs->last || pass->outputs->attentions) {
        TRY(encode_layer(pass, chunk, w, number));
        encode_store(pass, chunk, w, number + 1);
    } else {
        TRY(linear_apply(&layer->key_value, w->x, chunk->tokens, ACT_LINEAR, w->key_value));
    }
    struct pass silent = *pass;
    silent.outputs = &none;
    for (int i = 0; i < 2; i++) {
        TRY(encode_queries(m, layer, w->decoded, chunk->tokens, w->query));
        encode_attention(&silent, chunk, w, number, false);
        TRY(encode_finish(pass, number, w->decoded, chunk->tokens, w));
    }
    memcpy(w->x, w->decoded, bytes);
    return DEBERTA_OK;
}
