"""`explain`: how much each word of a text speaks for a label, and where a model looks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import is_integer
from deberta_c._base.figures import new_figure, style
from deberta_c._columns.texts import rows_of, texts_of
from deberta_c._models.auto import auto_of_classifier
from deberta_c._models.config import AutoConfig
from deberta_c._models.heads import SequenceClassifier, TokenClassifier
from deberta_c._models.outputs import scores_of
from deberta_c._pipelines.base import Pipeline
from deberta_c._pipelines.handle import Handle
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import raise_for_bad_row, warn_of_cuts
from deberta_c.evaluation.gradients import Gradients

METHODS = ("integrated_gradients", "occlusion")
_FOR, _AGAINST = "47, 109, 179", "200, 85, 61"  # blue and red
_NAMES = ("texts", "text_pairs")

Spans = list[tuple[int, int]]
Values = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class Attribution:
    """How much each word of a text speaks for a label; it shows itself as coloured text in notebooks."""

    text: str
    label: str
    """The label that is explained."""
    score: float
    """Its probability; of a regression the predicted number."""
    spans: Spans
    """Where each word begins and ends in the text (W)."""
    values: Values
    """By how much each word raises the logit of the label (W)."""
    pair: str | None = None
    """The second text of a pair."""
    pair_spans: Spans = field(default_factory=list)
    """Where each of its words begins and ends in it (V)."""
    pair_values: Values = field(default_factory=lambda: np.zeros(0))
    """By how much each of them raises the logit (V)."""
    word: int | None = None
    """Of a classifier of tokens: the number of the word that has the label."""

    @property
    def words(self) -> list[tuple[str, float]]:
        """Each word with its value; the words of a second text follow those of the first."""
        found = zip(self.spans, self.values, strict=True)
        others = zip(self.pair_spans, self.pair_values, strict=True)
        pair = self.pair or ""
        return [(self.text[a:b], float(value)) for (a, b), value in found] + [
            (pair[a:b], float(value)) for (a, b), value in others
        ]

    def __repr__(self) -> str:
        largest = sorted(self.words, key=lambda entry: -abs(entry[1]))[:8]
        shown = ", ".join(f"{word} {value:+.2f}" for word, value in largest)
        return f"{self.label} ({self.score:.4f}): {shown}"

    def _repr_html_(self) -> str:
        return (
            '<p style="line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap">'
            f"<b>{escape(self.label)}</b> {self.score:.3f}&ensp;{coloured(self)}</p>"
        )


class Attributions(list[Attribution]):
    """The attributions of a column of texts."""

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def coloured(found: Attribution, width: int | None = None) -> str:
    """The text of an attribution as HTML, blue where a word speaks for the label and red where it speaks against it.

    Texts are cut to `width` characters.
    """
    most = max((abs(value) for _, value in found.words), default=0.0)
    shown = _coloured(found.text, found.spans, found.values, most, width, found.word)
    if found.pair is None:
        return shown
    return f"{shown}<br>{_coloured(found.pair, found.pair_spans, found.pair_values, most, width)}"


def _coloured(
    text: str, spans: Spans, values: Values, most: float, width: int | None, marked: int | None = None
) -> str:
    if width is not None and len(text) > width:
        kept = [span for span in spans if span[1] <= width]
        spans, values, text = kept, values[: len(kept)], text[:width].rstrip() + "…"
    parts, end = [], 0
    for number, ((begin, stop), value) in enumerate(zip(spans, values.tolist(), strict=True)):
        color = f"rgba({_FOR if value > 0 else _AGAINST}, {0.65 * abs(value) / most if most else 0:.2f})"
        line = "; outline: 1px solid currentColor" if number == marked else ""
        parts += [
            escape(text[end:begin]),
            f'<span style="background: {color}; border-radius: 3px; padding: 1px 2px{line}" title="{value:+.3f}">'
            f"{escape(text[begin:stop])}</span>",
        ]
        end = stop
    return "".join(parts) + escape(text[end:])


def explain(
    model: Any,
    texts: str | Iterable[Any],
    label: str | None = None,
    *,
    text_pairs: str | Iterable[Any] | None = None,
    word: int | str | Sequence[int | str] | None = None,
    method: str = "integrated_gradients",
    steps: int = 32,
    baseline: str | None = None,
    max_length: int | None = None,
) -> Any:
    """By how much each word raises the logit of a label: that of `label`, or of the most likely one of each text.

    `model` classifies texts, pairs of them (`text_pairs`), or tokens, or is the directory or the name of such a model,
    or its pipeline or `Handle`. A classifier of tokens explains the label of the first token of one `word` of each
    text: its number from 0, or the word as it is written.

    "integrated_gradients" (Sundararajan and others, 2017) follows the gradient of the logit from a text of `baseline`
    tokens, by default the padding token, to the text, at `steps` points; the values of a text sum to the difference of
    both logits, apart from the error of these steps. "occlusion" leaves out one word at a time, and works for texts
    and pairs. A word is what white space surrounds; words beyond `max_length` tokens have the value 0.

    One str returns an `Attribution`, a column a list of them.

    Errors: ValueError for an unknown label, method, baseline or word; TypeError if the model has another head.

    >>> import deberta_c
    >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    >>> found = deberta_c.explain(model, "Free entry! Call now", label="spam", method="occlusion")
    >>> [word for word, _ in found.words]
    ['Free', 'entry!', 'Call', 'now']
    """
    if isinstance(model, (str, Path)):
        model = auto_of_classifier(AutoConfig.from_pretrained(model)).from_pretrained(model)
    if isinstance(model, Handle):
        model = model.open()
    if isinstance(model, Pipeline) and model.tokenizer is model.model.tokenizer:
        model = model.model
    if not isinstance(model, (SequenceClassifier, TokenClassifier)):
        raise TypeError(
            f"model is of type {type(model).__name__}; give a classifier of texts or of tokens, or its "
            "directory, which AutoModelForSequenceClassification and AutoModelForTokenClassification open"
        )
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
    if not is_integer(steps) or steps < 1:
        raise ValueError(f"steps is {steps!r}; it must be an integer of at least 1, such as 32")
    names = model.labels()
    if label is not None and label not in names:
        raise ValueError(f"label is {label!r}; the labels of the model are {', '.join(names)}")
    columns = _columns(texts, text_pairs)
    count = len(columns[0])
    found = Attributions(
        attributions(
            model,
            columns,
            None if label is None else np.full(count, names.index(label)),
            _words_of(model, columns, word, method),
            method=method,
            steps=steps,
            baseline=baseline,
            max_length=max_length,
        )
    )
    return found[0] if isinstance(texts, str) else found


def attributions(
    model: Any,
    columns: list[list[str]],
    labels: NDArray[np.intp] | None,
    words: list[int] | None = None,
    *,
    method: str = "integrated_gradients",
    steps: int = 32,
    baseline: str | None = None,
    max_length: int | None = None,
) -> Iterator[Attribution]:
    """The attributions of a column of texts, or of two columns of pairs, one by one.

    `labels` (N) are the numbers of what is explained, None for the most likely ones; `words` those of the words that
    have them, for a classifier of tokens. Arguments are checked.
    """
    if not columns[0]:
        return
    rows, limit = _encoded(model, columns, max_length)
    spans = [[[found.span() for found in re.finditer(r"\S+", text)] for text in column] for column in columns]
    places = None if words is None else [_place(rows, row, spans[0][row], word) for row, word in enumerate(words)]
    logits = _logits(model, rows, places)
    chosen = logits.argmax(axis=1) if labels is None else labels
    names = model.labels()
    scores = scores_of(logits, "softmax" if words is not None else model.probability_function())
    if method == "occlusion":
        values = iter(_occlusion(model, columns, spans, chosen, logits, limit))
    else:
        values = _integrated(
            Gradients(model, baseline, int(np.diff(rows.offsets).max())), rows, spans, chosen, steps, places
        )
    for row, found in enumerate(values):
        label = int(chosen[row])
        more: dict[str, Any] = {} if words is None else {"word": words[row]}
        if len(columns) > 1:
            more = {"pair": columns[1][row], "pair_spans": spans[1][row], "pair_values": found[1]}
        yield Attribution(columns[0][row], names[label], float(scores[row, label]), spans[0][row], found[0], **more)


def _columns(texts: Any, pairs: Any) -> list[list[str]]:
    """One column of texts, or two of equal length."""
    single = isinstance(texts, str)
    if pairs is not None and isinstance(pairs, str) != single:
        raise TypeError("texts and text_pairs must both be a str, or both be columns")
    given = [texts] if pairs is None else [texts, pairs]
    columns = [texts_of([part] if single else part, name)[0] for name, part in zip(_NAMES, given, strict=False)]
    if len(columns[-1]) != len(columns[0]):
        raise ValueError(f"texts has {len(columns[0])} rows, but text_pairs {len(columns[1])}; give as many")
    return columns


def _words_of(model: Any, columns: list[list[str]], word: Any, method: str) -> list[int] | None:
    """The numbers of the words that a classifier of tokens explains; None for another one."""
    if not isinstance(model, TokenClassifier):
        if word is not None:
            raise ValueError(f"word is {word!r}, but the model classifies texts, not their words; leave it out")
        return None
    if word is None:
        raise ValueError("word is missing; the model classifies tokens: name the word whose label is explained")
    if len(columns) > 1 or method == "occlusion":
        raise ValueError(
            'a classifier of tokens is explained by method="integrated_gradients" and without text_pairs; leave '
            f"{'text_pairs' if len(columns) > 1 else 'method'} out"
        )
    given = [word] * len(columns[0]) if isinstance(word, str) or is_integer(word) else list(word)
    if len(given) != len(columns[0]):
        raise ValueError(
            f"word has {len(given)} entries for {len(columns[0])} texts; give one for each, or one for all"
        )
    return [_number_of(one, text.split()) for one, text in zip(given, columns[0], strict=True)]


def _number_of(word: int | str, words: list[str]) -> int:
    if isinstance(word, str) and word in words:
        return words.index(word)
    if is_integer(word) and 0 <= int(word) < len(words):
        return int(word)
    raise ValueError(
        f"word is {word!r}; the text has the words 0 to {len(words) - 1}: {', '.join(map(repr, words[:20]))}"
    )


def _encoded(model: Any, columns: list[list[str]], max_length: int | None) -> tuple[Rows, int | None]:
    """The rows of all texts or pairs, cut to a number of tokens, and that number."""
    model._require_head()
    tokenizer, pairs = model.tokenizer, columns[1] if len(columns) > 1 else None
    options = tokenizer._encode_options(True, max_length, pairs=pairs is not None) | {"want": ("spans", "sequences")}
    try:
        rows: Rows = tokenizer._encode_for_model(columns[0], pairs, options)
    except ValueError:
        raise_for_bad_row(tokenizer, columns[0], pairs, options, (rows_of(_NAMES[0]), rows_of(_NAMES[1])))
        raise
    if rows.cut and max_length is None:
        warn_of_cuts(rows.cut, f"{len(columns[0])} texts", options["max_length"])
    return rows, options.get("max_length")


def _logits(model: Any, rows: Rows, places: list[int] | None) -> NDArray[np.float32]:
    """The logits (N, C) of the rows, or of the token at its place in each row."""
    selected = None
    if places is not None:
        selected = np.zeros(len(rows.ids), np.uint8)
        selected[rows.offsets[:-1] + places] = 1
    found = np.empty((len(rows.offsets) - 1, model.num_labels), np.float32)
    for chosen, logits in model._logits_of_rows(rows, rows_of(_NAMES[0]), selected):
        found[chosen] = logits
    return found


def _words_of_tokens(rows: Rows, row: int, sequence: int, spans: Spans) -> NDArray[np.intp]:
    """For each token (T) of a row the word of a text in which it ends, or which follows the space that it is; -1 for
    none."""
    begin, end = rows.offsets[row : row + 2]
    starts = np.array([start for start, _ in spans], np.int64)
    found = np.searchsorted(starts, rows.extras["spans"][begin:end, 1], side="right") - 1
    return np.where(rows.extras["sequences"][begin:end] == sequence, found, -1)


def _place(rows: Rows, row: int, spans: Spans, word: int) -> int:
    """The first token of a word."""
    found = np.flatnonzero(_words_of_tokens(rows, row, 0, spans) == word)
    if not len(found):
        raise ValueError(f"word {word} of texts[{row}] has no token within max_length; give a larger one")
    return int(found[0])


def _integrated(
    gradients: Gradients,
    rows: Rows,
    spans: list[list[Spans]],
    labels: NDArray[np.intp],
    steps: int,
    places: list[int] | None,
) -> Iterator[list[Values]]:
    """For each row the values of the words of each of its texts."""
    for row, label in enumerate(labels.tolist()):
        values = gradients.of(rows, row, label, steps, None if places is None else places[row])
        found = []
        for sequence, column in enumerate(spans):
            word = _words_of_tokens(rows, row, sequence, column[row])
            own = np.zeros(len(column[row]))
            np.add.at(own, word[word >= 0], values[word >= 0])
            found.append(own)
        yield found


def _occlusion(
    model: SequenceClassifier,
    columns: list[list[str]],
    spans: list[list[Spans]],
    labels: NDArray[np.intp],
    logits: NDArray[np.float32],
    max_length: int | None,
) -> list[list[Values]]:
    """For each row how much lower the logit is without each word of each text; all variants run in the same batches."""
    variants: list[list[str]] = [[] for _ in columns]
    for row, texts in enumerate(zip(*columns, strict=True)):
        for own, column in enumerate(spans):
            for a, b in column[row]:
                for part, text in enumerate(texts):
                    variants[part].append(text[:a] + text[b:].lstrip() if part == own else text)
    without = model.predict(*variants, max_length=max_length) if variants[0] else logits[:0]
    found, end = [], 0
    for row, label in enumerate(labels.tolist()):
        values = []
        for column in spans:
            begin, end = end, end + len(column[row])
            values.append(np.float64(logits[row, label]) - without[begin:end, label].astype(np.float64))
        found.append(values)
    return found


def plot_attention(model: Any, text: str, *, layer: int = -1, head: int | None = None, ax: Any = None) -> Any:
    """The attention of a layer for one text, a figure of matplotlib: of one head, or the mean of all of them.

    A row is the token that looks, a column the token that is looked at. Errors: IndexError for another layer or head.
    """
    inputs = model.tokenizer(text, truncation=True, return_tensors="np")
    weights = model(**inputs, output_attentions=True).attentions[layer][0]
    values = weights.mean(axis=0) if head is None else weights[head]
    tokens = [token.replace("▁", " ").replace("Ġ", " ").strip() or token for token in inputs.tokens()]
    side = min(max(3.4, 1.4 + 0.28 * len(tokens)), 14)
    figure = new_figure(side + 0.8, side) if ax is None else ax.figure
    ax = figure.subplots() if ax is None else ax
    picture = ax.imshow(values, cmap="Blues", vmin=0)
    ax.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(tokens)), tokens)
    which = "mean of all heads" if head is None else f"head {head}"
    style(ax, f"Attention, layer {layer % model.config.num_hidden_layers}, {which}", grid=None)
    bar = figure.colorbar(picture, ax=ax, fraction=0.046, pad=0.04)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)
    return figure
