"""`explain`: how much each word of a text speaks for a label, and where a model looks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._columns.texts import texts_of
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.outputs import sigmoid, softmax
from deberta_c._models.packing import offsets_of
from deberta_c._models.predict import BATCH_TOKENS
from deberta_c._models.tensor_names import match_weights
from deberta_c._tokenizers.rows import Rows
from deberta_c.evaluation.pictures import new_figure, style

METHODS = ("integrated_gradients", "occlusion")
_WORDS = "deberta.embeddings.word_embeddings.weight"  # as the core calls it
_FOR, _AGAINST = "47, 109, 179", "200, 85, 61"  # blue and red


@dataclass(frozen=True, repr=False)
class Attribution:
    """How much each word of a text speaks for a label; it shows itself as coloured text in notebooks."""

    text: str
    label: str
    """The label that is explained."""
    score: float
    """Its probability; of a regression the predicted number."""
    spans: list[tuple[int, int]]
    """Where each word begins and ends in the text (W)."""
    values: NDArray[np.float64]
    """By how much each word raises the logit of the label (W)."""

    @property
    def words(self) -> list[tuple[str, float]]:
        """Each word with its value."""
        return [(self.text[a:b], float(value)) for (a, b), value in zip(self.spans, self.values, strict=True)]

    def __repr__(self) -> str:
        order = np.argsort(-abs(self.values), kind="stable")[:8]
        shown = ", ".join(f"{self.text[slice(*self.spans[i])]} {self.values[i]:+.2f}" for i in order)
        return f"{self.label} ({self.score:.4f}): {shown}"

    def _repr_html_(self) -> str:
        most = float(abs(self.values).max()) if len(self.values) else 0.0
        parts, end = [], 0
        for (begin, stop), value in zip(self.spans, self.values.tolist(), strict=True):
            color = f"rgba({_FOR if value > 0 else _AGAINST}, {0.75 * abs(value) / most if most else 0:.2f})"
            word = escape(self.text[begin:stop])
            parts += [
                escape(self.text[end:begin]),
                f'<span style="background: {color}; border-radius: 3px; padding: 1px 2px" title="{value:+.3f}">'
                f"{word}</span>",
            ]
            end = stop
        body = "".join(parts) + escape(self.text[end:])
        return (
            '<p style="line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap">'
            f"<b>{escape(self.label)}</b> {self.score:.3f}&ensp;{body}</p>"
        )


class Attributions(list[Attribution]):
    """The attributions of a column of texts."""

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def explain(
    model: SequenceClassifier,
    texts: str | Iterable[Any],
    label: str | None = None,
    *,
    method: str = "integrated_gradients",
    steps: int = 32,
    baseline: str | None = None,
    max_length: int | None = None,
) -> Any:
    """By how much each word raises the logit of a label: that of `label`, or of the most likely one of each text.

    "integrated_gradients" (Sundararajan and others, 2017) follows the gradient of the logit from a text of `baseline`
    tokens, by default the padding token, to the text, at `steps` points; the values of a text sum to the difference of
    both logits, apart from the error of these steps. "occlusion" leaves out one word at a time. A word is what white
    space surrounds; words beyond `max_length` tokens have the value 0.

    One str returns an `Attribution`, a column a list of them.

    Errors: ValueError for an unknown label, method or baseline; TypeError if the model does not classify texts.

    >>> import deberta_c
    >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    >>> found = deberta_c.explain(model, "Free entry! Call now", label="spam", method="occlusion")
    >>> [word for word, _ in found.words]
    ['Free', 'entry!', 'Call', 'now']
    """
    if not isinstance(model, SequenceClassifier):
        raise TypeError(f"model is of type {type(model).__name__}; give a classifier of texts")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps is {steps!r}; it must be an integer of at least 1, such as 32")
    names = model.labels()
    if label is not None and label not in names:
        raise ValueError(f"label is {label!r}; the labels of the model are {', '.join(names)}")
    column, _ = texts_of([texts] if isinstance(texts, str) else texts, "texts")
    if not column:
        return Attributions()
    logits = model.predict(column, max_length=max_length)
    labels = logits.argmax(axis=1) if label is None else np.full(len(column), names.index(label))
    spans = [[found.span() for found in re.finditer(r"\S+", text)] for text in column]
    if method == "occlusion":
        values = _occlusion(model, column, spans, labels, logits, max_length)
    else:
        values = _Gradients(model, baseline).of(column, spans, labels, steps, max_length)
    function = model.probability_function()
    scores = logits if function is None else softmax(logits) if function == "softmax" else sigmoid(logits)
    found = Attributions(
        Attribution(text, names[chosen], float(score[chosen]), words, value)
        for text, chosen, score, words, value in zip(column, labels.tolist(), scores, spans, values, strict=True)
    )
    return found[0] if isinstance(texts, str) else found


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


def _occlusion(
    model: SequenceClassifier,
    texts: list[str],
    spans: list[list[tuple[int, int]]],
    labels: NDArray[np.intp],
    logits: NDArray[np.float32],
    max_length: int | None,
) -> list[NDArray[np.float64]]:
    """For each text how much lower the logit is without each word; all variants run in the same batches."""
    variants = [text[:a] + text[b:].lstrip() for text, words in zip(texts, spans, strict=True) for a, b in words]
    without = model.predict(variants, max_length=max_length) if variants else logits[:0]
    ends = np.cumsum([len(words) for words in spans])[:-1]
    return [
        np.float64(own[chosen]) - part[:, chosen].astype(np.float64)
        for own, part, chosen in zip(logits, np.split(without, ends), labels.tolist(), strict=True)
    ]


class _Gradients:
    """Gradients by the word vector of each token.

    A training of the core has the gradient of each row of its word table. Here the table has a row for each token of
    a batch instead of one for each word, so that every token has a vector, and a gradient, of its own.
    """

    def __init__(self, model: SequenceClassifier, baseline: str | None) -> None:
        model.predict([""])  # raises where the head is missing
        self._model, self._tokenizer = model, model.tokenizer
        plan = model._opened
        matched = match_weights(model._wanted(plan), dict(model._weights()), plan.settings, {})
        self._tensors = {tensor[0]: tensor for tensor in matched.tensors}
        self._settings = dict(plan.settings)
        self._table = np.asarray(model.get_input_embeddings().weight, np.float32)
        self._baseline = self._table[self._id_of(baseline)]
        self._size = 0

    def _id_of(self, token: str | None) -> int:
        if token is None:
            return int(self._tokenizer.pad_token_id or 0)
        found = self._tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == self._tokenizer.unk_token_id and token != self._tokenizer.unk_token):
            raise ValueError(f"baseline is {token!r}, which is not a token of the tokenizer; give one such as [MASK]")
        return int(found)

    def of(
        self,
        texts: list[str],
        spans: list[list[tuple[int, int]]],
        labels: NDArray[np.intp],
        steps: int,
        max_length: int | None,
    ) -> list[NDArray[np.float64]]:
        """The values of the words of each text."""
        encoding = self._tokenizer._encode_options(True, max_length) | {"want": ("spans", "sequences")}
        rows = self._tokenizer._encode_for_model(texts, None, encoding)
        self._open(max(BATCH_TOKENS, int(np.diff(rows.offsets).max())))
        found = []
        for row, words in enumerate(spans):
            values = self._of_row(rows, row, int(labels[row]), steps)
            begin, end = rows.offsets[row : row + 2]
            starts = np.array([a for a, _ in words], np.int64)
            own = np.zeros(len(words))
            for (_, stop), value in zip(rows.extras["spans"][begin:end].tolist(), values.tolist(), strict=True):
                place = int(np.searchsorted(starts, stop, side="left")) - 1  # the word in which the token ends
                if value and place >= 0:
                    own[place] += value
            found.append(own)
        return found

    def _of_row(self, rows: Rows, row: int, label: int, steps: int) -> NDArray[np.float64]:
        """The values of the tokens (T) of a row: the integral of their gradients times their distance."""
        begin, end = rows.offsets[row : row + 2]
        vectors = self._table[rows.ids[begin:end]]
        text = rows.extras["sequences"][begin:end] >= 0
        distance = np.where(text[:, None], vectors - self._baseline, 0)
        points, weights = np.polynomial.legendre.leggauss(steps)
        values = np.zeros(end - begin)
        each = max(1, self._size // len(vectors))
        for first in range(0, steps, each):
            places, shares = (points[first : first + each] + 1) / 2, weights[first : first + each] / 2
            path = vectors - (1 - places)[:, None, None] * distance  # (points, T, E)
            gradient = self._gradient(path.astype(np.float32), rows.types[begin:end], label, shares)
            values += (gradient * distance).sum(axis=(0, 2))
        return values

    def _gradient(
        self, path: NDArray[np.float32], types: NDArray[np.uint8], label: int, shares: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The gradients of the logit, times shares (P), by the vectors of P rows (P, T, E)."""
        count, tokens, width = path.shape
        table = np.zeros((self._size, width), np.float32)
        table[: count * tokens] = path.reshape(-1, width)
        self._core.set_parameter(_WORDS, table.ravel())
        offsets = offsets_of(np.full(count, tokens))
        self._core.forward(np.arange(count * tokens, dtype=np.int32), offsets, types=np.tile(types, count), seed=0)
        d_logits = np.zeros((count, self._model.num_labels), np.float32)
        d_logits[:, label] = shares
        self._core.backward(d_logits.ravel())
        found = self._core.gradient(_WORDS)[: count * tokens].astype(np.float64).reshape(path.shape)
        self._core.update(0.0, weight_decay=0.0)  # sets the gradients to zero
        return found

    def _open(self, size: int) -> None:
        """Opens the network with a word table of `size` rows, of which alone there are gradients."""
        self._size = size
        width = self._table.shape[1]
        empty = np.zeros(4 * size * width, np.uint8)
        words = (_WORDS, "F32", (size, width), empty, None, self._tensors[_WORDS][5])
        tensors = [words if name == _WORDS else tensor for name, tensor in self._tensors.items()]
        self._core = _core.Training({**self._settings, "vocab_size": size}, tensors)
        for name in self._core.names:
            self._core.set_options(name, trainable=name == _WORDS)
