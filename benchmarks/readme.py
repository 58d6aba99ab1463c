# SPDX-License-Identifier: Apache-2.0
"""Prints the committed results into README.md, between its `<!-- table: NAME -->` and `<!-- end -->`, and plots them.

python benchmarks/readme.py
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import attention  # noqa: E402
import linear  # noqa: E402
import loading  # noqa: E402
import report  # noqa: E402
import scheduling  # noqa: E402
import tokenization  # noqa: E402

README = HERE.parent / "README.md"
RESULTS = HERE / "results"
PRINTERS = {
    "peers": report.tables,
    "scheduling": scheduling.table,
    "loading": loading.table,
    "linear": linear.summary,
    "attention": attention.table,
    "tokenizers": tokenization.table,
}


def results_of(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def with_tables(text: str) -> str:
    """The text with each table printed anew from benchmarks/results."""

    def table(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- table: {name} -->\n{PRINTERS[name](results_of(name))}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    report.plot(results_of("peers"), RESULTS / "speed.svg")
