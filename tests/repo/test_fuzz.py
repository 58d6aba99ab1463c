"""The corpus of the fuzz targets, replayed under the sanitizers (`make fuzz` adds mutations)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_corpus_is_replayed():
    pytest.importorskip("setuptools", reason="setuptools finds what the fuzz targets are compiled with")
    if not (ROOT / "tools" / "check_c.py").is_file():
        pytest.skip("not a git checkout")
    command = [sys.executable, "-m", "tools.check_c", "fuzz"]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "DEBERTA_FUZZ_ROUNDS": "200"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for folder in (ROOT / "tests" / "fuzz" / "corpus").iterdir():
        assert f"{len(list(folder.iterdir()))} files, 16 inputs of our own" in ran.stdout, folder.name
