"""A comparison of two models as tables, for a terminal, a notebook and a report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from deberta_c._base.tables import html_table, text_table
from deberta_c.evaluation.metrics import LOWER_IS_BETTER
from deberta_c.evaluation.tables import SHOWN, WIDTH, counted, number, spoken, texts_of_row, words


def comparison_text(result: Any) -> str:
    """Figures of both models, what they say, and some of the texts that only one of them gets right."""
    head = f"first: {result.first.title}\nsecond: {result.second.title}\n{counted(len(result.first), 'text')}"
    parts = [head, text_table(metric_changes(result)), verdict(result)]
    if rows := changed_rows(result.differences[:SHOWN], WIDTH):
        parts.append(f"{_changed_title(result, len(rows))}\n{text_table(rows)}")
    return "\n\n".join(parts)


def comparison_html(result: Any) -> str:
    """The same as HTML."""
    head = f"<p>first: <b>{escape(result.first.title)}</b><br>second: <b>{escape(result.second.title)}</b></p>"
    parts = [head, html_table(metric_changes(result)), f"<p>{escape(verdict(result))}</p>"]
    if rows := changed_rows(result.differences[:SHOWN], WIDTH):
        parts.append(f"<p>{_changed_title(result, len(rows))}</p>{html_table(rows)}")
    return "".join(parts)


def is_better(name: str, found: Any) -> bool | None:
    """Whether the second model is better by a figure: None if the interval of the difference does not tell."""
    if np.isnan(found.low) or found.low <= 0 <= found.high:
        return None
    return bool((found.difference > 0) != (name in LOWER_IS_BETTER))


def outcome(result: Any) -> bool | None:
    """Whether the second model is better: by McNemar's test, of a regression by the interval of rmse."""
    if result.p_value is None:
        return is_better("rmse", result.metrics["rmse"])
    if result.p_value >= 1 - result.first.confidence:
        return None
    return bool(result.only_second > result.only_first)


def verdict(result: Any) -> str:
    """Which model is better, and how that is known."""
    said = {True: "The second model is better", False: "The first model is better", None: "No model is clearly better"}
    if result.p_value is None:
        found = result.metrics["rmse"]
        why = f"RMSE differs by {signed(found.difference)}"
        if not np.isnan(found.low):
            why += f", with the interval {signed(found.low)} to {signed(found.high)}"
    else:
        why = (
            f"{counted(result.only_first, 'text')} right only with the first, {result.only_second:,} only with the "
            f"second; McNemar's test, p = {result.p_value:.3g}"
        )
    return f"{said[outcome(result)]}: {why}"


def signed(value: float) -> str:
    """A difference with its sign; a dash where it is not defined.

    >>> signed(0.5), signed(float("nan"))
    ('+0.5000', '-')
    """
    return "-" if np.isnan(value) else f"{value:+.4f}"


def interval(low: float, high: float) -> str:
    """The interval of a difference, empty where there is none.

    >>> interval(-0.25, 0.5)
    '-0.2500 to +0.5000'
    """
    return "" if np.isnan(low) else f"{signed(low)} to {signed(high)}"


def metric_changes(result: Any) -> list[dict[str, Any]]:
    """A row for each figure, as text."""
    share = f"{result.first.confidence:.0%} interval"
    return [
        {"metric": spoken(name), **_change(found), share: interval(found.low, found.high)}
        for name, found in result.metrics.items()
    ]


def class_changes(result: Any) -> list[dict[str, Any]]:
    """A row for each label, as text."""
    return [
        {
            "label": row["label"],
            "rows": row["rows"],
            **{name: number(row[name]) for name in ("first", "second")},
            "difference": signed(row["difference"]),
        }
        for row in result.classes
    ]


def slice_changes(result: Any) -> list[dict[str, Any]]:
    """A row for each slice, as text."""
    return [
        {
            **{name: row[name] for name in ("column", "slice", "rows")},
            **{name: number(row[name]) for name in ("first", "second")},
            "difference": signed(row["difference"]),
            "interval": interval(row["low"], row["high"]),
        }
        for row in result.slices
    ]


def changed_rows(differences: Sequence[Mapping[str, Any]], width: int) -> list[dict[str, Any]]:
    """A row for each text, with the text cut to `width` characters."""
    return [
        {
            "row": found["row"],
            **{name: words(found[name]) for name in ("label", "first", "second")},
            "text": texts_of_row(found, width),
        }
        for found in differences
    ]


def _change(found: Any) -> dict[str, str]:
    return {"first": number(found.first), "second": number(found.second), "difference": signed(found.difference)}


def _changed_title(result: Any, shown: int) -> str:
    return f"texts that differ (the first {shown} of {len(result.differences):,})"
