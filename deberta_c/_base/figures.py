"""Figures of matplotlib."""

from io import BytesIO
from typing import Any

from deberta_c._base.extras import require


def new_figure(width: float, height: float, facecolor: str | None = "white") -> Any:
    """A figure, in inches, that a notebook shows also where pyplot is not imported.

    Errors: ImportError without matplotlib.
    """

    class Picture(require("matplotlib.figure", "plot").Figure):  # type: ignore[misc]
        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            return buffer.getvalue()

    return Picture(figsize=(width, height), layout="constrained", facecolor=facecolor)
