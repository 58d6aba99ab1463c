"""Which parameters a training changes, and how fast: frozen layers, layer-wise learning rates, low-rank adapters."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from deberta_c._base.errors import short
from deberta_c._models.tensor_names import Source

WORDS, OUTPUT = "deberta.embeddings.word_embeddings.weight", "head.out.weight"
_EMBEDDINGS = "deberta.embeddings."
_LAYER = re.compile(r"deberta\.encoder\.layer\.(\d+)\.")
_TARGETS = {
    "bert": ("query", "value"), "deberta-v2": ("query_proj", "value_proj"), "deberta": ("in_proj",),
}  # fmt: skip


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters (LoRA: Hu and others, 2021), with the names and defaults of peft.

    A matrix W of `target_modules` (rows, columns) becomes W + lora_alpha / r * B A, and only A (r, columns) and B
    (rows, r) are trained, with the head of the model. The sum is what the model computes with and what is saved. Names
    are those of peft: a module is a target if its name in the files is one of them, or ends with "." and one of them;
    None means the queries and values of all layers.

    Errors: ValueError for an invalid number.

    >>> LoraConfig(r=4, lora_alpha=8).scale
    2.0
    """

    r: int = 8
    lora_alpha: float = 8
    target_modules: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.r, int) or isinstance(self.r, bool) or self.r < 1:
            raise ValueError(f"r of LoRA is {self.r!r}; it must be an integer of at least 1")
        if not isinstance(self.lora_alpha, (int, float)) or not 0 < self.lora_alpha < math.inf:
            raise ValueError(f"lora_alpha is {self.lora_alpha!r}; it must be a number above 0")
        if self.target_modules is not None and len(self.target_modules) == 0:
            raise ValueError(f"target_modules is {self.target_modules!r}; name a module, or give None for the defaults")

    @property
    def scale(self) -> float:
        """What multiplies B A."""
        return self.lora_alpha / self.r

    def targets(self, sources: Iterable[Source], model_type: str) -> list[str]:
        """The names in the core of the matrices that are adapted.

        Errors: ValueError when a target is no matrix of the model.
        """
        given = [self.target_modules] if isinstance(self.target_modules, str) else self.target_modules
        wanted = tuple(given or _TARGETS[model_type])
        modules = {
            source.name: source.file.removesuffix(".weight")
            for source in sources
            if len(source.shape) == 2 and _LAYER.match(source.name)
        }
        for target in wanted:
            if not any(_is_target(module, target) for module in modules.values()):
                known = list(dict.fromkeys(module.rpartition(".")[2] for module in modules.values()))
                raise ValueError(f"target_modules has {target!r}; the layers of the model have {short(known)}")
        return [name for name, module in modules.items() if any(_is_target(module, target) for target in wanted)]


def _is_target(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


class Options(NamedTuple):
    """How updates treat a parameter."""

    trainable: bool
    rate: float
    decay: bool


@dataclass(frozen=True)
class Scope:
    """What of a network of `layers` layers is trained; `tied`: the output layer is the word table."""

    layers: int
    tied: bool = False
    freeze_layers: int = 0
    freeze_embeddings: bool = False
    layerwise_lr_decay: float = 1.0
    adapted: frozenset[str] | None = None  # None: no adapters, all of the network is trained

    @classmethod
    def of(cls, args: Any, layers: int, tied: bool, adapted: Iterable[str] | None) -> "Scope":
        """That of TrainingArguments.

        Errors: ValueError for more frozen layers than the model has.
        """
        if args.freeze_layers > layers:
            raise ValueError(f"freeze_layers is {args.freeze_layers}, but the model has {layers} layers")
        return cls(
            layers,
            tied,
            args.freeze_layers,
            args.freeze_embeddings,
            args.layerwise_lr_decay,
            None if adapted is None else frozenset(adapted),
        )

    def place(self, name: str) -> int:
        """The layer that a parameter belongs to: -1 for embeddings and positions, the number of layers for the head."""
        found = _LAYER.match(name)
        if found:
            return int(found[1])
        if name.startswith("head."):
            return -1 if name == OUTPUT and self.tied else self.layers
        return 0 if name.startswith("deberta.encoder.conv.") else -1

    def is_frozen(self, name: str) -> bool:
        """Whether a parameter of the network, or the matrix that an adapter changes, stays as it is.

        With frozen layers this holds for the embeddings, the position table, which all layers read, its LayerNorm, and
        the convolution, too.
        """
        if self.freeze_layers and self.place(name) < self.freeze_layers:
            return True
        embedded = name.startswith(_EMBEDDINGS) or (name == OUTPUT and self.tied)
        return embedded and (self.freeze_embeddings or self.adapted is not None)

    def options(self, name: str) -> Options:
        """How updates treat a parameter: weight decay for all matrices but none for biases and LayerNorm, as in
        transformers, and with `layerwise_lr_decay` a learning rate that falls from the head down."""
        trainable = not self.is_frozen(name)
        if self.adapted is not None and ".lora_" not in name:
            trainable = trainable and self.place(name) == self.layers
        rate = self.layerwise_lr_decay ** (self.layers - self.place(name))
        return Options(trainable, rate, name.endswith(".weight") and "LayerNorm" not in name)


def lora_config(given: Any) -> LoraConfig | None:
    """The `lora` of TrainingArguments: a LoraConfig, a mapping of its fields, or None."""
    if given is None or isinstance(given, LoraConfig):
        return given
    if isinstance(given, Mapping):
        known = [field.name for field in fields(LoraConfig)]
        if unknown := [name for name in given if name not in known]:
            raise TypeError(f"lora has the key {unknown[0]!r}; it must be one of {', '.join(known)}")
        return LoraConfig(**given)
    raise TypeError(f"lora is a {type(given).__name__}; give a LoraConfig, such as deberta_c.LoraConfig(r=8)")
