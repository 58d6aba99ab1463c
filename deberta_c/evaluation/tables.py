"""An evaluation as tables, for a terminal and for a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from deberta_c._base.extras import require
from deberta_c._base.tables import html_table, text_table

_MOST = 20  # rows of a table
SHOWN = 5  # texts
WIDTH = 70  # characters of a text
_SPOKEN = {
    "f1_macro": "F1 macro",
    "f1_weighted": "F1 weighted",
    "roc_auc": "ROC AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def as_text(result: Any) -> str:
    """Figures, labels, slices and the most confident mistakes."""
    parts = [f"{result.title}: {counted(len(result), 'text')}", text_table(metric_rows(result))]
    parts += [f"{title}\n{text_table(rows)}" for title, rows in _tables(result)]
    return "\n\n".join(parts)


def as_html(result: Any) -> str:
    """The same as HTML."""
    parts = [f"<p><b>{escape(result.title)}</b>: {counted(len(result), 'text')}</p>", html_table(metric_rows(result))]
    parts += [f"<p>{escape(title)}</p>{html_table(rows)}" for title, rows in _tables(result)]
    return "".join(parts)


def as_frame(result: Any, of: str, tables: Mapping[str, Sequence[str]]) -> Any:
    """A DataFrame of one of the tables of a result; `tables` has their names, and the columns of those without rows.

    Errors: ImportError without pandas, ValueError for another name.
    """
    if of not in tables:
        raise ValueError(f"of is {of!r}; it must be one of {', '.join(tables)}")
    frame = require("pandas", "to_frame").DataFrame
    if of == "metrics":
        return frame([{"metric": name, **figure._asdict()} for name, figure in result.metrics.items()])
    rows = result._rows() if of == "rows" else getattr(result, of)
    if rows:
        return frame(rows)
    return frame(columns=[name for name in tables[of] if name != "pair" or _pairs(result) is not None])


def _pairs(result: Any) -> Any:
    return getattr(result, "first", result).pairs


def metric_rows(result: Any) -> list[dict[str, Any]]:
    """A row for each figure."""
    share = f"{result.confidence:.0%} interval"
    return [
        {"metric": spoken(name), "value": number(figure.value), share: span(figure.low, figure.high)}
        for name, figure in result.metrics.items()
    ]


def class_rows(result: Any) -> list[dict[str, Any]]:
    """A row for each label, with its figures as text."""
    names = {"label": "label", "precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC AUC"}
    return [
        {
            **{
                shown: number(row[name]) if isinstance(row[name], float) else row[name] for name, shown in names.items()
            },
            "rows": row["rows"],
            "predicted": row["predicted"],
        }
        for row in result.classes
    ]


def slice_rows(result: Any) -> list[dict[str, Any]]:
    """A row for each slice, with its figures as text."""
    first = result.measure.brief[0]
    return [
        {
            **{name: found[name] for name in ("column", "slice", "rows")},
            spoken(first): number(found[first]),
            "interval": span(found[f"{first}_low"], found[f"{first}_high"]),
            **{spoken(name): number(found[name]) for name in result.measure.brief[1:]},
        }
        for found in result.slices
    ]


def mistake_rows(result: Any, most: int, width: int = WIDTH) -> list[dict[str, Any]]:
    """A row for each of the most confident mistakes, with its text cut to `width` characters."""
    rows = []
    for found in result.mistakes[:most]:
        score = "error" if result.problem == "regression" else "score"
        values = {name: words(found[name]) for name in ("label", "predicted")}
        rows.append({"row": found["row"], **values, score: number(found["score"]), "text": texts_of_row(found, width)})
    return rows


def _tables(result: Any) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Titles and rows of the further tables."""
    classes, slices = class_rows(result), slice_rows(result)
    wrong = "largest errors" if result.problem == "regression" else "most confident mistakes"
    confused = ("most frequent confusions", confusion_rows(result, SHOWN))
    tables = [("labels", classes), confused, ("slices", slices), (wrong, mistake_rows(result, SHOWN))]
    found: list[tuple[str, Sequence[Mapping[str, Any]]]] = []
    for title, rows in tables:
        more = f" (the first {_MOST} of {len(rows)})" if len(rows) > _MOST else ""
        if rows:
            found.append((title + more, rows[:_MOST]))
    return found


def confusion_rows(result: Any, most: int) -> list[dict[str, Any]]:
    """A row for each of the most frequent confusions, with its share of the rows of the label; of two labels none."""
    if len(result.labels) < 3:
        return []
    return [
        {**{name: found[name] for name in ("label", "predicted", "rows")}, "share": f"{found['share']:.1%}"}
        for found in result.confusions[:most]
    ]


def spoken(name: str) -> str:
    """A figure as people write it.

    >>> spoken("roc_auc"), spoken("f1_macro"), spoken("rmse")
    ('ROC AUC', 'F1 macro', 'RMSE')
    """
    return _SPOKEN.get(name, name.replace("_", " "))


def number(value: float) -> str:
    """A figure with four digits; a dash where it is not defined.

    >>> number(0.5), number(float("nan")), number(1234.5)
    ('0.5000', '-', '1234')
    """
    if np.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.0f}"


def span(low: float, high: float) -> str:
    """An interval, empty where there is none.

    >>> span(0.25, 0.5)
    '0.2500 to 0.5000'
    """
    return "" if np.isnan(low) else f"{number(low)} to {number(high)}"


def texts_of_row(found: Mapping[str, Any], width: int) -> str:
    """The text of a row and, of a pair, the second one, each cut to a width.

    >>> texts_of_row({"row": 3, "text": "a", "pair": "b"}, 9)
    'a | b'
    """
    return " | ".join(cut(found[name], width) for name in ("text", "pair") if name in found)


def cut(text: str, width: int) -> str:
    """A text on one line, cut to a width.

    >>> cut("a b" + chr(10) + "c d e f", 6)
    'a b c…'
    """
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def words(value: Any) -> str:
    """Labels or numbers as text.

    >>> words(["a", "b"]), words([]), words(0.5)
    ('a, b', 'none', '0.5000')
    """
    if isinstance(value, list):
        return ", ".join(map(words, value)) or "none"
    return number(value) if isinstance(value, float) else str(value)


def counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
