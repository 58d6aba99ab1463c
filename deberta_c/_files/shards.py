"""Weights that are written: in one file, or in several with an index of the tensors in each."""

import json
import re
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path

from deberta_c._files.checkpoint import with_variant
from deberta_c._files.safetensors import Tensor, write_safetensors

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WHOLE = "model.safetensors"


def write_weights(
    place: Callable[[str], Path], tensors: Iterable[Tensor], *, limit: int | str, variant: str | None = None
) -> None:
    """Writes model.safetensors, or shards of at most `limit` bytes and their index, as transformers names them.

    `limit` is a number of bytes or a str such as "5GB"; a tensor that is larger has a shard of its own.

    Errors: ValueError for an invalid `limit` or `variant`.
    """
    groups = _groups(tensors, _bytes(limit))
    whole = with_variant(_WHOLE, variant)
    if len(groups) == 1:
        write_safetensors(place(whole), groups[0])
        return
    stem = whole.removesuffix(".safetensors")
    weight_map = {}
    for number, group in enumerate(groups, 1):
        file = f"{stem}-{number:05}-of-{len(groups):05}.safetensors"
        write_safetensors(place(file), group)
        weight_map.update(dict.fromkeys((tensor.name for tensor in group), file))
    every = [tensor for group in groups for tensor in group]
    metadata = {
        "total_parameters": sum(prod(tensor.shape) for tensor in every),
        "total_size": sum(tensor.data.nbytes for tensor in every),
    }
    text = json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2, sort_keys=True)
    place(with_variant(f"{_WHOLE}.index.json", variant)).write_text(text + "\n", encoding="utf-8")


def holds_weights(name: str, variant: str | None = None) -> bool:
    """Whether `write_weights` gives a file this name: when it writes again, such a file is of an earlier model."""
    stem = with_variant(_WHOLE, variant).removesuffix(".safetensors")
    index = with_variant(f"{_WHOLE}.index.json", variant)
    return name == index or re.fullmatch(rf"{re.escape(stem)}(-\d{{5}}-of-\d{{5}})?\.safetensors", name) is not None


def _groups(tensors: Iterable[Tensor], limit: int) -> list[list[Tensor]]:
    """The tensors in their order, cut where the next one would exceed the limit."""
    groups: list[list[Tensor]] = [[]]
    used = 0
    for tensor in tensors:
        if groups[-1] and used + tensor.data.nbytes > limit:
            groups.append([])
            used = 0
        groups[-1].append(tensor)
        used += tensor.data.nbytes
    return groups


def _bytes(limit: int | str) -> int:
    text = limit.strip().upper() if isinstance(limit, str) else ""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)", text)
    size = int(float(number[1]) * _UNITS[number[2]]) if number else limit
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f'max_shard_size is {limit!r}; give a number of bytes or a str such as "5GB" or "200MB"')
    return size
