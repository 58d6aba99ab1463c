"""Gradients of every parameter, beside torch autograd, without dropout: families, heads, lengths, masks."""

import numpy as np
import pytest

from deberta_c import _core
from deberta_c._models.tensor_names import adapt
from tests.parity.oracle import as_choices, as_torch, flat, torch

V1 = {"model_type": "deberta"}
V3 = {"model_type": "deberta-v2"}
BERT = {"model_type": "bert"}
NETWORKS = {
    "v3": V3,
    "v3_few_buckets": {**V3, "position_buckets": 8, "max_position_embeddings": 64},
    "separate_keys": {**V3, "share_att_key": False},
    "c2p": {**V3, "pos_att_type": "c2p"},
    "p2c": {**V3, "pos_att_type": "p2c"},
    "not_relative": {**V3, "relative_attention": False},
    "no_norm": {**V3, "norm_rel_ebd": "none"},
    "everything": {
        **V3, "position_biased_input": True, "type_vocab_size": 3, "embedding_size": 20, "num_labels": 5,
        "hidden_act": "gelu_new", "pooler_hidden_act": "tanh", "layer_norm_eps": 1e-3,
    },
    "odd": {**V3, "hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 37, "embedding_size": 11},
    "head_64": {**V3, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 200},
    "one_layer": {**V3, "num_hidden_layers": 1},
    "v1": V1,
    "v1_types": {**V1, "type_vocab_size": 2, "position_biased_input": True},
    "v1_c2p": {**V1, "pos_att_type": "c2p"},
    "bert": BERT,
    "bert_relu": {**BERT, "hidden_act": "relu"},
}  # fmt: skip
HEADS = ("sequence", "tokens", "answers", "choices")
LENGTHS = [1, 5, 2, 33, 12, 70, 7, 17]


def training_of(model):
    """The core's training of the network that a model runs."""
    plan, found = model._opened, dict(model._weights())
    adapted = adapt(model._wanted(plan), found, plan.settings, model._tie(plan.config, found))
    return _core.Training(model._settings, adapted.tensors, padding=0), adapted.names


def core_arguments(model, inputs):
    """The arguments of the core: a batch without padding, and for heads of tokens the tokens that are not masked."""
    ids, mask, types = (flat(inputs[name]) for name in ("input_ids", "attention_mask", "token_type_ids"))
    packed = model._pack(ids, mask, types)
    selected = packed.mask if model._settings["head"] == "tokens" else None
    return {
        "ids": packed.ids, "offsets": packed.offsets, "types": packed.types, "mask": packed.mask,
        "first": packed.first, "selected": selected,
    }  # fmt: skip


def logits_of_torch(theirs, inputs):
    """Logits in the core's form: a row for each sequence, or for each token that is not masked."""
    out = theirs(**as_torch(inputs))
    if "start_logits" in out:
        logits = torch.stack([out.start_logits, out.end_logits], -1)
    else:
        logits = out.logits
    if inputs["input_ids"].ndim == 3:
        return logits.reshape(-1, 1)
    return logits[torch.from_numpy(inputs["attention_mask"]) != 0] if logits.ndim == 3 else logits


def expected_gradient(theirs, source, heads):
    """The gradient that torch has for a tensor of the core."""
    gradient = dict(theirs.named_parameters())[source.file].grad
    if gradient is None:
        return np.zeros(source.shape, np.float32)
    gradient = gradient.numpy()
    if source.file.endswith(".self.in_proj.weight"):
        part = ("query", "key", "value").index(source.name.split("_proj")[0].rpartition(".")[2])
        size = gradient.shape[0] // heads // 3
        return gradient.reshape(heads, 3, size, -1)[:, part].reshape(heads * size, -1)
    return gradient


@pytest.mark.parametrize("layout", ["right", "holes"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(pair, name, head, layout):
    if head == "choices" and NETWORKS[name]["model_type"] == "deberta":
        pytest.skip("transformers has no such class")
    if head == "answers" and "num_labels" in NETWORKS[name]:
        pytest.skip("a reader of answers has two labels")
    network = pair(head, **NETWORKS[name])
    inputs = network.batch(LENGTHS, layout)
    if head == "choices":
        inputs = as_choices(inputs, 2)
    ours, theirs = network.ours, network.theirs
    training, names = training_of(ours)
    expected = logits_of_torch(theirs, inputs)
    logits = training.forward(**core_arguments(ours, inputs), seed=1)
    np.testing.assert_allclose(logits, expected.detach().numpy(), rtol=0, atol=2e-5)

    d_logits = np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    theirs.zero_grad()
    (expected * torch.from_numpy(d_logits)).sum().backward()
    training.backward(d_logits.ravel())
    worst = {}
    for parameter in training.names:
        gradient = expected_gradient(theirs, names[parameter][0], ours.config.num_attention_heads)
        error = np.linalg.norm(training.gradient(parameter) - gradient)
        if error > 1e-4 * np.linalg.norm(gradient) + 1e-6:
            worst[parameter] = float(error), float(np.linalg.norm(gradient))
    assert not worst
