"""The figures of an evaluation: their values by scikit-learn, and the same figures of many draws of the rows at once.

scikit-learn computes one set of rows at a time; a thousand draws would take minutes. `Measure.of_draws` computes them
from how often each row is drawn, and a test compares it with scikit-learn.
"""

import math
import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.extras import require
from deberta_c._models.losses import MULTIPLE, REGRESSION
from deberta_c._models.outputs import given_labels
from deberta_c.evaluation.intervals import Floats

LOWER_IS_BETTER = frozenset({"calibration_error", "rmse", "mae"})
_SHARE, _ERROR, _CORRELATION = (0.0, 1.0), (0.0, math.inf), (-1.0, 1.0)
OF_LABELS: dict[str, tuple[float, float]] = dict.fromkeys(
    ("accuracy", "f1_macro", "f1_weighted", "roc_auc", "calibration_error"), _SHARE
)
"""The figures of classes and independent labels: the lowest and the highest value of each."""
OF_NUMBERS: dict[str, tuple[float, float]] = {
    "rmse": _ERROR, "mae": _ERROR, "r2": (-math.inf, 1.0), "pearson": _CORRELATION, "spearman": _CORRELATION,
}  # fmt: skip
"""Those of a regression."""


class Measure(ABC):
    """Targets and scores of N rows, and the figures of them.

    `bins` is the number of bins of the calibration error.
    """

    brief: tuple[str, ...]  # the figures that tables of slices show

    def __init__(self, targets: NDArray[Any], scores: Floats, bins: int = 10) -> None:
        self.targets, self.scores, self.bins = targets, scores, bins

    def __getitem__(self, rows: NDArray[np.intp]) -> "Measure":
        return type(self)(self.targets[rows], self.scores[rows], self.bins)

    @abstractmethod
    def values(self) -> dict[str, float]:
        """The figures of all rows; NaN where one is not defined."""

    @abstractmethod
    def of_draws(self, counts: Floats, names: tuple[str, ...] | None = None) -> dict[str, Floats]:
        """The figures (R) of draws (R, N), those in `names` or all."""


def figure_name(name: str) -> str:
    """The name of a figure, which `fit` may call otherwise.

    >>> figure_name("f1"), figure_name("accuracy")
    ('f1_macro', 'accuracy')
    """
    return "f1_macro" if name == "f1" else name


def measure_of(problem: str, targets: NDArray[Any], scores: Floats, bins: int) -> Measure:
    """The measure for a problem type."""
    kinds: dict[str, type[Measure]] = {REGRESSION: Values, MULTIPLE: IndependentLabels}
    return kinds.get(problem, Classes)(targets, scores, bins)


class _Labels(Measure):
    """What classes and independent labels share: a matrix of which label a row has, and of which it is given."""

    brief = ("accuracy", "f1_macro")

    @property
    @abstractmethod
    def wanted(self) -> NDArray[np.bool_]:
        """Which labels each row has (N, C)."""

    @property
    @abstractmethod
    def found(self) -> NDArray[np.bool_]:
        """Which labels each row is given (N, C)."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """The rows whose labels are all right (N)."""
        return np.asarray((self.wanted == self.found).all(axis=1))

    @abstractmethod
    def deviations(self) -> tuple[Floats, int]:
        """For each bin of confidence, by how much each row is right more often than its confidence says (N, bins); and
        how many decisions a row has."""

    def columns(self) -> list[int]:
        """The labels of which the area under the ROC curve is taken: of two classes the second."""
        return [1] if isinstance(self, Classes) and self.scores.shape[1] == 2 else list(range(self.scores.shape[1]))

    def values(self) -> dict[str, float]:
        if not len(self.scores):
            return dict.fromkeys(OF_LABELS, float("nan"))
        sklearn = require("sklearn.metrics", "evaluate")
        _, _, scores, have = self.by_label()
        present = (self.wanted | self.found).any(axis=0)
        deviations, decisions = self.deviations()
        return {
            "accuracy": float(sklearn.accuracy_score(self.wanted, self.found)),
            "f1_macro": float(scores[present].mean()) if present.any() else 0.0,
            "f1_weighted": float(np.average(scores, weights=have)) if have.any() else 0.0,
            "roc_auc": _mean([self.area(label) for label in self.columns()]),
            "calibration_error": float(abs(deviations.sum(axis=0)).sum() / (len(self.scores) * decisions)),
        }

    def by_label(self) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
        """Precision, recall, F1 and the number of rows of each label (C); 0 where one is not defined."""
        wanted, found = self.wanted, self.found
        options: dict[str, Any] = {"average": None, "zero_division": 0}
        if wanted.shape[1] == 1:  # scikit-learn takes one column for two classes
            wanted, found, options["labels"] = wanted[:, 0], found[:, 0], [True]
        made: tuple[Any, ...] = require("sklearn.metrics", "evaluate").precision_recall_fscore_support(
            wanted, found, **options
        )
        return made

    def area(self, label: int) -> float:
        """The area under the ROC curve of a label against all others; NaN unless some rows have it and some do not."""
        wanted = self.wanted[:, label]
        if wanted.all() or not wanted.any():
            return float("nan")
        return float(require("sklearn.metrics", "evaluate").roc_auc_score(wanted, self.scores[:, label]))

    def of_draws(self, counts: Floats, names: tuple[str, ...] | None = None) -> dict[str, Floats]:
        wanted, found = self.wanted.astype(np.float64), self.found.astype(np.float64)
        rows = counts.sum(axis=1)
        have, given, hits = counts @ wanted, counts @ found, counts @ (wanted * found)  # (R, C)
        total = have + given
        scores = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
        drawn = {
            "accuracy": counts @ self.correct / rows,
            "f1_macro": scores.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1),
            "f1_weighted": (scores * have).sum(axis=1) / np.maximum(have.sum(axis=1), 1),
        }
        if names is not None:
            return {name: drawn[name] for name in names}
        deviations, decisions = self.deviations()
        columns = np.ascontiguousarray(counts.T, np.float32)
        areas = [_areas(columns, self.wanted[:, label], self.scores[:, label]) for label in self.columns()]
        return drawn | {
            "roc_auc": _mean_of_known(np.array(areas)),
            "calibration_error": abs(counts @ deviations).sum(axis=1) / (rows * decisions),
        }


class Classes(_Labels):
    """One class a row: targets (N) are numbers of classes, scores (N, C) probabilities."""

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most likely class of each row (N)."""
        return np.asarray(self.scores.argmax(axis=1))

    @property
    def wanted(self) -> NDArray[np.bool_]:
        return np.asarray(self.targets[:, None] == np.arange(self.scores.shape[1]))

    @property
    def found(self) -> NDArray[np.bool_]:
        return np.asarray(self.predicted[:, None] == np.arange(self.scores.shape[1]))

    def deviations(self) -> tuple[Floats, int]:
        confidence = self.scores.max(axis=1)
        return _deviations(confidence, self.predicted == self.targets, self.bins), 1


class IndependentLabels(_Labels):
    """Labels that are decided one by one: targets (N, C) are bool, scores (N, C) probabilities."""

    @property
    def wanted(self) -> NDArray[np.bool_]:
        return np.asarray(self.targets, np.bool_)

    @property
    def found(self) -> NDArray[np.bool_]:
        return given_labels(self.scores)

    def deviations(self) -> tuple[Floats, int]:
        labels = range(self.scores.shape[1])
        parts = (_deviations(self.scores[:, label], self.wanted[:, label], self.bins) for label in labels)
        return np.sum(list(parts), axis=0), self.scores.shape[1]


class Values(Measure):
    """A regression: targets and scores (N, C) are numbers. Figures are means over the C values."""

    brief = ("rmse", "mae")

    def values(self) -> dict[str, float]:
        sklearn, stats = require("sklearn.metrics", "evaluate"), require("scipy.stats", "evaluate")
        wanted, found = self.targets, self.scores
        if not len(wanted):
            return dict.fromkeys(OF_NUMBERS, float("nan"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of figures that are not defined, which are NaN
            columns = range(wanted.shape[1])
            return {
                "rmse": float(sklearn.root_mean_squared_error(wanted, found)),
                "mae": float(sklearn.mean_absolute_error(wanted, found)),
                "r2": float(sklearn.r2_score(wanted, found)) if len(wanted) > 1 else float("nan"),
                **{
                    name: _mean([_correlation(function, wanted[:, i], found[:, i]) for i in columns])
                    for name, function in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr))
                },
            }

    def of_draws(self, counts: Floats, names: tuple[str, ...] | None = None) -> dict[str, Floats]:
        rows = counts.sum(axis=1)
        errors = self.scores - self.targets
        squares = counts @ errors**2 / rows[:, None]  # (R, C)
        drawn = {"rmse": np.sqrt(squares).mean(axis=1), "mae": (counts @ abs(errors)).mean(axis=1) / rows}
        if names is not None:
            return {name: drawn[name] for name in names}
        columns = range(errors.shape[1])
        moments = [_moments(counts, self.targets[:, i], self.scores[:, i]) for i in columns]
        ranks = [(_midranks(counts, self.targets[:, i]), _midranks(counts, self.scores[:, i])) for i in columns]
        spread = np.array([first for first, _, _ in moments]).T / rows[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(spread > 0, 1 - squares / spread, np.nan)
        return drawn | {
            "r2": shares.mean(axis=1),
            "pearson": np.mean([_ratio(*found) for found in moments], axis=0),
            "spearman": np.mean([_ratio(*_moments(counts, *found)) for found in ranks], axis=0),
        }


def _mean(values: list[float]) -> float:
    """The mean of the values that are defined."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _mean_of_known(values: Floats) -> Floats:
    """The means (R) of the values (C, R) that are defined."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def bin_of(confidence: Floats, bins: int) -> NDArray[np.intp]:
    """The bin of each confidence (N), of `bins` of equal width: 0 belongs to the first, 1 to the last.

    >>> bin_of(np.array([0.0, 0.1, 0.15, 1.0]), 10).tolist()
    [0, 1, 1, 9]
    """
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="right") - 1, 0, bins - 1)


def _deviations(confidence: Floats, right: NDArray[np.bool_], bins: int) -> Floats:
    """How far each row is right beyond its confidence, in the column of its bin (N, bins)."""
    found = np.zeros((len(confidence), bins))
    found[np.arange(len(confidence)), bin_of(confidence, bins)] = right - confidence
    return found


def _areas(columns: NDArray[np.float32], wanted: NDArray[np.bool_], scores: Floats) -> Floats:
    """The area under the ROC curve of each draw, whose counts are `columns` (N, R); NaN where all rows of a draw have
    the label or none has it.

    It is the share of pairs of a row with the label and one without, of which the first has the higher score; an equal
    score counts half. Counts are below 2^24, so that sums of float32 are exact.
    """
    order, starts = _groups(scores)
    below = np.zeros((len(columns) + 1, columns.shape[1]), np.float32)  # how many rows have a lower place
    np.cumsum(columns[order], axis=0, out=below[1:])
    ends = np.append(starts[1:], len(order))
    own = np.flatnonzero(wanted[order])
    group = np.searchsorted(starts, own, side="right") - 1
    weights = columns[order[own]].astype(np.float64)
    halves = below[starts[group]].astype(np.float64) + below[ends[group]]  # twice the place of each row with the label
    have = weights.sum(axis=0)
    won = ((weights * halves).sum(axis=0) - have**2) / 2
    pairs = have * (below[-1].astype(np.float64) - have)
    return np.asarray(np.divide(won, pairs, out=np.full(len(have), np.nan), where=pairs > 0))


def _groups(values: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows in ascending order of their values, and where each different value begins."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _midranks(counts: Floats, values: Floats) -> Floats:
    """The rank of each row in each draw (R, N); equal values share the mean of their ranks."""
    order, starts = _groups(values)
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    ranks = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    found = np.empty_like(counts)
    found[:, order] = np.repeat(ranks, np.diff(np.append(starts, len(values))), axis=1)
    return found


def _moments(counts: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """For each draw (R) the sums of squares about the mean of two columns, (N) or (R, N), and of their products."""
    rows = counts.sum(axis=1, keepdims=True)
    a, b = (values - (counts * values).sum(axis=1, keepdims=True) / rows for values in (first, second))
    squares = [(counts * part * part).sum(axis=1) for part in (a, b)]
    for place, values in enumerate((first, second)):  # rounding hides that a column is constant in a draw
        squares[place][squares[place] < 1e-20 * rows[:, 0] * np.square(values).max()] = 0
    return squares[0], squares[1], (counts * a * b).sum(axis=1)


def _ratio(first: Floats, second: Floats, product: Floats) -> Floats:
    """Correlations (R) of moments; NaN where a column is constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((first > 0) & (second > 0), product / np.sqrt(first * second), np.nan)


def _correlation(function: Any, first: Floats, second: Floats) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(function(first, second)[0])
