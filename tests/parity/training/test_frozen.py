"""Frozen parameters and adapters beside torch: gradients, and ten steps of AdamW."""

import numpy as np
import pytest

from tests.parity.oracle import torch
from tests.parity.training.test_gradients import (
    BERT,
    LENGTHS,
    V1,
    V3,
    core_arguments,
    expected_gradient,
    expected_value,
    logits_of_torch,
    training_of,
)

STEPS, RATE = 10, 5e-4
OF_POSITIONS = ("deberta.encoder.rel_embeddings.", "deberta.encoder.LayerNorm.")
BELOW = ("deberta.embeddings.", "deberta.encoder.conv.", *OF_POSITIONS)
NETWORKS = {
    "v3": (V3, "sequence"),
    "v3_tokens": (V3, "tokens"),
    "everything": ({**V3, "position_biased_input": True, "type_vocab_size": 3, "embedding_size": 20}, "sequence"),
    "separate_keys": ({**V3, "share_att_key": False, "num_hidden_layers": 3}, "sequence"),
    "conv": ({**V3, "conv_kernel_size": 3, "num_hidden_layers": 3}, "sequence"),
    "enhanced": (V3, "enhanced"),
    "v1": (V1, "sequence"),
    "bert": (BERT, "sequence"),
    "bert_masked_lm": (BERT, "masked_lm"),
}


def below(layers):
    """The beginnings of the names of what `freeze_layers` freezes."""
    return (*BELOW, *(f"deberta.encoder.layer.{layer}." for layer in range(layers)))


@pytest.fixture
def network(pair, request):
    """A pair of models whose torch half gets its weights and flags back."""
    changes, head = NETWORKS[request.param]
    found = pair(head, **changes)
    before = {name: parameter.detach().clone() for name, parameter in found.theirs.named_parameters()}
    yield found
    with torch.no_grad():
        for name, parameter in found.theirs.named_parameters():
            parameter.requires_grad_(True)
            parameter.copy_(before[name])
            parameter.grad = None


def frozen_pair(network, prefixes):
    """The training of the network and the names of its tensors; those that begin with `prefixes` are frozen."""
    training, names = training_of(network.ours)
    frozen = {name for name in training.names if name.startswith(prefixes)}
    if network.ours._settings["head"] == "masked_lm":
        frozen |= {"head.out.weight"} if "deberta.embeddings.word_embeddings.weight" in frozen else set()
    for name in frozen:
        training.set_options(name, trainable=False)
    parameters = dict(network.theirs.named_parameters(remove_duplicate=False))
    for name in frozen:
        parameters[names[name][0].file].requires_grad_(False)
    return training, names, frozen


def backward_of_both(network, training, inputs, given=None):
    arguments = core_arguments(network.ours, inputs)
    expected = logits_of_torch(network.theirs, inputs)
    logits = training.forward(**arguments, given=given)
    np.testing.assert_allclose(logits, expected.detach().numpy(), rtol=1e-5, atol=2e-5)
    d_logits = np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    network.theirs.zero_grad()
    (expected * torch.from_numpy(d_logits)).sum().backward()
    training.backward(d_logits.ravel())


@pytest.mark.parametrize("part", ["embeddings", "one", "all"])
@pytest.mark.parametrize("network", NETWORKS, indirect=True)
def test_gradients(network, part):
    """Zero for what is frozen, those of torch for the rest."""
    layers = network.ours.config.num_hidden_layers
    prefixes = {"embeddings": ("deberta.embeddings.",), "one": below(1), "all": below(layers)}[part]
    training, names, frozen = frozen_pair(network, prefixes)
    decoder = network.ours._settings["enhanced_mask_decoder"]
    assert training.frozen_layers == {"embeddings": 0, "one": 1, "all": layers - decoder}[part]
    backward_of_both(network, training, network.batch(LENGTHS, "right"))
    expected = {
        name: expected_gradient(network.theirs, source, network.ours.config.num_attention_heads)
        for name, (source, _) in names.items()
    }
    scale = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in expected.values()))
    for name, gradient in expected.items():
        error = np.linalg.norm(training.gradient(name) - gradient)
        assert error <= 1e-4 * np.linalg.norm(gradient) + 1e-6 * scale, name
        assert name not in frozen or not training.gradient(name).any()


@pytest.mark.parametrize("network", ["v3", "conv", "v1", "bert_masked_lm"], indirect=True)
def test_ten_steps_from_kept_outputs(network):
    """The output of the first layer is computed once for each batch."""
    training, names, frozen = frozen_pair(network, below(1))
    ours, theirs = network.ours, network.theirs
    optimiser = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=RATE, weight_decay=0.05)
    batches = [network.batch(LENGTHS[2 * step : 2 * step + 3], "right") for step in range(3)]
    kept = [
        training.frozen_output(**{k: v for k, v in core_arguments(ours, inputs).items() if k != "selected"}).ravel()
        for inputs in batches
    ]
    for step in range(STEPS):
        backward_of_both(network, training, batches[step % 3], kept[step % 3])
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        optimiser.step()
        for name in training.names:
            training.set_options(name, trainable=name not in frozen, decay=True)
        training.update(RATE, weight_decay=0.05, max_norm=0.5)
    for name in training.names:
        if name.endswith("key_proj.bias"):
            continue  # its gradient is zero, and Adam scales the rounding of that to full steps
        value = expected_value(theirs, names[name][0], ours.config.num_attention_heads)
        assert np.linalg.norm(value - training.parameter(name)) <= 1e-4 * np.linalg.norm(value), name


class Adapted(torch.nn.Module):
    """A linear layer with LoRA, as peft computes it."""

    def __init__(self, inner, a, b, scale):
        super().__init__()
        self.inner, self.scale = inner, scale
        self.a, self.b = torch.nn.Parameter(torch.from_numpy(a)), torch.nn.Parameter(torch.from_numpy(b))
        inner.requires_grad_(False)

    def forward(self, x):
        return self.inner(x) + self.scale * (x @ self.a.T @ self.b.T)


TARGETS = (
    "attention.self.query_proj", "attention.self.value_proj", "attention.output.dense", "intermediate.dense",
    "output.dense",
)  # fmt: skip


def adapt_torch(theirs, module, a, b, scale):
    parent, _, name = module.rpartition(".")
    found = Adapted(theirs.get_submodule(module), a, b, scale)
    setattr(theirs.get_submodule(parent), name, found)
    return found


@pytest.mark.parametrize("rank", [3, 40])
def test_adapters(pair, rank):
    """Ten steps on adapters of all matrices of the layers, with weight decay and clipping; the head is trained, too.

    A rank above the width of a panel is a case of its own.
    """
    changes = {**V3, "hidden_size": 48, "intermediate_size": 72, "num_attention_heads": 4} if rank == 40 else V3
    network = pair("sequence", **changes)
    ours, theirs = network.ours, network.theirs
    before = {name: parameter.detach().clone() for name, parameter in theirs.named_parameters()}
    training, names = training_of(ours)
    theirs.requires_grad_(False)
    random, adapted, scale = np.random.default_rng(0), {}, 0.5
    try:
        for name in training.names:
            module = names[name][0].file.removesuffix(".weight")
            if name.startswith("head."):
                theirs.get_parameter(names[name][0].file).requires_grad_(True)
            elif module.endswith(TARGETS) and ".layer." in module and name.endswith(".weight"):
                rows, columns = training.parameter(name).shape
                a = random.normal(size=(rank, columns)).astype(np.float32) / 8
                b = np.zeros((rows, rank), np.float32)
                training.adapt(name, rank, scale=scale)
                training.set_parameter(name.removesuffix("weight") + "lora_A.weight", a.ravel())
                adapted[name] = adapt_torch(theirs, module, a, b, scale)
            else:
                training.set_options(name, trainable=False)
        optimiser = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=RATE, weight_decay=0.05)
        for name in training.names:
            if name.startswith("head."):
                training.set_options(name, decay=True)
        for step in range(STEPS):
            inputs = network.batch(LENGTHS[step % 5 : step % 5 + 3], "right")
            backward_of_both(network, training, inputs)
            norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            optimiser.step()
            own = training.update(RATE, weight_decay=0.05, max_norm=0.5)
            assert own == pytest.approx(float(norm), rel=1e-4)
        for name, found in adapted.items():
            stem = name.removesuffix("weight")
            a, b = found.a.detach().numpy(), found.b.detach().numpy()
            assert np.abs(b).max() > 1e-4
            merged = found.inner.weight.detach().numpy() + scale * b @ a
            for part, value in ((stem + "lora_A.weight", a), (stem + "lora_B.weight", b), (name, merged)):
                assert np.linalg.norm(training.parameter(part) - value) <= 1e-4 * np.linalg.norm(value), part
        others = [name for name in training.names if name in names and name not in adapted and "head." not in name]
        for name in others:
            assert np.array_equal(training.parameter(name), expected_before(before, names[name][0], ours))
    finally:
        for name in adapted:
            module = names[name][0].file.removesuffix(".weight")
            parent, _, last = module.rpartition(".")
            setattr(theirs.get_submodule(parent), last, theirs.get_submodule(module).inner)
        theirs.requires_grad_(True)
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                parameter.copy_(before[name])
                parameter.grad = None


def expected_before(before, source, ours):
    return before[source.file].numpy().reshape(source.shape)
