"""Tables of pandas, polars and Arrow, dicts of columns, and rows: a column out of one, and new columns beside them."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short
from deberta_c._base.suggest import nearest
from deberta_c._columns.texts import distinct, file_hint


class Labels(NamedTuple):
    """A categorical column: for each row the number (N) of its label, -1 for none."""

    codes: NDArray[np.int32]
    names: list[str]


NewColumns = Mapping[str, Labels | NDArray[np.float32] | list[Any]]  # NaN and None are missing values

_CLASSES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch", "RecordBatchReader", "ChunkedArray", "Array"),
}


def as_frame(frame: Any) -> Any:
    """A table or column of pandas, polars or pyarrow, a dict of columns, or a list of dicts, as it is; another table
    that has Arrow's C interface as one of pyarrow. A list of dicts has one for each row.

    Errors: TypeError for anything else; ImportError when pyarrow is needed and missing.
    """
    if _library(frame):
        return frame
    if not hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "__arrow_c_array__"):
        lazy = "; call .collect() first, or frame.deberta.classify(model) after `import deberta_c.polars`"
        hint = file_hint(frame)
        more = lazy if type(frame).__name__ == "LazyFrame" else f"; {hint}" if hint else ""
        raise TypeError(
            f"frame is of type {type(frame).__name__}; give a table of pandas, polars or pyarrow, of another "
            f"library that has Arrow's C interface, a dict of columns, or a list of dicts{more}"
        )
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError(f"a {type(frame).__name__} is read by pyarrow; run: pip install pyarrow") from error
    return pa.table(frame)


def is_table(frame: Any) -> bool:
    """Whether the result of `as_frame` is a table; otherwise it is a column."""
    return _library(frame) in ("dict", "rows") or len(getattr(frame, "shape", ())) == 2


def is_reader(frame: Any) -> bool:
    """Whether the result of `as_frame` is a RecordBatchReader of pyarrow, a stream of tables."""
    return hasattr(frame, "read_next_batch")


def scored_stream(reader: Any, score: Callable[[Any], Any]) -> Any:
    """A stream of the results of `score` for the batches of another stream, each computed when it is read."""
    import pyarrow as pa

    schema = score(pa.RecordBatch.from_pylist([], schema=reader.schema)).schema
    return pa.RecordBatchReader.from_batches(schema, map(score, reader))


def table_of(data: Any) -> Any:
    """The table that `data` is, which `column_of` reads; None for a column.

    A table is one of `as_frame`, a datasets.Dataset, or a list of dicts, one for each row.

    Errors: TypeError for a LazyFrame.

    >>> table_of([{"a": 1}, {"a": 2}]), table_of(["a"])
    ([{'a': 1}, {'a': 2}], None)
    """
    foreign = not _library(data) and hasattr(data, "__arrow_c_stream__")
    table: Any = as_frame(data) if foreign or type(data).__name__ == "LazyFrame" else data
    if is_reader(table):
        return table.read_all()
    named = is_table(table) if _library(table) else hasattr(table, "column_names") or hasattr(table, "columns")
    return table if named else None


def column_of(table: Any, name: str, argument: str, of: str = "") -> Any:
    """The column of this name, which `argument` gave; messages call the table `of` something.

    Errors: ValueError lists the columns that there are, or says that several have this name; TypeError for a column in
    place of a name.
    """
    if not _is_hashable(name):
        raise TypeError(f"{argument} is a {type(name).__name__}; give the name of a column of the {of}table")
    names = _names(table)
    if name not in names:
        near = nearest(str(name), map(str, names))
        hint = f"did you mean {near[0]!r}?" if near else f"give {argument}= the name of one"
        raise ValueError(f"the {of}table has no column {name!r}, it has {short(names)}; {hint}")
    if names.count(name) > 1:
        raise ValueError(f"the {of}table has {names.count(name)} columns {name!r}; drop or rename all but one")
    library = _library(table)
    if library == "rows":
        return [row.get(name) for row in table]
    return table.column(name) if library == "pyarrow" else table[name]


def require_new(frame: Any, new: NewColumns) -> None:
    """Raises ValueError for a new column whose name the table has already."""
    names = _names(frame) if is_table(frame) else []
    if taken := [name for name in new if name in names]:
        raise ValueError(f'frame has a column {taken[0]!r} already; give a prefix, such as prefix="predicted_"')


def with_columns(frame: Any, new: NewColumns) -> Any:
    """The table with new columns at its end, which shares the others; for a column, a table of the new ones alone.

    >>> import pandas as pd
    >>> with_columns(pd.DataFrame({"a": [1]}, index=[7]), {"b": Labels(np.array([0]), ["x"])}).to_dict()
    {'a': {7: 1}, 'b': {7: 'x'}}
    """
    made = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow, "dict": _dict, "rows": _rows}
    return made[_library(frame)](frame, new)


def _library(frame: object) -> str:
    """The library of a table or a column, "dict" for a dict of columns, "rows" for a list of dicts, "" for another.

    Nothing is imported. Errors: TypeError for a row that is not a dict.
    """
    if isinstance(frame, Mapping):
        return "dict"
    if isinstance(frame, (list, tuple)) and frame and isinstance(frame[0], Mapping):
        for number, row in enumerate(frame):
            if not isinstance(row, Mapping):
                raise TypeError(f"row {number} of the table is {short(row)} of type {type(row).__name__}; give a dict")
        return "rows"
    for library, names in _CLASSES.items():
        module = sys.modules.get(library)
        if module is not None and isinstance(frame, tuple(getattr(module, name) for name in names)):
            return library
    return ""


def _is_hashable(value: object) -> bool:
    """Whether a value can be the name of a column; lists, arrays and Series cannot."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _names(frame: Any) -> list[Any]:
    library = _library(frame)
    if library == "dict":
        return list(frame)
    if library == "rows":
        return list(dict.fromkeys(name for row in frame for name in row))
    if library == "pyarrow":
        return list(frame.schema.names)
    return list(frame.columns if library else getattr(frame, "column_names", None) or frame.columns)


def _dict(frame: Mapping[Any, Any], new: NewColumns) -> dict[Any, Any]:
    made = {
        name: [column.names[code] if code >= 0 else None for code in column.codes.tolist()]
        if isinstance(column, Labels)
        else column
        for name, column in new.items()
    }
    return {**frame, **made}


def _rows(frame: Sequence[Mapping[Any, Any]], new: NewColumns) -> list[dict[Any, Any]]:
    columns = _dict({}, new).items()
    made = {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in columns}
    return [{**row, **{name: values[number] for name, values in made.items()}} for number, row in enumerate(frame)]


def _pandas(frame: Any, new: NewColumns) -> Any:
    import pandas as pd

    made = {
        name: pd.Categorical.from_codes(column.codes, pd.Index(column.names)) if isinstance(column, Labels) else column
        for name, column in new.items()
    }
    if is_table(frame):
        return frame.assign(**made)
    return pd.DataFrame(made, index=frame.index if isinstance(frame, pd.Series) else None)


def _polars(frame: Any, new: NewColumns) -> Any:
    import polars as pl

    made = []
    for name, column in new.items():
        if isinstance(column, Labels):
            codes = pl.Series(column.codes)
            categories = pl.Series(name, column.names, pl.Enum(column.names))
            made.append(categories.gather(codes.set(codes < 0, None)))
        else:
            lists = None if isinstance(column, np.ndarray) else pl.List(pl.String)  # also of no row with a label
            series = pl.Series(name, column, lists)
            made.append(series if lists else series.fill_nan(None))
    return frame.with_columns(made) if is_table(frame) else pl.DataFrame(made)


def _pyarrow(frame: Any, new: NewColumns) -> Any:
    import pyarrow as pa

    made = {}
    for name, column in new.items():
        if isinstance(column, Labels):
            codes = pa.array(column.codes, mask=column.codes < 0)
            made[name] = pa.DictionaryArray.from_arrays(codes, pa.array(column.names, pa.string()))
        elif isinstance(column, np.ndarray):
            made[name] = pa.array(column, from_pandas=True)
        else:
            made[name] = pa.array(column, pa.list_(pa.string()))
    if isinstance(frame, pa.RecordBatch):
        fields = [pa.field(name, array.type) for name, array in made.items()]
        schema = pa.schema([*frame.schema, *fields], metadata=frame.schema.metadata)
        return pa.RecordBatch.from_arrays([*frame.columns, *made.values()], schema=schema)
    if not is_table(frame):
        return pa.table(made)
    for name, array in made.items():
        frame = frame.append_column(name, array)
    return frame


def columns_of_scores(
    scores: NDArray[np.float32],
    names: Sequence[str],
    *,
    problem: str | None,
    proba: bool,
    prefix: str,
    several: list[list[str] | None] | None = None,
) -> NewColumns:
    """The columns for scores (N, C): the best label and its score, and with `proba` a column for each label.

    Scores of a missing text are NaN. `problem` is "softmax" for one label a row, "sigmoid" for independent ones, whose
    column holds the lists `several`, and None for scores without a label, each of which has a column.

    Errors: ValueError for two columns of one name.
    """
    missing = np.isnan(scores[:, 0])
    found: dict[str, Any] = {}
    if problem == "softmax":
        different, which = distinct(names)  # two labels may have one name
        codes = np.where(missing, -1, which[np.where(missing[:, None], 0, scores).argmax(axis=1)])
        found["label"] = Labels(codes.astype(np.int32), different)
    elif several is not None:
        found["label"] = several
    if problem is not None or len(names) == 1:
        found["score"] = scores.max(axis=1)
    if len(names) > 1 and (proba or problem is None):
        if taken := [name for place, name in enumerate(names) if name in found or name in names[:place]]:
            raise ValueError(f"two columns would be called {taken[0]!r}; rename this label in config.id2label")
        found |= {name: np.ascontiguousarray(scores[:, place]) for place, name in enumerate(names)}
    return {prefix + name: column for name, column in found.items()}


def names_of_labels(names: Iterable[str], prefix: str) -> list[str]:
    """Of the names of `columns_of_scores`, those of the labels; the score, if it is the only one.

    >>> names_of_labels(["label", "score", "ham", "spam"], ""), names_of_labels(["p_score"], "p_")
    (['ham', 'spam'], ['p_score'])
    """
    names = list(names)
    return [name for name in names if name not in (f"{prefix}label", f"{prefix}score")] or names
