"""An evaluation as tables, for a terminal and for a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from deberta_c.training.result import html_table, text_table

_MOST = 20  # rows of a table
_MISTAKES = 5
_WIDTH = 70  # characters of a text


def as_text(result: Any) -> str:
    """Figures, labels, slices and the most confident mistakes."""
    parts = [f"{result.title}: {_counted(len(result), 'text')}", text_table(metric_rows(result))]
    parts += [f"{title}\n{text_table(rows)}" for title, rows in _tables(result)]
    return "\n\n".join(parts)


def as_html(result: Any) -> str:
    """The same as HTML."""
    parts = [f"<p><b>{escape(result.title)}</b>: {_counted(len(result), 'text')}</p>", html_table(metric_rows(result))]
    parts += [f"<p>{escape(title)}</p>{html_table(rows)}" for title, rows in _tables(result)]
    return "".join(parts)


def metric_rows(result: Any) -> list[dict[str, Any]]:
    """A row for each figure."""
    share = f"{result.confidence:.0%} interval"
    return [
        {"metric": name.replace("_", " "), "value": number(figure.value), share: span(figure.low, figure.high)}
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
            first: number(found[first]),
            "interval": span(found[f"{first}_low"], found[f"{first}_high"]),
            **{name.replace("_", " "): number(found[name]) for name in result.measure.brief[1:]},
        }
        for found in result.slices
    ]


def mistake_rows(result: Any, most: int, width: int = _WIDTH) -> list[dict[str, Any]]:
    """A row for each of the most confident mistakes, with its text cut to `width` characters."""
    rows = []
    for found in result.mistakes[:most]:
        texts = [cut(found[name], width) for name in ("text", "pair") if name in found]
        score = "error" if result.problem == "regression" else "score"
        values = {name: words(found[name]) for name in ("label", "predicted")}
        rows.append({"row": found["row"], **values, score: number(found["score"]), "text": " | ".join(texts)})
    return rows


def _tables(result: Any) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Titles and rows of the further tables."""
    classes, slices = class_rows(result), slice_rows(result)
    wrong = "largest errors" if result.problem == "regression" else "most confident mistakes"
    tables = [("labels", classes), ("slices", slices), (wrong, mistake_rows(result, _MISTAKES))]
    found: list[tuple[str, Sequence[Mapping[str, Any]]]] = []
    for title, rows in tables:
        more = f" (the first {_MOST} of {len(rows)})" if len(rows) > _MOST else ""
        if rows:
            found.append((title + more, rows[:_MOST]))
    return found


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


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def comparison_text(result: Any) -> str:
    """Figures of both models, the test, and some of the texts that only one of them gets right."""
    head = f"first: {result.first.title}\nsecond: {result.second.title}\n{_counted(len(result.first), 'text')}"
    parts = [head, text_table(_difference_rows(result)), verdict(result)]
    if rows := _changed_rows(result):
        parts.append(f"texts that differ (the first {len(rows)} of {len(result.differences)})\n{text_table(rows)}")
    return "\n\n".join(part for part in parts if part)


def comparison_html(result: Any) -> str:
    """The same as HTML."""
    head = f"<p>first: <b>{escape(result.first.title)}</b><br>second: <b>{escape(result.second.title)}</b></p>"
    rows = _changed_rows(result)
    return (
        head + html_table(_difference_rows(result)) + f"<p>{verdict(result)}</p>" + (html_table(rows) if rows else "")
    )


def verdict(result: Any) -> str:
    """What McNemar's test says, in a sentence; nothing for a regression."""
    if result.p_value is None:
        return ""
    return (
        f"{result.only_first} texts are right only with the first model, {result.only_second} only with the second: "
        f"McNemar's test, p = {result.p_value:.3g}"
    )


def _difference_rows(result: Any) -> list[dict[str, Any]]:
    share = f"{result.first.confidence:.0%} interval"
    return [
        {
            "metric": name.replace("_", " "),
            "first": number(figure.first),
            "second": number(figure.second),
            "difference": "-" if np.isnan(figure.difference) else f"{figure.difference:+.4f}",
            share: "" if np.isnan(figure.low) else f"{figure.low:+.4f} to {figure.high:+.4f}",
        }
        for name, figure in result.metrics.items()
    ]


def _changed_rows(result: Any) -> list[dict[str, Any]]:
    return [
        {
            "row": found["row"],
            **{name: words(found[name]) for name in ("label", "first", "second")},
            "text": cut(found["text"], _WIDTH),
        }
        for found in result.differences[:_MISTAKES]
    ]
