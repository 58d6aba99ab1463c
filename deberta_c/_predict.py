"""A column of texts to logits: each distinct text once, sorted by length, in batches of a token budget."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._frame import Missing, RowName, rows_of, texts_of
from deberta_c._packing import offsets_of
from deberta_c._tokenizer import DebertaV2Tokenizer, Rows, explain, warn_of_cuts

BATCH_TOKENS = 4096
_ENCODE_TEXTS = 8192  # texts that the tokenizer takes at once; Ctrl-C is served between


def predict(
    core: _core.Model,
    settings: Mapping[str, Any],
    tokenizer: DebertaV2Tokenizer,
    texts: Iterable[Any],
    text_pairs: Iterable[Any] | None,
    *,
    truncation: bool | str,
    max_length: int | None,
    batch_tokens: int = BATCH_TOKENS,
    na: Missing | None = None,
    progress: bool = False,
    name: str = "texts",
    row_names: tuple[RowName, RowName] = (rows_of("texts"), rows_of("text_pairs")),
) -> NDArray[np.float32]:
    """float32 logits (N, labels) in the order of the rows; see `predict` of the model.

    `settings` are those of the core; messages call the column `name` and its rows by `row_names`.
    """
    if isinstance(batch_tokens, bool) or not isinstance(batch_tokens, (int, np.integer)) or batch_tokens < 1:
        raise ValueError(f"batch_tokens is {batch_tokens!r}; it must be an integer of at least 1")
    firsts, missing = texts_of(texts, name, na, row_names[0])
    seconds: list[str] | None = None
    if text_pairs is not None:
        seconds, missing_seconds = texts_of(text_pairs, "text_pairs", na, row_names[1])
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
        explain(tokenizer, firsts, seconds, options, row_names)
        raise
    check_rows(rows, settings, lambda distinct: row_names[0](int((where == distinct).argmax())))
    if rows.cut and max_length is None:
        warn_of_cuts(rows.cut, f"{len(firsts_once)} different texts", options["max_length"])
    repeats = np.bincount(where, minlength=len(firsts_once))
    logits = np.empty((len(firsts_once), settings["num_labels"]), np.float32)
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


def check_rows(rows: Rows, settings: Mapping[str, Any], row_name: RowName) -> None:
    """Raises the ValueError that names a row which the network cannot take."""
    if not len(rows.ids):
        return
    vocabulary, positions = settings["vocab_size"], settings["max_positions"]
    if rows.ids.max() >= vocabulary:
        token = int((rows.ids >= vocabulary).argmax())
        row = int(np.searchsorted(rows.offsets, token, side="right")) - 1
        raise ValueError(
            f"{row_name(row)} has the id {rows.ids[token]}, but the model's vocab_size is {vocabulary}: the tokenizer "
            "belongs to another model; give the one that was trained with this model"
        )
    if settings["position_biased_input"]:
        lengths = np.diff(rows.offsets)
        if lengths.max() > positions:
            row = int((lengths > positions).argmax())
            raise ValueError(
                f"{row_name(row)} has {lengths[row]} tokens, more than the model's max_position_embeddings, which is "
                f"{positions}; give truncation=True and a max_length of at most {positions}"
            )


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
    return Rows(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.types for part in parts]),
        offsets_of(np.concatenate([np.diff(part.offsets) for part in parts])),
        sum(part.cut for part in parts),
    )


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
    offsets = offsets_of(lengths)
    places = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return rows.ids[places], rows.types[places], offsets


@contextmanager
def _progress(wanted: bool, total: int) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of rows just done."""
    if not wanted:
        yield lambda _: None
        return
    if find_spec("tqdm") is None:
        try:
            yield _plain_progress(total)
        finally:  # what follows, an error too, begins on a line of its own
            print(file=sys.stderr)
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, unit=" texts") as bar:
        yield bar.update


def _plain_progress(total: int) -> Callable[[int], object]:
    done, shown = 0, 0.0

    def advance(rows: int) -> None:
        nonlocal done, shown
        done += rows
        now = time.monotonic()
        if done == total or now - shown > 0.2:
            shown = now
            print(f"\r{done} of {total} texts", end="", file=sys.stderr, flush=True)

    return advance
