"""The pictures of a comparison of two models, drawn by matplotlib."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from deberta_c._base.extras import require
from deberta_c._base.figures import BLUE, GREY, INK, RED, new_figure, style
from deberta_c._models.losses import REGRESSION
from deberta_c.evaluation.comparison_tables import is_better
from deberta_c.evaluation.pictures import draw, is_wide, name_of
from deberta_c.evaluation.tables import spoken

_GOOD, _BAD = "#3f9d74", RED
_SLICES = 40  # that are drawn


def draw_comparison(result: Any, name: str, ax: Any = None) -> Any:
    """Draws a picture of a comparison, on `ax` or on a new figure, and returns the figure."""
    require("matplotlib", f"plot_{name}")
    function, size = _DRAWN[name]
    if name == "agreement" and result.p_value is None:
        raise ValueError("plot_agreement is for labels, but the models are regressions; use plot_differences")
    figure = ax.figure if ax is not None else new_figure(*size(result))
    function(result, ax if ax is not None else figure.subplots())
    return figure


def draw_all(result: Any) -> Iterator[tuple[Any, bool]]:
    """The pictures of a report, and whether each is wide."""
    regression = result.first.problem == REGRESSION
    for name in ("differences", "slices") if regression else ("differences", "agreement", "slices"):
        yield draw_comparison(result, name), name == "slices" and not regression
    for name in ("values",) if regression else ("confusion_matrix", "reliability"):
        for which in ("first", "second"):
            figure = draw(getattr(result, which), name)
            ax = figure.axes[0]
            ax.set_title(f"{which.capitalize()} model: {_lowered(ax.get_title(loc='left'))}", loc="left", fontsize=11)
            yield figure, is_wide(result.first, name)


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


def _differences(result: Any, ax: Any) -> None:
    names = list(result.metrics)
    places = np.arange(len(names))[::-1]
    ax.axvline(0, color=GREY, linewidth=1, linestyle=":")
    for place, name in zip(places, names, strict=True):
        found = result.metrics[name]
        color = {True: _GOOD, False: _BAD, None: GREY}[is_better(name, found)]
        ax.plot([found.low, found.high], [place, place], color=color, alpha=0.45, linewidth=4, solid_capstyle="round")
        ax.plot(found.difference, place, "o", color=color, markersize=6)
    ax.set_yticks(places, list(map(spoken, names)))
    ax.set_ylim(-0.7, len(names) - 0.3)
    style(ax, "Differences", "second minus first, with its interval", grid="x")


def _agreement(result: Any, ax: Any) -> None:
    right = [part.correct for part in (result.first, result.second)]
    counts = np.array([[(a & b).sum() for b in (right[1], ~right[1])] for a in (right[0], ~right[0])])
    shares = counts / counts.sum()
    colors = [["#dbe7f3", "#f3d9d2"], ["#cfe8dc", "#e6e8ea"]]
    for row in range(2):
        for column in range(2):
            ax.add_patch(_rectangle(column - 0.48, row - 0.48, colors[row][column]))
            ax.text(column, row - 0.08, f"{counts[row, column]:,}", ha="center", va="center", fontsize=15, color=INK)
            ax.text(column, row + 0.2, f"{shares[row, column]:.1%}", ha="center", va="center", fontsize=8, color=INK)
    ax.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    ax.set_xticks([0, 1], ["right", "wrong"])
    ax.set_yticks([0, 1], ["right", "wrong"], rotation=90, va="center")
    style(ax, "Agreement", "second model", "first model", grid=None)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _rectangle(x: float, y: float, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.96, 0.96, facecolor=color)


def _slices(result: Any, ax: Any) -> None:
    rows = result.slices[:_SLICES]
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        ax.plot([row["first"], row["second"]], [place, place], color=GREY, linewidth=2, alpha=0.6, zorder=1)
    # Rings around dots: where both models have the same value, both are seen.
    looks = {"first": {"markersize": 8, "fillstyle": "none", "color": RED}, "second": {"markersize": 5, "color": BLUE}}
    for which, look in looks.items():
        values = [row[which] for row in rows]
        ax.plot(values, places, "o", linestyle="none", label=f"{which} model", **look)
    ax.set_yticks(places, [f"{name_of(r['column'], 14)}: {name_of(r['slice'], 22)} ({r['rows']:,})" for r in rows])
    ax.set_ylim(-0.7, len(rows) - 0.3)
    style(ax, "Slices", spoken(result.first.measure.brief[0]), grid="x")
    ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)


_DRAWN: dict[str, Any] = {
    "differences": (_differences, lambda result: (5.6, 1.2 + 0.42 * len(result.metrics))),
    "agreement": (_agreement, lambda result: (3.9, 3.8)),
    "slices": (_slices, lambda result: (5.6, max(2.4, 1.2 + 0.28 * min(len(result.slices), _SLICES)))),
}
