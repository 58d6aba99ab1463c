# SPDX-License-Identifier: Apache-2.0
"""Linear layers by our kernel, forward and backward, as shares of the FMA peak.

    python -m benchmarks.core.linear_backward  # three minutes; writes benchmarks/results/ISA/linear_backward.json
    python -m benchmarks.core.linear_backward --hidden 768 --threads 2  # this part; the others are kept
    python -m benchmarks.core.linear_backward --table  # prints the tables of the committed results

Run it on an idle machine: the three take turns, but other processes disturb all. The current csrc is compiled.
"""

import statistics
from typing import Any

from benchmarks import common
from benchmarks.core.linear import THREADS, matrices
from benchmarks.core.native import Program
from benchmarks.core.peak import peak_gflops

HIDDEN = (384, 768)
ROWS = (64, 128, 256, 512, 1024, 2048)
PRODUCTS = ("forward", "gradient of the input", "gradient of the weights")


def measure(program: Program, hidden: int, threads: int) -> list[list[float]]:
    """For each matrix and number of rows: N, K, rows, the three shares of the peak."""
    peak = peak_gflops(threads)
    points = [(n, k, rows) for n, k in matrices(hidden) for rows in ROWS]
    rates = [program.ask(threads, *point) for point in points]
    peak = max(peak, peak_gflops(threads))
    return [[*point, *(round(rate / peak, 3) for rate in found)] for point, found in zip(points, rates, strict=True)]


def table(results: dict[str, Any]) -> str:
    """Medians over the matrices."""
    rows = []
    for name, part in sorted(results["parts"].items()):
        for count in ROWS:
            of_rows = [point[3:] for point in part["lines"] if point[2] == count]
            shares = [f"{statistics.median(found):.0%}" for found in zip(*of_rows, strict=True)]
            hidden, threads = name.split("-")
            rows.append([hidden, threads, str(count), *shares])
    machine = next(iter(results["parts"].values()))["machine"]
    return (
        common.markdown(["hidden size", "threads", "rows", *PRODUCTS], rows)
        + "\n\nShares of the FMA peak measured before and after each part: medians of five rounds, and of these over "
        + f"the four matrices\nof a layer; {machine['cpu']} ({machine['isa']}), {machine['date']}."
    )


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--hidden", type=int, nargs="+", choices=HIDDEN, default=HIDDEN)
    parser.add_argument("--threads", type=int, nargs="+", choices=THREADS, default=THREADS)
    options = parser.parse_args()
    if not options.table:
        with Program("linear_backward") as program:
            parts = {
                f"{hidden}-{threads}": lambda hidden=hidden, threads=threads: measure(program, hidden, threads)
                for hidden in options.hidden
                for threads in options.threads
            }
            common.measure_parts("linear_backward", parts, program.machine)
    print(common.tables("linear_backward", table))


if __name__ == "__main__":
    main()
