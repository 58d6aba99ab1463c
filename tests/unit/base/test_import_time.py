"""`import deberta_c` is quick and imports NumPy and little else; its public names are sorted."""

import os
import subprocess
import sys
from inspect import ismodule

import deberta_c
from tests.support.slowness import slowness

HEAVY = ("pandas", "pyarrow", "polars", "tqdm", "torch", "matplotlib", "argparse", "csv", "logging", "asyncio")
TIME = """
import time
import numpy
begin = time.process_time()
import deberta_c
print(time.process_time() - begin)
"""
NEW = "import sys, numpy; before = set(sys.modules); import deberta_c; print(*sorted(set(sys.modules) - before))"


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


def test_import_takes_less_than_a_tenth_of_a_second():
    """Where NumPy itself takes longer to import than on most machines, in proportion."""
    run(TIME)  # writes the byte code
    assert min(float(run(TIME)) for _ in range(5)) < 0.1 * slowness()


def test_import_pulls_nothing_heavy():
    added = {name.partition(".")[0] for name in run(NEW).split()}
    assert not added.intersection(HEAVY)
    assert "deberta_c" in added


def test_training_is_imported_when_it_is_used():
    assert "deberta_c.training" not in run(NEW).split()
    assert "deberta_c.training.nli" in run(NEW.replace("deberta_c;", "deberta_c; deberta_c.nli_pairs;")).split()
    assert "nli_pairs" in run("import deberta_c; print(dir(deberta_c))")


def test_public_names_are_flat_sorted_and_present():
    assert deberta_c.__all__ == sorted(deberta_c.__all__)
    assert all(hasattr(deberta_c, name) for name in deberta_c.__all__)
    public = {name for name, value in vars(deberta_c).items() if not name.startswith("_") and not ismodule(value)}
    assert public == {name for name in deberta_c.__all__ if not name.startswith("_")}
