"""The models of every family and head, and the Auto classes, which find the class in config.json."""

from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from deberta_c._config import (
    AutoConfig,
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    PreTrainedConfig,
    hub_options,
    read_config,
)
from deberta_c._families import CONTEXT_POOLED, POOLED, POOLER
from deberta_c._heads import (
    Chooser,
    Encoder,
    MaskedLanguageModel,
    NextSentencePredictor,
    ReplacedTokenDetector,
    SequenceClassifier,
    SpanReader,
    TokenClassifier,
)
from deberta_c._hub import model_files, resolve
from deberta_c._model import PreTrainedModel

A = TypeVar("A", bound=PreTrainedModel)

_DEBERTA_IGNORES = r"position_embeddings|(^|\.)position_ids$|^deberta\.encoder\.LayerNorm\.|^encoder\.LayerNorm\."


class DebertaModel(Encoder):
    """The encoder of DeBERTa v1, without a head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaModel(config, seed=1)(input_ids=[[1, 5, 2]]).last_hidden_state.shape
    (1, 3, 8)
    """

    config_class = DebertaConfig
    _ignored = _DEBERTA_IGNORES


class DebertaForSequenceClassification(SequenceClassifier):
    """A classifier of texts, a DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = DebertaConfig
    _ignored = _DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaForTokenClassification(TokenClassifier):
    """A classifier of tokens, a DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = DebertaConfig
    _ignored = _DEBERTA_IGNORES


class DebertaForQuestionAnswering(SpanReader):
    """A reader of answers, a DeBERTa v1: where in a text an answer begins and where it ends.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = DebertaConfig
    _ignored = _DEBERTA_IGNORES


class DebertaForMaskedLM(MaskedLanguageModel):
    """A masked language model, a DeBERTa v1.

    `from_pretrained(..., enhanced_mask_decoder=None)`: None applies the last layer twice, to absolute positions, as the
    DeBERTa paper decodes, when the files hold lm_predictions.lm_head.* and the position table and position_biased_input
    is false; True asks for it, and is an error without these weights; False reads the ordinary last layer. Files that
    hold lm_predictions.lm_head.* and no cls.predictions.* use that head, whatever the config key `legacy` says; in
    `config`, `legacy` then tells which one it is. Discriminators of v3 hold an lm_predictions head, too, which nobody
    trained.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = DebertaConfig
    _ignored = _DEBERTA_IGNORES


class DebertaV2Model(Encoder):
    """The encoder of DeBERTa v2, v3 or mDeBERTa, without a head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2Model(config, seed=1)(input_ids=[[1, 5, 2]]).last_hidden_state.shape
    (1, 3, 8)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES


class DebertaV2ForSequenceClassification(SequenceClassifier):
    """A classifier of texts, a DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaV2ForTokenClassification(TokenClassifier):
    """A classifier of tokens, a DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES


class DebertaV2ForQuestionAnswering(SpanReader):
    """A reader of answers, a DeBERTa v2, v3 or mDeBERTa: where in a text an answer begins and where it ends.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES


class DebertaV2ForMultipleChoice(Chooser):
    """A model for choices, a DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForMultipleChoice(config, seed=1)(input_ids=[[[1, 5, 2], [1, 6, 2]]]).logits.shape
    (1, 2)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaV2ForMaskedLM(MaskedLanguageModel):
    """A masked language model, a DeBERTa v2, v3 or mDeBERTa.

    `from_pretrained(..., enhanced_mask_decoder=None)`: None applies the last layer twice, to absolute positions, as the
    DeBERTa paper decodes, when the files hold lm_predictions.lm_head.* and the position table and position_biased_input
    is false; True asks for it, and is an error without these weights; False reads the ordinary last layer. Files that
    hold lm_predictions.lm_head.* and no cls.predictions.* use that head, whatever the config key `legacy` says; in
    `config`, `legacy` then tells which one it is. Discriminators of v3 hold an lm_predictions head, too, which nobody
    trained.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES + r"|mask_predictions"


class DebertaV2ForPreTraining(ReplacedTokenDetector):
    """Tells which tokens of a text were replaced: the discriminator of DeBERTa v3, with Microsoft's head.

    transformers has no such class; the weights are mask_predictions.* in Microsoft's files.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForPreTraining(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3)
    """

    config_class = DebertaV2Config
    _ignored = _DEBERTA_IGNORES


class BertModel(Encoder):
    """The encoder of BERT, without a head but with its pooler.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertModel(config, seed=1)(input_ids=[[1, 5, 2]]).last_hidden_state.shape
    (1, 3, 8)
    """

    config_class = BertConfig
    _head = "pooler"
    _layers = POOLER


class BertForSequenceClassification(SequenceClassifier):
    """A classifier of texts, a BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig
    _layers = POOLED


class BertForTokenClassification(TokenClassifier):
    """A classifier of tokens, a BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = BertConfig


class BertForQuestionAnswering(SpanReader):
    """A reader of answers, a BERT: where in a text an answer begins and where it ends.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = BertConfig


class BertForMultipleChoice(Chooser):
    """A model for choices, a BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForMultipleChoice(config, seed=1)(input_ids=[[[1, 5, 2], [1, 6, 2]]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig
    _layers = POOLED


class BertForMaskedLM(MaskedLanguageModel):
    """A masked language model, a BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = BertConfig


class BertForNextSentencePrediction(NextSentencePredictor):
    """Tells whether the second text of a pair follows the first, a BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForNextSentencePrediction(config, seed=1)(input_ids=[[1, 5, 2, 6, 2]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig


class _Auto(Generic[A]):
    """Finds the class for a configuration."""

    _classes: ClassVar[tuple[type[PreTrainedModel], ...]]

    def __init__(self, *_: Any, **__: Any) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} has no instances; call {name}.from_pretrained(DIR), or {name}.from_config(config)")

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[False] = ...,
        **options: Any,
    ) -> A: ...

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = ...,
        output_loading_info: Literal[True],
        **options: Any,
    ) -> tuple[A, dict[str, Any]]: ...

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        output_loading_info: bool = False,
        **options: Any,
    ) -> Any:
        """Opens a directory or a model of the hub; see `PreTrainedModel.from_pretrained`."""
        where, options = hub_options(options)
        folder = resolve(pretrained_model_name_or_path, files=model_files(options.get("variant")), **where)
        found = cls.of_config(AutoConfig.from_dict(read_config(folder)) if config is None else config)
        if output_loading_info:
            return found.from_pretrained(folder, config=config, output_loading_info=True, **options)
        return found.from_pretrained(folder, config=config, **options)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, *, seed: int = 0, **options: Any) -> A:
        """A model with initial weights; see `PreTrainedModel.from_config`."""
        model: Any = cls.of_config(config).from_config(config, seed=seed, **options)
        made: A = model
        return made

    @classmethod
    def of_config(cls, config: Any) -> type[PreTrainedModel]:
        """The class of a configuration's family; TypeError or ValueError when there is none."""
        if not isinstance(config, PreTrainedConfig):
            raise TypeError(f"config is {config!r}; give what AutoConfig.from_pretrained returned, or leave it out")
        for found in cls._classes:
            if found.config_class.model_type == config.model_type:
                return found
        known = ", ".join(found.__name__ for found in cls._classes)
        raise ValueError(f"config key model_type is {config.model_type!r}; {cls.__name__} has only {known}")


class AutoModel(_Auto[Encoder]):
    """Opens the encoder of a model directory, whatever its family.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModel.from_config(config)).__name__
    'DebertaV2Model'
    """

    _classes = (DebertaModel, DebertaV2Model, BertModel)


class AutoModelForSequenceClassification(_Auto[SequenceClassifier]):
    """Opens the classifier of a model directory, whatever its family.

    >>> import deberta_c
    >>> type(deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())).__name__
    'DebertaV2ForSequenceClassification'
    """

    _classes = (DebertaForSequenceClassification, DebertaV2ForSequenceClassification, BertForSequenceClassification)


class AutoModelForTokenClassification(_Auto[TokenClassifier]):
    """Opens the classifier of tokens in a model directory, whatever its family.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForTokenClassification.from_config(config)).__name__
    'DebertaV2ForTokenClassification'
    """

    _classes = (DebertaForTokenClassification, DebertaV2ForTokenClassification, BertForTokenClassification)


class AutoModelForQuestionAnswering(_Auto[SpanReader]):
    """Opens the reader of answers in a model directory, whatever its family.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForQuestionAnswering.from_config(config)).__name__
    'DebertaV2ForQuestionAnswering'
    """

    _classes = (DebertaForQuestionAnswering, DebertaV2ForQuestionAnswering, BertForQuestionAnswering)


class AutoModelForMultipleChoice(_Auto[Chooser]):
    """Opens the model for choices in a model directory: DeBERTa v2, v3, mDeBERTa or BERT.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForMultipleChoice.from_config(config)).__name__
    'DebertaV2ForMultipleChoice'
    """

    _classes = (DebertaV2ForMultipleChoice, BertForMultipleChoice)


class AutoModelForMaskedLM(_Auto[MaskedLanguageModel]):
    """Opens the masked language model in a model directory, whatever its family.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForMaskedLM.from_config(config)).__name__
    'DebertaV2ForMaskedLM'
    """

    _classes = (DebertaForMaskedLM, DebertaV2ForMaskedLM, BertForMaskedLM)


class AutoModelForNextSentencePrediction(_Auto[NextSentencePredictor]):
    """Opens the predictor of the next sentence in a model directory of BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForNextSentencePrediction.from_config(config)).__name__
    'BertForNextSentencePrediction'
    """

    _classes = (BertForNextSentencePrediction,)


class AutoModelForPreTraining(_Auto[ReplacedTokenDetector]):
    """Opens the detector of replaced tokens in a model directory of DeBERTa v3.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForPreTraining.from_config(config)).__name__
    'DebertaV2ForPreTraining'
    """

    _classes = (DebertaV2ForPreTraining,)
