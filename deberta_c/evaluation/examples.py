"""Labels as the numbers that the scores of a model are compared with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._columns.texts import RowName, single_name
from deberta_c._models.losses import MULTIPLE, REGRESSION, SINGLE
from deberta_c.training.labels import in_order


def encode_targets(
    labels: list[Any], names: list[str], problem: str | None, row_name: RowName, model: str = "the model"
) -> tuple[str, NDArray[Any]]:
    """The problem type, and labels as the numbers that scores are compared with.

    Classes are int64 (N), independent labels bool (N, C), and values of a regression float64 (N, C). A label is one of
    the `names`, or its number. Without a `problem`, which a model with one score has, labels that are all 0 or 1 are
    independent labels, and other numbers are values. Messages call the model `model`.

    Errors: ValueError and TypeError name the first row with an unknown label.

    >>> from deberta_c._columns.texts import rows_of
    >>> encode_targets(["b", "a"], ["a", "b"], "single_label_classification", rows_of("labels"))
    ('single_label_classification', array([1, 0]))
    """
    labels = in_order(labels, names)
    if problem is None:
        problem = MULTIPLE if all(label in (0, 1) for label in labels) else REGRESSION
    if problem == REGRESSION:
        return problem, _values(labels, len(names), row_name, model)
    if problem == MULTIPLE:
        return problem, _independent(labels, names, row_name, model)
    if isinstance(labels[0], (list, tuple, set, frozenset)):
        raise ValueError(
            f"{row_name(0)} is {short(labels[0])}, but {model} has one label for each text; give one, or open the "
            'model with problem_type="multi_label_classification"'
        )
    numbers = _numbers(labels, names, row_name, model)
    return SINGLE, np.array(numbers, np.int64)


def _numbers(labels: list[Any], names: list[str], row_name: RowName, model: str) -> list[int]:
    """The number of each label, which are names of labels, or otherwise all of them numbers."""
    known = {name: number for number, name in enumerate(names) if names.count(name) == 1}
    found = [known.get(str(label), known.get(_whole(label))) for label in labels]
    if None not in found:
        return [number for number in found if number is not None]
    if all(_is_number_of(label, len(names)) for label in labels):
        return [int(label) for label in labels]
    unknown = [row for row, number in enumerate(found) if number is None]
    row = next((row for row in unknown if not _is_number_of(labels[row], len(names))), unknown[0])
    raise ValueError(
        f"{row_name(row)} is {short(labels[row])}, which is not a label of {model}; its labels are {short(names)}, "
        "or numbers from 0: rename yours, or set config.id2label of the model"
    )


def _whole(label: Any) -> str:
    """A label as `fit` names it: a float that is a whole number, as of a column with missing values, without ".0"."""
    return str(int(label) if isinstance(label, float) and label.is_integer() else label)


def _is_number_of(label: Any, count: int) -> bool:
    return isinstance(label, (int, float)) and 0 <= label < count and label == int(label)


def _independent(labels: list[Any], names: list[str], row_name: RowName, model: str) -> NDArray[np.bool_]:
    """Rows of a 0 or 1 for each label, or of names of labels."""
    rows = [list(row) if isinstance(row, (list, tuple, set, frozenset)) else [row] for row in labels]
    if all(len(row) == len(names) and set(row) <= {0, 1} for row in rows):
        return np.array(rows, np.bool_).reshape(len(rows), len(names))
    found = np.zeros((len(rows), len(names)), np.bool_)
    for place, row in enumerate(rows):
        numbers = _numbers(row, names, single_name(row_name(place)), model)
        if len(set(numbers)) < len(row) and not isinstance(row[0], str):
            raise ValueError(
                f"{row_name(place)} is {short(row)}, but {model} has {len(names)} labels; give a 0 or 1 for each of "
                "them, or a list of those that the row has"
            )
        found[place, numbers] = True
    return found


def _values(labels: list[Any], count: int, row_name: RowName, model: str) -> NDArray[np.float64]:
    for row, label in enumerate(labels):
        try:
            value = np.asarray(label, np.float64).ravel()
        except (TypeError, ValueError):
            raise TypeError(f"{row_name(row)} is {short(label)}; {model} predicts numbers, give one") from None
        if len(value) != count or not np.isfinite(value).all():
            raise ValueError(f"{row_name(row)} is {short(label)}; it must be {_counted(count)}")
    return np.array(labels, np.float64).reshape(len(labels), count)


def _counted(count: int) -> str:
    return "a finite number" if count == 1 else f"a list of {count} finite numbers"
