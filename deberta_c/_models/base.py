"""What all models share: opened from files or drawn from a seed, saved, pickled by reference, and run."""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
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
from deberta_c._base.errors import (
    MissingHeadWarning,
    UnexpectedWeightsWarning,
    UntiedWeightsWarning,
    describe,
    short,
    warn_caller,
)
from deberta_c._columns.texts import RowName
from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import Tensor, read_checkpoint
from deberta_c._files.hub import hub_options, model_files, resolve
from deberta_c._files.shards import holds_weights, write_weights
from deberta_c._files.shared_open import reopened
from deberta_c._models.config import OUTPUTS, AutoConfig, PreTrainedConfig, check_problem, config_class, read_config
from deberta_c._models.initial import initial_weights
from deberta_c._models.outputs import ModelOutput, is_tensor, of_tensors
from deberta_c._models.packing import Packed, pack, unpack_attentions, unpack_hidden
from deberta_c._models.predict import BATCH_TOKENS, check_rows, run_batches
from deberta_c._models.tensor_names import (
    DECODER,
    OUTPUTS_OF_WORDS,
    PREFIXES,
    WORDS,
    Adapted,
    adapt,
    named,
    sources,
    tie,
)
from deberta_c._models.word_table import Embedding, as_array, resized
from deberta_c._tokenizers.encodings import require_cpu
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, Rows, reopened_tokenizer

M = TypeVar("M", bound="PreTrainedModel")

# What a tokenizer may return that no network reads.
_OF_TOKENIZERS = frozenset(
    {"length", "num_truncated_tokens", "offset_mapping", "overflow_to_sample_mapping", "special_tokens_mask"}
)

# Arguments of transformers that change nothing here.
_HARMLESS = frozenset({"use_safetensors", "attn_implementation", "low_cpu_mem_usage", "device_map", "weights_only"})
_OWN = frozenset({"ignore_mismatched_sizes", "enhanced_mask_decoder", "variant"})
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_HARMLESS_SAVING = frozenset({"token", "save_peft_format", "save_original_format", "distributed_checkpoint"})
_PUSH = "nothing is uploaded from here; call save_pretrained(DIR), then run `hf upload NAME DIR` of huggingface_hub"
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
    _encoders: ClassVar[dict[type[PreTrainedConfig], type[Any]]] = {}  # of each family the class without a head
    _head: ClassVar[str]  # of the core
    _layers: ClassVar[Mapping[str, str]]  # of the head, as files call them
    _lack: ClassVar[str]  # what it means that tensors of the head are missing
    _ignored: ClassVar[str] = r"(^|\.)position_ids$"  # what no model needs, but many files have
    _needs_head: ClassVar[bool] = True

    _made_by: tuple[Callable[..., Any], tuple[Any, ...]]  # makes it again, but for what was set in `config`
    _seed: int | None  # of the initial weights, None for those of files
    _files: dict[str, Tensor] | None  # the weights, None when the seed gives them
    _tokenizer: PreTrainedTokenizerFast | None
    _base: Any  # what `base_model` returned

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
        replaces the file. `ignore_mismatched_sizes=True` drops a head of another size. `dtype` may be "float32" or
        "auto": the network computes in float32. `variant="fp16"` reads model.fp16.safetensors. For a
        name of the hub: `revision`, `cache_dir`, `token`, `local_files_only`, `subfolder`. With
        `output_loading_info=True` the result is (model, information), whose keys missing_keys,
        unexpected_keys, mismatched_keys and error_msgs are those of transformers.

        The weights stay in the files, which are mapped into memory. While a model has them open, replace them by
        renaming new files into their place; a file that is cut or rewritten where it lies ends the process (SIGBUS)
        or changes the results.

        Errors: OSError for a missing directory or file, ValueError for a file that contradicts itself or the
        configuration or holds NaN, TypeError for an unknown option. Warnings: MissingHeadWarning names the missing
        tensors of the head; such a model does not run. UnexpectedWeightsWarning names tensors that are not used.
        """
        where, options = hub_options(options)
        variant = options.get("variant")
        folder = resolve(pretrained_model_name_or_path, files=model_files(variant), **where)
        overrides = cls._check_options(options)
        if config is None:
            own = cls._own_config(AutoConfig.from_dict(read_config(folder)), overrides)
        else:
            own = cls._own_config(config, overrides)
            options = {**options, "config": own.to_dict()}
        model = cls.__new__(cls)
        model._seed = None
        model._made_by = _reopen, (cls, str(folder), options)
        try:
            found = named(read_checkpoint(folder, variant), own.model_type)
            adapted = model._open(model._plan(own, found, options), found, str(folder), options)
        except ValueError as error:
            message = str(error) if str(folder) in str(error) else f"{str(folder)!r}: {error}"
            raise ValueError(message) from error
        model._warn(adapted)
        return (model, model._loading_info(adapted, found)) if output_loading_info else model

    def save_pretrained(
        self,
        save_directory: str | Path,
        is_main_process: bool = True,
        *,
        max_shard_size: int | str = "50GB",
        variant: str | None = None,
        safe_serialization: bool = True,
        push_to_hub: bool = False,
        **options: Any,
    ) -> None:
        """Writes config.json and model.safetensors into a directory, which is made; the tokenizer has its own method.

        transformers loads it to the same logits, but for a masked language model that decodes with the enhanced mask
        decoder: transformers has none and reads the ordinary last layer. What the network does not use is not written,
        so that a model opened with `enhanced_mask_decoder=False` loses the position table and decodes so ever after.
        The weights keep their type (F32 for initial ones; `dtype` of config.json is one that holds them all), tied ones
        are stored once. Weights of more than `max_shard_size` bytes, an int or a str such as "5GB", are cut into shards
        with an index; `variant="fp16"` names the file model.fp16.safetensors; with `is_main_process=False` nothing is
        written. Files of weights of an earlier model in the directory are removed. The directory is written as a whole
        or, if that fails, left as it was; a power cut can leave some files of an earlier model there.

        Errors: RuntimeError when the head is missing, OSError when the directory cannot be written, TypeError and
        ValueError for an option that cannot be had.

        >>> import tempfile, deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     model.save_pretrained(directory)
        ...     sorted(path.name for path in Path(directory).iterdir())
        ['config.json', 'model.safetensors']
        """
        _check_saving(options, safe_serialization, push_to_hub)
        self._require_head()
        if not is_main_process:
            return
        tensors = [tensor._replace(name=self._reported(name)) for name, tensor in self._weights().items()]
        config = self._saved_config()
        config.update(architectures=[type(self).__name__], dtype=_common_type(tensors))
        with new_files(save_directory, stale=lambda name: holds_weights(name, variant)) as place:
            place("config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            write_weights(place, tensors, limit=max_shard_size, variant=variant)

    def push_to_hub(self, *_: Any, **__: Any) -> None:
        """Raises NotImplementedError, which says how to upload a saved directory."""
        raise NotImplementedError(_PUSH)

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
                f"config key id2label has the keys {short(list(names))}, but the classifier has {count} labels; "
                f"give names for 0 to {count - 1}"
            )
        return [names[label] for label in range(count)]

    @property
    def device(self) -> str:
        """Where the network runs: "cpu"."""
        return "cpu"

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """What the network computes in: float32, whatever the type of the weights in the files."""
        return np.dtype(np.float32)

    @property
    def base_model_prefix(self) -> str:
        """The attribute that is the encoder, besides `base_model`: "deberta" or "bert"."""
        return PREFIXES[self.config_class.model_type][:-1]

    @property
    def base_model(self) -> Any:
        """The encoder under the head, a model over the same weights; an encoder is its own. `model.deberta` and
        `model.bert` are the same.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> type(model.base_model).__name__, model.deberta is model.base_model
        ('DebertaV2Model', True)
        """
        if not self._needs_head:
            return self
        if self._base is None:
            self._base = self._encoder()
        return self._base

    def named_parameters(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Names and read-only arrays of the weights, each once, as files call them and in their type.

        What is stored as bfloat16 is a float32 copy.
        """
        for name, tensor in self._weights().items():
            yield self._reported(name), as_array(tensor)

    def parameters(self) -> Iterator[NDArray[Any]]:
        """The arrays of `named_parameters`."""
        return (array for _, array in self.named_parameters())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Names and read-only arrays of the weights, tied ones under both names."""
        state = dict(self.named_parameters())
        tied = self._tie(self._opened.config, {})
        for source in self._wanted(self._opened):
            if source.file in tied and tied[source.file] in state:
                state.setdefault(source.file, state[tied[source.file]])
        return state

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """How many numbers the network has, a missing head left out; tied ones count once.

        `exclude_embeddings` leaves out the tables of words, positions, types and distances; `only_trainable` changes
        nothing.
        """
        if not exclude_embeddings:
            return self._size
        sizes = {name: prod(tensor.shape) for name, tensor in self._weights().items()}
        return sum(size for name, size in sizes.items() if not name.endswith("_embeddings.weight"))

    def get_input_embeddings(self) -> Embedding:
        """The table of words: `weight` is a read-only array (V, E)."""
        return Embedding(as_array(self._weights()[self._words]))

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> Embedding:
        """Gives the table of words another number of rows, as tokens that were added need it; returns the new table.

        Rows are cut off, or added: drawn round the mean of the others, as in transformers, or with
        `mean_resizing=False` like initial weights. The draw depends on the old and the new number alone. The number is
        rounded up to a multiple of `pad_to_multiple_of`; None leaves it. The head of a masked language model grows,
        too, `config.vocab_size` follows, and the model saves and pickles so. While this runs no other thread may use
        the model; what `base_model` returned before keeps the old table.

        Errors: TypeError and ValueError for a number that is no size.

        >>> import deberta_c
        >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
        >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
        >>> tokenizer.add_tokens(["<ent>"])
        1
        >>> model.resize_token_embeddings(len(tokenizer)).num_embeddings == len(tokenizer) == model.config.vocab_size
        True
        """
        if new_num_tokens is None and pad_to_multiple_of is None:
            return self.get_input_embeddings()
        plan, found = self._opened, dict(self._weights())
        rows = _rounded_up(plan.config.vocab_size if new_num_tokens is None else new_num_tokens, pad_to_multiple_of)
        config = type(plan.config).from_dict({**plan.config.to_dict(), "vocab_size": rows})
        config.check()
        deviation = None if mean_resizing else config.get("initializer_range") or 0.02
        for name in (self._words, *OUTPUTS_OF_WORDS):
            if name in found:
                found[name] = resized(found[name], rows, deviation, zlib.crc32(name.encode()))
        settings = {**plan.settings, "vocab_size": rows}
        if self._head == "masked_lm":
            settings["num_labels"] = rows
        self._made_by = _resize_again, (*self._made_by, rows, mean_resizing)
        self._load(plan._replace(config=config, settings=settings), found, self._options)
        self.config.vocab_size = rows
        return self.get_input_embeddings()

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

    def to(self: M, *places: object, device: object = None, dtype: object = None, non_blocking: bool = False) -> M:
        """Returns itself when what is given is the CPU or float32; raises ValueError otherwise."""
        for place in (*places, device, dtype):
            if str(place).removeprefix("torch.") not in ("None", "float32", "<class 'numpy.float32'>"):
                require_cpu(place)
        return self

    def cpu(self: M) -> M:
        """Returns itself: the model is on the CPU."""
        return self

    def float(self: M) -> M:
        """Returns itself: the model computes in float32."""
        return self

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Returns itself for `requires_grad=False`: nothing here has gradients; otherwise as `train`."""
        return self.train(requires_grad)

    def __getattr__(self, name: str) -> Any:
        if name == PREFIXES[type(self).config_class.model_type][:-1]:
            return self.base_model
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __repr__(self) -> str:
        settings = self._settings
        where = repr(self.name_or_path) if self.name_or_path else f"seed={self._seed}"
        return (
            f"{type(self).__name__}({where}, {settings['layers']} layers x {settings['hidden_size']}, "
            f"{settings['heads']} heads, {self._size:,} parameters{self._described()})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        now = self._settable()
        return (*self._made_by, None if now == self._loaded else now)

    def __setstate__(self, settable: dict[str, Any]) -> None:
        self.config.update(settable)

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
        own.check()
        return own

    @classmethod
    def _check_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that replace keys of the configuration; TypeError or ValueError for what is not understood."""
        overrides = {}
        for name, value in options.items():
            if cls.config_class.declares(name):
                overrides[name] = value
                if name == "problem_type":
                    check_problem(value)
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

    @property
    def _words(self) -> str:
        return PREFIXES[self._opened.config.model_type] + WORDS

    def _encoder(self) -> Any:
        """The model of `base_model`; it shares the core unless that has no pooler of its own, or decodes otherwise."""
        kind: Any = self._encoders[type(self.config)]
        base: PreTrainedModel = kind.__new__(kind)
        base.config, base.name_or_path = self.config, self.name_or_path
        base._seed, base._tokenizer, base._loaded = self._seed, self._tokenizer, base._settable()
        base._made_by = _base_again, (self,)
        plan = base._plan(self._opened.config, {}, {})
        found = dict(self._weights())
        pooled = plan.settings["head"] == "pooler" and all(source.file in found for source in base._wanted(plan))
        shared = not pooled and not self._settings["enhanced_mask_decoder"]
        base._load(plan, found, {}, self._core if shared else None)
        return base

    def _weights(self) -> dict[str, Tensor]:
        """The tensors that are used, each once, under the names of today's files."""
        return self._draw(self._opened) if self._files is None else self._files

    def _open(self, plan: Plan, found: dict[str, Tensor], where: str, options: dict[str, Any]) -> Adapted:
        """Gives the core what was found, and remembers what the model is."""
        self.config, self.name_or_path = deepcopy(plan.config), where
        self.config.name_or_path = where
        self._loaded = self._settable()
        self._tokenizer = None
        return self._load(plan, found, options)

    def _load(
        self, plan: Plan, found: dict[str, Tensor], options: dict[str, Any], core: _core.Model | None = None
    ) -> Adapted:
        """Gives the core what was found, or takes one that has it."""
        self._opened, self._options, self._base = plan, options, None
        tied = self._tie(plan.config, found)
        adapted = adapt(
            self._wanted(plan),
            found,
            plan.settings,
            tied,
            skip_mismatched=bool(options.get("ignore_mismatched_sizes")),
            quantizer=_quantizer(plan.config),
        )
        # What the core runs with, whatever happens to `config`.
        self._settings = plan.settings if adapted.complete else {**plan.settings, "head": "none"}
        self._missing = tuple(map(self._reported, adapted.missing + [item.name for item in adapted.mismatched]))
        self._size = sum(prod(tensor.shape) for tensor in adapted.files.values())
        self._files = adapted.files if self._made_by[0] is not _draw_again else None
        self._untied = tuple(name for name in (DECODER + ".weight", DECODER + ".bias") if name in adapted.files)
        try:
            self._core = _core.Model(self._settings, adapted.tensors) if core is None else core
        except ValueError as error:
            raise ValueError(_in_names_of_the_files(str(error), adapted)) from error
        return adapted

    def _warn(self, adapted: Adapted) -> None:
        where = repr(self.name_or_path)
        if self._missing:
            text = f"{where} lacks {', '.join(map(describe, self._missing))}: {self._lack}{self._other_task()}"
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
        if len(self.config.id2label) != self.num_labels:
            self.labels()  # says so
        opened = {key: value for key, value in self._opened.config.to_dict().items() if self.config.declares(key)}
        saved = {**self.config.to_dict(), **opened, **self._settable()}
        saved.pop("torch_dtype", None)
        return saved

    def _settable(self) -> dict[str, Any]:
        """What a user may set in `config` of an open model."""
        return {name: deepcopy(self.config.get(name)) for name in ("id2label", "label2id", "problem_type", *OUTPUTS)}

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
        selected: NDArray[np.uint8] | None = None,
    ) -> Ran:
        """The core's outputs; those of no row at all are empty. None means what the configuration says."""
        settings = self._settings
        hidden_states = bool(self.config.output_hidden_states if hidden_states is None else hidden_states)
        attentions = bool(self.config.output_attentions if attentions is None else attentions)
        if len(packed.offsets) == 1:
            return self._nothing(packed, hidden_states, attentions, logits=logits, last=last)
        found, end, hidden, weights = self._core.forward(
            packed.ids,
            packed.offsets,
            types=packed.types,
            mask=packed.mask,
            first=packed.first,
            selected=selected,
            logits=logits,
            last=last,
            hidden_states=hidden_states,
            attentions=attentions,
        )
        return Ran(
            found,
            None if end is None else unpack_hidden(packed, end[None])[0],
            None if hidden is None else unpack_hidden(packed, hidden),
            None if weights is None else unpack_attentions(packed, weights, settings["layers"], settings["heads"]),
        )

    def _names_outputs(self, return_dict: bool | None) -> bool:
        """Whether a call returns an output with names: as its argument says, or else the configuration."""
        return self.config.use_return_dict if return_dict is None else return_dict

    def _nothing(self, packed: Packed, hidden_states: bool, attentions: bool, *, logits: bool, last: bool) -> Ran:
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
        self, rows: Rows, row_name: RowName, selected: NDArray[np.uint8] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Row numbers and their logits, batch by batch; see `run_batches`. Messages call the rows by `row_name`."""
        self._require_head()
        check_rows(rows, self._settings, row_name)
        return run_batches(self._core, rows, BATCH_TOKENS, selected)

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
                f"transformers, or load a directory that holds them{self._other_task()}"
            )

    def _other_task(self) -> str:
        """That the files are those of another task, if config.json says so, and what opens them."""
        classes = self.config.get("architectures")
        name = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
        _, found, task = name.partition("For")
        if not found or task not in _TASKS or name == type(self).__name__:
            return ""
        return f"; this checkpoint is a {name[:80]}: open it with AutoModelFor{task}"


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


def _check_saving(options: Mapping[str, Any], safe_serialization: bool, push_to_hub: bool) -> None:
    """Refuses options of save_pretrained that cannot be had."""
    if push_to_hub:
        raise NotImplementedError(_PUSH)
    if not safe_serialization:
        raise ValueError("safe_serialization is False; weights are written as safetensors only, leave it out")
    for name, value in options.items():
        if name not in _HARMLESS_SAVING and value is not None:
            why = (
                "the model writes its own weights, leave it out"
                if name in ("state_dict", "save_function")
                else ("give max_shard_size, variant or is_main_process")
            )
            raise TypeError(f"save_pretrained takes no {name!r}; {why}")


def _quantizer(config: PreTrainedConfig) -> str:
    """What config.json says of the quantizer that made the weights; empty when it says nothing."""
    settings = config.get("quantization_config")
    return str(settings.get("quant_method") or "bitsandbytes")[:80] if isinstance(settings, dict) else ""


def _rounded_up(count: Any, multiple: Any) -> int:
    """A size for the table of words; TypeError or ValueError for what is none."""
    for name, value in (("new_num_tokens", count), ("pad_to_multiple_of", multiple)):
        if value is None and name == "pad_to_multiple_of":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} is {value!r}; it must be an integer, such as len(tokenizer)")
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    step = int(multiple or 1)
    return -(-int(count) // step) * step


def given(output: ModelOutput, return_dict: bool | None, input_ids: Any) -> Any:
    """The output, of tensors when `input_ids` is a tensor, or the tuple of its values when `return_dict` is False."""
    if is_tensor(input_ids):
        output = of_tensors(output)
    return output.to_tuple() if return_dict is False else output


def _common_type(tensors: list[Tensor]) -> str:
    """The smallest type that holds all the weights, as config.json calls it."""
    kinds = {tensor.dtype for tensor in tensors}
    return _DTYPES[kinds.pop()] if len(kinds) == 1 else "float64" if "F64" in kinds else "float32"


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


def _draw_again(cls: type[M], config: dict[str, Any], seed: int, options: dict[str, Any]) -> M:
    return cls(cls.config_class.from_dict(config), seed=seed, **options)


def _resize_again(made: Callable[..., M], arguments: tuple[Any, ...], rows: int, mean_resizing: bool) -> M:
    model = made(*arguments)
    model.resize_token_embeddings(rows, mean_resizing=mean_resizing)
    return model


def _base_again(model: PreTrainedModel) -> Any:
    return model.base_model
