"""An evaluation as an HTML page with its pictures, in one file."""

from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from deberta_c._base.about import __version__
from deberta_c._files.atomic import new_files
from deberta_c._models.losses import REGRESSION
from deberta_c.evaluation.pictures import draw
from deberta_c.evaluation.tables import class_rows, mistake_rows, number, slice_rows, span

_MISTAKES = 50
_WIDTH = 400  # characters of a text
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #2b2f36;
  background: #f4f6f8; margin: 0; }
main { max-width: 1100px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 17px; margin: 36px 0 12px; }
.about { color: #66707b; margin: 0 0 24px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; }
.card, .picture, .table { background: #fff; border: 1px solid #e2e6ea; border-radius: 10px; }
.card { padding: 14px 16px; } .card .name { color: #66707b; font-size: 13px; }
.card .value { font-size: 26px; font-weight: 600; font-variant-numeric: tabular-nums; }
.card .span { color: #66707b; font-size: 12px; font-variant-numeric: tabular-nums; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
.picture { padding: 10px; flex: 1 1 420px; display: flex; justify-content: center; align-items: center; }
.picture.wide { flex-basis: 100%; } .picture svg { max-width: 100%; height: auto; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: #66707b; font-weight: 600; background: #fafbfc; }
th, td { padding: 7px 12px; border-bottom: 1px solid #eef1f4; vertical-align: top; }
tr:last-child td { border-bottom: 0; } .number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; } td.text { min-width: 320px; overflow-wrap: anywhere; }
footer { color: #8a939c; font-size: 12px; margin-top: 40px; }
"""


def write_report(result: Any, path: Path) -> None:
    """Writes the page; the file appears as a whole."""
    text = page(result)
    with new_files(path.parent) as place:
        place(path.name).write_text(text, encoding="utf-8")


def page(result: Any) -> str:
    """The page as HTML."""
    title = f"Evaluation of {Path(result.title).name or result.title}"
    kind = {"regression": "regression", "multi_label_classification": "independent labels"}.get(
        result.problem, f"{len(result.labels)} labels"
    )
    about = f"{escape(result.title)} &middot; {len(result):,} texts &middot; {kind}"
    wrong = "Largest errors" if result.problem == REGRESSION else "Most confident mistakes"
    count = len(result.mistakes)
    if count > _MISTAKES:
        wrong += f" ({_MISTAKES} of {count:,})"
    parts = [
        f'<h1>{escape(title)}</h1><p class="about">{about}</p>',
        f'<div class="cards">{"".join(_card(result, name) for name in result.metrics)}</div>',
        f'<h2>Pictures</h2><div class="pictures">{"".join(_pictures(result))}</div>',
        _section("Labels", class_rows(result)),
        _section("Slices", slice_rows(result)),
        _section(wrong, mistake_rows(result, _MISTAKES, _WIDTH)),
        f"<footer>deberta_c {__version__}; intervals of {result.confidence:.0%} by {result.resamples:,} draws of the "
        "rows with replacement</footer>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n'
        f"<body><main>{body}</main></body></html>\n"
    )


def _card(result: Any, name: str) -> str:
    figure = result.metrics[name]
    return (
        f'<div class="card"><div class="name">{name.replace("_", " ")}</div>'
        f'<div class="value">{number(figure.value)}</div><div class="span">{span(figure.low, figure.high)}</div></div>'
    )


def _pictures(result: Any) -> list[str]:
    if result.problem == REGRESSION:
        names = ["values", "scores", "lengths", "slices"]
    else:
        names = ["confusion_matrix", "reliability", "roc", "precision_recall", "scores", "lengths", "slices"]
    return [_svg(draw(result, name), wide=name == "confusion_matrix" and len(result.labels) > 12) for name in names]


def _svg(figure: Any, wide: bool) -> str:
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.hashsalt": "deberta_c"}):  # the same file from run to run
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return f'<div class="picture{" wide" if wide else ""}">{svg[svg.index("<svg") :]}</div>'


def _section(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    head = "".join(f'<th class="{_kind(name, rows[0][name])}">{escape(str(name))}</th>' for name in names)
    body = "".join(f"<tr>{''.join(_cell(name, row[name]) for name in names)}</tr>" for row in rows)
    return f'<h2>{escape(title)}</h2><div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _cell(name: str, value: Any) -> str:
    return f'<td class="{_kind(name, value)}">{escape(str(value))}</td>'


def _kind(name: str, value: Any) -> str:
    if name == "predicted" and isinstance(value, int):
        return "number"
    return name if name in ("text", "label", "predicted", "column", "slice") else "number"
