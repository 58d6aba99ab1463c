"""The Auto classes, which choose the class of a model by its config.json."""

from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from deberta_c._files.hub import hub_options, model_files, resolve
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.bert import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from deberta_c._models.config import (
    AutoConfig,
    PreTrainedConfig,
    read_config,
)
from deberta_c._models.deberta import (
    DebertaForMaskedLM,
    DebertaForQuestionAnswering,
    DebertaForSequenceClassification,
    DebertaForTokenClassification,
    DebertaModel,
)
from deberta_c._models.deberta_v2 import (
    DebertaV2ForMaskedLM,
    DebertaV2ForMultipleChoice,
    DebertaV2ForPreTraining,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)
from deberta_c._models.heads import (
    Chooser,
    Encoder,
    MaskedLanguageModel,
    NextSentencePredictor,
    ReplacedTokenDetector,
    SequenceClassifier,
    SpanReader,
    TokenClassifier,
)

A = TypeVar("A", bound=PreTrainedModel)


class _Auto(Generic[A]):
    """Chooses the class for a configuration."""

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
        found = cls._of_config(AutoConfig.from_dict(read_config(folder)) if config is None else config)
        if output_loading_info:
            return found.from_pretrained(folder, config=config, output_loading_info=True, **options)
        return found.from_pretrained(folder, config=config, **options)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, *, seed: int = 0, **options: Any) -> A:
        """A model with initial weights; see `PreTrainedModel.from_config`."""
        model: Any = cls._of_config(config).from_config(config, seed=seed, **options)
        made: A = model
        return made

    @classmethod
    def _of_config(cls, config: Any) -> type[PreTrainedModel]:
        """The class for the family of a configuration; TypeError or ValueError if there is none."""
        if not isinstance(config, PreTrainedConfig):
            raise TypeError(f"config is {config!r}; give what AutoConfig.from_pretrained returned, or leave it out")
        for found in cls._classes:
            if found.config_class.model_type == config.model_type:
                return found
        known = ", ".join(found.__name__ for found in cls._classes)
        raise ValueError(f"config key model_type is {config.model_type!r}; {cls.__name__} supports {known}")


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


class AutoModelForPreTraining(_Auto[MaskedLanguageModel | ReplacedTokenDetector]):
    """Opens a model directory with the heads of its training: for BERT both of them, for DeBERTa v3 the detector of
    replaced tokens, for DeBERTa v1 the masked language model.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...     intermediate_size=16)
    >>> type(deberta_c.AutoModelForPreTraining.from_config(config)).__name__
    'DebertaV2ForPreTraining'
    """

    _classes = (DebertaForMaskedLM, DebertaV2ForPreTraining, BertForPreTraining)


def opened(model: Any, auto: type[_Auto[Any]]) -> Any:
    """A model as it is; a directory or a name of the hub opened by an Auto class."""
    return auto.from_pretrained(model) if isinstance(model, (str, Path)) else model


def auto_of(model: PreTrainedModel) -> type[_Auto[Any]]:
    """The Auto class of the head of a model.

    >>> auto_of(BertForTokenClassification.__new__(BertForTokenClassification)).__name__
    'AutoModelForTokenClassification'
    """
    return next(auto for auto in _Auto.__subclasses__() if isinstance(model, auto._classes))


def auto_of_classifier(config: PreTrainedConfig) -> type[_Auto[Any]]:
    """The Auto class of a classifier, of tokens if that is what `architectures` of a configuration says, else of texts.

    >>> auto_of_classifier(AutoConfig.from_dict({"model_type": "bert"})).__name__
    'AutoModelForSequenceClassification'
    """
    of_tokens = "ForTokenClassification" in str(config.get("architectures"))
    return AutoModelForTokenClassification if of_tokens else AutoModelForSequenceClassification
