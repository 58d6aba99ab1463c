"""Assertions for tests: logits that should be equal, and a model that should be accurate."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from deberta_c.evaluation.examples import encode_targets
from deberta_c.evaluation.intervals import is_number
from deberta_c.evaluation.metrics import IndependentLabels, measure_of
from deberta_c.evaluation.scoring import scorer_of
from deberta_c.training.examples import read_examples

_SHOWN = 10


def assert_logits_close(actual: Any, expected: Any, atol: float = 1e-4, *, names: Iterable[Any] | None = None) -> None:
    """Raises AssertionError unless two arrays of logits differ by at most `atol` everywhere.

    Arrays, tensors, lists and model outputs with `logits` are accepted. The message shows the rows with the largest
    differences; `names`, such as the texts, say which they are. NaN is equal to nothing.

    >>> assert_logits_close([[0.1, 0.2]], [[0.1, 0.20001]])
    >>> assert_logits_close([[0.1, 0.2]], [[0.1, 0.3]], names=["See you"])
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 1 rows differs by more than atol=0.0001; the largest difference is 0.1
    row 0 ('See you'), column 1: actual 0.2, expected 0.3
    """
    found, wanted = _array(actual), _array(expected)
    if found.shape != wanted.shape:
        raise AssertionError(f"actual has shape {found.shape}, but expected {wanted.shape}")
    if not found.size:
        return
    with np.errstate(invalid="ignore"):  # of infinity and itself
        distance = np.where(found == wanted, 0, abs(found - wanted)).reshape(len(found) if found.ndim else 1, -1)
    distance[np.isnan(distance)] = np.inf
    largest = distance.max(axis=1)
    rows = np.flatnonzero(largest > atol)
    if not len(rows):
        return
    called = None if names is None else list(names)
    verb = "differs" if len(rows) == 1 else "differ"
    lines = [
        f"{len(rows)} of {len(largest)} rows {verb} by more than atol={atol:g}; the largest difference is "
        f"{largest.max():.3g}"
    ]
    pairs = found.reshape(distance.shape), wanted.reshape(distance.shape)
    for row in rows[np.argsort(-largest[rows], kind="stable")][:_SHOWN].tolist():
        column = int(distance[row].argmax())
        name = "" if called is None else f" ({_short(called[row])!r})"
        values = [part[row, column] for part in pairs]
        lines.append(f"row {row}{name}, column {column}: actual {values[0]:.6g}, expected {values[1]:.6g}")
    raise AssertionError("\n".join(_with_rest(lines, len(rows))))


def assert_accuracy(
    model: Any,
    data: Any,
    labels: Iterable[Any] | None = None,
    *,
    at_least: float,
    text: str = "text",
    label: str = "label",
    text_pair: str | Iterable[Any] | None = None,
    **options: Any,
) -> float:
    """Raises AssertionError unless a model is right for at least the share `at_least` of labelled texts.

    Arguments are those of `evaluate`; scikit-learn is not needed. The message lists the most confident mistakes.
    Returns the accuracy.

    Errors: ValueError for a share outside 0 to 1, or a regression.

    >>> import deberta_c
    >>> deberta_c.assert_accuracy(deberta_c.default_model(), ["See you at home"], ["ham"], at_least=0.9)
    1.0
    """
    if not is_number(at_least) or not 0 <= at_least <= 1:
        raise ValueError(f"at_least is {at_least!r}; it is a share between 0 and 1, such as 0.9")
    examples = read_examples(data, labels, text_pair, text=text, label=label)
    scorer = scorer_of(model, options, assert_accuracy)
    problem, targets = encode_targets(examples.labels, scorer.names, scorer.problem, examples.label_name)
    measure: Any = measure_of(problem, targets, scorer.of(problem, examples.texts, examples.pairs), 10)
    if problem == "regression":
        raise ValueError("the model is a regression and has no accuracy; use evaluate and compare its rmse")
    correct = measure.correct
    accuracy = float(correct.mean())
    if accuracy >= at_least:
        return accuracy
    wrong = np.flatnonzero(~correct)
    sure = measure.scores[wrong].max(axis=1)
    lines = [
        f"accuracy is {accuracy:.4f}, {int(correct.sum())} of {len(correct)} texts, but should be at least "
        f"{at_least:g}; wrong are, the most confident first:"
    ]
    for place in np.argsort(-sure, kind="stable")[:_SHOWN].tolist():
        row = int(wrong[place])
        given = _labels(measure, measure.found[row], scorer.names)
        should = _labels(measure, measure.wanted[row], scorer.names)
        lines.append(f"row {row}: {given} ({sure[place]:.2f}) instead of {should}: {_short(examples.texts[row])!r}")
    raise AssertionError("\n".join(_with_rest(lines, len(wrong))))


def _array(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = getattr(values, "logits", values)
    values = values.detach() if hasattr(values, "detach") else values
    return np.asarray(values, np.float64)


def _labels(measure: Any, row: Any, names: list[str]) -> str:
    found = [names[place] for place in np.flatnonzero(row)]
    return str(found) if isinstance(measure, IndependentLabels) else repr(found[0])


def _short(text: Any) -> Any:
    return text if not isinstance(text, str) or len(text) <= 80 else text[:79] + "…"


def _with_rest(lines: list[str], count: int) -> list[str]:
    return lines if count <= _SHOWN else [*lines, f"and {count - _SHOWN} more"]
