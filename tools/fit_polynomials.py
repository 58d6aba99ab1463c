# SPDX-License-Identifier: Apache-2.0
"""Prints the polynomials of csrc/kernels/elementary_inl.h: weighted minimax fits, found by Lawson's iteration.

    python -m tools.fit_polynomials        # needs NumPy and SciPy

exp_rest: (exp(r) - 1 - r) / r**2 on [-log(2) / 2, log(2) / 2].  log_normal_tail: log(Phi(-t)) on [0, 9], Phi the normal
distribution, weighted with max(t, 1) * Phi(-t), its size in GELU(t), and at least a minimum for the far tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray
from scipy.special import log_ndtr

Array = NDArray[np.float64]
HALF_LOG_2 = math.log(2.0) / 2


def minimax(
    function: Callable[[Array], Array], low: float, high: float, degree: int, weight: Callable[[Array], Array]
) -> tuple[Array, float]:
    """Coefficients (degree + 1), constant first, and the largest weighted error."""
    unit = np.cos(np.linspace(0.0, np.pi, 4001))
    x = (high - low) / 2 * unit + (high + low) / 2
    wanted, scale = function(x), weight(x)
    lawson = np.full_like(x, 1.0 / x.size)
    basis = chebyshev.chebvander(unit, degree)
    for _ in range(400):
        root = np.sqrt(lawson) * scale
        fit = np.linalg.lstsq(basis * root[:, None], wanted * root, rcond=None)[0]
        error = np.abs(basis @ fit - wanted) * scale
        lawson *= error / error.max() + 1e-9
        lawson /= lawson.sum()
    line = np.array([-(high + low) / (high - low), 2 / (high - low)])
    coefficients = np.zeros(1)
    for term in reversed(chebyshev.cheb2poly(fit)):
        coefficients = polynomial.polyadd(polynomial.polymul(coefficients, line), [term])
    return coefficients[: degree + 1], float(error.max())


def show(name: str, fit: tuple[Array, float]) -> None:
    coefficients, error = fit
    print(f"{name}: largest weighted error {error:.2g}")
    print("".join(f"    {value:.9e}f,\n" for value in coefficients))


def exp_rest(r: Array) -> Array:
    series = sum(r**n / math.factorial(n + 2) for n in range(16))
    return np.asarray(series)


def gelu_weight(t: Array) -> Array:
    return np.maximum(np.maximum(t, 1.0) * np.exp(log_ndtr(-t)), 1e-5)


show("exp_rest", minimax(exp_rest, -HALF_LOG_2, HALF_LOG_2, 4, lambda r: np.maximum(r * r, 1e-3)))
show("log_normal_tail", minimax(lambda t: log_ndtr(-t), 0.0, 9.0, 11, gelu_weight))
