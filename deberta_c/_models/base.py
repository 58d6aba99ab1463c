"""What all models share: how they run, and what users ask of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator
from inspect import signature
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._columns.texts import RowName
from deberta_c._models.outputs import ModelOutput, is_tensor, of_tensors
from deberta_c._models.packing import Packed, is_pair_mask, pack, unpack_attentions, unpack_hidden
from deberta_c._models.predict import BATCH_TOKENS, check_rows, run_batches
from deberta_c._models.tensor_names import PREFIXES
from deberta_c._models.weights import WeightedModel
from deberta_c._tokenizers.encodings import require_cpu
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, reopened_tokenizer

M = TypeVar("M", bound="PreTrainedModel")

# What a tokenizer may return that no network reads.
_OF_TOKENIZERS = frozenset(
    {"length", "num_truncated_tokens", "offset_mapping", "overflow_to_sample_mapping", "special_tokens_mask"}
)


class Ran(NamedTuple):
    """What the core gave for a batch: `logits` as they are, the others at their padded places or None."""

    logits: NDArray[np.float32] | None
    last: NDArray[np.float32] | None
    hidden_states: tuple[NDArray[np.float32], ...] | None
    attentions: tuple[NDArray[np.float32], ...] | None


class PreTrainedModel(WeightedModel):
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
    - For DeBERTa v2 and v3 `AutoModelForPreTraining` opens the detector of replaced tokens, with which v3 was trained;
      transformers opens the masked language model.
    - NaN or infinity in a weight is a ValueError; there it comes out as NaN.
    - Initial weights have the distribution of those there, but not their numbers, which only torch can draw.
    - `position_ids`, `inputs_embeds` and unknown arguments of a call are a TypeError; there a misspelt one is ignored.

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

        Errors: OSError when there is none, RuntimeError when the model was made of a configuration.
        """
        if self._tokenizer is None:
            if not self.name_or_path:
                raise RuntimeError("this model was made of a configuration and has no tokenizer; give one")
            self._tokenizer = reopened_tokenizer(self.name_or_path)
        return self._tokenizer

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

    def _described(self) -> str:
        """What the representation tells of the head."""
        return ""

    def _packed(self, extra: Mapping[str, Any], input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Packed:
        """The checked inputs of a call without their padding; errors when the call is wrong or the head is missing."""
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
            pair_mask=packed.pairs,
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

    def _given(
        self, kind: Callable[..., ModelOutput], ran: Ran, return_dict: bool | None, input_ids: Any, **values: Any
    ) -> Any:
        """What a call returns: an output of tensors when `input_ids` is one, or the tuple of its values.

        Whether it has names is as `return_dict` says, or else the configuration.
        """
        output = kind(**values, hidden_states=ran.hidden_states, attentions=ran.attentions)
        if is_tensor(input_ids):
            output = of_tensors(output)
        named = self.config.use_return_dict if return_dict is None else return_dict
        return output.to_tuple() if named is False else output

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

    def _logits_of_rows(
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


class no_grad(ContextDecorator):
    """A block, or a function, in which no gradients are kept; nothing keeps any, so code can stay as it was.

    >>> with no_grad():
    ...     pass
    """

    def __enter__(self) -> "no_grad":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def network_of(model: PreTrainedModel) -> tuple[_core.Model, Mapping[str, Any]]:
    """The network of the core that a model runs, and its settings: for what measures it."""
    return model._core, model._settings


def _base_again(model: PreTrainedModel) -> Any:
    return model.base_model
