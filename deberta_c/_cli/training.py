"""What commands of labelled rows share: options, the rows of a file, a model with their labels, checks of outputs."""

import argparse
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from deberta_c._base.about import default_model
from deberta_c._base.errors import MissingHeadWarning, short
from deberta_c._cli.columns import add_table_options, cells_of, require_columns, text_cells
from deberta_c._columns.tables import format_of, read_chunks, shown
from deberta_c._columns.texts import is_missing
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.config import AutoConfig
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import REGRESSION
from deberta_c.training.metrics import metric_name

_FILES = "a .csv, .tsv, .jsonl, .json or .parquet file"


class Labelled(NamedTuple):
    """The columns of a file; `pairs` is None without second texts."""

    texts: list[str]
    pairs: list[str] | None
    labels: list[Any]
    others: dict[str, list[Any]]  # further columns that were asked for

    def as_validation(self) -> tuple[Any, ...]:
        """The rows as `fit` takes them for a validation set."""
        return (self.texts, self.labels) if self.pairs is None else (self.texts, self.pairs, self.labels)


def add_data_options(command: argparse.ArgumentParser) -> None:
    """The options that say what is read, and for which model."""
    command.add_argument("input", type=Path, metavar="TRAIN", help=f"{_FILES} of labelled texts, or one with .gz")
    command.add_argument("--text-column", "--column", default="text", help="the column of texts (default: text)")
    command.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    command.add_argument("--label-column", default="label", help="the column of labels (default: label)")
    command.add_argument("--regression", action="store_true", help="the labels are numbers to predict")
    command.add_argument(
        "--validation",
        type=_validation,
        default=0.1,
        metavar="FILE|SHARE",
        help="the file of the validation set, or the share of TRAIN that is drawn for it, with the same share of every "
        "label (default: 0.1); 0 for none",
    )
    add_table_options(command)


def add_fixed_options(command: argparse.ArgumentParser) -> None:
    """The hyperparameters that `tune` does not search."""
    command.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    command.add_argument(
        "--optimizer",
        choices=tuple(OPTIMIZERS),
        default="adamw",
        help="adamw, or xadam: without bias correction, as the DeBERTa paper has it (default: adamw)",
    )
    command.add_argument(
        "--schedule",
        choices=("linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"),
        default="linear",
        help="how the learning rate goes on after the warm-up (default: linear)",
    )
    command.add_argument("--clip", type=float, default=1.0, help="the largest norm of all gradients (default: 1.0)")
    command.add_argument(
        "--accumulation", type=int, default=1, help="batches whose gradients are added for a step (default: 1)"
    )
    command.add_argument("--label-smoothing", type=float, default=0.0, help="between 0 and 1 (default: 0)")
    command.add_argument(
        "--class-weight", choices=("balanced",), help="balanced: rare labels count as much as frequent ones"
    )
    command.add_argument(
        "--metric",
        type=metric_name,
        choices=("loss", "accuracy", "f1", "rmse", "r2"),
        default="loss",
        help="what chooses the best epoch on the validation set (default: loss)",
    )
    command.add_argument(
        "--patience",
        type=int,
        default=2,
        help="stop after this many epochs in a row that are no better on the validation set (default: 2)",
    )
    command.add_argument(
        "--freeze-layers",
        type=int,
        default=0,
        metavar="N",
        help="the embeddings and the first N layers do not change",
    )
    command.add_argument("--freeze-embeddings", action="store_true", help="the embeddings do not change")
    command.add_argument(
        "--layerwise-decay",
        type=float,
        default=1.0,
        help="multiply the learning rate by this with each layer below the head (default: 1)",
    )
    command.add_argument("--lora-rank", type=int, help="train adapters of this rank (LoRA) and the head alone")
    command.add_argument("--lora-alpha", type=float, help="their weight times the rank (default: the rank)")
    command.add_argument(
        "--lora-targets",
        nargs="+",
        metavar="MODULE",
        help="the layers that they adapt (default: those of queries and values: query_proj value_proj; BERT has query "
        "value)",
    )
    add_teacher_options(command, "a classifier of the same labels, whose logits the model is to follow")
    command.add_argument("--bf16", action="store_true", help=BF16)
    command.add_argument("--checkpointing", action="store_true", help="less memory and more time for a step")
    command.add_argument("--seed", type=int, default=42, help="of the split, a new head, the order and dropout")


def add_teacher_options(command: argparse.ArgumentParser, help: str) -> None:
    """The options of a distillation."""
    command.add_argument("--teacher", metavar="DIR", help=help)
    command.add_argument(
        "--distillation-alpha",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="with --teacher: the share of the labels in the loss, from 0 to 1 (default: 0.5)",
    )
    command.add_argument(
        "--distillation-temperature", type=float, default=2.0, help="of the logits of the teacher (default: 2)"
    )


def teacher_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a training that `add_teacher_options` reads."""
    return {
        "teacher": options.teacher,
        "distillation_alpha": options.distillation_alpha,
        "distillation_temperature": options.distillation_temperature,
    }


BF16 = "multiply in bfloat16, about 8 significant bits (needs AVX512_BF16)"
OPTIMIZERS = {"adamw": "adamw_torch", "xadam": "xadam"}


def fixed_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `fit` that `add_fixed_options` reads."""
    return {
        "max_length": options.max_length,
        "optim": OPTIMIZERS[options.optimizer],
        "lr_scheduler_type": options.schedule,
        "max_grad_norm": options.clip,
        "gradient_accumulation_steps": options.accumulation,
        "label_smoothing_factor": options.label_smoothing,
        "class_weight": options.class_weight,
        "metric": options.metric,
        "patience": options.patience,
        "freeze_layers": options.freeze_layers,
        "freeze_embeddings": options.freeze_embeddings,
        "layerwise_lr_decay": options.layerwise_decay,
        "lora": _lora(options),
        **teacher_options(options),
        "bf16": options.bf16,
        "activation_checkpointing": options.checkpointing,
        "seed": options.seed,
    }


def _lora(options: argparse.Namespace) -> dict[str, Any] | None:
    if options.lora_rank is None:
        if options.lora_alpha is not None or options.lora_targets is not None:
            raise ValueError("--lora-alpha or --lora-targets is given without --lora-rank; give the rank, such as 8")
        return None
    alpha = options.lora_rank if options.lora_alpha is None else options.lora_alpha
    return {"r": options.lora_rank, "lora_alpha": alpha, "target_modules": options.lora_targets}


def read_labelled(path: Path, options: argparse.Namespace, others: Iterable[str] = ()) -> Labelled:
    """The labelled rows of a file, with the columns `others`; errors name the line."""
    reads = format_of(path, "csv", options.delimiter, options.encoding, not options.no_quotes)
    source = shown(path)
    texts: list[str] = []
    pairs: list[str] = []
    labels: list[Any] = []
    names = {
        "--text-column": options.text_column,
        "--pair-column": options.pair_column,
        "--label-column": options.label_column,
    }
    further: dict[str, list[Any]] = {name: [] for name in others}
    for chunk in read_chunks(path, reads, 4096):
        if not texts:
            require_columns(chunk, reads, names)
            for name in further:
                require_columns(chunk, reads, {"--by": name})
        texts += text_cells(chunk, options.text_column, source, reads, "drop such rows")
        if options.pair_column:
            pairs += text_cells(chunk, options.pair_column, source, reads, "drop such rows")
        found = cells_of(chunk, options.label_column, reads)
        if getattr(options, "label_separator", None):  # a text may have no label
            found = ["" if is_missing(label) else label for label in found]
        for row, label in enumerate(found):
            if is_missing(label):
                raise ValueError(f"{source}, {chunk.place(row)}: the label is missing; drop such rows")
        labels += found
        for name, values in further.items():
            values += cells_of(chunk, name, reads)
    if not texts:
        raise ValueError(f"{source} has no rows; give labelled texts")
    return Labelled(
        texts, pairs if options.pair_column else None, _numbers(labels, options.regression, source), further
    )


def validation_rows(options: argparse.Namespace) -> float | tuple[Any, ...] | None:
    """The `validation` of `fit`."""
    if isinstance(options.validation, Path):
        return read_labelled(options.validation, options).as_validation()
    return options.validation or None


def model_opener(options: argparse.Namespace, labels: list[Any]) -> Callable[[], SequenceClassifier]:
    """A function that opens the model, with a head for these labels."""
    directory = default_model() if options.model is None else options.model
    keys = _label_keys(AutoConfig.from_pretrained(directory), labels, options.regression)

    def open_model() -> SequenceClassifier:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingHeadWarning)  # a new head is drawn when the training begins
            model: SequenceClassifier = AutoModelForSequenceClassification.from_pretrained(
                directory, ignore_mismatched_sizes=True, **keys
            )
            return model

    return open_model


def _label_keys(config: Any, labels: list[Any], regression: bool) -> dict[str, Any]:
    """The keys of config.json that the labels need: none if the model has these labels already."""
    if regression:
        return {"num_labels": 1, "problem_type": REGRESSION}
    found = sorted(set(labels), key=lambda label: (isinstance(label, str), label))
    if len(found) == 1:
        raise ValueError(f"all labels are {found[0]!r}; a classifier needs rows of two labels at least")
    known = set(map(str, found)) <= config.label2id.keys() or set(found) <= set(range(config.num_labels))
    if len(found) == config.num_labels and known:
        return {}
    return {"id2label": {number: str(label) for number, label in enumerate(found)}}


def _numbers(labels: list[Any], regression: bool, source: str) -> list[Any]:
    """Labels as numbers where all of them are: whole ones, and for a regression any."""
    for label in labels:
        if not isinstance(label, (str, int, float)):
            raise ValueError(f"{source} has the label {short(label)}; a label must be a text or a number")
    try:
        return [float(label) if regression else _whole(label) for label in labels]
    except ValueError as error:
        if regression:
            raise ValueError(f"{source} has a label that is not a number ({error}); leave out --regression") from error
        return [str(label) for label in labels]


def _whole(label: str | float) -> int:
    """A label as an int; ValueError for any other number."""
    if isinstance(label, bool) or (isinstance(label, float) and not label.is_integer()):
        raise ValueError(label)
    return int(label)


def _validation(value: str) -> float | Path:
    try:
        return float(value)
    except ValueError:
        return Path(value)
