"""DeBERTa v1: its encoder and heads."""

from deberta_c._models.config import DebertaConfig
from deberta_c._models.heads import Encoder, MaskedLanguageModel, SequenceClassifier, SpanReader, TokenClassifier
from deberta_c._models.tensor_names import CONTEXT_POOLED, DEBERTA_IGNORES


class DebertaModel(Encoder):
    """The encoder of DeBERTa v1, without a head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaModel(config, seed=1)(input_ids=[[1, 5, 2]]).last_hidden_state.shape
    (1, 3, 8)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES


class DebertaForSequenceClassification(SequenceClassifier):
    """A classifier of texts: DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaForTokenClassification(TokenClassifier):
    """A classifier of tokens: DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES


class DebertaForQuestionAnswering(SpanReader):
    """Finds where an answer begins and ends in a text: DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES


class DebertaForMaskedLM(MaskedLanguageModel):
    """A masked language model: DeBERTa v1.

    `from_pretrained(..., enhanced_mask_decoder=None)`: the enhanced mask decoder of the DeBERTa paper applies the last
    layer twice, to absolute positions. None uses it if the files contain lm_predictions.lm_head.* and the position
    table, and position_biased_input is false. True requires it and raises ValueError without these weights. False
    uses the ordinary last layer. If the files contain lm_predictions.lm_head.* but no cls.predictions.*, that head is
    used whatever the config key `legacy` says, and `config.legacy` is set to match. Discriminators of v3 also contain
    an untrained lm_predictions head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES
