# SPDX-License-Identifier: Apache-2.0
"""Prints the committed results into README.md and pages of docs, and plots them.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; a figure in a sentence stands between
`<!-- figure: NAME -->` and `<!-- end -->`. The text between these marks is replaced.

python -m benchmarks.readme
"""

import re
from collections.abc import Callable

from benchmarks import common
from benchmarks.core import attention, linear, linear_backward, update
from benchmarks.peers import low_precision, report
from benchmarks.precision import agreement
from benchmarks.process import columns, loading, scheduling
from benchmarks.tokenization import run as tokenization
from benchmarks.training import accuracy, entailment, pretraining
from benchmarks.training import run as training
from benchmarks.zero_shot import run as zero_shot

DOCUMENTS = [
    common.ROOT / name
    for name in ("README.md", "docs/performance.md", "docs/precision.md", "docs/pretraining.md", "docs/training.md")
]
STATED = "avx2"  # the instruction set of the figures in sentences and of the plot
LOW_PRECISION = "avx512"  # that of the figures of bfloat16 and int8
TABLES: dict[str, Callable[[dict], str]] = {
    "peers": report.tables,
    "low_precision": low_precision.table,
    "scheduling": scheduling.table,
    "loading": loading.table,
    "columns": columns.table,
    "linear": linear.summary,
    "linear_backward": linear_backward.table,
    "attention": attention.table,
    "tokenizers": tokenization.table,
    "training": training.table,
    "update": update.table,
    "accuracy": accuracy.table,
    "entailment": entailment.table,
    "precision": agreement.table,
    "pretraining": pretraining.table,
    "zero_shot": zero_shot.table,
}


def stated() -> dict:
    return common.read("peers", STATED)


def figures() -> dict[str, str]:
    """The figures in sentences, by name."""
    return report.figures(stated()) | low_precision.figures(common.read("low_precision", LOW_PRECISION))


def printed(text: str) -> str:
    """The text with each table and figure printed again from benchmarks/results."""
    known = figures()

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{common.tables(found[2], TABLES[found[2]])}\n{found[3]}"

    def figure(found: re.Match[str]) -> str:
        return f"{found[1]}{known[found[2]]}{found[3]}"

    text = re.sub(r"(<!-- table: (\w+) -->)\n.*?(<!-- end -->)", table, text, flags=re.DOTALL)
    return re.sub(r"(<!-- figure: (\w+) -->).*?(<!-- end -->)", figure, text)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(printed(document.read_text(encoding="utf-8")), encoding="utf-8")
    report.plot(stated(), common.FOLDER / "speed.svg")
