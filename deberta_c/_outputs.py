"""What a model returns."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(kw_only=True, repr=False, eq=False)
class ModelOutput:
    """Arrays of one call; reachable as attributes, by name, by position and by unpacking, absent ones left out.

    N rows of S tokens, hidden size H, L layers, A heads. `loss`: a float32 scalar when labels were given.
    `hidden_states`: None or L + 1 arrays float32 (N, S, H), the embeddings first. `attentions`: None or L arrays
    float32 (N, A, S, S). Masked tokens have zeros. Iterating gives the values, so that `logits, = model(**inputs)`
    works; `keys()` gives the names.

    >>> isinstance(SequenceClassifierOutput(logits=np.zeros((1, 2), np.float32)), ModelOutput)
    True
    """

    def keys(self) -> list[str]:
        """Names of what is there."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def values(self) -> list[Any]:
        """What is there, in the order of `keys`."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of what is there."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, name: str, default: Any = None) -> Any:
        """What is there under this name, or `default`."""
        return getattr(self, name) if name in self else default

    def to_tuple(self) -> tuple[Any, ...]:
        """The values as a tuple."""
        return tuple(self.values())

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


@dataclass(kw_only=True, repr=False, eq=False)
class BaseModelOutput(ModelOutput):
    """What an encoder returns: `last_hidden_state` float32 (N, S, H), and what `ModelOutput` describes.

    >>> BaseModelOutput(last_hidden_state=np.zeros((1, 4, 8), np.float32)).keys()
    ['last_hidden_state']
    """

    last_hidden_state: Array
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(kw_only=True, repr=False, eq=False)
class BaseModelOutputWithPooling(ModelOutput):
    """What BertModel returns: `last_hidden_state` float32 (N, S, H), `pooler_output` float32 (N, H), None without one.

    >>> states, pooled = np.zeros((1, 4, 8), np.float32), np.zeros((1, 8), np.float32)
    >>> BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=pooled).keys()
    ['last_hidden_state', 'pooler_output']
    """

    last_hidden_state: Array
    pooler_output: Array | None = None
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(kw_only=True, repr=False, eq=False)
class _WithLogits(ModelOutput):
    loss: np.float32 | None = None
    logits: Array
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


class SequenceClassifierOutput(_WithLogits):
    """What a classifier returns: `logits` float32 (N, num_labels), and what `ModelOutput` describes.

    >>> output = SequenceClassifierOutput(logits=np.zeros((1, 2), np.float32))
    >>> output.logits is output["logits"] is output[0]
    True
    >>> (logits,) = output
    """


class TokenClassifierOutput(_WithLogits):
    """What a classifier of tokens returns: `logits` float32 (N, S, num_labels), and what `ModelOutput` describes.

    >>> TokenClassifierOutput(logits=np.zeros((1, 4, 3), np.float32))
    TokenClassifierOutput(logits=(1, 4, 3))
    """


class MultipleChoiceModelOutput(_WithLogits):
    """What a choice returns: `logits` float32 (N, choices), and what `ModelOutput` describes for N * choices rows.

    >>> MultipleChoiceModelOutput(logits=np.zeros((2, 4), np.float32))
    MultipleChoiceModelOutput(logits=(2, 4))
    """


class NextSentencePredictorOutput(_WithLogits):
    """What tells whether texts follow each other: `logits` float32 (N, 2), and what `ModelOutput` describes.

    >>> NextSentencePredictorOutput(logits=np.zeros((1, 2), np.float32))
    NextSentencePredictorOutput(logits=(1, 2))
    """


class MaskedLMOutput(_WithLogits):
    """What a masked language model returns: `logits` float32 (N, S, vocab_size), or (K, vocab_size) of K positions.

    >>> MaskedLMOutput(logits=np.zeros((1, 4, 100), np.float32))
    MaskedLMOutput(logits=(1, 4, 100))
    """


class PreTrainingOutput(_WithLogits):
    """What the detector of replaced tokens returns: `logits` float32 (N, S), above 0 where a token seems replaced.

    >>> PreTrainingOutput(logits=np.zeros((1, 4), np.float32))
    PreTrainingOutput(logits=(1, 4))
    """


@dataclass(kw_only=True, repr=False, eq=False)
class QuestionAnsweringModelOutput(ModelOutput):
    """What a reader of answers returns: `start_logits` and `end_logits`, each float32 (N, S).

    >>> zeros = np.zeros((1, 4), np.float32)
    >>> QuestionAnsweringModelOutput(start_logits=zeros, end_logits=zeros)
    QuestionAnsweringModelOutput(start_logits=(1, 4), end_logits=(1, 4))
    """

    loss: np.float32 | None = None
    start_logits: Array
    end_logits: Array
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


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
    if isinstance(value, tuple):
        return f"{len(value)} x {value[0].shape}"
    return str(value.shape or float(value))
