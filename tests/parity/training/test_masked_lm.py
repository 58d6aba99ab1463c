"""The masked language modelling loss of the core beside torch's cross entropy, with the gradients of all parameters."""

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
    logits_of_torch,
    training_of,
)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("network", "head"),
    [(V3, "masked_lm"), (V3, "enhanced"), (V1, "masked_lm"), ({**BERT, "vocab_size": 1203}, "masked_lm")],
)
def test_loss_and_gradients(pair, network, head, smoothing):
    network = pair(head, **network)
    inputs = network.batch(LENGTHS, "holes")
    ours, theirs = network.ours, network.theirs
    training, names = training_of(ours)
    random, valid = np.random.default_rng(5), inputs["attention_mask"] != 0
    labels = np.where(random.random(valid.sum()) < 0.3, random.integers(0, 101, size=valid.sum()), -100)
    logits = logits_of_torch(theirs, inputs)
    wanted = torch.from_numpy(labels)
    expected = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum", label_smoothing=smoothing)
    theirs.zero_grad()
    (0.125 * expected).backward()

    arguments = core_arguments(ours, inputs)
    packed = np.full(len(arguments["ids"]), -100)
    packed[slice(None) if arguments["selected"] is None else arguments["selected"] == 1] = labels
    arguments["selected"] = (packed != -100).view(np.uint8)
    targets = packed[packed != -100].astype(np.int32)
    loss = training.masked_lm(targets=targets, smoothing=smoothing, **arguments)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    training.masked_lm_backward(0.125)
    heads = ours.config.num_attention_heads
    gradients = {name: expected_gradient(theirs, source, heads) for name, (source, _) in names.items()}
    scale = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients.values()))
    for name, gradient in gradients.items():
        error = np.linalg.norm(training.gradient(name) - gradient)
        assert error <= 1e-4 * np.linalg.norm(gradient) + 1e-6 * scale, name
