/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mask_decoder.h"

#include "model/embeddings.h"
#include "model/encoder.h"

/* The last layer with queries of w->decoded (T, H), which becomes its output. */
static enum deberta_status run_step(const struct pass *pass, const struct chunk *chunk, const struct workspace *w,
                                    size_t step)
{
    static const struct deberta_outputs none = {0};
    const struct deberta_model *m = pass->model;
    size_t number = m->config.layers - 1;
    struct pass silent = *pass;
    struct tape tape;
    silent.outputs = &none;
    if (pass->tape) {
        tape = tape_of_step(pass->tape, step);
        silent.tape = &tape;
        memcpy(tape.layers[number].first, w->decoded, chunk->tokens * m->hidden_stride * sizeof(float));
    }
    struct workspace own = encode_workspace(&silent, w, number);
    TRY(encode_queries(m, &m->layers[number], w->decoded, chunk->tokens, &own));
    TRY(encode_attention(&silent, chunk, &own, number, false));
    return encode_finish(&silent, number, w->decoded, chunk->tokens, &own);
}

enum deberta_status mask_decoder_apply(const struct pass *pass, const struct chunk *chunk, const struct workspace *w)
{
    const struct deberta_model *m = pass->model;
    size_t number = m->config.layers - 1, bytes = chunk->tokens * m->hidden_stride * sizeof(float);
    struct workspace own = encode_workspace(pass, w, number);
    memcpy(w->decoded, w->x, bytes);
    embeddings_add_positions(pass, chunk, w->decoded);
    if (pass->tape)
        memcpy(pass->tape->layers[number].input, w->x, bytes);
    if (pass->outputs->hidden || pass->outputs->last || pass->outputs->attentions) {
        TRY(encode_layer(pass, chunk, w, number));
        encode_store(pass, chunk, w, number + 1);
    } else {
        TRY(linear_apply_with(&m->layers[number].key_value, w->x, chunk->tokens, ACT_LINEAR, own.key_value,
                              w->scratch));
    }
    for (size_t step = 0; step < 2; step++)
        TRY(run_step(pass, chunk, w, step));
    memcpy(w->x, w->decoded, bytes);
    return DEBERTA_OK;
}
