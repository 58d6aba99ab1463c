# SPDX-License-Identifier: Apache-2.0
"""The update of AdamW in GB/s, beside a plain read and write of the same four arrays, alternately.

    python -m benchmarks.core.update  # a minute; writes benchmarks/results/ISA/update.json, prints the tables
    python -m benchmarks.core.update --table  # prints the tables of the committed results

Run it on an idle machine. The current csrc is compiled.
"""

from typing import Any

from benchmarks import common
from benchmarks.core.linear import THREADS
from benchmarks.core.native import Program

PARAMETERS = {"v3-xsmall": 21_300_000, "v3-base": 85_100_000}  # of the layers, about


def measure() -> dict[str, Any]:
    lines = []
    with Program("update") as program:
        for name, count in PARAMETERS.items():
            for threads in THREADS:
                update, plain = program.ask(threads, count)
                lines.append({"layers": name, "threads": threads, "update": update, "plain": plain})
        return {"machine": program.machine(), "lines": lines}


def table(results: dict[str, Any]) -> str:
    rows = [
        [
            line["layers"],
            f"{PARAMETERS[line['layers']] / 1e6:.1f} million",
            str(line["threads"]),
            f"{line['update']:.1f} GB/s",
            f"{line['plain']:.1f} GB/s",
            f"{line['update'] / line['plain']:.0%}",
        ]
        for line in results["lines"]
    ]
    header = ["layers of", "parameters", "threads", "update", "plain read and write", "share"]
    machine = results["machine"]
    return (
        common.markdown(header, rows)
        + "\n\nAn update reads and writes values, gradients and two moments, 32 bytes a parameter; gradients become 0. "
        + "The plain pass\nadds 1 to each number of these arrays. Medians of five rounds; "
        + f"{machine['cpu']} ({machine['isa']}), {machine['date']}."
    )


def main() -> None:
    if not common.parser_of(__doc__).parse_args().table:
        results = measure()
        common.write("update", results["machine"]["isa"], results, indent=1)
    print(common.tables("update", table))


if __name__ == "__main__":
    main()
