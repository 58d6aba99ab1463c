"""How slow a machine is, for tests that limit processor time."""

import subprocess
import sys

IMPORT = "import time; begin = time.process_time(); import numpy; print(time.process_time() - begin)"
USUAL = 0.07  # seconds of processor time that NumPy takes to import on most machines


def slowness() -> float:
    """NumPy's import, the best of five, over what is usual; at least 1."""
    command = [sys.executable, "-c", IMPORT]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return max(1.0, min(float(run.stdout) for run in runs) / USUAL)
