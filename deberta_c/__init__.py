"""DeBERTa classifiers on the CPU: a C core behind the call shapes of transformers.

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

from deberta_c._config import AutoConfig, DebertaV2Config
from deberta_c._defaults import __version__, default_model, sample_messages, show_config
from deberta_c._encodings import BatchEncoding, CharSpan, TokenSpan
from deberta_c._errors import MissingHeadWarning, TruncationWarning
from deberta_c._model import AutoModelForSequenceClassification, DebertaV2ForSequenceClassification, no_grad
from deberta_c._outputs import SequenceClassifierOutput
from deberta_c._pipelines import TextClassificationPipeline, pipeline
from deberta_c._threads import get_num_threads, set_num_threads, threads
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
    "AutoConfig",
    "AutoModelForSequenceClassification",
    "AutoTokenizer",
    "BatchEncoding",
    "BertTokenizer",
    "BertTokenizerFast",
    "CharSpan",
    "DebertaTokenizer",
    "DebertaTokenizerFast",
    "DebertaV2Config",
    "DebertaV2ForSequenceClassification",
    "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast",
    "MissingHeadWarning",
    "PreTrainedTokenizerFast",
    "SequenceClassifierOutput",
    "TextClassificationPipeline",
    "TokenSpan",
    "TruncationWarning",
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
