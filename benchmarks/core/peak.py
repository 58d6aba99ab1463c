# SPDX-License-Identifier: Apache-2.0
"""The measured FMA peak of this machine, float32.

python -m benchmarks.core.peak [THREADS]
"""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


@cache
def _program() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    source = Path(__file__).with_name("peak.c")
    compiler = os.environ.get("CC", "gcc").split()
    subprocess.run([*compiler, "-O2", "-fopenmp", str(source), "-o", str(Path(folder.name) / "peak")], check=True)
    return folder


def peak_gflops(threads: int) -> float:
    """GFLOP/s of multiply-adds in registers, the best of five short rounds."""
    command = [str(Path(_program().name) / "peak"), str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(f"{peak_gflops(int(sys.argv[1]) if sys.argv[1:] else os.cpu_count() or 1):.1f} GFLOP/s")
