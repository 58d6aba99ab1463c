"""Figures and their draws beside scikit-learn and scipy."""

import numpy as np
import pytest

from deberta_c.evaluation.intervals import draws, interval, wilson
from deberta_c.evaluation.metrics import Classes, IndependentLabels, Values

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")


def softmaxed(random, rows, count):
    logits = random.normal(size=(rows, count)).round(1)  # with ties
    scores = np.exp(logits)
    return scores / scores.sum(axis=1, keepdims=True)


def resampled(measure, counts):
    """The rows of one draw, repeated as often as they are drawn."""
    rows = np.repeat(np.arange(len(counts)), counts.astype(int))
    return measure[rows]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_classes_beside_scikit_learn(count):
    random = np.random.default_rng(count)
    scores = softmaxed(random, 80, count)
    targets = random.integers(0, count, 80)
    found = scores.argmax(axis=1)
    values = Classes(targets, scores).values()
    assert values["accuracy"] == metrics.accuracy_score(targets, found)
    assert values["f1_macro"] == pytest.approx(metrics.f1_score(targets, found, average="macro"), abs=1e-12)
    assert values["f1_weighted"] == pytest.approx(metrics.f1_score(targets, found, average="weighted"), abs=1e-12)
    given = scores[:, 1] if count == 2 else scores
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(targets, given, multi_class="ovr"), abs=1e-12)


def test_the_calibration_error_beside_the_curve_of_scikit_learn():
    calibration = pytest.importorskip("sklearn.calibration")
    random = np.random.default_rng(0)
    scores, targets = softmaxed(random, 300, 3), random.integers(0, 3, 300)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    accuracy, mean = calibration.calibration_curve(right, confidence, n_bins=10)
    counts = np.histogram(confidence, np.linspace(0, 1, 11))[0]
    expected = (abs(accuracy - mean) * counts[counts > 0]).sum() / 300
    assert Classes(targets, scores).values()["calibration_error"] == pytest.approx(expected, abs=1e-12)


def test_independent_labels_beside_scikit_learn():
    random = np.random.default_rng(4)
    scores = random.uniform(size=(60, 4)).round(2)
    targets = random.uniform(size=(60, 4)) < 0.4
    values = IndependentLabels(targets, scores).values()
    found = scores > 0.5
    assert values["accuracy"] == metrics.accuracy_score(targets, found)
    assert values["f1_macro"] == pytest.approx(metrics.f1_score(targets, found, average="macro"), abs=1e-12)
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(targets, scores), abs=1e-12)


def test_one_independent_label():
    values = IndependentLabels(np.array([[1], [0], [1]], bool), np.array([[0.9], [0.2], [0.3]])).values()
    assert values["f1_macro"] == metrics.f1_score([1, 0, 1], [1, 0, 0])


@pytest.mark.parametrize("columns", [1, 2])
def test_values_beside_scipy(columns):
    random = np.random.default_rng(columns)
    targets = random.normal(size=(50, columns)).round(1)
    scores = targets + random.normal(size=(50, columns)).round(1)
    values = Values(targets, scores).values()
    assert values["rmse"] == pytest.approx(np.sqrt(np.square(scores - targets).mean(axis=0)).mean())
    assert values["r2"] == pytest.approx(metrics.r2_score(targets, scores))
    expected = np.mean([stats.spearmanr(targets[:, i], scores[:, i])[0] for i in range(columns)])
    assert values["spearman"] == pytest.approx(expected)


def measures():
    random = np.random.default_rng(7)
    numbers = random.normal(size=(40, 2)).round(1)
    return {
        "two classes": Classes(random.integers(0, 2, 40), softmaxed(random, 40, 2)),
        "four classes": Classes(random.integers(0, 4, 40), softmaxed(random, 40, 4)),
        "independent": IndependentLabels(random.uniform(size=(40, 3)) < 0.5, random.uniform(size=(40, 3)).round(1)),
        "values": Values(numbers, numbers + random.normal(size=(40, 2)).round(1)),
    }


@pytest.mark.parametrize("kind", list(measures()))
def test_draws_have_the_figures_of_scikit_learn(kind):
    measure = measures()[kind]
    counts = np.concatenate(list(draws(40, 8, seed=3)))
    drawn = measure.of_draws(counts)
    for row, one in enumerate(counts):
        for name, value in resampled(measure, one).values().items():
            assert drawn[name][row] == pytest.approx(value, abs=1e-9), name
    brief = measure.of_draws(counts, measure.brief)
    assert all((brief[name] == drawn[name]).all() for name in measure.brief)


def test_a_draw_without_a_label_does_not_count():
    measure = Classes(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]))
    drawn = measure.of_draws(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))["roc_auc"]
    assert np.isnan(drawn[0])
    assert drawn[1] == 1
    assert interval(drawn, 0.95) == (1, 1)


def test_intervals_beside_the_bootstrap_of_scipy():
    right = np.random.default_rng(0).uniform(size=200) < 0.8
    scores = np.where(right[:, None] == [False, True], 0.9, 0.1)
    measure = Classes(np.ones(200, int), scores)
    drawn = np.concatenate([measure.of_draws(counts)["accuracy"] for counts in draws(200, 4000, seed=1)])
    found = stats.bootstrap((right,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2))
    low, high = interval(drawn, 0.95)
    assert low == pytest.approx(found.confidence_interval.low, abs=0.01)
    assert high == pytest.approx(found.confidence_interval.high, abs=0.01)


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 5), (5, 5), (430, 500)])
def test_the_interval_of_a_share_beside_scipy(count, total):
    expected = stats.binomtest(count, total).proportion_ci(0.9, method="wilson")
    assert wilson(count, total, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_parts_of_draws_are_the_same_as_all_of_them(monkeypatch):
    whole = np.concatenate(list(draws(10, 7, seed=5)))
    monkeypatch.setattr("deberta_c.evaluation.intervals._CELLS", 20)
    parts = list(draws(10, 7, seed=5))
    assert len(parts) == 4
    assert (np.concatenate(parts) == whole).all()
