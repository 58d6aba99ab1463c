"""What depends on the head in a training: the base of `objectives`, which has one class for each kind of head.

`Trainer` knows nothing of heads. It reads a data set with `Objective.read`, cuts it into batches with `batch`, and in a
step calls `learn` for each batch of it, with the divisor of all of them, so that the gradient is that of the mean over
the whole step. An evaluation calls `evaluate`, and collects `predictions` and `label_ids` for `compute_metrics`.

A new kind of head is a subclass with `labels`, `divisor` and `loss`, in the table of `objectives`. It overrides `batch`
when the arguments of the core are not those of the rows alone (masks that are drawn, tokens that are selected), and
`learn` and `evaluate` when the core computes the loss itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._models.auto import auto_of, opened
from deberta_c._models.losses import IGNORED, distillation_loss_and_gradient
from deberta_c.training.data import Rows, batches, encoded_rows, tokenized
from deberta_c.training.session import Session

Logits = NDArray[np.float32]
LossFunction = Callable[..., tuple[float, Any]]
_TAUGHT = 32  # rows of a batch of the teacher


class Batch(NamedTuple):
    """Some rows of a data set."""

    rows: NDArray[np.int64]  # (N), their numbers in the data set
    inputs: dict[str, Any]  # the arguments of the core: ids (T), offsets (N + 1), types (T), selected (T), ...
    labels: Any  # as the objective needs them; None without labels
    teacher: Any = None  # the logits of a teacher, of the shape of the model's logits, or None
    weights: Any = None  # (N): how much each row counts in the loss, or None


class Objective:
    """What a head learns from: how labels are read, the loss with its gradient, and what an evaluation returns.

    `class_weights` (C) and `label_smoothing` change the loss; `temperature` and `alpha` are those of a distillation,
    for rows with the logits of a teacher. `function` replaces it: it gets logits and labels of a
    batch, and returns the loss, a mean over what counts in this batch, and its gradient by the logits. If it takes
    `num_items_in_batch`, it gets the number of labels in all batches of the step and divides by that itself.
    """

    label_names: tuple[str, ...] = ("labels", "label", "label_ids")
    """Columns of labels: the first one that a data set has is read."""

    def __init__(
        self,
        model: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        temperature: float = 2.0,
        alpha: float = 0.5,
        function: LossFunction | None = None,
    ) -> None:
        self.temperature, self.alpha = temperature, alpha
        self.model, self.label_smoothing, self.function = model, label_smoothing, function
        self.class_weights = None if class_weights is None else np.asarray(class_weights, np.float64)

    head: type[Any]
    """The class of the models that it trains."""
    reads_rows = True
    """Whether the network reads the rows of the data set as they are, in each epoch."""
    collator: Any = None

    def take_collator(self, collator: Any) -> None:
        """Takes what it needs of a Trainer's `data_collator`; rows need none, because they are not padded."""

    # ---- a teacher ----

    teacher: Any = None
    """The model whose logits this one follows, or None."""

    def take_teacher(self, teacher: Any) -> None:
        """Takes a model of the same head, labels and vocabulary, or its directory or name, as a teacher.

        Errors: TypeError or ValueError for another one, and where class_weights or a function change the loss.
        """
        self._refuse_class_weights("with a teacher the loss has no weights")
        teacher = opened(teacher, auto_of(self.model))
        if not hasattr(teacher, "_core") or not isinstance(teacher, self.head):
            raise TypeError(
                f"teacher is a {type(teacher).__name__}; give a model of deberta_c with the head of the model"
            )
        for name in ("vocab_size", "type_vocab_size", "num_labels"):
            own, other = (model._opened.settings[name] for model in (self.model, teacher))
            if own != other:
                raise ValueError(
                    f"teacher has {name} {other}, but the model {own}; a teacher reads the same ids and has the same "
                    "labels: give the column teacher_logits in its place"
                )
        own, other = (list(model.config.id2label.values()) for model in (self.model, teacher))
        if own != other and set(own) == set(other):
            raise ValueError(
                f"teacher has the labels {short(other)}, but the model {short(own)}; give one of equal order"
            )
        teacher._require_head()
        self.teacher = teacher

    def taught(self, rows: Rows, name: str) -> Rows:
        """The rows with the logits of the teacher, if there is one, which are computed here."""
        if self.teacher is None:
            return rows
        if rows.teacher is not None:
            raise ValueError(f"{name} has teacher_logits, and the Trainer has a teacher; leave one out")
        found: list[Any] = [None] * len(rows)
        for chosen in batches(np.argsort(rows.lengths(), kind="stable"), _TAUGHT):
            for row, logits in zip(
                chosen, self.by_row(self.teacher_logits(rows.inputs(chosen)), rows, chosen), strict=True
            ):
                found[row] = logits
        return replace(rows, teacher=found)

    def teacher_logits(self, inputs: Mapping[str, Any]) -> Logits:
        """The logits of the teacher for a packed batch."""
        logits: Logits = self.teacher._core.forward(**inputs)[0]
        return logits

    def by_row(self, logits: Logits, rows: Rows, chosen: NDArray[np.int64]) -> list[Logits]:
        """Logits of a batch, an array for each row."""
        parts = np.split(logits, np.cumsum(rows.lengths()[chosen])[:-1])
        return [part.copy() for part in parts]  # a slice would keep the whole batch

    def _distilled(
        self, problem: str | None, logits: Logits, batch: Batch, divisor: Any, **options: Any
    ) -> tuple[float, Logits]:
        """The loss by labels and by how far the logits are from those of the teacher, and its gradient."""
        loss, gradient = distillation_loss_and_gradient(
            problem,
            logits,
            batch.labels,
            batch.teacher,
            temperature=self.temperature,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing,
            divisor=divisor,
            **options,
        )
        return float(loss), gradient

    # ---- data ----

    def read(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Rows:
        """The rows of a data set; messages call it by `name`.

        Errors: ValueError for a data set without rows or texts, and for labels that do not fit.
        """
        columns = self.tokenized(columns, name, tokenizer)
        rows, given = self.encoded(columns, name), self.given(columns)
        if given is None:
            return rows
        if len(given) != len(rows):
            raise ValueError(f"{name} has {len(rows)} rows, but {len(given)} labels; give a label for each row")
        return replace(rows, labels=self.labels(given, rows, name))

    def tokenized(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Mapping[str, Any]:
        """The columns with `input_ids`, which texts are turned into."""
        return tokenized(columns, name, tokenizer)

    def encoded(self, columns: Mapping[str, Any], name: str) -> Rows:
        """The rows of columns with `input_ids`, without labels."""
        return encoded_rows(columns, name, self.model._opened.settings["type_vocab_size"])

    def given(self, columns: Mapping[str, Any]) -> Any:
        """The column of labels; None without any."""
        return next((columns[key] for key in self.label_names if key in columns), None)

    def labels(self, given: Any, rows: Rows, name: str) -> Any:
        """A column of labels as `batch` needs it, checked."""
        raise NotImplementedError

    def warn(self, rows: Rows, name: str) -> None:
        """Warns when there is something that the model cannot learn from these rows."""

    def row_classes(self, rows: Rows) -> NDArray[np.integer[Any]] | None:
        """The class (N) of each row, where the head chooses one of several; None for other heads."""
        return None

    def batch(self, rows: Rows, chosen: NDArray[np.int64], seed: int | None = None) -> Batch:
        """The rows of these numbers. `seed` is that of a training step, for what is drawn; None: an evaluation."""
        teacher = None if rows.teacher is None else self.joined([rows.teacher[row] for row in chosen])
        return Batch(chosen, rows.inputs(chosen), self.labels_of(rows, chosen), teacher)

    def joined(self, logits: list[Logits]) -> Logits:
        """Logits of rows as those of a batch."""
        return np.concatenate(logits)

    def labels_of(self, rows: Rows, chosen: NDArray[np.int64]) -> Any:
        """The labels of a batch; None without labels."""
        return None if rows.labels is None else rows.labels[chosen]

    # ---- loss ----

    def divisor(self, batch: Batch) -> Any:
        """What the mean loss divides by; that of a step is the sum over its batches."""
        raise NotImplementedError

    def loss(self, logits: Logits, batch: Batch, divisor: Any) -> tuple[float, Logits]:
        """The share of a batch in the mean loss, and its gradient by the logits."""
        raise NotImplementedError

    def learn(self, session: Session, batch: Batch, divisor: Any, seed: int) -> float:
        """Adds the gradients of a batch; returns its share in the loss."""
        loss, d_logits = self._loss(session.forward(batch.inputs, seed), batch, divisor)
        session.backward(d_logits)
        return loss

    def evaluate(
        self, session: Session, batch: Batch, divisor: Any, *, logits: bool = True
    ) -> tuple[float | None, Logits | None]:
        """The share of a batch in the loss, None without labels, and its logits, which only `logits` asks for."""
        found = session.evaluate(batch.inputs)
        return None if batch.labels is None else self._loss(found, batch, divisor)[0], found

    def total(self, batches: list[Batch]) -> Any:
        """The divisor of a step, or of an evaluation."""
        return sum(self.items(batch) if self.function is not None else self.divisor(batch) for batch in batches)

    def items(self, batch: Batch) -> int:
        """The number of labels that count."""
        return int(np.count_nonzero(batch.labels != IGNORED))

    def _refuse_class_weights(self, why: str) -> None:
        if self.class_weights is not None:
            raise ValueError(f"class_weights is given, but {why}; leave it out")

    def _loss(self, logits: Logits, batch: Batch, divisor: Any) -> tuple[float, Logits]:
        if self.function is None:
            return self.loss(logits, batch, divisor)
        if "num_items_in_batch" in signature(self.function).parameters:
            return _checked(self.function(logits, batch.labels, num_items_in_batch=divisor), logits)
        share = self.items(batch) / divisor if divisor else 0.0
        loss, gradient = _checked(self.function(logits, batch.labels), logits)
        return loss * share, gradient * np.float32(share)

    # ---- what an evaluation returns ----

    def predictions(self, logits: Logits, batch: Batch, rows: Rows) -> Any:
        """Logits of a batch as `compute_metrics` gets them: an array (N, ...), or a tuple of them."""
        return logits

    def label_ids(self, batch: Batch, rows: Rows) -> Any:
        """Labels of a batch as `compute_metrics` gets them: an array (N, ...), or a tuple of them."""
        return batch.labels


def _checked(found: Any, logits: Logits) -> tuple[float, Logits]:
    """What a `compute_loss_func` returned.

    Errors: TypeError or ValueError when that is not a loss and its gradient by the logits.
    """
    if not isinstance(found, (tuple, list)) or len(found) != 2 or np.size(found[0]) != 1:
        raise TypeError(
            f"compute_loss_func returned {short(found)}; it must return two things, the mean loss as a number and its "
            "gradient by the logits as an array, because there is no automatic differentiation"
        )
    loss, gradient = float(np.asarray(found[0]).item()), np.asarray(found[1], np.float32)
    if gradient.shape != logits.shape:
        raise ValueError(
            f"compute_loss_func returned a gradient of shape {gradient.shape}; it must have that of the logits, "
            f"{logits.shape}"
        )
    return loss, gradient
