/* SPDX-License-Identifier: Apache-2.0 */
/* Every weight of the network, named once: P(member, name in the checkpoint, rows, columns, needed when).
 * Columns 0: a vector. Letters: V vocabulary, E embedding, H hidden, A heads * head size, I intermediate, R rows of the
 * position table, M absolute positions, Y token types, K columns of the convolution, D outputs of the head's dense
 * layer, C outputs of the head; `c` is the configuration. */

#ifndef DEBERTA_MODEL_PARAMS_H
#define DEBERTA_MODEL_PARAMS_H

#include "model/config.h"

#define PARAMS_OF_MODEL(P)                                                                                             \
    P(word, "deberta.embeddings.word_embeddings.weight", V, E, true)                                                   \
    P(absolute, "deberta.embeddings.position_embeddings.weight", M, E,                                                 \
      c->position_biased_input || c->enhanced_mask_decoder)                                                            \
    P(type, "deberta.embeddings.token_type_embeddings.weight", Y, E, Y > 0)                                            \
    P(projection, "deberta.embeddings.embed_proj.weight", H, E, E != H)                                                \
    P(gain, "deberta.embeddings.LayerNorm.weight", H, 0, true)                                                         \
    P(bias, "deberta.embeddings.LayerNorm.bias", H, 0, true)                                                           \
    P(relative, "deberta.encoder.rel_embeddings.weight", R, H, R > 0)                                                  \
    P(relative_gain, "deberta.encoder.LayerNorm.weight", H, 0, R > 0 && c->norm_rel_ebd)                               \
    P(relative_bias, "deberta.encoder.LayerNorm.bias", H, 0, R > 0 && c->norm_rel_ebd)                                 \
    P(conv, "deberta.encoder.conv.weight", H, K, K > 0)                                                                \
    P(conv_bias, "deberta.encoder.conv.bias", H, 0, K > 0)                                                             \
    P(conv_gain, "deberta.encoder.conv.LayerNorm.weight", H, 0, K > 0)                                                 \
    P(conv_shift, "deberta.encoder.conv.LayerNorm.bias", H, 0, K > 0)                                                  \
    P(head_dense, "head.dense.weight", D, H, head_has_dense(c->head))                                                  \
    P(head_dense_bias, "head.dense.bias", D, 0, head_has_dense(c->head))                                               \
    P(head_gain, "head.LayerNorm.weight", D, 0, head_has_norm(c->head))                                                \
    P(head_shift, "head.LayerNorm.bias", D, 0, head_has_norm(c->head))                                                 \
    P(head_out, "head.out.weight", C, D, head_has_out(c->head))                                                        \
    P(head_out_bias, "head.out.bias", C, 0, head_has_out(c->head))

/* after "deberta.encoder.layer.<number>." */
#define PARAMS_OF_LAYER(P)                                                                                             \
    P(query, "attention.self.query_proj.weight", A, H, true)                                                           \
    P(query_bias, "attention.self.query_proj.bias", A, 0, true)                                                        \
    P(key, "attention.self.key_proj.weight", A, H, true)                                                               \
    P(key_bias, "attention.self.key_proj.bias", A, 0, c->key_bias)                                                     \
    P(value, "attention.self.value_proj.weight", A, H, true)                                                           \
    P(value_bias, "attention.self.value_proj.bias", A, 0, true)                                                        \
    P(position_key, "attention.self.pos_key_proj.weight", A, H, R > 0 && c->c2p && !c->share_att_key)                  \
    P(position_key_bias, "attention.self.pos_key_proj.bias", A, 0,                                                     \
      R > 0 && c->c2p && !c->share_att_key && c->key_bias)                                                             \
    P(position_query, "attention.self.pos_query_proj.weight", A, H, R > 0 && c->p2c && !c->share_att_key)              \
    P(position_query_bias, "attention.self.pos_query_proj.bias", A, 0, R > 0 && c->p2c && !c->share_att_key)           \
    P(output, "attention.output.dense.weight", H, A, true)                                                             \
    P(output_bias, "attention.output.dense.bias", H, 0, true)                                                          \
    P(attention_gain, "attention.output.LayerNorm.weight", H, 0, true)                                                 \
    P(attention_bias, "attention.output.LayerNorm.bias", H, 0, true)                                                   \
    P(up, "intermediate.dense.weight", I, H, true)                                                                     \
    P(up_bias, "intermediate.dense.bias", I, 0, true)                                                                  \
    P(down, "output.dense.weight", H, I, true)                                                                         \
    P(down_bias, "output.dense.bias", H, 0, true)                                                                      \
    P(final_gain, "output.LayerNorm.weight", H, 0, true)                                                               \
    P(final_bias, "output.LayerNorm.bias", H, 0, true)

#define POINTER_MEMBER(member, name, rows, columns, needed) const struct deberta_tensor *member;

/* The tensors of a checkpoint; NULL where the configuration needs none. */
struct model_tensors {
    PARAMS_OF_MODEL(POINTER_MEMBER)
};

struct layer_tensors {
    PARAMS_OF_LAYER(POINTER_MEMBER)
};
#undef POINTER_MEMBER

struct checkpoint {
    const struct deberta_config *config;
    const struct deberta_tensor *tensors;
    size_t count;
};

/* Find the tensors that the configuration needs; a missing tensor, a wrong shape or a number that is not finite is
 * DEBERTA_FORMAT. */
MUST_USE enum deberta_status params_of_model(const struct checkpoint *checkpoint, struct model_tensors *out);
MUST_USE enum deberta_status params_of_layer(const struct checkpoint *checkpoint, size_t number,
                                             struct layer_tensors *out);

/* Drops the pages of a mapped tensor from memory; NULL is allowed. */
void params_drop_pages(const struct deberta_tensor *tensor);
void params_drop_pages_layer(const struct layer_tensors *tensors);

#endif
