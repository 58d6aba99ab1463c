"""What all models share: how they run, and the attributes and methods of every model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator
from inspect import signature
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._base.absent import missing_attribute_error
from deberta_c._base.tables import html_facts
from deberta_c._columns.texts import RowName
from deberta_c._models.facts import tokenizer_facts, tokenizer_line
from deberta_c._models.outputs import ModelOutput, is_tensor, of_tensors
from deberta_c._models.packing import Packed, is_pair_mask, pack, unpack_attentions, unpack_hidden
from deberta_c._models.precision import DTYPES, FLOAT32
from deberta_c._models.predict import BATCH_TOKENS, check_rows, run_batches
from deberta_c._models.tensor_names import PREFIXES
from deberta_c._models.weights import WeightedModel
from deberta_c._tokenizers.encodings import require_cpu
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, reopened_tokenizer

M = TypeVar("M", bound="PreTrainedModel")

# Columns that a tokenizer may return and no network reads.
_OF_TOKENIZERS = frozenset(
    {"length", "num_truncated_tokens", "offset_mapping", "overflow_to_sample_mapping", "special_tokens_mask"}
)


class CoreOutputs(NamedTuple):
    """Outputs of the core for a batch, None if not computed: `logits` packed, the others at their padded places."""

    logits: NDArray[np.float32] | None
    last: NDArray[np.float32] | None
    hidden_states: tuple[NDArray[np.float32], ...] | None
    attentions: tuple[NDArray[np.float32], ...] | None


class PreTrainedModel(WeightedModel):
    """The base of all models; use a class of a family, such as DebertaV2Model, or an Auto class.

    A model computes on the CPU, in float32 unless `to_dtype` or `dtype=` chooses another type. The weights are
    immutable, and many threads may use the object at once. It pickles as the path of its directory and its options, or
    as its configuration and seed; a process that unpickles the same model repeatedly opens it once, and keeps the last
    one open. A trained model pickles with its weights and the files of its tokenizer. `copy.deepcopy` shares the
    weights, and a training of the copy leaves the original as it is. Labels and `problem_type` may be set in `config`
    at any time; changing another key of an open model has no effect.

    `Class(config, seed=0)` draws initial weights, as `from_config` does.

    Where models differ from those of transformers 5, and why:

    - Results are float32: torch tensors that share the memory of the network's outputs when `input_ids` is a tensor,
      so that code which continues in torch needs no change; otherwise NumPy arrays, with losses as NumPy scalars. Only
      a caller who has imported torch can pass a tensor, so deberta_c never imports it. There are no gradients.
    - Hidden states, attentions and logits of masked tokens are zeros, and start and end logits the lowest float32,
      because nothing is computed for padding.
    - Padding never affects a loss: masked tokens are not counted and do not compete for the place of an answer. In
      transformers tokens count unless they are labelled -100, and the logits of padding compete.
    - A head that classifies rows reads the first token that is not masked; transformers reads column 0, which is
      padding in a row that is padded on the left.
    - A head whose weights are missing raises RuntimeError, because random labels look like any others; transformers
      runs it. Without pooler weights, the `pooler_output` of BERT is None.
    - A regression keeps its logits (N, 1); DeBERTa of transformers flattens them to (N) when it gets labels but has no
      `problem_type`.
    - A masked language model uses the weights under lm_predictions when the files have no other head, and with them
      the enhanced mask decoder of the DeBERTa paper when they have its position table, as Microsoft's files were
      trained. transformers needs `"legacy": false` in config.json to read this head, leaves it random otherwise, and
      has no such decoder.
    - For DeBERTa v2 and v3 `AutoModelForPreTraining` opens the detector of replaced tokens, with which v3 was trained;
      transformers opens the masked language model.
    - NaN or infinity in a weight raises ValueError; transformers returns NaN.
    - Initial weights have the distribution of those of transformers, but other values, which only torch can draw.
    - `position_ids`, `inputs_embeds` and unknown arguments of a call raise TypeError; transformers ignores a misspelt
      one.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> isinstance(deberta_c.BertModel(config), PreTrainedModel)
    True
    """

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """The same as a call."""
        return self(*arguments, **options)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Runs the network; each head has its own arguments."""
        raise NotImplementedError(f"{type(self).__name__} has no head; take a class of a family")

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer of the model's directory, read on first use.

        Errors: OSError if the directory has none, RuntimeError if the model was made from a configuration.
        """
        if self._tokenizer is None:
            if not self.name_or_path:
                raise RuntimeError(
                    "this model was made from a configuration and has no tokenizer; give one, "
                    "tokenizer=AutoTokenizer.from_pretrained(DIR)"
                )
            self._tokenizer = reopened_tokenizer(self.name_or_path)
        if self._holds_weights:
            self._tokenizer._carries_files = True
        return self._tokenizer

    def _tokenizer_or_none(self) -> PreTrainedTokenizerFast | None:
        try:
            return self.tokenizer
        except (OSError, RuntimeError, ValueError):
            return None

    @property
    def device(self) -> str:
        """Where the network runs: "cpu"."""
        return "cpu"

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """The type of the results: float32, whatever the type of the weights in the files and of the products, which
        `precision` names."""
        return np.dtype(np.float32)

    @property
    def base_model_prefix(self) -> str:
        """The other name of the attribute `base_model`: "deberta" or "bert"."""
        return PREFIXES[self.config_class.model_type][:-1]

    @property
    def base_model(self) -> Any:
        """The encoder under the head, a model with the same weights; for an encoder, the model itself. `model.deberta`
        and `model.bert` are the same.

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

    def eval(self: M) -> M:
        """Returns itself: the model always evaluates."""
        return self

    def train(self: M, mode: bool = True) -> M:
        """Returns itself for `mode=False`; raises NotImplementedError otherwise: `fit` and `Trainer` train."""
        if mode:
            raise NotImplementedError("a model trains by model.fit(texts, labels), or by deberta_c.Trainer(model, ...)")
        return self

    def to(self: M, *places: object, device: object = None, dtype: object = None, non_blocking: bool = False) -> M:
        """Returns itself if the arguments name the CPU or the type of `precision`; raises ValueError otherwise.

        `to_dtype` returns a model in another type.
        """
        for place in (*places, device, dtype):
            name = str(getattr(place, "__name__", place)).removeprefix("torch.")
            other = "bfloat16" if name in ("float16", "half") else name
            if other in DTYPES and name != self.precision.dtype:
                raise ValueError(f"a model keeps its type, {self.precision.dtype}; call model.to_dtype({other!r})")
            if name != "None" and name not in DTYPES:
                require_cpu(place)
        return self

    def cpu(self: M) -> M:
        """Returns itself: the model is on the CPU."""
        return self

    def float(self: M) -> M:
        """The model in float32, itself if it is: see `to_dtype`."""
        return self._in(FLOAT32)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Returns itself for `requires_grad=False`, because there are no gradients; otherwise the same as `train`."""
        return self.train(requires_grad)

    def __getattr__(self, name: str) -> Any:
        if name == PREFIXES[type(self).config_class.model_type][:-1]:
            return self.base_model
        raise missing_attribute_error(type(self).__name__, name)

    def __repr__(self) -> str:
        settings = self._settings
        where = repr(self.name_or_path) if self.name_or_path else f"seed={self._seed}"
        return (
            f"{type(self).__name__}({where}, {settings['layers']} layers x {settings['hidden_size']}, "
            f"{settings['heads']} heads, {self._size:,} parameters, {self.precision}{self._repr_suffix()})"
        )

    def _repr_html_(self) -> str:
        """The model as a table, for notebooks."""
        return html_facts(self._facts())

    def _facts(self, tokenizer: Any = None) -> dict[str, str]:
        """What a notebook shows of the model, and of its tokenizer or another one."""
        settings = self._settings
        facts = {
            "model": type(self).__name__,
            "from": self.name_or_path or f"initial weights, seed={self._seed}",
            "encoder": f"{self.config.model_type}, {settings['layers']} layers x {settings['hidden_size']}, "
            f"{settings['heads']} heads",
            "parameters": f"{self._size:,}",
            "precision": str(self.precision),
        }
        try:
            facts["tokenizer"] = tokenizer_line(tokenizer_facts(tokenizer or self.tokenizer))
        except (OSError, RuntimeError):
            facts["tokenizer"] = "none"
        return facts

    def _encoder(self) -> Any:
        """The model of `base_model`; it shares the core, unless it has a pooler or this one has the mask decoder."""
        kind: Any = self._encoders[type(self.config)]
        base: PreTrainedModel = kind.__new__(kind)
        base.config, base.name_or_path = self.config, self.name_or_path
        base._seed, base._tokenizer, base._loaded = self._seed, self._tokenizer, base._settable()
        base._made_by = _base_of, (self,)
        plan = base._plan(self._opened.config, {}, {})
        found = dict(self._weights())
        pooled = plan.settings["head"] == "pooler" and all(source.file in found for source in base._wanted(plan))
        shared = not pooled and not self._settings["enhanced_mask_decoder"]
        options = {"dtype": self.precision} if self.precision != FLOAT32 else {}
        base._load(plan, found, options, self._core if shared else None)
        return base

    def _repr_suffix(self) -> str:
        """What `repr` shows about the head."""
        return ""

    def _packed(self, extra: Mapping[str, Any], input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Packed:
        """The checked inputs of a call without padding; raises for a wrong call or a missing head."""
        self._check_extra(extra)
        self._require_head()
        return self._pack(input_ids, attention_mask, token_type_ids)

    def _pack(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Packed:
        settings = self._settings
        if self.config.model_type != "bert" and attention_mask is not None and is_pair_mask(attention_mask):
            raise ValueError(
                f"attention_mask has 3 dimensions; {type(self).__name__} takes (rows, tokens); "
                "only BERT takes (rows, tokens, tokens)"
            )
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
    ) -> CoreOutputs:
        """The core's outputs, empty for a batch without rows. For None the configuration decides."""
        settings = self._settings
        hidden_states = bool(self.config.output_hidden_states if hidden_states is None else hidden_states)
        attentions = bool(self.config.output_attentions if attentions is None else attentions)
        if len(packed.offsets) == 1:
            return self._empty_outputs(packed, hidden_states, attentions, logits=logits, last=last)
        found, end, hidden, weights = self._core.forward(
            packed.ids,
            packed.offsets,
            types=packed.types,
            mask=packed.mask,
            pair_mask=packed.pairs,
            first=packed.first,
            selected=selected,
            logits=logits,
            last=last,
            hidden_states=hidden_states,
            attentions=attentions,
        )
        return CoreOutputs(
            found,
            None if end is None else unpack_hidden(packed, end[None])[0],
            None if hidden is None else unpack_hidden(packed, hidden),
            None if weights is None else unpack_attentions(packed, weights, settings["layers"], settings["heads"]),
        )

    def _as_output(
        self,
        kind: Callable[..., ModelOutput],
        outputs: CoreOutputs,
        return_dict: bool | None,
        input_ids: Any,
        **values: Any,
    ) -> Any:
        """What a call returns: an output, of torch tensors if `input_ids` is one; or the tuple of its values.

        `return_dict` decides which, or for None the configuration.
        """
        output = kind(**values, hidden_states=outputs.hidden_states, attentions=outputs.attentions)
        if is_tensor(input_ids):
            output = of_tensors(output)
        named = self.config.use_return_dict if return_dict is None else return_dict
        return output.to_tuple() if named is False else output

    def _empty_outputs(
        self, packed: Packed, hidden_states: bool, attentions: bool, *, logits: bool, last: bool
    ) -> CoreOutputs:
        settings, width = self._settings, packed.shape[1]
        columns = settings["hidden_size"] if settings["head"] == "pooler" else settings["num_labels"]
        state = np.empty((0, width, settings["hidden_size"]), np.float32)
        weights = np.empty((0, settings["heads"], width, width), np.float32)
        return CoreOutputs(
            np.empty((0, columns), np.float32) if logits else None,
            state if last else None,
            (state,) * (settings["layers"] + 1) if hidden_states else None,
            (weights,) * settings["layers"] if attentions else None,
        )

    def _logits_of_rows(
        self, rows: Rows, row_name: RowName, selected: NDArray[np.uint8] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Row numbers and their logits, batch by batch; see `run_batches`. Messages call the rows by `row_name`."""
        self._require_head()
        check_rows(rows, self._settings, row_name)
        return run_batches(self._core, rows, BATCH_TOKENS, selected)

    def _check_extra(self, extra: Mapping[str, Any]) -> None:
        """TypeError for an argument that a call does not have, except for columns that a tokenizer may return."""
        for name, value in extra.items():
            if value is not None and name not in _OF_TOKENIZERS:
                known = [name for name in signature(type(self).__call__).parameters if name not in ("self", "extra")]
                raise TypeError(f"a call of {type(self).__name__} takes no {name!r}; it takes {', '.join(known)}")


class no_grad(ContextDecorator):
    """A context manager and decorator that does nothing, for code written for torch: there are no gradients.

    >>> with no_grad():
    ...     pass
    """

    def __enter__(self) -> "no_grad":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def network_of(model: PreTrainedModel) -> tuple[_core.Model, Mapping[str, Any]]:
    """The core's network of a model, and its settings: for benchmarks."""
    return model._core, model._settings


def _base_of(model: PreTrainedModel) -> Any:
    return model.base_model
