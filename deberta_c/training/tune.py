"""A search over hyperparameters: every combination, or some that are drawn, compared on a validation set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from deberta_c._base.errors import warn_caller
from deberta_c._base.extras import require
from deberta_c._base.tables import html_table, text_table
from deberta_c._models.auto import AutoModelForSequenceClassification, opened
from deberta_c.training.examples import Examples
from deberta_c.training.fit import LOWER_IS_BETTER, read_columns
from deberta_c.training.metrics import metric_name
from deberta_c.training.signals import signals_wait, sigterm_stops

_SAME = ("text", "label", "text_pair", "validation", "metric")  # what trials are compared on


@dataclass(frozen=True, repr=False)
class TuneResult:
    """What `tune` found; it shows itself as a table, the best trial first."""

    rows: Sequence[Mapping[str, Any]]
    """A dict for each trial, the best first: the hyperparameters, then `best_epoch` and what its validation said."""
    metric: str
    """What the trials are compared by, a key of `rows`."""
    searched: Sequence[str]
    """The hyperparameters of which several values were tried."""
    model: Any
    """The model of the best trial."""
    stopped: KeyboardInterrupt | None = None
    """What interrupted the search, so that `rows` has some of the trials only; None: nothing."""

    @property
    def best(self) -> Mapping[str, Any]:
        """The row of the best trial."""
        return self.rows[0]

    def to_frame(self) -> Any:
        """The trials as a DataFrame of pandas, the best first. Errors: ImportError without pandas."""
        return require("pandas", "to_frame").DataFrame(self.rows)

    def plot(self) -> Any:
        """A figure of matplotlib: the metric of all trials against each hyperparameter that was searched."""
        from deberta_c.training.pictures import trials

        return trials(self.rows, self.metric, list(self.searched) or ["learning_rate"])

    def __repr__(self) -> str:
        return text_table(self._shown())

    def _repr_html_(self) -> str:
        return html_table(self._shown())

    def _shown(self) -> list[dict[str, Any]]:
        """The rows with hyperparameters as they are written: 2 epochs, not 2.0000."""
        return [
            {
                name: f"{value:g}" if isinstance(value, float) and not name.startswith("validation_") else value
                for name, value in row.items()
            }
            for row in self.rows
        ]


def tune(
    open_model: Callable[[], Any],
    texts: Any,
    labels: Iterable[Any] | None = None,
    text_pairs: Iterable[Any] | None = None,
    *,
    space: Mapping[str, Sequence[Any]],
    text: str = "text",
    label: str = "label",
    text_pair: str | None = None,
    validation: Any = 0.1,
    teacher: Any = None,
    trials: int | None = None,
    metric: str = "loss",
    seed: int = 42,
    on_trial: Callable[[int, int], object] = lambda done, total: None,
    **options: Any,
) -> TuneResult:
    """Trains a model for each combination of the values in `space` and compares them on the validation set.

    `open_model` opens the model for each trial; the rows are columns or a table, as `fit` takes them. The keys of
    `space` are arguments of `fit`, such as `learning_rate`, `batch_size`, `epochs`, `warmup` and `weight_decay`;
    `options` are further arguments, the same for all trials. A `teacher` is that of `fit`, and is opened once. With
    `trials` that many different combinations are drawn. All trials have the same `seed`, and so the same validation
    set. `on_trial` is called with the number of trials that are done and of all trials. A trial whose loss becomes NaN
    or infinite is one of the worst. Ctrl-C and SIGTERM end the search: it warns and returns the trials that are
    finished, or raises KeyboardInterrupt where none is.

    Errors: those of `fit`; TypeError if `open_model` is a model or no function; ValueError for an empty space, fewer
    than one trial, or no validation set;
    FloatingPointError when the loss of every trial becomes NaN or infinite.

    >>> import deberta_c
    >>> def open_model():
    ...     return deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    >>> table = {"text": ["win a prize", "see you at home"] * 10, "label": ["spam", "ham"] * 10}
    >>> found = tune(open_model, table, space={"learning_rate": [1e-4, 1e-5]}, epochs=1)
    >>> len(found.rows), found.searched
    (2, ['learning_rate'])
    """
    if not callable(open_model) or (hasattr(open_model, "fit") and not isinstance(open_model, type)):
        raise TypeError(
            f"open_model is of type {type(open_model).__name__}; give a function that opens a model, such as "
            "lambda: AutoModelForSequenceClassification.from_pretrained(DIR), because each trial trains a new one"
        )
    if fixed := [name for name in space if name in _SAME]:
        raise ValueError(f"space has {fixed[0]!r}, which is the same for all trials; give it as an argument of tune")
    chosen = combinations(space, trials, seed)
    searched = [name for name in chosen[0] if any(values[name] != chosen[0][name] for values in chosen)]
    if validation is None:
        raise ValueError("validation is None, but tune compares on a validation set; give a share or (texts, labels)")
    examples, validation = read_columns(texts, labels, text_pairs, text, label, text_pair, validation)
    columns = examples.texts, examples.labels, examples.pairs
    if isinstance(validation, Examples):
        validation = validation.as_validation()
    if teacher is not None:
        options["teacher"] = opened(teacher, AutoModelForSequenceClassification)
    if options.get("sample_weight") is not None:
        options["sample_weight"] = list(options["sample_weight"])  # every trial reads it
    metric = metric_name(metric)
    sign = 1 if metric in LOWER_IS_BETTER else -1
    name = f"validation_{metric}"
    rows: list[dict[str, Any]] = []
    best, model, stopped = np.inf, None, None
    try:
        with sigterm_stops():
            for done, values in enumerate(chosen, 1):
                candidate = open_model()
                try:
                    trained = candidate.fit(
                        *columns,
                        metric=metric,
                        **{"seed": seed, "validation": validation, "progress": False, **options, **values},
                    ).best
                except FloatingPointError:
                    trained = {"epoch": 0, name: np.nan}
                scores = {key: trained[key] for key in trained if key.startswith("validation_")}
                score = _order(sign * trained[name])
                with signals_wait():
                    rows.append({**values, "best_epoch": trained["epoch"], **scores})
                    if trained["epoch"] and (model is None or score < best):
                        best, model = score, candidate
                on_trial(done, len(chosen))
    except KeyboardInterrupt as error:
        if model is None:
            raise
        stopped = error
        warn_caller(UserWarning(f"the search was stopped after {len(rows)} of {len(chosen)} trials"))
    if not any(row["best_epoch"] for row in rows):
        raise FloatingPointError(
            f"the loss of all {len(rows)} trials is NaN or infinite; give lower values of learning_rate"
        )
    rows.sort(key=lambda row: _order(sign * row[name]))
    return TuneResult(rows, name, searched, model, stopped)


def _order(score: float) -> float:
    """What trials are sorted by: NaN comes last."""
    return np.inf if np.isnan(score) else score


def combinations(space: Mapping[str, Sequence[Any]], trials: int | None, seed: int) -> list[dict[str, Any]]:
    """Every combination of the values, or as many as `trials` says, drawn without replacement and in their order.

    >>> combinations({"a": [1, 2], "b": [3, 4]}, None, 0)
    [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2, 'b': 3}, {'a': 2, 'b': 4}]
    >>> len(combinations({"a": [1, 2], "b": [3, 4]}, 3, 0))
    3
    """
    for name, values in space.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise TypeError(f"space[{name!r}] is {values!r}; give a list of the values to try: [{values!r}]")
    found = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    if not space or not found:
        raise ValueError(f"space is {dict(space)}; give values to try, such as {{'learning_rate': [2e-5, 5e-5]}}")
    if trials is None or trials >= len(found):
        return found
    if trials < 1:
        raise ValueError(f"trials is {trials}; it must be at least 1, or None for all {len(found)} combinations")
    drawn = np.random.default_rng(seed).choice(len(found), trials, replace=False)
    return [found[place] for place in np.sort(drawn).tolist()]
