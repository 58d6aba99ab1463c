"""A model that gives all rows the same class: how `fit` notices it, and what it advises."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import warn_caller
from deberta_c._models.losses import loss_and_gradient
from deberta_c.training.arguments import TrainingArguments
from deberta_c.training.callbacks import TrainerCallback, TrainerControl, TrainerState

ADVICE = (
    'give a lower learning_rate, a longer warmup, more epochs or, where a label is rare, class_weight="balanced"; if '
    "the loss is that of a guess, look whether texts and labels belong together"
)


class OneClassCallback(TrainerCallback):
    """Stops a training in which `patience` validations in a row found one class only, no better than a guess.

    A guess knows how frequent each class is. `see` gets the logits and labels of each validation.

    >>> callback, control = OneClassCallback(2), TrainerControl()
    >>> for _ in range(2):
    ...     callback.see(np.tile([5.0, 0.0], (4, 1)), np.array([0, 1, 0, 1]))
    ...     callback.on_evaluate(TrainingArguments(), TrainerState(), control)
    >>> control.should_training_stop
    True
    """

    def __init__(self, patience: int) -> None:
        self._patience, self._count = patience, 0

    def see(self, logits: NDArray[Any], labels: NDArray[Any]) -> None:
        """Counts validations that found one class only."""
        stuck = one_class(logits, labels) is not None and _loss(logits, labels) > 0.99 * _loss_of_guess(labels)
        self._count = self._count + 1 if stuck else 0

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Stops after too many of them."""
        if self._count >= self._patience:
            control.should_training_stop = True


def one_class(logits: NDArray[Any], labels: NDArray[Any]) -> int | None:
    """The class that all rows of logits (N, C) get, though their labels (N) differ; None if there is none.

    >>> one_class(np.array([[1, 0], [2, 0]]), np.array([0, 1])), one_class(np.array([[1, 0]]), np.array([0]))
    (0, None)
    """
    found = np.unique(logits.argmax(axis=1))
    return int(found[0]) if len(found) == 1 and len(np.unique(labels)) > 1 else None


def check_predictions(logits: NDArray[Any], labels: NDArray[Any], names: list[str]) -> None:
    """Warns when a trained model gives rows that it learnt from, with different labels (N), the same class.

    Errors: FloatingPointError for logits (N, C) that are NaN or infinite.
    """
    if not np.isfinite(logits).all():
        raise FloatingPointError("the trained model answers NaN or infinity; open it again and lower learning_rate")
    found = one_class(logits, labels)
    if found is not None:
        warn_caller(
            UserWarning(f"the model gives all of {len(labels)} rows that it learnt from {names[found]!r}; {ADVICE}")
        )


def _loss(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(loss_and_gradient("single_label_classification", logits, labels)[0])


def _loss_of_guess(labels: NDArray[Any]) -> float:
    """The entropy of the labels."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())
