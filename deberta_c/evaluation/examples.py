"""Labelled texts: the columns of a table, or columns by themselves, and labels as numbers of the model's labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._base.suggest import nearest
from deberta_c._columns.texts import RowName, rows_of, texts_of, values_of
from deberta_c._models.losses import MULTIPLE, REGRESSION, SINGLE
from deberta_c.training.labels import label_rows

By = str | Sequence[str] | Mapping[str, Iterable[Any]]


class Examples(NamedTuple):
    """Texts (N), or pairs of texts, with their labels as they are written, and the columns to slice them by."""

    texts: list[str]
    pairs: list[str] | None
    labels: list[Any]
    columns: dict[str, list[Any]]
    label_name: RowName  # what messages call the label of a row


def read_examples(data: Any, labels: Any, text: str, label: str, pair: str | Iterable[Any] | None, by: By) -> Examples:
    """The labelled texts of a table with the columns `text`, `label` and `pair`, or of a column of texts and `labels`.

    A table is a DataFrame of pandas or polars, a Table of pyarrow, a datasets.Dataset, a dict of columns, or a list of
    dicts. `labels` and `pair` may be columns by themselves. `by` names columns of the table, or is a dict of columns.

    Errors: ValueError and TypeError name the column or the row and the remedy.

    >>> read_examples({"text": ["a"], "label": ["x"], "day": [1]}, None, "text", "label", None, "day").columns
    {'day': [1]}
    """
    table = _Table.of(data)
    where = _place(table, text, "texts")
    texts, _ = texts_of(table.column(text, "text") if table else data, where)
    if labels is None:
        if table is None:
            raise ValueError("labels is missing; give a label for each text, or a table with a column of labels")
        labels, of = table.column(label, "label"), f"column {label!r}"
    else:
        of = "labels"
    rows = label_rows(labels, rows_of(of))
    seconds = None
    if pair is not None:
        values = _required(table, "pair").column(pair, "pair") if isinstance(pair, str) else pair
        seconds, _ = texts_of(values, f"column {pair!r}" if isinstance(pair, str) else "pair")
    columns = _slicing_columns(table, by)
    for name, column in ((of, rows), ("pair", seconds), *columns.items()):
        if column is not None and len(column) != len(texts):
            raise ValueError(f"{where} has {len(texts)} rows, but {name} {len(column)}; give columns of equal length")
    return Examples(texts, seconds, rows, columns, rows_of(of))


class _Table(NamedTuple):
    """A table of any kind, and the names of its columns."""

    data: Any
    names: list[str]

    @staticmethod
    def of(data: Any) -> "_Table | None":
        """The table that `data` is; None for a column."""
        if isinstance(data, Mapping):
            return _Table(data, list(data))
        if isinstance(data, (list, tuple)) and data and isinstance(data[0], Mapping):
            return _Table({name: [row.get(name) for row in data] for name in data[0]}, list(data[0]))
        if type(data).__name__ == "LazyFrame":
            raise TypeError("data is a LazyFrame, which holds no rows yet; give data.collect()")
        names = getattr(data, "column_names", getattr(data, "columns", None))
        return None if names is None else _Table(data, list(names))

    def column(self, name: str, argument: str) -> Any:
        """A column of the table; ValueError if it does not have it."""
        if name not in self.names:
            near = nearest(str(name), map(str, self.names))
            hint = f"; did you mean {near[0]!r}?" if near else f"; give {argument}="
            raise ValueError(f"data has no column {name!r}, it has {short(self.names)}{hint}")
        return self.data[name]


def _required(table: _Table | None, argument: str) -> _Table:
    if table is None:
        raise ValueError(
            f"{argument} names a column, but data is a column of texts; give a table, or {argument}=column"
        )
    return table


def _place(table: _Table | None, text: str, otherwise: str) -> str:
    return otherwise if table is None else f"column {text!r}"


def _slicing_columns(table: _Table | None, by: By) -> dict[str, list[Any]]:
    if isinstance(by, Mapping):
        return {str(name): values_of(column, f"by[{name!r}]") for name, column in by.items()}
    names = [by] if isinstance(by, str) else list(by)
    return {name: values_of(_required(table, "by").column(name, "by"), f"column {name!r}") for name in names}


def encode_targets(
    labels: list[Any], names: list[str], problem: str | None, row_name: RowName
) -> tuple[str, NDArray[Any]]:
    """The problem type, and labels as the numbers that scores are compared with.

    Classes are int64 (N), independent labels bool (N, C), and values of a regression float64 (N, C). A label is one of
    the `names`, or its number. Without a `problem`, which a model with one score has, labels that are all 0 or 1 are
    independent labels, and other numbers are values.

    Errors: ValueError and TypeError name the first row with an unknown label.

    >>> encode_targets(["b", "a"], ["a", "b"], "single_label_classification", rows_of("labels"))
    ('single_label_classification', array([1, 0]))
    """
    if problem is None:
        problem = MULTIPLE if all(label in (0, 1) for label in labels) else REGRESSION
    if problem == REGRESSION:
        return problem, _values(labels, len(names), row_name)
    if problem == MULTIPLE:
        return problem, _independent(labels, names, row_name)
    if isinstance(labels[0], (list, tuple, set, frozenset)):
        raise ValueError(
            f"{row_name(0)} is {short(labels[0])}, but the model has one label for each text; give one, or open the "
            'model with problem_type="multi_label_classification"'
        )
    numbers = _numbers(labels, names, row_name)
    return SINGLE, np.array(numbers, np.int64)


def _numbers(labels: list[Any], names: list[str], row_name: RowName) -> list[int]:
    """The number of each label, which are names of labels, or otherwise all of them numbers."""
    known = {name: number for number, name in enumerate(names)}
    found = [known.get(str(label)) for label in labels]
    if None not in found:
        return [number for number in found if number is not None]
    if all(_is_number_of(label, len(names)) for label in labels):
        return [int(label) for label in labels]
    row = found.index(None)
    raise ValueError(
        f"{row_name(row)} is {short(labels[row])}, which is not a label of the model; its labels are {short(names)}, "
        "or numbers from 0: rename yours, or set model.config.id2label"
    )


def _is_number_of(label: Any, count: int) -> bool:
    return isinstance(label, (int, float)) and 0 <= label < count and label == int(label)


def _independent(labels: list[Any], names: list[str], row_name: RowName) -> NDArray[np.bool_]:
    """Rows of a 0 or 1 for each label, or of names of labels."""
    rows = [list(row) if isinstance(row, (list, tuple, set, frozenset)) else [row] for row in labels]
    if all(len(row) == len(names) and set(row) <= {0, 1} for row in rows):
        return np.array(rows, np.bool_).reshape(len(rows), len(names))
    found = np.zeros((len(rows), len(names)), np.bool_)
    for place, row in enumerate(rows):
        numbers = _numbers(row, names, lambda _, place=place: row_name(place))  # type: ignore[misc]
        if len(set(numbers)) < len(row) and not isinstance(row[0], str):
            raise ValueError(
                f"{row_name(place)} is {short(row)}, but the model has {len(names)} labels; give a 0 or 1 for each of "
                "them, or a list of those that the row has"
            )
        found[place, numbers] = True
    return found


def _values(labels: list[Any], count: int, row_name: RowName) -> NDArray[np.float64]:
    for row, label in enumerate(labels):
        try:
            value = np.asarray(label, np.float64).ravel()
        except (TypeError, ValueError):
            raise TypeError(f"{row_name(row)} is {short(label)}; the model predicts numbers, give one") from None
        if len(value) != count or not np.isfinite(value).all():
            raise ValueError(f"{row_name(row)} is {short(label)}; it must be {_counted(count)}")
    return np.array(labels, np.float64).reshape(len(labels), count)


def _counted(count: int) -> str:
    return "a finite number" if count == 1 else f"a list of {count} finite numbers"
