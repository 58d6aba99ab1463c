"""Schedules of the learning rate: the factors of transformers.optimization, for every step of many runs."""

import pytest

from deberta_c.training.schedules import schedule_of
from tests.parity.oracle import torch, transformers

OPTIONS = {
    "linear": [{}],
    "cosine": [{}, {"num_cycles": 1.5}],
    "cosine_with_restarts": [{}, {"num_cycles": 3}],
    "cosine_with_min_lr": [{"min_lr_rate": 0.1}, {"min_lr": 1e-6, "num_cycles": 0.7}],
    "polynomial": [{}, {"power": 2.0, "lr_end": 1e-6}],
    "constant": [{}],
    "constant_with_warmup": [{}],
    "inverse_sqrt": [{}, {"timescale": 50}],
}


@pytest.mark.parametrize("warmup", [0, 1, 30])
@pytest.mark.parametrize("name", OPTIONS)
def test_factors(name, warmup):
    for options in OPTIONS[name]:
        rate, total = 3e-5, 200
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
        theirs = transformers.get_scheduler(
            name, optimizer, num_warmup_steps=warmup, num_training_steps=total, scheduler_specific_kwargs=options
        )
        ours = schedule_of(name, warmup_steps=warmup, training_steps=total, learning_rate=rate, options=options)
        for step in range(total + 20):
            assert ours(step) * rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-20), step
            optimizer.step()
            theirs.step()
