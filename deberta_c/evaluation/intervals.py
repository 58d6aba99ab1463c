"""Intervals: by bootstrap (rows are drawn again and again, and a figure is computed of each draw), and of a share."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import is_integer

Floats = NDArray[np.float64]
_CELLS = 4 << 20  # counts that are held at once


def draws(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn, in parts (R, N) whose rows each sum to N.

    >>> [part.sum(axis=1).tolist() for part in draws(3, 2, seed=0)]
    [[3.0, 3.0]]
    """
    random = np.random.default_rng(seed)
    size = max(1, _CELLS // max(rows, 1))
    for begin in range(0, resamples, size):
        count = min(size, resamples - begin)
        yield np.stack([np.bincount(random.integers(0, rows, rows), minlength=rows) for _ in range(count)]).astype(
            np.float64
        )


def interval(values: Floats, confidence: float) -> tuple[float, float]:
    """The percentiles between which `confidence` of the figures of all draws are; NaN without any.

    Draws in which a figure is not defined (NaN) do not count.

    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def wilson(count: int, total: int, confidence: float) -> tuple[float, float]:
    """The interval of a share by Wilson (1927), which is not empty where the share is 0 or 1; NaN for a total of 0.

    >>> low, high = wilson(50, 100, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    if not total:
        return float("nan"), float("nan")
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), count / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    low, high = ((middle + sign * half) / (1 + z * z / total) for sign in (-1, 1))
    return (low if count else 0.0), (high if count < total else 1.0)


def check_bootstrap(resamples: int, confidence: float, seed: int) -> None:
    """ValueError for options that give no interval."""
    if not is_integer(resamples) or resamples < 0:
        raise ValueError(f"resamples is {resamples!r}; give the number of draws, such as 1000, or 0 for no intervals")
    check_confidence(confidence)
    if not is_integer(seed) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0")


def check_confidence(confidence: float) -> None:
    """ValueError unless it is the confidence of an interval."""
    if not is_number(confidence) or not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; it must be between 0 and 1, such as 0.95")


def is_number(value: object) -> bool:
    """Whether an option is a number, NumPy's among them."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
