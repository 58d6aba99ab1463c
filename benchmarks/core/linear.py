# SPDX-License-Identifier: Apache-2.0
"""Linear layers with the kernel of deberta_c and with oneDNN: the measurements behind csrc/nn/linear.c's choice.

    python -m benchmarks.core.linear  # ten minutes; writes benchmarks/results/ISA/linear.json, prints all
    python -m benchmarks.core.linear --hidden 768  # measures this hidden size; the others are kept
    python -m benchmarks.core.linear --table  # prints the summaries of the committed results
    python -m benchmarks.core.linear --below  # prints their points that miss the goal

Run it on an idle machine: the two alternate, but other processes disturb both. The current csrc is compiled.
"""

import statistics
from collections.abc import Iterator

from benchmarks import common
from benchmarks.core.native import Program
from benchmarks.core.peak import peak_gflops

HIDDEN = (384, 768, 1024, 1536)  # v3-xsmall; v3-small and base, v1-base; v3-large, v1-large; v2-xlarge and xxlarge
ROWS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 15, 16, 17, 19, 20, 23, 24, 29, 31, 32, 37, 41, 48, 53, 64),
    *(77, 96, 100, 128, 131, 192, 256, 384, 512, 777, 1024, 2048),
)
THREADS = (1, 2)
GROUPS = ((1, 1), (2, 3), (4, 15), (16, 64), (65, 256), (257, 2048), (16, 2048))  # rows
MEDIAN_GOAL = 0.92  # from 16 rows
LEAST_GOALS = ((16, 0.86), (4, 0.77))  # from this number of rows
AGAIN = 3  # more measurements of a point below its goal
COLUMNS = ("hidden", "threads", "N", "K", "M", "own", "onednn", "peak")


def least_goal(rows: int) -> float:
    return next((goal for least, goal in LEAST_GOALS if rows >= least), 0.0)


def matrices(hidden: int) -> tuple[tuple[int, int], ...]:
    """N and K of query and output; of keys and values together; of feed-forward up and down."""
    return (hidden, hidden), (2 * hidden, hidden), (4 * hidden, hidden), (hidden, 4 * hidden)


def measure(program: Program, hidden: int) -> Iterator[list[float]]:
    for threads in THREADS:
        for n, k in matrices(hidden):
            peak = peak_gflops(threads)
            points = [[hidden, threads, n, k, m, *program.ask(threads, n, k, m)] for m in ROWS]
            peak = max(peak, peak_gflops(threads))
            yield from (best_of_more(program, [*point, peak]) for point in points)


def best_of_more(program: Program, point: list[float]) -> list[float]:
    """The point, measured again while it is below its goal; the largest of each figure, also of the peak, is kept."""
    hidden, threads, n, k, m, *figures = point
    for _ in range(AGAIN):
        own, _, peak = figures
        if own >= least_goal(m) * peak:
            break
        again = [*program.ask(threads, n, k, m), peak_gflops(threads)]
        figures = [max(pair) for pair in zip(figures, again, strict=True)]
    return [hidden, threads, n, k, m, *figures]


def points(results: dict) -> list[dict]:
    return [dict(zip(COLUMNS, point, strict=True)) for point in results["points"]]


def below(results: dict) -> str:
    missed = [point for point in points(results) if point["own"] < least_goal(point["M"]) * point["peak"]]
    lines = [
        f"{point['threads']} threads, N {point['N']}, K {point['K']}, M {point['M']}: "
        f"{point['own'] / point['peak']:.1%}, oneDNN {point['onednn'] / point['peak']:.1%}"
        for point in missed
    ]
    return "\n".join([*lines, f"{len(missed)} of {len(results['points'])} points are below the goal"])


def summary(results: dict) -> str:
    """Median and least share of the FMA peak, by threads and rows, over all matrices."""
    lines = [
        "| threads | rows | ours: median | ours: least | goal | oneDNN: median | oneDNN: least | ours ahead of oneDNN |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for threads in THREADS:
        for low, high in GROUPS:
            group = [p for p in points(results) if p["threads"] == threads and low <= p["M"] <= high]
            own, onednn = (
                f"{statistics.median(shares):.0%} | {min(shares):.0%}"
                for shares in ([p[path] / p["peak"] for p in group] for path in ("own", "onednn"))
            )
            ahead = statistics.median(p["own"] / p["onednn"] for p in group)
            rows, goal = names(low, high)
            lines.append(f"| {threads} | {rows} | {own} | {goal} | {onednn} | {ahead:.2f}x |")
    machine = results["machine"]
    peaks = ", ".join(
        f"{min(peak):.0f} to {max(peak):.0f} with {threads}"
        for threads in THREADS
        for peak in [[p["peak"] for p in points(results) if p["threads"] == threads]]
    )
    hidden = ", ".join(map(str, sorted({p["hidden"] for p in points(results)})))
    lines += [
        "",
        f"Shares of the measured FMA peak; N and K of the hidden sizes {hidden}, {len(ROWS)} numbers of rows, odd ones "
        "among them. A point is the\nmedian of five rounds, alternating with oneDNN. Where deberta_c missed its goal, "
        f"both and the peak were measured up to {AGAIN} times more, and the\nlargest figure of each was kept. "
        f"Peak, GFLOP/s by threads: {peaks}; {machine['cpu']} ({machine['isa']}), "
        f"oneDNN {machine['onednn']},\n{machine['date']}.",
    ]
    return "\n".join(lines)


def names(low: int, high: int) -> tuple[str, str]:
    """The name of a group of rows in the table, and its goals."""
    rows = str(low) if low == high else f"{low} to {high}"
    if (low, high) == GROUPS[-1]:
        return f"{low} and more", f"{MEDIAN_GOAL:.0%}, {least_goal(low):.0%}"
    return rows, f"least {least_goal(low):.0%}" if least_goal(low) else ""


def merged(old: dict, machine: dict, new: list[list[float]]) -> dict:
    """The results with new points instead of those of the same hidden sizes, in the order of HIDDEN."""
    kept = [point for point in old.get("points", []) if point[0] not in {fresh[0] for fresh in new}]
    return {"machine": machine, "columns": COLUMNS, "points": sorted(kept + new, key=lambda point: point[0])}


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--hidden", type=int, nargs="+", choices=HIDDEN, default=HIDDEN)
    parser.add_argument("--below", action="store_true", help="print the points of the results below the goal")
    options = parser.parse_args()
    if not options.table and not options.below:
        with Program("linear") as program:
            new = [point for hidden in options.hidden for point in measure(program, hidden)]
            old = common.read("linear", program.isa)
            common.write("linear", program.isa, merged(old, program.machine(), new))
    print(common.tables("linear", below if options.below else summary))


if __name__ == "__main__":
    main()
