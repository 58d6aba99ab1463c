"""The texts of a call in whatever shape they come: one, a column, pairs, and words instead of texts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import describe_all
from deberta_c._columns.arrow_texts import arrow_texts
from deberta_c._columns.texts import (
    RowName,
    content_of_str,
    is_column,
    is_missing,
    raise_for_lazy_frame,
    raise_for_surrogate,
    rows_of,
    single_name,
    texts_of,
    values_of,
)


@dataclass(frozen=True)
class Inputs:
    """First texts, second texts or None, and what messages call the rows; `single`: a single text, not a column.

    Where texts came in words, row r has the words bounds[0][r] to bounds[0][r + 1] of `firsts`, and so has `seconds`.
    """

    firsts: Sequence[str]
    seconds: Sequence[str] | None
    single: bool
    names: tuple[RowName, RowName]
    bounds: tuple[NDArray[np.int64], NDArray[np.int64] | None] | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.firsts) if self.bounds is None else len(self.bounds[0]) - 1

    def words(self) -> dict[str, Any]:
        """Keyword arguments that give the core the words of each row."""
        if self.bounds is None:
            return {}
        first_words, second_words = self.bounds
        return {"first_words": first_words} | ({} if second_words is None else {"second_words": second_words})


def read_inputs(text: Any, text_pair: Any, name: str = "text") -> Inputs:
    """The texts of the arguments `text` and `text_pair`; messages call the former `name`.

    Errors: TypeError for a value that is not a text, ValueError for a missing one and for columns of unequal length.
    """
    if is_missing(text):
        raise ValueError(f"{name} is {text!r}; give a str or a column of them")
    if isinstance(text, str):
        if text_pair is None or isinstance(text_pair, str):
            seconds = [content_of_str(text_pair)] if text_pair else None
            return Inputs([content_of_str(text)], seconds, True, (single_name(name), single_name("text_pair")))
        raise TypeError(f"{name} is a str, but text_pair a {type(text_pair).__name__}; give two of a kind")
    raise_for_lazy_frame(text, name)
    if not is_column(text):
        raise TypeError(f"{name} is of type {type(text).__name__}; give a str or a column of them")
    if text_pair is None:
        if isinstance(text, (list, tuple)) and text and isinstance(text[0], (list, tuple)):
            firsts, seconds = unzip(text, name, ", or is_split_into_words=True for rows of words")
            names = members(name)
            return Inputs(
                texts_of(firsts, name, row_name=names[0])[0],
                texts_of(seconds, name, row_name=names[1])[0],
                False,
                names,
            )
        return Inputs(_texts(text, name), None, False, (rows_of(name), rows_of(name)))
    if not is_column(text_pair):
        raise TypeError(f"{name} is a column, but text_pair a {type(text_pair).__name__}; give two of a kind")
    texts, others = _texts(text, name), _texts(text_pair, "text_pair")
    _require_equal(len(texts), len(others), name)
    return Inputs(texts, others, False, (rows_of(name), rows_of("text_pair")))


def read_words(text: Any, text_pair: Any, name: str = "text") -> Inputs:
    """The same for texts that come as lists of words: one such list, a column of them, or pairs of them.

    Errors: as those of `read_inputs`.
    """
    if not is_column(text) or isinstance(text_pair, str):
        what, wrong = (name, text) if not is_column(text) else ("text_pair", text_pair)
        raise TypeError(
            f"{what} is of type {type(wrong).__name__}; with is_split_into_words give a list of words, "
            "or a list of such lists"
        )
    firsts, seconds = values_of(text, name), None if text_pair is None else values_of(text_pair, "text_pair")
    single = not (firsts and is_column(firsts[0]))
    names = (single_name(name), single_name("text_pair")) if single else (rows_of(name), rows_of("text_pair"))
    if single:
        firsts, seconds = [firsts], [seconds] if seconds else None
    elif seconds is None and isinstance(firsts[0], (list, tuple)) and firsts[0] and is_column(firsts[0][0]):
        firsts, seconds = unzip(firsts, name)
        names = members(name)
    elif seconds is not None:
        _require_equal(len(firsts), len(seconds), name)
    words, bounds = _flatten(firsts, names[0])
    if seconds is None:
        return Inputs(words, None, single, names, (bounds, None))
    others, ends = _flatten(seconds, names[1])
    return Inputs(words, others, single, names, (bounds, ends))


def raise_for_bad_words(inputs: Inputs, error: ValueError) -> None:
    """Raises the error of the core under the caller's name for the row, for texts that came in words."""
    assert inputs.bounds is not None
    for words, bounds, row_name in zip((inputs.firsts, inputs.seconds), inputs.bounds, inputs.names, strict=True):
        if words is not None and bounds is not None:
            for row, (begin, end) in enumerate(pairwise(bounds.tolist())):
                raise_for_surrogate(words[begin:end], rows_of(row_name(row)))
    raise ValueError(re.sub(r"^row (\d+)", lambda row: inputs.names[0](int(row[1])), str(error))) from error


def unzip(pairs: Sequence[Any], name: str, or_else: str = "") -> tuple[list[Any], list[Any]]:
    """The first texts and the second ones of a list of pairs; ValueError names a row that is not a pair.

    `or_else` is what the message advises besides giving two texts.
    """
    for row, pair in enumerate(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(
                f"{name}[{row}] is {describe_all(pair)}, but rows such as {name}[0] are pairs; give two texts in each "
                f"row{or_else}"
            )
    return [first for first, _ in pairs], [second for _, second in pairs]


def members(name: str) -> tuple[RowName, RowName]:
    """What messages call the first and second texts of a column of pairs."""

    def member(place: int) -> Callable[[int], str]:
        return lambda row: f"{name}[{row}][{place}]"

    return member(0), member(1)


def _texts(column: Any, name: str) -> Sequence[str]:
    return arrow_texts(column) or texts_of(column, name)[0]


def _flatten(rows: list[Any], row_name: RowName) -> tuple[list[str], NDArray[np.int64]]:
    words: list[str] = []
    bounds = [0]
    for index, row in enumerate(rows):
        if not is_column(row):
            raise TypeError(f"{row_name(index)} is of type {type(row).__name__}; it must be a list of words")
        words += texts_of(row, row_name(index))[0]
        bounds.append(len(words))
    return words, np.array(bounds, np.int64)


def _require_equal(firsts: int, seconds: int, name: str) -> None:
    if firsts != seconds:
        raise ValueError(f"{name} has {firsts} rows, but text_pair {seconds}; give two of equal length")
