# SPDX-License-Identifier: Apache-2.0
"""Linear layers by our kernel, forward and backward, as shares of the FMA peak.

    python -m benchmarks.core.linear_backward  # three minutes; prints a table

Run it on an idle machine: the three take turns, but a neighbour disturbs all. csrc is compiled as it stands.
"""

import argparse
from collections.abc import Iterator

from benchmarks.core.linear import THREADS, matrices
from benchmarks.core.native import Program
from benchmarks.core.peak import peak_gflops

HIDDEN = (384, 768)
ROWS = (64, 128, 256, 512, 1024, 2048)


def rows_of_table(program: Program, hidden: tuple[int, ...], threads: int) -> Iterator[str]:
    peak = peak_gflops(threads)
    for n, k in (matrix for size in hidden for matrix in matrices(size)):
        for rows in ROWS:
            rates = program.ask(threads, n, k, rows)
            shares = " | ".join(f"{rate / peak:.0%}" for rate in rates)
            ahead = " | ".join(f"{rate / rates[0]:.2f}" for rate in rates[1:])
            yield f"| {threads} | {n} | {k} | {rows} | {shares} | {ahead} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hidden", type=int, nargs="+", choices=HIDDEN, default=HIDDEN)
    parser.add_argument("--threads", type=int, nargs="+", choices=THREADS, default=THREADS)
    options = parser.parse_args()
    print("| threads | N | K | rows | forward | input | weights | input by forward | weights by forward |")
    print("|---|---|---|---|---|---|---|---|---|")
    with Program("linear_backward") as program:
        for threads in options.threads:
            for line in rows_of_table(program, tuple(options.hidden), threads):
                print(line, flush=True)


if __name__ == "__main__":
    main()
