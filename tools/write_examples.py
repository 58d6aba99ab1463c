# SPDX-License-Identifier: Apache-2.0
"""Writes the Python code of README, docs and notebooks as a file each, for the type checkers, and stubs for pyright.

python -m tools.write_examples
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "examples"
STUBS = ROOT / "build" / "typings"
UNTYPED = ("huggingface_hub", "sentencepiece", "tokenizers", "torch", "transformers")
"""Packages that may be missing; pyright would take half of its time for them."""
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN = "# pyright: reportUnusedExpression=false\n"  # a notebook shows the value of a cell's last line


def examples() -> dict[str, str]:
    """The name of each file and its code."""
    found = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if blocks := BLOCK.findall(path.read_text(encoding="utf-8")):
            found[f"doc_{path.stem.lower()}.py"] = "\n".join(blocks)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        found[f"notebook_{path.stem}.py"] = SHOWN + "\n".join(code) + "\n"
    return found


def write(folder: Path, files: Mapping[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(OUT, examples())
    anything = "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"
    write(STUBS, {f"{name}/__init__.pyi": anything for name in (*UNTYPED, "huggingface_hub/errors")})
