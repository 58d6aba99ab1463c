"""Unknown keyword arguments: the error that names them, the nearest known name and what there is."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_option(function_name: str, given: Iterable[str], known: Iterable[str]) -> TypeError:
    """The error to raise for the names in `given` that are not in `known`, of which one at least must be there.

    >>> print(unknown_option("predict", ["bath_size"], ["batch_size", "truncation"]))
    predict has no option 'bath_size'; did you mean 'batch_size'? It takes batch_size and truncation
    """
    known = list(known)
    wrong = [name for name in given if name not in known]
    message = f"{function_name} has no option {', '.join(map(repr, wrong))}"
    near = [match for name in wrong for match in _nearest(name, known)]
    if near:
        message += f"; did you mean {' and '.join(map(repr, dict.fromkeys(near)))}?"
    if known:
        message += f"{'' if near else ';'} {'It' if near else 'it'} takes {_listed(known)}"
    return TypeError(message)


def _nearest(name: str, known: list[str]) -> list[str]:
    """The known name that looks most like `name`, or none."""
    folded = {known_name.casefold(): known_name for known_name in reversed(known)}
    return [folded[match] for match in get_close_matches(name.casefold(), folded, n=1, cutoff=0.7)]


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
