"""`pipeline("feature-extraction")`: the last hidden states of texts, or one vector for each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._columns.texts import RowName
from deberta_c._models.auto import AutoModel
from deberta_c._models.heads import Encoder
from deberta_c._pipelines.base import Pipeline, TokenPlan, encoding_options
from deberta_c._tokenizers.encodings import as_tensor
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast

# The result for the states (S, H) of a text.
_POOLINGS: dict[str | None, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    None: lambda states: states[None],
    "first": lambda states: states[0],
    "mean": lambda states: states.mean(axis=0),
}
_TENSORS = {None: None, False: None, True: "pt", "pt": "pt", "np": "np"}


class FeatureExtractionPipeline(Pipeline[Encoder]):
    """Computes the last hidden states of an encoder: call it with a str or a column of them.

    One str returns nested lists of the shape (1, tokens, hidden size), a column a list of them, an iterator an iterator
    of them.

    Options of `pipeline` and of a call:

    - `pooling`: "first" returns the state of the first token, "mean" the mean of the states of all tokens, special
      tokens included, as a list of floats (hidden size).
    - `return_tensors`: True or "pt" returns torch tensors, "np" float32 arrays instead of lists.
    - `truncation`, and `tokenize_kwargs` with `truncation`, `max_length` or `add_special_tokens`; by default texts are
      not cut.

    Errors: ValueError for invalid options; TypeError and ValueError as in `predict`.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> untrained = deberta_c.AutoModel.from_config(config)
    >>> extract = deberta_c.pipeline("feature-extraction", model=untrained, tokenizer=tokenizer, return_tensors="np")
    >>> extract("")[0].shape, extract("See you at home", pooling="mean").shape
    ((2, 8), (8,))
    """

    task = "feature-extraction"
    opener = AutoModel
    takes = Encoder
    _option_names = ("pooling", "return_tensors", "truncation", "tokenize_kwargs")

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)


class _Plan(TokenPlan[Encoder]):
    """The checked options of a call."""

    def __init__(self, model: Encoder, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]) -> None:
        self.pooling = options.get("pooling")
        if not isinstance(self.pooling, (str, type(None))) or self.pooling not in _POOLINGS:
            raise ValueError(f"pooling is {self.pooling!r}; it must be one of {', '.join(map(repr, _POOLINGS))}")
        tensors = options.get("return_tensors")
        if not isinstance(tensors, (bool, str, type(None))) or tensors not in _TENSORS:
            raise ValueError(f'return_tensors is {tensors!r}; it must be True, "pt", "np", or None for lists')
        self.tensors = _TENSORS[tensors]
        how = dict(options.get("tokenize_kwargs") or {})
        truncation = options.get("truncation")
        if truncation is not None:
            if "truncation" in how:
                raise ValueError("truncation is given twice, as an option and in tokenize_kwargs; give it once")
            how["truncation"] = truncation
        encoding, limited = encoding_options(tokenizer, how)
        super().__init__(model, tokenizer, encoding, options, limited)

    def answers(self, texts: list[str], rows: Rows, row_name: RowName) -> list[Any]:
        """The states of each text, or the pooled state."""
        answers: list[Any] = [None] * len(texts)
        for chosen, states in self.model._states_of_rows(rows, row_name):
            end = 0
            for row in chosen.tolist():
                begin, end = end, end + int(rows.offsets[row + 1] - rows.offsets[row])
                answers[row] = self._result(states[begin:end])
        return answers

    def _result(self, states: NDArray[np.float32]) -> Any:
        """The result for a text, from its states (S, H)."""
        array = _POOLINGS[self.pooling](states)
        if self.tensors is None:
            return array.tolist()
        return as_tensor(array.copy()) if self.tensors == "pt" else array.copy()
