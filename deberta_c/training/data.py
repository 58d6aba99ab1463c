"""Data sets of a training: rows of ids with labels, and batches without padding."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._columns.texts import texts_of
from deberta_c._models.packing import offsets_of

TEXT_COLUMNS = ("text", "sentence", "sentence1", "premise", "question")
PAIR_COLUMNS = ("text_pair", "sentence2", "hypothesis")
INPUT_COLUMNS = ("input_ids", "attention_mask", "token_type_ids")
_GROUP = 50  # updates whose rows are sorted by length, with group_by_length, as in transformers


@dataclass(frozen=True)
class Rows:
    """Encoded rows without padding.

    A row has `each` sequences: one, or its choices. The sequences of all rows follow each other.
    """

    ids: list[NDArray[np.int32]]  # of each sequence
    types: list[NDArray[np.uint8]] | None  # of each sequence
    kept: list[NDArray[np.int64]] | None  # the columns of its tokens; None: each sequence begins in column 0
    widths: list[int]  # the columns of each sequence, with its padding
    labels: Any  # what the objective makes of them, or None
    each: int = 1
    teacher: Any = None  # the logits of a teacher: (N, C), or for heads of tokens an array (tokens, C) for each row
    weights: Any = None  # (N): how much each row counts in the loss, or None

    def __len__(self) -> int:
        return len(self.ids) // self.each

    def sequences(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the sequences of these rows."""
        return np.asarray(chosen[:, None] * self.each + np.arange(self.each)).ravel()

    def inputs(self, chosen: NDArray[np.int64]) -> dict[str, Any]:
        """The rows of these numbers as arguments of the core."""
        numbers = self.sequences(chosen)
        ids = [self.ids[number] for number in numbers]
        found: dict[str, Any] = {"ids": np.concatenate(ids), "offsets": offsets_of(np.array([len(row) for row in ids]))}
        if self.types is not None:
            found["types"] = np.concatenate([self.types[number] for number in numbers])
        return found

    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row."""
        return np.asarray(np.array([len(row) for row in self.ids], np.int64).reshape(-1, self.each).sum(axis=1))


def encoded_rows(columns: Mapping[str, Any], name: str, type_vocab_size: int) -> Rows:
    """The rows, without labels, of the columns of a tokenizer: `input_ids`, `attention_mask`, `token_type_ids`.

    Errors: ValueError when there is no row, or one without a token.
    """
    ids = _integers(columns["input_ids"], f"{name} input_ids", np.int32)
    if not ids:
        raise ValueError(f"{name} has no rows; give at least one")
    widths = list(map(len, ids))
    types = None
    if type_vocab_size and "token_type_ids" in columns:
        types = _integers(columns["token_type_ids"], f"{name} token_type_ids", np.uint8)
        _check_widths(types, widths, f"{name} token_type_ids")
    kept = None
    if "attention_mask" in columns:
        masks = _integers(columns["attention_mask"], f"{name} attention_mask", np.uint8)
        _check_widths(masks, widths, f"{name} attention_mask")
        kept = [np.flatnonzero(mask) for mask in masks]
        ids = [row[mask] for row, mask in zip(ids, kept, strict=True)]
        types = None if types is None else [row[mask] for row, mask in zip(types, kept, strict=True)]
    for row, found in enumerate(ids):
        if len(found) == 0:
            raise ValueError(f"{name}[{row}] has no token; drop such rows")
    return Rows(ids, types, kept, widths, None)


def _integers(column: Any, name: str, dtype: Any) -> list[NDArray[Any]]:
    """The rows of a column of integers, each an array (tokens).

    Errors: ValueError names the row that is something else.
    """
    limits, found = np.iinfo(dtype), []
    for place, row in enumerate(column):
        values = np.asarray(row) if np.ndim(row) == 1 else np.empty(0, object)
        if np.shape(row) == (0,):
            values = np.empty(0, dtype)
        inside = not values.size or limits.min <= values.min() <= values.max() <= limits.max
        if values.dtype.kind not in "iub" or not inside:
            raise ValueError(f"{name}[{place}] is {short(row)}; it must be a list of integers up to {limits.max}")
        found.append(values.astype(dtype))
    return found


def _check_widths(rows: list[NDArray[Any]], widths: list[int], name: str) -> None:
    """Raises ValueError for a column that does not have a number for each token."""
    if len(rows) != len(widths):
        raise ValueError(f"{name} has {len(rows)} rows, but input_ids {len(widths)}; give one for each")
    for place, (row, width) in enumerate(zip(rows, widths, strict=True)):
        if len(row) != width:
            raise ValueError(f"{name}[{place}] has {len(row)} numbers, but input_ids {width}; give one for each token")


def tokenized(columns: Mapping[str, Any], name: str, tokenizer: Any, max_length: int | None = None) -> dict[str, Any]:
    """Columns with `input_ids`: those that there are, or those of texts, cut to `max_length` or the tokenizer's limit.

    Texts are `text` and `text_pair`, or the names of GLUE.

    Errors: ValueError when there is no column of texts or ids, or a text is missing; TypeError for another value.
    """
    if "input_ids" in columns:
        return dict(columns)
    text = next((key for key in TEXT_COLUMNS if key in columns), None)
    if text is None:
        wanted = "it needs input_ids, or a column named text"
        if is_several(columns):
            wanted = f"each is a data set: give one of them, such as {name}[{min(columns)!r}]"
        raise ValueError(f"{name} has the columns {sorted(columns)}; {wanted}")
    if tokenizer is None:
        raise ValueError(f"{name} has texts, but the Trainer has no tokenizer; give processing_class")
    pair = next((key for key in PAIR_COLUMNS if key in columns), None)
    texts = [None if key is None else texts_of(columns[key], f"{name}: {key}")[0] for key in (text, pair)]
    with named(name):
        found = tokenizer(*texts, truncation=True, max_length=max_length)
    return {**columns, **{key: found[key] for key in found}}


@contextmanager
def named(name: str) -> Iterator[None]:
    """Within the block, what a tokenizer raises for a row names the data set, too."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {error}") from error


def columns_of(dataset: Any, name: str) -> dict[str, Any]:
    """The columns of a data set: a DataFrame, a datasets.Dataset, an Arrow table, a dict of columns, or dicts."""
    if isinstance(dataset, Mapping):
        return {key: _values(column) for key, column in dataset.items()}
    keys = _names(dataset)
    if keys is not None:
        names = [str(key) for key in keys]
        if twice := [key for key in names if names.count(key) > 1]:
            raise ValueError(f"{name} has two columns named {twice[0]!r}; rename one")
        return {str(key): list(_values(dataset[key])) for key in keys}
    if isinstance(dataset, str) or not (hasattr(dataset, "__iter__") or hasattr(dataset, "__getitem__")):
        raise TypeError(f"{name} is {short(dataset)}; give a DataFrame, a list of dicts, or a dict of columns")
    rows = list(_rows(dataset, name))
    if not rows:
        raise ValueError(f"{name} has no rows; give at least one")
    return {key: [row[key] for row in rows] for key in rows[0]}


def _names(dataset: Any) -> Sequence[Any] | None:
    """The names of the columns of a table; None for what is not a table."""
    if hasattr(dataset, "column_names") and hasattr(dataset, "__len__"):
        chosen: Any = getattr(dataset, "format", None) or {}  # of a datasets.Dataset: some of its columns
        return list(chosen.get("columns") or dataset.column_names)
    return list(dataset.columns) if hasattr(dataset, "columns") and hasattr(dataset, "to_dict") else None


def _values(column: Any) -> Any:
    """A column; one of Arrow as Python's values."""
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def is_several(dataset: Any) -> bool:
    """Whether a value is a dict of data sets rather than one of columns.

    >>> is_several({"a": {"text": ["x"]}, "b": [{"text": "y"}]}), is_several({"text": ["x"], "label": [0]})
    (True, False)
    """
    return isinstance(dataset, Mapping) and bool(dataset) and all(map(_is_dataset, dataset.values()))


def _is_dataset(value: Any) -> bool:
    if isinstance(value, Mapping) or hasattr(value, "column_names") or _names(value) is not None:
        return True
    return isinstance(value, Sequence) and len(value) > 0 and isinstance(value[0], Mapping)


def gathered(parts: Sequence[tuple[NDArray[np.int64], Any]], count: int) -> Any:
    """Values of batches, each with the numbers of its rows, as those of all `count` rows.

    A value is an array, or a tuple of arrays. Rows of different widths are padded with -100, as in transformers.

    >>> gathered([(np.array([1]), np.ones((1, 2))), (np.array([0]), np.zeros((1, 1)))], 2).tolist()
    [[0.0, -100.0], [1.0, 1.0]]
    """
    first = parts[0][1]
    if isinstance(first, (tuple, list)):
        return tuple(gathered([(rows, part[place]) for rows, part in parts], count) for place in range(len(first)))
    arrays = [(rows, np.asarray(part)) for rows, part in parts]
    width = [max(part.shape[1] for _, part in arrays)] if arrays[0][1].ndim > 1 else []
    found = np.full((count, *width, *arrays[0][1].shape[2:]), -100, arrays[0][1].dtype)
    for rows, part in arrays:
        found[(rows, slice(part.shape[1])) if width else rows] = part
    return found


def batches(order: NDArray[np.int64], size: int, drop_last: bool = False) -> list[NDArray[np.int64]]:
    """Row numbers in batches.

    >>> [batch.tolist() for batch in batches(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    cut = [order[begin : begin + size] for begin in range(0, len(order), size)]
    return cut[:-1] if drop_last and len(cut[-1]) < size else cut


def order_of(strategy: str, lengths: NDArray[np.int64], size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the rows in an epoch: "random", "sequential", or "group_by_length".

    `size` is the number of rows of an update. The same arguments give the same order; it is not that of torch.
    """
    if strategy == "sequential":
        return np.arange(len(lengths))
    order = np.random.default_rng([seed, epoch]).permutation(len(lengths))
    return order if strategy == "random" else grouped_by_length(order, lengths, size)


def grouped_by_length(order: NDArray[np.int64], lengths: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """An order in which rows of similar length follow each other, as transformers makes it of a random one.

    Groups of up to 50 times `size` rows are sorted, the longest first; the longest row of all begins.

    >>> grouped_by_length(np.arange(4), np.array([1, 5, 3, 9]), 2).tolist()
    [3, 0, 1, 2]
    """
    each = max(1, min(len(lengths) // (size * 4), _GROUP)) * size
    groups = [group[np.argsort(-lengths[group], kind="stable")] for group in batches(order, each)]
    longest = max(range(len(groups)), key=lambda group: lengths[groups[group][0]])
    groups[0][0], groups[longest][0] = groups[longest][0], groups[0][0]
    return np.concatenate(groups)


def _rows(dataset: Any, name: str) -> Iterator[Mapping[str, Any]]:
    found = (dataset[row] for row in range(len(dataset))) if hasattr(dataset, "__len__") else iter(dataset)
    keys: Any = None
    for place, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"{name}[{place}] is {type(row).__name__}; rows must be dicts, such as {{'text': ..., 'label': ...}}"
            )
        keys = row.keys() if keys is None else keys
        if row.keys() != keys:
            raise ValueError(
                f"{name}[{place}] has the keys {sorted(row)}, the first row {sorted(keys)}; they must agree"
            )
        yield row
