"""Pictures of trainings and searches, drawn by matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

from deberta_c._base.figures import BLUE, COLORS, GREY, INK, RED, new_figure, style

Row = Mapping[str, Any]


def curves(history: Sequence[Row], best_epoch: int) -> Any:
    """The losses of each epoch and, beside them, the metrics of the validation set, if there are any."""
    names = list(dict.fromkeys(name for row in history for name in row))
    metrics = [name for name in names if name.startswith("validation_") and name != "validation_loss"]
    picture, panels = _panels(2 if metrics else 1, width=4.2)
    _curve(panels[0], history, "loss", "training", GREY)
    _curve(panels[0], history, "validation_loss", "validation", BLUE)
    style(panels[0], "Loss", "epoch", "mean loss of a row")
    for name, color in zip(metrics, COLORS * (1 + len(metrics) // len(COLORS)), strict=False):
        _curve(panels[1], history, name, _words(name.removeprefix("validation_")), color)
    if metrics:
        style(panels[1], "Validation set", "epoch", "metric")
    for panel in panels:
        if len(history) > 1:
            panel.axvline(best_epoch, color=INK, linestyle=":", linewidth=1, label=f"epoch {best_epoch} is kept")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend(frameon=False, fontsize=8)
    return picture


def trials(rows: Sequence[Row], metric: str, searched: Sequence[str]) -> Any:
    """The metric of all trials, the best first in `rows`, against each hyperparameter that was searched."""
    picture, panels = _panels(len(searched), width=3.2, sharey=True)
    for panel, name in zip(panels, searched, strict=True):
        values = _ascending({row[name] for row in rows})
        for part, label, color in ((rows[1:], "trial", BLUE), (rows[:1], "best trial", RED)):
            places, scores = [values.index(row[name]) for row in part], [row[metric] for row in part]
            panel.scatter(places, scores, alpha=0.8, label=label, color=color)
        panel.margins(x=0.15)
        panel.set_xticks(range(len(values)), [str(value) for value in values])
        style(panel, "", _words(name), _words(metric) if panel is panels[0] else "")
    panels[-1].legend(frameon=False, fontsize=8)
    return picture


def _panels(count: int, *, width: float, sharey: bool = False) -> tuple[Any, Sequence[Any]]:
    picture = new_figure(width * count, 3)
    return picture, picture.subplots(1, count, squeeze=False, sharey=sharey)[0]


def _curve(panel: Any, history: Sequence[Row], name: str, label: str, color: str) -> None:
    rows = [row for row in history if name in row]
    if rows:
        epochs, values = [row["epoch"] for row in rows], [row[name] for row in rows]
        panel.plot(epochs, values, marker="o", markersize=5, label=label, color=color)


def _ascending(values: set[Any]) -> list[Any]:
    """Numbers by size; what cannot be compared, by its text."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def _words(name: str) -> str:
    return name.replace("_", " ")
