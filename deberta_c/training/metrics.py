"""What a validation set says of a model, beside the loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.losses import IGNORED, MULTIPLE, REGRESSION
from deberta_c._models.outputs import given_labels, sigmoid


def metric_name(name: str) -> str:
    """The name of a metric of a validation set, which `evaluate` may call otherwise.

    >>> metric_name("f1_macro"), metric_name("loss")
    ('f1', 'loss')
    """
    return "f1" if name == "f1_macro" else name


def metrics_of(problem: str) -> Callable[[Any], dict[str, float]]:
    """A `compute_metrics` for a `problem_type`; it takes predictions (N, C) and labels as a `Trainer` gives them.

    "regression": rmse and r2. Otherwise accuracy, for independent labels of whole rows, and f1, the mean over the
    labels, each of which counts the same.

    >>> metrics_of("single_label_classification")((np.array([[1, 0], [0, 1.0]]), np.array([0, 0])))
    {'accuracy': 0.5, 'f1': 0.3333333333333333}
    """
    measure = {REGRESSION: _of_numbers, MULTIPLE: _of_independent_labels}.get(problem, _of_classes)

    def compute_metrics(predictions_and_labels: Any) -> dict[str, float]:
        predictions, labels = predictions_and_labels
        return measure(np.asarray(predictions), np.asarray(labels))

    return compute_metrics


def _of_classes(logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    kept = labels != IGNORED
    found, labels = logits.argmax(axis=-1)[kept], labels[kept]
    classes = np.arange(logits.shape[-1])
    score = _f1(found[:, None] == classes, labels[:, None] == classes)
    return {"accuracy": float((found == labels).mean()), "f1": score}


def _of_independent_labels(logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    found, wanted = given_labels(sigmoid(logits)), labels > 0.5
    return {"accuracy": float((found == wanted).all(axis=1).mean()), "f1": _f1(found, wanted)}


def _of_numbers(values: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    labels = labels.reshape(values.shape).astype(np.float64)
    squares = float(np.square(values - labels).mean())
    spread = float(labels.var(axis=0).mean())
    return {"rmse": squares**0.5, "r2": 1 - squares / spread if spread else float("nan")}


def _f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """The mean over the labels (N, C) that are found or wanted in some row; 0 when there is none."""
    hits, total = (found & wanted).sum(axis=0), found.sum(axis=0) + wanted.sum(axis=0)
    return float((2 * hits[total > 0] / total[total > 0]).mean()) if total.any() else 0.0
