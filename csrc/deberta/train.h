/* SPDX-License-Identifier: Apache-2.0 */
/* Training: forward and backward passes over packed batches, gradients, updates of the weights. */
#ifndef DEBERTA_TRAIN_H
#define DEBERTA_TRAIN_H

#include "deberta/model.h"

struct deberta_training; /* weights, gradients and moments of a network; for one thread at a time */

/* Probabilities of dropout at the sites of spec 5.2; 0: none. */
struct deberta_dropout {
    float hidden, attention, pooler, head;
};

/* A tensor that is trained, under its name in DeBERTa v2. */
struct deberta_parameter {
    const char *name;
    size_t rows, columns; /* columns 0: a vector */
    bool trainable;       /* false: updates leave it as it is */
    bool decays;          /* takes the weight decay */
    float rate;           /* multiplies the learning rate */
};

enum deberta_parameter_part { DEBERTA_VALUE, DEBERTA_GRADIENT, DEBERTA_FIRST_MOMENT, DEBERTA_SECOND_MOMENT };

/* One step of AdamW (Loshchilov, Hutter 2019): g = scale * clip * gradient,
 *     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
 *     value -= rate * (m' / (sqrt(v') + epsilon) + weight_decay * value)
 * with m', v' corrected for their bias or, for the optimiser of the DeBERTa paper, as they are. */
struct deberta_update {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double max_norm; /* clip = min(1, max_norm / (norm + 1e-6)); 0: no clipping */
    double scale;    /* of all gradients, before clipping */
    bool bias_correction;
};

struct deberta_training_options {
    struct deberta_dropout dropout;
    int32_t padding;    /* the id whose row of the word table gets no gradient where it is read, or -1 */
    bool checkpointing; /* keeps the inputs of layers alone, and computes the rest again in the backward pass */
    bool bf16;          /* linear layers of the encoder that are trained round the operands of their products to
                           bfloat16; weights, sums and evaluations are in float32 */
    bool tied;          /* "head.out.weight" is the word table: one parameter under two names */
    /* The words of another network, which must live longer: the network reads the sum of its own word table and that
     * one as it is then, and trains only its own (gradient-disentangled embedding sharing of DeBERTa v3). Or NULL. */
    struct deberta_training *base;
};

/* Reads all tensors as float32: none of their data is needed afterwards. */
MUST_USE enum deberta_status deberta_training_new(const struct deberta_config *config,
                                                  const struct deberta_tensor *tensors, size_t count,
                                                  const struct deberta_training_options *options,
                                                  struct deberta_training **out);
void deberta_training_free(struct deberta_training *training);
/* Frees the memory of passes until the next one; a forward pass that waits for its backward pass is lost. */
void deberta_training_trim(struct deberta_training *training);
/* Bytes of weights, gradients, moments and activations. */
size_t deberta_training_memory(const struct deberta_training *training);

/* The number of frozen layers: the first ones that, with the embeddings, the position table and all layers before them,
 * have no trainable parameter. They run without dropout, and nothing is kept of them for a backward pass. */
size_t deberta_training_frozen(const struct deberta_training *training);
/* The output of the frozen layers, (T, H): the same in every pass, so that it can be kept. */
MUST_USE enum deberta_status deberta_training_frozen_output(struct deberta_training *training,
                                                            const struct deberta_batch *batch, float *out);
/* Logits of a batch, with dropout by `seed`; keeps what the backward pass needs, a copy of the batch included. `given`:
 * the output of the frozen layers, which are not computed, or NULL. The first pass makes gradients and moments for the
 * parameters that are trainable then. */
MUST_USE enum deberta_status deberta_training_forward(struct deberta_training *training,
                                                      const struct deberta_batch *batch, const float *given,
                                                      uint64_t seed, float *logits);
/* The shape of the logits of the last forward pass; zeros before one. */
struct deberta_shapes deberta_training_shapes(const struct deberta_training *training);
/* Adds the gradients of the last forward pass, given the gradient by its logits (same shape). If it fails or is
 * cancelled, all gradients are zero, those of passes before it, too. */
MUST_USE enum deberta_status deberta_training_backward(struct deberta_training *training, const float *d_logits);

/* What a masked language model should say for the K selected tokens of a batch. */
struct deberta_targets {
    const int32_t *ids; // (K): negative: the token has no loss
    float smoothing;    /* the share of the loss that asks for all ids alike (label smoothing) */
};

/* The sum of the cross-entropies of the selected tokens, with dropout by `seed` if `drops`: the forward pass of a
 * masked language model, without an array of all logits. Keeps what the backward pass needs, as
 * deberta_training_forward does. */
MUST_USE enum deberta_status deberta_training_masked_lm(struct deberta_training *training,
                                                        const struct deberta_batch *batch,
                                                        const struct deberta_targets *targets, bool drops,
                                                        uint64_t seed, double *loss);
/* Draws an id for each selected token of the last deberta_training_masked_lm (K), from the softmax of its logits;
 * before the backward pass. */
MUST_USE enum deberta_status deberta_training_sample(struct deberta_training *training, uint64_t seed, int32_t *ids);
/* Adds the gradients of scale * the loss of the last deberta_training_masked_lm. */
MUST_USE enum deberta_status deberta_training_masked_lm_backward(struct deberta_training *training, double scale);

/* Updates the parameters and zeroes the gradients. *norm: the L2 norm of all gradients times scale, before clipping; if
 * it is not finite, parameters, moments and the number of steps stay as they are. */
MUST_USE enum deberta_status deberta_training_update(struct deberta_training *training,
                                                     const struct deberta_update *update, double *norm);
/* A forward pass with the weights as they are now, without dropout; see deberta_model_forward. `given` as above: then
 * hidden states and attentions are no outputs. */
MUST_USE enum deberta_status deberta_training_evaluate(struct deberta_training *training,
                                                       const struct deberta_batch *batch, const float *given,
                                                       const struct deberta_outputs *outputs);
/* Calls `stop(data)` at intervals of passes; see deberta_context_set_cancel. */
void deberta_training_set_cancel(struct deberta_training *training, bool (*stop)(void *data), void *data);

size_t deberta_training_count(const struct deberta_training *training); /* of parameters */
struct deberta_parameter deberta_training_parameter(const struct deberta_training *training, size_t index);
/* Fails for a parameter that becomes trainable after the first pass. */
MUST_USE enum deberta_status deberta_training_set_options(struct deberta_training *training, size_t index,
                                                          bool trainable, bool decays, float rate);
/* Adapts a matrix with LoRA (Hu et al. 2021), before the first pass: it stays W + scale * B A and is no longer
 * trainable, A (rank, columns) and B (rows, rank) are. These are new parameters, NAME.lora_A.weight and
 * NAME.lora_B.weight without the matrix's ".weight", and zeros. Writing them does not change W. */
MUST_USE enum deberta_status deberta_training_adapt(struct deberta_training *training, size_t index, size_t rank,
                                                    float scale);
/* Copies a part of a parameter, row-major (rows, columns). */
MUST_USE enum deberta_status deberta_training_read(struct deberta_training *training, size_t index,
                                                   enum deberta_parameter_part part, float *out);
MUST_USE enum deberta_status deberta_training_write(struct deberta_training *training, size_t index,
                                                    enum deberta_parameter_part part, const float *in);
/* Updates so far. */
uint64_t deberta_training_steps(const struct deberta_training *training);
void deberta_training_set_steps(struct deberta_training *training, uint64_t steps);

#endif
