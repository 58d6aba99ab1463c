"""Texts longer than a model reads, in overlapping windows: the scores of all windows, pooled for each text."""

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._columns.texts import Missing, RowName, distinct, pieces_of, portions, texts_of
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.predict import column_name, progress_bar, shifted
from deberta_c._pipelines.base import length_of, switch
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, raise_for_bad_row

_TEXTS = 256  # that are read and encoded at once


def _means(scores: NDArray[np.float32], firsts: NDArray[np.intp]) -> NDArray[np.float32]:
    counts = np.diff(np.append(firsts, len(scores)))
    return np.asarray(np.add.reduceat(scores, firsts) / counts[:, None], np.float32)


# The scores (N, C) of texts from those of their windows (W, C), and the first window of each text (N).
_POOLINGS: dict[str, Callable[[NDArray[np.float32], NDArray[np.intp]], NDArray[np.float32]]] = {
    "mean": _means,
    "max": lambda scores, firsts: np.asarray(np.maximum.reduceat(scores, firsts)),
    "first": lambda scores, firsts: scores[firsts],
}


class Windows(NamedTuple):
    """How texts are read in windows, and how the scores of these are pooled."""

    tokenizer: PreTrainedTokenizerFast
    max_length: int | None
    stride: int
    pooling: str

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]) -> "Windows | None":
        """The windows that options of a pipeline ask for.

        Errors: ValueError for options of windows without `windows=True`, an unknown pooling, or no limit.
        """
        stride, pooling = options.get("stride"), options.get("pooling")
        if not switch(options, "windows"):
            if stride is not None or pooling is not None:
                raise ValueError("stride and pooling are options of windows; give windows=True, too")
            return None
        if not isinstance(pooling, (str, type(None))) or pooling not in (None, *_POOLINGS):
            raise ValueError(f"pooling is {pooling!r}; it must be one of {', '.join(_POOLINGS)}")
        limit = options.get("max_length")
        made = Windows(
            tokenizer, limit, default_stride(tokenizer, limit) if stride is None else stride, pooling or "mean"
        )
        made._encoding(False)  # raises for invalid options before any text is read
        return made

    def scores(
        self,
        model: SequenceClassifier,
        score: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        firsts: Iterable[Any],
        seconds: Iterable[Any] | None,
        names: tuple[RowName, RowName],
        na: Missing,
        progress: bool,
    ) -> NDArray[np.float32]:
        """Scores (N, C) of a column of texts, or of pairs; `score` makes those of logits. NaN for skipped texts."""
        counts = length_of(firsts), None if seconds is None else length_of(seconds)
        if None not in counts and counts[0] != counts[1]:
            raise ValueError(
                f"{column_name(names[0])} has {counts[0]} rows, but {column_name(names[1])} {counts[1]}; give "
                "columns of equal length"
            )
        pooled: list[NDArray[np.float32]] = []
        done = 0
        others: Iterable[Any] = repeat(None) if seconds is None else pieces_of(seconds, "inputs", _TEXTS)
        with progress_bar(progress, length_of(firsts)) as advance:
            pieces = zip(pieces_of(firsts, "inputs", _TEXTS), others, strict=False)  # others may be endless
            for piece, second, part in ((*both, part) for both in pieces for part in portions(both[0])):
                values, more = piece[part], None if second is None else second[part]
                own = shifted(names[0], done), shifted(names[1], done)
                texts, missing = texts_of(values, "inputs", na, own[0])
                pairs, lacking = (None, None) if more is None else texts_of(more, "inputs", na, own[1])
                found = self._pooled(model, score, texts, pairs, own)
                for rows in (missing, lacking) if na == "skip" else ():
                    if rows is not None:
                        found[rows] = np.nan
                pooled.append(found)
                done += len(texts)
                advance(len(texts))
        return np.concatenate(pooled)

    def _pooled(
        self,
        model: SequenceClassifier,
        score: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        texts: list[str],
        pairs: list[str] | None,
        names: tuple[RowName, RowName],
    ) -> NDArray[np.float32]:
        """Scores (N, C) of texts, each computed once; all windows run in the same batches."""
        different, which = distinct(zip(texts, texts if pairs is None else pairs, strict=True))
        encoding = self._encoding(pairs is not None)
        firsts, seconds = [text for text, _ in different], None if pairs is None else [pair for _, pair in different]
        try:
            rows = self.tokenizer._encode_for_model(firsts, seconds, encoding)
        except ValueError:
            raise_for_bad_row(self.tokenizer, texts, pairs, encoding, names)
            raise
        samples = rows.extras["samples"]
        scores = np.empty((len(samples), model.num_labels), np.float32)
        for chosen, logits in model._logits_of_rows(rows, lambda row: names[0](int((which == samples[row]).argmax()))):
            scores[chosen] = score(logits)
        if not texts:
            return scores
        pooled = _POOLINGS[self.pooling](scores, np.searchsorted(samples, np.arange(len(different))))
        return pooled[which]

    def _encoding(self, pairs: bool) -> dict[str, Any]:
        return self.tokenizer._encode_options(
            "only_first" if pairs else True, self.max_length, pairs=pairs, stride=self.stride, overflow=True
        )


def default_stride(tokenizer: PreTrainedTokenizerFast, limit: int | None) -> int:
    """A quarter of the limit of a row in tokens; ValueError if there is no limit."""
    limit = limit or tokenizer.model_max_length
    if limit is None:
        raise ValueError("windows need a limit, which the tokenizer does not have; give max_length")
    return limit // 4
