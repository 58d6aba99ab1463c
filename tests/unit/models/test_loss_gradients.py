"""Gradients of the losses against central differences, and how rows, weights and divisors count."""

from itertools import pairwise

import numpy as np
import pytest

from deberta_c._models.losses import (
    classification_loss,
    distillation_loss_and_gradient,
    loss_and_gradient,
    loss_divisor,
    span_divisor,
    span_loss,
    span_loss_and_gradient,
)

RANDOM = np.random.default_rng(11)
LOGITS = (2 * RANDOM.standard_normal((6, 4))).astype(np.float32)
TEACHER = (2 * RANDOM.standard_normal((6, 4))).astype(np.float32)
ONE = LOGITS[:, :1].copy()
CLASSES = np.array([0, 3, -100, 1, 2, 0])
SOFT = RANDOM.dirichlet(np.ones(4), 6)
BITS = (SOFT > 0.3).astype(int)
SINGLE, MULTIPLE, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
CLASS_WEIGHTS = [0.5, 2.0, 1.0, 3.0]
SAMPLE_WEIGHT = [1.0, 0.0, 2.0, 0.5, 1.0, 3.0]
OFFSETS = np.array([0, 3, 4, 9])
SPANS = (2 * RANDOM.standard_normal((9, 2))).astype(np.float32)

CASES = {
    "classes": (SINGLE, LOGITS, CLASSES, {}),
    "classes_weighted": (SINGLE, LOGITS, CLASSES, {"class_weights": CLASS_WEIGHTS, "sample_weight": SAMPLE_WEIGHT}),
    "classes_smoothed": (SINGLE, LOGITS, CLASSES, {"class_weights": CLASS_WEIGHTS, "label_smoothing": 0.2}),
    "classes_guessed": (None, LOGITS, [0, -1, 2, -7, 1, 3], {}),
    "soft": (None, LOGITS, SOFT, {"class_weights": CLASS_WEIGHTS, "label_smoothing": 0.1}),
    "soft_of_bert": ("soft_labels", LOGITS, SOFT, {"infer": True, "sample_weight": SAMPLE_WEIGHT}),
    "independent": (MULTIPLE, LOGITS, BITS, {"class_weights": CLASS_WEIGHTS, "sample_weight": SAMPLE_WEIGHT}),
    "independent_guessed": (None, LOGITS, SOFT, {"infer": True}),
    "regression": (REGRESSION, LOGITS, SOFT, {"sample_weight": SAMPLE_WEIGHT}),
    "regression_of_one": (None, ONE, np.arange(6.0), {}),
    "replaced": ("replaced_tokens", ONE, [0, 1, -100, 1, 0, 0], {"class_weights": [3.0]}),
}


def agree(function, logits, gradient):
    """The gradient beside central differences of the losses, which are float32: the steps are large."""
    step = 2.0**-6
    assert gradient.dtype == np.float32
    assert gradient.shape == logits.shape
    for place in np.ndindex(logits.shape):
        ends = []
        for sign in (-1, 1):
            moved = logits.astype(np.float64)
            moved[place] += sign * step
            ends.append(float(function(moved)))
        assert gradient[place] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=2e-4)


@pytest.mark.parametrize("name", CASES)
def test_finite_differences(name):
    problem, logits, labels, options = CASES[name]
    loss, gradient = loss_and_gradient(problem, logits, labels, **options)
    assert type(loss) is np.float32
    agree(lambda moved: loss_and_gradient(problem, moved, labels, **options)[0], logits, gradient)


@pytest.mark.parametrize("name", CASES)
def test_parts_of_a_batch_add_up(name):
    """With the divisor of the whole batch, the losses of its parts are the mean and their gradients its rows."""
    problem, logits, labels, options = CASES[name]
    labels = np.asarray(labels)
    loss, gradient = loss_and_gradient(problem, logits, labels, **options)
    parts = []
    for rows in (slice(0, 2), slice(2, 3), slice(3, 6)):
        own = dict(options)
        if "sample_weight" in own:
            own["sample_weight"] = own["sample_weight"][rows]
        parts.append((logits[rows], labels[rows], own))
    shared = {name: value for name, value in options.items() if name != "label_smoothing"}
    assert loss_divisor(problem, labels, logits.shape[1], **shared) > 0
    divisor = sum(
        loss_divisor(problem, own_labels, logits.shape[1], **{k: v for k, v in own.items() if k != "label_smoothing"})
        for _, own_labels, own in parts
    )
    found = [loss_and_gradient(problem, *part, divisor=divisor, **own) for *part, own in parts]
    assert sum(float(part) for part, _ in found) == pytest.approx(float(loss), rel=1e-6)
    np.testing.assert_allclose(np.concatenate([part for _, part in found]), gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["classes", "classes_guessed", "soft", "independent_guessed", "regression_of_one"])
def test_it_is_the_loss_of_a_call(name):
    problem, logits, labels, options = CASES[name]
    infer = options.get("infer", False)
    loss, _ = loss_and_gradient(problem, logits, labels, infer=infer)
    assert loss == pytest.approx(classification_loss(logits, labels, problem, infer=infer), rel=1e-6)


def test_a_weight_counts_as_repeated_rows():
    repeats = [1, 2, 3, 1, 2, 2]
    weighted, _ = loss_and_gradient(SINGLE, LOGITS, CLASSES, sample_weight=repeats)
    repeated, _ = loss_and_gradient(SINGLE, np.repeat(LOGITS, repeats, axis=0), np.repeat(CLASSES, repeats))
    assert weighted == pytest.approx(repeated, rel=1e-6)
    assert loss_divisor(SINGLE, CLASSES, 4, sample_weight=repeats) == 8


@pytest.mark.parametrize("infer", [False, True])
def test_where_nothing_counts_all_is_zero(infer):
    loss, gradient = loss_and_gradient(SINGLE, LOGITS, [-100] * 6, infer=infer)
    assert loss == 0
    assert not gradient.any()
    loss, gradient = span_loss_and_gradient(SPANS, OFFSETS, [9, 9, 9], [9, 9, 9])
    assert loss == 0
    assert not gradient.any()


def test_large_logits():
    large = np.array([[1e30, -1e30, 0, 0]], np.float32)
    for problem, labels in ((SINGLE, [1]), (MULTIPLE, [[0, 1, 1, 0]]), ("soft_labels", [[0, 1, 0, 0]])):
        loss, gradient = loss_and_gradient(problem, large, labels)
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
@pytest.mark.parametrize("name", ["classes", "classes_smoothed", "soft_of_bert", "independent_guessed", "regression"])
def test_distillation(name, alpha):
    problem, logits, labels, options = CASES[name]
    options = {key: value for key, value in options.items() if key != "class_weights"} | {"alpha": alpha}

    def run(moved, **extra):
        return distillation_loss_and_gradient(problem, moved, labels, TEACHER, temperature=3.0, **options, **extra)

    loss, gradient = run(logits)
    agree(lambda moved: run(moved)[0], logits, gradient)
    halved, half = run(logits, divisor=2 * loss_and_gradient_divisor(problem, labels, logits, options))
    assert 2 * halved == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(2 * half, gradient, rtol=1e-6)


def loss_and_gradient_divisor(problem, labels, logits, options):
    shared = {key: value for key, value in options.items() if key in ("infer", "sample_weight")}
    return loss_divisor(problem, labels, logits.shape[1], **shared)


@pytest.mark.parametrize(("problem", "logits"), [(None, LOGITS), (None, ONE), (MULTIPLE, LOGITS), (SINGLE, LOGITS)])
def test_a_teacher_alone(problem, logits):
    """A model that agrees with its teacher has no loss, and no gradient."""
    loss, gradient = distillation_loss_and_gradient(problem, logits, None, logits, alpha=0)
    assert loss == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(gradient, 0, atol=1e-7)
    assert distillation_loss_and_gradient(problem, logits, None, logits + logits**2, alpha=0)[0] > 0.01


@pytest.mark.parametrize("ends", [[2, 0, 9], [1, 9, 0], [0, 0, 4]])
def test_spans(ends):
    starts = [-3, 0, 2]
    loss, gradient = span_loss_and_gradient(SPANS, OFFSETS, starts, ends)
    agree(lambda moved: span_loss_and_gradient(moved, OFFSETS, starts, ends)[0], SPANS, gradient)
    padded, valid = np.zeros((3, 5, 2), np.float32), np.zeros((3, 5), bool)
    for row, (begin, end) in enumerate(pairwise(OFFSETS)):
        padded[row, : end - begin], valid[row, : end - begin] = SPANS[begin:end], True
    expected = span_loss(padded[..., 0], padded[..., 1], starts, ends, valid)
    assert loss == pytest.approx(expected, rel=1e-6)
    parts = [(SPANS[:3], OFFSETS[:2], starts[:1], ends[:1]), (SPANS[3:], OFFSETS[1:] - 3, starts[1:], ends[1:])]
    divisor = sum(span_divisor(*part[1:]) for part in parts)
    assert sum(span_loss_and_gradient(*part, divisor=divisor)[0] for part in parts) == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: loss_and_gradient("other", LOGITS, CLASSES), ValueError, "problem_type"),
        (lambda: loss_and_gradient(SINGLE, LOGITS, [0, 1, 2, 3, 4, 0]), ValueError, "a class 4; .* below 4"),
        (lambda: loss_divisor(SINGLE, [0, -1], 4), ValueError, "a class -1"),
        (lambda: loss_and_gradient(None, LOGITS, CLASSES[:5]), ValueError, r"shape \(5,\); .* \(6, 4\)"),
        (lambda: loss_and_gradient(MULTIPLE, LOGITS, 2 * BITS), ValueError, r"is 2; .* at least 0 and at most 1"),
        (lambda: loss_and_gradient(REGRESSION, ONE, [0, 1, np.nan, 0, 0, 0]), ValueError, r"labels\[2, 0\] is nan"),
        (lambda: loss_and_gradient("soft_labels", LOGITS, -SOFT), ValueError, "a probability"),
        (lambda: loss_and_gradient("replaced_tokens", ONE, [0, 1, 2, 0, 0, 0]), ValueError, "is 2; it must be 0, 1 or"),
        (lambda: loss_and_gradient(SINGLE, LOGITS, CLASSES, class_weights=[1, 2]), ValueError, r"\(2,\).* \(4,\)"),
        (
            lambda: loss_and_gradient(SINGLE, LOGITS, CLASSES, sample_weight=[1, 1, -1, 1, 1, 1]),
            ValueError,
            r"sample_weight\[2\] is -1.0; .* at least 0",
        ),
        (lambda: loss_and_gradient(SINGLE, LOGITS, CLASSES, label_smoothing=2), ValueError, "label_smoothing is 2"),
        (lambda: loss_and_gradient(MULTIPLE, LOGITS, BITS, label_smoothing=0.1), ValueError, "are not smoothed"),
        (lambda: loss_and_gradient(REGRESSION, ONE, CLASSES, class_weights=[1]), ValueError, "has no classes"),
        (lambda: distillation_loss_and_gradient(SINGLE, LOGITS, CLASSES, ONE), ValueError, r"\(6, 1\).* \(6, 4\)"),
        (
            lambda: distillation_loss_and_gradient(SINGLE, LOGITS, CLASSES, LOGITS * np.nan),
            ValueError,
            "teacher_logits holds NaN",
        ),
        (
            lambda: distillation_loss_and_gradient(SINGLE, LOGITS, CLASSES, LOGITS, temperature=0),
            ValueError,
            "temperature is 0",
        ),
        (lambda: distillation_loss_and_gradient(SINGLE, LOGITS, CLASSES, LOGITS, alpha=2), ValueError, "alpha is 2"),
        (lambda: distillation_loss_and_gradient(SINGLE, LOGITS, None, LOGITS), ValueError, "labels is None"),
        (lambda: span_loss_and_gradient(SPANS, OFFSETS, [0, 0], [0, 0, 0]), ValueError, r"start_positions has shape"),
        (lambda: span_divisor(OFFSETS, [0, 0, 0], [0, 0.5, 0]), TypeError, "end_positions has dtype float64"),
    ],
)
def test_wrong_arguments(function, error, message):
    with pytest.raises(error, match=message):
        function()
