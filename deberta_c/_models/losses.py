"""The losses that a call with labels returns, and for training their gradients by the logits.

A loss is a mean in double precision, returned as a float32 scalar. The losses are those of transformers except for
padding: a masked token neither counts, whatever its label, nor competes in a span. In transformers it does, with the
logits that the network happens to give it, so that the loss depends on how a batch was padded. Both are the same when
the labels of masked tokens are -100 and, for spans, without padding.

A token or row labelled -100 does not count; where none counts, a cross entropy is NaN, as in transformers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.config import check_problem

Logits = NDArray[np.float32]
IGNORED = -100
REGRESSION, SINGLE, MULTIPLE = "regression", "single_label_classification", "multi_label_classification"
SOFT, REPLACED = "soft_labels", "replaced_tokens"  # problems that only the loss knows, not config.json
_BLOCK = 1 << 18  # logits that are converted to double precision at once


def classification_loss(logits: Logits, labels: Any, problem: str | None, *, infer: bool) -> np.float32:
    """The loss of logits (N, C) for a `problem_type`.

    None means regression with C = 1. Otherwise labels (N) are classes, and labels (N, C) depend on the family: with
    `infer`, as BERT has it, they are independent labels, otherwise probabilities of a soft cross entropy. Without
    `infer` a row with any negative class does not count, and the loss of no row is 0.
    """
    lenient = problem is None and not infer
    problem, values = _checked(problem, labels, logits.shape, infer=infer)
    if problem == SINGLE:
        return np.float32(0) if lenient and (values == IGNORED).all() else cross_entropy(logits, values)
    losses, _ = _FORMULAS[problem](logits, values)
    return _mean(losses.sum(axis=1) if problem == SOFT else losses)


def token_loss(logits: Logits, labels: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Cross entropy of logits (N, S, C) for labels (N, S); tokens that are not `valid` (N, S) are ignored."""
    classes = _classes("labels", _labels(labels), logits.shape[:2])
    if valid is not None:
        classes = np.where(valid, classes, IGNORED)
    return cross_entropy(logits.reshape(-1, logits.shape[2]), classes.ravel())


def chosen_loss(logits: Logits, labels: Any, chosen: NDArray[np.bool_]) -> np.float32:
    """Cross entropy of logits (K, C) of the K `chosen` tokens for labels (N, S); other tokens are ignored."""
    return cross_entropy(logits, _classes("labels", _labels(labels), chosen.shape)[chosen])


def replaced_loss(logits: Logits, labels: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Binary cross entropy of logits (N, S) for labels (N, S): 1 where a token was replaced, 0 where it was not."""
    values = _labels(labels)
    if values.shape != logits.shape:
        raise ValueError(f"labels has shape {values.shape}; it must be {logits.shape}")
    kept = values != IGNORED
    if valid is not None:
        kept = kept & valid
    _refuse_other(kept & (values != 0) & (values != 1), values, f"0, 1 or {IGNORED}")
    return _mean(_binary(logits[kept], values[kept])[0])


def choice_loss(logits: Logits, labels: Any, name: str = "labels") -> np.float32:
    """Cross entropy of logits (N, choices) for labels (N), which messages call by `name`."""
    return cross_entropy(logits, _classes(name, _labels(labels, name), logits.shape[:1]), name)


def span_loss(start: Logits, end: Logits, starts: Any, ends: Any, valid: NDArray[np.bool_] | None) -> np.float32:
    """Mean of the cross entropies of start and end logits (N, S) for positions (N).

    A position of S or more is ignored, a negative one means 0. Only the `valid` tokens of a row compete, so padding
    never affects the loss.
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
                raise ValueError(
                    f"{name}[{row}] is {places[row]}, a masked token of that row; give {width} to ignore the row"
                )
        losses.append(cross_entropy(scores[kept], places[kept]))
    return np.float32((np.float64(losses[0]) + np.float64(losses[1])) / 2)


def cross_entropy(logits: NDArray[Any], classes: NDArray[np.integer[Any]], name: str = "labels") -> np.float32:
    """Mean over the rows of logits (N, C) whose class (N) is not -100; nan without such a row.

    Messages call the classes by `name`.
    """
    rows = np.flatnonzero(classes != IGNORED)
    classes = classes[rows]
    _check_classes(classes, logits.shape[1], name)
    step = 1 + _BLOCK // max(logits.shape[1], 1)
    losses = np.empty(len(rows))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        scores = _log_softmax(logits[rows[part]])
        losses[part] = -scores[np.arange(len(scores)), classes[part]]
    return _mean(losses)


def loss_and_gradient(
    problem: str | None,
    logits: Logits,
    labels: Any,
    *,
    infer: bool = False,
    class_weights: Any = None,
    label_smoothing: float = 0.0,
    sample_weight: Any = None,
    divisor: float | None = None,
) -> tuple[np.float32, Logits]:
    """The loss of logits (N, C) and its gradient (N, C) by them.

    `problem` and `infer` are those of `classification_loss`; "soft_labels" is the cross entropy with probabilities
    (N, C), and "replaced_tokens" the binary one of logits (N, 1) with labels (N) of 0, 1 or -100. Rows labelled -100
    have no gradient. The formulas are those of torch: `class_weights` (C) and `label_smoothing` are `weight` and
    `label_smoothing` of a cross entropy, or `pos_weight` of a binary one; with `sample_weight` (N) a row counts as that
    many rows. `divisor` replaces the number that the mean divides by: that of a batch
    is the sum of `loss_divisor` over its parts, and the losses of the parts add up to the mean of the batch. Where
    nothing counts, the loss and the gradient are 0.

    Errors: TypeError and ValueError name the argument, its value and what it must be.

    >>> loss, gradient = loss_and_gradient("regression", np.array([[3.0]], np.float32), [1.0])
    >>> loss.item(), gradient.tolist()
    (4.0, [[4.0]])
    """
    targets = _targets(problem, labels, logits.shape, infer, class_weights, label_smoothing, sample_weight)
    return _weighted(*targets.formula(logits, targets.values), targets, divisor)


def loss_divisor(
    problem: str | None,
    labels: Any,
    num_labels: int,
    *,
    infer: bool = False,
    class_weights: Any = None,
    sample_weight: Any = None,
) -> float:
    """What the mean of `loss_and_gradient` divides by: the rows that count, or their weights; for squares and
    independent labels the numbers in these rows.

    >>> loss_divisor("single_label_classification", [2, -100, 0], 3)
    2.0
    """
    shape = len(labels), num_labels
    return _targets(problem, labels, shape, infer, class_weights, 0.0, sample_weight).divisor


def distillation_loss_and_gradient(
    problem: str | None,
    logits: Logits,
    labels: Any,
    teacher_logits: Any,
    *,
    temperature: float = 2.0,
    alpha: float = 0.5,
    infer: bool = False,
    label_smoothing: float = 0.0,
    sample_weight: Any = None,
    divisor: float | None = None,
) -> tuple[np.float32, Logits]:
    """The loss of logits (N, C) that follow those of a teacher, and its gradient (N, C).

    It is `alpha` times the loss of `loss_and_gradient`, plus `1 - alpha` times `temperature` squared times the
    Kullback-Leibler divergence of the probabilities of both logits over `temperature`, as in Hinton, Vinyals and Dean
    (2015). The probabilities are a softmax, for independent labels a sigmoid; for a regression the mean squared
    difference takes the place of the divergence. Rows labelled -100 do not count in either part. `labels` may be None
    with `alpha=0`.

    Errors: as `loss_and_gradient`; ValueError for a temperature, an alpha or a shape that is invalid.
    """
    teacher = np.asarray(teacher_logits, np.float64)
    if teacher.shape != logits.shape:
        raise ValueError(f"teacher_logits has shape {teacher.shape}; it must be {logits.shape}, that of the logits")
    if not np.isfinite(teacher).all():
        raise ValueError("teacher_logits holds NaN or infinity; it must hold finite numbers")
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature is {temperature}; it must be above 0, such as 2")
    _check_share("alpha", alpha)
    if labels is None:
        if alpha:
            raise ValueError(f"labels is None, but alpha is {alpha}; give labels, or alpha=0 for the teacher alone")
        problem, labels = _unlabelled(problem, logits.shape)
    targets = _targets(problem, labels, logits.shape, infer, None, label_smoothing, sample_weight)
    teacher /= temperature
    soft = _PROBABILITIES[targets.formula](teacher)
    losses, gradient = targets.formula(logits / np.float64(temperature), soft)
    losses -= targets.formula(teacher, soft)[0]
    hard_losses, hard_gradient = targets.formula(logits, targets.values)
    losses = alpha * hard_losses + (1 - alpha) * temperature**2 * losses
    return _weighted(losses, alpha * hard_gradient + (1 - alpha) * temperature * gradient, targets, divisor)


def span_loss_and_gradient(
    logits: Logits, offsets: NDArray[np.int64], start_positions: Any, end_positions: Any, *, divisor: Any = None
) -> tuple[np.float32, Logits]:
    """The loss of start and end logits (T, 2) of packed rows, with `offsets` (N + 1), and its gradient (T, 2).

    It is the mean of both cross entropies for positions (N) within the rows. A position at the end of its row or
    behind it does not count, a negative one is 0. `divisor` (2) replaces the numbers of rows that count; see
    `span_divisor`.

    >>> loss, gradient = span_loss_and_gradient(np.zeros((2, 2), np.float32), np.array([0, 2]), [0], [1])
    >>> gradient.tolist()
    [[-0.25, 0.25], [0.25, -0.25]]
    """
    tokens, kept = _answers(offsets, start_positions, end_positions)
    scale = kept * _inverse(kept.sum(axis=0) if divisor is None else divisor) / 2
    scores = _log_softmax_of_rows(logits, offsets)
    loss = -(np.take_along_axis(scores, tokens, axis=0) * scale).sum()
    gradient = np.exp(scores) * np.repeat(scale, np.diff(offsets), axis=0)
    for side in range(2):
        gradient[tokens[:, side], side] -= scale[:, side]
    return np.float32(loss), gradient.astype(np.float32)


def span_distillation_loss_and_gradient(
    logits: Logits,
    offsets: NDArray[np.int64],
    start_positions: Any,
    end_positions: Any,
    teacher_logits: Any,
    *,
    temperature: float = 2.0,
    alpha: float = 0.5,
    divisor: Any = None,
) -> tuple[np.float32, Logits]:
    """The loss of start and end logits (T, 2) that follow those of a teacher (T, 2), and its gradient (T, 2).

    It is `alpha` times that of `span_loss_and_gradient`, plus `1 - alpha` times `temperature` squared times the mean of
    both divergences, of the start and of the end, over the tokens of each row. A position that does not count in the
    former does not count in the latter.

    >>> logits = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    >>> span_distillation_loss_and_gradient(logits, np.array([0, 2]), [0], [1], logits, alpha=0.0)[0].item()
    0.0
    """
    _, kept = _answers(offsets, start_positions, end_positions)
    scale = kept * _inverse(kept.sum(axis=0) if divisor is None else divisor) / 2
    teacher = _log_softmax_of_rows(np.asarray(teacher_logits, np.float64) / temperature, offsets)
    scores = _log_softmax_of_rows(logits / np.float64(temperature), offsets)
    soft = np.exp(teacher)
    divergence = (np.add.reduceat(soft * (teacher - scores), offsets[:-1]) * scale).sum()
    slope = (np.exp(scores) - soft) * np.repeat(scale, np.diff(offsets), axis=0)
    hard, gradient = span_loss_and_gradient(logits, offsets, start_positions, end_positions, divisor=divisor)
    loss = alpha * hard + (1 - alpha) * temperature**2 * divergence
    return np.float32(loss), (alpha * gradient + (1 - alpha) * temperature * slope).astype(np.float32)


def span_divisor(offsets: NDArray[np.int64], start_positions: Any, end_positions: Any) -> NDArray[np.float64]:
    """What both means of `span_loss_and_gradient` divide by, an array (2): the rows whose position counts.

    >>> span_divisor(np.array([0, 2, 5]), [0, 9], [1, 2]).tolist()
    [1.0, 2.0]
    """
    _, kept = _answers(offsets, start_positions, end_positions)
    counts: NDArray[np.float64] = kept.sum(axis=0, dtype=np.float64)
    return counts


class _Targets(NamedTuple):
    """Labels made ready for a loss of logits (N, C)."""

    formula: "_Formula"
    values: NDArray[np.float64]  # (N, C)
    weights: NDArray[np.float64]  # (N): 0 for rows that do not count
    divisor: float


_Formula = Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[np.float64], NDArray[np.float64]]]


def _squared(logits: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squares of the differences, and their gradient, each of the logits' shape."""
    difference = logits.astype(np.float64) - targets
    return np.square(difference), 2 * difference


def _binary(
    logits: NDArray[Any], targets: NDArray[Any], positive: Any = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Binary cross entropies without overflow at either end, and their gradient; `positive` weighs the targets."""
    x = logits.astype(np.float64)
    slope = 1 + (positive - 1) * targets
    losses = (1 - targets) * x + slope * (np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))))
    return losses, 1 - targets - slope * _sigmoid(-x)


def _entropy(logits: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each class (N, C) adds to the cross entropy of its row, and the gradient of the row's sum."""
    scores = _log_softmax(logits)
    return -targets * scores, np.exp(scores) * targets.sum(axis=1, keepdims=True) - targets


_FORMULAS: dict[str, _Formula] = {
    REGRESSION: _squared, MULTIPLE: _binary, REPLACED: _binary, SINGLE: _entropy, SOFT: _entropy
}  # fmt: skip
_PROBABILITIES: dict[_Formula, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    _squared: lambda logits: logits,
    _binary: lambda logits: _sigmoid(logits),
    _entropy: lambda logits: np.exp(_log_softmax(logits)),
}


def _weighted(
    losses: NDArray[np.float64], gradient: NDArray[np.float64], targets: _Targets, divisor: float | None
) -> tuple[np.float32, Logits]:
    """The weighted mean of losses (N, C) and its gradient."""
    scale = targets.weights * _inverse(targets.divisor if divisor is None else divisor)
    loss = scale @ losses.sum(axis=1)
    return np.float32(loss), (gradient * scale[:, None]).astype(np.float32)


def _targets(
    problem: str | None,
    labels: Any,
    shape: tuple[int, ...],
    infer: bool,
    class_weights: Any,
    label_smoothing: float,
    sample_weight: Any,
) -> _Targets:
    """Labels for logits of a shape (N, C), checked, smoothed and weighted."""
    rows, classes = shape
    problem, values = _checked(problem, labels, shape, infer=infer)
    _check_numbers(problem, values)
    weights = weights_of("sample_weight", sample_weight, rows)
    scale = weights_of("class_weights", class_weights, classes)
    _check_share("label_smoothing", label_smoothing)
    formula = _FORMULAS[problem]
    if label_smoothing and formula is not _entropy:
        raise ValueError(
            f"label_smoothing is {label_smoothing}, but labels of {problem} are not smoothed; leave it out"
        )
    if class_weights is not None and formula is _squared:
        raise ValueError("class_weights is given, but a regression has no classes; leave it out")
    if problem in (SINGLE, REPLACED):
        weights = weights * (values.reshape(rows) != IGNORED)
    if formula is not _entropy:
        weighed = formula if class_weights is None else partial(_binary, positive=scale)
        return _Targets(weighed, values, weights, float(weights.sum() * classes))
    divisor = weights.sum()
    if problem == SINGLE:
        values = _one_hot(values, classes)
        divisor = weights @ (values @ scale)
    smoothed = (1 - label_smoothing) * values + label_smoothing / classes
    return _Targets(formula, smoothed * scale, weights, float(divisor))


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Labels (N) as rows (N, C) of zeros with a 1; without one for a label that does not count."""
    rows = np.flatnonzero(labels != IGNORED)
    _check_classes(labels[rows], classes)
    values = np.zeros((len(labels), classes))
    values[rows, labels[rows]] = 1
    return values


def _checked(problem: str | None, labels: Any, shape: tuple[int, ...], *, infer: bool) -> tuple[str, NDArray[Any]]:
    """What labels for logits of a shape (N, C) mean, and their values: classes (N), otherwise float64 (N, C)."""
    if problem not in _FORMULAS:
        check_problem(problem)
    values = _labels(labels)
    found = problem or _guessed(values, shape, infer)
    if found == SINGLE:
        if problem is not None or infer:
            return found, _classes("labels", values, shape[:1])
        whole = values.dtype.kind == "f" and (values % 1 == 0).all()  # which DeBERTa takes in transformers
        classes = _classes("labels", values.astype(np.int64) if whole else values, shape[:1])
        return found, np.where(classes < 0, IGNORED, classes)
    values = _like("labels", values, shape)
    if found == REPLACED:
        _refuse_other(np.isin(values, (0, 1, IGNORED), invert=True), values, f"0, 1 or {IGNORED}")
    return found, values


def _guessed(values: NDArray[Any], shape: tuple[int, ...], infer: bool) -> str:
    """The problem of labels without a `problem_type`."""
    rows, classes = shape
    if classes == 1:
        return REGRESSION
    if values.size == rows or (infer and values.dtype.kind in "iub"):
        return SINGLE
    if values.shape != shape:
        raise ValueError(
            f"labels has shape {values.shape}; it must be ({rows},), a class from 0 to {classes - 1} for each row, or "
            f"{shape}, a number for each class"
        )
    return MULTIPLE if infer else SOFT


def _unlabelled(problem: str | None, shape: tuple[int, ...]) -> tuple[str, NDArray[np.float64]]:
    """A problem and labels of zeros for rows that a teacher alone labels."""
    if problem is None:
        problem = REGRESSION if shape[1] == 1 else SOFT
    return SOFT if problem == SINGLE else problem, np.zeros(shape)


def _answers(offsets: NDArray[np.int64], starts: Any, ends: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The tokens (N, 2) where answers begin and end among those of all rows, and which of them count."""
    lengths = np.diff(offsets)
    named = (("start_positions", starts), ("end_positions", ends))
    places = [_classes(name, _labels(positions, name), lengths.shape) for name, positions in named]
    inside = np.clip(np.stack(places, axis=1), 0, lengths[:, None])
    return offsets[:-1, None] + np.minimum(inside, lengths[:, None] - 1), inside < lengths[:, None]


def weights_of(name: str, given: Any, count: int) -> NDArray[np.float64]:
    """Weights (count) as numbers, ones for None."""
    if given is None:
        return np.ones(count)
    weights = np.asarray(given, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"{name} has shape {weights.shape}; it must be ({count},)")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(f"{name}[{place}] is {weights[place]}; it must be a finite number of at least 0")
    return weights


def _check_classes(classes: NDArray[np.integer[Any]], count: int, name: str = "labels") -> None:
    """Raises ValueError when one of the labels that count is not a class."""
    wrong = (classes < 0) | (classes >= count)
    if wrong.any():
        raise ValueError(
            f"{name} has a class {classes[wrong][0]}; it must be at least 0 and below {count}, "
            f"or {IGNORED} to ignore it"
        )


def _check_numbers(problem: str, values: NDArray[Any]) -> None:
    """Raises ValueError when a label to learn from is not a number, a chance or a share."""
    if problem == REGRESSION:
        _refuse_other(~np.isfinite(values), values, "a finite number")
    elif problem == SOFT:
        _refuse_other(~(np.isfinite(values) & (values >= 0)), values, "a probability")
    elif problem == MULTIPLE:
        _refuse_other(~((values >= 0) & (values <= 1)), values, "at least 0 and at most 1")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must be at least 0 and at most 1")


def _refuse_other(wrong: NDArray[np.bool_], values: NDArray[Any], remedy: str) -> None:
    """Raises ValueError that names the first label which is `wrong`."""
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"labels{place} is {values[tuple(place)]:g}; it must be {remedy}")


def _labels(labels: Any, name: str = "labels") -> NDArray[Any]:
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{name} has rows of different lengths; pad them with {IGNORED}") from error
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {values.dtype}; it must hold numbers")
    return values


def _classes(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Labels as integer classes of a shape; a last axis of length 1 is dropped."""
    if values.shape == (*shape, 1):
        values = values[..., 0]
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}; it must be {shape}")
    if values.dtype.kind == "f" and values.size:
        raise TypeError(f"{name} has dtype {values.dtype}; it must hold integers")
    return values.astype(np.int64)


def _like(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Labels as numbers in the shape of the logits (N, C); (N) is accepted for C = 1."""
    rows, classes = shape
    if values.shape != shape and not (classes == 1 and values.shape == (rows,)):
        raise ValueError(f"{name} has shape {values.shape}; it must be {shape}")
    return values.astype(np.float64).reshape(shape)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def _log_softmax_of_rows(logits: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """That of logits (T, 2) over the tokens of each row, column by column."""
    lengths = np.diff(offsets)
    scores = logits.astype(np.float64)
    scores -= np.repeat(np.maximum.reduceat(scores, offsets[:-1]), lengths, axis=0)
    scores -= np.repeat(np.log(np.add.reduceat(np.exp(scores), offsets[:-1])), lengths, axis=0)
    return scores


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def _inverse(divisor: Any) -> Any:
    """1 over a divisor, or over each of several; 0 for 0, where nothing counts."""
    divisor = np.asarray(divisor, np.float64)
    return np.divide(1, divisor, out=np.zeros_like(divisor), where=divisor > 0)


def _mean(values: NDArray[np.float64]) -> np.float32:
    return np.float32(values.mean()) if values.size else np.float32(np.nan)
