"""The pictures of an evaluation, drawn by matplotlib."""

from typing import Any

import numpy as np

from deberta_c._base.extras import require
from deberta_c._base.figures import BLUE, COLORS, GREY, INK, RED, new_figure, style
from deberta_c._models.losses import MULTIPLE, REGRESSION
from deberta_c.evaluation.metrics import bin_of
from deberta_c.evaluation.tables import spoken

_NAMED = 10  # curves with a name of their own; of more labels the weakest ones have one
_PRINTED = 25  # labels up to which a matrix has numbers
_LONGEST = 28  # characters of a name
_WIDE = 12  # labels beyond which a matrix needs a line of its own
_SMALLEST = 5.5  # points of a label
_POINTS = 400  # of a curve


def draw(result: Any, name: str, ax: Any = None, **options: Any) -> Any:
    """Draws a picture of an evaluation, on `ax` or on a new figure, and returns the figure."""
    require("matplotlib", f"plot_{name}")
    function = _DRAWN[name]
    if result.problem == REGRESSION and name in _OF_LABELS:
        raise ValueError(f"plot_{name} is for labels, but the model is a regression; use plot_values")
    if result.problem != REGRESSION and name == "values":
        raise ValueError("plot_values is for a regression; use plot_confusion_matrix")
    figure = ax.figure if ax is not None else new_figure(*_size(result, name))
    function(result, ax if ax is not None else figure.subplots(), **options)
    return figure


def is_wide(result: Any, name: str) -> bool:
    """Whether a picture needs a line of its own."""
    return name == "confusion_matrix" and len(result.labels) > _WIDE


def _size(result: Any, name: str) -> tuple[float, float]:
    count = len(result.labels)
    if name == "confusion_matrix":
        side = min(max(3.6, 1.6 + 0.42 * count), 10)
        return (5.2, max(2.4, 1.4 + 0.34 * min(count, 40))) if result.problem == MULTIPLE else (side + 0.7, side)
    if name in ("roc", "precision_recall"):
        return 5.3, 3.7
    if name == "slices":
        return 5.6, max(2.2, 1.0 + 0.28 * min(len(result.slices), 40))
    return 5.2, 3.8


def name_of(label: Any, width: int = _LONGEST) -> str:
    """A name without its middle if it is long, because names often begin alike; a dollar begins no formula."""
    text = str(label)
    head = width * 3 // 5
    short = text if len(text) <= width else f"{text[:head].rstrip()}…{text[head + 1 - width :].lstrip()}"
    return short.replace("$", r"\$")


def _confusion_matrix(result: Any, ax: Any, normalize: bool = True) -> None:
    if result.problem == MULTIPLE:
        counts = result.confusion.reshape(len(result.labels), 4)[:, [3, 2, 1, 0]]
        columns = ["present,\nfound", "present,\nmissed", "absent,\nfound", "absent,\nnot found"]
        total = np.full((len(counts), 1), len(result))
        title, xlabel, ylabel = "Each label", "", "label"
    else:
        counts, columns = result.confusion, [name_of(label) for label in result.labels]
        total = counts.sum(axis=1, keepdims=True)
        title, xlabel, ylabel = "Confusion matrix", "predicted", "right"
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    values = shares if normalize else counts
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#d3e3f4", "#7fb0de", "#2f6db3", "#173f70"])
    most = 1.0 if normalize else max(int(values.max()), 1)
    depth = values**0.5 if len(result.labels) > _WIDE and normalize else values  # rare confusions show, too
    ax.imshow(depth, cmap=colors, vmin=0, vmax=most, aspect="auto" if result.problem == MULTIPLE else "equal")
    style(ax, title, xlabel, ylabel, grid=None)
    for spine in ax.spines.values():
        spine.set_visible(False)
    pitch = 72 * 0.8 * ax.figure.get_size_inches()[1] / len(result.labels)  # points that a label has
    size = min(max(0.85 * pitch, _SMALLEST), 8)
    steps = range(0, len(result.labels), max(1, round(_SMALLEST / pitch)))
    turned = len(columns) > 3 and result.problem != MULTIPLE
    angle = 0 if not turned else 45 if len(columns) <= 30 else 90
    places = steps if result.problem != MULTIPLE else range(4)
    ax.set_xticks(
        list(places), [columns[i] for i in places], fontsize=size, rotation=angle,
        ha="right" if turned else "center", va="center" if angle == 90 else "top",
        rotation_mode="anchor" if turned else "default",
    )  # fmt: skip
    ax.set_yticks(list(steps), [name_of(result.labels[i]) for i in steps], fontsize=size)
    if len(result.labels) > _PRINTED:
        return
    for (row, column), value in np.ndenumerate(values):
        if counts[row, column]:
            shown = f"{value:.2f}".replace("0.", ".").replace("1.00", "1") if normalize else f"{value:,}"
            ink = "white" if depth[row, column] > 0.55 * most else INK
            ax.text(column, row, shown, ha="center", va="center", fontsize=8 if len(columns) <= 12 else 6.5, color=ink)


def _roc(result: Any, ax: Any) -> None:
    metrics = require("sklearn.metrics", "plot_roc")
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")

    def curve(wanted: Any, scores: Any) -> tuple[Any, Any, float]:
        false, true, _ = metrics.roc_curve(wanted, scores)
        return false, true, metrics.roc_auc_score(wanted, scores)

    _curves(result, ax, curve, "AUC")
    style(ax, "ROC", "share of other rows that are taken for the label", "share of its rows that are found")


def _precision_recall(result: Any, ax: Any) -> None:
    metrics = require("sklearn.metrics", "plot_precision_recall")

    def curve(wanted: Any, scores: Any) -> tuple[Any, Any, float]:
        precision, recall, _ = metrics.precision_recall_curve(wanted, scores)
        return recall, precision, metrics.average_precision_score(wanted, scores)

    _curves(result, ax, curve, "AP")
    style(ax, "Precision and recall", "recall", "precision")


def _curves(result: Any, ax: Any, curve: Any, area: str) -> None:
    """A curve for each label that some rows have and some do not; of many labels the weakest ones have names."""
    found = []
    for label in result.measure.columns():
        wanted = result.measure.wanted[:, label]
        if wanted.any() and not wanted.all():
            found.append((result.labels[label], *curve(wanted, result.scores[:, label])))
    found.sort(key=lambda entry: entry[3])
    weakest = found[:5] if len(found) > _NAMED else found
    for entry in found[len(weakest) :]:
        ax.plot(*_thinned(entry[1], entry[2]), color=GREY, alpha=0.45, linewidth=0.8)
    for (name, x, y, value), color in zip(reversed(weakest), COLORS, strict=False):
        ax.plot(*_thinned(x, y), color=color, linewidth=1.8, label=f"{name_of(name, 17)}  {value:.3f}")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    if found:
        title = area if len(weakest) == len(found) else f"{area}, the weakest of {len(found)}"
        legend = ax.legend(
            title=title, frameon=False, fontsize=7, title_fontsize=7.5, handlelength=1.2, loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )  # fmt: skip
        legend._legend_box.align = "left"


def _thinned(x: Any, y: Any) -> tuple[Any, Any]:
    """Points that show the same curve."""
    if len(x) <= _POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[kept], y[kept]


def _reliability(result: Any, ax: Any) -> None:
    measure, bins = result.measure, result.measure.bins
    if result.problem == MULTIPLE:
        confidence, right = result.scores.ravel(), measure.wanted.ravel()
        xlabel, ylabel = "probability of a label", "share of rows that have it"
    else:
        confidence, right = result.scores.max(axis=1), result.correct
        xlabel, ylabel = "confidence", "accuracy"
    group = bin_of(confidence, bins)
    counts = np.bincount(group, minlength=bins)
    filled = np.flatnonzero(counts)
    accuracy = np.bincount(group, right, bins)[filled] / counts[filled]
    mean = np.bincount(group, confidence, bins)[filled] / counts[filled]
    width = 1 / bins
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfectly calibrated")
    lower, gap = np.minimum(accuracy, mean), abs(mean - accuracy)
    over = mean > accuracy
    ax.bar(filled * width, lower, width, align="edge", color=BLUE, edgecolor="white")
    for rows, color, name in ((over, "#eab8ad", "too confident by"), (~over, "#9dbfe3", "too modest by")):
        if rows.any():
            ax.bar(
                filled[rows] * width, gap[rows], width, bottom=lower[rows], align="edge", color=color,
                edgecolor="white", label=name,
            )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1.12))
    for place, count, height in zip(filled, counts[filled], np.maximum(accuracy, mean), strict=True):
        ax.text((place + 0.5) * width, height + 0.015, f"{count:,}", ha="center", fontsize=6.5, color=INK)
    style(ax, f"Reliability, calibration error {result['calibration_error']:.3f}", xlabel, ylabel)
    ax.legend(frameon=False, fontsize=7.5, loc="upper left")


def _lengths(result: Any, ax: Any) -> None:
    lengths = result.lengths
    edges = np.histogram_bin_edges(lengths, bins=min(30, max(int(np.ptp(lengths)), 1)))
    if result.problem == REGRESSION:
        ax.hist(lengths, edges, color=BLUE, edgecolor="white", linewidth=0.4)
    else:
        parts, colors = [lengths[result.correct], lengths[~result.correct]], [BLUE, RED]
        ax.hist(parts, edges, stacked=True, color=colors, label=["right", "wrong"], edgecolor="white", linewidth=0.4)
        ax.legend(frameon=False, fontsize=8, loc="upper right")
    style(ax, "Length of the texts", result.length_unit, "texts", grid="y")


def _scores(result: Any, ax: Any) -> None:
    if result.problem == REGRESSION:
        errors = (result.scores - result.targets).mean(axis=1)
        ax.hist(errors, 30, color=BLUE, edgecolor="white", linewidth=0.4)
        ax.axvline(0, color=INK, linewidth=1, linestyle=":")
        style(ax, "Errors", "predicted minus right", "texts", grid="y")
        return
    if result.problem == MULTIPLE:
        wanted = result.measure.wanted
        parts, names = [result.scores[wanted], result.scores[~wanted]], ["labels of the row", "other labels"]
        low, xlabel, ylabel = 0.0, "probability", "decisions"
    else:
        sure = result.scores.max(axis=1)
        parts, names = [sure[result.correct], sure[~result.correct]], ["right", "wrong"]
        low, xlabel, ylabel = 1 / max(len(result.labels), 1), "probability of the predicted label", "texts"
    edges = np.linspace(low, 1, 26)
    ax.hist(parts, edges, stacked=True, color=[BLUE, RED], label=names, edgecolor="white", linewidth=0.4)
    ax.set_xlim(low, 1)
    if max(np.histogram(np.concatenate(parts), edges)[0]) > 50:
        ax.set_yscale("symlog", linthresh=10)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    style(ax, "Scores", xlabel, ylabel, grid="y")
    ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)  # above the bars


def _values(result: Any, ax: Any) -> None:
    targets, scores = result.targets, result.scores
    low, high = min(targets.min(), scores.min()), max(targets.max(), scores.max())
    ax.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":")
    for place, color in zip(range(targets.shape[1]), COLORS * (1 + targets.shape[1] // 10), strict=False):
        ax.scatter(
            targets[:, place], scores[:, place], s=14, alpha=0.5, color=color, linewidth=0, rasterized=True,
            label=name_of(result.labels[place]),
        )  # fmt: skip
    if targets.shape[1] > 1:
        ax.legend(frameon=False, fontsize=8, loc="upper left")
    style(ax, "Predicted and right", "right", "predicted")


def _slices(result: Any, ax: Any) -> None:
    figure = result.measure.brief[0]
    rows = result.slices[:40]
    places = np.arange(len(rows))[::-1]
    colors = dict(zip(dict.fromkeys(row["column"] for row in rows), COLORS * 8, strict=False))
    for place, row in zip(places, rows, strict=True):
        color = colors[row["column"]]
        ax.plot([row[f"{figure}_low"], row[f"{figure}_high"]], [place, place], color=color, alpha=0.45, linewidth=3)
        ax.plot(row[figure], place, "o", color=color, markersize=5)
    names = [f"{name_of(row['column'], 14)}: {name_of(row['slice'], 22)} ({row['rows']:,})" for row in rows]
    ax.set_yticks(places, names)
    if figure in result.metrics:
        ax.axvline(result[figure], color=INK, linewidth=1, linestyle=":")
    style(ax, "Slices", f"{spoken(figure)}, with its interval; dotted: all texts", grid="x")
    ax.set_ylim(-0.7, len(rows) - 0.3)


_DRAWN = {
    "confusion_matrix": _confusion_matrix,
    "roc": _roc,
    "precision_recall": _precision_recall,
    "reliability": _reliability,
    "lengths": _lengths,
    "scores": _scores,
    "values": _values,
    "slices": _slices,
}
_OF_LABELS = ("confusion_matrix", "roc", "precision_recall", "reliability")
