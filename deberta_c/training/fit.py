"""`model.fit`: from a column of texts and one of labels to a fine-tuned model."""

import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import boolean, folder
from deberta_c._base.errors import short
from deberta_c._columns.frames import table_of
from deberta_c._models.auto import AutoModelForSequenceClassification, opened
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import MULTIPLE, REGRESSION, SINGLE, weights_of
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, as_tokenizer
from deberta_c.training.arguments import TrainingArguments, integer, raise_for_unknown
from deberta_c.training.callbacks import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from deberta_c.training.examples import Examples, read_examples
from deberta_c.training.labels import (
    ClassWeight,
    EncodedLabels,
    class_weights,
    encode_labels,
    require_examples,
    split_rows,
)
from deberta_c.training.metrics import metric_name, metrics_of
from deberta_c.training.one_class import OneClassCallback
from deberta_c.training.result import FitResult, history_of
from deberta_c.training.trainer import Trainer

Validation = Any  # a share, (texts, labels), (texts, text_pairs, labels), a table, or None
LOWER_IS_BETTER = ("loss", "rmse")
OWN_NAMES = {
    "per_device_train_batch_size": "batch_size", "num_train_epochs": "epochs", "warmup_steps": "warmup",
}  # fmt: skip


def fit(
    model: Any,
    texts: Any,
    labels: Iterable[Any] | None = None,
    text_pairs: Iterable[Any] | None = None,
    *,
    text: str = "text",
    label: str = "label",
    text_pair: str | None = None,
    validation: Validation = 0.1,
    epochs: float = 3,
    batch_size: int = 16,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    max_length: int | None = None,
    class_weight: ClassWeight = None,
    sample_weight: Iterable[float] | None = None,
    teacher: Any = None,
    metric: str = "loss",
    patience: int | None = 2,
    seed: int = 42,
    progress: bool = True,
    output_dir: str | Path | None = None,
    resume: bool = False,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **arguments: Any,
) -> FitResult:
    """What `fit` of a `SequenceClassifier` does; see that method."""
    raise_for_unknown("fit", arguments, signature(fit).parameters, OWN_NAMES)
    own: PreTrainedTokenizerFast = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
    if patience is not None:
        patience = integer("patience", patience, 1, " (epochs), or None to train all epochs")
    seed, progress, resume = integer("seed", seed, 0), boolean("progress", progress), boolean("resume", resume)
    if resume and output_dir is None:
        raise ValueError(f"resume is {resume!r}, but output_dir is None; give the directory that has the checkpoints")
    columns, validation = read_columns(texts, labels, text_pairs, text, label, text_pair, validation)
    count = len(columns.labels)
    if isinstance(validation, Examples):
        columns = _followed_by(columns, validation)
    _check_seen(encode_labels(columns.labels[:count], model.config, columns.label_name), columns, count)
    encoded = encode_labels(columns.labels, model.config, columns.label_name)
    learned, held_out = _divided(encoded, count, validation, seed)
    seen = encoded._replace(values=encoded.values[learned])
    require_examples(seen)
    weights = class_weights(class_weight, seen)
    metric = metric_name(metric)
    _check_metric(metric, encoded.problem)
    table = _encoded(columns, own, max_length) | {"labels": encoded.values.tolist()}
    if sample_weight is not None:
        table["sample_weight"] = _row_weights(sample_weight, count, len(encoded.values) - count)
    train: dict[str, Any] = _chosen(table, learned)
    if teacher is not None:
        train["teacher_logits"] = _teacher_logits(teacher, columns, learned, encoded, max_length)
    began = time.perf_counter()
    with _directory(output_dir) as place:
        settings = {
            "output_dir": str(place),
            "per_device_train_batch_size": batch_size,
            "per_device_eval_batch_size": batch_size,
            "num_train_epochs": epochs,
            "learning_rate": _learning_rate(model) if learning_rate is None else learning_rate,
            "warmup_steps": warmup,
            "weight_decay": weight_decay,
            "seed": seed,
            "logging_strategy": "epoch",
            "disable_tqdm": not progress,
            **_saving(len(held_out) > 0, metric, output_dir is not None, arguments),
            **arguments,
        }
        stops = settings["eval_strategy"] != "no" and patience is not None
        checked = training_arguments(settings)
        with _labels_of(model, encoded):
            trainer = Trainer(
                model,
                checked,
                train_dataset=train,
                eval_dataset=_chosen(table, held_out) if len(held_out) else None,
                processing_class=None if output_dir is None else own,  # which checkpoints that stay have, too
                compute_metrics=metrics_of(encoded.problem),
                callbacks=_stops(patience) if stops and patience else [],
                class_weights=weights,
            )
            if not progress:
                trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=resume or None)
    return _result(trainer, encoded, metric, time.perf_counter() - began)


@contextmanager
def _labels_of(model: Any, encoded: EncodedLabels) -> Iterator[None]:
    """A block in which a model has the names of the labels; it keeps them, unless the block raises an error."""
    config = model.config
    before = config.id2label, config.label2id, config.problem_type
    config.id2label = dict(enumerate(encoded.names))
    if encoded.problem == MULTIPLE:
        config.problem_type = MULTIPLE
    try:
        yield
    except Exception:
        config.id2label, config.label2id, config.problem_type = before
        raise


def _stops(patience: int) -> list[TrainerCallback]:
    """What stops a training whose validations get no better, or find one class only."""
    return [EarlyStoppingCallback(early_stopping_patience=patience), OneClassCallback(patience + 1)]


def read_columns(
    texts: Any, labels: Any, pairs: Any, text: str, label: str, text_pair: str | None, validation: Validation
) -> tuple[Examples, Validation]:
    """The rows to train on, and those to validate with, which may also be a share of the former, or None."""
    if pairs is not None and text_pair is not None:
        raise ValueError("text_pairs and text_pair are both given; give the column, or its name in the table")
    names = {"text": text, "label": label}
    if text_pair is None:
        rows = read_examples(texts, labels, pairs, pair_argument="text_pairs", **names)
    else:
        rows = read_examples(texts, labels, text_pair, pair_argument="text_pair", **names)
    if isinstance(validation, tuple):
        if len(validation) not in (2, 3):
            raise ValueError(
                f"validation is a tuple of {len(validation)}; give (texts, labels) or (texts, text_pairs, labels)"
            )
        first, *second, last = validation
        validation = read_examples(first, last, *second, pair_argument="text_pairs", of="validation ", **names)
    elif (table := table_of(validation)) is not None:
        validation = read_examples(table, None, text_pair, pair_argument="text_pair", of="validation ", **names)
    elif validation is not None and not isinstance(validation, Real):
        raise TypeError(
            f"validation is a {type(validation).__name__}; give a share such as 0.1, a table, a tuple (texts, labels), "
            "or None"
        )
    return rows, validation


def _followed_by(rows: Examples, others: Examples) -> Examples:
    """The rows of both."""
    if (rows.pairs is None) != (others.pairs is None):
        raise ValueError("validation has second texts, or text_pairs are given, but not both; give none or both")
    pairs = None if rows.pairs is None or others.pairs is None else rows.pairs + others.pairs
    count = len(rows.labels)

    def label_name(row: int) -> str:
        return rows.label_name(row) if row < count else others.label_name(row - count)

    return Examples(rows.texts + others.texts, pairs, rows.labels + others.labels, {}, label_name)


def _encoded(rows: Examples, tokenizer: PreTrainedTokenizerFast, max_length: int | None) -> dict[str, list[Any]]:
    """Columns of ids and, where the tokenizer returns them, types."""
    found = tokenizer(rows.texts, rows.pairs, truncation=True, max_length=max_length)
    return {key: found[key] for key in ("input_ids", "token_type_ids") if key in found}


def _row_weights(given: Iterable[float], count: int, more: int) -> list[float]:
    """The weights of `count` rows, and 1 for each of `more` rows to validate with."""
    try:
        values = np.asarray(list(given), np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"sample_weight is {short(given)}; give a column of numbers, one for each row") from error
    found: list[float] = [*weights_of("sample_weight", values, count).tolist(), *[1.0] * more]
    if not values.any():
        raise ValueError("sample_weight is 0 for all rows; give some of them a weight above 0")
    return found


def _teacher_logits(
    teacher: Any, columns: Examples, rows: NDArray[np.int64], encoded: EncodedLabels, max_length: int | None
) -> NDArray[np.float32]:
    """The logits (N, C) that a teacher, with a tokenizer of its own, gives the texts of these rows."""
    teacher = opened(teacher, AutoModelForSequenceClassification)
    if not isinstance(teacher, SequenceClassifier):
        raise TypeError(
            f"teacher is a {type(teacher).__name__}; give a model of AutoModelForSequenceClassification, or its "
            "directory"
        )
    names = teacher.labels()
    if encoded.problem != REGRESSION and sorted(names) != sorted(encoded.names):
        raise ValueError(
            f"teacher has the labels {short(names)}, but the rows {short(encoded.names)}; give one of these"
        )
    pairs = None if columns.pairs is None else [columns.pairs[row] for row in rows]
    logits = teacher.predict([columns.texts[row] for row in rows], pairs, max_length=max_length)
    return logits if encoded.problem == REGRESSION else logits[:, [names.index(name) for name in encoded.names]]


def _divided(
    encoded: EncodedLabels, count: int, validation: Validation, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on, among the first `count`, and those to validate with."""
    everything = np.arange(len(encoded.values))
    if validation is None or isinstance(validation, Examples):
        return everything[:count], everything[count:]
    return split_rows(count, validation, seed, encoded.classes())


def _check_seen(seen: EncodedLabels, columns: Examples, count: int) -> None:
    """Raises ValueError for a class that the validation set has, but none of the first `count` rows."""
    known = set(columns.labels[:count]) if seen.problem == SINGLE else set()
    for row, label in enumerate(columns.labels[count:] if known else [], count):
        if label not in known:
            raise ValueError(
                f"{columns.label_name(row)} is {label!r}, a label that no row to train on has; mend it, or add such "
                "rows"
            )


def _chosen(table: dict[str, list[Any]], rows: NDArray[np.int64]) -> dict[str, list[Any]]:
    return {name: [column[row] for row in rows.tolist()] for name, column in table.items()}


def _check_metric(metric: str, problem: str) -> None:
    known = ("loss", "rmse", "r2") if problem == REGRESSION else ("loss", "accuracy", "f1")
    if metric not in known:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(known)}")


def _saving(evaluates: bool, metric: str, keeps: bool, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments that choose the best evaluation, and what is written to find it again.

    What the caller gave decides the rest: checkpoints are written when the model is evaluated, and the other way round;
    with save_strategy="no" the model ends with its last weights.
    """
    strategy = given.get("eval_strategy", given.get("evaluation_strategy"))
    saves = given.get("save_strategy")
    if not evaluates or strategy == "no":
        return {"eval_strategy": "no", "save_strategy": "epoch" if keeps else "no"}
    if strategy is None:
        strategy = saves if saves in ("steps", "epoch") else "epoch"
    found = {
        "eval_strategy": strategy,
        "metric_for_best_model": metric,
        "greater_is_better": metric not in LOWER_IS_BETTER,
    }
    if saves == "no":
        return found
    for name, other in (("eval_steps", "save_steps"), ("save_steps", "eval_steps")):
        if strategy == "steps" and name not in given and other in given:
            found[name] = given[other]
    return found | {
        "save_strategy": strategy,
        "save_total_limit": 1,
        "save_only_model": not keeps,
        "load_best_model_at_end": True,
    }


def training_arguments(settings: dict[str, Any]) -> TrainingArguments:
    """The arguments of the training; messages call them as `fit` and `pretrain` do."""
    try:
        return TrainingArguments(**settings)
    except (TypeError, ValueError) as error:
        message = str(error)
        for name, own in OWN_NAMES.items():
            message = message.replace(name, own)
        raise (TypeError if isinstance(error, TypeError) else ValueError)(message) from None


def _directory(given: str | Path | None) -> AbstractContextManager[str | Path]:
    """Where checkpoints go: a directory that is removed at the end, unless one is given."""
    if given is None:
        return tempfile.TemporaryDirectory(prefix="deberta_c-fit-")
    return nullcontext(folder("output_dir", given))


def _learning_rate(model: Any) -> float:
    """About what the authors of DeBERTa used for a model of this width."""
    width = model.config.hidden_size
    return 5e-5 if width < 768 else 2e-5 if width < 1024 else 1e-5


def _result(trainer: Trainer, encoded: EncodedLabels, metric: str, seconds: float) -> FitResult:
    state = trainer.state
    history = history_of(state.log_history)
    scored = [row for row in history if f"validation_{metric}" in row]
    best = max(math.ceil(state.epoch), 1)
    if scored:
        sign = 1 if metric in LOWER_IS_BETTER else -1
        best = min(scored, key=lambda row: sign * row[f"validation_{metric}"])["epoch"]
    return FitResult(history, best, encoded.names, seconds, state.global_step < state.max_steps)
