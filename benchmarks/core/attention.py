# SPDX-License-Identifier: Apache-2.0
"""Rates of attention and of its gradients as shares of the measured FMA peak, over lengths and published shapes.

    python -m benchmarks.core.attention              # three minutes; benchmarks/results/ISA/attention.json and tables
    python -m benchmarks.core.attention --shapes v3-base bert-base  # these; the others are kept
    python -m benchmarks.core.attention --quick      # v3-base only, half a minute; prints only
    python -m benchmarks.core.attention --table      # prints the tables of the committed results

Run it on an idle machine. The current csrc is compiled.
"""

from benchmarks import common
from benchmarks.core.native import Program
from benchmarks.core.peak import peak_gflops

LENGTHS = (8, 16, 24, 48, 64, 128, 256, 384, 512, 1024)
THREADS = (1, 2)
PASSES = {"forward": "gflops", "backward": "backward_gflops"}
BASE = "v3-base"
GOAL = (BASE, 512, 0.70)
SHAPES = {  # heads, head size, relative, position_buckets, max_relative_positions
    BASE: (12, 64, 1, 256, 512),
    "v3-xsmall": (6, 64, 1, 256, 512),
    "v3-large": (16, 64, 1, 256, 512),
    "head size 32": (24, 32, 1, 256, 512),
    "head size 128": (6, 128, 1, 256, 512),
    "v1-base": (12, 64, 1, 0, 512),
    "bert-base": (12, 64, 0, 0, 0),
}


def measure(names: list[str]) -> dict:
    """GFLOP/s of each shape and length, forward and backward, and the peak measured before and after each line."""
    lines = []
    with Program("attention") as program:
        for name in names:
            for threads in THREADS:
                peak = peak_gflops(threads)
                rates = [program.ask(threads, *SHAPES[name], length) for length in LENGTHS]
                peak = max(peak, peak_gflops(threads))
                found = dict(zip(PASSES.values(), zip(*rates, strict=True), strict=True))
                lines.append({"shape": name, "threads": threads, "peak_gflops": peak, **found})
        return {**program.machine(), "lengths": LENGTHS, "lines": lines}


def table(results: dict) -> str:
    name, length, least = GOAL
    header = ["attention", "threads", "pass", *(f"S = {length}" for length in results["lengths"])]
    rows = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for line in results["lines"]:
        heads, head_size = SHAPES[line["shape"]][:2]
        for title, key in PASSES.items():
            shares = [f"{rate / line['peak_gflops']:.0%}" for rate in line.get(key, [])]
            if shares:
                cells = [f"{line['shape']} ({heads} x {head_size})", str(line["threads"]), title, *shares]
                rows.append("| " + " | ".join(cells) + " |")
    peaks = {threads: [line["peak_gflops"] for line in results["lines"] if line["threads"] == threads]
             for threads in THREADS}  # fmt: skip
    measured = ", ".join(f"{min(rates):.0f} to {max(rates):.0f} with {threads}" for threads, rates in peaks.items())
    rows += [
        "",
        "Shares of the FMA peak measured beside each line, of batches of about 1536 tokens in sequences of S; "
        "8 S^2 operations per column of\nhidden states, 4 S^2 for BERT, which has no position terms; backward 22 S^2 "
        "and 10 S^2, the scores computed again; medians of five\n"
        f"rounds. Goal: {least:.0%} for {name} at S = {length}, forward. Peak, GFLOP/s by\nthreads: {measured}; "
        f"{results['cpu']} ({results['isa']}), {results['date']}.",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), default=tuple(SHAPES), metavar="SHAPE")
    parser.add_argument("--quick", action="store_true", help=f"{BASE} only; prints only")
    options = parser.parse_args()
    if options.quick:
        print(table(measure([BASE])))
        return
    if not options.table:
        results = measure(options.shapes)
        kept = common.read("attention", results["isa"]).get("lines", [])
        lines = [line for line in kept if line["shape"] not in options.shapes] + results["lines"]
        results["lines"] = sorted(lines, key=lambda line: list(SHAPES).index(line["shape"]))
        common.write("attention", results["isa"], results)
    print(common.tables("attention", table))


if __name__ == "__main__":
    main()
