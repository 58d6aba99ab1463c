"""The columns of a table that a command reads, and the options that say how it is written."""

import argparse
from collections.abc import Mapping
from typing import Any

from deberta_c._columns.tables import Chunk, Format, delimiter_hint
from deberta_c._columns.texts import raise_for_surrogate, texts_of


def add_table_options(command: argparse.ArgumentParser) -> None:
    """The options that say how a table in a file is written."""
    command.add_argument("--delimiter", help="the delimiter of the columns: one character, or tab")
    command.add_argument("--no-quotes", action="store_true", help="read quotation marks in csv and tsv as plain text")
    command.add_argument("--encoding", default="utf-8-sig", help="the encoding of a file (default: utf-8)")


def require_columns(chunk: Chunk, reads: Format, columns: Mapping[str, str | None]) -> None:
    """ValueError if a table does not have the columns to read; `columns` maps options to names."""
    for argument, name in columns.items():
        if name is not None and name not in chunk.names and (chunk.names or chunk.rows):
            hint = delimiter_hint(chunk.names, reads.delimiter) if reads.kind in ("csv", "tsv") else ""
            there = ", ".join(chunk.names)
            raise ValueError(f"there is no column {name!r}; there are {there}: give {argument}{hint}")


def cells_of(chunk: Chunk, name: str, reads: Format) -> list[Any]:
    """The values of a column, None for missing ones."""
    blank = "" if reads.kind in ("csv", "tsv", "txt") else None  # an empty cell is a missing value
    return [None if (cell := row.get(name)) == blank else cell for row in chunk.rows]


def text_cells(chunk: Chunk, name: str, source: str, reads: Format, remedy: str | None) -> list[Any]:
    """The texts of a column, None for missing ones, which raise with the `remedy` if there is one; errors name the
    line of the file."""

    def place(row: int) -> str:
        return f"{source}, {chunk.place(row)}, column {name!r}"

    cells = cells_of(chunk, name, reads)
    texts, missing = texts_of(cells, name, "empty", place)
    if missing is not None and remedy:
        raise ValueError(f"{place(int(missing.argmax()))}: the text is missing; {remedy}")
    raise_for_surrogate(texts, place)
    return cells
