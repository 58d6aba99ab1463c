# SPDX-License-Identifier: Apache-2.0
"""The committed results, benchmarks/results/ISA/NAME.json: a run replaces only those of its own instruction set."""

import json
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "results"
TITLES = {"scalar": "x86-64", "avx2": "AVX2", "avx512": "AVX-512"}  # by the names that deberta_c._core.isa() returns


def path_of(name: str, isa: str) -> Path:
    return FOLDER / isa / f"{name}.json"


def read(name: str, isa: str) -> dict:
    """What was measured with this instruction set; empty if nothing was."""
    path = path_of(name, isa)
    return json.loads(path.read_text()) if path.is_file() else {}


def write(name: str, isa: str, results: dict, indent: int | None = None) -> None:
    path = path_of(name, isa)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=indent) + "\n")


def tables(name: str, table: Callable[[dict], str]) -> str:
    """The table of each instruction set that has results, below its title."""
    found = {isa: read(name, isa) for isa in TITLES}
    return "\n\n".join(f"**{TITLES[isa]}**\n\n{table(results)}" for isa, results in found.items() if results)
