"""The type in which the linear layers of an encoder multiply, and the layers that stay in float32."""

import re
from collections.abc import Iterable, Mapping, Sized
from difflib import get_close_matches
from typing import Any, NamedTuple

from deberta_c import _core
from deberta_c._base.errors import describe
from deberta_c._models.tensor_names import PREFIXES, Source

DTYPES = ("float32", "bfloat16", "int8")
KEEP = "low_precision_keep"  # the key of config.json that names layers in float32

_FASTEST = ("int8", "bfloat16")  # for "auto"
_FASTER_WEIGHTS = ("avx2",)  # instruction sets where weights in bfloat16 alone are measured to be faster
_LINEAR = re.compile(
    r"deberta\.encoder\.layer\.\d+\."
    r"(attention\.self\.(query|key|value)_proj|attention\.output\.dense|intermediate\.dense|output\.dense)\.weight"
)
_FUSED = re.compile(r"\.(key|value)_proj\.weight$")  # multiplied as one weight


class Precision(NamedTuple):
    """How the linear layers of an encoder multiply: what the attribute `precision` of a model says.

    `dtype` is "float32", "bfloat16" or "int8", `keep` names the layers that stay in float32, and `kernels` names the
    library that multiplies and its instructions. A model opened with `dtype=model.precision` computes in the same way,
    without the self-test.

    >>> import deberta_c
    >>> deberta_c.AutoModel.from_pretrained(deberta_c.default_model()).precision.dtype
    'float32'
    """

    dtype: str = "float32"
    keep: tuple[str, ...] = ()

    @property
    def kernels(self) -> str:
        """The library that multiplies, "own" or "onednn", and its instructions, such as "own avx512_vnni".

        In bfloat16, "own avx2 in float32" says that the CPU does not multiply it: only weights are in that type.
        """
        return _core.multiplier(self.dtype)

    def __str__(self) -> str:
        kept = f", {layers_of(self.keep)} in float32" if self.keep else ""
        return f"{self.dtype} by {self.kernels}{kept}"


FLOAT32 = Precision()


class Unit(NamedTuple):
    """Linear layers that are multiplied together: their names in files, without prefix, and those of the core."""

    layers: tuple[str, ...]
    tensors: tuple[str, ...]


def layers_of(keep: Sized) -> str:
    """The number of layers in words.

    >>> layers_of(["encoder.layer.0.output.dense"])
    '1 layer'
    """
    return f"{len(keep)} layer{'s' * (len(keep) != 1)}"


def wanted_dtype(options: Mapping[str, Any]) -> Any:
    """The value of `dtype`, or of `torch_dtype`, in the options: one of DTYPES, "auto" or a Precision.

    "auto" as `torch_dtype` is float32: older code means the type of the file by it. Errors: ValueError for any other
    type, or two different ones.
    """
    found = {
        name: checked_dtype(options[name], name) for name in ("dtype", "torch_dtype") if options.get(name) is not None
    }
    if found.get("torch_dtype") == "auto":
        found["torch_dtype"] = "float32"
    if len(found) > 1 and found["dtype"] != found["torch_dtype"]:
        raise ValueError(f"dtype is {options['dtype']!r}, but torch_dtype {options['torch_dtype']!r}; give dtype only")
    return next(iter(found.values()), "float32")


def checked_dtype(value: Any, name: str = "dtype") -> Any:
    """The name of a type that networks can have, or "auto"; a Precision as it is.

    NumPy's and torch's types count as their names. Errors: ValueError names the remedy.

    >>> checked_dtype("torch.int8")
    'int8'
    """
    if isinstance(value, Precision):
        return value
    shown = str(getattr(value, "__name__", value)).removeprefix("torch.")
    if shown == "auto":
        return shown
    if shown not in DTYPES:
        raise ValueError(
            f'{name} is {value!r}; the network computes in float32, bfloat16 or int8: give "float32", "bfloat16", '
            '"int8", or "auto" for the fastest that passes its self-test'
        )
    return shown


def names_dtype(value: Any) -> bool:
    """Whether a value, which stands in the place of another argument, is what `dtype` may be.

    >>> names_dtype("int8"), names_dtype("auto"), names_dtype(["int8"])
    (True, True, False)
    """
    if value is None or (isinstance(value, Iterable) and not isinstance(value, (str, Precision))):
        return False
    try:
        checked_dtype(value)
    except ValueError:
        return False
    return True


def fastest() -> list[str]:
    """The types that "auto" tries, the fastest first: those that are faster than float32 on this CPU."""
    return [name for name in _FASTEST if name in _core.dtypes() or _core.isa() in _FASTER_WEIGHTS]


def weights_only(dtype: str, remedy: str = "", kept: Sized = ()) -> str:
    """What happens in a type that this CPU does not multiply, and the remedy; empty if it does.

    `kept` are the layers that stay in float32.

    >>> weights_only("int8")
    ''
    """
    if dtype in _core.dtypes():
        return ""
    rest = f", except {layers_of(kept)} in float32," if kept else ""
    return (
        f"products in {dtype} need AVX512_BF16 (instruction set in use: {_core.isa()}): the weights of linear "
        f"layers{rest} are in {dtype}, half the memory, and products in float32{remedy}"
    )


def units(sources: Iterable[Source], family: str) -> list[Unit]:
    """The linear layers of the encoder, in its order."""
    found: dict[str, tuple[dict[str, None], list[str]]] = {}
    for source in sources:
        if _LINEAR.fullmatch(source.name):
            whole = source.file if source.file.endswith(".in_proj.weight") else _FUSED.sub(".key_value", source.name)
            layers, tensors = found.setdefault(whole, ({}, []))
            layers[source.file.removeprefix(PREFIXES[family]).removesuffix(".weight")] = None
            tensors.append(source.name)
    return [Unit(tuple(layers), tuple(tensors)) for layers, tensors in found.values()]


def checked_keep(keep: Any, among: Iterable[Unit]) -> tuple[str, ...]:
    """The names of the layers that `keep` names, in the order of the network.

    A name may have the prefix of the family or end in ".weight", or be that of a part, such as "encoder.layer.3", for
    all linear layers in it. Errors: TypeError unless it is a list of str; ValueError for a name that no layer has.
    """
    if isinstance(keep, str) or not isinstance(keep, Iterable):
        raise TypeError(f"keep is {keep!r}; it must be a list of names of layers, such as {_example(among)!r}")
    known = [layer for unit in among for layer in unit.layers]
    chosen = set()
    for name in keep:
        bare = re.sub(r"^(deberta|bert)\.|\.weight$", "", name) if isinstance(name, str) else None
        found = [layer for layer in known if bare is not None and f"{layer}.".startswith(f"{bare}.")]
        if not found:
            near = get_close_matches(str(bare), known, n=1)
            raise ValueError(
                f"keep contains {describe(name)}, which names no linear layer of the encoder; give names such as "
                f"{(near or known[:1] or ['encoder.layer.0'])[0]!r}, or 'encoder.layer.0' for all linear layers in it"
            )
        chosen.update(found)
    return tuple(layer for layer in known if layer in chosen)


def checked_precision(value: Precision, among: Iterable[Unit]) -> Precision:
    """A precision with the names of layers as `checked_keep` returns them; its errors, and ValueError for its type."""
    if value.dtype not in DTYPES:
        raise ValueError(f'dtype of the Precision is {value.dtype!r}; give "float32", "bfloat16" or "int8"')
    return FLOAT32 if value.dtype == FLOAT32.dtype else Precision(value.dtype, checked_keep(value.keep, among))


def kept_tensors(keep: Iterable[str], among: Iterable[Unit]) -> list[str]:
    """The names of the core for the layers that stay in float32."""
    names = set(keep)
    return [tensor for unit in among if names.intersection(unit.layers) for tensor in unit.tensors]


def _example(among: Iterable[Unit]) -> list[str]:
    return [unit.layers[0] for unit in among][-1:]
