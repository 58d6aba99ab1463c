"""A comparison of a type with float32 as tables, for a terminal and for a notebook."""

from collections.abc import Sequence
from html import escape
from typing import Any

from deberta_c._base.tables import html_table, text_table
from deberta_c._models.precision import layers_of
from deberta_c.evaluation.tables import SHOWN, WIDTH, number, span, texts_of_row, words

_LAYERS = 10  # of a table of costs


def precision_text(result: Any) -> str:
    """The figures, the texts that differ most, and the layers that cost most."""
    head = f"{result.title}: {result.precision} beside float32"
    return "\n\n".join(
        [head, text_table(_precision_rows(result)), precision_verdict(result)]
        + [f"{title}\n{text_table(rows)}" for title, rows in _precision_tables(result)]
    )


def precision_html(result: Any) -> str:
    """The same as HTML."""
    return (
        f"<p><b>{escape(result.title)}</b>: {escape(str(result.precision))} beside float32</p>"
        + html_table(_precision_rows(result))
        + f"<p>{escape(precision_verdict(result))}</p>"
        + "".join(f"<p>{escape(title)}</p>{html_table(rows)}" for title, rows in _precision_tables(result))
    )


def precision_verdict(result: Any) -> str:
    """Whether the type passed, and what to do if it did not."""
    dtype, wanted = result.precision.dtype, f"{result.at_least:.4g} of equal labels"
    if result.at_most is not None:
        wanted += f", no difference above {result.at_most:g}"
    if not result.known_products:
        return f"This CPU multiplies {dtype} wrongly: known products differ from their exact sums. Use float32."
    if result.passed:
        return f"{dtype} passes ({wanted})."
    if result.keep is None:
        return f"{dtype} does not pass ({wanted})."
    return (
        f"{dtype} does not pass ({wanted}). With {layers_of(result.keep)} in float32 the share is "
        f"{number(result.kept.agreement)} and the largest difference {number(result.kept.largest)}: "
        f"keep={list(result.keep)!r}"
    )


def _precision_rows(result: Any) -> list[dict[str, Any]]:
    values = result.kind in ("scores", "states")
    of = {"scores": "value", "states": "hidden state"}.get(result.kind, "probability")
    counts = f"{int(result.compared.equal.sum()):,} of {len(result.compared.equal):,}"
    sizes = [f"{result.memory[name] / 2**20:.1f} MiB" for name in ("float32", result.precision.dtype)]
    return [
        {"": "nearly equal" if values else "equal labels", "value": number(result.agreement), "of": counts},
        {"": f"{result.confidence:.0%} interval", "value": span(*result.interval), "of": ""},
        {"": f"largest difference of a {of}", "value": number(result.largest), "of": ""},
        {"": "mean difference", "value": number(result.mean), "of": ""},
        {"": "network in memory", "value": sizes[1], "of": f"{sizes[0]} in float32"},
    ]


def _precision_tables(result: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    names = ["float32", result.precision.dtype] if result.kind != "states" else []
    rows = [
        {
            "row": found["row"],
            **{name: words(found[name]) for name in names},
            "difference": number(found["difference"]),
            "text": texts_of_row(found, WIDTH),
        }
        for found in result.differences[:SHOWN]
    ]
    which = "texts of the sample" if result.sample else "texts"
    tables = [(f"{which} that differ most (the first {len(rows)} of {len(result):,})", rows)]
    if result.costs:
        costs = [{"layer": layer_name(row["layers"]), "cost": f"{row['cost']:.2g}"} for row in result.costs[:_LAYERS]]
        more = f" (the first {_LAYERS} of {len(result.costs)})" if len(result.costs) > _LAYERS else ""
        tables.append((f"what each layer costs, alone in {result.precision.dtype}, in logits{more}", costs))
    return tables


def layer_name(layers: Sequence[str]) -> str:
    """The name of layers that are multiplied together.

    >>> layer_name(["layer.0.self.key_proj", "layer.0.self.value_proj"])
    'layer.0.self.key_proj + value_proj'
    """
    return " + ".join([layers[0], *(name.rpartition(".")[2] for name in layers[1:])])
