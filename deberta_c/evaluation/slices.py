"""Groups of rows: by length, by the values of a column, by ranges of its numbers."""

import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._columns.texts import is_missing

Group = tuple[str, NDArray[np.intp]]  # a name and the numbers of its rows

_LENGTHS = (16, 32, 64, 128, 256, 512)
_MOST = 20  # groups of a column
_RANGES = 4  # of a column with many numbers


def by_length(lengths: NDArray[np.int64]) -> Iterator[Group]:
    """Groups of rows of similar length, without empty ones.

    >>> [(name, rows.tolist()) for name, rows in by_length(np.array([3, 700, 16, 20]))]
    [('1 to 16', [0, 2]), ('17 to 32', [3]), ('513 and more', [1])]
    """
    group = np.searchsorted(_LENGTHS, lengths)
    for number in range(len(_LENGTHS) + 1):
        rows = np.flatnonzero(group == number)
        if len(rows):
            begin = 1 if number == 0 else _LENGTHS[number - 1] + 1
            yield f"{begin} to {_LENGTHS[number]}" if number < len(_LENGTHS) else f"{begin} and more", rows


def by_column(values: list[Any]) -> Iterator[Group]:
    """Groups of rows with the same value; of many different numbers, four ranges with about as many rows each.

    Values are in their order, at most 20: the rarest others are one group. Missing values are a group, too.

    >>> [(name, rows.tolist()) for name, rows in by_column(["b", "a", None, "b"])]
    [('a', [1]), ('b', [0, 3]), ('missing', [2])]
    """
    missing = np.array([is_missing(value) for value in values], np.bool_)
    rows = np.flatnonzero(~missing)
    known = [values[row] if isinstance(values[row], Hashable) else str(values[row]) for row in rows]
    numbers = all(map(_is_number, known))
    if numbers and len(set(known)) > _MOST // 2:
        yield from _ranges(np.array(known, np.float64), rows)
    else:
        yield from _values(known, rows)
    if missing.any():
        yield "missing", np.flatnonzero(missing)


def _values(known: list[Any], rows: NDArray[np.intp]) -> Iterator[Group]:
    counts = Counter(known)
    kept = [value for value, _ in counts.most_common(_MOST if len(counts) <= _MOST else _MOST - 1)]
    try:
        kept.sort()
    except TypeError:
        kept.sort(key=str)
    places: dict[Any, list[int]] = {value: [] for value in kept}
    others: list[int] = []
    for row, value in zip(rows.tolist(), known, strict=True):
        places.get(value, others).append(row)
    for value, found in places.items():
        yield _shown(value) if isinstance(value, float) else _printable(value), np.array(found, np.intp)
    if others:
        yield f"{len(counts) - len(kept)} others", np.array(others, np.intp)


def _ranges(values: NDArray[np.float64], rows: NDArray[np.intp]) -> Iterator[Group]:
    ends = np.unique(np.quantile(values, np.linspace(0, 1, _RANGES + 1)[1:], method="inverted_cdf"))
    group = np.searchsorted(ends, values)
    for number in range(len(ends)):
        own = values[group == number]
        if len(own):
            yield f"{_shown(own.min())} to {_shown(own.max())}", rows[group == number]


def _is_number(value: object) -> bool:
    """Whether a value is a number that float64 can hold."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, (float, np.number))


def _printable(value: object) -> str:
    """A value as text, without lone surrogates, which nothing draws or writes.

    >>> _printable("a" + chr(0xD800))
    'a?'
    """
    return str(value).encode("utf-8", "replace").decode()


def _shown(value: float) -> str:
    """A number; a whole one with all its digits, such as a year or the number of a customer.

    >>> _shown(1234567.0), _shown(0.123456)
    ('1234567', '0.1235')
    """
    return f"{value:.15g}" if float(value).is_integer() else f"{value:.4g}"
