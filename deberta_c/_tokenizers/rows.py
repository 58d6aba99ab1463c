"""Encoded rows without padding, and the columns of a call that are made of them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._tokenizers.directory import (
    trimmed_spans,
)
from deberta_c._tokenizers.encodings import Layout


class Rows(NamedTuple):
    """Encoded rows without padding: ids (T), types (T), offsets (N + 1); truncation shortened `cut` of them.

    `extras` holds the optional arrays of the core by their names.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    cut: int
    extras: Mapping[str, Any] = MappingProxyType({})


def encode_trimmed(
    core: _core.Tokenizer,
    prefix_space: bool,
    firsts: Sequence[str],
    seconds: Sequence[str] | None,
    *,
    want: tuple[str, ...] = (),
    **options: Any,
) -> tuple[Any, ...]:
    """Encodes with the core; spans leave out the white space at the ends of tokens."""
    if "spans" not in want:
        return core.encode(firsts, seconds, want=want, **options)
    wanted = tuple({*want, "strings", "sequences"})
    ids, types, offsets, cut, extras = core.encode(firsts, seconds, want=wanted, **options)
    spans, strings, sequences = extras["spans"].copy(), extras["strings"], extras["sequences"]
    for begin, end in pairwise(offsets.tolist()):
        for sequence in (0, 1):
            places = begin + np.flatnonzero(sequences[begin:end] == sequence)
            spans[places] = trimmed_spans(spans[places], [strings[place] for place in places], prefix_space)
    return ids, types, offsets, cut, {**extras, "spans": spans}


def lists_of(names: list[str], rows: Rows, layout: Layout, core: _core.Tokenizer) -> dict[str, list[Any]]:
    """The columns as lists."""
    extras, padding = rows.extras, layout.padding
    of_tokens: dict[str, Callable[[], tuple[Any, Any]]] = {
        "input_ids": lambda: (rows.ids, padding.id),
        "token_type_ids": lambda: (rows.types if rows.types.any() else 0, padding.type),
        "attention_mask": lambda: (1, 0),
        "special_tokens_mask": lambda: (extras["sequences"] < 0, 1),
        "offset_mapping": lambda: (extras["spans"], (0, 0)),
    }
    of_rows: dict[str, Callable[[], list[int]]] = {
        "length": layout.padded_lengths,
        "overflow_to_sample_mapping": lambda: list(extras["samples"].tolist()),
    }
    columns = tuple(of_tokens[name]() for name in names if name in of_tokens)
    made = iter(core.rows(rows.offsets, columns, width=padding.width, left=padding.left))
    return {name: next(made) if name in of_tokens else of_rows[name]() for name in names}


def arrays_of(names: list[str], rows: Rows, layout: Layout) -> dict[str, NDArray[np.int64]]:
    """The columns as arrays."""
    extras, padding = rows.extras, layout.padding
    made: dict[str, Callable[[], NDArray[np.int64]]] = {
        "input_ids": lambda: layout.array(rows.ids, padding.id),
        "token_type_ids": lambda: layout.array(rows.types, padding.type),
        "attention_mask": lambda: layout.taken.astype(np.int64),
        "special_tokens_mask": lambda: layout.array(extras["sequences"] < 0, 1),
        "offset_mapping": lambda: layout.array(extras["spans"], 0),
        "length": lambda: np.array(layout.padded_lengths(), np.int64),
        "overflow_to_sample_mapping": lambda: extras["samples"].astype(np.int64),
    }
    return {name: made[name]() for name in names}
