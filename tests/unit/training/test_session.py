"""A model whose weights are trained answers as before, although its own network is freed until it is called."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deberta_c.training.session import Session
from tests.support.trainings import written

IDS = np.random.default_rng(0).integers(1, 101, (3, 7))
OFFSETS = np.array([0, 7, 14, 21])


@pytest.fixture(params=["files", "seed"])
def model(request, tmp_path):
    opened = written(tmp_path, model_type="deberta-v2")
    return opened if request.param == "files" else type(opened).from_config(opened.config, seed=1)


def opened(model):
    return "_core" in vars(model)


def test_a_waiting_model_keeps_its_weights(model):
    before, states = model(IDS).logits, model.base_model(IDS).last_hidden_state
    session = Session(model)
    assert not opened(model)
    session.backward(session.forward({"ids": IDS.ravel().astype(np.int32), "offsets": OFFSETS}, seed=1))
    session.core.update(0.1)
    with ThreadPoolExecutor(4) as pool:  # all at once open it again
        found = list(pool.map(lambda _: model(IDS).logits, range(8)))
    assert opened(model)
    assert all(np.array_equal(one, before) for one in found)
    assert np.array_equal(model.base_model(IDS).last_hidden_state, states)
    session.write_back()
    expected = session.evaluate({"ids": IDS.ravel().astype(np.int32), "offsets": OFFSETS})
    np.testing.assert_allclose(model(IDS).logits, expected, rtol=0, atol=2e-5)
    assert not np.allclose(expected, before, atol=1e-2)


def test_a_call_in_progress_keeps_its_network(model):
    core = model._core
    Session(model)
    assert core.forward(IDS.ravel().astype(np.int32), OFFSETS)[0].shape == (3, model.num_labels)


def test_memory_of_passes_is_freed(model):
    session = Session(model)
    batch = {"ids": IDS.ravel().astype(np.int32), "offsets": OFFSETS}
    session.forward(batch, seed=1)  # makes the gradients and moments, which stay
    session.tensors()
    idle = session.core.memory
    logits = session.forward(batch, seed=1)
    assert session.core.memory > idle
    session.tensors()
    assert session.core.memory == idle
    with pytest.raises(ValueError, match="d_logits must have 0 items"):
        session.backward(logits)
    assert np.array_equal(session.forward(batch, seed=1), logits)
