"""Logits of a column of texts, one window of rows at a time: each distinct text once, sorted by length, in batches
limited by their number of tokens."""

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
from deberta_c._base.checks import boolean, is_integer
from deberta_c._columns.texts import Missing, RowName, can_be_read_twice, pieces_of, rows_of, texts_of
from deberta_c._models.packing import offsets_of, stretches
from deberta_c._tokenizers.inputs import members, unzip
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, raise_for_bad_row, warn_of_cuts

BATCH_TOKENS = 4096
_WINDOW = 8192  # rows that are read, encoded and sorted at once; Ctrl-C works between windows
_REMEMBERED = 8 << 20  # approximate bytes of texts whose logits later windows reuse
_SELECTED = 32  # tokens that a selected token counts as in a batch: its logits may be as long as the vocabulary
_ENTRY = 128  # bytes to remember a text, in addition to its characters

Run = Callable[[Rows], Iterable[tuple[NDArray[np.intp], NDArray[np.float32]]]]  # row numbers and their logits


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

    `settings` are those of the core. Messages use `name` for the column and `row_names` for its rows.
    """
    if not is_integer(batch_tokens) or batch_tokens < 1:
        raise ValueError(f"batch_tokens is {batch_tokens!r}; it must be an integer of at least 1")
    if text_pairs is None and isinstance(texts, (list, tuple)) and texts and isinstance(texts[0], (list, tuple)):
        texts, text_pairs = unzip(texts, name)
        row_names = members(name)
    columns = [_Column(texts, name, na, row_names[0])]
    if text_pairs is not None:
        columns.append(_Column(text_pairs, column_name(row_names[1]), na, row_names[1]))
    options = tokenizer._encode_options(truncation, max_length, pairs=text_pairs is not None)
    encoder = _Encoder(tokenizer, settings, options, row_names)
    prediction = _Prediction(columns, _total(columns), settings["num_labels"])
    with progress_bar(progress, prediction.total) as advance:
        for window in _windows(columns):
            prediction.add(window, encoder, lambda rows: run_batches(core, rows, int(batch_tokens)), advance)
    if prediction.cut and max_length is None:
        warn_of_cuts(prediction.cut, f"{prediction.different} different texts", options["max_length"])
    return prediction.result()


def check_rows(
    rows: Rows, settings: Mapping[str, Any], row_name: RowName, remedy: str = "truncation=True and "
) -> None:
    """ValueError for a row that the network cannot process; `remedy` begins the advice to give a max_length."""
    if not len(rows.ids):
        return
    vocabulary, positions = settings["vocab_size"], settings["max_positions"]
    if rows.ids.max() >= vocabulary:
        token = int((rows.ids >= vocabulary).argmax())
        row = int(np.searchsorted(rows.offsets, token, side="right")) - 1
        raise ValueError(
            f"{row_name(row)} has the id {rows.ids[token]}, but the model's vocab_size is {vocabulary}: the tokenizer "
            "belongs to another model; use the one that was trained with this model"
        )
    kinds = settings["type_vocab_size"]
    if kinds and rows.types.max() >= kinds:
        token = int((rows.types >= kinds).argmax())
        row = int(np.searchsorted(rows.offsets, token, side="right")) - 1
        raise ValueError(
            f"{row_name(row)} has a token of type {rows.types[token]}, but the model's type_vocab_size is {kinds}: "
            'use the tokenizer of this model, or leave "token_type_ids" out of tokenizer.model_input_names'
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
    """An argument of `predict`, the names of it and its rows in messages, and how missing values are handled."""

    values: Iterable[Any]
    name: str
    na: Missing | None
    row_name: RowName


class _Window(NamedTuple):
    """Some rows: the first texts, the second texts or None, and the mask of rows with a missing text or None."""

    firsts: list[str]
    seconds: list[str] | None
    missing: NDArray[np.bool_] | None

    def keys(self) -> Iterable[Any]:
        """A key for each row; rows with the same texts have the same key."""
        return self.firsts if self.seconds is None else zip(self.firsts, self.seconds, strict=True)

    def bytes(self, rows: NDArray[np.int64]) -> int:
        """The approximate memory to remember the texts of these rows."""
        return sum(
            _ENTRY + len(self.firsts[row]) + (len(self.seconds[row]) if self.seconds else 0) for row in rows.tolist()
        )


class _Encoder(NamedTuple):
    """Encodes the texts of a window to rows of ids; `row_names` name the rows of the two columns in messages."""

    tokenizer: PreTrainedTokenizerFast
    settings: Mapping[str, Any]
    options: dict[str, Any]
    row_names: tuple[RowName, RowName]

    def rows(self, window: _Window, chosen: NDArray[np.int64], begin: int) -> Rows:
        """The chosen rows of a window, encoded and checked; the window begins at the row `begin` of the column."""
        names = (shifted(self.row_names[0], begin), shifted(self.row_names[1], begin))
        firsts = [window.firsts[row] for row in chosen]
        seconds = None if window.seconds is None else [window.seconds[row] for row in chosen]
        try:
            rows = self.tokenizer._encode_for_model(firsts, seconds, self.options)
        except ValueError:
            raise_for_bad_row(self.tokenizer, window.firsts, window.seconds, self.options, names)
            raise
        remedy = "" if "truncation" in self.options else "truncation=True and "
        check_rows(rows, self.settings, lambda index: names[0](int(chosen[index])), remedy)
        return rows


class _Prediction:
    """The logits of a column, which grow window by window; a text of an earlier window is not computed again.

    `cut` counts how many of the `different` texts lost tokens.
    """

    def __init__(self, columns: list[_Column], total: int | None, labels: int) -> None:
        self.total = total
        self.different = self.cut = 0
        self._skips = columns[0].na == "skip"
        self._logits = np.empty((total or 0, labels), np.float32)
        self._end = 0  # rows that are done
        self._missing: list[NDArray[np.int64]] = []
        self._places: dict[Any, int] = {}  # the row of each text so far
        self._remembered = 0  # approximate bytes of these texts

    def add(self, window: _Window, encoder: _Encoder, run: Run, advance: Callable[[int], object]) -> None:
        """Computes the rows of the next window, each distinct text once."""
        begin = self._make_room(len(window.firsts))
        where = np.fromiter(
            (self._places.setdefault(key, row) for row, key in enumerate(window.keys(), begin)), np.int64
        )
        repeats = np.bincount(where[where >= begin] - begin, minlength=len(window.firsts))
        new = np.flatnonzero(repeats)
        rows = encoder.rows(window, new, begin)
        advance(len(window.firsts) - int(repeats.sum()))
        for chosen, logits in run(rows):
            self._logits[begin + new[chosen]] = logits
            advance(int(repeats[new[chosen]].sum()))
        self._logits[begin : self._end] = self._logits[where]
        self.cut += rows.cut
        self.different += len(new)
        if window.missing is not None and self._skips:
            self._missing.append(begin + np.flatnonzero(window.missing))
        self._remember(window.bytes(new))

    def result(self) -> NDArray[np.float32]:
        """The logits of all rows, NaN for missing texts that are skipped."""
        self._logits.resize((self._end, self._logits.shape[1]), refcheck=False)
        if self._missing:
            self._logits[np.concatenate(self._missing)] = np.nan
        return self._logits

    def _make_room(self, rows: int) -> int:
        """Adds rows; returns the number of the first."""
        begin, self._end = self._end, self._end + rows
        if self._end > len(self._logits):
            size = max(self._end, 2 * len(self._logits))
            self._logits.resize((size, self._logits.shape[1]), refcheck=False)
        return begin

    def _remember(self, size: int) -> None:
        """Counts the memory of the texts, and forgets all of them when it exceeds the limit."""
        self._remembered += size
        if self._remembered > _REMEMBERED:
            self._places.clear()
            self._remembered = 0


Piece = tuple[list[str], NDArray[np.bool_] | None]  # texts, and the mask of missing ones


def _pieces(column: _Column) -> Iterator[Piece]:
    begin = 0
    for values in pieces_of(column.values, column.name, _WINDOW):
        yield texts_of(values, column.name, column.na, shifted(column.row_name, begin))
        begin += len(values)


def _windows(columns: list[_Column]) -> Iterator[_Window]:
    """The rows of the columns; ValueError if one column has more rows than the other."""
    done = 0
    for pieces in zip_longest(*map(_pieces, columns), fillvalue=([], None)):
        counts = [len(texts) for texts, _ in pieces]
        if len(set(counts)) > 1:
            longer, shorter = (columns[counts.index(count)].name for count in (max(counts), min(counts)))
            rows = done + min(counts)
            raise ValueError(
                f"{longer} has more rows than {shorter}, which has {rows}; give two columns of equal length"
            )
        done += counts[0]
        masks = [mask for _, mask in pieces if mask is not None]
        texts = [own for own, _ in pieces]
        yield _Window(texts[0], texts[1] if len(texts) > 1 else None, np.logical_or.reduce(masks) if masks else None)


def _total(columns: list[_Column]) -> int | None:
    """The number of rows; None if all columns are iterators.

    Raises for a bad row of a column that is not an iterator, before hours of work.
    """
    totals = [sum(len(texts) for texts, _ in _pieces(column)) for column in columns if can_be_read_twice(column.values)]
    if len(set(totals)) > 1:
        raise ValueError(
            f"{columns[0].name} has {totals[0]} rows, but {columns[1].name} {totals[1]}; give columns of equal length"
        )
    return totals[0] if totals else None


def column_name(row_name: RowName) -> str:
    """What messages call the column of a row.

    >>> column_name(rows_of("texts"))
    'texts'
    """
    return row_name(0).rpartition("[")[0]


def shifted(row_name: RowName, rows: int) -> RowName:
    """Names for the rows from number `rows` on."""
    return lambda row: row_name(rows + row)


def run_batches(
    core: _core.Model, rows: Rows, batch_tokens: int, selected: NDArray[np.uint8] | None = None, states: bool = False
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Row numbers and their logits, batch by batch: one vector for each row or for each token, depending on the head.

    `selected` (T) is a mask of the tokens to compute logits for, at least one in each row. With `states` the last
    hidden states of the tokens are returned instead of logits.
    """
    costs = np.diff(rows.offsets)
    if selected is not None:
        costs = costs + _SELECTED * np.diff(offsets_of(selected)[rows.offsets])
    for chosen in batches(costs, batch_tokens):
        places, offsets = _places(rows, chosen)
        some = None if selected is None else selected[places]
        logits, last, *_ = core.forward(
            rows.ids[places], offsets, types=rows.types[places], selected=some, logits=not states, last=states
        )
        found = last if states else logits
        assert found is not None
        yield chosen, found


def batches(costs: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches, the most expensive rows first, each at most `budget` tokens or a single row."""
    order = np.argsort(-costs, kind="stable")
    ends = np.cumsum(costs[order])
    begin = 0
    while begin < len(order):
        used = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, used + budget, side="right")), begin + 1)
        yield order[begin:end]
        begin = end


def _places(rows: Rows, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of the tokens of the chosen rows, in that order, and the offsets of these rows."""
    return stretches(rows.offsets[chosen], rows.offsets[chosen + 1] - rows.offsets[chosen])


@contextmanager
def progress_bar(wanted: bool, total: int | None) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of rows that were completed."""
    if not boolean("progress", wanted):
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
    finally:  # the next output, also an error message, begins on a new line
        show()
        print(file=sys.stderr)
