"""The picture of a comparison of a type with float32, drawn by matplotlib."""

from typing import Any

import numpy as np

from deberta_c._base.figures import BLUE, GREY, RED, new_figure, style
from deberta_c.evaluation.precision_tables import layer_name

_LAYERS = 40  # of a picture of costs


def draw_precision(result: Any) -> Any:
    """The difference of each text to float32, and what each layer costs if that was measured."""
    shown = result.costs[:_LAYERS]
    figure = new_figure(10.4 if shown else 5.2, max(3.8, 1.0 + 0.2 * len(shown)))
    axes = figure.subplots(1, 2 if shown else 1, squeeze=False)[0]
    dtype = result.precision.dtype
    equal = np.array([found["equal"] for found in result.differences])
    values = np.array([found["difference"] for found in result.differences])
    places = np.arange(1, len(values) + 1)
    for chosen, color, name in ((equal, BLUE, "equal labels"), (~equal, RED, "other labels")):
        if chosen.any():
            axes[0].scatter(places[chosen], values[chosen], s=9, color=color, label=name, linewidths=0)
    if result.at_most is not None:
        axes[0].axhline(result.at_most, color=GREY, linewidth=1, linestyle=":")
    axes[0].set_ylim(bottom=0)
    axes[0].locator_params(axis="x", integer=True)
    axes[0].legend(frameon=False, fontsize=8)
    style(axes[0], f"{dtype} beside float32", "texts, the largest difference first", "difference")
    if shown:
        kept = set(result.keep or ())
        layers = [found["layers"] for found in shown]
        names = [layer_name(part).removeprefix("encoder.layer.") for part in layers]
        colors = [RED if kept & set(parts) else BLUE for parts in layers]
        axes[1].barh(range(len(shown)), [found["cost"] for found in shown], color=colors)
        axes[1].set_yticks(range(len(shown)), names, fontsize=6.5)
        axes[1].invert_yaxis()
        title = "Cost of a layer in logits" + (" (red: keep)" if kept else "")
        style(axes[1], title, f"alone in {dtype}", grid="x")
        axes[1].tick_params(axis="y", labelsize=6.5)
    return figure
