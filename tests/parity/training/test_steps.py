"""Steps of AdamW beside torch: losses and parameters after ten steps with warm-up, clipping, weight decay."""

import numpy as np
import pytest

from tests.parity.oracle import torch
from tests.parity.training.test_gradients import (
    BERT,
    LENGTHS,
    V1,
    V3,
    core_arguments,
    expected_value,
    logits_of_torch,
    training_of,
)

STEPS = 10
RATES = [5e-4 * min(1.0, (step + 1) / 4) for step in range(STEPS)]


def decays(name, parameter):
    return parameter.ndim > 1


@pytest.mark.parametrize(("network", "head"), [(V3, "sequence"), (V1, "tokens"), (BERT, "sequence"), (V3, "masked_lm")])
def test_ten_steps(pair, network, head):
    """Each step on a batch of its own, so that rows of the word table are left out and come back."""
    network = pair(head, **network)
    ours, theirs = network.ours, network.theirs
    training, names = training_of(ours)
    groups = [
        {"params": [p for n, p in theirs.named_parameters() if decays(n, p)], "weight_decay": 0.05},
        {"params": [p for n, p in theirs.named_parameters() if not decays(n, p)], "weight_decay": 0.0},
    ]
    before = {name: parameter.detach().clone() for name, parameter in theirs.named_parameters()}
    optimiser = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    for parameter in training.names:
        training.set_options(parameter, decay=training.parameter(parameter).ndim > 1)
    try:
        for step, rate in enumerate(RATES):
            inputs = network.batch(LENGTHS[step % 3 :: 2], seed=step)
            loss = (logits_of_torch(theirs, inputs) ** 2).mean()
            logits = training.forward(**core_arguments(ours, inputs))
            assert np.mean(np.square(logits, dtype=np.float64)) == pytest.approx(loss.item(), rel=1e-5, abs=1e-5)
            optimiser.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            training.backward((2 * logits / logits.size).ravel())
            own_norm = training.update(rate, weight_decay=0.05, max_norm=0.5)
            assert own_norm == pytest.approx(float(norm), rel=1e-4)
        for parameter in training.names:
            if parameter.endswith("key_proj.bias"):
                continue  # softmax ignores it: its gradient is zero, and Adam scales the rounding of that to full steps
            value = expected_value(theirs, names[parameter][0], ours.config.num_attention_heads)
            moved = np.linalg.norm(value - training.parameter(parameter))
            assert moved <= 1e-4 * np.linalg.norm(value), parameter
        assert training.steps == STEPS
    finally:
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                parameter.copy_(before[name])
