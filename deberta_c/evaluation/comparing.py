"""`compare`: whether one model is better than another on the same labelled texts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deberta_c._base.extras import require
from deberta_c._models.losses import REGRESSION
from deberta_c.evaluation.evaluating import Evaluation, evaluate, plain
from deberta_c.evaluation.examples import By
from deberta_c.evaluation.intervals import draws, interval

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

    def to_dict(self) -> dict[str, Any]:
        """Figures and the test, of plain values for JSON; NaN is None."""
        made: dict[str, Any] = plain(
            {
                "first": self.first.title,
                "second": self.second.title,
                "rows": len(self.first),
                "metrics": {name: figure._asdict() for name, figure in self.metrics.items()},
                "only_first": self.only_first,
                "only_second": self.only_second,
                "p_value": self.p_value,
            }
        )
        return made

    def to_frame(self, of: str = "metrics") -> Any:
        """A DataFrame of pandas: "metrics" (default), or "differences", a row for each text of `differences`.

        Errors: ImportError without pandas, ValueError for another name.
        """
        if of not in ("metrics", "differences"):
            raise ValueError(f"of is {of!r}; it must be one of metrics, differences")
        pandas = require("pandas", "to_frame")
        if of == "metrics":
            return pandas.DataFrame([{"metric": name, **figure._asdict()} for name, figure in self.metrics.items()])
        return pandas.DataFrame(self.differences)

    def __repr__(self) -> str:
        from deberta_c.evaluation.tables import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from deberta_c.evaluation.tables import comparison_html

        return comparison_html(self)


def compare(
    model_a: Any,
    model_b: Any,
    data: Any,
    labels: Iterable[Any] | None = None,
    *,
    text: str = "text",
    label: str = "label",
    pair: str | Iterable[Any] | None = None,
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
    shared: dict[str, Any] = {"text": text, "label": label, "pair": pair, "by": by, "resamples": resamples}
    shared |= {"confidence": confidence, "bins": bins, "seed": seed, **options}
    if labels is not None:
        labels = list(labels) if getattr(labels, "ndim", 1) == 1 else labels
    first = evaluate(model_a, data, labels, **shared)
    second = evaluate(model_b, data, labels, **shared)
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
    intervals: dict[str, tuple[float, float]] = {}
    if first.resamples:
        parts = []
        for counts in draws(len(first), first.resamples, first.seed):
            one, other = (result.measure.of_draws(counts) for result in (first, second))
            parts.append({name: other[name] - one[name] for name in one})
        for name in parts[0]:
            intervals[name] = interval(np.concatenate([part[name] for part in parts]), first.confidence)
    none = float("nan"), float("nan")
    return {
        name: Difference(first[name], second[name], second[name] - first[name], *intervals.get(name, none))
        for name in first.metrics
    }
