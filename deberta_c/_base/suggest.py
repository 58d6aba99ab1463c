"""Unknown keyword arguments: the error that names them, the nearest known name and what there is."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def unknown_option(function_name: str, given: Iterable[str], known: Iterable[str]) -> TypeError:
    """The error to raise for the names in `given` that are not in `known`, of which one at least must be there.

    >>> print(unknown_option("predict", ["bath_size"], ["batch_size", "truncation"]))
    predict has no option 'bath_size'; did you mean 'batch_size'? It takes batch_size and truncation
    """
    known = list(known)
    wrong = [name for name in given if name not in known]
    message = f"{function_name} has no option {', '.join(map(repr, wrong))}"
    near = [match for name in wrong for match in nearest(name, known)]
    if near:
        message += f"; did you mean {' and '.join(map(repr, dict.fromkeys(near)))}?"
    if known:
        message += f"{'' if near else ';'} {'It' if near else 'it'} takes {_listed(known)}"
    return TypeError(message)


def names_options(function_name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: a call with an unknown keyword argument raises `unknown_option`.

    >>> @names_options("double")
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> double(nunber=2)
    Traceback (most recent call last):
        ...
    TypeError: double has no option 'nunber'; did you mean 'number'? It takes number
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = dict.fromkeys(name for name in inspect.signature(function).parameters if name != "self")

        @wraps(function)
        def checked(*arguments: P.args, **options: P.kwargs) -> R:
            if not options.keys() <= known.keys():
                raise unknown_option(function_name, options, known)
            return function(*arguments, **options)

        return checked

    return decorate


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The known name that looks most like `name`, or has it in it, in a list; an empty one when none does.

    >>> nearest("Padding", ["padding", "stride"])
    ['padding']
    """
    folded = {known_name.casefold(): known_name for known_name in known}
    wanted = name.casefold()
    alike = get_close_matches(wanted, folded, n=1, cutoff=0.7)
    holding = [known_name for known_name in folded if len(wanted) > 3 and wanted in known_name]
    return [folded[match] for match in (alike or holding)[:1]]


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
