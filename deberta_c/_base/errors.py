"""Categories of warnings, so that a program can silence one or turn it into an error; and what messages say."""

import os
import sys
import warnings
from pathlib import Path
from reprlib import Repr
from types import FrameType
from typing import Any

_HERE = str(Path(__file__).parents[1]) + os.sep  # of the package
_REMEDIES = {
    "libgomp.so.1": "it needs the OpenMP runtime: `apt install libgomp1` (Fedora: `dnf install libgomp`)",
    "cannot import name '_core'": "deberta_c._core is not built in this folder: run `pip install -e .` in the "
    "checkout, or leave the folder to use an installed deberta_c",
}


class TruncationWarning(UserWarning):
    """Texts lost tokens to a length limit that the caller did not choose.

    Source: tokenizer calls and `predict` with truncation on and no `max_length`. Attribute `count`: rows
    cut; in `predict` the number of different texts, because each text is computed once.

    >>> TruncationWarning("2 rows were cut", count=2).count
    2
    """

    def __init__(self, message: str, count: int = 0) -> None:
        super().__init__(message)
        self.count = count


class MissingHeadWarning(UserWarning):
    """A checkpoint lacks tensors of the head; attribute `tensors` holds their names.

    >>> MissingHeadWarning("no head", tensors=("classifier.weight",)).tensors
    ('classifier.weight',)
    """

    def __init__(self, message: str, tensors: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.tensors = tensors


class UnexpectedWeightsWarning(UserWarning):
    """A checkpoint contains tensors that the model does not use; attribute `tensors` holds their names in the file.

    >>> UnexpectedWeightsWarning("not used", tensors=("mask_predictions.dense.weight",)).tensors
    ('mask_predictions.dense.weight',)
    """

    def __init__(self, message: str, tensors: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.tensors = tensors


class UntiedWeightsWarning(UserWarning):
    """A checkpoint stores a decoder that differs from the word table to which config.json ties it.

    The model uses both as they are stored; attribute `tensors` holds the names of the decoder's.

    >>> UntiedWeightsWarning("untied", tensors=("cls.predictions.decoder.weight",)).tensors
    ('cls.predictions.decoder.weight',)
    """

    def __init__(self, message: str, tensors: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.tensors = tensors


class PrecisionWarning(UserWarning):
    """The results of a network in bfloat16 or int8 differ too much from those in float32; attribute `dtype` names it.

    Or the CPU does not multiply bfloat16: the results are right, but only weights are in that type.

    >>> PrecisionWarning("labels differ", dtype="int8").dtype
    'int8'
    """

    def __init__(self, message: str, dtype: str = "") -> None:
        super().__init__(message)
        self.dtype = dtype


def warn_caller(warning: Warning) -> None:
    """Issues a warning that points to the line which called the package, however deep this is called.

    Where scikit-learn calls the package, it is the line that called scikit-learn, and one call of it, such as the `fit`
    of a GridSearchCV, issues a warning of the same text once.
    """
    level, frame, search = 1, sys._getframe(), None
    while frame.f_back is not None and _is_between(frame):
        search = frame if _library(frame) == "sklearn" else search
        level, frame = level + 1, frame.f_back
    # A frame keeps a name that its code does not use until the call ends. The filters of Python cannot do this:
    # catch_warnings, which scikit-learn enters for each model, makes them forget what was shown.
    issued = set() if search is None else search.f_locals.setdefault("__issued_by_deberta_c__", set())
    if (type(warning), str(warning)) not in issued:
        warnings.warn(warning, stacklevel=level)
        issued.add((type(warning), str(warning)))


def _is_between(frame: FrameType) -> bool:
    """Whether a frame is one of the package, or of a library that calls it for a user."""
    return frame.f_code.co_filename.startswith(_HERE) or _library(frame) in ("sklearn", "joblib")


def _library(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def import_error(error: ImportError) -> ImportError:
    """The error to raise when the core cannot be imported, with the remedy where one is known.

    >>> print(import_error(ImportError("libgomp.so.1: cannot open shared object file")))
    deberta_c cannot start: it needs the OpenMP runtime: `apt install libgomp1` (Fedora: `dnf install libgomp`)
    """
    for symptom, remedy in _REMEDIES.items():
        if symptom in str(error):
            return ImportError(f"deberta_c cannot start: {remedy}")
    return ImportError(f"deberta_c cannot start: {error}")


def describe(value: Any) -> str:
    """A value in a message, cut short; containers by their type alone, because they may be endless."""
    shown = repr(value) if value is None or isinstance(value, (bool, int, float, str)) else f"a {type(value).__name__}"
    return shown if len(shown) <= 80 else shown[:80] + "..."


_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlevel, _short.maxlist, _short.maxtuple, _short.maxdict, _short.maxset = 2, 8, 8, 8, 8


def short(value: Any) -> str:
    """A value of JSON in a message: long strings and containers are cut.

    >>> short({"a": [1, 2]}), short([1] * 100)
    ("{'a': [1, 2]}", '[1, 1, 1, 1, 1, 1, 1, 1, ...]')
    """
    shown = _short.repr(value)
    return shown if len(shown) <= 200 else shown[:200] + "..."


def describe_all(values: Any) -> str:
    """What a message shows of a list or tuple: its first values."""
    if not isinstance(values, (tuple, list)):
        return describe(values)
    shown = [describe(value) for value in values[:8]]
    return f"({', '.join(shown)}{', ...' if len(values) > 8 else ''})"
