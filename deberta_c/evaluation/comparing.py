"""`compare`: whether one model is better than another on the same labelled texts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deberta_c._files.json import json_object
from deberta_c._models.losses import REGRESSION
from deberta_c.evaluation.evaluating import Evaluation, check_figures, evaluation_of
from deberta_c.evaluation.intervals import draws, interval
from deberta_c.evaluation.metrics import Measure
from deberta_c.evaluation.tables import as_frame
from deberta_c.training.examples import By, read_examples

FRAMES = {  # the tables, and the columns of those that may have no rows
    "metrics": (),
    "classes": ("label", "rows", "first", "second", "difference"),
    "slices": (),
    "differences": ("row", "text", "pair", "label", "first", "second", "better"),
}
_NONE = float("nan"), float("nan")
_EXACT = 1000  # disagreements up to which the test is exact


class Difference(NamedTuple):
    """A figure of both models, the second minus the first, and the interval of that."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Two models on the same labelled texts; it shows itself as a table, in notebooks as HTML. `compare` makes it."""

    first: Evaluation
    """The evaluation of the first model."""
    second: Evaluation
    """The evaluation of the second model."""
    metrics: Mapping[str, Difference]
    """The figures of both."""
    only_first: int
    """How many rows only the first model gets right."""
    only_second: int
    """How many rows only the second model gets right."""
    p_value: float | None
    """McNemar's test: how likely at least such a difference is if both are right equally often; None for a regression.
    It is exact for up to 1,000 rows that only one model gets right, and with more of them an approximation."""

    @property
    def differences(self) -> list[dict[str, Any]]:
        """A dict for each row of which one model is right and the other wrong, or of a regression for all rows, the
        largest change of the error first: row, text, label, first, second, better."""
        first, second = self.first, self.second
        if first.problem == REGRESSION:
            gain = (abs(first.scores - first.targets) - abs(second.scores - second.targets)).mean(axis=1)
            rows = np.argsort(-abs(gain), kind="stable")
        else:
            gain = second.correct.astype(np.float64) - first.correct
            rows = np.flatnonzero(gain)
        wanted, one, other = first.wanted, first.predicted, second.predicted
        return [
            {
                "row": row,
                "text": first.texts[row],
                **({} if first.pairs is None else {"pair": first.pairs[row]}),
                "label": wanted[row],
                "first": one[row],
                "second": other[row],
                "better": "second" if gain[row] > 0 else "first",
            }
            for row in rows.tolist()
        ]

    @cached_property
    def classes(self) -> list[dict[str, Any]]:
        """A dict for each label: label, rows, the F1 of both models (first, second) and their difference."""
        second = {row["label"]: row["f1"] for row in self.second.classes}
        return [
            {
                "label": row["label"],
                "rows": row["rows"],
                "first": row["f1"],
                "second": second[row["label"]],
                "difference": second[row["label"]] - row["f1"],
            }
            for row in self.first.classes
        ]

    @cached_property
    def slices(self) -> list[dict[str, Any]]:
        """A dict for each slice of `first.slices`: column, slice, rows, first, second, difference, low, high.

        The figure is accuracy, of a regression rmse; low and high are the interval of the difference.
        """
        first, second = self.first, self.second
        name = first.measure.brief[0]
        found = []
        for column, group, rows in first.groups:
            parts = first.measure[rows], second.measure[rows]
            one, other = (part.values()[name] for part in parts)
            low, high = _intervals(*parts, first, (name,)).get(name, _NONE)
            row = {"column": column, "slice": group, "rows": len(rows), "first": one, "second": other}
            found.append({**row, "difference": other - one, "low": low, "high": high})
        return found

    def to_dict(self) -> dict[str, Any]:
        """Figures and the test, of plain values for JSON; NaN is None."""
        return json_object(
            {
                "first": self.first.title,
                "second": self.second.title,
                "rows": len(self.first),
                "metrics": {name: figure._asdict() for name, figure in self.metrics.items()},
                "only_first": self.only_first,
                "only_second": self.only_second,
                "p_value": self.p_value,
                "classes": self.classes,
                "slices": self.slices,
            }
        )

    def to_frame(self, of: str = "metrics") -> Any:
        """A DataFrame of pandas: "metrics" (default), "classes", "slices", or "differences", a row for each text.

        Errors: ImportError without pandas, ValueError for another name.
        """
        return as_frame(self, of, FRAMES)

    def report(self, path: str | Path) -> None:
        """Writes an HTML page with figures, tables, pictures and texts that differ, in one file that needs no other.

        Errors: ImportError without matplotlib, OSError if the file cannot be written, ValueError for a name that ends
        as a file of another kind.
        """
        from deberta_c.evaluation.report import write_comparison

        write_comparison(self, Path(path))

    def plot_differences(self, *, ax: Any = None) -> Any:
        """The differences of all figures with their intervals, a figure of matplotlib.

        All plots draw on the Axes `ax` if it is given, and return its figure.
        """
        return self._draw("differences", ax)

    def plot_agreement(self, *, ax: Any = None) -> Any:
        """How many texts both models get right, only one, or none.

        Errors: ValueError for a regression.
        """
        return self._draw("agreement", ax)

    def plot_slices(self, *, ax: Any = None) -> Any:
        """The accuracy of both models in each slice; of a regression the root of the mean squared error."""
        return self._draw("slices", ax)

    def _draw(self, name: str, ax: Any) -> Any:
        from deberta_c.evaluation.comparison_pictures import draw_comparison

        return draw_comparison(self, name, ax)

    def __repr__(self) -> str:
        from deberta_c.evaluation.comparison_tables import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from deberta_c.evaluation.comparison_tables import comparison_html

        return comparison_html(self)


def compare(
    model_a: Any,
    model_b: Any,
    data: Any,
    labels: Iterable[Any] | None = None,
    *,
    text: str = "text",
    label: str = "label",
    text_pair: str | Iterable[Any] | None = None,
    by: By = (),
    resamples: int = 1000,
    confidence: float = 0.95,
    bins: int = 10,
    seed: int = 0,
    **options: Any,
) -> Comparison:
    """Evaluates two models on the same labelled texts and tests whether one is better.

    Arguments are those of `evaluate`, and the models are what it takes; both must predict the same labels. The
    intervals of the differences draw the same rows for both (paired bootstrap). `p_value` is that of McNemar's test
    (1947) on the rows that only one of them gets right.

    Returns a `Comparison`. Errors: those of `evaluate`; ValueError if the models have other labels.

    >>> import deberta_c
    >>> model, texts = deberta_c.default_model(), ["See you at home", "Free entry! Call now"]
    >>> deberta_c.compare(model, model, texts, ["ham", "spam"]).p_value
    1.0
    """
    check_figures(resamples, confidence, bins, seed, "compare")
    examples = read_examples(data, labels, text_pair, by, text=text, label=label)
    first, second = (
        evaluation_of(model, examples, resamples, confidence, bins, seed, options, compare, called)
        for model, called in ((model_a, "model_a"), (model_b, "model_b"))
    )
    if first.problem != second.problem or set(first.labels) != set(second.labels):
        raise ValueError(
            f"model_a predicts {first.labels} ({first.problem}), but model_b {second.labels} ({second.problem}); give "
            "models of the same labels"
        )
    only_first = only_second = 0
    p_value = None
    if first.problem != REGRESSION:
        only_first = int((first.correct & ~second.correct).sum())
        only_second = int((second.correct & ~first.correct).sum())
        p_value = mcnemar(only_first, only_second)
    return Comparison(first, second, _differences(first, second), only_first, only_second, p_value)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's test: exact, by the binomial distribution, for up to 1,000 disagreements; for
    more by the chi-squared distribution with Edwards' correction.

    >>> mcnemar(1, 5)
    0.21875
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    if not total:
        return 1.0
    if total <= _EXACT:
        ways = 2 * sum(math.comb(total, count) for count in range(fewer + 1))
        return min(1.0, ways / (1 << total))
    distance = max(abs(only_first - only_second) - 1, 0)
    return math.erfc(math.sqrt(distance**2 / total / 2))


def _differences(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    intervals = _intervals(first.measure, second.measure, first)
    return {
        name: Difference(first[name], second[name], second[name] - first[name], *intervals.get(name, _NONE))
        for name in first.metrics
    }


def _intervals(
    first: Measure, second: Measure, options: Evaluation, names: tuple[str, ...] | None = None
) -> dict[str, tuple[float, float]]:
    """The intervals of the differences of figures, of draws of the same rows for both; empty without resamples."""
    parts = []
    for counts in draws(len(first.scores), options.resamples, options.seed):
        one, other = (measure.of_draws(counts, names) for measure in (first, second))
        parts.append({name: other[name] - one[name] for name in one})
    if not parts:
        return {}
    return {name: interval(np.concatenate([part[name] for part in parts]), options.confidence) for name in parts[0]}
