"""Weights of a model directory: which files hold them, and what they hold under the names of the files."""

import re
from collections.abc import Callable
from pathlib import Path

from deberta_c._base.errors import describe
from deberta_c._files.adapters import refuse_adapter, refuse_adapter_tensors
from deberta_c._files.json import read_json
from deberta_c._files.safetensors import BUFFERS as BUFFERS
from deberta_c._files.safetensors import Tensor as Tensor
from deberta_c._files.safetensors import read_safetensors
from deberta_c._files.torch_file import read_torch_file

# What transformers looks for, in its order: a file, or the index of several; and what reads them.
FORMS = (("model.safetensors", read_safetensors), ("pytorch_model.bin", read_torch_file))

_POINTER = b"version https://git-lfs"
_MAX_RANK = 4  # of a tensor that the core takes
_WEIGHTS = frozenset({"F64", "F32", "F16", "BF16"})
_EXPORTS = ("*.onnx", "onnx/*.onnx", "openvino_model.xml", "*.gguf")  # of other libraries


def read_checkpoint(directory: Path, variant: str | None = None) -> list[Tensor]:
    """The tensors of a model directory under the names of its files, buffers such as position_ids included.

    Reads the first of model.safetensors, the shards that model.safetensors.index.json lists, pytorch_model.bin and its
    shards, with a `variant` such as "fp16" model.fp16.safetensors and so on. `check_weight` tells whether the network
    can take a tensor.

    Errors: OSError when there is no such file; ValueError when a file contradicts itself, a name comes twice or an
    adapter is not merged.
    """
    refuse_adapter(directory)
    tensors: dict[str, Tensor] = {}
    for path, read in _files(directory, variant):
        _check_whole(path)
        for tensor in read(path):
            if tensor.name in tensors:
                raise ValueError(
                    f"tensor {describe(tensor.name)} lies in {tensors[tensor.name].source!r} and in {tensor.source!r}; "
                    "drop one of them"
                )
            tensors[tensor.name] = tensor
    refuse_adapter_tensors(directory, tensors)
    return list(tensors.values())


def check_weight(tensor: Tensor, why: str = "") -> None:
    """ValueError when the network cannot take a tensor of this type or rank; `why` says what made it so, if known."""
    if tensor.dtype not in _WEIGHTS:
        remedy = why or "store it as F32, F16 or BF16; what a quantizer made, dequantize with transformers"
        raise ValueError(f"{tensor.source!r}: tensor {describe(tensor.name)} has dtype {tensor.dtype}; {remedy}")
    rank = len(tensor.shape)
    if rank > _MAX_RANK:
        raise ValueError(
            f"{tensor.source!r}: tensor {describe(tensor.name)} has {rank} dimensions, at most {_MAX_RANK} are known"
        )


def _check_whole(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ValueError(f"{str(path)!r} is a pointer of Git LFS, not the weights; run `git lfs pull` there")


def has_weights(directory: Path) -> bool:
    """Whether a directory has weights, whole or in shards, as `save_pretrained` writes them."""
    return any((directory / file).exists() for name, _ in FORMS for file in (name, f"{name}.index.json"))


def with_variant(name: str, variant: str | None) -> str:
    """The name that the file of weights `name` has for a variant; ValueError for one that makes no name.

    >>> with_variant("model.safetensors", "fp16"), with_variant("model.safetensors.index.json", "fp16")
    ('model.fp16.safetensors', 'model.safetensors.index.fp16.json')
    """
    if variant is None:
        return name
    if not isinstance(variant, str) or not re.fullmatch(r"\w[\w.-]*", variant):
        raise ValueError(f'variant is {variant!r}; give a part of a file name such as "fp16", or None')
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{variant}.{ending}"


def _files(directory: Path, variant: str | None) -> list[tuple[Path, Callable[[Path], list[Tensor]]]]:
    """The files that hold the weights, and what reads each."""
    for name, read in FORMS:
        whole, index = (directory / with_variant(file, variant) for file in (name, f"{name}.index.json"))
        if whole.is_file():
            return [(whole, read)]
        if index.is_file():
            return [(path, read) for path in _shards(index)]
    names = " or ".join(with_variant(name, variant) for name, _ in FORMS)
    remedy = "copy the weights there"
    if exported := sorted(str(path.relative_to(directory)) for form in _EXPORTS for path in directory.glob(form)):
        remedy = (
            f"{describe(exported[0])} is an export that deberta_c does not read: copy the weights there that it was "
            'made of; dtype="int8" quantizes them when they are opened'
        )
    raise FileNotFoundError(f"{str(directory)!r} has no {names}, whole or in shards; {remedy}")


def shard_names(index: Path) -> list[str]:
    """The files that an index lists; ValueError unless they are names of files beside it."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{str(index)!r} has no weight_map; copy it again")
    for tensor, file in names.items():
        if not isinstance(file, str) or file in ("", "..") or Path(file).name != file or "\0" in file:
            raise ValueError(
                f"{str(index)!r}: tensor {describe(tensor)} is listed in {describe(file)}, which is not a file name"
            )
    return sorted(set(names.values()))


def _shards(index: Path) -> list[Path]:
    paths = [index.parent / file for file in shard_names(index)]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{str(index)!r} lists {path.name!r}, which is missing; copy it there")
    return paths
