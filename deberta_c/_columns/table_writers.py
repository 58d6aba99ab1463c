"""Tables written in pieces, so that every reader gets back what went in."""

import gzip
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from deberta_c._columns.tables import STANDARD, Format, Row, format_of, require_pyarrow

Write = Callable[[list[str], list[Row]], None]
"""Appends rows; the columns are those of the first call, in its order."""


@contextmanager
def writing(path: Path, form: Format, like: Path, added: Mapping[str, type]) -> Iterator[Write]:
    """A function that appends rows to a new file, which takes its name when the block ends without an error.

    Until then the rows are in a temporary file beside it, which an error removes, so that no half-written file remains.
    From parquet to parquet the columns of `like`, the source, keep their types; `added` has the types of new columns.
    """
    if path == STANDARD:
        with _written(sys.stdout.buffer, form) as write:
            yield write
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if form.kind == "parquet":
            with _ParquetWriter(partial, like, added) as writer:
                yield writer.write
        else:
            with partial.open("xb") as raw, _written(raw, form) as write:
                yield write
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _written(raw: IO[bytes], form: Format) -> Iterator[Write]:
    """A function that appends rows as text."""
    if form.kind == "parquet":
        raise ValueError("parquet cannot be written to standard output; give --out FILE.parquet")
    content: Any = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if form.packed else raw
    # A lone surrogate can only come from an escape in JSON, and goes back as one.
    errors = "backslashreplace" if form.kind in ("jsonl", "json") else "strict"
    file = io.TextIOWrapper(content, "utf-8", errors, newline="")
    begin, end = ("[\n", "\n]\n") if form.kind == "json" else ("", "")
    write_rows = _WRITERS[form.kind](file, form.delimiter)
    file.write(begin)

    def write(names: list[str], rows: list[Row]) -> None:
        write_rows(names, rows)
        file.flush()

    try:
        yield write
        file.write(end)
        file.flush()
    finally:
        file.detach()
        if form.packed:
            content.close()


def _csv_writer(file: IO[str], delimiter: str) -> Write:
    # Not csv.writer, which leaves a lone carriage return without quotes before Python 3.11.9 and 3.12.3.
    # "x^" and "x\x01" are the first bytes of zlib streams, which polars would unpack: a column "x^2" has quotes.
    quoted = re.compile(f'["\r\n\ufeff{re.escape(delimiter)}]|^x[\x01^]')
    header: list[str] = []

    def field(value: Any) -> str:
        if isinstance(value, (dict, list)):
            value = _as_json(value)
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if quoted.search(text) else text

    def write(names: list[str], rows: list[Row]) -> None:
        begins = not header
        if begins:
            header.extend(names)
        _require_known(names, header)
        records = [[field(row.get(name)) for name in header] for row in rows]
        for record in [list(map(field, header)), *records] if begins else records:
            file.write((delimiter.join(record) or '""') + "\n")  # readers skip empty lines

    return write


def _label_writer(file: IO[str], _: str) -> Write:
    def write(names: list[str], rows: list[Row]) -> None:
        for row in rows:
            label = row[names[0]] or ""
            if "\n" in label or "\r" in label:
                raise ValueError(f"the label {label!r} has a line break, which .txt cannot hold; write .csv")
            file.write(label + "\n")

    return write


def _line_writer(file: IO[str], _: str) -> Write:
    def write(names: list[str], rows: list[Row]) -> None:
        file.writelines(_as_json(row) + "\n" for row in rows)

    return write


def _array_writer(file: IO[str], _: str) -> Write:
    comma = ""

    def write(names: list[str], rows: list[Row]) -> None:
        nonlocal comma
        for row in rows:
            file.write(comma + _as_json(row))
            comma = ",\n"

    return write


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    """A value with null for NaN and infinities, which JSON lacks, as pandas writes them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


def _require_known(names: list[str], first: list[str]) -> None:
    if extra := sorted(set(names) - set(first)):
        raise ValueError(f"a row has the columns {extra}, which the first rows have not; write .jsonl instead")


_WRITERS = {
    "csv": _csv_writer, "tsv": _csv_writer, "txt": _label_writer, "jsonl": _line_writer, "json": _array_writer
}  # fmt: skip


class _ParquetWriter:
    """Appends rows under one schema: the source's where it is parquet, else that of the first rows."""

    def __init__(self, path: Path, like: Path, added: Mapping[str, type]) -> None:
        require_pyarrow()
        self._path = path
        self._like = like
        self._added = added
        self._writer: Any = None

    def write(self, names: list[str], rows: list[Row]) -> None:
        """Appends rows."""
        import pyarrow as pa
        import pyarrow.parquet

        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._path, self._schema(names, rows))
        _require_known(names, self._writer.schema.names)
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._writer.schema))

    def _schema(self, names: list[str], rows: list[Row]) -> Any:
        import pyarrow as pa
        import pyarrow.parquet

        types = {float: pa.float64(), list: pa.list_(pa.string())}
        known = {name: pa.field(name, types.get(kind, pa.string())) for name, kind in self._added.items()}
        source = None
        if format_of(self._like, "txt").kind == "parquet":
            source = pyarrow.parquet.read_schema(self._like)
            known |= {field.name: field for field in source if field.name not in known}
        for name in names:
            if name not in known:
                type_ = pa.array([row.get(name) for row in rows]).type
                known[name] = pa.field(name, pa.string() if type_ == pa.null() else type_)
        return pa.schema([known[name] for name in names], metadata=source and source.metadata)

    def __enter__(self) -> "_ParquetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
