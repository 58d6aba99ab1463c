"""What all models share: opened from files or drawn from a seed, saved, pickled by reference, and run."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ContextDecorator
from copy import deepcopy
from functools import partial
from inspect import signature
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._checkpoint import Tensor, read_checkpoint
from deberta_c._config import (
    AutoConfig,
    PreTrainedConfig,
    config_class,
    hub_options,
    read_config,
)
from deberta_c._encodings import require_cpu
from deberta_c._errors import MissingHeadWarning, UnexpectedWeightsWarning, UntiedWeightsWarning, describe, warn_caller
from deberta_c._families import DECODER, Adapted, adapt, named, sources, tie
from deberta_c._frame import RowName
from deberta_c._hub import MODEL, resolve
from deberta_c._initial import initial_weights
from deberta_c._outputs import ModelOutput, is_tensor, of_tensors
from deberta_c._packing import Packed, pack, unpack_attentions, unpack_hidden
from deberta_c._predict import BATCH_TOKENS, check_rows, run_batches
from deberta_c._reopen import reopened
from deberta_c._safetensors import write_safetensors
from deberta_c._saving import new_files
from deberta_c._tokenizer import PreTrainedTokenizerFast, Rows, reopened_tokenizer

M = TypeVar("M", bound="PreTrainedModel")

# What a tokenizer may return that no network reads.
_OF_TOKENIZERS = frozenset(
    {"length", "num_truncated_tokens", "offset_mapping", "overflow_to_sample_mapping", "special_tokens_mask"}
)

# Arguments of transformers that change nothing here.
_HARMLESS = frozenset({"use_safetensors", "attn_implementation", "low_cpu_mem_usage", "device_map", "weights_only"})
_OWN = frozenset({"ignore_mismatched_sizes", "enhanced_mask_decoder"})
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_NAN = re.compile(r"tensor '(?P<name>[^']*)' holds (?P<value>\S+) at index (?P<index>\d+)")


class Plan(NamedTuple):
    """What is run: the configuration as it is, the core's settings, and what the file calls the layers of the head."""

    config: PreTrainedConfig
    settings: dict[str, Any]
    layers: Mapping[str, str]


class Ran(NamedTuple):
    """What the core gave for a batch: `logits` as they are, the others at their padded places or None."""

    logits: NDArray[np.float32] | None
    last: NDArray[np.float32] | None
    hidden_states: tuple[NDArray[np.float32], ...] | None
    attentions: tuple[NDArray[np.float32], ...] | None


class PreTrainedModel:
    """What all models share; take a class of a family, such as DebertaV2Model, or an Auto class.

    A model computes on the CPU, in float32. The weights are immutable, the object may be used from many threads at
    once, and pickles as the path of its directory and options, or as its configuration and seed; a process that
    unpickles it again and again opens it once, and the last one stays open. Of `config`, the labels and `problem_type`
    may be set at any time; other keys count when it is opened.

    `Class(config, seed=0)` draws initial weights, as `from_config` does.

    Where models differ from those of transformers 5, and why:

    - Results are float32: tensors of torch over the memory of the network's outputs when `input_ids` is a tensor, so
      that code which goes on in torch stays as it is; otherwise NumPy arrays, and losses NumPy scalars. Only a caller
      who has imported torch can give a tensor, so nothing here imports it. No gradients flow.
    - Hidden states, attentions and logits of masked tokens are zeros, logits for the places of an answer the least
      float32: nothing is computed for padding.
    - Masked tokens count in no loss, and do not compete for the place of an answer, so that the width to which rows are
      padded changes no loss; there tokens count unless they are labelled -100, and the logits of padding compete.
    - A head that classifies rows reads the first token that is not masked; there it reads column 0, which is padding
      in a row that is padded on the left.
    - A head whose weights are missing does not run, for random labels look like any others; there it runs. A BERT
      without a pooler has the `pooler_output` None.
    - A regression keeps its logits (N, 1); there DeBERTa flattens them to (N) when it gets labels but has no
      `problem_type`.
    - A masked language model uses the weights under lm_predictions when the files have no other head, and with them
      the enhanced mask decoder of the DeBERTa paper when they have its position table: the files of Microsoft were
      trained so. There `"legacy": false` in config.json is needed, or the head is random, and there is no such decoder.
    - `AutoModelForPreTraining` gives the detector of replaced tokens, with which DeBERTa v3 was trained; there it gives
      the masked language model.
    - NaN or infinity in a weight is a ValueError; there it comes out as NaN.
    - Initial weights have the distribution of those there, but not their numbers, which only torch can draw.
    - `position_ids`, `inputs_embeds` and unknown arguments of a call are a TypeError; there a misspelt one is ignored.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> isinstance(deberta_c.BertModel(config), PreTrainedModel)
    True
    """

    config_class: ClassVar[type[PreTrainedConfig]]
    _head: ClassVar[str]  # of the core
    _layers: ClassVar[Mapping[str, str]]  # of the head, as files call them
    _lack: ClassVar[str]  # what it means that tensors of the head are missing
    _ignored: ClassVar[str] = r"(^|\.)position_ids$"  # what no model needs, but many files have
    _needs_head: ClassVar[bool] = True

    _seed: int | None  # of the initial weights, None for those of files
    _files: dict[str, Tensor] | None  # the weights, None when the seed gives them
    _tokenizer: PreTrainedTokenizerFast | None

    def __init__(self, config: PreTrainedConfig, *, seed: int = 0) -> None:
        self._make(config, seed, {})

    @classmethod
    def from_config(cls: type[M], config: PreTrainedConfig, *, seed: int = 0, **options: Any) -> M:
        """A model with initial weights, drawn from `seed` as transformers draws them.

        Each tensor has a generator of its own, so that models of one seed have the same encoder whatever their head.
        The model keeps its weights twice, as they were drawn and as the network packs them; one that is saved and
        opened has the former in its file.

        Errors: TypeError for what is no configuration, ValueError for one of another family.
        """
        return cls(config, seed=seed, **options)

    @overload
    @classmethod
    def from_pretrained(
        cls: type[M],
        directory: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[False] = ...,
        **options: Any,
    ) -> M: ...

    @overload
    @classmethod
    def from_pretrained(
        cls: type[M],
        directory: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[True],
        **options: Any,
    ) -> tuple[M, dict[str, Any]]: ...

    @classmethod
    def from_pretrained(
        cls: type[M],
        directory: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        output_loading_info: bool = False,
        **options: Any,
    ) -> M | tuple[M, dict[str, Any]]:
        """Opens a directory with config.json and weights in F32, F16 or BF16, or a model of the Hugging Face hub.

        Keys of config.json, such as `num_labels`, `id2label` or `problem_type`, replace those of the file; `config`
        replaces the file. `ignore_mismatched_sizes=True` drops a head of another size. `dtype` may be "float32" or
        "auto": the network computes in float32. For a name of the hub: `revision`, `cache_dir`, `token`,
        `local_files_only`, `subfolder`. With `output_loading_info=True` the result is (model, information), whose keys
        missing_keys, unexpected_keys, mismatched_keys and error_msgs are those of transformers.

        The weights stay in the files, which are mapped into memory. While a model has them open, replace them by
        renaming new files into their place; a file that is cut or rewritten where it lies ends the process (SIGBUS)
        or changes the results.

        Errors: OSError for a missing directory or file, ValueError for a file that contradicts itself or the
        configuration or holds NaN, TypeError for an unknown option. Warnings: MissingHeadWarning names the missing
        tensors of the head; such a model does not run. UnexpectedWeightsWarning names tensors that are not used.
        """
        where, options = hub_options(options)
        folder = resolve(directory, files=MODEL, **where)
        overrides = cls._check_options(options)
        if config is None:
            own = cls._own_config(AutoConfig.from_dict(read_config(folder)), overrides)
        else:
            own = cls._own_config(config, overrides)
            options = {**options, "config": own.to_dict()}
        model = cls.__new__(cls)
        model._seed = None
        try:
            found = named(read_checkpoint(folder), own.model_type)
            adapted = model._open(model._plan(own, found, options), found, str(folder), options)
        except ValueError as error:
            message = str(error) if str(folder) in str(error) else f"{str(folder)!r}: {error}"
            raise ValueError(message) from error
        model._warn(adapted)
        return (model, model._loading_info(adapted, found)) if output_loading_info else model

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Writes config.json, model.safetensors and, when there is one, the tokenizer into a directory, which is made.

        transformers loads it to the same logits, but for a masked language model that decodes with the enhanced mask
        decoder: transformers has none and reads the ordinary last layer. What the network does not use is not written,
        so that a model opened with `enhanced_mask_decoder=False` loses the position table and decodes so ever after.
        The weights keep their type (F32 for initial ones; `dtype` of config.json is one that holds them all), tied ones
        are stored once. The directory is written as a whole or, if that fails, left as it was; a power cut can leave
        some files of an earlier model there.

        Errors: RuntimeError when the head is missing, OSError when the directory cannot be written. A UserWarning tells
        of a tokenizer that cannot be read; the model is saved without it.

        >>> import tempfile, deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     model.save_pretrained(directory)
        ...     sorted(path.name for path in Path(directory).iterdir())[:2]
        ['config.json', 'model.safetensors']
        """
        self._require_head()
        files = self._files
        if files is None:
            files = self._draw(self._opened)
        tensors = [tensor._replace(name=self._reported(name)) for name, tensor in files.items()]
        config = self._saved_config()
        config.update(architectures=[type(self).__name__], dtype=_common_type(tensors))
        tokenizer = self._saved_tokenizer()
        with new_files(save_directory) as place:
            place("config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            write_safetensors(place("model.safetensors"), tensors)
            if tokenizer is not None:
                tokenizer.write_files(place)

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """The same as a call."""
        return self(*arguments, **options)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Runs the network; each head has its own arguments."""
        raise NotImplementedError(f"{type(self).__name__} has no head; take a class of a family")

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer of the model's directory, read on first use.

        Errors: OSError when there is none, RuntimeError when the model was made of a configuration.
        """
        if self._tokenizer is None:
            if not self.name_or_path:
                raise RuntimeError("this model was made of a configuration and has no tokenizer; give one")
            self._tokenizer = reopened_tokenizer(self.name_or_path)
        return self._tokenizer

    @property
    def num_labels(self) -> int:
        """How many labels the configuration had when the model was opened."""
        return len(self._loaded["id2label"])

    def labels(self) -> list[str]:
        """The names of the labels, in the order of the logits, as `config.id2label` has them now.

        Errors: ValueError when it was set to another number of labels than the classifier has.
        """
        names, count = self.config.id2label, self.num_labels
        if names.keys() != set(range(count)):
            raise ValueError(
                f"config key id2label has the keys {list(names)}, but the classifier has {count} labels; "
                f"give names for 0 to {count - 1}"
            )
        return [names[label] for label in range(count)]

    @property
    def device(self) -> str:
        """Where the network runs: "cpu"."""
        return "cpu"

    def num_parameters(self) -> int:
        """How many numbers the network has, a missing head left out; tied ones count once."""
        return self._size

    def eval(self: M) -> M:
        """Returns itself: the model always evaluates."""
        return self

    def train(self: M, mode: bool = True) -> M:
        """Returns itself for `mode=False`; raises NotImplementedError otherwise, for this version does not train."""
        if mode:
            raise NotImplementedError(
                "this version does not train; fine-tune with transformers, save_pretrained, and load that directory"
            )
        return self

    def to(self: M, device: object) -> M:
        """Returns itself when `device` is the CPU; raises ValueError otherwise."""
        require_cpu(device)
        return self

    def __repr__(self) -> str:
        settings = self._settings
        where = repr(self.name_or_path) if self.name_or_path else f"seed={self._seed}"
        return (
            f"{type(self).__name__}({where}, {settings['layers']} layers x {settings['hidden_size']}, "
            f"{settings['heads']} heads, {self._size:,} parameters{self._described()})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        now = self._settable()
        changed = {} if now == self._loaded else now
        if self._seed is not None:
            return _draw_again, (type(self), self._opened.config.to_dict(), changed, self._seed, self._options)
        return _reopen, (type(self), self.name_or_path, {**self._options, **changed})

    def __copy__(self: M) -> M:
        return self

    def __deepcopy__(self: M, _: object) -> M:
        return self

    # ---- opening ----

    def _make(self, config: PreTrainedConfig, seed: int, options: dict[str, Any]) -> None:
        """Becomes a model with initial weights."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0")
        self._seed = int(seed)
        plan = self._plan(self._own_config(config, {}), {}, options)
        self._open(plan, self._draw(plan), "", options)

    @classmethod
    def _own_config(cls, config: Any, overrides: Mapping[str, Any]) -> PreTrainedConfig:
        """A checked copy of a configuration, some keys replaced."""
        if not isinstance(config, PreTrainedConfig):
            raise TypeError(f"config is {config!r}; give what AutoConfig.from_pretrained returned, or leave it out")
        if config.model_type != cls.config_class.model_type:
            other = cls.__name__.replace(cls.config_class.__name__[:-6], type(config).__name__[:-6])
            raise ValueError(f"config key model_type is {config.model_type!r}; take {other} or an Auto class")
        own = type(config).from_dict(deepcopy(config.to_dict()), **overrides)
        own.check()
        return own

    @classmethod
    def _check_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that replace keys of the configuration; TypeError or ValueError for what is not understood."""
        overrides = {}
        for name, value in options.items():
            if cls.config_class.declares(name):
                overrides[name] = value
            elif name in ("dtype", "torch_dtype"):
                if value is not None and str(value).removeprefix("torch.") not in ("float32", "auto"):
                    raise ValueError(f'{name} is {value!r}; the network computes in float32, give "float32" or "auto"')
            elif name not in _OWN and name not in _HARMLESS:
                raise TypeError(f"unknown option {name!r}; give a key of config.json or ignore_mismatched_sizes")
        return overrides

    def _plan(self, config: PreTrainedConfig, found: Mapping[str, Tensor], options: Mapping[str, Any]) -> Plan:
        """What to run, given a configuration and what the files hold (nothing for a model that is drawn)."""
        if options.get("enhanced_mask_decoder") is not None:
            raise TypeError("enhanced_mask_decoder is for masked language models only")
        return Plan(config, config.for_core(self._head), self._layers)

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

    def _open(self, plan: Plan, found: dict[str, Tensor], where: str, options: dict[str, Any]) -> Adapted:
        """Gives the core what was found, and remembers what the model is."""
        self.config, self.name_or_path = deepcopy(plan.config), where
        self._opened, self._options = plan, options
        self._loaded = self._settable()
        self._tokenizer = None
        tied = self._tie(plan.config, found)
        adapted = adapt(
            self._wanted(plan), found, plan.settings, tied, skip_mismatched=bool(options.get("ignore_mismatched_sizes"))
        )
        # What the core runs with, whatever happens to `config`.
        self._settings = plan.settings if adapted.complete else {**plan.settings, "head": "none"}
        self._missing = tuple(map(self._reported, adapted.missing + [item.name for item in adapted.mismatched]))
        self._size = sum(prod(tensor.shape) for tensor in adapted.files.values())
        self._files = adapted.files if self._seed is None else None
        self._untied = tuple(name for name in (DECODER + ".weight", DECODER + ".bias") if name in adapted.files)
        try:
            self._core = _core.Model(self._settings, adapted.tensors)
        except ValueError as error:
            raise ValueError(_in_names_of_the_files(str(error), adapted)) from error
        return adapted

    def _warn(self, adapted: Adapted) -> None:
        where = repr(self.name_or_path)
        if self._missing:
            text = f"{where} lacks {', '.join(map(describe, self._missing))}: {self._lack}"
            warn_caller(MissingHeadWarning(text, tensors=self._missing))
        unexpected = self._unexpected(adapted)
        if unexpected:
            more = f" and {len(unexpected) - 8} more" if len(unexpected) > 9 else ""
            shown = ", ".join(map(describe, unexpected[:8] if more else unexpected)) + more
            text = f"{where} holds tensors that {type(self).__name__} does not use: {shown}"
            warn_caller(UnexpectedWeightsWarning(text, tensors=unexpected))
        if self._untied and self.config.tie_word_embeddings:
            text = (
                f"{where} stores {' and '.join(self._untied)} with other values than those to which config key "
                "tie_word_embeddings ties them; both are used as they are stored"
            )
            warn_caller(UntiedWeightsWarning(text, tensors=self._untied))

    def _reported(self, name: str) -> str:
        """What transformers calls the tensor `name` of this model, in reports and in files."""
        return name

    def _unexpected(self, adapted: Adapted) -> tuple[str, ...]:
        return tuple(sorted(name for name in adapted.unexpected if not re.search(self._ignored, name)))

    def _loading_info(self, adapted: Adapted, found: Mapping[str, Tensor]) -> dict[str, Any]:
        return {
            "missing_keys": set(map(self._reported, adapted.missing)),
            "unexpected_keys": set(self._unexpected(adapted)),
            "mismatched_keys": {(self._reported(name), *shapes) for name, *shapes in adapted.mismatched},
            "error_msgs": [],
        }

    def _saved_config(self) -> dict[str, Any]:
        """The configuration as it is now, but for what makes the network, which counted when it was opened."""
        self.labels()  # refuses another number of them
        opened = {key: value for key, value in self._opened.config.to_dict().items() if self.config.declares(key)}
        saved = {**self.config.to_dict(), **opened, **self._settable()}
        saved.pop("torch_dtype", None)
        return saved

    def _saved_tokenizer(self) -> PreTrainedTokenizerFast | None:
        """The tokenizer that goes with the model, None when its directory has none or one that cannot be read."""
        try:
            return self.tokenizer if self._tokenizer is not None or self.name_or_path else None
        except OSError:
            return None
        except ValueError as error:
            warn_caller(UserWarning(f"the model is saved without the tokenizer of {self.name_or_path!r}: {error}"))
            return None

    def _settable(self) -> dict[str, Any]:
        """What a user may set in `config` of an open model."""
        return {name: deepcopy(self.config.get(name)) for name in ("id2label", "label2id", "problem_type")}

    def _described(self) -> str:
        """What the representation tells of the head."""
        return ""

    # ---- running ----

    def _pack(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Packed:
        settings = self._settings
        return pack(
            input_ids,
            attention_mask,
            token_type_ids,
            vocab_size=settings["vocab_size"],
            type_vocab_size=settings["type_vocab_size"],
            positions=settings["max_positions"]
            if settings["position_biased_input"] or settings["enhanced_mask_decoder"]
            else None,
        )

    def _run(
        self,
        packed: Packed,
        hidden_states: bool | None,
        attentions: bool | None,
        *,
        logits: bool = True,
        last: bool = False,
        wanted: NDArray[np.uint8] | None = None,
    ) -> Ran:
        """The core's outputs; those of no row at all are empty."""
        settings = self._settings
        if len(packed.offsets) == 1:
            return self._nothing(packed, hidden_states, attentions, logits=logits, last=last)
        found, end, hidden, weights = self._core.forward(
            packed.ids,
            packed.offsets,
            types=packed.types,
            mask=packed.mask,
            first=packed.first,
            wanted=wanted,
            logits=logits,
            last=last,
            hidden_states=bool(hidden_states),
            attentions=bool(attentions),
        )
        return Ran(
            found,
            None if end is None else unpack_hidden(packed, end[None])[0],
            None if hidden is None else unpack_hidden(packed, hidden),
            None if weights is None else unpack_attentions(packed, weights, settings["layers"], settings["heads"]),
        )

    def _nothing(
        self, packed: Packed, hidden_states: bool | None, attentions: bool | None, *, logits: bool, last: bool
    ) -> Ran:
        settings, width = self._settings, packed.shape[1]
        columns = settings["hidden_size"] if settings["head"] == "pooler" else settings["num_labels"]
        state = np.empty((0, width, settings["hidden_size"]), np.float32)
        weights = np.empty((0, settings["heads"], width, width), np.float32)
        return Ran(
            np.empty((0, columns), np.float32) if logits else None,
            state if last else None,
            (state,) * (settings["layers"] + 1) if hidden_states else None,
            (weights,) * settings["layers"] if attentions else None,
        )

    def logits_of_rows(
        self, rows: Rows, row_name: RowName, wanted: NDArray[np.uint8] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Row numbers and their logits, batch by batch; see `run_batches`. Messages call the rows by `row_name`."""
        self._require_head()
        check_rows(rows, self._settings, row_name)
        return run_batches(self._core, rows, BATCH_TOKENS, wanted)

    def _check_extra(self, extra: Mapping[str, Any]) -> None:
        """Refuses arguments that a call does not take, but for what a tokenizer returns beside its inputs."""
        for name, value in extra.items():
            if value is not None and name not in _OF_TOKENIZERS:
                known = [name for name in signature(type(self).__call__).parameters if name not in ("self", "extra")]
                raise TypeError(f"a call of {type(self).__name__} takes no {name!r}; it takes {', '.join(known)}")

    def _require_head(self) -> None:
        if self._missing and self._needs_head:
            raise RuntimeError(
                f"{self.name_or_path!r} lacks {', '.join(self._missing)} and cannot be run; fine-tune it with "
                "transformers, or load a directory that holds them"
            )


class no_grad(ContextDecorator):
    """A block, or a function, in which no gradients are kept; nothing keeps any, so code can stay as it was.

    >>> with no_grad():
    ...     pass
    """

    def __enter__(self) -> "no_grad":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def untrained(what: str) -> str:
    """What it means for a model that its head is missing."""
    return (
        f"it is not a trained {what}, and running it raises an error; fine-tune it with transformers, or load a "
        "directory that holds them"
    )


def given(output: ModelOutput, return_dict: bool | None, input_ids: Any) -> Any:
    """The output, of tensors when `input_ids` is a tensor, or the tuple of its values when `return_dict` is False."""
    if is_tensor(input_ids):
        output = of_tensors(output)
    return output.to_tuple() if return_dict is False else output


def _common_type(tensors: list[Tensor]) -> str:
    """The smallest type that holds all the weights, as config.json calls it."""
    kinds = {tensor.dtype for tensor in tensors}
    return _DTYPES[kinds.pop()] if len(kinds) == 1 else "float32"


def _in_names_of_the_files(message: str, adapted: Adapted) -> str:
    """A message of the core about a setting or a number in a weight, in words of config.json and the weights' file."""
    found = _NAN.search(message)
    if found is None or found["name"] not in adapted.names:
        # Of the heads only the pooler has an activation of its own.
        return re.sub(r"^(?=\w+ is )", "config key ", re.sub("^head_act", "pooler_hidden_act", message))
    source, tensor = adapted.names[found["name"]]
    place = f" at index {found['index']}" if source.stored == source.shape else ""
    return f"tensor {tensor!r} holds {found['value']}{place}; the file is damaged, copy it again"


def _reopen(cls: type[M], directory: str, options: dict[str, Any]) -> M:
    model = reopened(cls, directory, options, partial(_open, cls))
    model.config = deepcopy(model.config)  # its labels may be set
    return model


def _open(cls: type[M], directory: Path, **options: Any) -> M:
    config = options.pop("config", None)
    if config is not None:
        config = config_class(config["model_type"]).from_dict(config)
    model: M = cls.from_pretrained(directory, config=config, **options)
    return model


def _draw_again(cls: type[M], config: dict[str, Any], changed: dict[str, Any], seed: int, options: dict[str, Any]) -> M:
    return cls(cls.config_class.from_dict(config, **changed), seed=seed, **options)
