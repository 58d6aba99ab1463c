"""Heads that transformers lacks, built from its layers: Microsoft's replaced tokens and enhanced mask decoder."""

import numpy as np
import torch
from transformers import DebertaV2Config, DebertaV2ForMaskedLM, DebertaV2Model, DebertaV2PreTrainedModel
from transformers.activations import ACT2FN
from transformers.modeling_outputs import MaskedLMOutput
from transformers.models.electra.modeling_electra import ElectraForPreTrainingOutput

__all__ = ["EnhancedMaskDecoder", "ReplacedTokens", "as_v2", "build"]


class ReplacedTokens(DebertaV2PreTrainedModel):
    """One logit a token: LayerNorm of the token plus the row's first token, dense, activation, classifier."""

    def __init__(self, config):
        super().__init__(config)
        hidden = config.hidden_size
        self.deberta = DebertaV2Model(config)
        self.mask_predictions = torch.nn.ModuleDict(
            {
                "dense": torch.nn.Linear(hidden, hidden),
                "LayerNorm": torch.nn.LayerNorm(hidden, config.layer_norm_eps),
                "classifier": torch.nn.Linear(hidden, 1),
            }
        )
        self.post_init()

    def forward(self, attention_mask, **inputs):
        out = self.deberta(attention_mask=attention_mask, **inputs)
        states = out.last_hidden_state
        first = states[torch.arange(len(states)), attention_mask.argmax(1)]
        head = self.mask_predictions
        states = head["dense"](head["LayerNorm"](states + first[:, None]))
        logits = head["classifier"](ACT2FN[self.config.hidden_act](states))[..., 0]
        return ElectraForPreTrainingOutput(logits=logits, hidden_states=out.hidden_states, attentions=out.attentions)


class EnhancedMaskDecoder(DebertaV2ForMaskedLM):
    """Absolute positions are added to the last layer's input, and that layer runs twice over the same keys and values.

    Each keyword of `forward` omits one step, to test that a comparison would fail.
    """

    def __init__(self, config):
        config.legacy = False
        super().__init__(config)
        table = torch.nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.deberta.embeddings.position_embeddings = table

    def forward(self, attention_mask, passes=2, positions=True, source=-2, normed=False, **inputs):
        inputs["output_hidden_states"] = True
        out = self.deberta(attention_mask=attention_mask, **inputs)
        encoder, embeddings = self.deberta.encoder, self.deberta.embeddings
        states = out.hidden_states[source]
        absolute = embeddings.position_embeddings(torch.arange(states.shape[1]))
        if normed:
            absolute = embeddings.LayerNorm(absolute)
        query = states + absolute if positions else states
        for _ in range(passes):
            query, _ = encoder.layer[-1](
                states,
                encoder.get_attention_mask(attention_mask),
                query_states=query,
                relative_pos=encoder.get_rel_pos(states),
                rel_embeddings=encoder.get_rel_embedding(),
            )
        logits = self.lm_predictions(query, embeddings.word_embeddings)
        return MaskedLMOutput(logits=logits, hidden_states=out.hidden_states, attentions=out.attentions)


def as_v2(config, tensors):
    """A v1 network as one of v2: keys of v1 have no bias, and its in_proj has q, k and v head by head."""
    config = {**config, "model_type": "deberta-v2", "position_buckets": -1, "share_att_key": False}
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    names = {"q_bias": "query_proj.bias", "v_bias": "value_proj.bias", "pos_proj.weight": "pos_key_proj.weight"}
    names |= {f"pos_q_proj.{part}": f"pos_query_proj.{part}" for part in ("weight", "bias")}
    out = {}
    for name, array in tensors.items():
        layer, _, part = name.partition("attention.self.")
        if part == "in_proj.weight":
            parts = array.reshape(heads, 3, hidden // heads, hidden).swapaxes(0, 1).reshape(3, hidden, hidden)
            for projection, weight in zip(("query", "key", "value"), parts, strict=True):
                out[f"{layer}attention.self.{projection}_proj.weight"] = weight
            out[f"{layer}attention.self.key_proj.bias"] = np.zeros(hidden, np.float32)
        elif part:
            out[f"{layer}attention.self.{names[part]}"] = array
        else:
            out[name] = array
        if part == "pos_proj.weight":
            out[f"{layer}attention.self.pos_key_proj.bias"] = np.zeros(hidden, np.float32)
    return config, out


def build(kind, config, tensors):
    """One of these heads over the weights of a checkpoint, of v1 or v2."""
    if config["model_type"] == "deberta":
        config, tensors = as_v2(config, tensors)
    model = kind(DebertaV2Config(**config, attn_implementation="eager")).eval()
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()})
    return model
