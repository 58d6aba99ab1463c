# SPDX-License-Identifier: Apache-2.0
"""Prints the committed results into README.md, between its `<!-- table: NAME -->` and `<!-- end -->`.

python benchmarks/readme.py
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import linear  # noqa: E402
import run  # noqa: E402

README = HERE.parent / "README.md"
PRINTERS = {"transformers": run.table, "linear": linear.summary}


def with_tables(text: str) -> str:
    """The text with each table printed anew from benchmarks/results."""

    def table(found: re.Match[str]) -> str:
        name = found[1]
        results = json.loads((HERE / "results" / f"{name}.json").read_text())
        return f"<!-- table: {name} -->\n{PRINTERS[name](results)}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
