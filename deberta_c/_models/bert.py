"""BERT: its encoder and heads."""

from deberta_c._models.config import BertConfig
from deberta_c._models.heads import (
    Chooser,
    Encoder,
    MaskedLanguageModel,
    NextSentencePredictor,
    PreTrainingModel,
    SequenceClassifier,
    SpanReader,
    TokenClassifier,
)
from deberta_c._models.tensor_names import POOLED, POOLER


class BertModel(Encoder):
    """The encoder of BERT with its pooler, without a head.

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
    """A classifier of texts: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig
    _layers = POOLED


class BertForTokenClassification(TokenClassifier):
    """A classifier of tokens: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = BertConfig


class BertForQuestionAnswering(SpanReader):
    """Finds where an answer begins and ends in a text: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = BertConfig


class BertForMultipleChoice(Chooser):
    """Scores choices: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForMultipleChoice(config, seed=1)(input_ids=[[[1, 5, 2], [1, 6, 2]]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig
    _layers = POOLED


class BertForMaskedLM(MaskedLanguageModel):
    """A masked language model: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = BertConfig


class BertForNextSentencePrediction(NextSentencePredictor):
    """Predicts whether the second text of a pair follows the first: BERT.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.BertForNextSentencePrediction(config, seed=1)(input_ids=[[1, 5, 2, 6, 2]]).logits.shape
    (1, 2)
    """

    config_class = BertConfig


class BertForPreTraining(PreTrainingModel):
    """BERT with both heads of its training: the tokens that were masked, and whether a second text follows the first.

    >>> import deberta_c
    >>> config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> outputs = deberta_c.BertForPreTraining(config, seed=1)(input_ids=[[1, 5, 2, 6, 2]])
    >>> outputs.prediction_logits.shape, outputs.seq_relationship_logits.shape
    ((1, 5, 60), (1, 2))
    """

    config_class = BertConfig
