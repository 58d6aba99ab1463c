"""The core's masked language modelling: the loss in chunks of the vocabulary beside that of all logits."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c import _core
from tests.support.trainings import DROPOUT, IDS, OFFSETS, all_gradients, training_of, written

SELECTED = (np.arange(len(IDS)) % 4 == 1).view(np.uint8)
TARGETS = np.where(np.arange(SELECTED.sum()) % 5 == 3, -100, (IDS[SELECTED == 1] * 7) % 101).astype(np.int32)
NETWORKS = {
    "v3": ({"model_type": "deberta-v2"}, "masked_lm", True),
    "enhanced": ({"model_type": "deberta-v2"}, "enhanced", True),
    "narrow": ({"model_type": "deberta", "embedding_size": 12}, "masked_lm", False),
    "large": ({"model_type": "bert", "vocab_size": 1700}, "masked_lm", False),
}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory):
    changes, head, tied = NETWORKS[request.param]
    return written(tmp_path_factory.mktemp("model"), head, **changes), tied


def of_logits(training, smoothing=0.0):
    """The loss and its gradient by all logits."""
    logits = training.forward(IDS, OFFSETS, selected=SELECTED, seed=3).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(TARGETS))
    wanted = np.full_like(logs, smoothing / logs.shape[1])
    wanted[rows, TARGETS] += 1 - smoothing
    kept = (TARGETS >= 0)[:, None]
    return -np.sum(wanted * logs * kept), ((np.exp(logs) - wanted) * kept).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_and_gradients_are_those_of_all_logits(made, smoothing):
    model, tied = made
    training = training_of(model, tied=tied, **DROPOUT)
    expected, d_logits = of_logits(training, smoothing)
    training.backward((0.25 * d_logits).ravel())
    gradients = all_gradients(training)
    training = training_of(model, tied=tied, **DROPOUT)
    loss = training.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED, seed=3, smoothing=smoothing)
    assert loss == pytest.approx(expected, rel=1e-6)
    training.masked_lm_backward(0.25)
    for name, gradient in all_gradients(training).items():
        error = np.linalg.norm(gradient - gradients[name])
        assert error <= 2e-5 * np.linalg.norm(gradients[name]) + 1e-6, name


def test_without_dropout_it_is_an_evaluation(made):
    model, tied = made
    plain, dropping = training_of(model, tied=tied), training_of(model, tied=tied, **DROPOUT)
    expected = plain.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED, seed=1)
    assert dropping.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED, drops=False) == expected
    assert dropping.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED, seed=1) != expected


def test_threads_change_no_bit(made):
    model, tied = made
    before = deberta_c.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            deberta_c.set_num_threads(threads)
            training = training_of(model, tied=tied, **DROPOUT)
            loss = training.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED, seed=3)
            drawn = training.sample(5)
            training.masked_lm_backward(0.5)
            training.update(1e-3)
            found.append((loss, drawn.tolist(), [training.parameter(name) for name in training.names]))
    finally:
        deberta_c.set_num_threads(before)
    for loss, drawn, parameters in found[1:]:
        assert (loss, drawn) == found[0][:2]
        assert all(np.array_equal(one, other) for one, other in zip(parameters, found[0][2], strict=True))


def test_samples_follow_the_softmax(made):
    """Twenty thousand draws for one token: each probability to five standard deviations."""
    model, tied = made
    training = training_of(model, tied=tied)
    one = np.zeros(len(IDS), np.uint8)
    one[7] = 1
    logits = training.forward(IDS, OFFSETS, selected=one)[0].astype(np.float64)
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    training.masked_lm(IDS, OFFSETS, np.zeros(1, np.int32), selected=one)
    drawn = np.concatenate([training.sample(seed) for seed in range(20_000)])
    counts = np.bincount(drawn, minlength=len(logits))
    assert len(counts) == len(logits)
    spread = np.sqrt(20_000 * probabilities * (1 - probabilities))
    assert np.all(np.abs(counts - 20_000 * probabilities) <= 5 * spread + 2)


def test_no_selected_token(made):
    training = training_of(made[0], tied=made[1])
    none = np.zeros(len(IDS), np.uint8)
    assert training.masked_lm(IDS, OFFSETS, np.zeros(0, np.int32), selected=none) == 0
    assert training.sample(0).shape == (0,)
    training.masked_lm_backward(1.0)
    assert not any(training.gradient(name).any() for name in training.names)


def test_wrong_calls(made):
    training = training_of(made[0], tied=made[1])
    with pytest.raises(ValueError, match="masked_lm_backward needs masked_lm before it"):
        training.masked_lm_backward(1.0)
    logits = training.forward(IDS, OFFSETS, selected=SELECTED)
    for call in (lambda: training.masked_lm_backward(1.0), lambda: training.sample(0)):
        with pytest.raises(ValueError, match="masked_lm"):
            call()
    training.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED)
    with pytest.raises(ValueError, match="backward needs a forward pass"):
        training.backward(logits.ravel())
    training.masked_lm_backward(1.0)
    with pytest.raises(ValueError, match="comes before the backward pass"):
        training.sample(0)
    with pytest.raises(ValueError, match="targets"):
        training.masked_lm(IDS, OFFSETS, TARGETS[1:], selected=SELECTED)
    with pytest.raises(ValueError, match="id 5000 of selected token 0 is outside the vocabulary of"):
        training.masked_lm(IDS, OFFSETS, TARGETS * 0 + np.int32(5000), selected=SELECTED)
    with pytest.raises(ValueError, match="backward needs masked_lm"):
        training.masked_lm_backward(1.0)


def test_other_heads_are_refused(tmp_path):
    training = training_of(written(tmp_path, "tokens", model_type="deberta-v2"))
    with pytest.raises(ValueError, match="not a masked language model"):
        training.masked_lm(IDS, OFFSETS, IDS)


MEMORY = """
import numpy as np
import deberta_c
from deberta_c.training.session import Session

def peak():
    return next(int(line.split()[1]) / 1e3 for line in open("/proc/self/status") if line.startswith("VmHWM"))

config = deberta_c.DebertaV2Config(vocab_size=128_100, hidden_size=32, num_hidden_layers=1, num_attention_heads=1,
    intermediate_size=32)
session = Session(deberta_c.DebertaV2ForMaskedLM(config, seed=1))
rows = 200
batch = {"ids": np.arange(rows, dtype=np.int32), "offsets": np.array([0, rows]), "selected": np.ones(rows, np.uint8)}
for name in session.core.names:
    session.core.gradient(name), session.core.moments(name)
before = peak()
session.masked_lm(batch, batch["ids"], 1)
session.sample(1)
session.masked_lm_backward(1.0)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc/self/status on this system")
def test_memory_is_that_of_a_chunk():
    """Logits of 200 tokens over v3's vocabulary take 102 MB; a chunk of them takes 4 MB."""
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(found.stdout) < 40


def test_a_base_adds_its_words():
    """A table that shares the words of another network reads the sum, and trains its own part alone."""
    config = deberta_c.DebertaV2Config(
        vocab_size=101, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    words = "deberta.embeddings.word_embeddings.weight"
    detector = deberta_c.DebertaV2ForPreTraining(config, seed=1)
    generator = training_of(deberta_c.DebertaV2ForMaskedLM(config, seed=2), tied=True)
    plain = training_of(detector)
    shared = training_of(detector, base=generator)
    own = shared.parameter(words)
    for _ in range(3):
        for name in shared.names:
            plain.set_parameter(name, shared.parameter(name).ravel())
        plain.set_parameter(words, (own + generator.parameter(words)).ravel())
        expected = plain.forward(IDS, OFFSETS)
        np.testing.assert_array_equal(shared.forward(IDS, OFFSETS), expected)
        np.testing.assert_array_equal(shared.evaluate(IDS, OFFSETS)[0], plain.evaluate(IDS, OFFSETS)[0])
        generator.masked_lm(IDS, OFFSETS, TARGETS, selected=SELECTED)
        generator.masked_lm_backward(1.0)
        before = generator.parameter(words)
        shared.forward(IDS, OFFSETS)
        shared.backward(np.ones(len(IDS), np.float32))
        shared.update(1e-2)
        assert np.array_equal(before, generator.parameter(words))
        generator.update(1e-2)
        assert not np.array_equal(own, shared.parameter(words))
        own = shared.parameter(words)
    del generator
    gc.collect()
    np.testing.assert_array_equal(shared.forward(IDS, OFFSETS), shared.forward(IDS, OFFSETS))
    with pytest.raises(TypeError, match="base must be a Training"):
        training_of(detector, base=3)
    other = deberta_c.DebertaV2Config(
        vocab_size=103, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    with pytest.raises(ValueError, match=r"base has a word table \(103, 16\)"):
        training_of(detector, base=training_of(deberta_c.DebertaV2ForMaskedLM(other, seed=2), tied=True))
    assert isinstance(shared, _core.Training)
