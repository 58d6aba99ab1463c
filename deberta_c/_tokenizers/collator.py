"""Rows of a tokenizer, combined into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._tokenizers.encodings import BatchEncoding
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast


@dataclass
class DataCollatorWithPadding:
    """Pads rows to one length, those of a DataLoader or a loop, with `tokenizer.pad`.

    Calling it with a list of dicts, a row each, gives a BatchEncoding of int64 arrays of shape (rows, tokens);
    `label` or `label_ids` becomes `labels`, of shape (rows,). The arguments are those of `tokenizer.pad`.
    `return_tensors` is "np" by default; that of transformers is "pt", which works here too where torch is installed.

    Errors: those of `tokenizer.pad`.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> collate = deberta_c.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)
    >>> batch = collate([{**tokenizer("Free entry!"), "label": 1}, {**tokenizer("See you"), "label": 0}])
    >>> batch["input_ids"].shape, batch["labels"].tolist()
    ((2, 8), [1, 0])
    """

    tokenizer: PreTrainedTokenizerFast
    padding: bool | str | None = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str | None = "np"

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> BatchEncoding:
        """A batch of rows."""
        batch = self.tokenizer.pad(
            list(features),
            padding=self.padding,
            max_length=self.max_length,
            pad_to_multiple_of=self.pad_to_multiple_of,
            return_tensors=self.return_tensors,
        )
        for name in ("label", "label_ids"):
            if name in batch:
                batch["labels"] = batch.pop(name)
        return batch


@dataclass
class DataCollatorForLanguageModeling:
    """Pads rows to one length and masks tokens for a masked language model; `labels` are what it is to predict.

    Each token that is not special is chosen with the probability `mlm_probability`; `special_tokens_mask` of the rows
    says which ones are, or else their ids. Of the chosen tokens the share `mask_replace_prob` becomes the mask,
    `random_replace_prob` a token drawn from the vocabulary, and the rest stays. `labels` (rows, tokens) are the ids of
    the chosen tokens, -100 for others. `whole_word_mask=True` chooses words, which are replaced by masks alone, and
    needs the `offset_mapping` of the tokenizer. With `mlm=False` no token is masked, and padding is labelled -100.

    With a `seed` the masks are those of the collator of transformers for NumPy, bit for bit; without one they differ
    from run to run. `return_tensors` is "np" by default; that of transformers is "pt".

    A `Trainer` takes it as `data_collator` for a data set without labels, and draws new masks for each step.

    Errors: ValueError for probabilities that are not shares, or a tokenizer without a mask.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> collate = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5, seed=1)
    >>> batch = collate([tokenizer("Free entry!"), tokenizer("See you at home")])
    >>> batch["labels"].shape == batch["input_ids"].shape
    True
    """

    tokenizer: PreTrainedTokenizerFast
    mlm: bool = True
    whole_word_mask: bool = False
    mlm_probability: float | None = 0.15
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    pad_to_multiple_of: int | None = None
    return_tensors: str | None = "np"
    seed: int | None = None

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        if not self.mlm:
            if self.whole_word_mask:
                raise ValueError("whole_word_mask is True, but mlm=False masks no token; give mlm=True")
            return
        if self.tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no mask token, which mlm=True needs; give mlm=False, or set mask_token")
        shares = {
            "mlm_probability": self.mlm_probability,
            "mask_replace_prob": self.mask_replace_prob,
            "random_replace_prob": self.random_replace_prob,
            "mask_replace_prob + random_replace_prob": self.mask_replace_prob + self.random_replace_prob,
        }
        for name, share in shares.items():
            if share is None or not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}; it must be at least 0 and at most 1")
        if self.whole_word_mask:
            self.mask_replace_prob, self.random_replace_prob = 1.0, 0.0

    def __call__(self, features: Sequence[Mapping[str, Any] | Sequence[int]]) -> BatchEncoding:
        """A batch of rows with `labels`, int64 arrays of shape (rows, tokens)."""
        rows = [dict(row) if isinstance(row, Mapping) else {"input_ids": list(row)} for row in features]
        spans = [row.pop("offset_mapping", None) for row in rows]
        batch = self.tokenizer.pad(rows, pad_to_multiple_of=self.pad_to_multiple_of, return_tensors="np")
        ids = batch["input_ids"]
        special = batch.pop("special_tokens_mask") if "special_tokens_mask" in batch else None
        if self.mlm:
            words = self._words(spans, ids, special) if self.whole_word_mask else None
            batch["input_ids"], batch["labels"] = self.mask_tokens(ids, special, words)
        else:
            batch["labels"] = np.where(ids == self.tokenizer.pad_token_id, -100, ids)
        return batch.convert_to_tensors(self.return_tensors)

    def mask_tokens(
        self,
        inputs: NDArray[np.int64],
        special_tokens_mask: Any = None,
        words: NDArray[np.int64] | None = None,
        random: "np.random.Generator | None" = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids with masks, and labels, both of the shape of `inputs`.

        `special_tokens_mask` is 1 for tokens that are never chosen, `words` the place of the first token of each one's
        word, and `random` draws instead of the collator's own generator.
        """
        random = self._random if random is None else random
        barred = self._special(inputs, special_tokens_mask)
        if words is not None:
            barred = barred | (words != np.arange(inputs.shape[-1]))
        chances = np.where(barred, 0.0, float(self.mlm_probability or 0.0))
        chosen = random.binomial(1, chances, size=inputs.shape).astype(bool)
        if words is not None:
            chosen = np.take_along_axis(chosen, words, axis=-1) & ~self._special(inputs, special_tokens_mask)
        labels, masked = np.where(chosen, inputs, -100), inputs.copy()
        hidden = random.binomial(1, self.mask_replace_prob, size=inputs.shape).astype(bool) & chosen
        masked[hidden] = self.tokenizer.mask_token_id
        if self.mask_replace_prob < 1 and self.random_replace_prob > 0:
            share = self.random_replace_prob / (1 - self.mask_replace_prob)
            drawn = random.binomial(1, share, size=inputs.shape).astype(bool) & chosen & ~hidden
            masked[drawn] = random.integers(0, len(self.tokenizer), size=int(drawn.sum()), dtype=np.int64)
        return masked, labels

    def _special(self, inputs: NDArray[np.int64], given: Any) -> NDArray[np.bool_]:
        if given is not None:
            return np.asarray(given).astype(bool)
        return np.isin(inputs, list(self.tokenizer.all_special_ids))

    def _words(self, spans: Sequence[Any], ids: NDArray[np.int64], special: Any) -> NDArray[np.int64]:
        """For each token the place of the first one of its word: where its span begins, the one before must end."""
        barred = self._special(ids, special)
        found = np.tile(np.arange(ids.shape[1]), (len(ids), 1))
        for row, span in enumerate(spans):
            if span is None:
                raise ValueError("whole_word_mask=True needs offset_mapping; give return_offsets_mapping=True")
            first = ids.shape[1] - len(span) if self.tokenizer.padding_side == "left" else 0
            for place in range(1, len(span)):
                at = first + place
                if span[place][0] == span[place - 1][1] and not barred[row, at - 1] and not barred[row, at]:
                    found[row, at] = found[row, at - 1]
        return found
