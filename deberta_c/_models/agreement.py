"""How far the answers of two networks with the same weights are apart, and the self-test of a network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._models.outputs import given_labels, sigmoid, softmax
from deberta_c._models.packing import offsets_of
from deberta_c._models.predict import BATCH_TOKENS, run_batches
from deberta_c._tokenizers.rows import Rows

LEAST_AGREEMENT = 0.99  # the share of equal labels below which a type does not pass
MOST_DIFFERENCE = 0.1  # the difference of a probability above which a type does not pass

_TOKENS = 48  # the most tokens of a text of the sample
_TIE = 0.1  # the difference of two logits in float32 up to which the self-test accepts either label
_NEAR = 0.95  # the cosine from which two states count as equal
_SPREAD = 0.05  # the relative difference up to which two scores count as equal
_SAMPLE = (
    "See you at home",
    "Congratulations, you have won a free holiday! Call 0800 123 456 now to claim your prize.",
    "The committee postponed its decision on the new bridge until the end of March.",
    "Where did the first expedition to the South Pole begin, and who led it?",
    "I waited forty minutes for cold soup, and the waiter never apologised. Never again.",
    "What a wonderful film: funny, warm and beautifully acted from beginning to end!",
    "ok thx, c u l8r :)",
    "Please reset my password; the link in your last e-mail has expired.",
    "Der Zug nach Hamburg hat heute leider zwanzig Minuten Verspätung.",
    "Le musée est fermé le lundi, sauf pendant les vacances scolaires.",
    "ValueError: expected 3 columns but line 1,024 of orders.csv has 4",
    "Shares of the airline fell 7.5% after it cut its forecast for the second quarter.",
    "No",
    "The patient reports mild headaches in the morning and denies any loss of vision.",
    "A man in a red jacket is riding a horse along the beach while two children watch him.",
    "Mix the flour with a pinch of salt, add the eggs one by one, and let the dough rest for an hour.",
)


class Compared(NamedTuple):
    """Answers (M) of two networks: whether their labels are equal, how much probabilities differ, which labels are
    nearly tied in the first one, and of which row they are."""

    equal: NDArray[np.bool_]
    difference: NDArray[np.float64]
    tied: NDArray[np.bool_]
    rows: NDArray[np.intp]

    @property
    def agreement(self) -> float:
        """The share of equal labels."""
        return float(self.equal.mean())

    @property
    def largest(self) -> float:
        """The largest difference of a probability."""
        return float(self.difference.max(initial=0.0))

    def holds(self, at_least: float = LEAST_AGREEMENT, at_most: float = MOST_DIFFERENCE) -> bool:
        """Whether enough labels agree and no probability differs by too much."""
        return self.agreement >= at_least and self.largest <= at_most


def kind_of(model: Any) -> str:
    """What the answers of a model are: "softmax", "sigmoid", "scores", "spans" or "states"."""
    if model._missing or not model._needs_head:
        return "states"
    if hasattr(model, "probability_function"):
        return str(model.probability_function() or "scores")
    single = model._settings["num_labels"] == 1
    if model._head == "tokens" and not hasattr(type(model), "classes_"):
        return "sigmoid" if single else "spans"
    return "scores" if model._head == "sequence" and single else "softmax"


def answers(model: Any, core: _core.Model, rows: Rows) -> list[NDArray[np.float32]]:
    """The answers of a network to each row: logits (C) or (S, C), or for "states" the hidden states (S, H)."""
    states = kind_of(model) == "states"
    selected = _one_of_each(rows) if model._head == "masked_lm" and not states else None
    counts = np.diff(rows.offsets) if selected is None else np.ones(len(rows.offsets) - 1, np.int64)
    found: list[Any] = [None] * len(counts)
    for chosen, values in run_batches(core, rows, BATCH_TOKENS, selected, states=states):
        if len(values) == len(chosen):
            parts: Sequence[Any] = list(values)
        else:
            parts = np.split(values, np.cumsum(counts[chosen])[:-1])
        for row, part in zip(chosen.tolist(), parts, strict=True):
            found[row] = part
    return found


def compare(kind: str, first: list[NDArray[np.float32]], second: list[NDArray[np.float32]]) -> Compared:
    """The answers of two networks, row by row."""
    pairs = [_compare_row(kind, one, other) for one, other in zip(first, second, strict=True)]
    difference = np.concatenate([pair[1] for pair in pairs])
    rows = np.repeat(np.arange(len(pairs)), [len(pair[0]) for pair in pairs])
    equal, tied = np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[2] for pair in pairs])
    finite = np.isfinite(difference)  # an answer that is not a number equals none
    return Compared(equal & finite, np.where(finite, difference, 1.0), tied & finite, rows)


def sample_of(model: Any) -> tuple[Rows, tuple[str, ...]]:
    """The texts of the self-test as rows, and as they are; without a tokenizer random ids."""
    settings, limit = model._settings, _TOKENS
    if settings["position_biased_input"] or settings["enhanced_mask_decoder"]:
        limit = min(limit, settings["max_positions"])
    try:
        tokenizer = model.tokenizer
        rows: Rows = tokenizer._encode_for_model(list(_SAMPLE), None, tokenizer._encode_options(True, limit))
        if rows.ids.max() < settings["vocab_size"]:
            return rows, _SAMPLE
    except (OSError, RuntimeError, ValueError):
        pass
    rows = _drawn(settings["vocab_size"], limit)
    return rows, tuple(f"{count} drawn tokens" for count in np.diff(rows.offsets))


def failure(exact: Any, model: Any) -> str:
    """Why a model does not pass the self-test beside `exact`, the same model in float32; empty if it does.

    One other label among so few texts is more than LEAST_AGREEMENT allows, so either label of a tie counts as equal.
    """
    dtype = model.precision.dtype
    if not _core.known_products(dtype):
        return f"this CPU multiplies {dtype} wrongly: known products differ from their exact sums"
    rows, _ = sample_of(exact)
    found = compare(kind_of(exact), answers(exact, exact._core, rows), answers(model, model._core, rows))
    found = found._replace(equal=found.equal | found.tied)
    if found.holds():
        return ""
    return (
        f"in {dtype} {found.agreement:.1%} of the answers to the texts of the self-test are those of float32, and the "
        f"largest difference is {found.largest:.2g}"
    )


def _compare_row(
    kind: str, first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Whether the labels of a row are equal, the differences, and which labels are nearly tied in the first network."""
    if kind == "states":
        one, other = (np.atleast_2d(part).mean(axis=0, dtype=np.float64) for part in (first, second))
        cosine = np.array([one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-30)])
        return cosine >= _NEAR, 1 - cosine, np.zeros(1, np.bool_)
    a, b = (np.atleast_2d(part).astype(np.float64) for part in (first, second))
    if kind == "scores":
        difference = (abs(a - b) / np.maximum(1.0, abs(a))).max(axis=1)
        return difference <= _SPREAD, difference, np.zeros(len(a), np.bool_)
    if kind == "sigmoid":
        other = given_labels(sigmoid(np.atleast_2d(first))) != given_labels(sigmoid(np.atleast_2d(second)))
        return ~other.any(axis=1), abs(sigmoid(a) - sigmoid(b)).max(axis=1), (~other | (abs(a) <= _TIE)).all(axis=1)
    if kind == "spans":  # the places compete
        a, b = a.T, b.T
    mine, its = (part.argmax(axis=1) for part in (a, b))
    every = np.arange(len(a))
    return mine == its, abs(softmax(a) - softmax(b)).max(axis=1), a[every, mine] - a[every, its] <= _TIE


def _one_of_each(rows: Rows) -> NDArray[np.uint8]:
    """A mask that selects the token in the middle of each row."""
    selected = np.zeros(len(rows.ids), np.uint8)
    selected[(rows.offsets[:-1] + rows.offsets[1:]) // 2] = 1
    return selected


def _drawn(words: int, limit: int) -> Rows:
    lengths = np.minimum(np.arange(4, 4 + len(_SAMPLE)), limit)
    ids = (np.arange(1, lengths.sum() + 1) * 2654435761 // 128 % words).astype(np.int32)  # np.random takes 6 MB
    return Rows(ids, np.zeros(len(ids), np.uint8), offsets_of(lengths), 0)
