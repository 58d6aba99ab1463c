"""DeBERTa v1, v2, v3, mDeBERTa and BERT on the CPU: a C core behind the call shapes of transformers.

The Auto classes open a directory, or a name of the Hugging Face hub, for a head; `predict` of a classifier takes a
column of texts, `pipeline` answers texts. `PreTrainedModel` and `PreTrainedTokenizerFast` tell where models and
tokenizers differ from those of transformers.

>>> import deberta_c
>>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
>>> model.predict_proba(["See you at home", "Free entry!"]).shape
(2, 2)
"""

try:
    from deberta_c import _core  # noqa: F401
except ImportError as error:
    from deberta_c import _errors

    raise _errors.explain_import(error) from error

from deberta_c._added_token import AddedToken
from deberta_c._auto import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DebertaForMaskedLM,
    DebertaForQuestionAnswering,
    DebertaForSequenceClassification,
    DebertaForTokenClassification,
    DebertaModel,
    DebertaV2ForMaskedLM,
    DebertaV2ForMultipleChoice,
    DebertaV2ForPreTraining,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)
from deberta_c._config import AutoConfig, BertConfig, DebertaConfig, DebertaV2Config, PreTrainedConfig
from deberta_c._defaults import __version__, default_model, sample_messages, show_config
from deberta_c._encodings import BatchEncoding, CharSpan, TokenSpan
from deberta_c._errors import MissingHeadWarning, TruncationWarning, UnexpectedWeightsWarning, UntiedWeightsWarning
from deberta_c._fill_mask import FillMaskPipeline
from deberta_c._model import PreTrainedModel, no_grad
from deberta_c._outputs import (
    BaseModelOutput,
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    PreTrainingOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from deberta_c._pipelines import TextClassificationPipeline, pipeline
from deberta_c._threads import get_num_threads, set_num_threads, threads
from deberta_c._token_pipeline import TokenClassificationPipeline
from deberta_c._tokenizer import (
    AutoTokenizer,
    BertTokenizer,
    BertTokenizerFast,
    DebertaTokenizer,
    DebertaTokenizerFast,
    DebertaV2Tokenizer,
    DebertaV2TokenizerFast,
    PreTrainedTokenizerFast,
)

__all__ = [
    "AddedToken",
    "AutoConfig",
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForPreTraining",
    "AutoModelForQuestionAnswering",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
    "BaseModelOutput",
    "BaseModelOutputWithPooling",
    "BatchEncoding",
    "BertConfig",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "BertTokenizer",
    "BertTokenizerFast",
    "CharSpan",
    "DebertaConfig",
    "DebertaForMaskedLM",
    "DebertaForQuestionAnswering",
    "DebertaForSequenceClassification",
    "DebertaForTokenClassification",
    "DebertaModel",
    "DebertaTokenizer",
    "DebertaTokenizerFast",
    "DebertaV2Config",
    "DebertaV2ForMaskedLM",
    "DebertaV2ForMultipleChoice",
    "DebertaV2ForPreTraining",
    "DebertaV2ForQuestionAnswering",
    "DebertaV2ForSequenceClassification",
    "DebertaV2ForTokenClassification",
    "DebertaV2Model",
    "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast",
    "FillMaskPipeline",
    "MaskedLMOutput",
    "MissingHeadWarning",
    "ModelOutput",
    "MultipleChoiceModelOutput",
    "PreTrainedConfig",
    "PreTrainedModel",
    "PreTrainedTokenizerFast",
    "PreTrainingOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TextClassificationPipeline",
    "TokenClassificationPipeline",
    "TokenClassifierOutput",
    "TokenSpan",
    "TruncationWarning",
    "UnexpectedWeightsWarning",
    "UntiedWeightsWarning",
    "__version__",
    "default_model",
    "get_num_threads",
    "no_grad",
    "pipeline",
    "sample_messages",
    "set_num_threads",
    "show_config",
    "threads",
]
