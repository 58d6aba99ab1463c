# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: the machine, clocks, alternation, processes, tables, and the committed results.

Results are in benchmarks/results/ISA/NAME.json; a run replaces only those of its own instruction set.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / "results"
# By the names that deberta_c._core.isa() returns.
TITLES = {"scalar": "x86-64", "avx2": "AVX2", "avx512": "AVX-512", "amx": "AMX"}
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# ---- the machine ----


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def isa() -> str:
    """The instruction set that deberta_c uses."""
    from deberta_c import _core

    return _core.isa()


def machine(isa: str, **more: Any) -> dict[str, Any]:
    """Date, CPU and instruction set, and `more`: what is stored beside each result."""
    return {"date": date.today().isoformat(), "cpu": cpu_name(), "isa": isa, **more}


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def described(machine: Mapping[str, Any], *packages: str) -> str:
    """A machine in words, with the versions of Python and of packages."""
    names = ", ".join(f"{name} {machine[name]}" for name in ("python", *packages))
    return f"{machine['cpu']} ({machine['isa']}), {machine['cpus']} CPUs, {machine['date']}; {names}."


# ---- clocks and alternation ----


def seconds(function: Callable[[], object]) -> float:
    """The duration of a call; its result is freed after the clock has stopped.

    A large allocation makes malloc sort the small pieces that the previous call freed; this function makes one before
    the clock starts.
    """
    bytearray(1 << 16)
    start = time.perf_counter()
    result = function()
    passed = time.perf_counter() - start
    del result
    return passed


def alternate(measures: Mapping[K, Callable[[], T]], rounds: int, warm_up: int = 0) -> dict[K, list[T]]:
    """The results of all measures, one after the other in each round; the first `warm_up` rounds are dropped."""
    results: dict[K, list[T]] = {name: [] for name in measures}
    for _ in range(warm_up + rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    return {name: found[warm_up:] for name, found in results.items()}


def resident() -> float:
    """Resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Worker:
    """A process that answers each line with a line."""

    def __init__(self, name: str, command: Sequence[str], **options: Any) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **options
        )

    def send(self, line: str) -> None:
        print(line, file=self.process.stdin, flush=True)

    def receive(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"the process of {self.name} ended with status {self.process.wait()}; see its message above"
            )
        return line

    def ask(self, line: str) -> str:
        self.send(line)
        return self.receive()

    def close(self) -> None:
        self.process.communicate()


# ---- results and tables ----


def path_of(name: str, isa: str) -> Path:
    return FOLDER / isa / f"{name}.json"


def read(name: str, isa: str) -> dict[str, Any]:
    """The results for this instruction set; empty if there are none."""
    path = path_of(name, isa)
    return json.loads(path.read_text()) if path.is_file() else {}


def write(name: str, isa: str, results: Mapping[str, Any], indent: int | None = None) -> None:
    path = path_of(name, isa)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=indent) + "\n")


def tables(name: str, table: Callable[[dict[str, Any]], str]) -> str:
    """The table of each instruction set that has results, below its title."""
    found = {isa: read(name, isa) for isa in TITLES}
    return "\n\n".join(f"**{TITLES[isa]}**\n\n{table(results)}" for isa, results in found.items() if results)


def measure_parts(
    name: str, parts: Mapping[str, Callable[[], Any]], about: Callable[[], dict[str, Any]], indent: int | None = None
) -> None:
    """Measures parts of a benchmark and saves the lines of each with the machine; other parts are kept."""
    results = read(name, isa()) or {"parts": {}}
    for part, measure in parts.items():
        results["parts"][part] = {"machine": about(), "lines": measure()}
        write(name, isa(), results, indent)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])


def parser_of(doc: str) -> argparse.ArgumentParser:
    """A parser with the first line of a module's docstring, and the option `--table`."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="print the committed results")
    return parser
