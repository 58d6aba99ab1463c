"""What a tokenizer returns: a mapping of columns, which knows where every token came from."""

import re
from collections import UserDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import warn_caller

_ARRAYS = ("spans", "words", "strings", "sequences")


class CharSpan(NamedTuple):
    """Characters of a text, from `start` up to and without `end`.

    >>> "See you"[slice(*CharSpan(4, 7))]
    'you'
    """

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens of a row, from `start` up to and without `end`.

    >>> list(range(*TokenSpan(2, 5)))
    [2, 3, 4]
    """

    start: int
    end: int


@dataclass(frozen=True)
class Padding:
    """What fills the places of a row that no token takes."""

    width: int = 0
    """Tokens of a row, longer rows being left alone; 0: no padding."""
    left: bool = False
    id: int = 0
    type: int = 0
    token: str = ""


@dataclass(frozen=True)
class Layout:
    """Rows of tokens that lie one after the other, and the padding that each row shall get."""

    offsets: NDArray[np.int64]  # (N + 1)
    padding: Padding = field(default_factory=Padding)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(N) tokens of each row, padding not counted."""
        return np.diff(self.offsets)

    def padded_lengths(self) -> list[int]:
        """Tokens of each row, padding included."""
        lengths: list[int] = np.maximum(self.lengths, self.padding.width).tolist()
        return lengths

    def rows(self, column: list[Any], filler: Any) -> list[list[Any]]:
        """The rows of a column that has one value for each token."""
        return filled([column[begin:end] for begin, end in pairwise(self.offsets.tolist())], filler, self.padding)

    def repeat(self, value: Any, filler: Any) -> list[list[Any]]:
        """Rows of one value for each token."""
        one = [value]
        return filled([one * length for length in self.lengths.tolist()], filler, self.padding)

    def array(self, column: NDArray[Any], filler: int) -> NDArray[np.int64]:
        """(N, S, ...) int64 of a column (T, ...)."""
        array = np.full(self.taken.shape + column.shape[1:], filler, np.int64)
        array[self.taken] = column
        return array

    @cached_property
    def taken(self) -> NDArray[np.bool_]:
        """(N, S) where tokens are; ValueError when the rows make no rectangle."""
        width, longest, shortest = self.padding.width, 0, 0
        if len(self.lengths):
            longest, shortest = int(self.lengths.max()), int(self.lengths.min())
        if longest != shortest and not width:
            raise ValueError("rows of different lengths make no array; give padding=True")
        if longest > width and longest != shortest:
            raise ValueError(
                f"a row has {longest} tokens, more than max_length, which is {width}; give truncation=True"
            )
        columns = np.arange(max(width, longest))
        if self.padding.left:
            return columns >= len(columns) - self.lengths[:, None]
        return columns < self.lengths[:, None]


@dataclass(frozen=True)
class Encoding:
    """One row: its tokens, padding included, and where each came from.

    `offsets` are the characters of the text, or of the word where the text came in words; `word_ids` and
    `sequence_ids` are None for what the tokenizer added.
    """

    ids: list[int]
    type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    sequence_ids: list[int | None]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    n_sequences: int

    def __len__(self) -> int:
        return len(self.ids)

    def token_to_sequence(self, token: int) -> int | None:
        """0 for a token of the first text, 1 for one of the second, None for one that was added."""
        return _at(self.sequence_ids, token)

    def token_to_word(self, token: int) -> int | None:
        """The word that a token is part of."""
        return _at(self.word_ids, token)

    def token_to_chars(self, token: int) -> CharSpan | None:
        """The characters of a token."""
        return None if self.token_to_sequence(token) is None else CharSpan(*self.offsets[token])

    def word_to_tokens(self, word: int, sequence: int = 0) -> TokenSpan | None:
        """The tokens of a word."""
        found = [
            token
            for token, place in enumerate(zip(self.word_ids, self.sequence_ids, strict=True))
            if place == (word, sequence)
        ]
        return TokenSpan(found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word: int, sequence: int = 0) -> CharSpan | None:
        """The characters of a word."""
        tokens = self.word_to_tokens(word, sequence)
        if tokens is None:
            return None
        return CharSpan(self.offsets[tokens.start][0], self.offsets[tokens.end - 1][1])

    def char_to_token(self, char: int, sequence: int = 0) -> int | None:
        """The first token that a character is part of; in the first word, where the text came in words."""
        for token, (begin, end) in enumerate(self.offsets):
            if begin <= char < end and self.sequence_ids[token] == sequence:
                return token
        return None

    def char_to_word(self, char: int, sequence: int = 0) -> int | None:
        """The word that a character is part of."""
        token = self.char_to_token(char, sequence)
        return None if token is None else self.word_ids[token]


@dataclass(frozen=True)
class Source:
    """The texts and options of columns, from which their `Encoding`s are computed on first use."""

    encode: Callable[..., tuple[Any, ...]]  # of the core
    texts: tuple[Any, ...]
    options: dict[str, Any]
    padding: Padding

    def encodings(self) -> list[Encoding]:
        """One for each row."""
        ids, types, offsets, _, extras = self.encode(*self.texts, **self.options, want=_ARRAYS)
        layout, padding = Layout(offsets, self.padding), self.padding
        added = extras["sequences"] < 0
        columns: tuple[list[Any], ...] = (
            layout.rows(ids.tolist(), padding.id),
            layout.rows(types.tolist(), padding.type),
            layout.rows(extras["strings"], padding.token),
            layout.rows(pairs_of(extras["spans"]), (0, 0)),
            layout.rows(_or_none(extras["words"], extras["words"] < 0), None),
            layout.rows(_or_none(extras["sequences"], added), None),
            layout.repeat(1, 0),
            layout.rows(added.astype(np.uint8).tolist(), 1),
            [2 if self.texts[1] is not None else 1] * len(layout.lengths),
        )
        return [Encoding(*row) for row in zip(*columns, strict=True)]


class BatchEncoding(UserDict[str, Any]):
    """What a tokenizer returns: a mapping whose keys are attributes too, ready for `model(**encoding)`.

    `encoding[i]` with a number, and the methods that take a row and a token, word or character, say where tokens came
    from; in an encoding of one row the row may be left out. This is computed on first use; the encoding keeps the
    texts for it.

    >>> BatchEncoding({"input_ids": [1, 2]}).input_ids
    [1, 2]
    """

    _source: Source | None = None
    _encodings: Sequence[Encoding] | None = None

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        *,
        tensor_type: str | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(data)
        self._source = source
        self._n_sequences = n_sequences
        if source is not None:
            self._n_sequences = 2 if source.texts[1] is not None else 1
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.data[item]
        if self.encodings is not None:
            return self.encodings[item]
        if isinstance(item, slice):
            return {name: column[item] for name, column in self.data.items()}
        raise KeyError(f"{item!r}; a key is a str, or in what a tokenizer returned the number of a row")

    def __getattr__(self, name: str) -> Any:
        if name != "data" and name in self.data:
            return self.data[name]
        raise AttributeError(f"this encoding has no {name!r}; it has {', '.join(self.__dict__.get('data', ()))}")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_encodings": self.encodings, "_source": None}

    @property
    def encodings(self) -> Sequence[Encoding] | None:
        """One `Encoding` for each row; None where no tokenizer made this."""
        if self._encodings is None and self._source is not None:
            self._encodings, self._source = self._source.encodings(), None
        return self._encodings

    @property
    def is_fast(self) -> bool:
        """Whether a tokenizer made this, so that it knows where tokens came from."""
        return self._source is not None or self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """How many texts are in a row: 1, or 2 for pairs; None where no tokenizer made this."""
        return self._n_sequences

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row; unknown ones as they are in the text."""
        return self._row(batch_index).tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row the number of its word; None for those that were added."""
        return self._row(batch_index).word_ids

    def words(self, batch_index: int = 0) -> list[int | None]:
        """`word_ids` under its name in transformers 4. Warnings: FutureWarning."""
        warn_caller(FutureWarning("words() is a name of transformers 4, which 5 does not have; write word_ids()"))
        return self.word_ids(batch_index)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row 0 or 1 for the text that it is in; None for those that were added."""
        return self._row(batch_index).sequence_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The text that a token is in, 0 or 1; None for one that was added."""
        row, token = self._place(batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The word that a token is part of; None for one that was added."""
        row, token = self._place(batch_or_token_index, token_index)
        return row.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of a token; None for one that was added."""
        row, token = self._place(batch_or_token_index, token_index)
        return row.token_to_chars(token)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word; None when there are none."""
        row, word = self._place(batch_or_word_index, word_index)
        return row.word_to_tokens(word, sequence_index)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word; None when it has no tokens."""
        row, word = self._place(batch_or_word_index, word_index)
        return row.word_to_chars(word, sequence_index)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The first token that a character is part of; None when there is none."""
        row, char = self._place(batch_or_char_index, char_index)
        return row.char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that a character is part of; None when there is none."""
        row, char = self._place(batch_or_char_index, char_index)
        return row.char_to_word(char, sequence_index)

    def convert_to_tensors(self, tensor_type: str | None = None, prepend_batch_axis: bool = False) -> "BatchEncoding":
        """Turns the columns into arrays ("np") or tensors ("pt"), each with an axis before it if asked; returns itself.

        Errors: ValueError when rows have different lengths, ImportError when torch is not installed.
        """
        check_tensors("tensor_type", tensor_type)
        if tensor_type is not None:
            for name, column in self.data.items():
                array = _as_array(name, [column] if prepend_batch_axis else column)
                self.data[name] = as_tensor(array) if tensor_type == "pt" else array
        return self

    def to(self, device: object, *, non_blocking: bool = False) -> "BatchEncoding":
        """Returns itself; `device` must be the CPU."""
        require_cpu(device)
        return self

    def _row(self, index: int) -> Encoding:
        if self.encodings is None:
            raise ValueError("no tokenizer made this encoding, so it does not know where tokens came from")
        return self.encodings[index]

    def _place(self, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row and the place in it; the row is the first one when a single number is given."""
        return (self._row(0), first) if second is None else (self._row(first), second)


def filled(rows: list[list[Any]], filler: Any, padding: Padding) -> list[list[Any]]:
    """Rows with as many fillers as padding gives them.

    >>> filled([[1, 2], [3]], 0, Padding(2, left=True))
    [[1, 2], [0, 3]]
    """
    width, one = padding.width, [filler]
    if not width:
        return rows
    if padding.left:
        return [one * (width - len(row)) + row for row in rows]
    return [row + one * (width - len(row)) for row in rows]


def require_cpu(device: object) -> None:
    """Raises ValueError unless `device` names the CPU."""
    if re.fullmatch(r"(torch\.)?(b?float\d+|half|double|u?int\d+)", str(device)):
        raise ValueError(f"{str(device)!r} is not a type in which networks compute; leave it out for float32")
    if device not in (None, -1) and str(device) not in ("cpu", "cpu:0"):
        named = device if isinstance(device, int) else str(device)
        raise ValueError(f'device is {named!r}; deberta_c runs on the CPU only, leave it out or give "cpu"')


def check_tensors(name: str, kind: object) -> None:
    """Raises ValueError unless `kind` is "np", "pt" or None."""
    if kind not in (None, "np", "pt"):
        raise ValueError(f'{name} is {kind!r}; it must be "np", "pt" or None')


def pairs_of(spans: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Spans (T, 2) as tuples."""
    return list(zip(spans[:, 0].tolist(), spans[:, 1].tolist(), strict=True))


def _at(column: list[int | None], token: int) -> int | None:
    """None for tokens that were added and for places after the row."""
    return column[token] if token < len(column) else None


def _or_none(column: NDArray[Any], none: NDArray[np.bool_]) -> list[int | None]:
    values: list[int | None] = column.tolist()
    for token in np.flatnonzero(none):
        values[token] = None
    return values


def _as_array(name: str, column: Any) -> NDArray[Any]:
    try:
        array = np.asarray(column)
    except ValueError as error:
        raise ValueError(f"rows of {name} have different lengths and make no array; give padding=True") from error
    return array if array.size else array.astype(np.int64)


def as_tensor(array: NDArray[Any]) -> Any:
    """A tensor of torch over the memory of an array; ImportError when torch is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError('tensors are to be "pt", but torch is not installed; give "np"') from error
    return torch.from_numpy(array)
