"""Rows of pairs of texts, made of ids: each text is encoded once, however many pairs it belongs to."""

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.packing import stretches
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast
from deberta_c._tokenizers.tokenizer_json import FIRST, SECOND


class Pairs:
    """Pairs of texts: pair p consists of the text `first[p]` of `firsts` and the text `second[p]` of `seconds`.

    `firsts` and `seconds` are encoded without special tokens. The rows are those of a call of the tokenizer with both
    texts and `truncation="only_first"` at `limit` tokens (None: nothing is cut). A second text that leaves no room for
    a token of the first one is not cut either, nor is the first one, as in the pipelines of transformers.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        firsts: Rows,
        seconds: Rows,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        limit: int | None,
    ) -> None:
        template = tokenizer._files.pair
        specials = [id for id, _ in template if id >= 0]
        whole, lengths = np.diff(firsts.offsets)[first], np.diff(seconds.offsets)[second]
        kept = whole
        if limit is not None:
            room = limit - len(specials) - lengths
            kept = np.where(room > 0, np.minimum(whole, room), whole)
        self.cut: NDArray[np.bool_] = kept < whole
        begins = firsts.offsets[first] + (whole - kept if tokenizer.truncation_side == "left" else 0)
        # The ids of all parts are in one array; a row is a list of stretches of it, one for each part of the template.
        self._ids = np.concatenate([firsts.ids, seconds.ids, np.array(specials, np.int32)])
        parts = {FIRST: (begins, kept), SECOND: (len(firsts.ids) + seconds.offsets[second], lengths)}
        self._starts = np.empty((len(first), len(template)), np.int64)
        self._lengths = np.ones_like(self._starts)
        end = len(self._ids) - len(specials)
        for part, (id, _) in enumerate(template):
            if id >= 0:
                self._starts[:, part], end = end, end + 1
            else:
                self._starts[:, part], self._lengths[:, part] = parts[id]
        typed = "token_type_ids" in tokenizer.model_input_names
        self._types = np.array([kind if typed else 0 for _, kind in template], np.uint8)
        self.lengths: NDArray[np.int64] = self._lengths.sum(axis=1)  # tokens of each row

    def rows(self, chosen: NDArray[np.int64]) -> Rows:
        """The rows of these pairs, in that order."""
        lengths = self._lengths[chosen].ravel()
        places, offsets = stretches(self._starts[chosen].ravel(), lengths)
        types = np.repeat(np.tile(self._types, len(chosen)), lengths)
        return Rows(self._ids[places], types, offsets[:: len(self._types)].copy(), 0)
