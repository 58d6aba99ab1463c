/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 1000

/* The names of transformers' ACT2FN. */
static enum deberta_status activation_named(const char *field, const char *name, enum activation *out)
{
    static const struct {
        const char *name;
        enum activation activation;
    } names[] = {
        {"gelu", ACT_GELU},
        {"gelu_python", ACT_GELU},
        {"gelu_new", ACT_GELU_TANH},
        {"gelu_fast", ACT_GELU_TANH},
        {"gelu_pytorch_tanh", ACT_GELU_TANH},
        {"gelu_python_tanh", ACT_GELU_TANH},
        {"gelu_accurate", ACT_GELU_TANH},
        {"quick_gelu", ACT_QUICK_GELU},
        {"gelu_10", ACT_GELU_10},
        {"relu", ACT_RELU},
        {"relu2", ACT_RELU2},
        {"relu6", ACT_RELU6},
        {"leaky_relu", ACT_LEAKY_RELU},
        {"silu", ACT_SILU},
        {"swish", ACT_SILU},
        {"tanh", ACT_TANH},
        {"sigmoid", ACT_SIGMOID},
        {"linear", ACT_LINEAR},
        {"mish", ACT_MISH},
        {"hardswish", ACT_HARDSWISH},
        {"laplace", ACT_LAPLACE},
    };
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].activation;
            return DEBERTA_OK;
        }
    }
    char known[256] = "";
    for (size_t i = 0, used = 0; i < sizeof names / sizeof *names && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, i ? ", %s" : "%s", names[i].name);
    return fail(DEBERTA_ARGUMENT, "%s is '%s', which is not supported; supported are %s", field, name ? name : "(none)",
                known);
}

enum deberta_status config_activations(const struct deberta_config *config, struct activations *out)
{
    TRY(activation_named("hidden_act", config->hidden_act, &out->hidden));
    if (config->conv_kernel_size > 0)
        TRY(activation_named("conv_act", config->conv_act, &out->conv));
    if (head_has_dense(config->head))
        TRY(activation_named("head_act", config->head_act, &out->head));
    return DEBERTA_OK;
}

enum deberta_status config_check(const struct deberta_config *c)
{
    const struct {
        const char *name;
        size_t value;
    } positive[] = {{"vocab_size", c->vocab_size},     {"embedding_size", c->embedding_size},
                    {"hidden_size", c->hidden_size},   {"num_hidden_layers", c->layers},
                    {"num_attention_heads", c->heads}, {"intermediate_size", c->intermediate_size},
                    {"num_labels", c->num_labels},     {"max_position_embeddings", c->max_positions},
                    {"head_size", c->head_size}};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i].value == 0 || positive[i].value > INT32_MAX)
            return fail(DEBERTA_ARGUMENT, "%s is %zu; it must be a positive number", positive[i].name,
                        positive[i].value);
    if (c->layers > MAX_LAYERS)
        return fail(DEBERTA_ARGUMENT, "num_hidden_layers is %zu; at most %d are supported", c->layers, MAX_LAYERS);
    if (c->hidden_size % c->heads != 0)
        return fail(DEBERTA_ARGUMENT, "hidden_size %zu is not a multiple of num_attention_heads %zu", c->hidden_size,
                    c->heads);
    if (c->attention_terms == 0)
        return fail(DEBERTA_ARGUMENT, "attention_terms is 0; it counts the content term, so it is at least 1");
    if (c->type_vocab_size > UINT8_MAX + 1)
        return fail(DEBERTA_ARGUMENT, "type_vocab_size is %zu; at most 256 token types are supported",
                    c->type_vocab_size);
    if (c->relative_attention && c->max_relative_positions == 0)
        return fail(DEBERTA_ARGUMENT, "max_relative_positions is 0; relative attention needs at least 1");
    if (c->conv_kernel_size > 0 && c->conv_kernel_size % 2 == 0)
        return fail(DEBERTA_ARGUMENT, "conv_kernel_size is %zu; it must be odd, or 0 for none", c->conv_kernel_size);
    if (c->enhanced_mask_decoder &&
        (c->head != DEBERTA_MASKED_LM || c->layers < 2 || c->embedding_size != c->hidden_size))
        return fail(DEBERTA_ARGUMENT, "the enhanced mask decoder needs the masked language model's head, at least 2 "
                                      "layers and embeddings of hidden_size");
    if (head_has_dense(c->head) && c->head != DEBERTA_MASKED_LM && c->head_size != c->hidden_size)
        return fail(DEBERTA_ARGUMENT, "head_size is %zu; with hidden_size %zu it must be the same", c->head_size,
                    c->hidden_size);
    if (!(c->layer_norm_eps > 0.0f) || isinf(c->layer_norm_eps))
        return fail(DEBERTA_ARGUMENT, "layer_norm_eps is %g; it must be a positive number", (double)c->layer_norm_eps);
    return DEBERTA_OK;
}

size_t config_relative_rows(const struct deberta_config *config)
{
    if (!config->relative_attention || !(config->c2p || config->p2c))
        return 0;
    return 2 * (config->position_buckets > 0 ? config->position_buckets : config->max_relative_positions);
}
