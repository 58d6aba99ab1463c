"""What a model returns."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Output = TypeVar("Output", bound="ModelOutput")


@dataclass(kw_only=True, repr=False, eq=False)
class ModelOutput:
    """Arrays or tensors of one call; reachable as attributes, by name, by position and by unpacking.

    N rows of S tokens, hidden size H, L layers, A heads. `loss`: a float32 scalar when labels were given.
    `hidden_states`: None or L + 1 arrays float32 (N, S, H), the embeddings first. `attentions`: None or L arrays
    float32 (N, A, S, S). Masked tokens have zeros. Iterating gives the values, those that are absent left out, so that
    `logits, = model(**inputs)` works; `keys()` gives the names.

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
class BertForPreTrainingOutput(ModelOutput):
    """What BertForPreTraining returns: `prediction_logits` float32 (N, S, vocab_size), or (K, vocab_size) of K
    positions, and `seq_relationship_logits` float32 (N, 2), the first of which is for a second text that follows.

    >>> words, follows = np.zeros((1, 4, 100), np.float32), np.zeros((1, 2), np.float32)
    >>> BertForPreTrainingOutput(prediction_logits=words, seq_relationship_logits=follows)
    BertForPreTrainingOutput(prediction_logits=(1, 4, 100), seq_relationship_logits=(1, 2))
    """

    loss: np.float32 | None = None
    prediction_logits: Array
    seq_relationship_logits: Array
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


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


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of torch, which is not imported for the question."""
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def of_tensors(output: Output) -> Output:
    """The same output with tensors of torch over the memory of its arrays; losses are tensors without axes."""
    import torch

    def tensor(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(tensor, value))
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else torch.tensor(value)

    return replace(output, **{name: tensor(value) for name, value in output.items()})


def softmax(logits: Any, axis: int = -1) -> NDArray[Any]:
    """Probabilities, of the shape of `logits`, that exclude each other along `axis`; no logit is too large for it.

    `logits` is an array, or what makes one; float32 gives float32. Tensors of torch have `torch.softmax`.

    >>> import deberta_c
    >>> deberta_c.softmax([[1000.0, 1000.0], [0.0, -1000.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    array = np.asarray(logits)
    exponents: NDArray[Any] = np.exp(array - array.max(axis=axis, keepdims=True))
    exponents /= exponents.sum(axis=axis, keepdims=True)
    return exponents


def sigmoid(logits: Any) -> NDArray[Any]:
    """Probabilities, of the shape of `logits`, each on its own; exact at both ends and without overflow.

    `logits` is an array, or what makes one; float32 gives float32. Tensors of torch have `torch.sigmoid`.

    >>> import deberta_c
    >>> deberta_c.sigmoid([0.0, 1000.0, -1000.0])
    array([0.5, 1. , 0. ])
    """
    array = np.asarray(logits)
    small = np.exp(-np.abs(array))
    large = 1 / (1 + small)
    probabilities: NDArray[Any] = np.where(array >= 0, large, small * large)
    return probabilities


def _shape(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} x {tuple(value[0].shape)}"
    return str(tuple(value.shape) or float(value))
