"""Gradients of every parameter, beside torch autograd, without dropout: families, heads, lengths, masks."""

import numpy as np
import pytest

from deberta_c._models.base import PreTrainedModel
from tests.parity.oracle import as_choices, as_torch, flat, torch
from tests.support import trainings

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
    "conv": {**V3, "conv_kernel_size": 3, "conv_act": "gelu"},
    "conv_one_layer": {**V3, "conv_kernel_size": 5, "num_hidden_layers": 1, "embedding_size": 12},
    "conv_tanh": {**V3, "conv_kernel_size": 3, "conv_act": "tanh", "share_att_key": False},
    "conv_relu": {**V3, "conv_kernel_size": 3, "conv_act": "relu", "position_buckets": -1},
    "no_buckets": {**V3, "position_buckets": -1, "pos_att_type": "p2c"},
    "neither": {**V3, "pos_att_type": ""},
    "separate_p2c": {**V3, "share_att_key": False, "pos_att_type": "p2c"},
    "v1_p2c": {**V1, "pos_att_type": "p2c"},
    "v1_not_relative": {**V1, "relative_attention": False},
    "bert": BERT,
    "bert_relu": {**BERT, "hidden_act": "relu"},
}  # fmt: skip
HEADS = ("sequence", "tokens", "answers", "choices", "masked_lm", "replaced", "enhanced")
# Each head with one network of each kind; the first with all.
CASES = [(name, "sequence") for name in NETWORKS]
CASES += [(name, head) for head in HEADS[1:] for name in ("v3", "everything", "odd", "conv", "v1", "bert")]
LENGTHS = [1, 5, 2, 33, 12, 70, 7, 17]


def training_of(model, **options):
    """The core's training of the network that a model runs, and the names of its parameters in the files."""
    tied = model._settings["head"] == "masked_lm"
    return trainings.training_of(model, padding=0, tied=tied, **options), trainings.matched_weights(model).names


def core_arguments(model, inputs):
    """The arguments of the core: a batch without padding, and for heads of tokens the tokens that are not masked."""
    ids, mask, types = (flat(inputs[name]) for name in ("input_ids", "attention_mask", "token_type_ids"))
    packed = PreTrainedModel._pack(model, ids, mask, types)
    selected = packed.mask if model._settings["head"] not in ("sequence", "pooler") else None
    return {
        "ids": packed.ids, "offsets": packed.offsets, "types": packed.types, "mask": packed.mask,
        "first": packed.first, "selected": selected,
    }  # fmt: skip


def logits_of_torch(theirs, inputs):
    """Logits in the core's form: a row for each sequence, or for each token that is not masked."""
    out = theirs(**as_torch(inputs))
    logits = torch.stack([out.start_logits, out.end_logits], -1) if "start_logits" in out else out.logits
    if "PreTraining" in type(out).__name__:
        logits = logits[..., None]
    if inputs["input_ids"].ndim == 3:
        return logits.reshape(-1, 1)
    return logits[torch.from_numpy(inputs["attention_mask"]) != 0] if logits.ndim == 3 else logits


def as_core(array, source, heads):
    """A tensor of the file as the core has it."""
    if array.ndim == 3:
        return array.transpose(0, 2, 1).reshape(source.shape)
    if source.file.endswith(".self.in_proj.weight"):
        part = ("query", "key", "value").index(source.name.split("_proj")[0].rpartition(".")[2])
        size = array.shape[0] // heads // 3
        return array.reshape(heads, 3, size, -1)[:, part].reshape(heads * size, -1)
    return array


def parameter_of_torch(theirs, source):
    return dict(theirs.named_parameters(remove_duplicate=False))[source.file]


def expected_gradient(theirs, source, heads):
    """The gradient that torch has for a tensor of the core."""
    gradient = parameter_of_torch(theirs, source).grad
    return np.zeros(source.shape, np.float32) if gradient is None else as_core(gradient.numpy(), source, heads)


def expected_value(theirs, source, heads):
    return as_core(parameter_of_torch(theirs, source).detach().numpy(), source, heads)


@pytest.mark.parametrize("layout", ["right", "holes"])
@pytest.mark.parametrize(("name", "head"), CASES)
def test_gradients(pair, name, head, layout):
    changes = {**NETWORKS[name], **({"num_labels": 2} if head == "answers" else {})}
    if head in ("choices", "replaced", "enhanced") and changes["model_type"] != "deberta-v2":
        pytest.skip("transformers has no such network")
    if head == "enhanced" and "embedding_size" in changes:
        pytest.skip("this decoder needs embeddings of the hidden size")
    network = pair(head, **changes)
    inputs = network.batch(LENGTHS, layout)
    if head == "choices":
        inputs = as_choices(inputs, 2)
    ours, theirs = network.ours, network.theirs
    training, names = training_of(ours)
    expected = logits_of_torch(theirs, inputs)
    logits = training.forward(**core_arguments(ours, inputs), seed=1)
    np.testing.assert_allclose(logits, expected.detach().numpy(), rtol=1e-5, atol=2e-5)

    d_logits = np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    theirs.zero_grad()
    (expected * torch.from_numpy(d_logits)).sum().backward()
    training.backward(d_logits.ravel())
    expected = {
        name: expected_gradient(theirs, source, ours.config.num_attention_heads) for name, (source, _) in names.items()
    }
    scale = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in expected.values()))
    wrong = {}
    for name, gradient in expected.items():
        error = np.linalg.norm(training.gradient(name) - gradient)
        if error > 1e-4 * np.linalg.norm(gradient) + 1e-6 * scale:  # those of key biases are zero: softmax ignores them
            wrong[name] = float(error), float(np.linalg.norm(gradient))
    assert not wrong
