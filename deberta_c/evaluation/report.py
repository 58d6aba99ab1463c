"""An evaluation, or a comparison of two models, as an HTML page with its pictures, in one file."""

from html import escape
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from deberta_c._models.losses import MULTIPLE, REGRESSION
from deberta_c.evaluation.attributions import attributions, coloured
from deberta_c.evaluation.comparison_pictures import draw_all
from deberta_c.evaluation.comparison_tables import (
    changed_rows,
    class_changes,
    interval,
    is_better,
    outcome,
    signed,
    slice_changes,
    verdict,
)
from deberta_c.evaluation.page import Markup, cards, footer, pictures, require_page, section, write_page
from deberta_c.evaluation.pictures import draw, is_wide
from deberta_c.evaluation.tables import (
    class_rows,
    confusion_rows,
    metric_rows,
    mistake_rows,
    number,
    slice_rows,
    spoken,
)

_MISTAKES = 50
_CONFUSED = 15
_CHANGED = 25  # texts of each kind that a comparison shows
_WIDTH = 400  # characters of a text
_EXPLAINED, _SECONDS, _STEPS, _TOKENS = 20, 20.0, 16, 256  # mistakes, and what each of them may cost
_SIGNS = {True: "good", False: "bad", None: ""}  # of a second model that is better, worse, or about as good


def write_report(result: Any, path: Path, explain: bool) -> None:
    """Writes the page of an evaluation; with `explain` the words of the most confident mistakes are coloured.

    Errors: ValueError for `explain` without a model that can be explained.
    """
    require_page("path", path)
    coloured_texts = _explained(result) if explain else {}
    wrong = "Largest errors" if result.problem == REGRESSION else "Most confident mistakes"
    rows = mistake_rows(result, _MISTAKES, _WIDTH)
    for row in rows:
        row["text"] = coloured_texts.get(row["row"], row["text"])
    confused = confusion_rows(result, _CONFUSED)
    parts = [
        cards(tuple(row.values()) for row in metric_rows(result)),
        pictures((draw(result, name), is_wide(result, name)) for name in _pictures_of(result)),
        section("Labels", class_rows(result)),
        section(f"Most frequent confusions{_share(len(confused), len(result.confusions))}", confused),
        section("Slices", slice_rows(result)),
        section(wrong + _share(len(rows), len(result.mistakes)), rows, _note(result, len(coloured_texts))),
        footer(result),
    ]
    write_page(path, f"Evaluation of {_name(result)}", f"{escape(result.title)} &middot; {_about(result)}", parts)


def write_comparison(result: Any, path: Path) -> None:
    """Writes the page of a comparison."""
    require_page("path", path)
    first, second = result.first, result.second
    about = f"first: {escape(first.title)}<br>second: {escape(second.title)}<br>{_about(first)}"
    parts = [
        f'<p class="verdict {_SIGNS[outcome(result)]}">{escape(verdict(result))}</p>',
        cards(_change_card(name, found) for name, found in result.metrics.items()),
        pictures(draw_all(result)),
        section("Labels", class_changes(result), "F1 of each label"),
        section("Slices", slice_changes(result), f"{spoken(first.measure.brief[0])} of each slice"),
        *(_changed(result, better) for better in ("second", "first")),
        footer(first),
    ]
    write_page(path, f"{_name(first)} and {_name(second)}", about, parts)


def _name(result: Any) -> str:
    return Path(result.title).name or result.title


def _about(result: Any) -> str:
    kinds = {REGRESSION: "regression", MULTIPLE: f"{len(result.labels)} independent labels"}
    return f"{len(result):,} texts &middot; {kinds.get(result.problem, f'{len(result.labels)} labels')}"


def _pictures_of(result: Any) -> list[str]:
    if result.problem == REGRESSION:
        return ["values", "scores", "lengths", "slices"]
    return ["confusion_matrix", "reliability", "roc", "precision_recall", "scores", "lengths", "slices"]


def _share(shown: int, count: int) -> str:
    return "" if shown == count else f" ({shown} of {count:,})"


def _change_card(name: str, found: Any) -> tuple[str, str, str]:
    """The difference, coloured if its interval is on one side of 0, over both values."""
    value = Markup(f'<span class="{_SIGNS[is_better(name, found)]}">{signed(found.difference)}</span>')
    both = f"{number(found.first)} → {number(found.second)}"
    return spoken(name), value, Markup(f"{both}<br>{interval(found.low, found.high)}")


def _changed(result: Any, better: str) -> str:
    """The texts that one model gets right, or predicts better, and the other does not."""
    found = [row for row in result.differences if row["better"] == better]
    what = "Closer to the right number with" if result.p_value is None else "Right only with"
    rows = changed_rows(found[:_CHANGED], _WIDTH)
    return section(f"{what} the {better} model{_share(len(rows), len(found))}", rows)


def _explained(result: Any) -> dict[int, Markup]:
    """The coloured texts of the most confident mistakes by their rows; as many as can be explained in 20 seconds."""
    if result.model is None:
        raise ValueError("explain needs a classifier of deberta_c with its own tokenizer; leave it out")
    rows = [found["row"] for found in result.mistakes[:_EXPLAINED]]
    columns = [[column[row] for row in rows] for column in (result.texts, result.pairs) if column is not None]
    labels = _explained_labels(result)[rows]
    end, found = monotonic() + _SECONDS, {}
    limit = min(result.max_length or _TOKENS, _TOKENS)
    for row, one in zip(rows, attributions(result.model, columns, labels, steps=_STEPS, max_length=limit), strict=True):
        label = f"<b>{escape(one.label)}</b>: " if result.problem == MULTIPLE else ""
        found[row] = Markup(label + coloured(one, _WIDTH))
        if monotonic() > end:
            break
    return found


def _explained_labels(result: Any) -> Any:
    """For each row the number of the explained label (N): the predicted one, or the one that is most wrong."""
    if result.problem == MULTIPLE:
        return np.where(result.targets, 1 - result.scores, result.scores).argmax(axis=1)
    if result.problem == REGRESSION:
        return abs(result.scores - result.targets).argmax(axis=1)
    return result.scores.argmax(axis=1)


def _note(result: Any, explained: int) -> str:
    if not explained:
        return ""
    what = {REGRESSION: "a higher number", MULTIPLE: "the label before the text"}.get(
        result.problem, "the predicted label"
    )
    return (
        f"The words of {'the first text' if explained == 1 else f'the first {explained}'} speak for {what} (blue) or "
        f"against it (red): integrated gradients over at most {_TOKENS} tokens."
    )
