"""Schedules of the learning rate: what it is multiplied by at each step, as transformers.optimization has them."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Real
from typing import Any

from deberta_c._base.errors import short
from deberta_c._base.suggest import nearest, unknown_option

Schedule = Callable[[int], float]


def schedule_of(
    name: str,
    *,
    warmup_steps: int = 0,
    training_steps: int,
    learning_rate: float = 5e-5,
    options: Mapping[str, Any] | None = None,
) -> Schedule:
    """The factor of the learning rate as a function of the number of updates that are done, from 0 on.

    `name` is a `lr_scheduler_type` of transformers; `options` are its `lr_scheduler_kwargs`: `num_cycles` for "cosine",
    "cosine_with_restarts" and "cosine_with_min_lr", `min_lr` or `min_lr_rate` for the last one, `power` and `lr_end`
    for "polynomial", `timescale` for "inverse_sqrt". In every schedule except "constant" the factor first rises from 0
    to 1 in `warmup_steps` steps.

    Errors: ValueError for an unknown name or an invalid value, TypeError for an unknown option, or a value that is not
    a number.

    >>> factor = schedule_of("linear", warmup_steps=2, training_steps=6)
    >>> [factor(step) for step in range(7)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if name not in _DECAYS:
        near = nearest(name, _DECAYS)
        hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {', '.join(map(repr, _DECAYS))}"
        raise ValueError(f"lr_scheduler_type is {name!r}; {hint}")
    decay, known = _DECAYS[name]
    given = dict(options or {})
    called = f"lr_scheduler_kwargs of {name!r}"
    if not known and given:
        raise TypeError(f"{called} is {short(given)}, but this schedule has no options; leave them out")
    if not given.keys() <= known.keys():
        raise unknown_option(called, given, known)
    for option, value in given.items():
        if value is None and known[option] is None:
            continue
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{option} in {called} is {value!r}; it must be a number")
        if not 0 <= float(value) < math.inf:
            raise ValueError(f"{option} in {called} is {value!r}; it must be a number of at least 0")
    made = decay(warmup_steps, training_steps, learning_rate, **{**known, **given})
    return partial(_warmed, 0 if name == "constant" else warmup_steps, made)


def _warmed(warmup: int, decay: Schedule, step: int) -> float:
    return step / max(1, warmup) if step < warmup else decay(step)


def _constant(warmup: int, total: int, rate: float) -> Schedule:
    return lambda step: 1.0


def _linear(warmup: int, total: int, rate: float) -> Schedule:
    return lambda step: max(0.0, (total - step) / max(1, total - warmup))


def _cosine(warmup: int, total: int, rate: float, num_cycles: float, least: float = 0.0) -> Schedule:
    def decay(step: int) -> float:
        progress = (step - warmup) / max(1, total - warmup)
        wave = 0.5 * (1.0 + math.cos(math.pi * num_cycles * 2.0 * progress))
        return max(0.0, wave * (1 - least) + least)

    return decay


def _restarting(warmup: int, total: int, rate: float, num_cycles: int) -> Schedule:
    def decay(step: int) -> float:
        progress = (step - warmup) / max(1, total - warmup)
        return 0.0 if progress >= 1 else 0.5 * (1.0 + math.cos(math.pi * (num_cycles * progress % 1.0)))

    return decay


def _cosine_to(
    warmup: int, total: int, rate: float, num_cycles: float, min_lr: float | None, min_lr_rate: float | None
) -> Schedule:
    if (min_lr is None) == (min_lr_rate is None):
        given = "neither" if min_lr is None else "both"
        raise ValueError(
            f"lr_scheduler_kwargs of 'cosine_with_min_lr' has {given} of min_lr and min_lr_rate; give one of them, "
            "such as {'min_lr_rate': 0.1}"
        )
    least = float(min_lr_rate or 0) if min_lr is None else min_lr / rate if rate else 0.0
    return _cosine(warmup, total, rate, num_cycles, least)


def _polynomial(warmup: int, total: int, rate: float, lr_end: float, power: float) -> Schedule:
    if lr_end >= rate:
        raise ValueError(
            f"lr_end in lr_scheduler_kwargs of 'polynomial' is {lr_end}; it must be below learning_rate, which is "
            f"{rate}"
        )

    def decay(step: int) -> float:
        if step > total:
            return lr_end / rate
        left = 1 - (step - warmup) / max(1, total - warmup)
        return float((rate - lr_end) * left**power + lr_end) / rate

    return decay


def _inverse_sqrt(warmup: int, total: int, rate: float, timescale: int | None) -> Schedule:
    scale = timescale or warmup or 10_000
    return lambda step: 1.0 / math.sqrt((step + scale - warmup) / scale)


# What makes each schedule, and the defaults of its options.
_DECAYS: dict[str, tuple[Callable[..., Schedule], dict[str, Any]]] = {
    "linear": (_linear, {}),
    "cosine": (_cosine, {"num_cycles": 0.5}),
    "cosine_with_restarts": (_restarting, {"num_cycles": 1}),
    "cosine_with_min_lr": (_cosine_to, {"num_cycles": 0.5, "min_lr": None, "min_lr_rate": None}),
    "polynomial": (_polynomial, {"lr_end": 1e-7, "power": 1.0}),
    "constant": (_constant, {}),
    "constant_with_warmup": (_constant, {}),
    "inverse_sqrt": (_inverse_sqrt, {"timescale": None}),
}
