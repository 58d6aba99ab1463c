"""`evaluate`: how good a model is on labelled texts, with intervals, tables and pictures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import is_integer
from deberta_c._base.extras import require
from deberta_c._files.json import json_object
from deberta_c._models.losses import MULTIPLE, REGRESSION
from deberta_c.evaluation.examples import encode_targets
from deberta_c.evaluation.intervals import Floats, check_bootstrap, draws, interval
from deberta_c.evaluation.metrics import Measure, figure_name, measure_of
from deberta_c.evaluation.scoring import scorer_of
from deberta_c.evaluation.slices import by_column, by_length
from deberta_c.evaluation.tables import as_frame
from deberta_c.training.examples import By, Examples, read_examples

FRAMES = {  # the tables, and the columns of those that may have no rows
    "metrics": (),
    "classes": ("label", "precision", "recall", "f1", "roc_auc", "rows", "predicted"),
    "confusions": ("label", "predicted", "rows", "share"),
    "slices": (),
    "mistakes": ("row", "text", "pair", "label", "predicted", "score"),
    "rows": (),
}


class Figure(NamedTuple):
    """A figure of all rows, and the interval that the bootstrap gives it; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f}" if np.isnan(self.low) else f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """How good a model is on labelled texts; it shows itself as a table, in notebooks as HTML.

    `evaluate` makes it. `result["accuracy"]` is the value of a figure, `result.metrics["accuracy"].low` the lower end
    of its interval; `result["f1"]` is that of f1_macro, which `fit` calls f1.
    """

    title: str
    """The directory or the name of the model."""
    problem: str
    """"single_label_classification", "multi_label_classification" or "regression"."""
    labels: list[str]
    """The names of the labels (C), in the order of `scores`."""
    texts: list[str]
    """The texts (N), of pairs the first ones."""
    pairs: list[str] | None
    """The second texts (N), or None."""
    targets: NDArray[Any]
    """What is right: numbers of classes (N), a bool for each label (N, C), or the numbers to predict (N, C)."""
    scores: Floats
    """Probabilities (N, C), of a regression the predicted numbers."""
    lengths: NDArray[np.int64]
    """The number of tokens of each row before it is cut (N); of other models than those of deberta_c, of words."""
    length_unit: str
    """"tokens" or "words"."""
    columns: Mapping[str, list[Any]]
    """The columns of `by`."""
    metrics: Mapping[str, Figure]
    """Figures by their names."""
    measure: Measure = field(repr=False)
    """What computes figures of rows."""
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    model: Any = field(default=None, repr=False)
    """The opened model, if `explain` takes it."""
    max_length: int | None = None
    """The number of tokens to which texts were cut, if it was given."""

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, name: str) -> float:
        name = figure_name(name)
        if name not in self.metrics:
            raise KeyError(f"there is no metric {name!r}; there are {', '.join(self.metrics)}")
        return self.metrics[name].value

    @property
    def predicted(self) -> list[Any]:
        """For each row the name of the most likely label, the list of its labels, or the predicted number."""
        return [self._shown(row) for row in self._found()]

    @property
    def wanted(self) -> list[Any]:
        """For each row the name of the right label, the list of the right labels, or the right number."""
        return [self._shown(row) for row in self.targets]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """The rows that are right in all labels (N).

        Errors: ValueError for a regression.
        """
        measure: Any = self.measure
        if self.problem == REGRESSION:
            raise ValueError("a regression has no labels that are right or wrong; compare scores with targets")
        return np.asarray(measure.correct)

    @cached_property
    def classes(self) -> list[dict[str, Any]]:
        """A dict for each label: label, precision, recall, f1, roc_auc, and how many rows have it and are given it."""
        if self.problem == REGRESSION:
            return []
        measure: Any = self.measure
        precision, recall, f1, have = measure.by_label()
        given = measure.found.sum(axis=0)
        return [
            {
                "label": name,
                "precision": float(precision[place]),
                "recall": float(recall[place]),
                "f1": float(f1[place]),
                "roc_auc": measure.area(place),
                "rows": int(have[place]),
                "predicted": int(given[place]),
            }
            for place, name in enumerate(self.labels)
        ]

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """How often each label (the row) is taken for each label (the column), (C, C).

        Of independent labels (C, 2, 2): for each, how often it is absent or present, and found or not.

        Errors: ValueError for a regression.
        """
        self.correct  # noqa: B018 - raises for a regression
        measure: Any = self.measure
        confusion_matrix = require("sklearn.metrics", "evaluate").confusion_matrix
        if self.problem == MULTIPLE:
            pairs = zip(measure.wanted.T, measure.found.T, strict=True)
            return np.array([confusion_matrix(wanted, found, labels=[False, True]) for wanted, found in pairs])
        return np.asarray(confusion_matrix(self.targets, measure.predicted, labels=range(len(self.labels))))

    @cached_property
    def confusions(self) -> list[dict[str, Any]]:
        """A dict for each label and another one that it is taken for, the most frequent first: label, predicted, rows,
        and their share of the rows of the label. Empty for independent labels and a regression."""
        if self.problem in (MULTIPLE, REGRESSION):
            return []
        counts = self.confusion
        right, found = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
        order = np.argsort(-counts[right, found], kind="stable")
        return [
            {
                "label": self.labels[a],
                "predicted": self.labels[b],
                "rows": int(counts[a, b]),
                "share": float(counts[a, b] / counts[a].sum()),
            }
            for a, b in zip(right[order].tolist(), found[order].tolist(), strict=True)
        ]

    @cached_property
    def mistakes(self) -> list[dict[str, Any]]:
        """A dict for each row that is wrong, the most confident first: row, text, label, predicted, score.

        The score is the probability of what is predicted; of independent labels, of the decision that is most wrong; of
        a regression it is the error, and all rows are listed.
        """
        order = self._order_of_mistakes()
        predicted, wanted = self.predicted, self.wanted
        return [
            {
                "row": row,
                "text": self.texts[row],
                **({} if self.pairs is None else {"pair": self.pairs[row]}),
                "label": wanted[row],
                "predicted": predicted[row],
                "score": score,
            }
            for row, score in order
        ]

    @cached_property
    def groups(self) -> list[tuple[str, str, NDArray[np.intp]]]:
        """The rows of each slice: the name of the column, that of the slice, and the numbers of its rows."""
        groups = [(self.length_unit, *group) for group in by_length(self.lengths)]
        return groups + [(name, *group) for name, values in self.columns.items() for group in by_column(values)]

    @cached_property
    def slices(self) -> list[dict[str, Any]]:
        """A dict for each group of rows, by length and by the columns of `by`: column, slice, rows, and figures.

        Figures are accuracy and f1_macro, of a regression rmse and mae; NAME_low and NAME_high are their intervals.
        """
        found = []
        for column, name, rows in self.groups:
            part = self.measure[rows]
            values, intervals = part.values(), self._intervals(part, part.brief)
            row: dict[str, Any] = {"column": column, "slice": name, "rows": len(rows)}
            for figure in part.brief:
                row |= {figure: values[figure], f"{figure}_low": intervals[figure][0]}
                row |= {f"{figure}_high": intervals[figure][1]}
            found.append(row)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Figures, the table of labels, slices and the confusion matrix, of plain values for JSON; NaN is None."""
        return json_object(
            {
                "model": self.title,
                "problem_type": self.problem,
                "rows": len(self),
                "labels": self.labels,
                "metrics": {name: figure._asdict() for name, figure in self.metrics.items()},
                "confidence": self.confidence,
                "resamples": self.resamples,
                "classes": self.classes,
                "confusion": None if self.problem == REGRESSION else self.confusion.tolist(),
                "slices": self.slices,
            }
        )

    def to_frame(self, of: str = "metrics") -> Any:
        """A DataFrame: "metrics" (default), "classes", "confusions", "slices", "mistakes", or "rows", one a text.

        Errors: ImportError without pandas, ValueError for another name.
        """
        return as_frame(self, of, FRAMES)

    def report(self, path: str | Path, *, explain: bool = False) -> None:
        """Writes an HTML page with all figures, tables and pictures, in one file that needs no other.

        With `explain` the words of up to 20 of the most confident mistakes are coloured by how much they speak for what
        is predicted (see `deberta_c.explain`), as many as can be done in about 20 seconds.

        Errors: ImportError without matplotlib, OSError if the file cannot be written; ValueError for a name that ends
        as a file of another kind, and for `explain` if the model is neither a classifier of texts nor a pipeline of
        one.
        """
        from deberta_c.evaluation.report import write_report

        write_report(self, Path(path), explain)

    def plot_confusion_matrix(self, *, normalize: bool = True, ax: Any = None) -> Any:
        """How often each label is taken for each, a figure of matplotlib: shares of the rows of a label, or counts.

        All plots draw on the Axes `ax` if it is given, and return its figure.
        """
        return self._draw("confusion_matrix", ax, normalize=normalize)

    def plot_roc(self, *, ax: Any = None) -> Any:
        """The ROC curves: of two classes one, otherwise one for each label, and the areas under them."""
        return self._draw("roc", ax)

    def plot_precision_recall(self, *, ax: Any = None) -> Any:
        """Precision against recall for each label, and the average precision."""
        return self._draw("precision_recall", ax)

    def plot_reliability(self, *, ax: Any = None) -> Any:
        """How often predictions of a confidence are right, against that confidence, and how many there are."""
        return self._draw("reliability", ax)

    def plot_lengths(self, *, ax: Any = None) -> Any:
        """How many texts have which length, and how many of them are wrong."""
        return self._draw("lengths", ax)

    def plot_scores(self, *, ax: Any = None) -> Any:
        """How confident right and wrong predictions are; of a regression, the errors."""
        return self._draw("scores", ax)

    def plot_values(self, *, ax: Any = None) -> Any:
        """The predicted numbers of a regression against the right ones."""
        return self._draw("values", ax)

    def plot_slices(self, *, ax: Any = None) -> Any:
        """The accuracy of each slice with its interval; of a regression the root of the mean squared error."""
        return self._draw("slices", ax)

    def __repr__(self) -> str:
        from deberta_c.evaluation.tables import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from deberta_c.evaluation.tables import as_html

        return as_html(self)

    def _draw(self, name: str, ax: Any, **options: Any) -> Any:
        from deberta_c.evaluation.pictures import draw

        return draw(self, name, ax, **options)

    def _found(self) -> NDArray[Any]:
        measure: Any = self.measure
        if self.problem == REGRESSION:
            return self.scores
        return np.asarray(measure.found if self.problem == MULTIPLE else measure.predicted)

    def _shown(self, value: Any) -> Any:
        """A row of targets or of predictions, as a person writes it."""
        if self.problem == REGRESSION:
            return float(value[0]) if len(value) == 1 else [float(number) for number in value]
        if self.problem == MULTIPLE:
            return [self.labels[place] for place in np.flatnonzero(value)]
        return self.labels[int(value)]

    def _order_of_mistakes(self) -> list[tuple[int, float]]:
        if self.problem == REGRESSION:
            errors = abs(self.scores - self.targets).mean(axis=1)
            rows = np.argsort(-errors, kind="stable")
            return [(int(row), float(errors[row])) for row in rows]
        if self.problem == MULTIPLE:
            sure = np.where(self.targets, 1 - self.scores, self.scores).max(axis=1)
        else:
            sure = self.scores.max(axis=1)
        wrong = np.flatnonzero(~self.correct)
        return [(int(row), float(sure[row])) for row in wrong[np.argsort(-sure[wrong], kind="stable")]]

    def _rows(self) -> dict[str, Any]:
        found: dict[str, Any] = {"text": self.texts}
        if self.pairs is not None:
            found["pair"] = self.pairs
        found |= {"label": self.wanted, "predicted": self.predicted, self.length_unit: self.lengths}
        if self.problem != REGRESSION:
            found["correct"] = self.correct
            found |= {f"score_{name}": self.scores[:, place] for place, name in enumerate(self.labels)}
        return found | dict(self.columns)

    def _intervals(self, measure: Measure, names: tuple[str, ...] | None = None) -> dict[str, tuple[float, float]]:
        return intervals_of(measure, names, self.resamples, self.confidence, self.seed)


def evaluate(
    model: Any,
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
) -> Evaluation:
    """Compares the predictions of a model with labels.

    `model` is a classifier of texts or its directory or name, a pipeline for text classification or zero-shot
    classification, its `Handle`, or an estimator of scikit-learn with `predict_proba`. `data` is a table with the
    columns `text`, `label` and, for pairs, `text_pair` (a DataFrame of pandas or polars, a Table of pyarrow, a
    datasets.Dataset, a dict of columns, a list of dicts), or a column of texts with `labels`; `text_pair` may also be a
    column. A label is a name or a number of the model's labels, for independent labels a list of names or of 0 and 1,
    for a regression a number. `by` names columns to slice by.

    Figures are accuracy (of independent labels, of rows that are right in all of them), f1_macro, f1_weighted, roc_auc
    (the mean over the labels, each against all others), and calibration_error: predictions are put in `bins` bins of
    equal width by their confidence, and the distance between mean confidence and accuracy is averaged over them. Those
    of a regression are rmse, mae, r2, pearson and spearman. scikit-learn computes them. Their intervals are the
    percentiles of `resamples` draws of the rows with replacement by `seed` (bootstrap), of a `confidence` of 95 %.
    `options` are those of `predict`, such as `max_length` and `progress`, or of a call of the pipeline.

    Returns an `Evaluation`. Errors: ImportError without scikit-learn; ValueError and TypeError name the column or the
    row and the remedy.

    >>> import deberta_c
    >>> texts, labels = ["See you at home", "Free entry! Call now", "Are you there?"], ["ham", "spam", "ham"]
    >>> result = deberta_c.evaluate(deberta_c.default_model(), texts, labels)
    >>> result["accuracy"], len(result.mistakes)
    (1.0, 0)
    """
    check_figures(resamples, confidence, bins, seed)
    examples = read_examples(data, labels, text_pair, by, text=text, label=label)
    return evaluation_of(model, examples, resamples, confidence, bins, seed, options, evaluate)


def check_figures(resamples: Any, confidence: Any, bins: Any, seed: Any, function_name: str = "evaluate") -> None:
    """Raises the ValueError of an argument of a function that says how figures are made, or ImportError."""
    check_bootstrap(resamples, confidence, seed)
    if not is_integer(bins) or bins < 1:
        raise ValueError(f"bins is {bins!r}; it must be an integer of at least 1, such as 10")
    require("sklearn.metrics", function_name)


def evaluation_of(
    model: Any,
    examples: Examples,
    resamples: int,
    confidence: float,
    bins: int,
    seed: int,
    options: dict[str, Any],
    function: Callable[..., Any],
    called: str = "the model",
) -> Evaluation:
    """The result of `evaluate` for checked arguments; messages name the `function` that was called, and those about
    labels call the model `called`."""
    scorer = scorer_of(model, options, function)
    problem, targets = encode_targets(examples.labels, scorer.names, scorer.problem, examples.label_name, called)
    scores = scorer.of(problem, examples.texts, examples.pairs)
    measure = measure_of(problem, targets, scores, bins)
    intervals = intervals_of(measure, None, resamples, confidence, seed)
    return Evaluation(
        title=scorer.title,
        problem=problem,
        labels=scorer.names,
        texts=examples.texts,
        pairs=examples.pairs,
        targets=targets,
        scores=scores,
        lengths=scorer.lengths(examples.texts, examples.pairs),
        length_unit=scorer.unit,
        columns=examples.columns,
        metrics={name: Figure(value, *intervals[name]) for name, value in measure.values().items()},
        measure=measure,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
        model=scorer.model,
        max_length=options.get("max_length"),
    )


def intervals_of(
    measure: Measure, names: tuple[str, ...] | None, resamples: int, confidence: float, seed: int
) -> dict[str, tuple[float, float]]:
    """The interval of each figure of a measure, NaN without resamples."""
    if not resamples:
        return dict.fromkeys(measure.values(), (float("nan"), float("nan")))
    parts = [measure.of_draws(counts, names) for counts in draws(len(measure.scores), resamples, seed)]
    return {name: interval(np.concatenate([part[name] for part in parts]), confidence) for name in parts[0]}
