"""Labelled texts: the columns of a table, or columns by themselves, as `fit`, `tune` and `evaluate` take them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from deberta_c._columns.frames import column_of, table_of
from deberta_c._columns.texts import RowName, is_column, rows_of, texts_of, values_of
from deberta_c.training.labels import label_rows

By = str | Sequence[str] | Mapping[str, Iterable[Any]]


class Examples(NamedTuple):
    """Texts (N), or pairs of texts, with their labels as they are written, and the columns to slice them by."""

    texts: list[str]
    pairs: list[str] | None
    labels: list[Any]
    columns: dict[str, list[Any]]
    label_name: RowName  # what messages call the label of a row

    def as_validation(self) -> tuple[Any, ...]:
        """The rows as `fit` takes them for a validation set."""
        return (self.texts, self.labels) if self.pairs is None else (self.texts, self.pairs, self.labels)


def read_examples(
    data: Any,
    labels: Any,
    pair: str | Iterable[Any] | None = None,
    by: By = (),
    *,
    text: str = "text",
    label: str = "label",
    pair_argument: str = "text_pair",
    of: str = "",
) -> Examples:
    """The labelled texts of a table with the columns `text`, `label` and `pair`, or of a column of texts and `labels`.

    A table is a DataFrame of pandas or polars, a Table of pyarrow, another one with Arrow's C interface, a
    datasets.Dataset, a dict of columns, or a list of dicts. `labels` and `pair` may be columns by themselves. `by`
    names columns of the table, or is a dict of columns. Messages call the columns `of` something.

    Errors: ValueError and TypeError name the column or the row and the remedy.

    >>> read_examples({"text": ["a"], "label": ["x"], "day": [1]}, None, by="day").columns
    {'day': [1]}
    """
    table = table_of(data)
    where = f"{of}texts" if table is None else f"{of}column {text!r}"
    texts, _ = texts_of(data if table is None else column_of(table, text, "text", of), where)
    called = f"{of}labels"
    if labels is None:
        if table is None:
            raise ValueError(f"{called} is missing; give a label for each text, or a table with a column of labels")
        labels, called = column_of(table, label, "label", of), f"{of}column {label!r}"
    elif isinstance(labels, str) and table is not None:
        raise TypeError(f"{called} is {labels!r}, not a column of labels; give label={labels!r} to name one")
    rows = label_rows(labels, rows_of(called))
    seconds = None
    if pair is not None:
        named = not is_column(pair)
        values: Any = _column(table, pair, pair_argument, of) if named else pair
        seconds, _ = texts_of(values, f"{of}column {pair!r}" if named else f"{of}{pair_argument}")
    columns = _slicing_columns(table, by)
    for name, column in ((called, rows), (f"{of}{pair_argument}", seconds), *columns.items()):
        if column is not None and len(column) != len(texts):
            raise ValueError(f"{where} has {len(texts)} rows, but {name} {len(column)}; give columns of equal length")
    return Examples(texts, seconds, rows, columns, rows_of(called))


def _column(table: Any, name: Any, argument: str, of: str = "") -> Any:
    """A column of the table, if there is one."""
    if table is None:
        raise ValueError(
            f"{argument} is {name!r}, which names a column, but the {of}texts are a column without a table; give a "
            "table, or a column in place of its name"
        )
    return column_of(table, name, argument, of)


def _slicing_columns(table: Any, by: By) -> dict[str, list[Any]]:
    if isinstance(by, Mapping):
        return {str(name): values_of(column, f"by[{name!r}]") for name, column in by.items()}
    if not isinstance(by, Iterable):
        raise TypeError(f"by is {by!r}; give the name of a column, a list of names, or a dict of columns")
    names = [by] if isinstance(by, str) else list(by)
    return {name: values_of(_column(table, name, "by"), f"column {name!r}") for name in names}
