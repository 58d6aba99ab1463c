"""The pickles inside a file of torch.save, run by a machine that can do nothing but put tensors together.

No name is looked up by import and nothing is called but the five functions of `_FUNCTIONS`. The opcodes are those that
torch.save writes. Only str and small int are keys, so that no hash is slow; what is made is bounded by the number of
operations, which is limited, and nothing walks through nested objects.
"""

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import describe, describe_all

MAX_PICKLE = 16 << 20  # bytes; those of the largest checkpoints have half a megabyte
MAX_OPERATIONS = 250_000  # 48 layers take 40,000

_MAX_RANK = 32  # of a NumPy array
_SAVE_ANEW = "if you trust it, open it where torch is installed and save the weights alone, with safetensors"


@dataclass(frozen=True, eq=False)
class Kind:
    """A class of storages: the type of its items, called as in safetensors, and their size in bytes."""

    dtype: str
    item: int


@dataclass(eq=False)
class Storage:
    """Numbers in a row; `data`, their bytes, is filled in by the reader of the file."""

    kind: Kind
    numel: int
    data: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Items `begin` to `begin + numel` of a storage."""

    storage: Storage
    begin: int
    numel: int


@dataclass(frozen=True, eq=False)
class View:
    """A tensor: where its items lie in a storage, in items."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def damaged(problem: str) -> ValueError:
    """The error for a file that contradicts itself."""
    return ValueError(f"is damaged: {problem}; copy it again")


def foreign(problem: str) -> ValueError:
    """The error for a file with other things than tensors in it."""
    return ValueError(f"is not a plain state dict: {problem}, and nothing of a pickle is executed here; {_SAVE_ANEW}")


def unpickle(stream: IO[bytes], storages: dict[str, Storage], limit: int = MAX_OPERATIONS) -> Any:
    """The object of the pickle that begins at the stream's place and takes at most `limit` operations.

    Storages that it mentions are added to `storages`.

    Errors: ValueError that begins with "is", for the name of the file to stand before it.
    """
    machine = _Machine(storages)
    for name, argument in _operations(stream, limit):
        if name == "STOP":
            return machine.result()
        if name == "PROTO" and argument in (4, 5):
            raise foreign(f"it was saved with pickle protocol {argument}, where torch.save takes 2 by itself")
        if name in _LITERALS:
            machine.stack.append(argument)
        elif name in _MAKERS:
            machine.stack.append(_MAKERS[name]())
        elif name in _TUPLES:
            machine.stack.append(tuple(machine.pop_last(_TUPLES[name])))
        elif name in _STEPS:
            _STEPS[name](machine, argument)
    raise foreign(f"its pickle has more than {limit} operations")


def _operations(stream: IO[bytes], limit: int) -> Iterator[tuple[str, Any]]:
    """The opcodes of one pickle and their arguments."""
    for _ in range(limit):
        opcode = _opcode(stream.read(1))
        try:
            argument = _global_name(stream) if opcode.name == "GLOBAL" else _argument(opcode, stream)
        except ValueError as error:
            raise damaged(f"its pickle breaks off ({str(error)[:100]})") from error
        yield opcode.name, argument


def _argument(opcode: pickletools.OpcodeInfo, stream: IO[bytes]) -> Any:
    return opcode.arg.reader(stream) if opcode.arg else None


def _global_name(stream: IO[bytes]) -> str:
    """Module and name; the reader of pickletools would take backslashes in them for escapes."""
    lines = stream.readline(), stream.readline()
    if not all(line.endswith(b"\n") for line in lines):
        raise ValueError("a name has no end")
    return " ".join(line[:-1].decode("utf-8") for line in lines)


def _opcode(code: bytes) -> pickletools.OpcodeInfo:
    opcode = _OPCODES.get(code)
    if opcode is None:
        raise damaged(f"its pickle breaks off, {code!r} is not an opcode" if code else "its pickle breaks off")
    if opcode.name not in _KNOWN:
        raise foreign(f"its pickle has the opcode {opcode.name}, which torch.save does not write")
    return opcode


class _Machine:
    """A pickle's stack, marks and memo, and what the opcodes do to them."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        """The one object that is left at the end."""
        if len(self.stack) != 1 or self.marks:
            raise damaged(f"its pickle ends with {len(self.stack)} objects and {len(self.marks)} marks")
        return self.stack[0]

    def pop_last(self, count: int) -> list[Any]:
        """The last `count` objects above the last mark."""
        begin = len(self.stack) - count
        if begin < (self.marks[-1] if self.marks else 0):
            raise damaged("its pickle takes more objects than it has")
        taken = self.stack[begin:]
        del self.stack[begin:]
        return taken

    def pop(self) -> Any:
        return self.pop_last(1)[0]

    def top(self) -> Any:
        self.stack.append(self.pop())
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        """All objects above the last mark."""
        if not self.marks:
            raise damaged("its pickle has no mark where it needs one")
        taken = self.stack[self.marks[-1] :]
        del self.stack[self.marks.pop() :]
        return taken

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def make_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def put(self, index: int) -> None:
        if index in self.memo:
            raise damaged(f"its pickle notes two objects under {index}")
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise damaged(f"its pickle asks for object {index}, which it never noted")
        self.stack.append(self.memo[index])

    def global_(self, name: str) -> None:
        if name not in _GLOBALS:
            raise foreign(f"it asks for {name.replace(' ', '.', 1)[:100]}")
        self.stack.append(_GLOBALS[name])

    def reduce(self, _: Any) -> None:
        function, arguments = self.pop_last(2)
        if not any(function is known for known in _FUNCTIONS.values()) or type(arguments) is not tuple:
            raise foreign(f"it calls {describe(function)} with {describe(arguments)}")
        self.stack.append(function(arguments))

    def build(self, _: Any) -> None:
        """Attributes of an OrderedDict, _metadata say, are dropped."""
        target, state = self.pop_last(2)
        if type(target) is not OrderedDict or type(state) is not dict:
            raise foreign(f"it sets the state of {describe(target)} to {describe(state)}")
        self.stack.append(target)

    def set_item(self, _: Any) -> None:
        self._fill(self.pop_last(2))

    def set_items(self, _: Any) -> None:
        self._fill(self.pop_mark())

    def _fill(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise damaged(f"its pickle sets items of {describe(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not (isinstance(key, str) or _is_size(key, -(2**31), 2**31)):
                raise foreign(f"a key of a dict is {describe(key)}")
            if key in target:
                raise damaged(f"its pickle names {describe(key)} twice")
            target[key] = value

    def append(self, _: Any) -> None:
        self._extend([self.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise damaged(f"its pickle appends to {describe(target)}")
        target.extend(items)

    def persistent(self, _: Any) -> None:
        """A storage: ("storage", class, key, device, number of items), in the legacy form with a view of it."""
        match self.pop():
            case ("storage", Kind() as kind, str() as key, str() | None, numel, *view) if _is_size(numel):
                self.stack.append(_view_of(self._storage(kind, key, numel), view))
            case ("module", *_):
                raise foreign("it holds a module with its source text")
            case other:
                raise foreign(f"its persistent id is {describe_all(other)}, not a storage")

    def _storage(self, kind: Kind, key: str, numel: int) -> Storage:
        if not (key.isascii() and key.isdigit()):
            raise damaged(f"a storage is called {describe(key)}, not by a number")
        storage = self.storages.setdefault(key, Storage(kind, numel))
        if storage.kind is not kind or storage.numel != numel:
            raise damaged(
                f"storage {key} is {storage.numel} items of {storage.kind.dtype} and also {numel} of {kind.dtype}"
            )
        return storage


def _view_of(storage: Storage, view: list[Any]) -> Part:
    match view:
        case [] | [None]:
            return Part(storage, 0, storage.numel)
        case [(str(), begin, numel)] if _is_size(begin) and _is_size(numel) and begin + numel <= storage.numel:
            return Part(storage, begin, numel)
    raise damaged(f"a view of a storage of {storage.numel} items is {describe_all(view)}")


def _ordered_dict(arguments: tuple[Any, ...]) -> Any:
    if arguments:
        raise foreign(f"it makes an OrderedDict of {describe(arguments[0])}")
    return OrderedDict()


def _size(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (tuple() as sizes,):
            return sizes
    raise damaged(f"a torch.Size is made of {describe_all(arguments)}")


def _rebuild_tensor(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (Part() as part, offset, tuple() as shape, tuple() as strides, bool(), hooks, *metadata):
            if hooks or (metadata and metadata != [None] and metadata != [{}]):
                raise foreign("a tensor has hooks or metadata")
            _check_view(part, offset, shape, strides)
            return View(part.storage, part.begin + offset, shape, strides)
    raise damaged(f"a tensor is made of {describe_all(arguments)}")


def _rebuild_parameter(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (View() as tensor,) | (View() as tensor, bool()):
            return tensor
        case (View() as tensor, bool(), hooks):
            if hooks:
                raise foreign("a parameter has hooks")
            return tensor
    raise damaged(f"a parameter is made of {describe_all(arguments)}")


def _check_view(part: Part, offset: Any, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> None:
    """The items lie within the part; in a tensor that takes all of it, an expanded one say, several in one place."""
    if not (len(shape) == len(strides) <= _MAX_RANK and all(map(_is_size, (offset, *shape, *strides)))):
        raise damaged(
            f"a tensor has offset {describe(offset)}, sizes {describe_all(shape)} and strides {describe_all(strides)}"
        )
    if prod(shape) == 0:
        return
    last, overlapping = 0, False
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        overlapping |= stride <= last
        last += (size - 1) * stride
    if offset + last >= part.numel:
        raise damaged(
            f"a tensor of sizes {describe_all(shape)}, strides {describe_all(strides)} and offset {offset} leaves "
            f"its storage of {part.numel} items"
        )
    if overlapping and (offset, last + 1) != (0, part.numel):
        raise damaged(
            f"items of a tensor of sizes {describe_all(shape)} and strides {describe_all(strides)} lie in one place, "
            f"and others of its storage of {part.numel} items are left out"
        )


def _is_size(value: Any, least: int = 0, limit: int = 2**48) -> bool:
    return type(value) is int and least <= value < limit


_LITERALS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"})
_MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.make_tuple,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.global_,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "BINPERSID": _Machine.persistent,
}
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_KNOWN = frozenset({"PROTO", "STOP"}) | _LITERALS | _MAKERS.keys() | _TUPLES.keys() | _STEPS.keys()
_FUNCTIONS = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    "torch.nn.parameter Parameter": _rebuild_parameter,
}
_KINDS = {
    "torch FloatStorage": Kind("F32", 4),
    "torch HalfStorage": Kind("F16", 2),
    "torch BFloat16Storage": Kind("BF16", 2),
    "torch DoubleStorage": Kind("F64", 8),
    "torch LongStorage": Kind("I64", 8),
    "torch IntStorage": Kind("I32", 4),
    "torch ShortStorage": Kind("I16", 2),
    "torch CharStorage": Kind("I8", 1),
    "torch ByteStorage": Kind("U8", 1),
    "torch BoolStorage": Kind("BOOL", 1),
}
# As torch calls them in pickles.
_DTYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128", "float", "double", "half"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2"),
    *("qint8", "qint32", "quint8", "quint4x2", "quint2x4", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16"),
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8)),
)
_GLOBALS: dict[str, Any] = {**_FUNCTIONS, **_KINDS, **{f"torch {name}": f"torch.{name}" for name in _DTYPES}}
