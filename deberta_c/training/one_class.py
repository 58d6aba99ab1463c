"""A model that gives all rows the same class: how a `Trainer` notices it, and what it advises."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import warn_caller
from deberta_c._models.losses import IGNORED, SINGLE, loss_and_gradient
from deberta_c.training.arguments import TrainingArguments
from deberta_c.training.callbacks import TrainerCallback, TrainerControl, TrainerState

ADVICE = (
    'give a lower learning_rate, a longer warmup, more epochs or, where a label is rare, class_weight="balanced"; if '
    "the loss is that of a guess, look whether texts and labels belong together"
)


class OneClassCallback(TrainerCallback):
    """Stops a training in which `patience` evaluations in a row found one class only, no better than a guess.

    A guess knows how frequent each class is. It sees the evaluations of a `Trainer` with `compute_metrics`, and does
    nothing for heads other than those that give a row one class.

    >>> callback, control = OneClassCallback(2), TrainerControl()
    >>> logits, labels = np.tile([5.0, 0.0], (4, 1)), np.array([0, 1, 0, 1])
    >>> for _ in range(2):
    ...     callback.on_evaluate(TrainingArguments(), TrainerState(), control, predictions=[(logits, labels)])
    >>> control.should_training_stop
    True
    """

    def __init__(self, patience: int) -> None:
        self.patience, self.count = patience, 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Begins to count, or goes on with the count of a checkpoint."""
        self.count = self.count if state.global_step else 0

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Counts evaluations of which every data set got one class only; stops after too many of them, and warns."""
        found = [_stuck(*seen) for seen in others.get("predictions", [])]
        self.count = self.count + 1 if found and None not in found else 0
        if self.has_stopped:
            control.should_training_stop = True
            model = others.get("model")
            name = found[-1] if model is None else model.config.id2label.get(found[-1], found[-1])
            warn_caller(
                UserWarning(
                    f"the model gives all rows of {self.count} evaluations in a row one label, {name!r}, and the "
                    f"training stops; {ADVICE}"
                )
            )

    @property
    def has_stopped(self) -> bool:
        """Whether it has stopped the training."""
        return self.count >= self.patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": {"patience": self.patience}, "attributes": {"count": self.count}}


def _stuck(logits: Any, labels: Any) -> int | None:
    """The class that an evaluation gave all rows, no better than a guess; None if there is none."""
    if getattr(logits, "ndim", 0) != 2 or getattr(labels, "ndim", 0) != 1 or labels.dtype.kind not in "iu":
        return None
    kept = labels != IGNORED
    logits, labels = logits[kept], labels[kept]
    if logits.shape[1] < 2 or len(labels) == 0 or not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        return None
    return one_class(logits, labels) if _loss(logits, labels) > 0.99 * _loss_of_guess(labels) else None


def one_class(logits: NDArray[Any], labels: NDArray[Any]) -> int | None:
    """The class that all rows of logits (N, C) get, though their labels (N) differ; None if there is none.

    >>> one_class(np.array([[1, 0], [2, 0]]), np.array([0, 1])), one_class(np.array([[1, 0]]), np.array([0]))
    (0, None)
    """
    found = np.unique(logits.argmax(axis=1))
    return int(found[0]) if len(found) == 1 and len(np.unique(labels)) > 1 else None


def check_predictions(
    logits: NDArray[Any], labels: NDArray[Any], names: Mapping[int, str], *, warns: bool = True
) -> None:
    """Warns when a trained model gives rows that it learnt from, with different labels (N), the same class.

    Errors: FloatingPointError for logits (N, C) that are NaN or infinite.
    """
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "the trained model answers NaN or infinity; the model keeps the weights that it had: lower learning_rate"
        )
    found = one_class(logits, labels)
    if found is not None and warns:
        name = names.get(found, found)
        warn_caller(UserWarning(f"the model gives all rows that it learnt from one label, {name!r}; {ADVICE}"))


def _loss(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(loss_and_gradient(SINGLE, logits, labels)[0])


def _loss_of_guess(labels: NDArray[Any]) -> float:
    """The entropy of the labels."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())
