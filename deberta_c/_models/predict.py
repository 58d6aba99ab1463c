"""A column of texts to logits, a window of rows at a time: each distinct text once, sorted by length, in batches of a
token budget."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._columns.texts import Missing, RowName, can_be_read_twice, pieces_of, rows_of, texts_of
from deberta_c._models.packing import offsets_of
from deberta_c._tokenizers.inputs import members, unzip
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, Rows, explain, warn_of_cuts

BATCH_TOKENS = 4096
_WINDOW = 8192  # rows that are read, encoded and sorted at once; Ctrl-C is served between
_REMEMBERED = 8 << 20  # bytes, about, of the texts that later windows need not compute again
_SELECTED = 32  # tokens that a selected one counts in a batch: its logits may be a vocabulary long
_ENTRY = 128  # bytes that remembering a text takes beside its characters


def predict(
    core: _core.Model,
    settings: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerFast,
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
    if text_pairs is None and isinstance(texts, (list, tuple)) and texts and isinstance(texts[0], (list, tuple)):
        texts, text_pairs = unzip(texts, name)
        row_names = members(name)
    columns = [_Column(texts, name, na, row_names[0])]
    if text_pairs is not None:
        columns.append(_Column(text_pairs, "text_pairs", na, row_names[1]))
    options = tokenizer.encode_options(truncation, max_length, pairs=text_pairs is not None)
    total = _total(columns)
    answer = np.empty((total or 0, settings["num_labels"]), np.float32)
    places: dict[Any, int] = {}  # a row of each text that was met
    missing: list[NDArray[np.int64]] = []
    end = different = cut = remembered = 0
    with progress_bar(progress, total) as advance:
        for firsts, seconds, empty in _windows(columns):
            begin, end = end, end + len(firsts)
            if end > len(answer):
                answer.resize((max(end, 2 * len(answer)), answer.shape[1]), refcheck=False)
            keys: Iterable[Any] = firsts if seconds is None else zip(firsts, seconds, strict=True)
            where = np.fromiter((places.setdefault(key, row) for row, key in enumerate(keys, begin)), np.int64)
            repeats = np.bincount(where[where >= begin] - begin, minlength=len(firsts))
            new = np.flatnonzero(repeats)
            names = (_shifted(row_names[0], begin), _shifted(row_names[1], begin))
            rows = _encode(tokenizer, settings, firsts, seconds, options, new, names)
            advance(len(firsts) - int(repeats.sum()))
            for chosen, logits in run_batches(core, rows, int(batch_tokens)):
                answer[begin + new[chosen]] = logits
                advance(int(repeats[new[chosen]].sum()))
            answer[begin:end] = answer[where]
            cut += rows.cut
            different += len(new)
            if empty is not None and na == "skip":
                missing.append(begin + np.flatnonzero(empty))
            remembered += sum(_ENTRY + len(firsts[row]) + (len(seconds[row]) if seconds else 0) for row in new)
            if remembered > _REMEMBERED:
                places.clear()
                remembered = 0
    if cut and max_length is None:
        warn_of_cuts(cut, f"{different} different texts", options["max_length"])
    answer.resize((end, answer.shape[1]), refcheck=False)
    if missing:
        answer[np.concatenate(missing)] = np.nan
    return answer


def check_rows(
    rows: Rows, settings: Mapping[str, Any], row_name: RowName, remedy: str = "truncation=True and "
) -> None:
    """Raises the ValueError that names a row which the network cannot take; `remedy` is what a limit needs to cut."""
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
    kinds = settings["type_vocab_size"]
    if kinds and rows.types.max() >= kinds:
        token = int((rows.types >= kinds).argmax())
        row = int(np.searchsorted(rows.offsets, token, side="right")) - 1
        raise ValueError(
            f"{row_name(row)} has a token of type {rows.types[token]}, but the model's type_vocab_size is {kinds}: "
            'take the tokenizer of this model, or leave "token_type_ids" out of tokenizer.model_input_names'
        )
    if settings["position_biased_input"] or settings["enhanced_mask_decoder"]:
        lengths = np.diff(rows.offsets)
        if lengths.max() > positions:
            row = int((lengths > positions).argmax())
            raise ValueError(
                f"{row_name(row)} has {lengths[row]} tokens, more than the model's max_position_embeddings, which is "
                f"{positions}; give {remedy}a max_length of at most {positions}"
            )


class _Column(NamedTuple):
    """An argument of `predict`, what messages call it and its rows, and what its missing values do."""

    values: Iterable[Any]
    name: str
    na: Missing | None
    row_name: RowName


Piece = tuple[list[str], NDArray[np.bool_] | None]  # texts, and which of them are missing


def _pieces(column: _Column) -> Iterator[Piece]:
    begin = 0
    for values in pieces_of(column.values, column.name, _WINDOW):
        yield texts_of(values, column.name, column.na, _shifted(column.row_name, begin))
        begin += len(values)


def _windows(columns: list[_Column]) -> Iterator[tuple[list[str], list[str] | None, NDArray[np.bool_] | None]]:
    """The first texts, the second ones or None, and which rows have a missing one, None when no row has."""
    done = 0
    for pieces in zip_longest(*map(_pieces, columns), fillvalue=([], None)):
        counts = [len(texts) for texts, _ in pieces]
        if len(set(counts)) > 1:
            longer, shorter = (columns[counts.index(count)].name for count in (max(counts), min(counts)))
            rows = done + min(counts)
            raise ValueError(f"{longer} has more rows than {shorter}, which has {rows}; give two of equal length")
        done += counts[0]
        masks = [mask for _, mask in pieces if mask is not None]
        second = pieces[1][0] if len(pieces) > 1 else None
        yield pieces[0][0], second, np.logical_or.reduce(masks) if masks else None


def _total(columns: list[_Column]) -> int | None:
    """How many rows there are, None when only iterators could tell.

    A bad row of a column that is no iterator is told here, before hours of work.
    """
    totals = [sum(len(texts) for texts, _ in _pieces(column)) for column in columns if can_be_read_twice(column.values)]
    if len(set(totals)) > 1:
        raise ValueError(
            f"{columns[0].name} has {totals[0]} rows, but {columns[1].name} {totals[1]}; give two of equal length"
        )
    return totals[0] if totals else None


def _shifted(row_name: RowName, rows: int) -> RowName:
    return lambda row: row_name(rows + row)


def _encode(
    tokenizer: PreTrainedTokenizerFast,
    settings: Mapping[str, Any],
    firsts: list[str],
    seconds: list[str] | None,
    options: dict[str, Any],
    chosen: NDArray[np.int64],
    names: tuple[RowName, RowName],
) -> Rows:
    """The chosen rows of a window, encoded and checked; `names` are those of the window's rows."""
    some = [firsts[row] for row in chosen]
    others = None if seconds is None else [seconds[row] for row in chosen]
    try:
        rows = tokenizer.encode_for_model(some, others, options)
    except ValueError:
        explain(tokenizer, firsts, seconds, options, names)
        raise
    remedy = "" if "truncation" in options else "truncation=True and "
    check_rows(rows, settings, lambda index: names[0](int(chosen[index])), remedy)
    return rows


def run_batches(
    core: _core.Model, rows: Rows, batch_tokens: int, selected: NDArray[np.uint8] | None = None, states: bool = False
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Row numbers and their logits, batch by batch: those of the rows, or of their tokens, as the head has them.

    `selected` (T) chooses among the tokens of all rows, one at least of each. With `states` they are not logits but the
    last hidden states of the tokens.
    """
    costs = np.diff(rows.offsets)
    if selected is not None:
        costs = costs + _SELECTED * np.diff(offsets_of(selected)[rows.offsets])
    for chosen in _batches(costs, batch_tokens):
        places, offsets = _places(rows, chosen)
        some = None if selected is None else selected[places]
        logits, last, *_ = core.forward(
            rows.ids[places], offsets, types=rows.types[places], selected=some, logits=not states, last=states
        )
        found = last if states else logits
        assert found is not None
        yield chosen, found


def _batches(costs: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches, the dearest rows first, each at most `budget` tokens or a single row."""
    order = np.argsort(-costs, kind="stable")
    ends = np.cumsum(costs[order])
    begin = 0
    while begin < len(order):
        used = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, used + budget, side="right")), begin + 1)
        yield order[begin:end]
        begin = end


def _places(rows: Rows, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which tokens are those of the chosen rows, in that order, and the offsets of these rows."""
    starts = rows.offsets[chosen]
    lengths = rows.offsets[chosen + 1] - starts
    offsets = offsets_of(lengths)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


@contextmanager
def progress_bar(wanted: bool, total: int | None) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of rows just done."""
    if not wanted:
        yield lambda _: None
        return
    if find_spec("tqdm") is not None:
        from tqdm.auto import tqdm

        with tqdm(total=total, unit=" texts") as bar:
            yield bar.update
        return
    of = "" if total is None else f" of {total}"
    done, shown = 0, 0.0

    def show() -> None:
        print(f"\r{done}{of} texts", end="", file=sys.stderr, flush=True)

    def advance(rows: int) -> None:
        nonlocal done, shown
        done += rows
        if time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            show()

    try:
        yield advance
    finally:  # what follows, an error too, begins on a line of its own
        show()
        print(file=sys.stderr)
