from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

def get_num_threads() -> int: ...
def set_num_threads(count: int, /) -> None: ...
def isa() -> str: ...
def linear_layers() -> str: ...
def onednn_version() -> str: ...

@final
class Tokenizer:
    def __new__(
        cls, spm: bytes, *, lower_case: bool = ..., split_by_punct: bool = ..., byte_fallback: bool = ...
    ) -> Tokenizer: ...
    def __len__(self) -> int: ...
    def piece(self, id: int, /) -> str: ...
    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = ...,
        *,
        add_special_tokens: bool = ...,
        truncation: str = ...,
        max_length: int = ...,
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64], int]: ...

@final
class Model:
    def __new__(
        cls, config: Mapping[str, Any], tensors: Sequence[tuple[str, str, tuple[int, ...], NDArray[np.uint8]]]
    ) -> Model: ...
    @property
    def has_head(self) -> bool: ...
    @property
    def memory(self) -> int: ...
    def forward(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        *,
        types: NDArray[np.uint8] | None = ...,
        mask: NDArray[np.uint8] | None = ...,
        first: NDArray[np.int32] | None = ...,
        logits: bool = ...,
        hidden_states: bool = ...,
        attentions: bool = ...,
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None]: ...
