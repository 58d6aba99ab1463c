"""A column of texts, whatever holds it, as a list of str; nothing heavier than NumPy is imported."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from pathlib import PurePath
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K")

_PORTION = 1 << 20  # characters of texts that are encoded at once

Missing = Literal["raise", "empty", "skip"]
RowName = Callable[[int], str]  # what messages call a row


def rows_of(name: str, first: int = 0) -> RowName:
    """Names for the rows of an argument, or for those from number `first` on.

    >>> rows_of("texts")(3)
    'texts[3]'
    """
    return lambda row: f"{name}[{first + row}]"


def single_name(name: str) -> RowName:
    """The name of a text that stands alone.

    >>> single_name("text")(0)
    'text'
    """
    return lambda _: name


def texts_of(
    column: Iterable[Any], name: str, na: Missing | None = None, row_name: RowName | None = None
) -> tuple[list[str], NDArray[np.bool_] | None]:
    """The texts of a column in their order, and which rows are missing, None when no row is.

    `column` is a list, tuple, pandas or polars Series, Index, pyarrow array, ndarray of str, an iterator, or a data set
    with a length and items.
    Missing values are None, NaN, pd.NA and pd.NaT. With `na="raise"` they are an error, and with None, which says that
    the caller has no such argument; otherwise they become "".

    Errors: TypeError names the row that holds something else than a str, or says what the column should be;
    ValueError for a missing value under `na="raise"`, for an unknown `na` and for a table instead of a column.

    >>> texts_of(["a", None], "texts", na="empty")
    (['a', ''], array([False,  True]))
    """
    check_na(na)
    values = values_of(column, name)
    row_name = row_name or rows_of(name)
    missing: NDArray[np.bool_] | None = None
    for row, value in enumerate(values):
        if type(value) is str:
            continue
        if isinstance(value, str):  # np.str_ and other subclasses
            values[row] = content_of_str(value)
        elif not is_missing(value):
            raise TypeError(
                f"{row_name(row)} is {_shown(value)} of type {type(value).__name__}; it must be a str{_remedy(value)}"
            )
        elif na is None:
            raise ValueError(f"{row_name(row)} is missing ({value!r}); drop such rows, or put '' in their place")
        elif na == "raise":
            raise ValueError(
                f'{row_name(row)} is missing ({value!r}); drop such rows, or give na="empty" to read them as empty '
                'texts or na="skip" to pass them over'
            )
        else:
            if missing is None:
                missing = np.zeros(len(values), np.bool_)
            missing[row] = True
            values[row] = ""
    return values, missing


def check_na(na: object) -> None:
    """ValueError unless `na` says what a missing value does, or is None."""
    if na not in (None, "raise", "empty", "skip"):
        raise ValueError(f'na is {na!r}; it must be "raise", "empty" or "skip"')


def content_of_str(text: str) -> str:
    """The content of a str, which `str()` of a subclass may not give: that of an enum names the member.

    >>> import enum
    >>> content_of_str(enum.Enum("Color", {"RED": "a"}, type=str).RED)
    'a'
    """
    return str.__str__(text)


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, pd.NA or pd.NaT.

    >>> is_missing(float("nan")), is_missing(""), is_missing(0)
    (True, False, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and value != value


def is_column(value: object) -> bool:
    """Whether a value holds one text a row: an array, a Series, a pyarrow array, an iterator; not a str or mapping."""
    if isinstance(value, (str, bytes, Mapping)):
        return False
    return isinstance(value, Iterable) or hasattr(value, "__array__") or is_dataset(value)


def is_dataset(value: object) -> bool:
    """Whether a value has a length and items but cannot be iterated, as a Dataset of torch.

    >>> is_dataset([]), is_dataset(type("Texts", (), {"__len__": id, "__getitem__": id})())
    (False, True)
    """
    return (
        not isinstance(value, (Iterable, type))
        and hasattr(value, "__len__")
        and hasattr(value, "__getitem__")
        and not hasattr(value, "column_names")  # a table of Arrow, whose items are columns
    )


def items_of(column: Any) -> Iterator[Any]:
    """The values of a column one after the other, those of a data set by their numbers."""
    return (column[index] for index in range(len(column))) if is_dataset(column) else iter(column)


def raise_for_surrogate(texts: Sequence[str], row_name: RowName) -> None:
    """Raises the ValueError that names the first row with a lone surrogate; returns when there is none."""
    for row, text in enumerate(texts):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{row_name(row)} has a lone surrogate at index {error.start}, which is not a character; "
                "text.encode('utf-8', 'replace').decode() puts '?' in its place"
            ) from None


def values_of(column: Any, name: str) -> list[Any]:
    """The values of a column as a list of its own; what they are is not checked.

    >>> values_of(np.array(["a", "b"]), "texts")
    ['a', 'b']
    """
    _check_column(column, name)
    method = _to_list(column)
    return _listed(column, method, name) if method else list(items_of(column))


def pieces_of(column: Iterable[Any], name: str, size: int) -> Iterator[list[Any]]:
    """The values of a column in lists of `size`, at least one, which may be empty; no more is converted at a time.

    Errors: TypeError and ValueError when the column is none; what it holds is for `texts_of` to check.

    >>> list(pieces_of(iter("abc"), "texts", 2))
    [['a', 'b'], ['c']]
    """
    _check_column(column, name)
    method = _to_list(column)
    if method:
        slices: Any = getattr(column, "iloc", column)
        for begin in range(0, max(len(cast(Sized, column)), 1), size):
            yield _listed(slices[begin : begin + size], method, name, begin)
        return
    values = items_of(column)
    yield (piece := list(islice(values, size)))
    while len(piece) == size and (piece := list(islice(values, size))):
        yield piece


def _listed(column: Any, method: str, name: str, begin: int = 0) -> list[Any]:
    """What the method of a column gives; messages number its rows from `begin`.

    Errors: ValueError names the first row that is not UTF-8, which columns of Arrow may hold.
    """
    try:
        return list(getattr(column, method)())
    except UnicodeDecodeError as error:
        slices = getattr(column, "iloc", column)
        for row in range(len(column)):
            try:
                getattr(slices[row : row + 1], method)()
            except UnicodeDecodeError as wrong:
                raise ValueError(
                    f"{name}[{begin + row}] is not UTF-8 ({wrong}); read the column as binary and decode its values, "
                    'such as value.decode(errors="replace")'
                ) from error
        raise


def portions(values: Sequence[Any]) -> Iterator[slice]:
    """Slices of texts, or of dicts of texts, that bound the memory for their tokens: at most a million characters, or
    a single longer value.

    >>> list(portions(["a" * 700_000, "b" * 700_000, "c"]))
    [slice(0, 1, None), slice(1, 3, None)]
    """
    begin = total = 0
    for row, value in enumerate(values):
        parts = value.values() if isinstance(value, Mapping) else (value,)
        size = sum(len(part) for part in parts if isinstance(part, str))
        if row > begin and total + size > _PORTION:
            yield slice(begin, row)
            begin, total = row, 0
        total += size
    yield slice(begin, len(values))


def distinct(keys: Iterable[K]) -> tuple[list[K], NDArray[np.intp]]:
    """The different keys, in the order of the rows, and the place of each row's key among them (N).

    >>> different, which = distinct(["a", "b", "a"])
    >>> different, which.tolist()
    (['a', 'b'], [0, 1, 0])
    """
    places: dict[K, int] = {}
    which = np.fromiter((places.setdefault(key, len(places)) for key in keys), np.intp)
    return list(places), which


def can_be_read_twice(column: object) -> bool:
    """Whether a column is a sequence, an array or a Series; an iterator is not, nor what wraps one.

    >>> can_be_read_twice(["a"]), can_be_read_twice(iter(["a"]))
    (True, False)
    """
    return isinstance(column, Sequence) or _to_list(column) is not None or is_dataset(column)


def _to_list(column: object) -> str | None:
    """The method that gives the values as a list, of pyarrow; of polars and pandas; of NumPy."""
    return next((method for method in ("to_pylist", "to_list", "tolist") if hasattr(column, method)), None)


def file_hint(value: object) -> str:
    """What to do with the name of a table in a file; empty for anything else.

    >>> file_hint("train.csv")
    'to read the file, use pandas.read_csv(...)'
    """
    found = re.fullmatch(r"\S.*\.(csv|tsv|jsonl?|parquet)", str(value)) if isinstance(value, (str, PurePath)) else None
    reader = {"tsv": "csv", "jsonl": "json"}.get(found[1], found[1]) if found else ""
    return f"to read the file, use pandas.read_{reader}(...)" if found else ""


def _check_column(column: Any, name: str) -> None:
    of_what = "labels" if name.endswith("labels") else "texts"
    if isinstance(column, (str, bytes)):
        remedy = file_hint(column) or f"give a list: [{name}]"
        raise TypeError(f"{name} is one {type(column).__name__}, not a column of {of_what}; {remedy}")
    if isinstance(column, Mapping):
        raise TypeError(f"{name} is a {type(column).__name__}; give one column of {of_what}")
    if isinstance(column, (set, frozenset)):
        raise TypeError(f"{name} is a {type(column).__name__}, which has no order; give a list")
    raise_for_lazy_frame(column, name)
    dimensions = getattr(column, "ndim", 1)
    if dimensions != 1 or hasattr(column, "columns") or hasattr(column, "column_names"):
        shape = getattr(column, "shape", None)
        raise ValueError(f'{name} has shape {shape}, not that of a single column; give one, such as frame["text"]')
    if not isinstance(column, Iterable) and not is_dataset(column) and not _to_list(column):
        raise TypeError(f"{name} is {_shown(column)} of type {type(column).__name__}; give a column of {of_what}")


def raise_for_lazy_frame(value: object, name: str) -> None:
    """TypeError for a LazyFrame of polars, the argument `name`."""
    if type(value).__name__ == "LazyFrame":
        raise TypeError(f'{name} is a LazyFrame, which holds no rows yet; give a column: frame.collect()["text"]')


def _remedy(value: object) -> str:
    """What to do about a value that is not a str, if known."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return "; give pairs as two columns, the first texts and the second ones"
    if isinstance(value, Mapping):
        return "; give a column of texts, such as [row[name] for row in rows]"
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
