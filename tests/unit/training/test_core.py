"""The core's training: gradients with dropout, threads, seeds, evaluation, updates, options, wrong calls."""

import numpy as np
import pytest

from tests.support.trainings import (
    DROPOUT,
    IDS,
    OFFSETS,
    all_gradients,
    assert_threads_change_no_bit,
    loss_of,
    network,
    training_of,
)

__all__ = ["network"]


def test_gradients_with_dropout_are_slopes(network):
    """Along the gradient the loss changes as fast as the gradient is long: the backward pass drops what forward did."""
    training = training_of(network, **DROPOUT)
    training.backward(loss_of(training, seed=3)[1])
    gradients = all_gradients(training)
    length = np.sqrt(sum(np.sum(np.square(gradient, dtype=np.float64)) for gradient in gradients.values()))
    values = {name: training.parameter(name) for name in training.names}
    losses = []
    step = 0.01 / length
    for sign in (1, -1):
        for name in training.names:
            moved = values[name] + sign * step * gradients[name] / length
            training.set_parameter(name, moved.astype(np.float32).ravel())
        losses.append(loss_of(training, seed=3)[0])
    slope = (losses[0] - losses[1]) / (2 * step)
    assert slope == pytest.approx(length, rel=0.01)


def test_threads_and_repetition_change_no_bit(network):
    assert_threads_change_no_bit(network, (1, 2, 3, 2), **DROPOUT)


def test_seeds(network):
    training = training_of(network, **DROPOUT)
    same = [training.forward(IDS, OFFSETS, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
    plain = training_of(network)
    assert np.array_equal(plain.forward(IDS, OFFSETS, seed=1), plain.forward(IDS, OFFSETS, seed=2))


def test_evaluation_is_that_of_a_model(network):
    training = training_of(network, **DROPOUT)
    training.forward(IDS, OFFSETS, seed=1)
    expected = network._core.forward(IDS, OFFSETS, last=True)
    for _ in range(2):
        found = training.evaluate(IDS, OFFSETS, last=True)
        np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=2e-5)
        np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=2e-5)
    np.testing.assert_allclose(training_of(network).forward(IDS, OFFSETS), expected[0], rtol=0, atol=2e-5)


def test_accumulated_gradients_are_sums(network):
    training = training_of(network)
    training.backward(loss_of(training, seed=0)[1])
    once = all_gradients(training)
    most = max(np.abs(gradient).max() for gradient in once.values())
    training.backward(loss_of(training, seed=0)[1])
    for name, gradient in all_gradients(training).items():
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-5, atol=1e-6 * most)


def test_options_leave_parameters_alone(network):
    training = training_of(network)
    names = training.names
    frozen = names[::2]
    for name in frozen:
        training.set_options(name, trainable=False)
    before = {name: training.parameter(name) for name in names}
    training.backward(loss_of(training, seed=0)[1])
    training.update(1e-3, weight_decay=0.1)
    for name in names:
        assert np.array_equal(before[name], training.parameter(name)) == (name in frozen), name
        assert not training.gradient(name).any()


def test_state_continues_bit_for_bit(network):
    """Values, moments and the number of steps are the whole state."""
    first, second = training_of(network), training_of(network)
    for step in range(4):
        first.backward(loss_of(first, seed=step)[1])
        first.update(1e-3, weight_decay=0.1)
        if step == 1:
            for name in first.names:
                second.set_parameter(name, first.parameter(name).ravel())
                second.set_moments(name, *(moment.ravel() for moment in first.moments(name)))
            second.steps = first.steps
        if step > 1:
            second.backward(loss_of(second, seed=step)[1])
            second.update(1e-3, weight_decay=0.1)
    assert first.steps == second.steps == 4
    for name in first.names:
        assert np.array_equal(first.parameter(name), second.parameter(name)), name


def test_infinite_gradients_change_nothing(network):
    training = training_of(network)
    before = [training.parameter(name) for name in training.names]
    d_logits = loss_of(training, seed=0)[1]
    d_logits[0] = np.inf
    training.backward(d_logits)
    assert not np.isfinite(training.update(1e-3))
    assert training.steps == 0
    assert all(np.array_equal(old, training.parameter(name)) for old, name in zip(before, training.names, strict=True))
    assert not any(training.gradient(name).any() for name in training.names)


def test_wrong_calls(network):
    training = training_of(network)
    with pytest.raises(ValueError, match="forward pass before it"):
        training.backward(np.zeros(0, np.float32))
    logits = training.forward(IDS, OFFSETS)
    with pytest.raises(ValueError, match="d_logits"):
        training.backward(np.zeros(logits.size + 1, np.float32))
    with pytest.raises(KeyError, match="no parameter 'x'"):
        training.gradient("x")
    with pytest.raises(ValueError, match="outside the vocabulary"):
        training.forward(IDS + 1000, OFFSETS)
