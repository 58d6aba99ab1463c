"""Packing of padded batches into the rows of the core, and unpacking of its outputs."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Packed(NamedTuple):
    """Rows without padding: T tokens of N rows.

    `mask` (T) is None unless a row has a hole, `first` (N) is None unless a row begins with padding, `types` (T) is
    None if every token is of type 0. `valid` (N, S) is True for the tokens of the padded batch that are not masked.
    `pairs` (N * S * S) masks the keys of each query; then no token is dropped.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    types: NDArray[np.uint8] | None
    mask: NDArray[np.uint8] | None
    first: NDArray[np.int32] | None
    valid: NDArray[np.bool_] | None
    shape: tuple[int, int]
    pairs: NDArray[np.uint8] | None = None


def pack(
    input_ids: Any,
    attention_mask: Any = None,
    token_type_ids: Any = None,
    *,
    vocab_size: int,
    type_vocab_size: int,
    positions: int | None = None,
) -> Packed:
    """Packs (N, S) arrays; padding at either end of a row is dropped, holes within it become a key mask.

    An attention_mask (N, S, S) masks the keys of each query, and all tokens are kept; a query without any key attends
    to itself.

    Errors: TypeError for a wrong dtype; ValueError for a wrong rank or shape, a mask value other than 0 and 1, a row
    without any token, an id outside [0, vocab_size), a token type outside [0, type_vocab_size), a token in a column
    outside [0, positions).
    """
    ids = _integers("input_ids", input_ids)
    rows, width = ids.shape
    types = None if token_type_ids is None else _integers("token_type_ids", token_type_ids, ids.shape)
    if type_vocab_size == 0:
        types = None
    pairs = None
    if attention_mask is not None and is_pair_mask(attention_mask):
        pairs, attention_mask = _pairs(attention_mask, ids.shape), None
    valid = None if attention_mask is None else _mask(attention_mask, ids.shape)
    if width == 0 and rows:
        raise ValueError("input_ids has rows without any token; give each row at least [CLS]")
    if valid is None or bool(valid.all()):
        span, first, mask, valid = None, None, None, None
        offsets = np.arange(rows + 1, dtype=np.int64) * width
    else:
        span, first, offsets = _spans(valid)
        holes = valid[span]
        mask = None if bool(holes.all()) else holes.view(np.uint8)
    if positions is not None and width > positions and rows:
        _check_columns(np.diff(offsets) + (0 if first is None else first), positions)
    flat = _take(ids, span)
    _check_range("input_ids", flat, span, ids.shape, vocab_size, "vocab_size")
    packed_types = None
    if types is not None:
        kinds = _take(types, span)
        _check_range("token_type_ids", kinds, span, ids.shape, type_vocab_size, "type_vocab_size")
        packed_types = kinds.astype(np.uint8)
    return Packed(flat.astype(np.int32), offsets, packed_types, mask, first, valid, (rows, width), pairs)


def is_pair_mask(attention_mask: Any) -> bool:
    """Whether a mask has the shape (N, S, S): the keys of each query."""
    return _array("attention_mask", attention_mask).ndim == 3


def unpack_hidden(packed: Packed, hidden: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """(L + 1, T, H) as L + 1 arrays (N, S, H) with zeros for masked tokens."""
    layers, _, size = hidden.shape
    if packed.valid is None:
        return tuple(hidden.reshape(layers, *packed.shape, size))
    padded = np.zeros((layers, *packed.shape, size), np.float32)
    padded[:, packed.valid] = hidden if packed.mask is None else hidden[:, packed.mask.view(np.bool_)]
    return tuple(padded)


def unpack_tokens(packed: Packed, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, C) as (N, S, C) with zeros for masked tokens."""
    return unpack_hidden(packed, values[None])[0]


def selected_tokens(packed: Packed, positions: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """`positions` (N, S) as a mask of the T packed tokens."""
    if packed.valid is None:
        return positions.ravel().view(np.uint8)
    chosen = positions[packed.valid]
    if packed.mask is None:
        return chosen.view(np.uint8)
    selected = np.zeros(len(packed.ids), np.uint8)
    selected[packed.mask.view(np.bool_)] = chosen
    return selected


def check_positions(positions: Any, packed: Packed) -> NDArray[np.bool_]:
    """A copy of `positions` as a boolean array (N, S), which no one can change while the network runs.

    Errors: TypeError or ValueError if it is not such an array, or is True at a masked token.
    """
    array = np.array(_array("positions", positions))
    if array.dtype.kind != "b":
        raise TypeError(f"positions has dtype {array.dtype}; it must be boolean, such as input_ids == mask_token_id")
    if array.shape != packed.shape:
        raise ValueError(f"positions has shape {array.shape}, but input_ids {packed.shape}; they must be equal")
    if packed.valid is not None and bool((array & ~packed.valid).any()):
        row, column = np.argwhere(array & ~packed.valid)[0].tolist()
        raise ValueError(f"positions[{row}, {column}] is True, but this token is masked by attention_mask")
    return array


def flatten_choices(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """(N, choices, S) as (N * choices, S); ValueError for another rank or shape."""
    array = _array(name, value)
    if shape is None and array.ndim != 3:
        raise ValueError(f"{name} has shape {array.shape}; it must be (rows, choices, tokens)")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but input_ids {shape}; they must be equal")
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2])


def unpack_attentions(
    packed: Packed, attentions: NDArray[np.float32], layers: int, heads: int
) -> tuple[NDArray[np.float32], ...]:
    """The core's attentions as L arrays (N, A, S, S) with zeros in the rows and columns of masked tokens."""
    rows, width = packed.shape
    flat = attentions.reshape(layers, -1)
    if packed.valid is None:
        return tuple(flat.reshape(layers, rows, heads, width, width))
    padded = np.zeros((layers, rows, heads, width, width), np.float32)
    begin = 0
    for row, length in enumerate(np.diff(packed.offsets).tolist()):
        block = flat[:, begin : begin + heads * length * length].reshape(layers, heads, length, length)
        column = 0 if packed.first is None else int(packed.first[row])
        padded[:, row, :, column : column + length, column : column + length] = block
        begin += heads * length * length
    if packed.mask is not None:
        padded *= packed.valid[:, None, :, None]
    return tuple(padded)


def offsets_of(lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The offsets of packed rows (N + 1): where each begins, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def stretches(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of stretches of an array, one after the other, and the offsets of the stretches among them.

    >>> stretches(np.array([7, 2]), np.array([3, 1]))
    (array([7, 8, 9, 2]), array([0, 3, 4]))
    """
    offsets = offsets_of(lengths)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


def _integers(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.integer[Any]]:
    array = _array(name, value)
    if array.dtype.kind not in "iu" and array.size:
        _raise_if_huge(name, value)
        remedy = "; tokenize the texts first, or call predict" if array.dtype.kind in "UOST" else ""
        raise TypeError(f"{name} has dtype {array.dtype}; it must contain integers{remedy}")
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; it must be (rows, tokens), for one row {name}[None, :]")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but input_ids {shape}; they must be equal")
    return array


def _mask(value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    valid = _zeros_and_ones(value, shape)
    empty = ~valid.any(axis=1)
    if bool(empty.any()):
        raise ValueError(f"row {int(empty.argmax())} of attention_mask is all zeros; every row needs a token")
    return valid


def _pairs(value: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask (N, S, S) as the core reads it; a query without any key gets itself."""
    pairs = np.array(_zeros_and_ones(value, (*shape, shape[1])))
    row, query = np.nonzero(~pairs.any(axis=2))
    pairs[row, query, query] = True
    return pairs.view(np.uint8).ravel()


def _zeros_and_ones(value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = _array("attention_mask", value)
    if array.shape != shape:
        raise ValueError(f"attention_mask has shape {array.shape}, but input_ids {shape[:2]}; they must be equal")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"attention_mask has dtype {array.dtype}; it must contain 0 and 1")
    valid: NDArray[np.bool_] = array != 0
    if array.dtype.kind != "b" and not bool((array == valid).all()):
        place = np.argwhere(array != valid)[0].tolist()
        raise ValueError(f"attention_mask{place} is {array[tuple(place)]}; a mask contains only 0 and 1")
    return valid


def _array(name: str, value: Any) -> NDArray[Any]:
    if value is None:
        raise ValueError(f"{name} is missing; give what the tokenizer returned")
    if isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; call model(**inputs), with two asterisks")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} has rows of different lengths; tokenize with padding=True") from error
    if name == "input_ids" and isinstance(next(array.flat, None), str):
        raise TypeError("input_ids contains texts; call model(**tokenizer(texts)), or model.predict(texts)")
    if array.dtype.kind == "O":
        _raise_if_huge(name, value)
        raise ValueError(f"{name} contains Python objects; give integers, as the tokenizer returns them")
    return array


def _raise_if_huge(name: str, value: Any) -> None:
    """ValueError for a Python int that does not fit into 64 bits."""
    for place, item in np.ndenumerate(np.asarray(value, object)):
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise ValueError(f"{name}{list(map(int, place))} is {item}; no vocabulary is that large")


def _spans(
    valid: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.int32] | None, NDArray[np.int64]]:
    """The mask (N, S) of the tokens from the first to the last of each row, the first columns, and the offsets."""
    width = valid.shape[1]
    first = valid.argmax(axis=1)
    last = width - valid[:, ::-1].argmax(axis=1)
    columns = np.arange(width)
    span = (columns >= first[:, None]) & (columns < last[:, None])
    return span, first.astype(np.int32) if bool(first.any()) else None, offsets_of(last - first)


def _take(values: NDArray[Any], span: NDArray[np.bool_] | None) -> NDArray[Any]:
    return values.ravel() if span is None else values[span]


def _check_columns(ends: NDArray[np.integer[Any]], limit: int) -> None:
    if ends.max() > limit:
        row = int((ends > limit).argmax())
        raise ValueError(
            f"row {row} of input_ids has a token in column {int(ends[row]) - 1}, but max_position_embeddings is "
            f"{limit}; tokenize with truncation=True and a max_length of at most {limit}"
        )


def _check_range(
    name: str, flat: NDArray[Any], span: NDArray[np.bool_] | None, shape: Iterable[int], limit: int, limit_name: str
) -> None:
    if not flat.size or (flat.min() >= 0 and flat.max() < limit):
        return
    index = int(((flat < 0) | (flat >= limit)).argmax())
    cell = index if span is None else int(np.flatnonzero(span)[index])
    row, column = np.unravel_index(cell, tuple(shape))
    raise ValueError(
        f"{name}[{int(row)}, {int(column)}] is {int(flat[index])}; "
        f"it must be at least 0 and below {limit_name}, which is {limit}: use the tokenizer of this model"
    )
