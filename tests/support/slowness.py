"""Limits of processor time, which grow on a slow machine."""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

IMPORT = "import time; begin = time.process_time(); import numpy; print(time.process_time() - begin)"
USUAL = 0.07  # seconds of processor time that NumPy takes to import on most machines


def slowness() -> float:
    """NumPy's import, the best of five, over what is usual; at least 1."""
    command = [sys.executable, "-c", IMPORT]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return max(1.0, min(float(run.stdout) for run in runs) / USUAL)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fails if its block takes more processor time, or more than slowness() times it.

    Python's garbage collector passes over what earlier tests left: its rounds over a large heap last for a second.
    """
    gc.freeze()
    begin = time.process_time()
    try:
        yield
    finally:
        taken = time.process_time() - begin
        gc.unfreeze()
    assert taken < seconds or taken < seconds * slowness()
