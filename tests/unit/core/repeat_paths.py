"""The ends of processes that test_paths.py tries a few times, many times: `python -m tests.unit.core.repeat_paths`.

For each instruction set of this CPU and each kind of linear layers: pools of every kind, and programs that end while a
daemon thread computes. Prints how many ended badly or hung; the exit status is 1 if any did.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.pools import WAYS
from tests.support.tiny_models import write_model
from tests.unit.core.test_paths import EXIT_UNDER_WAY, ISA, MATMUL, run

EXITS = "exits"


def ends_well(start: Callable[[], subprocess.CompletedProcess[str]]) -> str:
    """Empty, or how a program ended badly."""
    try:
        done = start()
    except subprocess.TimeoutExpired:
        return "hung"
    return "" if done.returncode == 0 else f"status {done.returncode}: {done.stderr.strip()[-300:]}"


def problems(way: str, directory: str, times: int, path: dict[str, str]) -> list[str]:
    """How programs ended badly on a path."""
    if way != EXITS:
        found = [ends_well(lambda: run("-m", "tests.support.pools", way, directory, str(times), timeout=600, **path))]
    else:
        waits = [index * 0.8 / times for index in range(times)]
        found = [ends_well(lambda wait=wait: run(EXIT_UNDER_WAY, directory, str(wait), **path)) for wait in waits]
    return [problem for problem in found if problem]


def main() -> None:
    """Runs the ways that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="pools, or programs that exit, for each path")
    parser.add_argument("ways", nargs="*", help=f"of {', '.join((*WAYS, EXITS))}")
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        wide = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 512}
        directory = str(write_model(Path(folder) / "model", **wide))
        for isa in reversed(ISA):
            if run("import deberta_c", DEBERTA_C_ISA=isa).returncode:
                print(f"{isa}: this CPU lacks it")
                continue
            for matmul in MATMUL:
                path = {"DEBERTA_C_ISA": isa, "DEBERTA_C_MATMUL": matmul, "DEBERTA_C_NUM_THREADS": "2"}
                for way in arguments.ways or (*WAYS, EXITS):
                    start = time.monotonic()
                    found = problems(way, directory, arguments.times, path)
                    bad += len(found)
                    shown = f": {found[0]}" if found else ""
                    print(
                        f"{isa} {matmul} {way}: {arguments.times} times, {len(found)} bad, "
                        f"{time.monotonic() - start:.0f} s{shown}",
                        flush=True,
                    )
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
