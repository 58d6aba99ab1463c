"""The losses that a call with labels returns: means in double precision, as float32 scalars.

They are those of transformers' models but for padding: here a masked token neither counts, whatever its label, nor
competes in a span; there it does, with the logits that the network happens to give it, so that the loss depends on how
a batch was padded. Both are the same when the labels of masked tokens are -100 and, for spans, without padding.

A token or row labelled -100 does not count; where none counts, a cross entropy is nan, as there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.config import check_problem

Logits = NDArray[np.float32]
IGNORED = -100
_BLOCK = 1 << 18  # logits that are copied in double precision at once


def classification_loss(logits: Logits, labels: Any, problem: str | None, *, infer: bool) -> np.float32:
    """Of logits (N, C) for a `problem_type`.

    None means regression with C = 1. Otherwise DeBERTa and BERT differ, who has `infer`: labels (N) are classes for
    both, but for DeBERTa a row with any negative label does not count, and 0 is the loss of no row; labels (N, C) are
    probabilities of a soft cross entropy for DeBERTa, and of independent labels for BERT.
    """
    check_problem(problem)
    rows, classes = logits.shape
    values = _labels(labels)
    if problem == "regression" or (problem is None and classes == 1):
        return _mean(np.square(logits.astype(np.float64) - _like("labels", values, logits)))
    if problem == "multi_label_classification":
        return _binary(logits, _like("labels", values, logits))
    whole = values.dtype.kind in "iub"
    if problem == "single_label_classification" or (infer and whole) or values.size == rows:
        flat = _classes("labels", values, (rows,))
        if problem is None and not infer:
            kept = flat >= 0
            return cross_entropy(logits[kept], flat[kept]) if kept.any() else np.float32(0)
        return cross_entropy(logits, flat)
    if values.shape != logits.shape:
        raise ValueError(
            f"labels has shape {values.shape}; it must be ({rows},), a class from 0 to {classes - 1} for each row, or "
            f"{logits.shape}, a number for each class"
        )
    targets = values.astype(np.float64)
    if infer:
        return _binary(logits, targets)
    return _mean(-(targets * _log_softmax(logits)).sum(axis=1))


def token_loss(logits: Logits, labels: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Cross entropy of logits (N, S, C) for labels (N, S); tokens that are not `valid` (N, S) do not count."""
    classes = _classes("labels", _labels(labels), logits.shape[:2])
    if valid is not None:
        classes = np.where(valid, classes, IGNORED)
    return cross_entropy(logits.reshape(-1, logits.shape[2]), classes.ravel())


def chosen_loss(logits: Logits, labels: Any, chosen: NDArray[np.bool_]) -> np.float32:
    """Cross entropy of logits (K, C) of the K `chosen` tokens for labels (N, S); what is not chosen does not count."""
    return cross_entropy(logits, _classes("labels", _labels(labels), chosen.shape)[chosen])


def replaced_loss(logits: Logits, labels: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Binary cross entropy of logits (N, S) for labels (N, S): 1 where a token was replaced, 0 where it was not."""
    values = _labels(labels)
    if values.shape != logits.shape:
        raise ValueError(f"labels has shape {values.shape}; it must be {logits.shape}")
    kept = values != IGNORED
    if valid is not None:
        kept = kept & valid
    wrong = kept & (values != 0) & (values != 1)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise ValueError(f"labels{list(place)} is {values[place]}; it must be 0, 1 or {IGNORED}")
    return _binary(logits[kept], values[kept])


def choice_loss(logits: Logits, labels: Any, name: str = "labels") -> np.float32:
    """Cross entropy of logits (N, choices) for labels (N), which messages call by `name`."""
    return cross_entropy(logits, _classes(name, _labels(labels, name), logits.shape[:1]), name)


def span_loss(start: Logits, end: Logits, starts: Any, ends: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Mean of the cross entropies of start and end logits (N, S) for positions (N).

    A position of S or more does not count, a negative one is 0. Among the tokens of a row only the `valid` ones
    compete, so that padding does not change the loss.
    """
    losses = []
    for name, logits, positions in (("start_positions", start, starts), ("end_positions", end, ends)):
        rows, width = logits.shape
        places = np.clip(_classes(name, _labels(positions, name), (rows,)), 0, width)
        kept = places < width
        scores = logits.astype(np.float64)
        if valid is not None:
            scores[~valid] = -np.inf
            masked = kept & ~valid[np.arange(rows), np.minimum(places, width - 1)]
            if masked.any():
                row = int(masked.argmax())
                raise ValueError(f"{name}[{row}] is {places[row]}, a masked token of that row; {width} leaves it out")
        losses.append(cross_entropy(scores[kept], places[kept]))
    return np.float32((np.float64(losses[0]) + np.float64(losses[1])) / 2)


def cross_entropy(logits: NDArray[Any], classes: NDArray[np.integer[Any]], name: str = "labels") -> np.float32:
    """Mean over rows of logits (N, C) with a class (N) other than -100; nan when there is none. Messages call the
    classes by `name`."""
    rows = np.flatnonzero(classes != IGNORED)
    classes = classes[rows]
    wrong = (classes < 0) | (classes >= logits.shape[1])
    if wrong.any():
        raise ValueError(
            f"{name} has a class {classes[wrong][0]}; it must be at least 0 and below {logits.shape[1]}, "
            f"or {IGNORED} for what does not count"
        )
    step = 1 + _BLOCK // max(logits.shape[1], 1)
    losses = np.empty(len(rows))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        scores = _log_softmax(logits[rows[part]])
        losses[part] = -scores[np.arange(len(scores)), classes[part]]
    return _mean(losses)


def _labels(labels: Any, name: str = "labels") -> NDArray[Any]:
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{name} has rows of different lengths; pad them with {IGNORED}") from error
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {values.dtype}; it must hold numbers")
    return values


def _classes(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Labels as classes of the given shape, a last axis of 1 left out."""
    if values.shape == (*shape, 1):
        values = values[..., 0]
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}; it must be {shape}")
    if values.dtype.kind == "f" and values.size:
        raise TypeError(f"{name} has dtype {values.dtype}; it must hold integers")
    return values.astype(np.int64)


def _like(name: str, values: NDArray[Any], logits: Logits) -> NDArray[np.float64]:
    """Labels as numbers of the logits' shape (N, C), for C = 1 also (N)."""
    rows, classes = logits.shape
    if values.shape != logits.shape and not (classes == 1 and values.shape == (rows,)):
        raise ValueError(f"{name} has shape {values.shape}; it must be {logits.shape}")
    return values.astype(np.float64).reshape(logits.shape)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def _binary(logits: Logits, targets: NDArray[Any]) -> np.float32:
    """Mean binary cross entropy, without overflow at either end."""
    x = logits.astype(np.float64)
    return _mean(np.maximum(x, 0) - x * targets + np.log1p(np.exp(-np.abs(x))))


def _mean(values: NDArray[np.float64]) -> np.float32:
    return np.float32(values.mean()) if values.size else np.float32(np.nan)
