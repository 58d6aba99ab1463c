"""Initial weights, drawn from the distributions that transformers uses."""

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

    Matrices are normal with the standard deviation `initializer_range`; the row of `pad_token_id` in the word table
    and biases are zeros; LayerNorm weights are ones. Each tensor has its own generator, so two models with the same
    seed have the same encoder, whatever their heads.
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
    """Seeds the generators of Python, NumPy and, if it is imported, torch, as `transformers.set_seed` does.

    Nothing in deberta_c depends on these generators: models draw from the argument `seed` of their constructors, and
    the network is deterministic. `deterministic` has no effect.

    >>> set_seed(42)
    >>> first = np.random.rand()
    >>> set_seed(42)
    >>> first == np.random.rand()
    True
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # as in transformers
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
