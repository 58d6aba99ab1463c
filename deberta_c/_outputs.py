"""What a model returns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIELDS = ("logits", "hidden_states", "attentions")


class SequenceClassifierOutput:
    """Arrays of one call; reachable as attributes, by name, by position and by unpacking, absent ones left out.

    `logits`: float32 (N, num_labels). `hidden_states`: None or L + 1 arrays float32 (N, S, H), the embeddings first.
    `attentions`: None or L arrays float32 (N, A, S, S). Masked tokens have zeros. Iterating gives the values, so that
    `logits, = model(**inputs)` works; `keys()` gives the names.

    >>> import numpy as np
    >>> output = SequenceClassifierOutput(np.zeros((1, 2), np.float32))
    >>> output.logits is output["logits"] is output[0]
    True
    >>> (logits,) = output
    """

    __slots__ = _FIELDS

    def __init__(
        self,
        logits: NDArray[np.float32],
        hidden_states: tuple[NDArray[np.float32], ...] | None = None,
        attentions: tuple[NDArray[np.float32], ...] | None = None,
    ) -> None:
        self.logits = logits
        self.hidden_states = hidden_states
        self.attentions = attentions

    def keys(self) -> list[str]:
        """Names of what is there."""
        return [name for name in _FIELDS if getattr(self, name) is not None]

    def to_tuple(self) -> tuple[Any, ...]:
        """What is there, in the order of `keys`."""
        return tuple(getattr(self, name) for name in self.keys())

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key in self:
            return getattr(self, key)
        raise KeyError(f"{key!r} is not here; this output has {', '.join(self.keys())}")

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_tuple())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={_shape(getattr(self, name))}" for name in self.keys())
        return f"{type(self).__name__}({shapes})"


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (..., C) of float32 logits (..., C) that exclude each other."""
    exponents: NDArray[np.float32] = np.exp(logits - logits.max(axis=-1, keepdims=True))
    exponents /= exponents.sum(axis=-1, keepdims=True)
    return exponents


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of float32 logits, each on its own; exact at both ends and without overflow."""
    small = np.exp(-np.abs(logits))
    large = 1 / (1 + small)
    probabilities: NDArray[np.float32] = np.where(logits >= 0, large, small * large)
    return probabilities


def _shape(value: Any) -> str:
    return f"{len(value)} x {value[0].shape}" if isinstance(value, tuple) else str(value.shape)
