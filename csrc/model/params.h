/* SPDX-License-Identifier: Apache-2.0 */
/* Every weight of the network, named once: P(member, name in the checkpoint, rows, columns, needed when, place).
 * Columns 0: a vector. The place in a model `m` or its layer `l` is PANELS(linear, part) or BIAS(linear, part) of a
 * linear layer, or VALUES(pointer) of a vector or table. Letters: V vocabulary, E embedding, H hidden, A heads * head
 * size, I intermediate, R rows of the position table, M absolute positions, Y token types, K columns of the
 * convolution, D outputs of the head's dense layer, C outputs of the head; `c` is the configuration. */

#ifndef DEBERTA_MODEL_PARAMS_H
#define DEBERTA_MODEL_PARAMS_H

#include "model/config.h"

/* The letters of the lists. */
#define CONFIG_LETTERS(config)                                                                                         \
    const struct deberta_config *c = config;                                                                           \
    const size_t V = c->vocab_size, E = c->embedding_size, H = c->hidden_size, A = H, I = c->intermediate_size;        \
    const size_t R = config_relative_rows(c), M = c->max_positions, Y = c->type_vocab_size, C = c->num_labels;         \
    const size_t K = c->conv_kernel_size * H, D = c->head_size;                                                        \
    (void)V, (void)E, (void)A, (void)I, (void)R, (void)M, (void)Y, (void)C, (void)K, (void)D

#define PARAMS_OF_MODEL(P)                                                                                             \
    P(word, "deberta.embeddings.word_embeddings.weight", V, E, true, VALUES(m->words))                                 \
    P(absolute, "deberta.embeddings.position_embeddings.weight", M, E,                                                 \
      c->position_biased_input || c->enhanced_mask_decoder, VALUES(m->absolute))                                       \
    P(type, "deberta.embeddings.token_type_embeddings.weight", Y, E, Y > 0, VALUES(m->type))                           \
    P(projection, "deberta.embeddings.embed_proj.weight", H, E, E != H, PANELS(m->projection, 0))                      \
    P(gain, "deberta.embeddings.LayerNorm.weight", H, 0, true, VALUES(m->embedding_norm.gain))                         \
    P(bias, "deberta.embeddings.LayerNorm.bias", H, 0, true, VALUES(m->embedding_norm.bias))                           \
    P(relative, "deberta.encoder.rel_embeddings.weight", R, H, R > 0, VALUES(m->relative))                             \
    P(relative_gain, "deberta.encoder.LayerNorm.weight", H, 0, R > 0 && c->norm_rel_ebd,                               \
      VALUES(m->relative_norm.gain))                                                                                   \
    P(relative_bias, "deberta.encoder.LayerNorm.bias", H, 0, R > 0 && c->norm_rel_ebd, VALUES(m->relative_norm.bias))  \
    P(conv, "deberta.encoder.conv.weight", H, K, K > 0, PANELS(m->conv, 0))                                            \
    P(conv_bias, "deberta.encoder.conv.bias", H, 0, K > 0, BIAS(m->conv, 0))                                           \
    P(conv_gain, "deberta.encoder.conv.LayerNorm.weight", H, 0, K > 0, VALUES(m->conv_norm.gain))                      \
    P(conv_shift, "deberta.encoder.conv.LayerNorm.bias", H, 0, K > 0, VALUES(m->conv_norm.bias))                       \
    P(head_dense, "head.dense.weight", D, H, head_has_dense(c->head), PANELS(m->head_dense, 0))                        \
    P(head_dense_bias, "head.dense.bias", D, 0, head_has_dense(c->head), BIAS(m->head_dense, 0))                       \
    P(head_gain, "head.LayerNorm.weight", D, 0, head_has_norm(c->head), VALUES(m->head_norm.gain))                     \
    P(head_shift, "head.LayerNorm.bias", D, 0, head_has_norm(c->head), VALUES(m->head_norm.bias))                      \
    P(head_out, "head.out.weight", C, D, head_has_out(c->head), PANELS(m->head_out, 0))                                \
    P(head_out_bias, "head.out.bias", C, 0, head_has_out(c->head), BIAS(m->head_out, 0))

/* after "deberta.encoder.layer.<number>." */
#define PARAMS_OF_LAYER(P)                                                                                             \
    P(query, "attention.self.query_proj.weight", A, H, true, PANELS(l->query, 0))                                      \
    P(query_bias, "attention.self.query_proj.bias", A, 0, true, BIAS(l->query, 0))                                     \
    P(key, "attention.self.key_proj.weight", A, H, true, PANELS(l->key_value, 0))                                      \
    P(key_bias, "attention.self.key_proj.bias", A, 0, c->key_bias, BIAS(l->key_value, 0))                              \
    P(value, "attention.self.value_proj.weight", A, H, true, PANELS(l->key_value, 1))                                  \
    P(value_bias, "attention.self.value_proj.bias", A, 0, true, BIAS(l->key_value, 1))                                 \
    P(position_key, "attention.self.pos_key_proj.weight", A, H, R > 0 && c->c2p && !c->share_att_key,                  \
      PANELS(l->position_key, 0))                                                                                      \
    P(position_key_bias, "attention.self.pos_key_proj.bias", A, 0,                                                     \
      R > 0 && c->c2p && !c->share_att_key && c->key_bias, BIAS(l->position_key, 0))                                   \
    P(position_query, "attention.self.pos_query_proj.weight", A, H, R > 0 && c->p2c && !c->share_att_key,              \
      PANELS(l->position_query, 0))                                                                                    \
    P(position_query_bias, "attention.self.pos_query_proj.bias", A, 0, R > 0 && c->p2c && !c->share_att_key,           \
      BIAS(l->position_query, 0))                                                                                      \
    P(output, "attention.output.dense.weight", H, A, true, PANELS(l->output, 0))                                       \
    P(output_bias, "attention.output.dense.bias", H, 0, true, BIAS(l->output, 0))                                      \
    P(attention_gain, "attention.output.LayerNorm.weight", H, 0, true, VALUES(l->attention_norm.gain))                 \
    P(attention_bias, "attention.output.LayerNorm.bias", H, 0, true, VALUES(l->attention_norm.bias))                   \
    P(up, "intermediate.dense.weight", I, H, true, PANELS(l->up, 0))                                                   \
    P(up_bias, "intermediate.dense.bias", I, 0, true, BIAS(l->up, 0))                                                  \
    P(down, "output.dense.weight", H, I, true, PANELS(l->down, 0))                                                     \
    P(down_bias, "output.dense.bias", H, 0, true, BIAS(l->down, 0))                                                    \
    P(final_gain, "output.LayerNorm.weight", H, 0, true, VALUES(l->final_norm.gain))                                   \
    P(final_bias, "output.LayerNorm.bias", H, 0, true, VALUES(l->final_norm.bias))

#define POINTER_MEMBER(member, name, rows, columns, needed, place) const struct deberta_tensor *member;

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
void params_drop_pages_model(const struct model_tensors *tensors);

#endif
