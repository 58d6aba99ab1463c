"""Weights of a model directory: which files hold them, and what they hold under the names of the files."""

from collections.abc import Callable
from pathlib import Path

from deberta_c._config import read_json
from deberta_c._errors import describe
from deberta_c._safetensors import BUFFERS, read_safetensors
from deberta_c._safetensors import Tensor as Tensor
from deberta_c._torch_file import read_torch_file

# What transformers looks for, in its order: a file, or the index of several; and what reads them.
FORMS = (("model.safetensors", read_safetensors), ("pytorch_model.bin", read_torch_file))

_POINTER = b"version https://git-lfs"
_MAX_RANK = 4  # of a tensor that the core takes
_WEIGHTS = frozenset({"F32", "F16", "BF16"})


def read_checkpoint(directory: Path) -> list[Tensor]:
    """The tensors of a model directory under the names of its files; integer buffers are left out.

    Reads the first of model.safetensors, the shards that model.safetensors.index.json lists, pytorch_model.bin and its
    shards. `check_weight` tells whether the network can take a tensor.

    Errors: OSError when there is no such file; ValueError when a file contradicts itself or a name comes twice.
    """
    tensors: dict[str, Tensor] = {}
    for path, read in _files(directory):
        _check_whole(path)
        for tensor in read(path):
            if tensor.dtype in BUFFERS:
                continue
            if tensor.name in tensors:
                raise ValueError(
                    f"tensor {describe(tensor.name)} lies in {tensors[tensor.name].source!r} and in {tensor.source!r}; "
                    "drop one of them"
                )
            tensors[tensor.name] = tensor
    if tensors and all(name.startswith("module.") for name in tensors):
        raise ValueError(
            f"{str(directory)!r}: all names begin with 'module.', as torch.nn.DataParallel has them; save "
            "model.module.state_dict(), or cut it off"
        )
    return list(tensors.values())


def check_weight(tensor: Tensor) -> None:
    """ValueError, with the file and the remedy, when the network cannot take a tensor of this type or rank."""
    if tensor.dtype not in _WEIGHTS:
        raise ValueError(
            f"{tensor.source!r}: tensor {describe(tensor.name)} has dtype {tensor.dtype}; store it as F32, F16 or BF16"
        )
    rank = len(tensor.shape)
    if rank > _MAX_RANK:
        raise ValueError(
            f"{tensor.source!r}: tensor {describe(tensor.name)} has {rank} dimensions, at most {_MAX_RANK} are known"
        )


def _check_whole(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ValueError(f"{str(path)!r} is a pointer of Git LFS, not the weights; run `git lfs pull` there")


def _files(directory: Path) -> list[tuple[Path, Callable[[Path], list[Tensor]]]]:
    """The files that hold the weights, and what reads each."""
    for name, read in FORMS:
        if (directory / name).is_file():
            return [(directory / name, read)]
        if (directory / f"{name}.index.json").is_file():
            return [(path, read) for path in _shards(directory / f"{name}.index.json")]
    names = " or ".join(name for name, _ in FORMS)
    raise FileNotFoundError(f"{str(directory)!r} has no {names}, whole or in shards; copy the weights there")


def shard_names(index: Path) -> list[str]:
    """The files that an index lists; ValueError unless they are names of files beside it."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{str(index)!r} has no weight_map; copy it again")
    for tensor, file in names.items():
        if not isinstance(file, str) or file in ("", "..") or Path(file).name != file or "\0" in file:
            raise ValueError(
                f"{str(index)!r}: tensor {describe(tensor)} is said to lie in {describe(file)}, which is no file name"
            )
    return sorted(set(names.values()))


def _shards(index: Path) -> list[Path]:
    paths = [index.parent / file for file in shard_names(index)]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{str(index)!r} lists {path.name!r}, which is missing; copy it there")
    return paths
