"""The objectives of all heads; see `objective` for what they do."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short, warn_caller
from deberta_c._columns.texts import is_missing
from deberta_c._models.heads import (
    Chooser,
    MaskedLanguageModel,
    NextSentencePredictor,
    PreTrainingModel,
    ReplacedTokenDetector,
    SequenceClassifier,
    SpanReader,
    TokenClassifier,
)
from deberta_c._models.losses import (
    IGNORED,
    MULTIPLE,
    REGRESSION,
    REPLACED,
    SINGLE,
    loss_and_gradient,
    loss_divisor,
    span_distillation_loss_and_gradient,
    span_divisor,
    span_loss_and_gradient,
    weights_of,
)
from deberta_c._models.outputs import given_labels, sigmoid
from deberta_c._tokenizers.collator import DataCollatorForLanguageModeling
from deberta_c.training.data import INPUT_COLUMNS, Rows, batches, named
from deberta_c.training.objective import Batch, Logits, Objective
from deberta_c.training.session import Session

WORD_COLUMNS = ("tokens", "words")
_LOGITS = 1 << 20  # of masked tokens, that a loss in Python turns into double precision at a time
HELD_OUT = 0  # seeds the masks of evaluations, which do not depend on the seed of the training


class SequenceObjective(Objective):
    """One label a row, independent labels, or numbers: labels (N) or (N, C), logits (N, C)."""

    head: type[Any] = SequenceClassifier

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        if self.label_smoothing and self.problem == MULTIPLE:
            warn_caller(UserWarning("label_smoothing_factor is ignored for independent labels, as in transformers"))
            self.label_smoothing = 0.0

    @property
    def problem(self) -> str | None:
        """The kind of the loss, a `problem_type`."""
        found: str | None = self.model.config.problem_type
        return found

    @property
    def classes(self) -> int:
        """The number of logits of a row."""
        return int(self.model.num_labels)

    def read(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Rows:
        """The rows of a data set, with `sample_weight` (N) and `teacher_logits` (N, C) if there are some.

        With the logits of a teacher, `alpha=0` needs no labels.
        """
        teacher = self._teacher(columns["teacher_logits"], name) if "teacher_logits" in columns else None
        if teacher is not None and self.function is not None:
            raise ValueError(f"{name} has teacher_logits, but compute_loss_func replaces the loss; leave one out")
        if teacher is not None and self.given(columns) is None:
            if self.alpha:
                raise ValueError(
                    f"{name} has teacher_logits but no labels; give labels, or distillation_alpha=0 to learn from the "
                    "teacher alone"
                )
            columns = {**columns, "labels": self._labels_of(teacher)}
        rows = super().read(columns, name, tokenizer)
        if teacher is not None and len(teacher) != len(rows):
            raise ValueError(f"{name} has {len(rows)} rows, but {len(teacher)} teacher_logits; give them for each row")
        return replace(rows, teacher=teacher, weights=self._row_weights(columns, len(rows), name))

    def batch(self, rows: Rows, chosen: NDArray[np.int64], seed: int | None = None) -> Batch:
        """The rows of these numbers."""
        found = super().batch(rows, chosen, seed)
        return found if rows.weights is None else found._replace(weights=rows.weights[chosen])

    def taught(self, rows: Rows, name: str) -> Rows:
        """The rows with the logits of the teacher; with `alpha=0` they need no labels."""
        found = super().taught(rows, name)
        if self.teacher is None or found.labels is not None or self.alpha:
            return found
        return replace(found, labels=self._labels_of(np.array(found.teacher)))

    def by_row(self, logits: Logits, rows: Rows, chosen: NDArray[np.int64]) -> list[Logits]:
        """The logits (C) of each row."""
        return list(logits)

    def joined(self, logits: list[Logits]) -> Logits:
        """Logits (N, C)."""
        return np.stack(logits)

    def labels(self, given: Any, rows: Rows, name: str) -> NDArray[Any]:
        """An array (N) of classes or numbers, or (N, C)."""
        found = _numbers(given, self.model.config, f"{name} labels")
        if self.function is None:
            self._divisor(found)  # raises for labels of a wrong kind or out of range
        return found

    def warn(self, rows: Rows, name: str) -> None:
        """Warns of a class that no row has."""
        labels = self.row_classes(rows)
        if labels is not None:
            _warn_of_absent(labels, self.classes, name)

    def row_classes(self, rows: Rows) -> NDArray[np.integer[Any]] | None:
        """The labels (N), where they are classes."""
        labels, single = rows.labels, self.problem in (None, SINGLE) and self.classes > 1
        return labels if single and labels.ndim == 1 and labels.dtype.kind in "iu" else None

    def divisor(self, batch: Batch) -> float:
        """The rows that count, or their weights."""
        return self._divisor(batch.labels, batch.weights)

    def loss(self, logits: Logits, batch: Batch, divisor: float) -> tuple[float, Logits]:
        """The loss of the configuration's `problem_type`, and of how far the logits are from those of a teacher."""
        if batch.teacher is not None:
            infer = self.model.config.model_type == "bert"
            return self._distilled(self.problem, logits, batch, divisor, infer=infer, sample_weight=batch.weights)
        options = {**self._options(), "label_smoothing": self.label_smoothing, "sample_weight": batch.weights}
        return _loss(self.problem, logits, batch.labels, divisor, **options)

    def _row_weights(self, columns: Mapping[str, Any], count: int, name: str) -> NDArray[np.float64] | None:
        """How much each row counts in the loss, of the column `sample_weight`."""
        given = columns.get("sample_weight")
        if given is None:
            return None
        if self.function is not None:
            raise ValueError(f"{name} has sample_weight, but compute_loss_func replaces the loss; leave one out")
        return weights_of(f"{name} sample_weight", given, count)

    def _teacher(self, given: Any, name: str) -> NDArray[np.float32]:
        """The logits of a teacher as an array (N, C)."""
        self._refuse_class_weights("with teacher_logits the loss has no weights")
        try:
            found = np.asarray(given if hasattr(given, "dtype") and given.dtype != object else list(given), np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} teacher_logits are not an array ({error}); give {self.classes} finite numbers for each row"
            ) from error
        if found.ndim != 2 or found.shape[1] != self.classes or not np.isfinite(found).all():
            raise ValueError(
                f"{name} has teacher_logits of shape {found.shape}; give {self.classes} finite numbers for each row"
            )
        return found

    def _labels_of(self, teacher: NDArray[np.float32]) -> NDArray[Any]:
        """What the teacher answers."""
        if self.problem == REGRESSION or (self.problem is None and self.classes == 1):
            return teacher
        if self.problem == MULTIPLE:
            return given_labels(sigmoid(teacher)).astype(np.float32)
        return np.asarray(teacher.argmax(axis=1))

    def _divisor(self, labels: NDArray[Any], weights: NDArray[np.float64] | None = None) -> float:
        return loss_divisor(self.problem, labels, self.classes, sample_weight=weights, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"infer": self.model.config.model_type == "bert", "class_weights": self.class_weights}


class NextSentenceObjective(SequenceObjective):
    """Labels (N), 0 where the second text follows the first and 1 for any other; logits (N, 2)."""

    head = NextSentencePredictor
    label_names = ("labels", "next_sentence_label", "label", "label_ids")

    @property
    def problem(self) -> str:
        """One class a row."""
        return SINGLE

    @property
    def classes(self) -> int:
        """It follows, or not."""
        return 2


class ChoiceObjective(Objective):
    """Labels (N), the numbers of the right choices; logits (N * choices, 1).

    `input_ids` and the other columns have a list of choices in each row, the same number in all rows.
    """

    head = Chooser

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self._refuse_class_weights("choices are not classes")

    def encoded(self, columns: Mapping[str, Any], name: str) -> Rows:
        """The sequences of all choices."""
        counts = sorted({len(row) for row in columns["input_ids"]})
        if len(counts) > 1:
            raise ValueError(f"{name} has rows of {short(counts)} choices; all rows need the same number")
        flat = {key: [part for row in columns[key] for part in row] for key in INPUT_COLUMNS if key in columns}
        return replace(super().encoded(flat, name), each=counts[0] if counts else 1)

    def tokenized(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Mapping[str, Any]:
        """Columns of ids; texts are not tokenized."""
        if "input_ids" not in columns:
            raise ValueError(
                f"{name} has no input_ids; tokenize the choices first, into a list of choices for each row"
            )
        return columns

    def labels(self, given: Any, rows: Rows, name: str) -> NDArray[Any]:
        """An array (N) of the numbers of choices."""
        found = _numbers(given, self.model.config, f"{name} labels")
        loss_divisor(SINGLE, found, rows.each)  # raises for labels of a wrong kind or out of range
        return found

    def divisor(self, batch: Batch) -> float:
        """The rows that count."""
        return self.items(batch)

    def loss(self, logits: Logits, batch: Batch, divisor: float) -> tuple[float, Logits]:
        """The cross entropy of the choices."""
        scores = logits.reshape(len(batch.rows), -1)
        if batch.teacher is None:
            loss, gradient = _loss(SINGLE, scores, batch.labels, divisor, label_smoothing=self.label_smoothing)
        else:
            loss, gradient = self._distilled(SINGLE, scores, batch, divisor)
        return loss, gradient.reshape(logits.shape)

    def by_row(self, logits: Logits, rows: Rows, chosen: NDArray[np.int64]) -> list[Logits]:
        """The logits (choices) of each row."""
        return list(logits.reshape(len(chosen), -1))

    def joined(self, logits: list[Logits]) -> Logits:
        """Logits (N, choices)."""
        return np.stack(logits)

    def predictions(self, logits: Logits, batch: Batch, rows: Rows) -> Logits:
        """Logits (N, choices)."""
        return logits.reshape(len(batch.rows), -1)


class TokenObjective(Objective):
    """A label for each token, -100 for those that do not count: labels (T), logits (T, C).

    Rows of words, in a column `tokens` or `words`, have a label for each word. Its first token gets the label, the
    others -100, as in the examples of transformers. `compute_metrics` gets logits (N, S, C) and labels (N, S), both
    padded with -100.
    """

    head: type[Any] = TokenClassifier
    label_names: tuple[str, ...] = ("labels", "label", "label_ids", "ner_tags", "tags")
    problem = SINGLE

    @property
    def classes(self) -> int:
        """The number of logits of a token."""
        return int(self.model.num_labels)

    def tokenized(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Mapping[str, Any]:
        """Columns of ids; labels of words become those of tokens."""
        words = next((columns[key] for key in WORD_COLUMNS if key in columns), None)
        if "input_ids" in columns or words is None:
            return super().tokenized(columns, name, tokenizer)
        if tokenizer is None:
            raise ValueError(f"{name} has words, but the Trainer has no tokenizer; give processing_class")
        with named(name):
            found = tokenizer([list(row) for row in words], is_split_into_words=True, truncation=True)
        given = self.given(columns)
        if given is None:
            return {key: found[key] for key in found}
        labels = []
        for row, (tags, row_words) in enumerate(zip(given, words, strict=True)):
            if len(tags) != len(row_words):
                raise ValueError(f"{name}[{row}] has {len(row_words)} words, but {len(tags)} labels; give one for each")
            labels.append(_labels_of_tokens(tags, found.word_ids(row)))
        return {**{key: found[key] for key in found}, "labels": labels}

    def labels(self, given: Any, rows: Rows, name: str) -> list[NDArray[np.int64]]:
        """For each row an array of classes."""
        found = []
        for row, labels in enumerate(given):
            values = _numbers(labels, self.model.config, f"{name} labels[{row}]")
            if values.shape != (rows.widths[row],):
                raise ValueError(
                    f"{name} labels[{row}] has shape {values.shape}, but the row has {rows.widths[row]} tokens; give a "
                    "label for each token, and -100 for those that have none (word_ids says which word a token is of)"
                )
            found.append(values if rows.kept is None else values[rows.kept[row]])
        if self.function is None:
            self._check(np.concatenate(found))
        return found

    def warn(self, rows: Rows, name: str) -> None:
        """Warns of a class that no token has."""
        _warn_of_absent(np.concatenate(rows.labels), self.classes, name)

    def labels_of(self, rows: Rows, chosen: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Labels (T)."""
        return None if rows.labels is None else np.concatenate([rows.labels[row] for row in chosen])

    def divisor(self, batch: Batch) -> float:
        """The tokens that count, or their weights."""
        return loss_divisor(self.problem, batch.labels, self.classes, class_weights=self.class_weights)

    def loss(self, logits: Logits, batch: Batch, divisor: float) -> tuple[float, Logits]:
        """The cross entropy of the tokens, and how far their logits are from those of a teacher."""
        if batch.teacher is not None:
            return self._distilled(self.problem, logits, batch, divisor)
        options = {"class_weights": self.class_weights, "label_smoothing": self.label_smoothing}
        return _loss(self.problem, logits, batch.labels, divisor, **options)

    def predictions(self, logits: Logits, batch: Batch, rows: Rows) -> Logits:
        """Logits (N, S, C)."""
        return padded(logits, batch.rows, rows)

    def label_ids(self, batch: Batch, rows: Rows) -> NDArray[np.int64]:
        """Labels (N, S)."""
        return padded(batch.labels, batch.rows, rows)

    def _check(self, labels: NDArray[np.int64]) -> None:
        """Raises for labels of a wrong kind or out of range."""
        loss_divisor(self.problem, labels, self.classes, class_weights=self.class_weights)


class ReplacedObjective(TokenObjective):
    """For each token whether it was replaced, 1, or not, 0; -100 does not count: labels (T), logits (T, 1).

    `compute_metrics` gets logits and labels (N, S), both padded with -100.
    """

    head = ReplacedTokenDetector
    label_names = ("labels",)
    problem = REPLACED

    @property
    def classes(self) -> int:
        """One logit for a token."""
        return 1

    def warn(self, rows: Rows, name: str) -> None:
        """Replaced tokens may be rare."""

    def predictions(self, logits: Logits, batch: Batch, rows: Rows) -> Logits:
        """Logits (N, S)."""
        return padded(logits[:, 0], batch.rows, rows)


class MaskedObjective(TokenObjective):
    """The token that was masked, -100 for those that do not count: labels (T), logits (T, V).

    The loss is computed in the core, in chunks of the vocabulary, unless there is a function for it. A data set without
    labels gets them from `collator`, new ones in each step and the same ones in each evaluation.
    """

    head = MaskedLanguageModel
    label_names = ("labels",)
    reads_rows = False

    @property
    def classes(self) -> int:
        """The words of the vocabulary."""
        return int(self.model._opened.settings["vocab_size"])

    def take_collator(self, collator: Any) -> None:
        """Remembers a collator that masks tokens."""
        if not isinstance(collator, DataCollatorForLanguageModeling) or not collator.mlm:
            return
        if collator.whole_word_mask:
            raise ValueError(
                "data_collator has whole_word_mask=True, for which a Trainer lacks the spans of tokens; "
                "deberta_c.pretrain masks whole words"
            )
        self.collator = collator

    def read(self, columns: Mapping[str, Any], name: str, tokenizer: Any) -> Rows:
        """The rows of a data set; without labels, the collator makes them."""
        rows = super().read(columns, name, tokenizer)
        return replace(rows, labels=()) if rows.labels is None and self.collator is not None else rows

    def batch(self, rows: Rows, chosen: NDArray[np.int64], seed: int | None = None) -> Batch:
        """The rows of these numbers, with labels (T)."""
        if rows.labels is None or len(rows.labels):
            return super().batch(rows, chosen, seed)
        assert self.collator is not None
        inputs = rows.inputs(chosen)
        random = np.random.default_rng([HELD_OUT, int(chosen[0])] if seed is None else [1, seed])
        inputs["ids"], labels = self.collator.mask_tokens(inputs["ids"], random=random)
        return Batch(chosen, inputs, labels)

    def warn(self, rows: Rows, name: str) -> None:
        """No text has all words."""

    def taught(self, rows: Rows, name: str) -> Rows:
        """The rows as they are: masks may be new in each step, so the teacher reads each batch."""
        return rows

    def loss(self, logits: Logits, batch: Batch, divisor: float) -> tuple[float, Logits]:
        """The cross entropy of the tokens, some at a time, because their logits are long."""
        total, gradient = 0.0, np.empty_like(logits)
        for some in batches(np.arange(len(logits)), 1 + _LOGITS // self.classes):
            teacher = None if batch.teacher is None else batch.teacher[some]
            part = batch._replace(labels=batch.labels[some], teacher=teacher)
            loss, gradient[some] = super().loss(logits[some], part, divisor)
            total += loss
        return total, gradient

    def divisor(self, batch: Batch) -> float:
        """The tokens that count."""
        return self.items(batch)

    def learn(self, session: Session, batch: Batch, divisor: Any, seed: int) -> float:
        """Adds the gradients of a batch."""
        inputs, targets = selected(batch)
        if len(targets) == 0:
            return 0.0
        if self._needs_logits or self.teacher is not None:
            teacher = None if self.teacher is None else self.teacher_logits(inputs)
            return super().learn(session, Batch(batch.rows, inputs, targets, teacher), divisor, seed)
        loss = session.masked_lm(inputs, targets, seed, self.label_smoothing)
        session.masked_lm_backward(1 / divisor)
        return float(loss / divisor)

    def evaluate(
        self, session: Session, batch: Batch, divisor: Any, *, logits: bool = True
    ) -> tuple[float | None, Logits | None]:
        """The share of a batch in the loss, and logits of all tokens (T, V), only if they are asked for."""
        found = session.evaluate(batch.inputs) if logits or batch.labels is None else None
        if batch.labels is None:
            return None, found
        inputs, targets = selected(batch)
        if len(targets) == 0:
            return 0.0, found
        if self._needs_logits:
            return self._loss(session.evaluate(inputs), batch._replace(labels=targets), divisor)[0], found
        return session.masked_lm(inputs, targets, None, self.label_smoothing) / divisor, found

    @property
    def _needs_logits(self) -> bool:
        return self.function is not None or self.class_weights is not None

    def _check(self, labels: NDArray[np.int64]) -> None:
        wrong = (labels != IGNORED) & ((labels < 0) | (labels >= self.classes))
        if wrong.any():
            raise ValueError(f"labels has {labels[wrong][0]}; it must be at least 0 and below {self.classes}, or -100")


def selected(batch: Batch) -> tuple[dict[str, Any], NDArray[np.int32]]:
    """The inputs of a batch of masked tokens, which select the tokens with a label, and their labels (K)."""
    chosen = batch.labels != IGNORED
    return {**batch.inputs, "selected": chosen.view(np.uint8)}, batch.labels[chosen].astype(np.int32)


class SpanObjective(Objective):
    """The tokens at which an answer begins and ends: labels (N, 2), logits (T, 2).

    The columns are `start_positions` and `end_positions`; a position behind its row does not count. `compute_metrics`
    gets two arrays of logits (N, S), padded with -100, and two of positions (N).
    """

    head = SpanReader
    label_names = ("start_positions", "end_positions")

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self._refuse_class_weights("positions are not classes")
        if self.function is not None:
            raise ValueError("compute_loss_func is given, but answers have no labels that it could get; leave it out")

    def given(self, columns: Mapping[str, Any]) -> Any:
        """Both columns, as one with two positions a row."""
        if not all(key in columns for key in self.label_names):
            return None
        return list(zip(*(columns[key] for key in self.label_names), strict=True))

    def labels(self, given: Any, rows: Rows, name: str) -> NDArray[np.int64]:
        """An array (N, 2) of positions."""
        found = np.asarray(given).reshape(len(given), -1)
        if found.dtype.kind not in "iu" or found.shape[1] != 2:
            raise ValueError(f"{name} has positions that are not integers; give start_positions and end_positions")
        self._within(found.astype(np.int64), np.arange(len(rows)), rows, name)
        return found.astype(np.int64)

    def labels_of(self, rows: Rows, chosen: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Positions (N, 2) among the tokens that are not masked."""
        return None if rows.labels is None else self._within(rows.labels[chosen], chosen, rows, "")

    def divisor(self, batch: Batch) -> NDArray[np.float64]:
        """The rows that count, for the begin and for the end."""
        return span_divisor(batch.inputs["offsets"], *batch.labels.T)

    def loss(self, logits: Logits, batch: Batch, divisor: NDArray[np.float64]) -> tuple[float, Logits]:
        """The mean of both cross entropies, and how far the logits are from those of a teacher."""
        function: Any = span_loss_and_gradient
        if batch.teacher is not None:
            options = {"teacher_logits": batch.teacher, "temperature": self.temperature, "alpha": self.alpha}
            function = partial(span_distillation_loss_and_gradient, **options)
        loss, gradient = function(logits, batch.inputs["offsets"], *batch.labels.T, divisor=divisor)
        return float(loss), gradient

    def predictions(self, logits: Logits, batch: Batch, rows: Rows) -> tuple[Logits, Logits]:
        """Logits (N, S) of the begin and of the end."""
        both = padded(logits, batch.rows, rows)
        return both[:, :, 0], both[:, :, 1]

    def label_ids(self, batch: Batch, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions (N) of the begin and of the end."""
        given = rows.labels[batch.rows]
        return given[:, 0], given[:, 1]

    def _within(self, positions: NDArray[np.int64], numbers: Any, rows: Rows, name: str) -> NDArray[np.int64]:
        """Positions in the columns of rows as places among their tokens."""
        if rows.kept is None:
            return positions
        found = np.empty_like(positions)
        for place, number in enumerate(numbers):
            kept, width = rows.kept[number], rows.widths[number]
            wanted = np.clip(positions[place], 0, width)
            found[place] = np.searchsorted(kept, wanted)
            masked = (wanted < width) & ~np.isin(wanted, kept)
            if masked.any():
                side = self.label_names[int(masked.argmax())]
                raise ValueError(
                    f"{name} {side}[{number}] is {wanted[masked][0]}, a masked token; give {width} to ignore the row"
                )
        return found


_OBJECTIVES: tuple[type[Objective], ...] = (
    SequenceObjective,
    TokenObjective,
    SpanObjective,
    ChoiceObjective,
    NextSentenceObjective,
    MaskedObjective,
    ReplacedObjective,
)


def objective_of(model: Any, **options: Any) -> Objective:
    """The objective of the head of a model; `options` are those of `Objective`.

    Errors: TypeError for a model that has no head to train.
    """
    if not isinstance(model, PreTrainingModel):  # the core has only one of its two heads
        for objective in _OBJECTIVES:
            if isinstance(model, objective.head):
                return objective(model, **options)
    raise TypeError(
        f"model is {type(model).__name__}, which has no head to train; open it with a class such as "
        "AutoModelForSequenceClassification, AutoModelForTokenClassification or AutoModelForMaskedLM"
    )


def padded(values: NDArray[Any], chosen: NDArray[np.int64], rows: Rows) -> NDArray[Any]:
    """Values of tokens (T, ...) as (N, S, ...), in the columns that the tokens had, padded with -100."""
    found = np.full((len(chosen), max(rows.widths), *values.shape[1:]), IGNORED, values.dtype)
    begin = 0
    for place, number in enumerate(chosen):
        count = len(rows.ids[number])
        columns: Any = slice(count) if rows.kept is None else rows.kept[number]
        found[place, columns] = values[begin : begin + count]
        begin += count
    return found


def _loss(
    problem: str | None, logits: Logits, labels: NDArray[Any], divisor: float, **options: Any
) -> tuple[float, Logits]:
    loss, gradient = loss_and_gradient(problem, logits, labels, divisor=divisor, **options)
    return float(loss), gradient


def _numbers(given: Any, config: Any, what: str) -> NDArray[Any]:
    """A column of labels, or the labels of a row, as numbers; names become the numbers that `label2id` gives them."""
    values = given if hasattr(given, "dtype") and given.dtype != object else list(given)
    missing = None
    if isinstance(values, list):
        missing = next((place for place, label in enumerate(values) if is_missing(label)), None)
    if missing is not None:
        raise ValueError(f"{what}[{missing}] is missing ({values[missing]!r}); drop such rows")
    if isinstance(values, list) and any(isinstance(label, str) for label in values):
        values = [_number(label, config, f"{what}[{place}]") for place, label in enumerate(values)]
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{what} has rows of different lengths; give a number for each label") from error
    if found.dtype.kind == "b" or not found.size:
        found = found.astype(np.int64)
    if found.dtype.kind not in "iuf" or (found.dtype.kind == "f" and not np.isfinite(found).all()):
        raise ValueError(f"{what} are not numbers, but {short(values)}; encode them, or name them in config.label2id")
    return found


def _number(label: Any, config: Any, place: str) -> Any:
    if not isinstance(label, str):
        return label
    if label not in config.label2id:
        raise ValueError(
            f"{place} is {label!r}; the model has the labels {short(list(config.label2id))}: open it with "
            "id2label={0: ..., 1: ...}, or call model.fit, which takes its names from the column"
        )
    return config.label2id[label]


def _labels_of_tokens(labels: Iterable[Any], word_ids: list[int | None]) -> list[Any]:
    """The labels of words for their first tokens, -100 for others."""
    of_words, before = list(labels), None
    found = []
    for word in word_ids:
        found.append(IGNORED if word is None or word == before else of_words[word])
        before = word
    return found


def _warn_of_absent(labels: NDArray[Any], classes: int, name: str) -> None:
    counts = np.bincount(labels[labels >= 0].astype(np.int64), minlength=classes)
    if not counts.all():
        absent = int(np.flatnonzero(counts == 0)[0])
        warn_caller(UserWarning(f"{name} has no row with the label {absent}; the model will not learn it"))
