"""A column of texts to logits: each distinct text once, sorted by length, in batches of a token budget."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._frame import Missing, find_surrogate, texts_of
from deberta_c._tokenizer import DebertaV2Tokenizer, Rows, warn_of_cuts

BATCH_TOKENS = 4096
_ENCODE_TEXTS = 8192  # texts that the tokenizer takes at once; Ctrl-C is served between


def predict(
    core: _core.Model,
    labels: int,
    tokenizer: DebertaV2Tokenizer,
    texts: Iterable[Any],
    text_pairs: Iterable[Any] | None,
    *,
    truncation: bool | str,
    max_length: int | None,
    batch_tokens: int,
    na: Missing,
    progress: bool,
) -> NDArray[np.float32]:
    """float32 logits (N, labels) in the order of the rows; see `predict` of the model."""
    if isinstance(batch_tokens, bool) or not isinstance(batch_tokens, (int, np.integer)) or batch_tokens < 1:
        raise ValueError(f"batch_tokens is {batch_tokens!r}; it must be an integer of at least 1")
    firsts, missing = texts_of(texts, "texts", na)
    seconds: list[str] | None = None
    if text_pairs is not None:
        seconds, missing_seconds = texts_of(text_pairs, "text_pairs", na)
        if len(seconds) != len(firsts):
            raise ValueError(f"texts has {len(firsts)} rows, but text_pairs {len(seconds)}; give two of equal length")
        if missing is None or missing_seconds is None:
            missing = missing_seconds if missing is None else missing
        else:
            missing = missing | missing_seconds
    options = tokenizer.encode_options(truncation, max_length, pairs=seconds is not None)
    (firsts_once, seconds_once), where = _distinct(firsts, seconds)
    try:
        rows = _encode(tokenizer, firsts_once, seconds_once, options)
    except ValueError:
        find_surrogate(firsts, "texts")
        find_surrogate(seconds or [], "text_pairs")
        _find_row(tokenizer, firsts, seconds, options)
        raise
    if rows.cut and max_length is None:
        warn_of_cuts(rows.cut, f"{len(firsts_once)} different texts", options["max_length"])
    repeats = np.bincount(where, minlength=len(firsts_once))
    logits = np.empty((len(firsts_once), labels), np.float32)
    with _progress(progress, len(firsts)) as advance:
        for chosen in _batches(np.diff(rows.offsets), int(batch_tokens)):
            ids, types, offsets = _gather(rows, chosen)
            result = core.forward(ids, offsets, types=types)[0]
            assert result is not None
            logits[chosen] = result
            advance(int(repeats[chosen].sum()))
    answer: NDArray[np.float32] = logits[where]
    if missing is not None and na == "skip":
        answer[missing] = np.nan
    return answer


def _distinct(
    firsts: list[str], seconds: list[str] | None
) -> tuple[tuple[list[str], list[str] | None], NDArray[np.int64]]:
    """Every different text, or pair, once; and for each row which of them it is."""
    places: dict[Any, int] = {}
    keys: Iterable[Any] = firsts if seconds is None else zip(firsts, seconds, strict=True)
    where = np.fromiter((places.setdefault(key, len(places)) for key in keys), np.int64, len(firsts))
    if seconds is None:
        return (list(places), None), where
    return ([first for first, _ in places], [second for _, second in places]), where


def _encode(
    tokenizer: DebertaV2Tokenizer, firsts: list[str], seconds: list[str] | None, options: dict[str, Any]
) -> Rows:
    parts = [
        tokenizer.encode_with(
            firsts[begin : begin + _ENCODE_TEXTS],
            None if seconds is None else seconds[begin : begin + _ENCODE_TEXTS],
            options,
        )
        for begin in range(0, max(len(firsts), 1), _ENCODE_TEXTS)
    ]
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return Rows(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.types for part in parts]),
        offsets,
        sum(part.cut for part in parts),
    )


def _find_row(
    tokenizer: DebertaV2Tokenizer, firsts: list[str], seconds: list[str] | None, options: dict[str, Any]
) -> None:
    """Raises the ValueError of the first row that cannot be encoded."""
    for row, first in enumerate(firsts):
        try:
            tokenizer.encode_with([first], None if seconds is None else [seconds[row]], options)
        except ValueError as error:
            raise ValueError(f"texts[{row}] {str(error).removeprefix('row 0 ')}") from error


def _batches(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches, the longest rows first, each at most `budget` tokens or a single row."""
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    begin = 0
    while begin < len(order):
        used = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, used + budget, side="right")), begin + 1)
        yield order[begin:end]
        begin = end


def _gather(rows: Rows, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """ids, types and offsets of the chosen rows, in that order."""
    starts = rows.offsets[chosen]
    lengths = rows.offsets[chosen + 1] - starts
    offsets = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return rows.ids[places], rows.types[places], offsets


@contextmanager
def _progress(wanted: bool, total: int) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of rows just done."""
    if not wanted:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield _plain_progress(total)
        print(file=sys.stderr)
    else:
        with tqdm(total=total, unit=" texts") as bar:
            yield bar.update


def _plain_progress(total: int) -> Callable[[int], object]:
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        print(f"\r{done} of {total} texts", end="", file=sys.stderr, flush=True)

    return advance
