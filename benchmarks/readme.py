# SPDX-License-Identifier: Apache-2.0
"""Prints the committed results into README.md and docs/performance.md, and plots them.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; a figure in a sentence stands between
`<!-- figure: NAME -->` and `<!-- end -->`. The text between these marks is replaced.

python -m benchmarks.readme
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.core import attention, linear
from benchmarks.peers import report
from benchmarks.process import loading, scheduling
from benchmarks.tokenization import run as tokenization

HERE = Path(__file__).resolve().parent
DOCUMENTS = [HERE.parent / "README.md", HERE.parent / "docs" / "performance.md"]
RESULTS = HERE / "results"
TABLES: dict[str, Callable[[dict], str]] = {
    "peers": report.tables,
    "scheduling": scheduling.table,
    "loading": loading.table,
    "linear": linear.summary,
    "attention": attention.table,
    "tokenizers": tokenization.table,
}


def results_of(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def printed(text: str) -> str:
    """The text with each table and figure printed again from benchmarks/results."""
    figures = report.figures(results_of("peers"))

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]](results_of(found[2]))}\n{found[3]}"

    def figure(found: re.Match[str]) -> str:
        return f"{found[1]}{figures[found[2]]}{found[3]}"

    text = re.sub(r"(<!-- table: (\w+) -->)\n.*?(<!-- end -->)", table, text, flags=re.DOTALL)
    return re.sub(r"(<!-- figure: (\w+) -->).*?(<!-- end -->)", figure, text)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(printed(document.read_text(encoding="utf-8")), encoding="utf-8")
    report.plot(results_of("peers"), RESULTS / "speed.svg")
