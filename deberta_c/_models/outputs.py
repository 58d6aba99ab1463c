"""The outputs of models."""

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
    """Arrays or tensors of one call, accessed as attributes, by name, by position or by unpacking.

    N rows of S tokens, hidden size H, L layers, A heads. `loss`: a float32 scalar when labels were given.
    `hidden_states`: None or L + 1 arrays float32 (N, S, H), the embeddings first. `attentions`: None or L arrays
    float32 (N, A, S, S). Masked tokens have zeros. Iteration yields the values that are not None, so that
    `logits, = model(**inputs)` works; `keys()` returns their names.

    >>> isinstance(SequenceClassifierOutput(logits=np.zeros((1, 2), np.float32)), ModelOutput)
    True
    """

    def keys(self) -> list[str]:
        """The names of the values that are not None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def values(self) -> list[Any]:
        """The values that are not None, in the order of `keys`."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """The names and values that are not None."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of this name, or `default`."""
        return getattr(self, name) if name in self else default

    def to_tuple(self) -> tuple[Any, ...]:
        """The values as a tuple."""
        return tuple(self.values())

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key in self:
            return getattr(self, key)
        raise KeyError(f"this output has no {key!r}; it has {', '.join(self.keys())}")

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
    """The output of an encoder: `last_hidden_state` float32 (N, S, H), and the values of every `ModelOutput`.

    >>> BaseModelOutput(last_hidden_state=np.zeros((1, 4, 8), np.float32)).keys()
    ['last_hidden_state']
    """

    last_hidden_state: Array
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(kw_only=True, repr=False, eq=False)
class BaseModelOutputWithPooling(ModelOutput):
    """The output of BertModel: `last_hidden_state` float32 (N, S, H), `pooler_output` float32 (N, H) or None.

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
    """The output of a classifier: `logits` float32 (N, num_labels), and the values of every `ModelOutput`.

    >>> output = SequenceClassifierOutput(logits=np.zeros((1, 2), np.float32))
    >>> output.logits is output["logits"] is output[0]
    True
    >>> (logits,) = output
    """


class TokenClassifierOutput(_WithLogits):
    """The output of a token classifier: `logits` float32 (N, S, num_labels), and the values of every `ModelOutput`.

    >>> TokenClassifierOutput(logits=np.zeros((1, 4, 3), np.float32))
    TokenClassifierOutput(logits=(1, 4, 3))
    """


class MultipleChoiceModelOutput(_WithLogits):
    """The output of a model for choices: `logits` float32 (N, choices). The other values have N * choices rows.

    >>> MultipleChoiceModelOutput(logits=np.zeros((2, 4), np.float32))
    MultipleChoiceModelOutput(logits=(2, 4))
    """


class NextSentencePredictorOutput(_WithLogits):
    """The output of a predictor of the next sentence: `logits` float32 (N, 2), and the values of every `ModelOutput`.

    >>> NextSentencePredictorOutput(logits=np.zeros((1, 2), np.float32))
    NextSentencePredictorOutput(logits=(1, 2))
    """


class MaskedLMOutput(_WithLogits):
    """The output of a masked language model: `logits` float32 (N, S, vocab_size), or (K, vocab_size) for K positions.

    >>> MaskedLMOutput(logits=np.zeros((1, 4, 100), np.float32))
    MaskedLMOutput(logits=(1, 4, 100))
    """


class PreTrainingOutput(_WithLogits):
    """The output of a detector of replaced tokens: `logits` float32 (N, S), above 0 where a token seems replaced.

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
    """The output of a question answering model: `start_logits` and `end_logits`, each float32 (N, S).

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
    """Whether a value is a torch tensor; does not import torch."""
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def of_tensors(output: Output) -> Output:
    """The same output with torch tensors that share the memory of its arrays; a loss is a tensor of shape ()."""
    import torch

    def tensor(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(tensor, value))
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else torch.tensor(value)

    return replace(output, **{name: tensor(value) for name, value in output.items()})


def softmax(logits: Any, axis: int = -1) -> NDArray[Any]:
    """Probabilities of the shape of `logits`, which sum to 1 along `axis`; large logits do not overflow.

    `logits` is an array or a nested list; float32 stays float32. For torch tensors use `torch.softmax`.

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
    """Independent probabilities of the shape of `logits`, exact at both ends and without overflow.

    `logits` is an array or a nested list; float32 stays float32. For torch tensors use `torch.sigmoid`.

    >>> import deberta_c
    >>> deberta_c.sigmoid([0.0, 1000.0, -1000.0])
    array([0.5, 1. , 0. ])
    """
    array = np.asarray(logits)
    small = np.exp(-np.abs(array))
    large = 1 / (1 + small)
    probabilities: NDArray[Any] = np.where(array >= 0, large, small * large)
    return probabilities


def scores_of(logits: NDArray[np.float32], function: str | None) -> NDArray[np.float32]:
    """Scores (N, C) of logits (N, C): their "softmax" or "sigmoid"; for None or "none" the logits."""
    if function is None or function == "none":
        return logits
    return softmax(logits) if function == "softmax" else sigmoid(logits)


def given_labels(probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """Which independent labels each row is given (N, C): those whose probability is above 0.5.

    Everything that decides about such labels asks this function. The probabilities of a model are float32, so a
    logit below about 1e-7 gives no label.

    >>> given_labels(sigmoid(np.array([[2, 1e-9, -2]], np.float32)))
    array([[ True, False, False]])
    """
    return np.asarray(probabilities > 0.5)


def names_of_given(probabilities: NDArray[np.float32], names: list[str]) -> list[list[str] | None]:
    """The names of the labels that each row of probabilities (N, C) is given, None for a missing text, which has NaN.

    >>> names_of_given(np.array([[0.9, 0.8], [0.1, 0.2], [np.nan, np.nan]]), ["a", "b"])
    [['a', 'b'], [], None]
    """
    missing = np.isnan(probabilities[:, 0]).tolist()
    return [
        None if lacks else [names[place] for place in np.flatnonzero(row).tolist()]
        for lacks, row in zip(missing, given_labels(probabilities), strict=True)
    ]


def _shape(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} x {tuple(value[0].shape)}"
    return str(tuple(value.shape) or float(value))
