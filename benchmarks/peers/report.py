# SPDX-License-Identifier: Apache-2.0
"""Tables and a plot of the results of benchmarks/peers/run.py."""

import statistics
from math import comb

from benchmarks.common import markdown
from benchmarks.peers.peers import (
    FLOAT32,
    PEERS,
    Compiled,
    Eager,
    OnnxRuntime,
    OnnxRuntimeInt8,
    OpenVino,
    OpenVinoThroughput,
    Ours,
)

SORTED = ", sorted"  # ending of a setting whose batches have rows of similar length
# Goals: times as fast as transformers eager, and as the best float32 peer in that order of rows.
GOALS = {
    "1x16": (12, 1.8),
    "1x128": (2.5, 1.22),
    "8x128": (1.55, 1.38),
    "4x512": (2.35, 1.5),
    "1000 messages": (5, 3.8),
    "1000 messages, sorted": (None, 1.85),
    "500 articles, sorted": (None, 1.6),
}
EFFICIENCY_GOALS = {"8x128": 0.88, "1000 messages": 0.88, "500 articles": 0.88}
BASE = "v3-base"
COLUMNS = {
    "transformers eager": (Eager.name,),
    "torch.compile": (Compiled.name,),
    "onnxruntime": (OnnxRuntime.name,),
    "OpenVINO": (OpenVino.name, OpenVinoThroughput.name),
    "onnxruntime int8": (OnnxRuntimeInt8.name,),
}


def interval(values):
    """Two of the sorted values that contain the median with 95 %; the extremes of fewer than six values."""
    values, n = sorted(values), len(values)
    dropped, doubt = 0, 2 * 0.5**n
    while doubt + 2 * comb(n, dropped + 1) * 0.5**n <= 0.05:
        dropped += 1
        doubt += 2 * comb(n, dropped) * 0.5**n
    return values[dropped], values[n - 1 - dropped]


def paired(work, setting):
    """Median and interval of the setting's time over that of deberta_c, round by round."""
    ratios = [theirs / ours for theirs, ours in zip(work["seconds"][setting], work["seconds"][Ours.name], strict=False)]
    return statistics.median(ratios), *interval(ratios)


def best(work, names, ending=""):
    """The fastest of these peers in an order of rows, or None."""
    known = [name + ending for name in names if name + ending in work["seconds"]]
    return min(known, key=lambda setting: statistics.median(work["seconds"][setting]), default=None)


def efficiency(work):
    """The needed FLOPs over those possible at the measured peak in that time."""
    return work["gflop"] / statistics.median(work["seconds"][Ours.name]) / work["peak_gflops"]


def ratio_cell(work, setting):
    if setting is None:
        return "-"
    median, low, high = paired(work, setting)
    runs = len(work["seconds"][setting])
    return f"{median:.2f}x" + (f" ({low:.2f} to {high:.2f})" if runs > 1 else " (one run)")


def goal_cell(goal, reached, unit="x"):
    if goal is None or reached is None:
        return "-"
    shown = f"{goal:g}x" if unit == "x" else f"{goal:.0%}"
    return f"{shown}, {'met' if reached >= goal else 'missed'}"


def time_cell(work, setting):
    if setting is None:
        return "-"
    own = work["seconds"][setting]
    median = statistics.median(own)
    shown = f"{median:.2f} s" if median >= 10 else f"{median * 1e3:,.0f}" if median >= 0.1 else f"{median * 1e3:.1f}"
    return shown + ("*" if len(own) == 1 else "")


def row(name, work, ending=""):
    """A row of the table of v3-base: times, ratios and goals."""
    eager, other = best(work, (Eager.name,), ending), best(work, [n for n in FLOAT32 if n != Eager.name], ending)
    goals = GOALS.get(name + ending, (None, None))
    cells = [name + ending, time_cell(work, Ours.name)]
    cells += [time_cell(work, best(work, names, ending)) for names in COLUMNS.values()]
    for setting, goal in zip((eager, other), goals, strict=True):
        cells += [ratio_cell(work, setting), goal_cell(goal, setting and paired(work, setting)[0])]
    cells += [f"{efficiency(work):.0%}", goal_cell(EFFICIENCY_GOALS.get(name), efficiency(work), "%")]
    return cells


def base_table(works):
    header = ["work", "deberta_c, ms", *COLUMNS, "over eager", "goal", "over the best float32 peer", "goal"]
    rows = []
    for name, work in works.items():
        rows.append(row(name, work))
        if any(setting.endswith(SORTED) for setting in work["seconds"]):
            rows.append(row(name, work, SORTED))
    return markdown([*header, "of FMA peak", "goal"], rows)


def sizes_table(models):
    rows = []
    for model, works in models.items():
        for name, work in works.items():
            ending = SORTED if any(setting.endswith(SORTED) for setting in work["seconds"]) else ""
            other = best(work, [peer for peer in FLOAT32 if peer != Eager.name], ending)
            times = [time_cell(work, setting) for setting in (Ours.name, Eager.name, other)]
            ratios = [ratio_cell(work, setting) for setting in (Eager.name, other)]
            rows.append([model, name, *times, other or "-", *ratios, f"{efficiency(work):.0%}"])
    header = ["model", "work", "deberta_c, ms", "transformers eager", "best float32 peer", "which", "over eager"]
    return markdown([*header, "over the best peer", "of FMA peak"], rows)


def installed_mb(results):
    """Installed size of each peer, without Python and NumPy."""
    sizes = results["installed_mb"]
    packages = {peer: {module.split(".")[0] for module in PEERS[peer].modules} for peer in results["start"][BASE]}
    return {peer: sum(sizes.get(package, 0.0) for package in names) for peer, names in packages.items()}


def costs_table(results):
    """Installed size, import, load and memory of the process of each peer."""
    works, rows, installed = results["works"][BASE], [], installed_mb(results)
    shown = [name for name in ("1x16", "8x128", "1000 messages") if name in works]
    for peer, start in results["start"][BASE].items():
        memory = [works[name]["peak_mb"].get(peer) for name in shown]
        cells = [f"{value:,.0f}" if value else "-" for value in memory]
        rows.append([peer, f"{installed[peer]:,.0f}", f"{start['import_s']:.2f}", f"{start['load_s']:.2f}", *cells])
    header = ["peer", "installed, MB", "import beyond NumPy, s", "load, s"]
    return markdown(header + [f"peak memory at {name}, MB" for name in shown], rows)


def floor_lines(works):
    for name, work in works.items():
        if "floor" in work:
            floor = work["floor"]
            yield (
                f"TF-IDF with logistic regression (scikit-learn) labels the {name} in {floor['seconds'] * 1e3:.0f} ms, "
                f"from text to label, with {floor['peak_mb']:.0f} MB."
            )


def machines(results):
    """The machine, date and versions of each set of works."""
    seen = {}
    for model, works in results["works"].items():
        for work in works.values():
            about = tuple(work["machine"].items())
            seen.setdefault(about, dict.fromkeys(()))[model] = None
    for about, models in seen.items():
        values = dict(about)
        name = machine_name(values)
        day = [values.pop(key) for key in ("cpu", "isa", "threads", "date")][-1]
        versions = ", ".join(f"{name} {value}" for name, value in values.items())
        yield f"{', '.join(models)}: {name}, {day}; {versions}."


def figures(results):
    """The figures in sentences of README."""
    works = results["works"][BASE]
    start, installed = results["start_up"], installed_mb(results)
    eager = {name: best(work, [Eager.name], SORTED) for name, work in works.items()}
    ragged = {name: works[name] for name, setting in eager.items() if setting}
    return {
        "over_eager": span([paired(work, Eager.name)[0] for work in ragged.values()]),
        "over_eager_sorted": span([paired(work, eager[name])[0] for name, work in ragged.items()]),
        "installed": f"{installed[Ours.name]:.0f} MB",
        "installed_eager": f"{installed[Eager.name]:.0f} MB",
        "import": f"{start['import_beyond_numpy_s'] * 1e3:.0f} ms",
        "first_answer": f"{start['first_answer_s']:.1f} s",
        "machine": "; ".join(dict.fromkeys(machine_name(work["machine"]) for work in ragged.values())),
    }


def span(ratios):
    """The lowest and the highest ratio as text."""
    low, high = f"{min(ratios):.1f}", f"{max(ratios):.1f}"
    return low if low == high else f"{low} to {high}"


def machine_name(machine):
    return f"{machine['cpu']} ({machine['isa']}), {machine['threads']} threads"


def tables(results):
    """All tables of the comparison with other libraries."""
    works, start = results["works"], results["start_up"]
    parts = []
    if BASE in works:
        parts.append(base_table(works[BASE]))
        parts.append(
            "Random weights of DeBERTa-v3-base, float32 except in the column int8. Medians, in ms unless marked s. "
            "A ratio is the median of the\nratios of the rounds, with its 95 % interval (all rounds where there are "
            "fewer than six); * is a single run. The other libraries get rows of\nunequal length in padded batches of "
            "32, in the order given or sorted by length. Of FMA peak: FLOPs needed by real tokens, over time\nand "
            "measured peak."
        )
        parts.append("\n".join(floor_lines(works[BASE])))
    parts.append(
        sizes_table({model: own for model, own in works.items() if model != BASE}) if set(works) - {BASE} else ""
    )
    if BASE in results["start"]:
        parts.append(costs_table(results))
    parts.append(
        f"`import deberta_c` adds {start['import_beyond_numpy_s'] * 1e3:.0f} ms to NumPy's import; the default model "
        f"answers from a cold start in {start['first_answer_s'] * 1e3:.0f} ms."
    )
    parts.append("\n".join(machines(results)))
    return "\n\n".join(part for part in parts if part)


def plot(results, path):
    """Bars of the speed-up over transformers eager, of deberta_c and of the best float32 peer, by works of v3-base."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "deberta_c"  # the same numbers give the same file
    import matplotlib.pyplot as plt

    names, ours, others = [], [], []
    for name, work in results["works"][BASE].items():
        eager = statistics.median(work["seconds"][Eager.name])
        other = best(work, [peer for peer in FLOAT32 if peer != Eager.name])
        names.append(name)
        ours.append(eager / statistics.median(work["seconds"][Ours.name]))
        others.append(eager / statistics.median(work["seconds"][other]))
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.42 * len(names)), layout="constrained")
    places = range(len(names))
    bars = axes.barh([place - 0.2 for place in places], ours, 0.38, label="deberta_c", color="#1b6ca8")
    axes.bar_label(bars, fmt="%.1f", padding=2)
    bars = axes.barh([place + 0.2 for place in places], others, 0.38, label="best other, float32", color="#b9c4cc")
    axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times as fast as transformers eager (rows of unequal length: in their own order)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, metadata={"Date": None})
