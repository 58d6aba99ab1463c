"""A model whose weights change: it joins the core's training to the configuration and the tensors of a model."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._files.checkpoint import Tensor
from deberta_c._models.heads import Chooser, SequenceClassifier, TokenClassifier
from deberta_c._models.initial import initial_weights
from deberta_c._models.opening import Plan
from deberta_c._models.tensor_names import Source, from_core, has_groups, match_weights
from deberta_c._models.word_table import as_array
from deberta_c.training.scope import Scope

_SEED_LIMIT = 1 << 64


class Session:
    """The training of a model: its weights, gradients and moments, which the core holds.

    The model keeps the weights that it had until `write_back`; its own network is freed, and opened again when the
    model is called. A head that is missing in the model's files is drawn from `seed`. With `base`, the word table is
    that of another session plus one of its own, zero at first, which alone is trained. `checkpointing` saves memory:
    the backward pass computes the activations of each layer again. `bf16` trains the linear layers of the encoder in
    bfloat16. One call at a time.
    """

    def __init__(
        self,
        model: Any,
        *,
        seed: int = 42,
        base: "Session | None" = None,
        checkpointing: bool = False,
        bf16: bool = False,
    ) -> None:
        self.model, self._seed = model, seed
        self._plan: Plan = model._opened
        tensors, tied = _with_head(model, seed)
        if base is not None:
            words = model._wanted(self._plan)[0]
            tensors[words.file] = Tensor(
                words.file, "F32", words.stored, np.zeros(4 * math.prod(words.stored), np.uint8)
            )
        matched = match_weights(model._wanted(self._plan), tensors, self._plan.settings, tied)
        self._sources = [source for source in model._wanted(self._plan) if source.name in matched.names]
        self._tied = tied
        self._shares_words = self._plan.settings["head"] == "masked_lm" and _shares_words(self._sources, tied)
        self._scope = Scope(self._plan.settings["layers"])
        self.core: _core.Training = _core.Training(
            self._plan.settings,
            matched.tensors,
            padding=_padding(model.config),
            tied=self._shares_words,
            checkpointing=checkpointing,
            bf16=bf16,
            base=None if base is None else base.core,
            **dropout_of(model),
        )
        model._release()

    @property
    def columns(self) -> int:
        """The number of logits of a row."""
        return int(self._plan.settings["num_labels"])

    def forward(self, batch: Mapping[str, Any], seed: int) -> NDArray[np.float32]:
        """Logits of a packed batch, with dropout by `seed`."""
        return self.core.forward(**batch, seed=seed % _SEED_LIMIT)

    def backward(self, d_logits: NDArray[np.float32]) -> None:
        """Adds the gradients of the last forward pass."""
        self.core.backward(np.ascontiguousarray(d_logits, np.float32).ravel())

    def masked_lm(
        self, batch: Mapping[str, Any], targets: NDArray[np.int32], seed: int | None, smoothing: float = 0.0
    ) -> float:
        """The sum of the cross entropies of the `selected` tokens (K), whose ids should be `targets` (K).

        With dropout by `seed`; without dropout for None. No array has a number for each of them and each word.
        """
        drops = seed is not None
        return self.core.masked_lm(
            **batch, targets=targets, seed=(seed or 0) % _SEED_LIMIT, drops=drops, smoothing=smoothing
        )

    def masked_lm_backward(self, scale: float) -> None:
        """Adds the gradients of scale * the last `masked_lm`."""
        self.core.masked_lm_backward(scale)

    def sample(self, seed: int) -> NDArray[np.int32]:
        """An id (K) for each selected token of the last `masked_lm`, drawn from the softmax of its logits."""
        return self.core.sample(seed)

    def update(self, learning_rate: float, **options: Any) -> float:
        """One step of AdamW; the norm of the gradients before clipping."""
        return self.core.update(learning_rate, **options)

    def evaluate(self, batch: Mapping[str, Any]) -> NDArray[np.float32]:
        """Logits of a packed batch with the weights as they are now, without dropout."""
        logits = self.core.evaluate(**batch)[0]
        assert logits is not None
        return logits

    def prepare(self, args: Any) -> None:
        """Freezes and adapts parameters as TrainingArguments say, and sets their learning rates and weight decay.

        Before the first forward pass.
        """
        targets = None if args.lora is None else args.lora.targets(self._sources, self.model.config.model_type)
        self._scope = Scope.of(args, self._plan.settings["layers"], self._shares_words, targets)
        for source in self._sources:
            if has_groups(source) and self._scope.options(source.name).trainable:
                raise ValueError(
                    f"conv_groups is {self.model.config.conv_groups}, and a convolution in groups cannot be trained; "
                    "give freeze_layers of at least 1, or lora"
                )
        for number, name in enumerate(targets or ()):
            if not self._scope.is_frozen(name):
                self._adapt(name, args.lora, number)
        for name in self.core.names:
            self.core.set_options(name, **self._scope.options(name)._asdict())

    def _adapt(self, name: str, lora: Any, number: int) -> None:
        """A new adapter: A is drawn as in peft, B is zero."""
        columns = self.core.parameter(name).shape[1]
        limit = 1 / math.sqrt(columns)
        first = np.random.default_rng([self._seed, number]).uniform(-limit, limit, lora.r * columns)
        self.core.adapt(name, lora.r, scale=lora.scale)
        self.core.set_parameter(name.removesuffix("weight") + "lora_A.weight", first.astype(np.float32))

    def _trained(self) -> list[str]:
        return [name for name in self.core.names if self._scope.options(name).trainable]

    def tensors(self) -> dict[str, Tensor]:
        """The weights as they are now, float32, under the names of a file; memory of passes is freed for them."""
        self.core.trim()
        arrays = {source.name: self._parameter(source.name) for source in self._sources}
        found = {}
        for file, array in from_core(self._sources, arrays, self._plan.settings).items():
            name = self._tied.get(file, file)
            data = np.ascontiguousarray(array, np.float32)
            found[name] = Tensor(name, "F32", data.shape, data.reshape(-1).view(np.uint8))
        return found

    def _parameter(self, name: str) -> NDArray[np.float32]:
        return self.core.parameter(name)

    def write_back(self) -> None:
        """Gives the model the weights as they are now."""
        model, tensors = self.model, self.tensors()
        model._made_by = of_weights, (type(model), model.config.to_dict(), tensors, model._options)
        model._load(self._plan, tensors, {**model._options, "ignore_mismatched_sizes": False})
        model._holds_weights = True

    def state(self) -> dict[str, NDArray[Any]]:
        """The moments of all parameters that are trained, of the word table only rows that have moved; the matrices of
        adapters; and the number of steps."""
        found: dict[str, NDArray[Any]] = {"steps": np.array(self.core.steps, np.uint64)}
        for name in self._trained():
            if ".lora_" in name:
                found[f"value:{name}"] = self.core.parameter(name)
            first, second = self.core.moments(name)
            rows = np.flatnonzero(first.any(axis=1) | second.any(axis=1)) if first.ndim == 2 else np.arange(len(first))
            found[f"rows:{name}"] = rows.astype(np.int64)
            found[f"first:{name}"], found[f"second:{name}"] = first[rows], second[rows]
        return found

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replaces all weights by those of a file, given by name.

        Errors: ValueError says what they lack, or have too much, when they are those of another model.
        """
        found = dict(weights)
        for decoder, name in self._tied.items():  # a file has tied weights once
            if name in found:
                found.setdefault(decoder, found[name])
        matched = match_weights(self.model._wanted(self._plan), found, self._plan.settings, self._tied)
        if not matched.complete:
            raise ValueError("it lacks the head of this model")
        if unexpected := self.model._unexpected(matched):
            raise ValueError(f"it has {unexpected[0]!r}, which this model lacks")
        for tensor in matched.tensors:
            if tensor[0] in self.core.names:
                self.core.set_parameter(tensor[0], _values(*tensor[:5]))

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replaces all moments and the number of steps by those of `state`.

        Errors: ValueError when they are those of another model, or of a training of other parameters.
        """
        for name in self._trained():
            if f"first:{name}" not in state:
                raise ValueError(
                    f"the checkpoint has no moments of {name!r}; it is a checkpoint of another model, or of other "
                    "freeze_layers or lora"
                )
            value = self.core.parameter(name)
            stored = [state[f"{part}:{name}"] for part in ("first", "second")]
            given = state.get(f"value:{name}", value)
            if given.shape != value.shape or any(part.shape[1:] != value.shape[1:] for part in stored):
                raise ValueError(
                    f"the checkpoint has {name!r} with the shape {given.shape}, but it must have {value.shape}; it is "
                    "a checkpoint of another model, or of another lora"
                )
            moments = np.zeros((2, *value.shape), np.float32)
            moments[:, state[f"rows:{name}"]] = stored
            self.core.set_moments(name, *(moment.ravel() for moment in moments))
            self.core.set_parameter(name, given.ravel())
        self.core.steps = int(state["steps"])


def _values(
    name: str, dtype: str, shape: tuple[int, ...], data: NDArray[np.uint8], blocks: tuple[int, int] | None
) -> NDArray[np.float32]:
    """The numbers of a tensor of the core; of `blocks` (rows, step), the first `rows` of each `step` are its own."""
    stored = shape if blocks is None else (data.nbytes // (shape[1] * (4 if dtype == "F32" else 2)), shape[1])
    array = as_array(Tensor(name, dtype, stored, data))
    if blocks is not None:
        row = np.arange(shape[0])
        array = array[row // blocks[0] * blocks[1] + row % blocks[0]]
    return np.ascontiguousarray(array, np.float32).ravel()


def of_weights(cls: type[Any], config: dict[str, Any], tensors: dict[str, Tensor], options: dict[str, Any]) -> Any:
    """A trained model again, when it is unpickled."""
    model: Any = object.__new__(cls)
    settings = cls.config_class.from_dict(config)
    plan = model._plan(settings, tensors, options)
    model._seed, model._holds_weights = None, True
    model._made_by = of_weights, (cls, config, tensors, options)
    model._open(plan, dict(tensors), "", options)
    return model


def dropout_of(model: Any) -> dict[str, Any]:
    """The probabilities of dropout that a model's configuration names, as arguments of the core's Training."""
    config, bert = model.config, model.config.model_type == "bert"
    hidden = float(config.get("hidden_dropout_prob", 0.1))
    found: dict[str, Any] = {
        "hidden_dropout": hidden,
        "attention_dropout": float(config.get("attention_probs_dropout_prob", 0.1)),
    }
    if isinstance(model, (SequenceClassifier, Chooser, TokenClassifier)):
        own = config.get("classifier_dropout" if bert else "cls_dropout")
        if own is None or (isinstance(model, TokenClassifier) and not bert):
            own = hidden
        found["head_dropout"] = float(own)
    if isinstance(model, (SequenceClassifier, Chooser)) and not bert:
        found["pooler_dropout"] = float(config.get("pooler_dropout") or 0.0)
    return found


def _with_head(model: Any, seed: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a model, the missing ones of its head drawn; and what is tied."""
    plan, found = model._opened, dict(model._weights())
    tied = model._tie(plan.config, found)
    stored = {source.file: source.stored for source in model._wanted(plan)}
    lacking = [
        source
        for source in model._wanted(plan)
        if source.name.startswith("head.")
        and (source.file not in found or tuple(found[source.file].shape) != stored[source.file])
    ]
    for tensor in initial_weights(lacking, plan.config, seed):
        found[tensor.name] = tensor
    return found, tied


def _shares_words(sources: list[Source], tied: Mapping[str, str]) -> bool:
    words, out = sources[0], next((source for source in sources if source.name == "head.out.weight"), None)
    return out is not None and (out.file == words.file or tied.get(out.file) == words.file)


def _padding(config: Any) -> int:
    padding = config.get("pad_token_id")
    return -1 if padding is None else int(padding)
