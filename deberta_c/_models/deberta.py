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
    """A classifier of texts, a DeBERTa v1.

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
    """A classifier of tokens, a DeBERTa v1.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES


class DebertaForQuestionAnswering(SpanReader):
    """A reader of answers, a DeBERTa v1: where in a text an answer begins and where it ends.

    >>> import deberta_c
    >>> config = deberta_c.DebertaConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = DebertaConfig
    _ignored = DEBERTA_IGNORES


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
    _ignored = DEBERTA_IGNORES
