"""Padding of what calls of a tokenizer returned before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deberta_c._tokenizers.encodings import Padding, filled

_PADDED = ("attention_mask", "token_type_ids", "special_tokens_mask")


@dataclass(frozen=True)
class EncodedColumns:
    """Columns of plain numbers: a row for each text, or where `single`, the only row itself."""

    columns: dict[str, Any]
    main: str
    """The name of the column of ids, of which the others have the lengths."""
    single: bool
    tensors: str | None
    """What the columns came as: "np", "pt", or None for lists."""

    @classmethod
    def of(cls, encoded: Any, main: str) -> "EncodedColumns":
        """What a dict of columns or a list of dicts holds, whose ids are in the column `main`.

        Errors: TypeError for anything else; ValueError where there is no such column, or columns have different
        numbers of rows, or those that are padded different numbers of tokens in a single row.
        """
        columns = _as_columns(encoded)
        if main not in columns:
            raise ValueError(f"encoded_inputs has the columns {list(columns)}; {main} must be among them")
        tensors = _tensors_of(columns[main])
        columns = {name: as_lists(column) for name, column in columns.items()}
        ids = columns[main]
        single = bool(ids) and not isinstance(ids[0], list)
        counted = {name: column for name, column in columns.items() if name in (main, *_PADDED)}
        _require_equal(counted if single else columns, main, "tokens" if single else "rows")
        return cls(columns, main, single, tensors)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        ids = self.columns[self.main]
        return len(ids) if self.single else max(map(len, ids), default=0)

    def padded(self, how: Padding, masks: bool) -> dict[str, Any]:
        """The columns, padded as far as they have a value for each token; `masks` adds an attention_mask."""
        columns = dict(self.columns)
        padded = (self.main, *_PADDED)
        if self.single:
            columns |= {name: [columns[name]] for name in padded if name in columns}
        if masks:
            columns.setdefault("attention_mask", [[1] * len(row) for row in columns[self.main]])
        for name, filler in zip(padded, (how.id, 0, how.type, 1), strict=True):
            if name in columns:
                rows = filled(columns[name], filler, how)
                columns[name] = rows[0] if self.single else rows
        return columns


def as_lists(values: Any) -> Any:
    """Numbers of NumPy and torch, arrays and tensors, also those in lists, as numbers and lists of Python.

    >>> as_lists(np.float32(0.5)), as_lists([np.array([1, 2])])
    (0.5, [[1, 2]])
    """
    if hasattr(values, "tolist"):
        return values.tolist()
    return [as_lists(value) for value in values] if isinstance(values, (list, tuple, range)) else values


def _as_columns(encoded: Any) -> dict[str, Any]:
    if isinstance(encoded, (list, tuple)) and encoded and all(isinstance(row, Mapping) for row in encoded):
        for index, row in enumerate(encoded):
            if missing := [name for name in encoded[0] if name not in row]:
                raise ValueError(f"encoded_inputs[{index}] has no {missing[0]!r}, which encoded_inputs[0] has")
        return {name: [row[name] for row in encoded] for name in encoded[0]}
    if isinstance(encoded, Mapping):
        return dict(encoded)
    raise TypeError(f"encoded_inputs is of type {type(encoded).__name__}; give a dict of columns, or a list of dicts")


def _require_equal(columns: Mapping[str, Any], main: str, what: str) -> None:
    expected = len(columns[main])
    for name, column in columns.items():
        if not isinstance(column, list):
            raise TypeError(f"encoded_inputs has {column!r} as {name}; with many rows it must be a column of {what}")
        if len(column) != expected:
            raise ValueError(
                f"encoded_inputs has {expected} {what} of {main}, but {len(column)} of {name}; give as many"
            )


def _tensors_of(column: Any) -> str | None:
    """What a column, or its rows, are made of: "np", "pt", or None for lists."""
    while isinstance(column, (list, tuple)) and len(column):
        column = column[0]
    if isinstance(column, (np.ndarray, np.generic)):
        return "np"
    return "pt" if type(column).__module__.partition(".")[0] == "torch" else None
