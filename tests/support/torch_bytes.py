"""Files as torch.save writes them, assembled by hand, without torch; each part may lie."""

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "float64": "DoubleStorage", "int64": "LongStorage"}
MAGIC = 0x1950A86A20F9469CFC6C
KEY = 94_713_662_001_264  # storages of the legacy form are named by addresses


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def many(*items: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(items) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + many(*arguments) + b"R"


EMPTY = call(name("collections", "OrderedDict"))


def storage(kind: str, key: str, numel: int, *view: bytes) -> bytes:
    return many(text("storage"), name("torch", kind), text(key), text("cpu"), integer(numel), *view) + b"Q"


def tensor(stored: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], hooks: bytes = EMPTY) -> bytes:
    sizes, steps = (many(*map(integer, numbers)) for numbers in (shape, strides))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, integer(offset), sizes, steps, b"\x89", hooks)


def pickled(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def state_dict(entries: Mapping[str, bytes]) -> bytes:
    return EMPTY + b"(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[place + 1 :])) for place in range(len(shape)))


def of_arrays(arrays: Mapping[str, np.ndarray], first: int = 0) -> tuple[bytes, dict[str, bytes]]:
    """The pickle of a state dict, and its storages, named by numbers from `first`."""
    entries, storages = {}, {}
    for number, (key, array) in enumerate(arrays.items()):
        place = str(first + 80 * number if first else number)
        storages[place] = array.tobytes()
        stored = storage(KINDS[array.dtype.name], place, array.size)
        entries[key] = tensor(stored, 0, array.shape, row_major(array.shape))
    return pickled(state_dict(entries)), storages


def zip_bytes(
    content: bytes,
    storages: Mapping[str, bytes],
    root: str = "archive",
    byteorder: bytes | None = b"little",
    beyond: int = 0,
) -> bytes:
    """The zip form, with storages at multiples of 64 bytes, or `beyond` them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entries = {"data.pkl": content, "version": b"3\n"} | {f"data/{key}": data for key, data in storages.items()}
        if byteorder is not None:
            entries["byteorder"] = byteorder
        for entry, data in entries.items():
            info = zipfile.ZipInfo(f"{root}/{entry}")
            padding = -(out.tell() + 30 + len(info.filename) + 4 - beyond) % 64
            info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
            archive.writestr(info, data)
    return out.getvalue()


def legacy_bytes(content: bytes, storages: Mapping[str, bytes], items: Mapping[str, int]) -> bytes:
    """The legacy form; `items` is the number of items of each storage."""
    info = b"}(" + text("protocol_version") + integer(1001) + text("little_endian") + b"\x88u"
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    head = b"".join((pickled(integer(MAGIC)), pickled(integer(1001)), pickled(info), content, pickled(keys)))
    return head + b"".join(struct.pack("<q", items[key]) + data for key, data in storages.items())


def zip_of(arrays: Mapping[str, np.ndarray]) -> bytes:
    return zip_bytes(*of_arrays(arrays))


def legacy_of(arrays: Mapping[str, np.ndarray]) -> bytes:
    content, storages = of_arrays(arrays, KEY)
    sizes = (array.size for array in arrays.values())
    return legacy_bytes(content, storages, dict(zip(storages, sizes, strict=True)))
