"""An HTML page in one file: its style for light and dark screens, cards, tables and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from deberta_c._base.about import __version__
from deberta_c._base.tables import are_numbers
from deberta_c._files.atomic import new_files, require_file

_TALL = 25  # rows of a table that is not scrolled
_STYLE = """
:root { color-scheme: light dark; --ink: #2b2f36; --quiet: #66707b; --page: #f4f6f8; --card: #fff; --line: #e2e6ea;
  --row: #eef1f4; --head: #fafbfc; --good: #2f7d4f; --bad: #b5432d; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3e8; --quiet: #98a2ad; --page: #0f1113; --card: #1a1a1a;
  --line: #2d3238; --row: #26292d; --head: #202326; --good: #6cc08b; --bad: #e58a76; }
  .picture svg { filter: invert(.9) hue-rotate(180deg); } }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--page); margin: 0; }
main { max-width: 1100px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 24px; line-height: 1.3; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 36px 0 12px; }
.about, .note { color: var(--quiet); overflow-wrap: anywhere; } .about { margin: 0 0 24px; }
.note { margin: -4px 0 12px; font-size: 13.5px; }
.verdict { font-size: 16px; border-left: 4px solid var(--quiet); padding: 10px 16px; margin: 0 0 16px;
  background: var(--card); border-radius: 4px 10px 10px 4px; }
.verdict.good { border-color: var(--good); } .verdict.bad { border-color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; }
.card, .picture, .table { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; } .card .name { color: var(--quiet); font-size: 13px; }
.card .value { font-size: 26px; font-weight: 600; line-height: 1.4; }
.card .span { color: var(--quiet); font-size: 12px; }
.card, .number { font-variant-numeric: tabular-nums; } .good { color: var(--good); } .bad { color: var(--bad); }
.verdict.good, .verdict.bad { color: inherit; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
.picture { padding: 10px; flex: 1 1 420px; display: flex; justify-content: center; align-items: center; }
.picture.wide { flex-basis: 100%; } .picture svg { max-width: 100%; height: auto; }
.table { overflow: auto; } .table.tall { max-height: 640px; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--quiet); font-weight: 600; background: var(--head); position: sticky; top: 0;
  white-space: nowrap; }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--row); vertical-align: top; }
tr:last-child td { border-bottom: 0; } th.number, td.number { text-align: right; white-space: nowrap; }
td.text { min-width: 320px; line-height: 1.65; } td { overflow-wrap: anywhere; } td.number { overflow-wrap: normal; }
td.words { min-width: 80px; }
footer { color: var(--quiet); font-size: 12px; margin-top: 40px; }
@media print { .table.tall { max-height: none; } .card, .picture, tr { break-inside: avoid; } }
"""


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def require_page(name: str, path: Path) -> None:
    """Raises the error that writing a page would raise, before the work begins; `name` is the argument.

    >>> require_page("path", Path("report.pdf"))
    Traceback (most recent call last):
        ...
    ValueError: path is 'report.pdf', but a report is a page of HTML; give a name that ends in .html
    """
    if path.suffix.casefold() not in ("", ".html", ".htm"):
        raise ValueError(f"{name} is {str(path)!r}, but a report is a page of HTML; give a name that ends in .html")
    require_file(name, path)


def write_page(path: Path, title: str, about: str, parts: Iterable[str]) -> None:
    """Writes a page of parts, which are HTML; the file appears as a whole."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(part for part in parts if part)
    text = (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n'
        f'<body><main><h1>{escape(title)}</h1><p class="about">{about}</p>\n{body}</main></body></html>\n'
    )
    with new_files(path.parent) as place:
        place(path.name).write_text(text, encoding="utf-8")


def cards(entries: Iterable[tuple[str, str, str]]) -> str:
    """Cards of a name, a value and a line below it, which may be HTML."""
    shown = (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value">{_cell(value)}'
        f'</div><div class="span">{_cell(below)}</div></div>'
        for name, value, below in entries
    )
    return f'<div class="cards">{"".join(shown)}</div>'


def pictures(figures: Iterable[tuple[Any, bool]]) -> str:
    """Figures of matplotlib, those that are wide on a line of their own."""
    return f'<h2>Pictures</h2><div class="pictures">{"".join(_svg(*figure) for figure in figures)}</div>'


def section(title: str, rows: Sequence[Mapping[str, Any]], note: str = "") -> str:
    """A heading and a table; nothing without rows."""
    if not rows:
        return ""
    names = list(rows[0])
    kinds = {name: _kind(name, rows) for name in names}
    head = _line("th", {name: name for name in names}, kinds)
    body = "".join(_line("td", row, kinds) for row in rows)
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    tall = " tall" if len(rows) > _TALL else ""
    return f'<h2>{escape(title)}</h2>{below}<div class="table{tall}"><table>{head}{body}</table></div>'


def footer(result: Any) -> str:
    """The version, and how the intervals of an evaluation were made."""
    intervals = f"intervals of {result.confidence:.0%} by {result.resamples:,} draws of the rows with replacement"
    return f"<footer>deberta_c {__version__}; {intervals if result.resamples else 'without intervals'}</footer>"


def _cell(value: Any) -> str:
    return value if isinstance(value, Markup) else escape(str(value))


def _line(tag: str, row: Mapping[str, Any], kinds: Mapping[str, str]) -> str:
    cells = (f'<{tag} class="{kind}">{_cell(row[name])}</{tag}>' for name, kind in kinds.items())
    return f"<tr>{''.join(cells)}</tr>"


def _kind(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The class of a column: "text", "number" or "words"."""
    if name == "text":
        return "text"
    return "number" if are_numbers(str(row[name]) for row in rows) else "words"


def _svg(figure: Any, wide: bool) -> str:
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.hashsalt": "deberta_c"}):  # the same file from run to run
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return f'<div class="picture{" wide" if wide else ""}">{svg[svg.index("<svg") :]}</div>'
