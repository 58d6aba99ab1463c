"""What pipelines share: a text, a column or an iterator goes in, and as many answers come out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from deberta_c._frame import RowName, is_column, is_missing, pieces_of, rows_of, texts_of, the_only
from deberta_c._model import PreTrainedModel
from deberta_c._tokenizer import PreTrainedTokenizerFast, Rows, explain, warn_of_cuts

M = TypeVar("M", bound=PreTrainedModel)

_WINDOW = 2048  # rows of a column that are read and encoded at once


class Plan(Protocol):
    """The checked options of a call."""

    def one(self, inputs: Any) -> Any:
        """The answer to a text that stands alone."""

    def column(self, inputs: Iterable[Any], start: int = 0) -> list[Any]:
        """The answers for a column whose first row is number `start` for the user."""


class Pipeline(ABC, Generic[M]):
    """A model and its tokenizer behind one call."""

    task: ClassVar[str]
    other_names: ClassVar[tuple[str, ...]] = ()  # of the task
    opener: ClassVar[Any]  # the Auto class that opens a directory for it
    takes: ClassVar[type[PreTrainedModel]]
    _single: ClassVar[tuple[type, ...]] = (str,)  # what stands for one text
    _kinds: ClassVar[str] = "a str or a column of them"
    _remedy: ClassVar[str] = ""  # for missing values, beside dropping them

    def __init__(
        self, model: M, tokenizer: PreTrainedTokenizerFast, batch_size: int, options: Mapping[str, Any]
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._batch_size = batch_size
        self._options = options
        self._plan = self._planned({})

    @abstractmethod
    def _planned(self, options: Mapping[str, Any]) -> Plan:
        """The plan of a call with these options."""

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Answers `inputs`; options replace those that were given to `pipeline`, `batch_size` among them.

        `num_workers` is accepted and changes nothing, here and in `pipeline`.
        """
        batch_size = check_batch_size(options.pop("batch_size", self._batch_size))
        options.pop("num_workers", None)
        plan = self._planned(options) if options else self._plan
        if isinstance(inputs, self._single):
            return plan.one(inputs)
        if isinstance(inputs, Iterator):
            return _stream(inputs, plan, batch_size)
        if is_missing(inputs):
            raise ValueError(
                f"inputs is a missing value ({inputs!r}); drop such rows first, as frame.dropna(subset=...) does"
                f"{self._remedy}"
            )
        if not is_column(inputs):
            raise ValueError(f"inputs is of type {type(inputs).__name__}; give {self._kinds}")
        return plan.column(inputs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"


class TokenPlan(ABC, Generic[M]):
    """A plan that looks at each token of each text; `options` are those of the core's encoder."""

    def __init__(
        self, model: M, tokenizer: PreTrainedTokenizerFast, options: dict[str, Any], limited: bool = False
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._options = options
        self._limited = limited  # whether the caller has chosen the limit

    @abstractmethod
    def answers(self, texts: list[str], rows: Rows, row_name: RowName) -> list[Any]:
        """One answer for each text."""

    def one(self, inputs: Any) -> Any:
        """The answer to a text that stands alone."""
        rows = self._encode([inputs], the_only("inputs"))
        self._warn(rows.cut, "1 text")
        return self.answers([inputs], rows, the_only("inputs"))[0]

    def column(self, inputs: Iterable[Any], start: int = 0) -> list[Any]:
        """The answers for a column whose first row is number `start` for the user."""
        answers: list[Any] = []
        cut = 0
        for values in pieces_of(inputs, "inputs", _WINDOW):
            row_name = rows_of("inputs", start + len(answers))
            texts, _ = texts_of(values, "inputs", row_name=row_name)
            rows = self._encode(texts, row_name)
            answers += self.answers(texts, rows, row_name)
            cut += rows.cut
        self._warn(cut, f"{len(answers)} texts")
        return answers

    def _encode(self, texts: list[str], row_name: RowName) -> Rows:
        try:
            return self.tokenizer.encode_for_model(texts, None, self._options)
        except ValueError:
            explain(self.tokenizer, texts, None, self._options, (row_name, row_name))
            raise

    def _warn(self, cut: int, texts: str) -> None:
        if cut and not self._limited:
            warn_of_cuts(cut, texts, self._options["max_length"])


def check_batch_size(value: Any) -> int:
    """The value itself; ValueError when it is no number of texts."""
    if type(value) is not int or value < 1:
        raise ValueError(f"batch_size is {value!r}; it must be an integer of at least 1")
    return value


def check_top_k(value: Any, otherwise: str) -> None:
    """TypeError or ValueError for what is no number of answers; None is `otherwise`."""
    if value is not None and type(value) is not int:
        raise TypeError(f"top_k is {value!r}; it must be an integer, or None for {otherwise}")
    if value is not None and value < 1:
        raise ValueError(f"top_k is {value}; it must be at least 1, or None for {otherwise}")


def check_known(options: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """TypeError for an option that a pipeline does not have."""
    for name in options:
        if name not in known:
            raise TypeError(f"unknown option {name!r}; a pipeline takes {', '.join(known[:-1])} and {known[-1]}")


def _stream(inputs: Iterator[Any], plan: Plan, batch_size: int) -> Iterator[Any]:
    start = 0
    while batch := list(islice(inputs, batch_size)):
        yield from plan.column(batch, start)
        start += len(batch)
