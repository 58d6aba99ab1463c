"""`pipeline("fill-mask")`: the most likely tokens in the place of mask tokens."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import warn_caller
from deberta_c._columns.texts import RowName
from deberta_c._models.auto import AutoModelForMaskedLM
from deberta_c._models.heads import MaskedLanguageModel
from deberta_c._models.outputs import softmax
from deberta_c._pipelines.base import Pipeline, TokenPlan, check_top_k, encoding_options
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast

_TOP_K = 5


class FillMaskPipeline(Pipeline[MaskedLanguageModel]):
    """Fills the mask tokens of texts: call it with a str or a column of them.

    A text with one mask token returns a list of dicts, best first: "score" (a probability), "token" (an id),
    "token_str", and "sequence" (the filled text, without special tokens). A text with several mask tokens returns such
    a list for each; in the sequences the other mask tokens remain, and special tokens are shown. A list returns one
    result per text; a one-item list returns that result alone, as in transformers; an iterator returns an iterator.

    Options of `pipeline` and of a call: `top_k`, 5 by default, is the number of dicts. `targets`, a token or a list of
    tokens, limits the results to these. A target that is not in the vocabulary is replaced by the first token into
    which the tokenizer splits it, or ignored if there is none, with a warning. Scores remain probabilities over the
    whole vocabulary. `tokenizer_kwargs` may contain `truncation` and `max_length`; by default texts are not cut.

    Logits are computed for mask tokens only, and texts are packed without padding.

    Errors: ValueError for a text or a tokenizer without a mask token, and for targets of which none remains; TypeError
    and ValueError as in `predict`; RuntimeError if the head is missing.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> untrained = deberta_c.AutoModelForMaskedLM.from_config(config)
    >>> fill = deberta_c.pipeline("fill-mask", model=untrained, tokenizer=tokenizer, top_k=2)
    >>> [sorted(answer) for answer in fill("See you at [MASK]")]
    [['score', 'sequence', 'token', 'token_str'], ['score', 'sequence', 'token', 'token_str']]
    """

    task = "fill-mask"
    opener = AutoModelForMaskedLM
    takes = MaskedLanguageModel

    _option_names = ("top_k", "targets", "tokenizer_kwargs")

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Fills the mask tokens of `inputs`; options replace those of the constructor for this call."""
        answers = super().__call__(inputs, **options)
        return answers[0] if isinstance(inputs, list) and len(inputs) == 1 else answers


class _Plan(TokenPlan[MaskedLanguageModel]):
    """The checked options of a call."""

    def __init__(
        self, model: MaskedLanguageModel, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]
    ) -> None:
        check_top_k(options.get("top_k"), f"{_TOP_K} of them")
        self.top_k = options.get("top_k") or _TOP_K
        if tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no mask_token; set it: tokenizer.mask_token = ...")
        self.mask: int = tokenizer.mask_token_id
        targets = options.get("targets")
        self.targets = None if targets is None else _target_ids(tokenizer, targets, model.config.vocab_size)
        encoding, limited = encoding_options(tokenizer, options.get("tokenizer_kwargs") or {})
        super().__init__(model, tokenizer, encoding, options, limited)

    def answers(self, texts: list[str], rows: Rows, row_name: RowName) -> list[Any]:
        """The results of each text: a list of dicts, or with several mask tokens a list of such lists."""
        masked = rows.ids == self.mask
        self._require_masks(masked, texts, rows, row_name)
        answers: list[Any] = [None] * len(texts)
        for chosen, logits in self.model._logits_of_rows(rows, row_name, masked.view(np.uint8)):
            end = 0
            for row in chosen.tolist():
                ids = rows.ids[rows.offsets[row] : rows.offsets[row + 1]]
                places = np.flatnonzero(ids == self.mask).tolist()
                begin, end = end, end + len(places)
                answers[row] = self._guesses(ids.tolist(), places, logits[begin:end])
        return answers

    def _require_masks(self, masked: NDArray[np.bool_], texts: list[str], rows: Rows, row_name: RowName) -> None:
        counts = np.zeros(len(texts), np.int64)
        np.add.at(counts, np.searchsorted(rows.offsets, np.flatnonzero(masked), side="right") - 1, 1)
        if counts.all():
            return
        row, mask = int((counts == 0).argmax()), self.tokenizer.mask_token or ""
        if rows.cut and mask in texts[row]:
            raise ValueError(
                f"{row_name(row)} lost its mask token to the limit of {self._encoding['max_length']} tokens"
            )
        raise ValueError(f"{row_name(row)} has no mask token; write {mask} where a token should be filled in")

    def _guesses(self, ids: list[int], places: list[int], logits: NDArray[np.float32]) -> list[Any]:
        single = len(places) == 1
        guesses = [
            [self._guess(ids, place, token, score, single) for token, score in self._best(row)]
            for place, row in zip(places, logits, strict=True)
        ]
        return guesses[0] if single else guesses

    def _best(self, logits: NDArray[np.float32]) -> list[tuple[int, float]]:
        """The most likely tokens and their probabilities."""
        scores = softmax(logits)
        if self.targets is not None:
            scores = scores[self.targets]
        count = min(self.top_k, len(scores))
        best = np.argpartition(scores, len(scores) - count)[len(scores) - count :]
        best = best[np.argsort(-scores[best])]
        tokens = best if self.targets is None else self.targets[best]
        return list(zip(tokens.tolist(), scores[best].tolist(), strict=True))

    def _guess(self, ids: list[int], place: int, token: int, score: float, single: bool) -> dict[str, Any]:
        pad, decode = self.tokenizer.pad_token_id, self.tokenizer.decode
        filled = [id for id in (*ids[:place], token, *ids[place + 1 :]) if id != pad]
        sequence = decode(filled, skip_special_tokens=single)
        return {"score": score, "token": token, "token_str": decode([token]), "sequence": sequence}


def _target_ids(tokenizer: PreTrainedTokenizerFast, targets: Any, size: int) -> NDArray[np.intp]:
    """The ids of the targets, each once."""
    if isinstance(targets, str):
        targets = [targets]
    if not isinstance(targets, (list, tuple)) or not all(isinstance(target, str) for target in targets):
        raise TypeError(f"targets is {targets!r}; it must be a str or a list of str")
    ids = [id for target in targets if (id := _target_id(tokenizer, target)) is not None]
    if not ids:
        raise ValueError(f"targets is {targets!r}, which contains no token of the vocabulary; give at least one")
    if max(ids) >= size:
        raise ValueError(
            f"a target has the id {max(ids)}, but the model's vocab_size is {size}: use the tokenizer of this model"
        )
    return np.array(list(dict.fromkeys(ids)), np.intp)


def _target_id(tokenizer: PreTrainedTokenizerFast, target: str) -> int | None:
    """The id of a target, or of the first token into which it is split, with a warning; None if there is none."""
    id: int | None = tokenizer.convert_tokens_to_ids(target)
    if id is not None and (id != tokenizer.unk_token_id or target == tokenizer.unk_token):
        return id
    ids = tokenizer(target, add_special_tokens=False).input_ids
    if not ids:
        warn_caller(
            UserWarning(f"the target {target!r} is not in the vocabulary, and no token can replace it; it is ignored")
        )
        return None
    first = tokenizer.convert_ids_to_tokens(ids[0])
    warn_caller(UserWarning(f"the target {target!r} is not in the vocabulary; {first!r} replaces it"))
    return int(ids[0])
