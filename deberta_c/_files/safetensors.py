"""safetensors files: read mapped into memory, every claim of their headers checked; and written."""

import json
import mmap
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import describe, describe_all

_MAX_HEADER = 16 << 20  # bytes; those of the largest checkpoints have half a megabyte
_MAX_RANK = 32  # of a NumPy array
# Bits of one item.
_BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
BUFFERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})  # position_ids, say: no weights
# What is written, narrow types first.
_WRITTEN = ("BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64")


class Tensor(NamedTuple):
    """A named array of a checkpoint file; `data` holds its bytes, row-major and little-endian, in place.

    `dtype` is called as in safetensors. `mapped`: the bytes lie in a read-only mapping of the file, so their pages may
    be dropped and come back; items need not be aligned there. `source` is the file, for messages.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]
    mapped: bool = False
    source: str = ""


def read_safetensors(path: Path) -> list[Tensor]:
    """Every tensor of one safetensors file, as views of the mapped file, in the order of the file.

    Errors: ValueError names the file, the tensor, the found and the expected value.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < 8:
            raise _bad(path, f"it has {size} bytes, too few for a header")
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER:
            raise _bad(path, f"its header claims {length} bytes, more than the limit of {_MAX_HEADER}")
        if length > size - 8:
            raise _bad(path, f"its header claims {length} bytes, but only {size - 8} follow; the file is cut short")
        entries = _header(path, file.read(length))
        mapped = map_file(file)
    start, end = 8 + length, 0
    tensors = []
    for name, entry in sorted(entries, key=lambda item: _offsets(path, *item)):
        tensor, end = _tensor(path, name, entry, mapped, start, end)
        tensors.append(tensor)
    if start + end != size:
        raise _bad(path, f"its tensors end at byte {start + end}, the file at byte {size}")
    return tensors


def map_file(file: BinaryIO) -> mmap.mmap:
    """An open file, read-only in memory; OSError names the file when there is no room for it."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        problem = f"{error.strerror}: the file cannot be mapped into memory; free some, or raise the limit (ulimit -v)"
        raise OSError(error.errno, problem, file.name) from error


def write_safetensors(path: Path, tensors: Iterable[Tensor]) -> None:
    """Writes tensors as the format's own writer does for torch: the widest types first, then by name.

    Errors: ValueError when a name comes twice or a tensor's bytes do not fit its shape.
    """
    place = 0
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    ordered = sorted(tensors, key=lambda tensor: (-_WRITTEN.index(tensor.dtype), tensor.name))
    for tensor in ordered:
        if tensor.name in header:
            raise ValueError(f"tensor {tensor.name!r} comes twice; give each name once")
        if tensor.data.nbytes * 8 != prod(tensor.shape) * _BITS[tensor.dtype]:
            raise ValueError(
                f"tensor {tensor.name!r} is {tensor.dtype} of shape {tensor.shape}; "
                f"its {tensor.data.nbytes} bytes do not fill it"
            )
        end = place + tensor.data.nbytes
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in ordered:
            file.write(tensor.data.data)


def _header(path: Path, text: bytes) -> list[tuple[str, Any]]:
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, value in pairs:
            if name in content:
                twice.append(name)
            content[name] = value
        return content

    try:
        content = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"its header is not JSON ({error})") from error
    if twice:
        raise _bad(path, f"its header names {describe(twice[0])} twice")
    if not isinstance(content, dict):
        raise _bad(path, f"its header is a JSON {type(content).__name__}, not an object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _bad(path, "its __metadata__ does not map str to str")
    return list(content.items())


def _offsets(path: Path, name: str, entry: Any) -> tuple[int, int]:
    offsets: Any = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _bad(path, f"tensor {describe(name)} has data_offsets {describe_all(offsets)}, not [begin, end]")
    return offsets[0], offsets[1]


def _tensor(path: Path, name: str, entry: Any, mapped: mmap.mmap, start: int, expected: int) -> tuple[Tensor, int]:
    """The tensor whose bytes must begin at `expected`, counted from `start`; and where they end."""
    begin, end = _offsets(path, name, entry)
    if begin < expected:
        raise _bad(
            path, f"tensor {describe(name)} begins at byte {begin} and overlaps the one that ends at byte {expected}"
        )
    if begin > expected:
        raise _bad(
            path, f"tensor {describe(name)} begins at byte {begin}; bytes {expected} to {begin} belong to no tensor"
        )
    if start + end > len(mapped):
        raise _bad(
            path, f"tensor {describe(name)} ends at byte {start + end}, the file at byte {len(mapped)}; it is cut short"
        )
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _bad(path, f"tensor {describe(name)} has the unknown dtype {describe(dtype)}")
    if not _is_sizes(shape):
        raise _bad(path, f"tensor {describe(name)} has shape {describe_all(shape)}, not a list of sizes")
    if prod(shape) * _BITS[dtype] != (end - begin) * 8:
        raise _bad(
            path,
            f"tensor {describe(name)} is {dtype} of shape {describe_all(shape)}, which does not fill its "
            f"{end - begin} bytes",
        )
    data = np.frombuffer(mapped, np.uint8, end - begin, start + begin)
    return Tensor(name, dtype, tuple(shape), data, True, str(path)), end


def _is_sizes(value: Any) -> bool:
    """Whether it is a list of as many and as large sizes as a tensor may have."""
    return (
        isinstance(value, list)
        and len(value) <= _MAX_RANK
        and all(type(item) is int and 0 <= item < 2**48 for item in value)
    )


def _bad(path: Path, problem: str) -> ValueError:
    return ValueError(f"{str(path)!r} is not a sound safetensors file: {problem}; copy it again")
