"""Losses against torch if it is installed, and by hand; errors for invalid labels."""

import tracemalloc

import numpy as np
import pytest

from deberta_c._models.losses import (
    choice_loss,
    chosen_loss,
    classification_loss,
    cross_entropy,
    replaced_loss,
    span_loss,
    token_loss,
)

RANDOM = np.random.default_rng(5)
LOGITS = (3 * RANDOM.standard_normal((6, 4))).astype(np.float32)
ONE = LOGITS[:, :1].copy()
CLASSES = np.array([0, 3, 1, 1, 2, 0])
SOFT = RANDOM.dirichlet(np.ones(4), 6)
SINGLE, MULTIPLE, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


def entropy(logits, classes):
    rows = logits.astype(np.float64)
    return np.mean([np.log(np.exp(row).sum()) - row[label] for row, label in zip(rows, classes, strict=True)])


def binary(logits, targets):
    chance = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -np.mean(targets * np.log(chance) + (1 - targets) * np.log(1 - chance))


@pytest.mark.parametrize(
    ("logits", "labels", "problem", "infer", "expected"),
    [
        (LOGITS, CLASSES, None, False, entropy(LOGITS, CLASSES)),
        (LOGITS, CLASSES, None, True, entropy(LOGITS, CLASSES)),
        (LOGITS, CLASSES, SINGLE, False, entropy(LOGITS, CLASSES)),
        (LOGITS, CLASSES[:, None], SINGLE, False, entropy(LOGITS, CLASSES)),
        (LOGITS, CLASSES[:, None], None, False, entropy(LOGITS, CLASSES)),
        (LOGITS, CLASSES.tolist(), None, False, entropy(LOGITS, CLASSES)),
        (LOGITS, [0, -1, 1, -7, -100, 0], None, False, entropy(LOGITS[[0, 2, 5]], [0, 1, 0])),
        (LOGITS, [-1] * 6, None, False, 0),
        (LOGITS, [0, -100, 1, -100, 2, 0], None, True, entropy(LOGITS[[0, 2, 4, 5]], [0, 1, 2, 0])),
        (LOGITS, [0, -100, 1, -100, 2, 0], SINGLE, False, entropy(LOGITS[[0, 2, 4, 5]], [0, 1, 2, 0])),
        (LOGITS, [-100] * 6, SINGLE, False, np.nan),
        (LOGITS, SOFT, None, False, -np.mean((SOFT * np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(1)[:, None])).sum(1))),
        (LOGITS, SOFT, None, True, binary(LOGITS, SOFT)),
        (LOGITS, SOFT, MULTIPLE, False, binary(LOGITS, SOFT)),
        (LOGITS, SOFT > 0.3, MULTIPLE, True, binary(LOGITS, SOFT > 0.3)),
        (LOGITS, SOFT, REGRESSION, False, np.mean((LOGITS.astype(np.float64) - SOFT) ** 2)),
        (ONE, CLASSES, None, False, np.mean((ONE[:, 0].astype(np.float64) - CLASSES) ** 2)),
        (ONE, CLASSES[:, None] / 2, None, True, np.mean((ONE[:, 0].astype(np.float64) - CLASSES / 2) ** 2)),
        (ONE, CLASSES, REGRESSION, True, np.mean((ONE[:, 0].astype(np.float64) - CLASSES) ** 2)),
    ],
)
def test_classification(logits, labels, problem, infer, expected):
    loss = classification_loss(logits, labels, problem, infer=infer)
    assert type(loss) is np.float32
    np.testing.assert_allclose(loss, expected, rtol=2e-6)


def test_large_logits_do_not_overflow():
    large = np.array([[1e30, -1e30, 0, 0]], np.float32)
    assert classification_loss(large, [0], None, infer=False) == 0
    assert np.isfinite(classification_loss(large, [1], None, infer=False))
    assert classification_loss(large[:, :2], [[1, 0]], MULTIPLE, infer=False) == 0


@pytest.mark.parametrize("infer", [False, True])
@pytest.mark.parametrize("problem", [None, SINGLE, MULTIPLE, REGRESSION])
def test_torch(problem, infer):
    """The functions that the models of transformers call."""
    torch = pytest.importorskip("torch")
    logits = torch.tensor(LOGITS)
    soft = problem in (MULTIPLE, REGRESSION)
    labels = SOFT if soft else CLASSES
    functional = torch.nn.functional
    expected = {
        None: functional.cross_entropy,
        SINGLE: functional.cross_entropy,
        MULTIPLE: functional.binary_cross_entropy_with_logits,
        REGRESSION: functional.mse_loss,
    }[problem](logits, torch.tensor(labels, dtype=torch.float32 if soft else torch.int64))
    np.testing.assert_allclose(classification_loss(LOGITS, labels, problem, infer=infer), expected, rtol=1e-6)


def test_tokens():
    logits = LOGITS.reshape(2, 3, 4)
    labels = np.array([[0, -100, 1], [3, 2, -100]])
    np.testing.assert_allclose(token_loss(logits, labels, None), entropy(LOGITS[[0, 2, 3, 4]], [0, 1, 3, 2]), rtol=1e-6)
    valid = np.array([[True, True, False], [True, True, True]])
    expected = entropy(LOGITS[[0, 3, 4]], [0, 3, 2])
    np.testing.assert_allclose(token_loss(logits, labels, valid), expected, rtol=1e-6)
    chosen = np.array([[True, False, False], [True, True, False]])
    np.testing.assert_allclose(chosen_loss(logits[chosen], labels, chosen), expected, rtol=1e-6)
    assert np.isnan(token_loss(logits, np.full((2, 3), -100), None))


def test_choices():
    assert np.isnan(choice_loss(LOGITS[:0, :0], []))
    np.testing.assert_allclose(choice_loss(LOGITS, CLASSES), entropy(LOGITS, CLASSES), rtol=1e-6)


def test_replaced():
    logits = LOGITS[:2]
    labels = np.array([[0, 1, -100, 1], [1, 1, 0, 0]])
    kept = labels != -100
    np.testing.assert_allclose(replaced_loss(logits, labels, None), binary(logits[kept], labels[kept]), rtol=1e-6)
    valid = np.array([[True] * 4, [True, False, False, False]])
    both = kept & valid
    np.testing.assert_allclose(replaced_loss(logits, labels, valid), binary(logits[both], labels[both]), rtol=1e-6)


def test_spans():
    start, end = LOGITS[:3], LOGITS[3:]
    expected = (entropy(start, [1, 0, 3]) + entropy(end[:2], [2, 3])) / 2
    np.testing.assert_allclose(span_loss(start, end, [1, -5, 3], [[2], [3], [9]], None), expected, rtol=1e-6)
    valid = np.array([[True] * 4, [True] * 4, [True, True, False, False]])
    expected = (entropy(start[:2], [1, 0]) + entropy(end[2:, :2], [0])) / 2
    found = span_loss(start, end, [1, 0, 4], [4, 4, 0], valid)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"end_positions\[2\] is 3, a masked token of that row; give 4 to ignore the row"
    ):
        span_loss(start, end, [1, 0, 1], [4, 4, 3], valid)
    assert np.isnan(span_loss(start, end, [4, 4, 4], [1, 1, 1], None))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: classification_loss(LOGITS, CLASSES[:5], None, infer=False), ValueError, r"shape \(5,\); .* \(6, 4\)"),
        (lambda: classification_loss(LOGITS, CLASSES[:5], None, infer=True), ValueError, r"shape \(5,\); .* \(6,\)"),
        (
            lambda: classification_loss(LOGITS, [0, 1, 2, 3, 4, 0], None, infer=False),
            ValueError,
            "a class 4; .* below 4",
        ),
        (lambda: classification_loss(LOGITS, [0, 1, 2, 3, -1, 0], None, infer=True), ValueError, "a class -1"),
        (lambda: classification_loss(LOGITS, CLASSES / 2, None, infer=False), TypeError, "dtype float64; .* integers"),
        (lambda: classification_loss(LOGITS, ["a"] * 6, None, infer=False), TypeError, "labels has dtype"),
        (lambda: classification_loss(LOGITS, [[1], [2, 3]], None, infer=False), ValueError, "different lengths"),
        (lambda: classification_loss(LOGITS, CLASSES, MULTIPLE, infer=False), ValueError, r"it must be \(6, 4\)"),
        (lambda: classification_loss(ONE, SOFT, None, infer=False), ValueError, r"shape \(6, 4\); it must be \(6, 1\)"),
        (lambda: token_loss(LOGITS[None], CLASSES, None), ValueError, r"shape \(6,\); it must be \(1, 6\)"),
        (lambda: token_loss(LOGITS[None], CLASSES[None] / 1, None), TypeError, "integers"),
        (lambda: replaced_loss(LOGITS, CLASSES, None), ValueError, r"shape \(6,\); it must be \(6, 4\)"),
        (lambda: replaced_loss(LOGITS[:1], [[0, 1, 2, 0]], None), ValueError, r"labels\[0, 2\] is 2; it must be 0, 1"),
        (lambda: choice_loss(LOGITS, CLASSES + 2), ValueError, "a class 5"),
        (
            lambda: span_loss(LOGITS, LOGITS, CLASSES[:2], CLASSES, None),
            ValueError,
            r"start_positions has shape \(2,\)",
        ),
        (lambda: span_loss(LOGITS, LOGITS, CLASSES, CLASSES / 1, None), TypeError, "end_positions has dtype float64"),
        (lambda: cross_entropy(LOGITS, CLASSES + 1), ValueError, "a class 4"),
    ],
)
def test_invalid_labels(function, error, message):
    with pytest.raises(error, match=message):
        function()


@pytest.mark.parametrize("function", ["cross_entropy", "token_loss"])
def test_a_large_vocabulary_takes_little_memory(function):
    """Memory stays a fraction of the logits; the mean equals that of all rows at once."""
    logits = RANDOM.standard_normal((200, 30_011)).astype(np.float32)
    classes = RANDOM.integers(30_011, size=200)
    classes[::3] = -100
    tracemalloc.start()
    try:
        loss = (
            cross_entropy(logits, classes)
            if function == "cross_entropy"
            else token_loss(logits.reshape(4, 50, -1), classes.reshape(4, 50), np.ones((4, 50), bool))
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < logits.nbytes / 2
    kept = classes >= 0
    np.testing.assert_allclose(loss, entropy(logits[kept], classes[kept]), rtol=1e-6)
