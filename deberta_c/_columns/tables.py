"""Tables on disk or in a pipe, read in pieces: csv, tsv, txt, jsonl, json, and parquet where pyarrow is installed."""

import codecs
import csv
import gzip
import io
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

Row = dict[str, Any]

KINDS = {
    ".csv": "csv", ".tsv": "tsv", ".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip
STANDARD = Path("-")  # standard input or output
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_MAX_FIELD = 2**30  # bytes of one csv field


class Format(NamedTuple):
    """How a file holds its rows."""

    kind: str  # one of the values of KINDS
    packed: bool = False  # by gzip
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    quotes: bool = True


class Chunk(NamedTuple):
    """Some rows in their order."""

    names: list[str]  # the columns in the order of the table
    rows: list[Row]
    unit: str  # what `numbers` count from 1: "line" or "row"
    numbers: Sequence[int]  # where each row begins
    share: float | None  # of the file that has been read, from 0 to 1; None if unknown

    def place(self, row: int) -> str:
        """Where a row of the chunk is in its file, such as "line 3"."""
        return f"{self.unit} {self.numbers[row]}"


def format_of(
    path: Path, default: str, delimiter: str | None = None, encoding: str = "utf-8-sig", quotes: bool = True
) -> Format:
    """The format that the name of a file tells, `default` for "-".

    Errors: ValueError when the name, the delimiter or the encoding is of no use, IsADirectoryError for a folder.

    >>> format_of(Path("a.csv.gz"), "txt").kind
    'csv'
    """
    name = path.name.lower()
    packed = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix
    if path.is_dir():
        model = (path / "config.json").is_file()
        what = "a model, which --model names; give a file of texts" if model else "a folder; give a file in it"
        raise IsADirectoryError(f"{str(path)!r} is {what}, one of {', '.join(KINDS)}")
    if path != STANDARD and suffix not in KINDS:
        raise ValueError(
            f"{str(path)!r} ends in {suffix!r}; known are {', '.join(KINDS)}, and all but .parquet with .gz"
        )
    kind = default if path == STANDARD else KINDS[suffix]
    if packed and kind == "parquet":
        raise ValueError(f"{str(path)!r} ends in '.gz'; parquet is compressed in itself, give a .parquet file")
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ValueError(f"--encoding is {encoding!r}, which is not an encoding; give one such as latin-1") from error
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"  # a mark at the beginning is not part of the first name
    return Format(kind, packed, _delimiter(delimiter, kind), encoding, quotes)


def _delimiter(given: str | None, kind: str) -> str:
    if given is None:
        return _DELIMITERS.get(kind, ",")
    if kind not in _DELIMITERS:
        raise ValueError(f"--delimiter is {given!r}, but the input is {kind}; only csv and tsv have one")
    delimiter = {"\\t": "\t", "tab": "\t"}.get(given, given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f"--delimiter is {given!r}; give one character such as ';', or tab")
    return delimiter


def shown(path: Path) -> str:
    """What messages call a file."""
    return "standard input" if path == STANDARD else repr(str(path))


def read_chunks(path: Path, form: Format, rows: int) -> Iterator[Chunk]:
    """The rows of a file in chunks of `rows`: at least one chunk, of no rows where the table has none.

    Errors: OSError when the file cannot be read; ValueError names the line that is not as the format asks.
    """
    if form.kind == "parquet":
        yield from _read_parquet(path, rows)
        return
    done, share = 0, None
    with _opened(path, form) as (raw, file):
        size = _size(raw)
        try:
            names, records = _READERS[form.kind](path, file, form)
            while (part := list(islice(records, rows))) or not done:
                found = names or list(dict.fromkeys(name for _, row in part for name in row))
                if size:
                    share = min(raw.tell() / size, 1.0) if len(part) == rows else 1.0
                unit = "row" if form.kind == "json" else "line"
                yield Chunk(found, [row for _, row in part], unit, [number for number, _ in part], share)
                done += len(part)
                if not part:
                    return
        except UnicodeError as error:
            raise ValueError(_encoding_problem(path, form, error)) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{shown(path)} is not a complete gzip file ({error}); copy it again") from error


@contextmanager
def _opened(path: Path, form: Format) -> Iterator[tuple[IO[bytes], IO[str]]]:
    """The bytes as they lie, of which `tell` gives the progress, and the text in them."""
    raw: IO[bytes] = sys.stdin.buffer if path == STANDARD else path.open("rb")
    content: Any = gzip.GzipFile(fileobj=raw) if form.packed else raw
    file = io.TextIOWrapper(content, form.encoding, newline="" if form.kind in _DELIMITERS else "\n")
    try:
        yield raw, file
    finally:
        file.detach()  # standard input remains open
        if path != STANDARD:
            raw.close()


def _size(raw: IO[bytes]) -> int:
    """Bytes of a regular file, else 0."""
    try:
        status = os.fstat(raw.fileno())
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _encoding_problem(path: Path, form: Format, error: UnicodeError) -> str:
    """What is wrong, in which line, and which encoding to give."""
    where, remedy = shown(path), "such as --encoding cp1252 or latin-1"
    if path != STANDARD:
        with path.open("rb") as raw:
            lines: Any = gzip.GzipFile(fileobj=raw) if form.packed else raw
            for number, line in enumerate(lines, 1):
                if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    remedy = "here --encoding utf-16"
                if number == 1 and line.startswith(b"\x1f\x8b"):
                    return f"{where} is packed by gzip; give it a name that ends in .gz"
                if not "a\n".encode(form.encoding).endswith(b"a\n"):
                    break  # lines of utf-16 cannot be found in bytes
                try:
                    line.decode(form.encoding)
                except UnicodeError as found:
                    where, error = f"{where}, line {number}", found
                    break
    name = form.encoding.removesuffix("-sig")
    return f"{where} is not {name} ({error}); give the encoding of the file, {remedy}"


Records = Iterator[tuple[int, Row]]  # each with the number of its line, or row


def _read_csv(path: Path, file: IO[str], form: Format) -> tuple[list[str], Records]:
    csv.field_size_limit(_MAX_FIELD)
    quoting: Any = csv.QUOTE_MINIMAL if form.quotes else csv.QUOTE_NONE
    reader = csv.reader(file, delimiter=form.delimiter, quoting=quoting, strict=True)
    records = _records_of(path, reader)
    _, names = next(records, (1, []))
    if not names:
        raise ValueError(f"{shown(path)} is empty; its first line must name the columns")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(path)} names a column twice: {twice!r}; rename one")
    return names, _rows_of(path, names, records, form.delimiter)


def _records_of(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """The fields of each record, and the line where it begins."""
    try:
        line = 1
        for fields in reader:
            if fields:  # else an empty line
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{shown(path)}, line {reader.line_num}: {error}; double the quotes in quoted fields, or give --no-quotes"
        ) from error


def _rows_of(path: Path, names: list[str], records: Iterator[tuple[int, list[str]]], delimiter: str) -> Records:
    for line, fields in records:
        if len(fields) != len(names):
            raise ValueError(
                f"{shown(path)}, line {line}: {len(fields)} fields, but {len(names)} columns; "
                f"quote fields that hold the delimiter{delimiter_hint(names, delimiter)}"
            )
        yield line, dict(zip(names, fields, strict=True))


def delimiter_hint(names: Sequence[str], delimiter: str = ",") -> str:
    """What to add to a message when the only column of a table looks like several.

    >>> delimiter_hint(["id;text"])
    "; its first line looks as if ';' parted the columns: give --delimiter ';'"
    """
    for other, name in ((";", "';'"), ("\t", "tab"), ("|", "'|'"), (",", "','")):
        if len(names) == 1 and other in names[0] and other != delimiter:
            return f"; its first line looks as if {name} parted the columns: give --delimiter {name}"
    return ""


def _read_texts(_: Path, file: IO[str], __: Format) -> tuple[list[str], Records]:
    texts = (line.removesuffix("\n").removesuffix("\r") for line in file)
    return ["text"], ((number, {"text": text}) for number, text in enumerate(texts, 1))


def _read_lines(path: Path, file: IO[str], __: Format) -> tuple[list[str], Records]:
    numbered = ((number, line) for number, line in enumerate(file, 1) if not line.isspace())
    return [], ((number, _json_row(path, f"line {number}", line)) for number, line in numbered)


def _read_array(path: Path, file: IO[str], form: Format) -> tuple[list[str], Records]:
    """A JSON array of objects; objects that follow each other, as some name .json, are read as lines."""
    content = file.read()
    if content.lstrip().startswith("{"):
        return _read_lines(path, io.StringIO(content), form)
    rows = _from_json(shown(path), content)
    if not isinstance(rows, list):
        raise ValueError(f"{shown(path)} is a JSON {type(rows).__name__}; give an array of objects")
    return [], ((number, _object(path, f"row {number}", row)) for number, row in enumerate(rows, 1))


def _json_row(path: Path, place: str, line: str) -> Row:
    return _object(path, place, _from_json(f"{shown(path)}, {place}", line))


def _from_json(where: str, content: str) -> Any:
    try:
        return json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object, of which no key is lost."""
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object names {next(name for name in names if names.count(name) > 1)!r} twice")
    return row


def _object(path: Path, place: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"{shown(path)}, {place} is a JSON {type(row).__name__}, not an object")
    return row


_READERS = {"csv": _read_csv, "tsv": _read_csv, "txt": _read_texts, "jsonl": _read_lines, "json": _read_array}


def _read_parquet(path: Path, rows: int) -> Iterator[Chunk]:
    require_pyarrow()
    import pyarrow.parquet

    if path == STANDARD:
        raise ValueError("parquet cannot be read from standard input; give the file")
    with pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{shown(path)} names a column twice: {twice!r}; rename one")
        total, done = file.metadata.num_rows, 0
        if not total:
            yield Chunk(names, [], "row", [], 1.0)
        for batch in file.iter_batches(rows):
            numbers = range(done + 1, done + batch.num_rows + 1)
            done += batch.num_rows
            yield Chunk(names, batch.to_pylist(), "row", numbers, done / total)


def require_pyarrow() -> None:
    """Raises ValueError with the remedy where pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ValueError("parquet needs pyarrow: `pip install pyarrow`, or use .csv or .jsonl") from error
