"""Opening a model from files or a seed, and again from a pickle."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import cached_property, partial
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, overload

import numpy as np

from deberta_c import _core
from deberta_c._base.errors import (
    MissingHeadWarning,
    PrecisionWarning,
    UnexpectedWeightsWarning,
    UntiedWeightsWarning,
    describe,
    short,
    warn_caller,
)
from deberta_c._base.suggest import nearest
from deberta_c._files.checkpoint import Tensor, read_checkpoint
from deberta_c._files.hub import HUB, hub_options, model_files, resolve
from deberta_c._files.shared_open import reopened
from deberta_c._models.agreement import failure
from deberta_c._models.config import OUTPUTS, AutoConfig, PreTrainedConfig, check_problem, config_class, read_config
from deberta_c._models.initial import initial_weights
from deberta_c._models.precision import (
    FLOAT32,
    KEEP,
    Precision,
    Unit,
    checked_dtype,
    checked_keep,
    checked_precision,
    fastest,
    kept_tensors,
    layers_of,
    units,
    wanted_dtype,
    weights_only,
)
from deberta_c._models.tensor_names import (
    DECODER,
    PREFIXES,
    MatchedWeights,
    by_current_name,
    match_weights,
    sources,
    tie,
)
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast

M = TypeVar("M", bound="OpenedModel")
Network = _core.Model

# Arguments of transformers that have no effect here.
_HARMLESS = frozenset({"use_safetensors", "attn_implementation", "low_cpu_mem_usage", "device_map", "weights_only"})
_REOPENING = threading.Lock()
_PRECISION = ("dtype", "torch_dtype", "keep")
_QUANTIZING = frozenset({"quantization_config", "load_in_8bit", "load_in_4bit"})
_OF_CONFIG = frozenset({"enhanced_mask_decoder"})
_OWN = _OF_CONFIG | {"ignore_mismatched_sizes", "variant"}
_TASKS = frozenset(
    {
        "SequenceClassification",
        "TokenClassification",
        "QuestionAnswering",
        "MultipleChoice",
        "MaskedLM",
        "PreTraining",
        "NextSentencePrediction",
    }
)
_SAME_SHAPES = frozenset({"SequenceClassification", "TokenClassification", "MultipleChoice"})
"""Tasks whose heads may have tensors of the same names and shapes."""
_NEW_HEAD = frozenset({"num_labels", "id2label", "label2id", "problem_type", "ignore_mismatched_sizes"})
"""Options of who opens a checkpoint to fine-tune it."""
_NAN = re.compile(r"tensor '(?P<name>[^']*)' holds (?P<value>\S+) at index (?P<index>\d+)")


class Plan(NamedTuple):
    """What to run: the configuration, the settings of the core, and the names of the head's layers in the files."""

    config: PreTrainedConfig
    settings: dict[str, Any]
    layers: Mapping[str, str]


class OpenedModel:
    """A network of the core with its configuration and its files; see `PreTrainedModel`."""

    config_class: ClassVar[type[PreTrainedConfig]]
    _encoders: ClassVar[dict[type[PreTrainedConfig], type[Any]]] = {}  # the class without a head of each family
    _head: ClassVar[str]  # of the core
    _layers: ClassVar[Mapping[str, str]]  # the head's layers, as files call them
    _missing_head_text: ClassVar[str]  # what the warning about missing tensors of the head adds
    _ignored: ClassVar[str] = r"(^|\.)position_ids$"  # tensors that no model needs, but many files have
    _needs_head: ClassVar[bool] = True

    _made_by: tuple[Callable[..., Any], tuple[Any, ...]]  # creates it again, except for changes to `config`
    _seed: int | None  # of the initial weights; None for a model of files
    _files: dict[str, Tensor] | None  # the weights; None if they are drawn from the seed
    _tokenizer: PreTrainedTokenizerFast | None
    _base: Any  # the cached `base_model`
    _holds_weights: bool = False  # whether pickles hold the weights and the tokenizer, as those of a trained model

    def __init__(self, config: PreTrainedConfig, *, seed: int = 0) -> None:
        self._make(config, seed, {})

    @classmethod
    def from_config(cls: type[M], config: PreTrainedConfig, *, seed: int = 0, **options: Any) -> M:
        """A model with initial weights, drawn from `seed` as transformers draws them.

        Each tensor has its own generator, so models with the same seed have the same encoder, whatever their head.
        The network packs the weights when the model is created; saving the model draws them again.

        Options are those of `from_pretrained` that need no files: keys such as `num_labels` replace those of the
        configuration, `dtype` and `keep` are those of `to_dtype`. Errors: TypeError if `config` is not a configuration,
        or for an unknown option, ValueError for a configuration of another family.
        """
        where, options = hub_options(options)
        own = cls._own_config(config, cls._check_options({**where, **options}, _OF_CONFIG | {"seed"}))
        given = {name: options[name] for name in _OF_CONFIG if options.get(name) is not None}
        model = cls.__new__(cls)
        model._make(own, seed, given)
        return model.to_dtype(wanted_dtype(options), keep=options.get("keep"))

    @overload
    @classmethod
    def from_pretrained(
        cls: type[M],
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[False] = ...,
        **options: Any,
    ) -> M: ...

    @overload
    @classmethod
    def from_pretrained(
        cls: type[M],
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[True],
        **options: Any,
    ) -> tuple[M, dict[str, Any]]: ...

    @classmethod
    def from_pretrained(
        cls: type[M],
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        output_loading_info: bool = False,
        **options: Any,
    ) -> M | tuple[M, dict[str, Any]]:
        """Opens a directory with config.json and weights in F32, F16, BF16 or F64, or a model of the Hugging Face hub.

        Keys of config.json, such as `num_labels`, `id2label` or `problem_type`, replace those of the file; `config`
        replaces the file. `ignore_mismatched_sizes=True` ignores a head of another size. `variant="fp16"` reads
        model.fp16.safetensors. `dtype` is the type in which linear layers multiply, "float32", "bfloat16", "int8" or
        "auto", and `keep` names layers that stay in float32: see `to_dtype`. For a name of the hub: `revision`,
        `cache_dir`, `token`, `local_files_only`, `subfolder`. With `output_loading_info=True` the result is
        (model, information), with the keys missing_keys, unexpected_keys, mismatched_keys and error_msgs of
        transformers.

        The weights stay in the files, which are mapped into memory. To replace the files of an open model, write new
        ones and rename them; truncating or overwriting an open file ends the process (SIGBUS) or changes the results.

        Errors: OSError for a missing directory or file, ValueError for a file that is damaged, does not match the
        configuration or contains NaN, TypeError for an unknown option. Warnings: MissingHeadWarning names the missing
        tensors of the head; such a model raises RuntimeError when it is called. UnexpectedWeightsWarning names tensors
        that are not used; PrecisionWarning says that `dtype` did not pass the self-test, or that this CPU does not
        multiply it.
        """
        where, options = hub_options(options)
        variant = options.get("variant")
        folder = resolve(pretrained_model_name_or_path, files=model_files(variant), **where)
        overrides = cls._check_options(options, _OWN)
        dtype, keep = wanted_dtype(options), options.get("keep")
        options = {name: value for name, value in options.items() if name not in _PRECISION}
        given = isinstance(dtype, Precision) and keep is None
        if config is None:
            own = cls._own_config(AutoConfig.from_dict(read_config(folder)), overrides)
        else:
            own = cls._own_config(config, overrides)
            options = {**options, "config": own.to_dict()}
        model = cls.__new__(cls)
        model._seed = None
        model._made_by = _reopen, (cls, str(folder), options)
        try:
            found = by_current_name(read_checkpoint(folder, variant), own.model_type)
            plan = model._plan(own, found, options)
            if given:
                options["dtype"] = checked_precision(dtype, model._units(plan))
            matched = model._open(plan, found, str(folder), options)
        except ValueError as error:
            message = str(error) if str(folder) in str(error) else f"{str(folder)!r}: {error}"
            raise ValueError(message) from error
        model._warn(matched)
        if not given:
            model = model.to_dtype(dtype, keep=keep)
        return (model, model._loading_info(matched, found)) if output_loading_info else model

    @property
    def precision(self) -> Precision:
        """The type in which the linear layers multiply, the layers that stay in float32, and who multiplies."""
        precision: Precision = self._options.get("dtype", FLOAT32)
        return precision

    def to_dtype(self: M, dtype: Any, *, keep: Iterable[str] | None = None) -> M:
        """Another model with the same weights, whose encoder's linear layers multiply in another type.

        "float32" is exact. "int8": each output of a layer has a scale, and each token a scale and a zero, found while
        running; sums are exact. "bfloat16": weights and inputs are rounded, sums are float32. On a CPU without
        AVX512_BF16 only weights are rounded, products are in float32, and a PrecisionWarning says so. With AVX512_BF16
        attention multiplies bfloat16 in both types, except in layers whose queries, keys or values stay in float32;
        without it, int8 keeps projected positions in 8 bits, too. Everything else (softmax, LayerNorm, heads) stays in
        float32. `keep` names linear layers that stay in float32, too, such as
        ["encoder.layer.11.output.dense"]; by default the key low_precision_keep of config.json, which
        `save_pretrained` writes. Results are the same for any number of threads and in any batch.

        A self-test, well under a second, multiplies known numbers and runs a few texts in both types. It warns
        (PrecisionWarning) if labels differ, except where float32 prefers its label by at most 0.1 in logits, or if a
        probability differs by more than 0.1; `check_precision` compares texts of your own. "auto" is the fastest type
        of this CPU that passes, with a warning if that is not the first. The `precision` of another model is taken
        without a test, unless `keep` replaces its list. For float32 the result may be the model itself.

        Errors: ValueError for a type that is unknown, or a name in `keep` that no layer has.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> small = model.to_dtype("int8", keep=["encoder.layer.0"])
        >>> small.precision.dtype, len(small.precision.keep)
        ('int8', 6)
        """
        wanted = checked_dtype(dtype)
        if isinstance(wanted, Precision):
            if keep is None:
                return self._in(checked_precision(wanted, self._units()))
            wanted = checked_dtype(wanted.dtype)
        exact = self._in(FLOAT32)
        kept = () if wanted == "float32" and keep is None else self._checked_keep(keep)
        if wanted == "float32":
            return exact
        model, why = exact, ""
        failures: dict[str, str] = {}
        names = fastest() if wanted == "auto" else [wanted]
        if kept and names and len(kept) == sum(len(unit.layers) for unit in self._units()):
            what = "keep" if keep is not None else f"config key {KEEP}"
            self._warn_of_layers(
                names[0],
                f"{what} names {layers_of(kept)}, all linear layers of the encoder: they stay "
                f"in float32, and dtype={dtype!r} changes nothing; name fewer layers, or leave dtype out",
            )
            return exact._in(Precision(names[0], kept))
        for name in names:
            model = exact._in(Precision(name, kept))
            why = failure(exact, model)
            if not why:
                break
            failures[name] = why
        if failures:
            model = exact if wanted == "auto" and why else model
            self._warn_of_precision(failures, model)
        faster = "" if "int8" in failures else '; give dtype="int8" for more speed'
        if notice := weights_only(model.precision.dtype, faster, kept):
            self._warn_of_layers(model.precision.dtype, notice)
        return model

    def check_precision(
        self,
        texts: Iterable[Any] | None = None,
        text_pairs: Iterable[Any] | None = None,
        *,
        dtype: Any = None,
        keep: Iterable[str] | None = None,
        at_least: float = 0.99,
        at_most: float | None = None,
        costs: bool | None = None,
        max_length: int | None = None,
        confidence: float = 0.95,
        tokenizer: PreTrainedTokenizerFast | None = None,
    ) -> Any:
        """Compares the answers in bfloat16 or int8 with those in float32, on a column of texts (or of pairs).

        Without texts, a small sample is used that the package brings. `dtype` is "int8", "bfloat16", or "auto" for the
        fastest of this CPU; by default that of the model, of a float32 model int8. `keep` works as in `to_dtype`. The
        type passes if at least the share `at_least` of the labels is equal and no probability differs by more than
        `at_most`, by default 0.1 for the sample, as in the self-test, and anything for other texts. Of regressions and
        scores, values within 5 % count as equal; of an encoder, hidden states whose means have a cosine of 0.95.

        Unless it passes, or with `costs=True`, each linear layer is measured: the difference of the logits if it alone
        multiplies in the type, on the 64 texts that differ most. The list `keep` of the result names layers with which
        the type passes if they stay in float32: the most expensive ones, without those that it passes without.
        Measuring a layer takes a pass over these texts and the time of `to_dtype`, and the search about one pass over
        all texts for each layer of the list.

        Returns a `deberta_c.evaluation.PrecisionCheck`: shares, intervals of `confidence`, the texts that differ most,
        costs. Errors: those of `to_dtype` and of `predict`; RuntimeError if the head is missing.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> check = model.check_precision(["See you at home", "Free entry! Call now"], dtype="int8")
        >>> check.passed, check.agreement, check.keep
        (True, 1.0, ())
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        return import_module("deberta_c.evaluation.precision_check").check_precision(self, **given)

    @property
    def num_labels(self) -> int:
        """The number of labels when the model was opened."""
        return len(self._loaded["id2label"])

    def labels(self) -> list[str]:
        """The names of the labels, in the order of the logits, as `config.id2label` has them now.

        Errors: ValueError if `config.id2label` was set to another number of labels than the classifier has.
        """
        names, count = self.config.id2label, self.num_labels
        if names.keys() != set(range(count)):
            raise ValueError(
                f"config key id2label has the keys {short(list(names))}, but the classifier has {count} labels; "
                f"give names for 0 to {count - 1}"
            )
        return [names[label] for label in range(count)]

    def __reduce__(self) -> tuple[Any, ...]:
        now = self._settable()
        state: dict[str, Any] = {} if now == self._loaded else {"config": now}
        if self._holds_weights:
            state |= {"name_or_path": self.name_or_path, "_tokenizer": self._tokenizer_or_none()}
        return (*self._made_by, state or None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.config.update(state.pop("config", {}))
        vars(self).update(state)
        self.config.name_or_path = self.name_or_path

    def __copy__(self: M) -> M:
        return self

    def __deepcopy__(self: M, _: object) -> M:
        """A model of its own, which shares the weights: training or resizing one of them leaves the other as it is."""
        model = type(self).__new__(type(self))
        vars(model).update(vars(self))
        model.config, model._base = deepcopy(self.config), None
        return model

    def _tokenizer_or_none(self) -> PreTrainedTokenizerFast | None:
        """The tokenizer, which is opened; None for a model without one."""
        raise NotImplementedError

    def _make(self, config: PreTrainedConfig, seed: int, options: dict[str, Any]) -> None:
        """Becomes a model with initial weights."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0")
        self._seed = int(seed)
        plan = self._plan(self._own_config(config, {}), {}, options)
        self._made_by = _draw_again, (type(self), plan.config.to_dict(), self._seed, options)
        self._open(plan, self._draw(plan), "", options)

    @classmethod
    def _own_config(cls, config: Any, overrides: Mapping[str, Any]) -> PreTrainedConfig:
        """A checked copy of a configuration, some keys replaced."""
        if isinstance(config, (str, Path)):
            raise TypeError(
                f"config is {config!r}; to open a directory call {cls.__name__}.from_pretrained({config!r})"
            )
        if not isinstance(config, PreTrainedConfig):
            raise TypeError(f"config is {config!r}; give what AutoConfig.from_pretrained returned, or leave it out")
        if config.model_type != cls.config_class.model_type:
            other = cls.__name__.replace(cls.config_class.__name__[:-6], type(config).__name__[:-6])
            raise ValueError(f"config key model_type is {config.model_type!r}; take {other} or an Auto class")
        own = type(config).from_dict(deepcopy(config.to_dict()), **overrides)
        own._check()
        return own

    @classmethod
    def _check_options(cls, options: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
        """The options that replace keys of the configuration. TypeError for one that is neither a key, nor in `own`,
        nor common to from_pretrained and from_config; ValueError for a wrong problem_type."""
        overrides = {}
        for name, value in options.items():
            if cls.config_class._declares(name):
                overrides[name] = value
                if name == "problem_type":
                    check_problem(value)
            elif name not in own and name not in _HARMLESS and name not in _PRECISION:
                raise TypeError(f"unknown option {name!r}; {cls._instead_of(name, own)}")
        return overrides

    @classmethod
    def _instead_of(cls, name: str, own: frozenset[str]) -> str:
        if name in _QUANTIZING:
            return 'give dtype="int8", which rounds the weights of a checkpoint of floats'
        if name in _OWN or name in HUB:
            return "from_pretrained takes it, for the files of a checkpoint; leave it out"
        near = nearest(name, (*cls.config_class._names(), *own, *_PRECISION))
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{hint}give a key of config.json, {', '.join(sorted(own))}, dtype or keep"

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        """What to run, for a configuration and the tensors of the files (none for initial weights)."""
        if options.get("enhanced_mask_decoder") is not None:
            raise TypeError("enhanced_mask_decoder is for masked language models only")
        return Plan(config, config._for_core(self._head), self._layers)

    def _wanted(self, plan: Plan) -> list[Any]:
        return sources(plan.config.model_type, plan.settings, plan.layers, plan.config.get("conv_groups") or 1)

    def _tie(self, config: PreTrainedConfig, found: dict[str, Tensor]) -> dict[str, str]:
        return tie(found, config.model_type, self._head == "masked_lm") if config.tie_word_embeddings else {}

    def _draw(self, plan: Plan) -> dict[str, Tensor]:
        """The initial weights."""
        tied = self._tie(plan.config, {})
        wanted = [source._replace(file=tied.get(source.file, source.file)) for source in self._wanted(plan)]
        assert self._seed is not None
        return {tensor.name: tensor for tensor in initial_weights(wanted, plan.config, self._seed)}

    def _weights(self) -> dict[str, Tensor]:
        """The tensors that are used, each once, under their current names."""
        return self._draw(self._opened) if self._files is None else self._files

    def _open(self, plan: Plan, found: dict[str, Tensor], where: str, options: dict[str, Any]) -> MatchedWeights:
        """Opens the model with the tensors that were found."""
        self.config, self.name_or_path = deepcopy(plan.config), where
        self.config.name_or_path = where
        self._loaded = self._settable()
        self._tokenizer = None
        matched = self._load(plan, found, options)
        self._core = self._network(matched)
        return matched

    def _load(
        self, plan: Plan, found: dict[str, Tensor], options: dict[str, Any], core: Network | None = None
    ) -> MatchedWeights:
        """Takes the tensors that were found; `core` has them, or it is created when it is used."""
        self._opened, self._options, self._base = plan, options, None
        matched = self._match(plan, found, options)
        # The settings of the core, whatever is set in `config` later.
        self._settings = plan.settings if matched.complete else {**plan.settings, "head": "none"}
        self._missing = tuple(
            map(self._transformers_name, matched.missing + [item.name for item in matched.mismatched])
        )
        self._size = sum(prod(tensor.shape) for tensor in matched.files.values())
        self._files = matched.files if self._made_by[0] is not _draw_again else None
        self._untied = tuple(name for name in (DECODER + ".weight", DECODER + ".bias") if name in matched.files)
        with _REOPENING:
            self.__dict__.pop("_core", None)
        if core is not None:
            self._core = core
        return matched

    def _match(self, plan: Plan, found: dict[str, Tensor], options: Mapping[str, Any]) -> MatchedWeights:
        return match_weights(
            self._wanted(plan),
            found,
            plan.settings,
            self._tie(plan.config, found),
            skip_mismatched=bool(options.get("ignore_mismatched_sizes")),
            quantizer=_quantizer(plan.config),
        )

    def _units(self, plan: Plan | None = None) -> list[Unit]:
        """The linear layers of the encoder, of the plan of the open model by default."""
        plan = self._opened if plan is None else plan
        return units(self._wanted(plan), plan.config.model_type)

    def _checked_keep(self, keep: Iterable[str] | None) -> tuple[str, ...]:
        """The layers that stay in float32: those of `keep`, or for None of config.json."""
        if keep is not None:
            return checked_keep(keep, self._units())
        try:
            return checked_keep(self._opened.config.get(KEEP) or (), self._units())
        except (TypeError, ValueError) as error:
            raise ValueError(f"config key {KEEP}: {error}") from error

    def _in(self: M, precision: Precision) -> M:
        """The model with another precision; it shares everything but the network."""
        if precision == self.precision:
            return self
        model = deepcopy(self)
        vars(model).pop("_core", None)
        model._options = {**self._options, "dtype": precision}
        model._made_by = _made_in(*self._made_by, precision)
        return model

    def _network(self, matched: MatchedWeights) -> Network:
        dtype, keep = self.precision
        try:
            return Network(self._settings, matched.tensors, dtype=dtype, keep=kept_tensors(keep, self._units()))
        except ValueError as error:
            raise ValueError(_with_names_of_files(str(error), matched)) from error

    @cached_property
    def _core(self) -> Network:
        """The network of the core: created when it is used after `_load` or `_release`."""
        with _REOPENING:
            if "_core" not in self.__dict__:
                matched = self._match(self._opened, dict(self._weights()), self._options)
                self.__dict__["_core"] = self._network(matched)
            core: Network = self.__dict__["_core"]
            return core

    def _release(self) -> None:
        """Frees the network until the model is called again; calls in progress finish with it."""
        for model in (self, self._base):
            if model is not None:
                model.__dict__.pop("_core", None)

    def _warn(self, matched: MatchedWeights) -> None:
        where, unexpected = repr(self.name_or_path), self._unexpected(matched)
        others, trains = self._other_task(), not self._options.keys().isdisjoint(_NEW_HEAD)
        reads_other = bool(others) and {self._task(), type(self).__name__.partition("For")[2]} <= _SAME_SHAPES
        if self._missing:
            text = f"{where} {self._lacking(matched)}: {self._missing_head_text}{others}"
            if trains:
                text = (
                    f"{where} {self._lacking(matched)}: the head is newly initialized; train it, with fit or a "
                    "Trainer, because running it raises an error before"
                )
            warn_caller(MissingHeadWarning(text, tensors=self._missing))
        elif reads_other:
            text = f"{where} has a head that was trained for another task"
            text += "; train it, with fit or a Trainer, because its answers mean nothing before" if trains else others
            warn_caller(MissingHeadWarning(text))
        if trains and (self._missing or reads_other):
            prefix = PREFIXES[self.config.model_type]
            body = f"{prefix}embeddings.", f"{prefix}encoder."
            unexpected = tuple(name for name in unexpected if name.startswith(body))  # not those of another head
        if unexpected:
            more = f" and {len(unexpected) - 8} more" if len(unexpected) > 9 else ""
            shown = ", ".join(map(describe, unexpected[:8] if more else unexpected)) + more
            other = self._other_task() if self._needs_head and not self._missing else ""
            text = f"{where} contains tensors that {type(self).__name__} does not use: {shown}{other}"
            warn_caller(UnexpectedWeightsWarning(text, tensors=unexpected))
        if self._untied and self.config.tie_word_embeddings:
            text = (
                f"{where} stores {' and '.join(self._untied)} with other values than those to which config key "
                "tie_word_embeddings ties them; both are used as they are stored"
            )
            warn_caller(UntiedWeightsWarning(text, tensors=self._untied))

    def _lacking(self, matched: MatchedWeights) -> str:
        """What a message says of the missing tensors of the head, and of those that have another size."""
        lacks = [f"lacks {', '.join(describe(self._transformers_name(name)) for name in matched.missing)}"]
        others = [
            f"has {describe(self._transformers_name(name))} of shape {found}, not {wanted}"
            for name, found, wanted in matched.mismatched
        ]
        return " and ".join([*(lacks if matched.missing else []), *others])

    def _warn_of_layers(self, dtype: str, notice: str) -> None:
        """Warns that a type does not do for this model what its name says."""
        text = f"{self.name_or_path or type(self).__name__!r}: {notice}"
        warn_caller(PrecisionWarning(text, dtype=dtype))

    def _warn_of_precision(self, failures: Mapping[str, str], model: "OpenedModel") -> None:
        """Warns that types failed the self-test; `model` is the one that is returned nevertheless."""
        first, now = next(iter(failures)), model.precision.dtype
        instead = "" if now in failures else f"the network computes in {now} instead; "
        helped = any(_core.known_products(name) for name in failures)
        keep = ", or keep=, the layers to keep in float32, which check_precision of the model finds" if helped else ""
        text = f"{self.name_or_path or type(self).__name__!r}: {'; '.join(failures.values())}; {instead}"
        text += f'give dtype="float32"{keep}'
        warn_caller(PrecisionWarning(text, dtype=first))

    def _transformers_name(self, name: str) -> str:
        """The name of a tensor in reports and in files of transformers."""
        return name

    def _unexpected(self, matched: MatchedWeights) -> tuple[str, ...]:
        return tuple(sorted(name for name in matched.unexpected if not re.search(self._ignored, name)))

    def _loading_info(self, matched: MatchedWeights, found: Mapping[str, Tensor]) -> dict[str, Any]:
        return {
            "missing_keys": set(map(self._transformers_name, matched.missing)),
            "unexpected_keys": set(self._unexpected(matched)),
            "mismatched_keys": {(self._transformers_name(name), *shapes) for name, *shapes in matched.mismatched},
            "error_msgs": [],
        }

    def _settable(self) -> dict[str, Any]:
        """The keys of `config` that may be set in an open model."""
        return {name: deepcopy(self.config.get(name)) for name in ("id2label", "label2id", "problem_type", *OUTPUTS)}

    def _require_head(self) -> None:
        if self._missing and self._needs_head:
            raise RuntimeError(
                f"{self.name_or_path!r} lacks {', '.join(self._missing)} and cannot be run; fine-tune it "
                f"first, or load a directory that has them{self._other_task()}"
            )

    def _other_task(self) -> str:
        """The end of a message if config.json names another task: the class that opens the files."""
        task = self._task()
        if task not in _TASKS or task == type(self).__name__.partition("For")[2]:
            return ""
        return f"; this checkpoint is a {self._architecture()[:80]}: open it with AutoModelFor{task}"

    def _task(self) -> str:
        """The task of the files as config.json names it, such as "MaskedLM"; empty if it names none."""
        return self._architecture().partition("For")[2]

    def _architecture(self) -> str:
        """The class of transformers that config.json names; empty if it names none."""
        classes = self.config.get("architectures")
        return classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""


def untrained_head_text(what: str) -> str:
    """The end of the warning about a missing head."""
    return (
        f"it is not a trained {what}, and running it raises an error; fine-tune it first, or load a directory "
        "that has them"
    )


def _quantizer(config: PreTrainedConfig) -> str:
    """The quantizer of the weights as config.json names it; empty if it names none."""
    settings = config.get("quantization_config")
    return str(settings.get("quant_method") or "bitsandbytes")[:80] if isinstance(settings, dict) else ""


def _with_names_of_files(message: str, matched: MatchedWeights) -> str:
    """A message of the core about a setting or a weight, with the names of config.json and of the weights' file."""
    found = _NAN.search(message)
    if found is None or found["name"] not in matched.names:
        # Only the pooler has its own activation in config.json.
        return re.sub(r"^(?=\w+ is )", "config key ", re.sub("^head_act", "pooler_hidden_act", message))
    source, tensor = matched.names[found["name"]]
    place = f" at index {found['index']}" if source.stored == source.shape else ""
    return f"tensor {tensor!r} holds {found['value']}{place}; the file is damaged, copy it again"


def _reopen(cls: type[M], directory: str, options: dict[str, Any]) -> M:
    model = reopened(cls, directory, options, partial(_open, cls))
    model.config = deepcopy(model.config)  # its labels may be set
    return model


def _made_in(made: Callable[..., M], arguments: tuple[Any, ...], precision: Precision) -> tuple[Any, tuple[Any, ...]]:
    """What `_made_by` is of the same model with another precision."""
    if made is _reopen:
        *where, options = arguments
        return _reopen, (*where, {**options, "dtype": precision})
    if made is _in_dtype:
        return _in_dtype, (precision, *arguments[1:])
    return _in_dtype, (precision, made, *arguments)


def _in_dtype(precision: Precision, made: Callable[..., M], *arguments: Any) -> M:
    return made(*arguments).to_dtype(precision)


def _open(cls: type[M], directory: Path, **options: Any) -> M:
    config = options.pop("config", None)
    if config is not None:
        config = config_class(config["model_type"]).from_dict(config)
    model: M = cls.from_pretrained(directory, config=config, **options)
    return model


def _draw_again(cls: type[M], config: dict[str, Any], seed: int, options: dict[str, Any]) -> M:
    return cls(cls.config_class.from_dict(config), seed=seed, **options)
