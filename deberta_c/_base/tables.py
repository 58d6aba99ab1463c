"""Rows as a table, for a terminal and for a notebook."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]
_LEFT = ' style="text-align: left; vertical-align: top; padding: 3px 8px"'
_RIGHT = ' style="text-align: right; vertical-align: top; padding: 3px 8px; white-space: nowrap"'
_NUMBER = re.compile(r"(nan|-?inf|[-+]?[\d.,]+(e[-+]?\d+)?%?|[-+]?\d*\.\d+ to [-+]?\d*\.\d+|-|)")


def text_table(rows: Sequence[Row]) -> str:
    """Rows as text, a column for each name, the numbers to the right and texts to the left.

    >>> print(text_table([{"a": 1, "b": 0.25}, {"a": 10}]))
     a       b
     1  0.2500
    10
    """
    names, cells = _cells(rows)
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    forms = [
        f"{'>' if number else '<'}{width}"
        for number, width in zip(map(are_numbers, zip(*cells, strict=True)), widths, strict=True)
    ]
    lines = ("  ".join(map(format, line, forms)) for line in (names, *cells))
    return "\n".join(line.rstrip() for line in lines)


def html_table(rows: Sequence[Row]) -> str:
    """Rows as a table of HTML, the numbers to the right; colours are those of the page, light or dark.

    >>> html_table([{"a": 1}])[:74]
    '<table><tr><th style="text-align: right; vertical-align: top; padding: 3px'
    """
    names, cells = _cells(rows)
    styles = [_RIGHT if number else _LEFT for number in map(are_numbers, zip(*cells, strict=True))]
    lines = [_html_line("th", names, styles), *(_html_line("td", line, styles) for line in cells)]
    return f"<table>{''.join(lines)}</table>"


def html_facts(facts: Mapping[str, str]) -> str:
    """Names and what is said of them, as a table of HTML with a line for each.

    >>> html_facts({"layers": "12"}).count("<tr>")
    1
    """
    lines = (f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(lines)}</table>"


def _html_line(tag: str, cells: Sequence[str], styles: Sequence[str]) -> str:
    shown = zip(cells, styles, strict=True)
    return f"<tr>{''.join(f'<{tag}{style}>{escape(cell)}</{tag}>' for cell, style in shown)}</tr>"


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The names of all columns in their order, and the cells as str."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[_shown(row.get(name)) for name in names] for row in rows]


def are_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells of a column are numbers, intervals, dashes or empty.

    >>> are_numbers(["1", "-0.5 to +0.5", "-"]), are_numbers(["1", "a"])
    (True, False)
    """
    return all(map(_NUMBER.fullmatch, cells))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"
    return str(value)
