"""DeBERTa v2, v3 and mDeBERTa: their encoder and heads."""

from deberta_c._models.config import DebertaV2Config
from deberta_c._models.heads import (
    Chooser,
    Encoder,
    MaskedLanguageModel,
    ReplacedTokenDetector,
    SequenceClassifier,
    SpanReader,
    TokenClassifier,
)
from deberta_c._models.tensor_names import CONTEXT_POOLED, DEBERTA_IGNORES


class DebertaV2Model(Encoder):
    """The encoder of DeBERTa v2, v3 or mDeBERTa, without a head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2Model(config, seed=1)(input_ids=[[1, 5, 2]]).last_hidden_state.shape
    (1, 3, 8)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES


class DebertaV2ForSequenceClassification(SequenceClassifier):
    """A classifier of texts: DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForSequenceClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 2)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaV2ForTokenClassification(TokenClassifier):
    """A classifier of tokens: DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForTokenClassification(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 2)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES


class DebertaV2ForQuestionAnswering(SpanReader):
    """Finds where an answer begins and ends in a text: DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForQuestionAnswering(config, seed=1)(input_ids=[[1, 5, 2]]).start_logits.shape
    (1, 3)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES


class DebertaV2ForMultipleChoice(Chooser):
    """Scores choices: DeBERTa v2, v3 or mDeBERTa.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForMultipleChoice(config, seed=1)(input_ids=[[[1, 5, 2], [1, 6, 2]]]).logits.shape
    (1, 2)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES
    _layers = CONTEXT_POOLED


class DebertaV2ForMaskedLM(MaskedLanguageModel):
    """A masked language model: DeBERTa v2, v3 or mDeBERTa.

    `from_pretrained(..., enhanced_mask_decoder=None)`: the enhanced mask decoder of the DeBERTa paper applies the last
    layer twice, to absolute positions. None uses it if the files contain lm_predictions.lm_head.* and the position
    table, and position_biased_input is false. True requires it and raises ValueError without these weights. False
    uses the ordinary last layer. If the files contain lm_predictions.lm_head.* but no cls.predictions.*, that head is
    used whatever the config key `legacy` says, and `config.legacy` is set to match. Discriminators of v3 also contain
    an untrained lm_predictions head.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForMaskedLM(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3, 60)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES + r"|mask_predictions"


class DebertaV2ForPreTraining(ReplacedTokenDetector):
    """Detects which tokens of a text were replaced: the discriminator of DeBERTa v3, with Microsoft's head.

    transformers has no such class; the weights are mask_predictions.* in Microsoft's files.

    >>> import deberta_c
    >>> config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> deberta_c.DebertaV2ForPreTraining(config, seed=1)(input_ids=[[1, 5, 2]]).logits.shape
    (1, 3)
    """

    config_class = DebertaV2Config
    _ignored = DEBERTA_IGNORES
