"""Tables on disk, read and written in pieces: csv, tsv, jsonl, and parquet where pyarrow is installed."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

Row = dict[str, Any]
Chunk = list[Row]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LINES = (".jsonl", ".ndjson")
_PARQUET = ".parquet"
_MAX_FIELD = 2**30  # bytes of one csv field


def kind_of(path: Path) -> str:
    """The suffix that tells the format; ValueError when it is an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in _DELIMITERS and suffix not in _LINES and suffix != _PARQUET:
        raise ValueError(f"{str(path)!r} ends in {suffix!r}; known are .csv, .tsv, .jsonl, .ndjson and .parquet")
    return suffix


def read_chunks(path: Path, rows: int, encoding: str, quotes: bool = True) -> Iterator[tuple[Chunk, float]]:
    """Rows of a file in chunks, each with the share of the file that has been read, from 0 to 1.

    Errors: OSError when the file cannot be read; ValueError names the line that is not as the format asks.
    """
    kind = kind_of(path)
    if kind == _PARQUET:
        yield from _read_parquet(path, rows)
        return
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ValueError(f"--encoding is {encoding!r}, which is no encoding; give one such as latin-1") from error
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw, open(raw.fileno(), encoding=encoding, newline="", closefd=False) as file:
        records = _read_lines(path, file) if kind in _LINES else _read_csv(path, file, _DELIMITERS[kind], quotes)
        chunk: Chunk = []
        try:
            for record in records:
                chunk.append(record)
                if len(chunk) == rows:
                    yield chunk, min(os.lseek(raw.fileno(), 0, os.SEEK_CUR) / size, 1.0)
                    chunk = []
        except UnicodeDecodeError as error:
            raise ValueError(f"{str(path)!r} is not {encoding} ({error}); give --encoding, such as latin-1") from error
    if chunk:
        yield chunk, 1.0


@contextmanager
def writing(path: Path, like: Path) -> Iterator[Callable[[Chunk], None]]:
    """A function that appends chunks to a new file, which takes its name when the block ends without an error.

    Until then the rows lie in a file beside it, which an error removes, so that no half-written file is left.
    From parquet to parquet the columns of `like`, the source, keep their types.
    """
    kind = kind_of(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if kind == _PARQUET:
            with _ParquetWriter(partial, like) as writer:
                yield writer.write
        else:
            with partial.open("x", encoding="utf-8", newline="") as file:
                yield _line_writer(file) if kind in _LINES else _csv_writer(file, _DELIMITERS[kind])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_csv(path: Path, file: IO[str], delimiter: str, quotes: bool) -> Iterator[Row]:
    csv.field_size_limit(_MAX_FIELD)
    reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, strict=True)
    try:
        names = next(reader, None)
        if not names:
            raise ValueError(f"{str(path)!r} is empty; its first line must name the columns")
        if len(set(names)) != len(names):
            raise ValueError(f"{str(path)!r} names a column twice: {', '.join(names)}; rename one")
        for fields in reader:
            if not fields:
                continue  # an empty line
            if len(fields) != len(names):
                raise ValueError(
                    f"{str(path)!r}, line {reader.line_num}: {len(fields)} fields, but {len(names)} columns; "
                    "quote fields that hold the delimiter"
                )
            yield dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r}, line {reader.line_num}: {error}; double the quotes in quoted fields, or give --no-quotes"
        ) from error


def _read_lines(path: Path, file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(path)!r}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{str(path)!r}, line {number} is a JSON {type(row).__name__}, not an object")
        yield row


def _read_parquet(path: Path, rows: int) -> Iterator[tuple[Chunk, float]]:
    _require_pyarrow()
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        done = 0
        for batch in file.iter_batches(rows):
            done += batch.num_rows
            yield batch.to_pylist(), done / file.metadata.num_rows


def _csv_writer(file: IO[str], delimiter: str) -> Callable[[Chunk], None]:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    header: list[str] = []

    def write(chunk: Chunk) -> None:
        for row in chunk:
            if not header:
                header.extend(row)
                writer.writerow(header)
            if row.keys() - set(header):
                extra = sorted(row.keys() - set(header))
                raise ValueError(f"a row has the columns {extra}, which the first has not; write .jsonl instead")
            writer.writerow([row.get(name) for name in header])

    return write


def _line_writer(file: IO[str]) -> Callable[[Chunk], None]:
    def write(chunk: Chunk) -> None:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in chunk)

    return write


class _ParquetWriter:
    """Appends chunks under one schema: the source's where it is parquet, else that of the first chunk."""

    def __init__(self, path: Path, like: Path) -> None:
        _require_pyarrow()
        self._path = path
        self._like = like
        self._writer: Any = None

    def write(self, chunk: Chunk) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        if self._writer is None:
            names = dict.fromkeys(name for row in chunk for name in row)
            fields = {field.name: field for field in pa.table({n: [row.get(n) for row in chunk] for n in names}).schema}
            if kind_of(self._like) == _PARQUET:
                fields |= {field.name: field for field in pyarrow.parquet.read_schema(self._like)}
            known = {name: field.with_type(pa.string()) for name, field in fields.items() if field.type == pa.null()}
            known |= {
                name: pa.field(name, pa.float64()) for name in fields if name.startswith(("predicted_s", "score_"))
            }
            self._writer = pyarrow.parquet.ParquetWriter(self._path, pa.schema((fields | known).values()))
        extra = sorted({name for row in chunk for name in row} - set(self._writer.schema.names))
        if extra:
            raise ValueError(f"a row has the columns {extra}, which the first rows have not; write .jsonl instead")
        self._writer.write_table(pa.Table.from_pylist(chunk, schema=self._writer.schema))

    def __enter__(self) -> "_ParquetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ValueError("parquet needs pyarrow: `pip install pyarrow`, or use .csv or .jsonl") from error
