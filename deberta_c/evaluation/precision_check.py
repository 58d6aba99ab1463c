"""`check_precision`: how far the answers in bfloat16 or int8 are from those in float32, and which layers cause it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._columns.texts import rows_of, texts_of
from deberta_c._files.json import json_object
from deberta_c._models.agreement import MOST_DIFFERENCE, Compared, answers, compare, kind_of, sample_of
from deberta_c._models.outputs import names_of_given, sigmoid
from deberta_c._models.packing import stretches
from deberta_c._models.precision import FLOAT32, Precision, Unit, checked_dtype, checked_keep, fastest, names_dtype
from deberta_c._models.predict import check_rows
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, as_tokenizer
from deberta_c.evaluation.intervals import check_confidence, is_number, wilson
from deberta_c.evaluation.tables import as_frame

Answers = list[NDArray[np.float32]]
_MEASURED = 64  # texts that the costs of layers are measured on: those that differ most


@dataclass(frozen=True, repr=False, eq=False)
class PrecisionCheck:
    """The answers of a model in bfloat16 or int8 beside those in float32; `check_precision` of the model makes it.

    It shows itself as a table, in notebooks as HTML. `if check:` asks whether the type passed.
    """

    title: str
    """The directory or the name of the model, or its class."""
    precision: Precision
    """What is compared with float32."""
    kind: str
    """What an answer is: "softmax" (a label), "sigmoid" (independent labels), "scores", "spans" or "states"."""
    texts: list[str]
    """The texts (N), of pairs the first ones."""
    pairs: list[str] | None
    """The second texts (N), or None."""
    sample: bool
    """Whether they are the sample that deberta_c brings."""
    compared: Compared
    """Each answer: one for each text, of a classifier of tokens one for each token."""
    labels: list[str] | None
    """The names of the labels; None where there are none."""
    exact: Answers
    """What float32 answers: for each text logits (C), or (S, C) with S tokens."""
    low: Answers
    """What the type answers."""
    memory: Mapping[str, int]
    """The bytes of both networks, by the names of the types."""
    known_products: bool
    """Whether this CPU multiplies known numbers right in the type."""
    at_least: float
    """The share of equal labels that was asked for."""
    at_most: float | None
    """The largest difference that was allowed; None for any."""
    confidence: float
    costs: list[dict[str, Any]]
    """A dict for each linear layer, the most expensive first: layers, its names (of key and value, which are multiplied
    together, both); cost, the root of the mean squared difference of the logits when it alone multiplies in the type.
    Empty if they were not measured."""
    keep: tuple[str, ...] | None
    """All layers to keep in float32 so that the type passes: those of `precision` if it does. None if the costs were
    not measured, or the CPU multiplies wrongly, which no list helps."""
    kept: Compared | None
    """The answers with `keep`, or None."""

    def __len__(self) -> int:
        return len(self.texts)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def passed(self) -> bool:
        """Whether the CPU multiplies right, and enough labels and all differences are as asked for."""
        return self.known_products and passes(self.compared, self.at_least, self.at_most)

    @property
    def agreement(self) -> float:
        """The share of answers with equal labels; of values, of those that differ by at most 5 %."""
        return self.compared.agreement

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The interval of the agreement (Wilson), if the texts are drawn from those that the model will read."""
        return wilson(int(self.compared.equal.sum()), len(self.compared.equal), self.confidence)

    @property
    def largest(self) -> float:
        """The largest difference of a probability; of values relative to them, of hidden states 1 - cosine."""
        return self.compared.largest

    @property
    def mean(self) -> float:
        """The mean over the answers of the largest difference of each."""
        return float(self.compared.difference.mean())

    @cached_property
    def differences(self) -> list[dict[str, Any]]:
        """A dict for each text, the largest difference first: row, text, pair, the answers under the names of both
        types, difference, equal. Of a text with several answers, those that differ most."""
        worst = self._worst
        order = np.argsort(-self.compared.difference[worst], kind="stable")
        equal = np.ones(len(self), np.bool_)
        np.logical_and.at(equal, self.compared.rows, self.compared.equal)
        starts = np.searchsorted(self.compared.rows, np.arange(len(self)))
        return [
            {
                "row": row,
                "text": self.texts[row],
                **({} if self.pairs is None else {"pair": self.pairs[row]}),
                "float32": self._shown(self.exact[row], int(worst[row] - starts[row])),
                self.precision.dtype: self._shown(self.low[row], int(worst[row] - starts[row])),
                "difference": float(self.compared.difference[worst[row]]),
                "equal": bool(equal[row]),
            }
            for row in order.tolist()
        ]

    def to_dict(self) -> dict[str, Any]:
        """All figures, of plain values for JSON."""
        return json_object(
            {
                "model": self.title,
                "dtype": self.precision.dtype,
                "kernels": self.precision.kernels,
                "kept": self.precision.keep,
                "passed": self.passed,
                "texts": len(self),
                "sample": self.sample,
                "answers": len(self.compared.equal),
                "agreement": self.agreement,
                "interval": self.interval,
                "confidence": self.confidence,
                "largest_difference": self.largest,
                "mean_difference": self.mean,
                "at_least": self.at_least,
                "at_most": self.at_most,
                "known_products": self.known_products,
                "memory": self.memory,
                "costs": self.costs,
                "keep": self.keep,
                "agreement_with_keep": None if self.kept is None else self.kept.agreement,
                "largest_difference_with_keep": None if self.kept is None else self.kept.largest,
                "differences": self.differences,
            }
        )

    def to_frame(self, of: str = "differences") -> Any:
        """A DataFrame of pandas: "differences", a row for each text, or "costs", a row for each layer.

        Errors: ImportError without pandas, ValueError for another name.
        """
        return as_frame(self, of, {"differences": (), "costs": ("layers", "cost")})

    def plot(self) -> Any:
        """A figure of matplotlib: the difference of each text, and what each layer costs if that was measured.

        Errors: ImportError without matplotlib.
        """
        from deberta_c.evaluation.precision_pictures import draw_precision

        return draw_precision(self)

    def __repr__(self) -> str:
        from deberta_c.evaluation.precision_tables import precision_text

        return precision_text(self)

    def _repr_html_(self) -> str:
        from deberta_c.evaluation.precision_tables import precision_html

        return precision_html(self)

    @cached_property
    def _worst(self) -> NDArray[np.intp]:
        """The number of the answer of each text that differs most (N)."""
        found = self.compared
        order = np.lexsort((np.arange(len(found.rows)), -found.difference, found.rows))
        return order[np.searchsorted(found.rows[order], np.arange(len(self)))]

    def _shown(self, values: NDArray[np.float32], answer: int) -> Any:
        """An answer as a person writes it: a label, a list of labels, a number, or a place."""
        if self.kind == "states":
            return None
        if self.kind == "spans":
            return int(values[:, answer].argmax())
        logits = np.atleast_2d(values)[answer]
        if self.kind == "scores":
            return float(logits[0]) if len(logits) == 1 else logits.tolist()
        names = self.labels or [str(place) for place in range(len(logits))]
        if self.kind == "sigmoid":
            if self.labels is None or len(logits) == 1:
                return float(sigmoid(logits)[0])
            return names_of_given(sigmoid(logits[None]), names)[0]
        return names[int(logits.argmax())]


def check_precision(
    model: Any,
    texts: Iterable[Any] | None = None,
    text_pairs: Iterable[Any] | None = None,
    *,
    dtype: Any = None,
    keep: Iterable[str] | None = None,
    at_least: float = 0.99,
    at_most: float | None = None,
    costs: bool | None = None,
    max_length: int | None = None,
    confidence: float = 0.95,
    tokenizer: PreTrainedTokenizerFast | None = None,
) -> PrecisionCheck:
    """Compares the answers of a model in bfloat16 or int8 with those in float32: see the method of the same name."""
    for name, given in (("texts", texts), ("text_pairs", text_pairs)):
        if names_dtype(given):
            raise TypeError(f"{name} is {given!r}, which names a type; give dtype={given!r}")
    if not is_number(at_least) or not 0 < at_least <= 1:
        raise ValueError(f"at_least is {at_least!r}; it is a share between 0 and 1, such as 0.99")
    if at_most is not None and (not is_number(at_most) or not at_most >= 0):
        raise ValueError(f"at_most is {at_most!r}; give the largest difference that is allowed, such as 0.1, or None")
    check_confidence(confidence)
    exact = model._in(FLOAT32)
    exact._require_head()
    precision = _wanted(model, dtype, keep)
    columns, rows = _read(exact, texts, text_pairs, max_length, tokenizer)
    at_most = MOST_DIFFERENCE if at_most is None and texts is None else at_most
    judge = _Judge(exact, precision, rows, at_least, at_most)
    low = exact._in(precision)
    found = answers(low, low._core, rows)
    compared = compare(judge.kind, judge.answers, found)
    known = _core.known_products(precision.dtype)
    passed = known and passes(compared, at_least, at_most)
    measured = judge.costs(compared) if costs or (costs is None and not passed and known) else []
    proposed = judge.proposal(compared, measured) if known else None
    return PrecisionCheck(
        title=model.name_or_path or type(model).__name__,
        precision=precision,
        kind=judge.kind,
        texts=columns[0],
        pairs=columns[1],
        sample=texts is None,
        compared=compared,
        labels=model.labels() if hasattr(type(model), "classes_") else None,
        exact=judge.answers,
        low=found,
        memory={"float32": exact._core.memory, precision.dtype: low._core.memory},
        known_products=known,
        at_least=at_least,
        at_most=at_most,
        confidence=confidence,
        costs=[{"layers": list(unit.layers), "cost": cost} for unit, cost in measured],
        keep=None if proposed is None else proposed[0],
        kept=None if proposed is None else proposed[1],
    )


def passes(compared: Compared, at_least: float, at_most: float | None) -> bool:
    """Whether answers agree as asked for."""
    return compared.holds(float(at_least), float("inf") if at_most is None else float(at_most))


class _Judge:
    """Compares networks of one model with its float32 network, on the same rows."""

    def __init__(self, exact: Any, precision: Precision, rows: Rows, at_least: float, at_most: float | None) -> None:
        self.exact, self.precision, self.rows = exact, precision, rows
        self.at_least, self.at_most = at_least, at_most
        self.kind = kind_of(exact)
        self.answers = answers(exact, exact._core, rows)
        self.units: list[Unit] = [unit for unit in exact._units() if not set(unit.layers) & set(precision.keep)]

    def costs(self, compared: Compared) -> list[tuple[Unit, float]]:
        """What each layer costs when it alone multiplies in the type, the most expensive first."""
        worst = np.zeros(len(self.answers))
        np.maximum.at(worst, compared.rows, compared.difference)
        chosen = np.sort(np.argsort(-worst, kind="stable")[:_MEASURED])
        rows, exact = _chosen(self.rows, chosen), [self.answers[row] for row in chosen]
        found = []
        for unit in self.units:
            alone = [other for other in self.units if other is not unit]
            squares = [
                np.square(one.astype(np.float64) - other)
                for one, other in zip(exact, self._answers(alone, rows), strict=True)
            ]
            found.append((unit, float(np.sqrt(np.mean(np.concatenate([part.ravel() for part in squares]))))))
        return sorted(found, key=lambda pair: -pair[1])

    def proposal(self, compared: Compared, costs: list[tuple[Unit, float]]) -> tuple[tuple[str, ...], Compared] | None:
        """The shortest list that was found of layers to keep in float32, and the answers with it.

        The most expensive layers that suffice, less those that it does without. None if costs were not measured.
        """
        if passes(compared, self.at_least, self.at_most):
            return self.precision.keep, compared
        if not costs:
            return None
        order = [unit for unit, _ in costs]
        too_few, enough = 0, len(order)
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            if self._passes(order[:middle]):
                enough = middle
            else:
                too_few = middle
        kept = order[:enough]
        for unit in reversed(order[: enough - 1]):
            fewer = [other for other in kept if other is not unit]
            if self._passes(fewer):
                kept = fewer
        return checked_keep(self._names(kept), self.exact._units()), self._compared(kept)

    def _passes(self, kept: list[Unit]) -> bool:
        return passes(self._compared(kept), self.at_least, self.at_most)

    def _compared(self, kept: list[Unit]) -> Compared:
        return compare(self.kind, self.answers, self._answers(kept, self.rows))

    def _answers(self, kept: list[Unit], rows: Rows) -> Answers:
        model = self.exact._in(Precision(self.precision.dtype, self._names(kept)))
        return answers(model, model._core, rows)

    def _names(self, kept: list[Unit]) -> tuple[str, ...]:
        return (*self.precision.keep, *(layer for unit in kept for layer in unit.layers))


def _wanted(model: Any, dtype: Any, keep: Iterable[str] | None) -> Precision:
    """The type to compare with float32, and the layers that it keeps."""
    if dtype is None:
        dtype = "int8" if model.precision == FLOAT32 else model.precision
    wanted = checked_dtype(dtype)
    if isinstance(wanted, Precision):
        keep = wanted.keep if keep is None else keep
        wanted = wanted.dtype
    if wanted == "auto":
        wanted = fastest()[0]
    if wanted == "float32":
        raise ValueError('dtype is float32, with which the others are compared; give "int8" or "bfloat16"')
    return Precision(wanted, model._checked_keep(keep))


def _read(
    model: Any,
    texts: Iterable[Any] | None,
    text_pairs: Iterable[Any] | None,
    max_length: int | None,
    tokenizer: PreTrainedTokenizerFast | None,
) -> tuple[tuple[list[str], list[str] | None], Rows]:
    """The texts, and their rows; without any those of the sample."""
    if texts is None:
        if text_pairs is not None:
            raise ValueError("text_pairs is given without texts; give the first texts of the pairs as texts")
        rows, sample = sample_of(model)
        return (list(sample), None), rows
    firsts, _ = texts_of(texts, "texts")
    seconds = None if text_pairs is None else texts_of(text_pairs, "text_pairs")[0]
    if not firsts:
        raise ValueError("texts is empty; give some of the texts that the model will read, or None for a small sample")
    if seconds is not None and len(seconds) != len(firsts):
        raise ValueError(
            f"texts has {len(firsts)} rows, but text_pairs {len(seconds)}; give two columns of equal length"
        )
    own: PreTrainedTokenizerFast = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
    options = own._encode_options(True, max_length, pairs=seconds is not None)
    rows = own._encode_for_model(firsts, seconds, options)
    check_rows(rows, model._settings, rows_of("texts"))
    return (firsts, seconds), rows


def _chosen(rows: Rows, chosen: NDArray[np.intp]) -> Rows:
    """Some of the rows."""
    places, offsets = stretches(rows.offsets[chosen], np.diff(rows.offsets)[chosen])
    return Rows(rows.ids[places], rows.types[places], offsets, 0)
