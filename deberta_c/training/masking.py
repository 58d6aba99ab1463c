"""Which tokens of a text are masked in pre-training, as Microsoft's code for DeBERTa has it."""

import math
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.losses import IGNORED


class NGramMasking:
    """Masks n-grams of whole words: the published masking of DeBERTa.

    `probability` of all tokens are chosen, at most that share of `max_length`, rounded up to ten. Words are walked in
    windows of n / probability words, with n drawn with a probability proportional to 1 / n up to `max_gram`; n
    consecutive words of each window are chosen, until there are enough tokens. With `max_gram=1` single tokens take the
    place of words, as for BERT and for the generator of v3. Of the chosen tokens `masked` become the mask, `kept` stay,
    and the others become a token drawn from the whole vocabulary. Special tokens are never chosen.

    Source: NGramMaskGenerator of microsoft/DeBERTa.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> ids = np.array(tokenizer("Free entry in a weekly competition")["input_ids"], np.int32)
    >>> masked, labels = NGramMasking(tokenizer, masked=1.0, kept=0.0)(ids, np.random.default_rng(0))
    >>> (masked == tokenizer.mask_token_id).sum() == (labels != -100).sum() > 0
    np.True_
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        probability: float = 0.15,
        max_gram: int = 3,
        masked: float = 0.8,
        kept: float = 0.1,
        max_length: int = 512,
    ) -> None:
        if not 0 < probability < 1:
            raise ValueError(f"mlm_probability is {probability}; it must be between 0 and 1, such as 0.15")
        if max_gram < 1:
            raise ValueError(f"max_gram is {max_gram}; it must be at least 1")
        if tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no mask token; give one whose mask_token is set")
        self.probability, self.masked, self.kept = probability, masked, kept
        self.most = math.ceil(max_length * probability / 10) * 10
        self._mask, self._size = int(tokenizer.mask_token_id), len(tokenizer)
        self._special = np.zeros(self._size, bool)
        self._special[list(tokenizer.all_special_ids)] = True
        self._starts = _starts_of_words(tokenizer) if max_gram > 1 else np.ones(self._size, bool)
        self._grams = np.arange(1, max_gram + 1)
        self._chances = (1 / self._grams) / (1 / self._grams).sum()
        self._window = int(1 / probability)

    def __call__(
        self, ids: NDArray[np.int32], random: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The ids (T) with masks, and labels (T): the id of each chosen token, -100 for the others."""
        labels = np.full(len(ids), IGNORED, np.int32)
        chosen = self._chosen(ids, random)
        labels[chosen] = ids[chosen]
        masked, draws = ids.copy(), random.random(len(chosen))
        masked[chosen[draws < self.masked]] = self._mask
        drawn = chosen[draws >= self.masked + self.kept]
        masked[drawn] = random.integers(self._size, size=len(drawn))
        return masked, labels

    def _chosen(self, ids: NDArray[np.int32], random: np.random.Generator) -> NDArray[np.int64]:
        """The places of the chosen tokens, ascending."""
        places = np.flatnonzero(~self._special[ids])
        if len(places) == 0:
            return places
        begins = self._starts[ids[places]] | (np.diff(places, prepend=-2) > 1)
        words = np.flatnonzero(begins)
        taken = self._taken(len(words), random)
        firsts, sizes = words[taken], np.diff(words, append=len(places))[taken]
        budget = min(self.most, max(1, round(len(ids) * self.probability)))
        needed = np.cumsum(sizes) - sizes < budget  # the word that reaches it is still in
        return np.concatenate(
            [places[first : first + size] for first, size in zip(firsts[needed], sizes[needed], strict=True)]
        )

    def _taken(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Which of `count` words are in the drawn n-grams, by their numbers."""
        grams = random.choice(self._grams, size=count // self._window + 1, p=self._chances)
        shares = random.random(len(grams))
        taken, offset = np.zeros(count, bool), 0
        for gram, share in zip(grams.tolist(), shares.tolist(), strict=True):
            window = min(gram * self._window, count - offset)
            if window <= 0:
                break
            begin = offset + int(share * window)
            end = min(begin + gram, count)
            offset = max(offset + window, end)
            taken[begin:end] = True
        return np.flatnonzero(taken)


def _starts_of_words(tokenizer: Any) -> NDArray[np.bool_]:
    """For each id whether its token begins a word (V): by the mark of its vocabulary, or as a punctuation mark."""
    tokens = [token or "" for token in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
    for mark in ("\u2581", "\u0120"):  # sentencepiece, byte-level BPE
        if any(token.startswith(mark) for token in tokens):
            return np.array([token.startswith(mark) or _is_punctuation(token) for token in tokens])
    return np.array([not token.startswith("##") for token in tokens])  # WordPiece


def _is_punctuation(token: str) -> bool:
    return len(token) == 1 and unicodedata.category(token).startswith("P")
