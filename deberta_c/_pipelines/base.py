"""The base of all pipelines: one result for each text of a str, a column or an iterator."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from deberta_c._base.checks import boolean, is_integer
from deberta_c._base.errors import describe, warn_caller
from deberta_c._base.suggest import unknown_option
from deberta_c._base.tables import html_facts
from deberta_c._columns.texts import (
    Missing,
    RowName,
    can_be_read_twice,
    check_na,
    is_column,
    is_dataset,
    is_missing,
    items_of,
    pieces_of,
    portions,
    raise_for_lazy_frame,
    rows_of,
    single_name,
    texts_of,
)
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.precision import Precision, wanted_dtype
from deberta_c._models.predict import progress_bar
from deberta_c._tokenizers.encodings import require_cpu
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import (
    PreTrainedTokenizerFast,
    as_tokenizer,
    check_padding,
    raise_for_bad_row,
    warn_of_cuts,
)

M = TypeVar("M", bound=PreTrainedModel)

_WINDOW = 2048  # rows of a column that are read and encoded at once
SHARED = ("na", "progress")  # options of every pipeline

# Arguments of transformers that have no effect, and the values that are accepted without a warning.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "framework": (None, "pt"),
    "use_fast": (None, True),
    "binary_output": (None, False),
    "task": (None, ""),
    **dict.fromkeys(("feature_extractor", "image_processor", "video_processor", "processor", "args_parser"), (None,)),
}


DTYPES = ("dtype", "torch_dtype")


class Plan(Protocol):
    """The checked options of a call."""

    def one(self, inputs: Any) -> Any:
        """The result of one text."""
        ...

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The results of a column; messages number its rows from `start`."""
        ...


class Pipeline(ABC, Generic[M]):
    """A model and its tokenizer behind one call.

    The constructor, `pipeline` and a call of every pipeline accept these options. `na` decides about missing values
    (None, NaN, pd.NA): "raise" an error, "empty" treats them as empty texts, "skip" returns None for them.
    `progress=True` shows a bar by tqdm if it is installed, otherwise a line on stderr. `batch_size` texts are read at
    once from an iterator or a data set, for which the result is an iterator; columns are batched by tokens.
    `num_workers`, `framework` and `use_fast` are accepted and have no effect; `dtype` (or `torch_dtype`) is passed to
    `from_pretrained`, or must be that of the opened model.
    """

    model: M
    tokenizer: PreTrainedTokenizerFast
    task: ClassVar[str]
    other_names: ClassVar[tuple[str, ...]] = ()  # other names of the task
    opener: ClassVar[Any]  # the Auto class that opens a directory for the task
    takes: ClassVar[type[PreTrainedModel]]  # the class of its models
    _option_names: ClassVar[tuple[str, ...]]  # besides those of every pipeline
    _single: ClassVar[tuple[type, ...]] = (str,)  # types that are one text
    _kinds: ClassVar[str] = "a str or a column of them"

    def __init__(
        self,
        model: M,
        tokenizer: PreTrainedTokenizerFast | str | Path | None = None,
        *,
        device: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        require_cpu(device)
        if not isinstance(model, self.takes):
            raise TypeError(
                f"model is of type {type(model).__name__}; for {self.task!r} give a directory or what "
                f"{self.opener.__name__}.from_pretrained returned"
            )
        _check_dtype(model, options)
        self.model = model
        self.tokenizer = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
        self._batch_size = 1 if batch_size is None else check_batch_size(batch_size)
        self._options = self._known(_without_harmless(options))
        self._plan = self._make_plan({})

    @abstractmethod
    def _new_plan(self, options: Mapping[str, Any]) -> Plan:
        """The plan of a call with these options, whose names are checked."""

    def _with_current_names(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options, with current names instead of former ones."""
        return options

    def _known(self, options: dict[str, Any], called: str = "", listed: Iterable[str] = ()) -> dict[str, Any]:
        """The options with current names; TypeError for one that the pipeline does not have.

        `called` is the method and `listed` the names of its arguments, for the message; without them those of a call.
        """
        options = self._with_current_names({name: value for name, value in options.items() if name != "num_workers"})
        if options.keys() - {*self._option_names, *SHARED}:
            names = (*self._option_names, *SHARED)
            raise unknown_option(
                called or f"a pipeline for {self.task!r}", options, list(listed) or (*names, "batch_size")
            )
        check_na(options.get("na"))
        return options

    def _make_plan(self, options: Mapping[str, Any]) -> Plan:
        return self._new_plan({**self._options, **options})

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """The results of `inputs`; options, `batch_size` included, replace those of the constructor for this call."""
        if not options:
            return self._answer_inputs(inputs, self._plan, self._options, self._batch_size)
        batch_size = options.pop("batch_size", None)
        options = self._known(options)
        return self._answer_inputs(
            inputs,
            self._make_plan(options) if options else self._plan,
            {**self._options, **options},
            self._batch_size if batch_size is None else check_batch_size(batch_size),
        )

    def _answer_inputs(self, inputs: Any, plan: Plan, options: Mapping[str, Any], batch_size: int) -> Any:
        if isinstance(inputs, self._single):
            return plan.one(inputs)
        progress = switch(options, "progress")
        if isinstance(inputs, Iterator) or is_dataset(inputs):
            return _stream(inputs, plan, batch_size, progress)
        if is_missing(inputs):
            na = options.get("na") or "raise"
            if na == "raise":
                raise ValueError(
                    f"inputs is a missing value ({inputs!r}); drop such rows first, as frame.dropna(subset=...) does, "
                    'or give na="empty" to treat them as empty texts or na="skip" to return None'
                )
            return plan.one("") if na == "empty" else None
        raise_for_lazy_frame(inputs, "inputs")
        if not is_column(inputs):
            raise ValueError(f"inputs is of type {type(inputs).__name__}; give {self._kinds}")
        return plan.column(inputs, progress=progress)

    def predict(self, X: Any) -> Any:
        """The same as a call, under the name of scikit-learn."""
        return self(X)

    def transform(self, X: Any) -> Any:
        """The same as a call, under the name of scikit-learn."""
        return self(X)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Writes the model and the tokenizer to a directory; see `save_pretrained` of the model."""
        self.model.save_pretrained(save_directory)
        self.tokenizer.save_pretrained(save_directory)

    @property
    def device(self) -> str:
        """Where the network runs: "cpu"."""
        return self.model.device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def _repr_html_(self) -> str:
        """The pipeline as a table, for notebooks."""
        facts = {"pipeline": type(self).__name__, "task": self.task, **self.model._facts(self.tokenizer)}
        if self._options:
            facts["options"] = ", ".join(f"{name}={describe(value)}" for name, value in self._options.items())
        return html_facts(facts)


class TokenPlan(ABC, Generic[M]):
    """A plan for results that depend on tokens; `encoding` are the options of the core's `encode`."""

    def __init__(
        self,
        model: M,
        tokenizer: PreTrainedTokenizerFast,
        encoding: dict[str, Any],
        options: Mapping[str, Any],
        limited: bool = False,
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._encoding = encoding
        self._na: Missing = options.get("na") or "raise"
        self._limited = limited  # whether the caller chose the limit

    @abstractmethod
    def answers(self, texts: list[str], rows: Rows, row_name: RowName) -> list[Any]:
        """One result for each text."""

    def one(self, inputs: Any) -> Any:
        """The result of one text."""
        rows = self._encode([inputs], single_name("inputs"))
        self._warn(rows.cut, "1 text")
        return self.answers([inputs], rows, single_name("inputs"))[0]

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The results of a column; messages number its rows from `start`."""
        answers: list[Any] = []
        cut = 0
        with progress_bar(progress, length_of(inputs)) as advance:
            pieces = pieces_of(inputs, "inputs", _WINDOW)
            for values in (piece[part] for piece in pieces for part in portions(piece)):
                row_name = rows_of("inputs", start + len(answers))
                texts, missing = texts_of(values, "inputs", self._na, row_name)
                rows, found = self._window(texts, missing if self._na == "skip" else None, row_name)
                answers += found
                cut += rows.cut
                advance(len(found))
        self._warn(cut, f"{len(answers)} texts")
        return answers

    def _window(self, texts: list[str], missing: Any, row_name: RowName) -> tuple[Rows, list[Any]]:
        """The rows of the texts that are not missing, and one result for each text, None for a missing one."""
        if missing is None:
            rows = self._encode(texts, row_name)
            return rows, self.answers(texts, rows, row_name)
        kept = np.flatnonzero(~missing).tolist()
        rows, some = self._window([texts[row] for row in kept], None, lambda row: row_name(kept[row]))
        answers: list[Any] = [None] * len(texts)
        for row, answer in zip(kept, some, strict=True):
            answers[row] = answer
        return rows, answers

    def _encode(self, texts: list[str], row_name: RowName) -> Rows:
        try:
            return self.tokenizer._encode_for_model(texts, None, self._encoding)
        except ValueError:
            raise_for_bad_row(self.tokenizer, texts, None, self._encoding, (row_name, row_name))
            raise

    def _warn(self, cut: int, texts: str) -> None:
        if cut and not self._limited:
            warn_of_cuts(cut, texts, self._encoding["max_length"])


def encoding_options(tokenizer: PreTrainedTokenizerFast, how: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Options of the core for arguments of a tokenizer, and whether they limit the length; by default nothing is cut.

    Errors: TypeError for an argument that pipelines do not support.
    """
    known = ("truncation", "max_length", "padding", "add_special_tokens")
    if how.keys() - set(known):
        raise unknown_option("a tokenizer in a pipeline", how, known)
    limit, truncation = how.get("max_length"), how.get("truncation")
    if check_padding(how.get("padding", False)) is None and truncation is None:
        truncation = limit is not None
    return tokenizer._encode_options(truncation, limit, how.get("add_special_tokens", True)), limit is not None


def length_of(inputs: Any) -> int | None:
    """The number of rows; None for an iterator."""
    return len(inputs) if can_be_read_twice(inputs) else None


def switch(options: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """An option that is True or False; `default` without it, or where it is None.

    Errors: TypeError for anything else: a str would count as True, "no" and "False", too.

    >>> switch({"windows": None}, "windows"), switch({"windows": 1}, "windows")
    (False, True)
    """
    value = options.get(name)
    return default if value is None else boolean(name, value)


def check_batch_size(value: Any) -> int:
    """The value; ValueError unless it is a number of texts."""
    if not is_integer(value) or value < 1:
        raise ValueError(f"batch_size is {value!r}; it must be an integer of at least 1")
    return int(value)


def check_top_k(value: Any, otherwise: str) -> None:
    """TypeError or ValueError unless it is a number of results; messages say that None means `otherwise`."""
    if value is not None and not is_integer(value):
        raise TypeError(f"top_k is {value!r}; it must be an integer, or None for {otherwise}")
    if value is not None and value < 1:
        raise ValueError(f"top_k is {value}; it must be at least 1, or None for {otherwise}")


def _without_harmless(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that have no effect; one warning names those with other values than usual."""
    ignored = [name for name, usual in _HARMLESS.items() if name in options and options[name] not in usual]
    if ignored:
        warn_caller(UserWarning(f"ignored by a pipeline: {', '.join(ignored)}"))
    return {name: value for name, value in options.items() if name not in _HARMLESS and name not in DTYPES}


def _check_dtype(model: PreTrainedModel, options: Mapping[str, Any]) -> None:
    """ValueError for a `dtype` or `torch_dtype` other than that of the opened model."""
    wanted, now = wanted_dtype(options), model.precision
    if any(options.get(name) is not None for name in DTYPES) and wanted not in ("auto", now.dtype, now):
        shown = now if isinstance(wanted, Precision) else now.dtype
        raise ValueError(f"dtype is {wanted!r}, but the model is open in {shown!r}; give model.to_dtype({wanted!r})")


def _stream(inputs: Any, plan: Plan, batch_size: int, progress: bool) -> Iterator[Any]:
    values, start = items_of(inputs), 0
    with progress_bar(progress, length_of(inputs)) as advance:
        while batch := list(islice(values, batch_size)):
            yield from plan.column(batch, start)
            start += len(batch)
            advance(len(batch))
