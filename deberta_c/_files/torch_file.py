"""pytorch_model.bin without torch: both forms of torch.save, mapped into memory, every claim of theirs checked."""

import io
import mmap
import struct
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import describe
from deberta_c._files.safetensors import BUFFERS, Tensor, map_file
from deberta_c._files.torch_pickle import MAX_OPERATIONS, MAX_PICKLE, Storage, View, damaged, foreign, unpickle

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_ENTRIES = 100_000
_MAX_FIELDS = 8  # of an entry of a zip; torch writes two
_SMALL = 1 << 20  # bytes that may be copied whatever the file's size, for a single expanded tensor say
_MASK_16, _MASK_32 = 0xFFFF, 0xFFFFFFFF  # in a zip: the number lies elsewhere, in 64 bits
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module")


def read_torch_file(path: Path) -> list[Tensor]:
    """The tensors of a state dict that torch.save wrote, in its order; other entries are left out.

    Tensors are views of the mapped file; those that are not contiguous there are copied, each once, and all together
    are not larger than the file. Integers that are not contiguous have no `data`, because no weight is made of them.
    Pickles are not executed, see `_torch_pickle`.

    Errors: ValueError names the file, what was found and the remedy.
    """
    try:
        content = read_object(path)
        return list(_tensors(content, str(path), max(path.stat().st_size, _SMALL)))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} {error}") from error


def read_object(path: Path, limit: int = MAX_OPERATIONS) -> Any:
    """What torch.save wrote, its tensors as views of the mapped file; its pickle may take `limit` operations.

    Errors: ValueError that begins with "is", for the name of the file to stand before it.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        if len(begin) < 4:
            raise damaged(f"it has {len(begin)} bytes")
        mapped = map_file(file)
    if begin == b"PK\3\4":
        return _read_zip(mapped, limit)
    if begin[:1] == b"\x80":
        return _read_legacy(mapped, limit)
    raise damaged(f"it begins with {mapped[:24]!r}, which torch.save did not write")


def _state_dict(content: Any) -> Iterator[tuple[str, View]]:
    if not isinstance(content, dict):
        raise foreign(f"it holds {describe(content)}")
    views = [(name, view) for name, view in content.items() if isinstance(view, View)]
    inside = [name for name in _WRAPPERS if isinstance(content.get(name), dict)]
    if not views and inside:
        raise foreign(f"its weights lie one level down, in its entry {inside[0]!r}, as training scripts save them")
    for name, view in views:
        if not isinstance(name, str):
            raise damaged(f"a tensor is called {name}, a number")
        yield name, view


def _tensors(content: Any, source: str, budget: int) -> Iterator[Tensor]:
    """The tensors; what must be copied may take `budget` bytes."""
    copies: dict[str, NDArray[np.uint8]] = {}
    left = budget
    for name, view in _state_dict(content):
        kind, data = view.storage.kind, view.storage.data
        assert data is not None
        begin, size = view.offset * kind.item, prod(view.shape) * kind.item
        mapped = size == 0 or _in_a_row(view)
        if kind.dtype in BUFFERS and not mapped:
            size, mapped = 0, True
        place = f"{id(view.storage)} {view.offset} {view.shape} {view.strides}"  # a str, so that no hash is slow
        if not mapped and place not in copies:
            left -= size
            if left < 0:
                raise ValueError(
                    f"holds tensors that are not contiguous and take more than {budget} bytes, as {describe(name)} "
                    "does; save each as tensor.contiguous()"
                )
            copies[place] = _copy(view, data, begin)
        here = data[begin : begin + size] if mapped else copies[place]
        yield Tensor(name, kind.dtype, view.shape, here, mapped, source)


def _copy(view: View, data: NDArray[np.uint8], begin: int) -> NDArray[np.uint8]:
    item = view.storage.kind.item
    items = np.ndarray(view.shape, f"<u{item}", data, begin, [stride * item for stride in view.strides])
    return items.copy().reshape(-1).view(np.uint8)


def _in_a_row(view: View) -> bool:
    expected = 1
    for size, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _fill(storage: Storage, key: str, mapped: mmap.mmap, begin: int, size: int) -> None:
    expected = storage.numel * storage.kind.item
    if size != expected:
        found = f"storage {key} has {size} bytes"
        raise damaged(f"{found}; its {storage.numel} items of {storage.kind.dtype} take {expected}")
    storage.data = np.frombuffer(mapped, np.uint8, size, begin)


# ---- the legacy form: five pickles, then for each storage its number of items and its bytes ----


def _read_legacy(mapped: mmap.mmap, limit: int) -> Any:
    storages: dict[str, Storage] = {}
    stream = io.BytesIO(mapped[:MAX_PICKLE])
    magic = unpickle(stream, storages)
    if magic != _MAGIC:
        raise damaged(f"it begins with the pickle of {describe(magic)}, not with torch.save's number")
    protocol, machine = unpickle(stream, storages), unpickle(stream, storages)
    if protocol != _PROTOCOL:
        raise damaged(f"it has protocol {describe(protocol)}, not {_PROTOCOL}")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise foreign("it was written on a machine that is not little-endian")
    content, keys = unpickle(stream, storages, limit), unpickle(stream, storages)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise damaged("its list of storages is not that of its tensors")
    place = stream.tell()
    for key in keys:
        place = _read_storage(storages[key], key, mapped, place)
    if place != len(mapped):
        raise damaged(f"its storages end at byte {place}, the file at byte {len(mapped)}")
    return content


def _read_storage(storage: Storage, key: str, mapped: mmap.mmap, place: int) -> int:
    begin = place + 8
    end = begin + storage.numel * storage.kind.item
    if end > len(mapped):
        raise damaged(f"storage {key} ends at byte {end}, the file at byte {len(mapped)}; it is cut short")
    numel = int.from_bytes(mapped[place:begin], "little")
    _fill(storage, key, mapped, begin, numel * storage.kind.item)
    return end


# ---- the zip form: ROOT/data.pkl and ROOT/data/KEY, stored as they are ----


class _Entry(NamedTuple):
    name: str
    header: int
    begin: int
    size: int
    crc: int


def _read_zip(mapped: mmap.mmap, limit: int) -> Any:
    entries = _entries(mapped)
    roots = [name.removesuffix("data.pkl") for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise damaged(f"it is a zip with {len(roots)} entries */data.pkl, not one")
    root = roots[0]
    order = entries.get(f"{root}byteorder")
    if order and mapped[order.begin : order.begin + min(order.size, 16)] != b"little":
        raise foreign("its byteorder is not little")
    storages: dict[str, Storage] = {}
    content = unpickle(io.BytesIO(_pickle(mapped, entries[f"{root}data.pkl"])), storages, limit)
    held = {
        name.removeprefix(f"{root}data/"): entry for name, entry in entries.items() if name.startswith(f"{root}data/")
    }
    for key in storages.keys() ^ held.keys():
        problem = "which no tensor uses" if key in held else "which is missing"
        raise damaged(f"its storages and its tensors differ in storage {key[:80]}, {problem}")
    for key, storage in storages.items():
        _fill(storage, key, mapped, held[key].begin, held[key].size)
    return content


def _pickle(mapped: mmap.mmap, entry: _Entry) -> bytes:
    if entry.size > MAX_PICKLE:
        raise foreign(f"{entry.name} has {entry.size} bytes, more than {MAX_PICKLE}")
    content = mapped[entry.begin : entry.begin + entry.size]
    if entry.crc not in (0, crc32(content)):  # torch has an option to omit it
        raise damaged(f"the checksum of {entry.name} is wrong")
    return content


def _entries(mapped: mmap.mmap) -> dict[str, _Entry]:
    """The entries of a zip, all stored, one after the other."""
    count, size, place = _directory(mapped)
    if count == 0:
        raise damaged("it is a zip without entries")
    end, limit = place + size, place
    entries: dict[str, _Entry] = {}
    for _ in range(count):
        entry, place = _entry(mapped, place, end, limit)
        if entry.name in entries:
            raise damaged(f"it has two entries {describe(entry.name)}")
        entries[entry.name] = entry
    if place != end:
        raise damaged(f"its directory of {count} entries ends at byte {place}, not {end}")
    _check_order(mapped, entries.values(), limit)
    return entries


def _check_order(mapped: mmap.mmap, entries: Iterable[_Entry], limit: int) -> None:
    """One entry follows the other, up to `limit`; a descriptor of 16 or 24 bytes may stand between them."""
    ordered = sorted(entries, key=lambda entry: entry.header)
    for entry, following in zip(ordered, [*(entry.header for entry in ordered[1:]), limit], strict=True):
        end = entry.begin + entry.size
        if following != end and not (following - end in (16, 24) and mapped[end : end + 4] == b"PK\7\10"):
            raise damaged(f"entry {describe(entry.name)} ends at byte {end}, the next begins at byte {following}")


def _directory(mapped: mmap.mmap) -> tuple[int, int, int]:
    """How many entries a zip has, the size of their directory and where it begins."""
    end = mapped.rfind(b"PK\5\6", max(0, len(mapped) - _MASK_16 - 22))
    if end < 0 or end + 22 > len(mapped):
        raise damaged("it is a zip without a directory; it is cut short")
    count, size, place = struct.unpack_from("<HII", mapped, end + 10)
    if count == _MASK_16 or _MASK_32 in (size, place):
        locator = end - 20
        if locator < 0 or mapped[locator : locator + 4] != b"PK\6\7":
            raise damaged("it is a large zip without a 64-bit directory")
        (end,) = struct.unpack_from("<Q", mapped, locator + 8)
        if end + 56 > locator or mapped[end : end + 4] != b"PK\6\6":
            raise damaged("it is a large zip without a 64-bit directory")
        count, size, place = struct.unpack_from("<QQQ", mapped, end + 32)
    if count > _MAX_ENTRIES:
        raise foreign(f"it is a zip of {count} entries, more than {_MAX_ENTRIES}")
    if place + size > end:
        raise damaged(f"the zip's directory ends at byte {place + size}, beyond its place")
    return count, size, place


def _entry(mapped: mmap.mmap, place: int, end: int, limit: int) -> tuple[_Entry, int]:
    """The entry at `place` of the directory, which ends at `end`, with its data before `limit`; and the next place."""
    if place + 46 > end or mapped[place : place + 4] != b"PK\1\2":
        raise damaged(f"the zip's directory has no entry at byte {place}")
    flags, method, crc, packed, size, name_size, extra_size, comment_size, header = struct.unpack_from(
        "<HH4xIIIHHH8xI", mapped, place + 8
    )
    name_end = place + 46 + name_size
    raw, extra = mapped[place + 46 : name_end], mapped[name_end : name_end + extra_size]
    shown = describe(raw.decode("utf-8", "replace"))
    if flags & 0x41 or method:
        raise foreign(f"entry {shown} is {'encrypted' if flags & 0x41 else 'compressed'}")
    size, packed, header = _wide(extra, [size, packed, header])
    if size != packed:
        raise damaged(f"entry {shown} has {packed} bytes for {size}")
    begin = _data(mapped, header, raw, shown, limit)
    if begin + size > limit:
        raise damaged(f"entry {shown} ends at byte {begin + size}, beyond byte {limit}; it is cut short")
    return _Entry(raw.decode("utf-8", "replace"), header, begin, size, crc), name_end + extra_size + comment_size


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Numbers that did not fit into 32 bits, replaced by those of an entry's extra field."""
    place = fields = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        place, fields = place + 4 + size, fields + 1
        if fields > _MAX_FIELDS:
            raise damaged(f"an entry of the zip's directory has more than {_MAX_FIELDS} extra fields")
        if kind == 1:
            values = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            numbers = [next(values, number) if number == _MASK_32 else number for number in numbers]
    return numbers


def _data(mapped: mmap.mmap, header: int, name: bytes, shown: str, limit: int) -> int:
    """Where the data of an entry begins; its own header must agree with the directory."""
    if header + 30 > limit or mapped[header : header + 4] != b"PK\3\4":
        raise damaged(f"entry {shown} has no header at byte {header}")
    flags, method, name_size, extra_size = struct.unpack_from("<HH16xHH", mapped, header + 6)
    if flags & 0x41 or method or mapped[header + 30 : header + 30 + name_size] != name:
        raise damaged(f"entry {shown} has the header of another")
    return header + 30 + int(name_size) + int(extra_size)
