"""The word table as an array, and new rows for added tokens."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._files.checkpoint import Tensor

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_SPREAD = 1e-9  # the covariance of new rows, relative to that of the old ones, as in transformers
_BLOCK = 1 << 13  # rows that are read at once


class Embedding(NamedTuple):
    """A table of vectors (V, E) with attributes of torch.nn.Embedding: `weight`, `num_embeddings`, `embedding_dim`.

    >>> table = Embedding(np.arange(6, dtype=np.float32).reshape(3, 2))
    >>> table.num_embeddings, table.embedding_dim, table([2, 0]).tolist()
    (3, 2, [[4.0, 5.0], [0.0, 1.0]])
    """

    weight: NDArray[Any]

    @property
    def num_embeddings(self) -> int:
        """The number of vectors."""
        return int(self.weight.shape[0])

    @property
    def embedding_dim(self) -> int:
        """The length of a vector."""
        return int(self.weight.shape[1])

    def __call__(self, ids: Any) -> NDArray[Any]:
        """The vectors of ids of any shape (...), an array (..., E)."""
        rows: NDArray[Any] = self.weight[np.asarray(ids)]
        return rows


def as_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor of floats as a read-only array of the same memory; bfloat16, which NumPy lacks, as a float32 copy."""
    values = tensor.data.view(_TYPES[tensor.dtype]).reshape(tensor.shape)
    values = (values.astype(np.uint32) << 16).view(np.float32) if tensor.dtype == "BF16" else values.view()
    values.flags.writeable = False
    return values


def resized(tensor: Tensor, rows: int, deviation: float | None, seed: int) -> Tensor:
    """A table (V, E), or a bias (V), with `rows` rows: the first ones of the old table, or all of them and new ones.

    New rows are drawn around the mean of the old ones with 1e-9 of their covariance; with a `deviation`, they are drawn
    around zero with this standard deviation, and biases are zeros.
    """
    old = as_array(tensor)
    if rows <= len(old):
        return _stored(tensor, old[:rows])
    random = np.random.default_rng([seed, len(old), rows])
    count = rows - len(old)
    if deviation is None:
        new = _like_the_old(old, count, random)
    elif old.ndim == 1:
        new = np.zeros(count)
    else:
        new = random.standard_normal((count, old.shape[1])) * deviation
    return _stored(tensor, np.concatenate([old, new.astype(old.dtype)]))


def _like_the_old(old: NDArray[Any], count: int, random: "np.random.Generator") -> NDArray[np.float64]:
    """`count` vectors of the normal distribution that has the mean and 1e-9 of the covariance of the old ones."""
    mean: NDArray[np.float64] = old.mean(axis=0, dtype=np.float64)
    drawn = np.zeros((count, *old.shape[1:]))
    for begin in range(0, len(old), _BLOCK):
        block = old[begin : begin + _BLOCK] - mean
        drawn += random.standard_normal((count, len(block))) @ block
    rows: NDArray[np.float64] = mean + drawn * np.sqrt(_SPREAD / len(old))
    return rows


def _stored(tensor: Tensor, values: NDArray[Any]) -> Tensor:
    """The values as a tensor of the type of `tensor`; to bfloat16 they are rounded."""
    if tensor.dtype == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        values = ((bits + (0x7FFF + (bits >> 16 & 1))) >> 16).astype(np.uint16)
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    return tensor._replace(shape=values.shape, data=data, mapped=False)
