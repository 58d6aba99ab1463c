"""Weights of a model that nothing was trained for yet, drawn as transformers draws them."""

import random
import sys
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from deberta_c._files.checkpoint import Tensor
from deberta_c._models.config import PreTrainedConfig
from deberta_c._models.tensor_names import WORDS, Source


def initial_weights(wanted: Iterable[Source], config: PreTrainedConfig, seed: int) -> list[Tensor]:
    """One tensor, F32, for each file tensor among the sources.

    Matrices are normal with the deviation `initializer_range`, the row of `pad_token_id` in the word table is zero;
    LayerNorm has ones, biases are zero. Each tensor has a generator of its own, so that two models of one seed have
    the same encoder whatever their heads.
    """
    shapes = {source.file: source.stored for source in wanted}
    deviation = config.get("initializer_range")
    deviation = np.float32(0.02 if deviation is None else deviation)
    padding = config.get("pad_token_id")
    tensors = []
    for name, shape in shapes.items():
        values = _draw(name, shape, deviation, seed)
        if name.endswith(WORDS) and padding is not None:
            values[padding] = 0
        tensors.append(Tensor(name, "F32", shape, values.reshape(-1).view(np.uint8)))
    return tensors


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seeds the generators of Python, NumPy and, if it is imported, torch, as transformers' function of that name.

    Models draw from the argument `seed` of their constructors and the network has no chance in it, so that nothing of
    this package depends on it; `deterministic` changes nothing.

    >>> set_seed(42)
    >>> first = np.random.rand()
    >>> set_seed(42)
    >>> first == np.random.rand()
    True
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # that of transformers
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _draw(name: str, shape: tuple[int, ...], deviation: np.float32, seed: int) -> NDArray[np.float32]:
    if name.endswith("LayerNorm.weight"):
        return np.ones(shape, np.float32)
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    values = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape, np.float32)
    values *= deviation
    return values
