"""DeBERTa v1, v2, v3, mDeBERTa and BERT on the CPU: a C core behind the call shapes of transformers.

The Auto classes open a directory, or a name of the Hugging Face hub, for a head; `predict` of a classifier takes a
column of texts, and `pipeline` makes a task pipeline. docs/differences.md lists every difference from transformers.

>>> import deberta_c
>>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
>>> model.predict_proba(["See you at home", "Free entry!"]).shape
(2, 2)
"""

import typing as _typing

try:
    from deberta_c import _core  # noqa: F401
except ImportError as error:
    from deberta_c._base import errors as _errors

    raise _errors.import_error(error) from error

from deberta_c._base import absent as _absent
from deberta_c._base.about import __version__, default_model, sample_messages, show_config
from deberta_c._base.errors import (
    MissingHeadWarning,
    PrecisionWarning,
    TruncationWarning,
    UnexpectedWeightsWarning,
    UntiedWeightsWarning,
)
from deberta_c._base.threads import get_num_threads, set_num_threads, threads
from deberta_c._models.auto import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)
from deberta_c._models.base import PreTrainedModel, no_grad
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
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    PreTrainedConfig,
    PretrainedConfig,
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
from deberta_c._models.initial import set_seed
from deberta_c._models.outputs import (
    BaseModelOutput,
    BaseModelOutputWithPooling,
    BertForPreTrainingOutput,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    NextSentencePredictorOutput,
    PreTrainingOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
    sigmoid,
    softmax,
)
from deberta_c._models.precision import Precision
from deberta_c._pipelines.cross_encoder import CrossEncoder
from deberta_c._pipelines.factory import TextClassificationPipeline, pipeline
from deberta_c._pipelines.feature_extraction import FeatureExtractionPipeline
from deberta_c._pipelines.fill_mask import FillMaskPipeline
from deberta_c._pipelines.handle import Handle
from deberta_c._pipelines.question_answering import QuestionAnsweringPipeline
from deberta_c._pipelines.token_classification import TokenClassificationPipeline
from deberta_c._pipelines.zero_shot import ZeroShotClassificationPipeline
from deberta_c._tokenizers.added_token import AddedToken
from deberta_c._tokenizers.collator import DataCollatorForLanguageModeling, DataCollatorWithPadding
from deberta_c._tokenizers.encodings import BatchEncoding, CharSpan, TokenSpan
from deberta_c._tokenizers.tokenizer import (
    AutoTokenizer,
    BertTokenizer,
    BertTokenizerFast,
    DebertaTokenizer,
    DebertaTokenizerFast,
    DebertaV2Tokenizer,
    DebertaV2TokenizerFast,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

if _typing.TYPE_CHECKING:
    from deberta_c.evaluation.assertions import assert_accuracy, assert_logits_close
    from deberta_c.evaluation.attributions import explain
    from deberta_c.evaluation.comparing import compare
    from deberta_c.evaluation.evaluating import evaluate
    from deberta_c.training.arguments import TrainingArguments
    from deberta_c.training.callbacks import (
        EarlyStoppingCallback,
        PrinterCallback,
        ProgressCallback,
        TrainerCallback,
        TrainerControl,
        TrainerState,
    )
    from deberta_c.training.nli import nli_pairs
    from deberta_c.training.pretraining import pretrain
    from deberta_c.training.scope import LoraConfig
    from deberta_c.training.trainer import EvalPrediction, Trainer
    from deberta_c.training.tune import tune
    from deberta_c.training.vocabulary import train_tokenizer

__all__ = [
    "AddedToken",
    "AutoConfig",
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForNextSentencePrediction",
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
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForPreTrainingOutput",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "BertTokenizer",
    "BertTokenizerFast",
    "CharSpan",
    "CrossEncoder",
    "DataCollatorForLanguageModeling",
    "DataCollatorWithPadding",
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
    "EarlyStoppingCallback",
    "EvalPrediction",
    "FeatureExtractionPipeline",
    "FillMaskPipeline",
    "Handle",
    "LoraConfig",
    "MaskedLMOutput",
    "MissingHeadWarning",
    "ModelOutput",
    "MultipleChoiceModelOutput",
    "NextSentencePredictorOutput",
    "PreTrainedConfig",
    "PreTrainedModel",
    "PreTrainedTokenizerBase",
    "PreTrainedTokenizerFast",
    "PreTrainingOutput",
    "Precision",
    "PrecisionWarning",
    "PretrainedConfig",
    "PrinterCallback",
    "ProgressCallback",
    "QuestionAnsweringModelOutput",
    "QuestionAnsweringPipeline",
    "SequenceClassifierOutput",
    "TextClassificationPipeline",
    "TokenClassificationPipeline",
    "TokenClassifierOutput",
    "TokenSpan",
    "Trainer",
    "TrainerCallback",
    "TrainerControl",
    "TrainerState",
    "TrainingArguments",
    "TruncationWarning",
    "UnexpectedWeightsWarning",
    "UntiedWeightsWarning",
    "ZeroShotClassificationPipeline",
    "__version__",
    "assert_accuracy",
    "assert_logits_close",
    "compare",
    "default_model",
    "evaluate",
    "explain",
    "get_num_threads",
    "nli_pairs",
    "no_grad",
    "pipeline",
    "pretrain",
    "sample_messages",
    "set_num_threads",
    "set_seed",
    "show_config",
    "sigmoid",
    "softmax",
    "threads",
    "train_tokenizer",
    "tune",
]

# Names that are imported when they are used, and their modules.
_LAZY = {
    "EarlyStoppingCallback": "deberta_c.training.callbacks",
    "EvalPrediction": "deberta_c.training.trainer",
    "PrinterCallback": "deberta_c.training.callbacks",
    "ProgressCallback": "deberta_c.training.callbacks",
    "Trainer": "deberta_c.training.trainer",
    "TrainerCallback": "deberta_c.training.callbacks",
    "TrainerControl": "deberta_c.training.callbacks",
    "TrainerState": "deberta_c.training.callbacks",
    "TrainingArguments": "deberta_c.training.arguments",
    "LoraConfig": "deberta_c.training.scope",
    "assert_accuracy": "deberta_c.evaluation.assertions",
    "assert_logits_close": "deberta_c.evaluation.assertions",
    "compare": "deberta_c.evaluation.comparing",
    "evaluate": "deberta_c.evaluation.evaluating",
    "explain": "deberta_c.evaluation.attributions",
    "nli_pairs": "deberta_c.training.nli",
    "pretrain": "deberta_c.training.pretraining",
    "train_tokenizer": "deberta_c.training.vocabulary",
    "tune": "deberta_c.training.tune",
}

if not _typing.TYPE_CHECKING:  # to a type checker, what is not listed is an error

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise _absent.missing_name_error(name, __all__)
        from importlib import import_module

        globals()[name] = value = getattr(import_module(_LAZY[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
