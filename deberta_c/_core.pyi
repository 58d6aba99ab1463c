from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

def get_num_threads() -> int: ...
def set_num_threads(count: int, /) -> None: ...
def isa() -> str: ...
def linear_layers() -> str: ...
def dtypes() -> tuple[str, ...]: ...
def multiplier(dtype: str, /) -> str: ...
def known_products(dtype: str, /) -> bool: ...
def onednn_version() -> str: ...
def parameters(config: Mapping[str, Any], /) -> list[tuple[str, tuple[int, ...]]]: ...

@final
class SpmModel:
    def __new__(cls, file: bytes) -> SpmModel: ...
    @property
    def unknown(self) -> int: ...
    @property
    def charsmap(self) -> bytes: ...
    def __len__(self) -> int: ...
    def piece(self, id: int, /) -> str: ...
    def find(self, piece: str, /) -> int: ...
    def added_pieces(self) -> list[tuple[str, int, bool]]: ...
    def vocab(self) -> list[list[Any]]: ...

@final
class Tokenizer:
    def __new__(
        cls,
        *,
        normalizers: Sequence[Mapping[str, Any]],
        pretokenizers: Sequence[Mapping[str, Any]],
        model: Mapping[str, Any],
        added: Sequence[tuple[str, int, tuple[str, ...]]],
        single: Sequence[tuple[int, int]],
        pair: Sequence[tuple[int, int]],
        marks_apart: bool,
    ) -> Tokenizer: ...
    def __len__(self) -> int: ...
    def piece(self, id: int, /) -> str: ...
    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = ...,
        *,
        first_words: NDArray[np.int64] | None = ...,
        second_words: NDArray[np.int64] | None = ...,
        add_special_tokens: bool = ...,
        truncation: str = ...,
        max_length: int = ...,
        truncation_side: str = ...,
        stride: int = ...,
        overflow: bool = ...,
        split_special_tokens: bool = ...,
        want: tuple[str, ...] = ...,
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64], int, dict[str, Any]]: ...
    def rows(
        self, offsets: NDArray[np.int64], columns: tuple[tuple[Any, Any], ...], *, width: int = ..., left: bool = ...
    ) -> list[list[list[Any]]]: ...

@final
class Model:
    def __new__(
        cls,
        config: Mapping[str, Any],
        tensors: Sequence[tuple[str, str, tuple[int, ...], NDArray[np.uint8], tuple[int, int] | None, bool]],
        *,
        dtype: str = ...,
        keep: Sequence[str] = ...,
    ) -> Model: ...
    @property
    def memory(self) -> int: ...
    def forward(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        pair_mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
        selected: NDArray[np.uint8] | None = ...,
        logits: bool = ...,
        last: bool = ...,
        hidden_states: bool = ...,
        attentions: bool = ...,
    ) -> tuple[
        NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None
    ]: ...

@final
class Training:
    def __new__(
        cls,
        config: Mapping[str, Any],
        tensors: Sequence[tuple[str, str, tuple[int, ...], NDArray[np.uint8], tuple[int, int] | None, bool]],
        *,
        hidden_dropout: float = ...,
        attention_dropout: float = ...,
        pooler_dropout: float = ...,
        head_dropout: float = ...,
        padding: int = ...,
        tied: bool = ...,
        checkpointing: bool = ...,
        bf16: bool = ...,
        base: Training | None = ...,
    ) -> Training: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def memory(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @steps.setter
    def steps(self, value: int, /) -> None: ...
    def forward(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        pair_mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
        selected: NDArray[np.uint8] | None = ...,
        given: NDArray[np.float32] | None = ...,
        seed: int = ...,
    ) -> NDArray[np.float32]: ...
    @property
    def frozen_layers(self) -> int: ...
    def frozen_output(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        pair_mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
    ) -> NDArray[np.float32]: ...
    def backward(self, d_logits: NDArray[np.float32], /) -> None: ...
    def masked_lm(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        targets: NDArray[np.int32],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        pair_mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
        selected: NDArray[np.uint8] | None = ...,
        seed: int = ...,
        smoothing: float = ...,
        drops: bool = ...,
    ) -> float: ...
    def masked_lm_backward(self, scale: float, /) -> None: ...
    def sample(self, seed: int, /) -> NDArray[np.int32]: ...
    def evaluate(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        pair_mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
        selected: NDArray[np.uint8] | None = ...,
        logits: bool = ...,
        last: bool = ...,
        hidden_states: bool = ...,
        attentions: bool = ...,
        given: NDArray[np.float32] | None = ...,
    ) -> tuple[
        NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None
    ]: ...
    def update(
        self,
        learning_rate: float,
        *,
        beta1: float = ...,
        beta2: float = ...,
        epsilon: float = ...,
        weight_decay: float = ...,
        max_norm: float = ...,
        scale: float = ...,
        bias_correction: bool = ...,
    ) -> float: ...
    def adapt(self, name: str, rank: int, *, scale: float = ...) -> None: ...
    def trim(self) -> None: ...
    def parameter(self, name: str, /) -> NDArray[np.float32]: ...
    def gradient(self, name: str, /) -> NDArray[np.float32]: ...
    def moments(self, name: str, /) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def set_parameter(self, name: str, values: NDArray[np.float32], /) -> None: ...
    def set_moments(self, name: str, first: NDArray[np.float32], second: NDArray[np.float32], /) -> None: ...
    def set_options(self, name: str, *, trainable: bool = ..., rate: float = ..., decay: bool = ...) -> None: ...
