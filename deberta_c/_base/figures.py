"""Figures of matplotlib, and how all of them look."""

from io import BytesIO
from typing import Any

from deberta_c._base.extras import require

BLUE, RED, GREY, INK, LINE = "#2f6db3", "#c8553d", "#9aa3ad", "#2b2f36", "#d9dde2"
COLORS = ("#2f6db3", "#c8553d", "#3f9d74", "#8a63b8", "#d49a2a", "#3aa6b9", "#b8598f", "#6b7a3a", "#7d5a4f", "#5b6770")


def new_figure(width: float, height: float) -> Any:
    """A figure, in inches, that a notebook shows also where pyplot is not imported.

    Errors: ImportError without matplotlib.
    """

    class Picture(require("matplotlib.figure", "plot").Figure):  # type: ignore[misc]
        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            return buffer.getvalue()

    return Picture(figsize=(width, height), layout="constrained", facecolor="white")


def style(ax: Any, title: str, xlabel: str = "", ylabel: str = "", grid: str | None = "both") -> None:
    """The title, the names of the axes, and quiet lines."""
    ax.set_facecolor(ax.figure.get_facecolor())  # of axes of our own white, also under a dark style of matplotlib
    ax.set_title(title, loc="left", fontsize=11, color=INK, pad=8)
    ax.set_xlabel(xlabel, color=INK, fontsize=9)
    ax.set_ylabel(ylabel, color=INK, fontsize=9)
    ax.tick_params(colors=INK, labelsize=8, length=3, color=LINE)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LINE)
    if grid:
        ax.grid(axis=grid, color=LINE, linewidth=0.6)
        ax.set_axisbelow(True)
