"""README says what is true: its code runs, its tables are those of the committed measurements."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys, monkeypatch, tmp_path):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 5
    names = {}
    exec(compile("\n".join(blocks), "README.md", "exec"), names)
    assert names["logits"].shape == (len(names["df"]), 2)
    assert names["df"]["spam"].between(0, 1).all()
    assert names["encoding"].tokens()[0] == "[CLS]"
    assert names["tokenizer"].decode(names["encoding"].input_ids, skip_special_tokens=True) == "Free entry!"
    assert names["outputs"].logits.shape == (*names["inputs"]["input_ids"].shape, 3)
    assert 0.5 < names["outputs"].loss < 2
    answers = capsys.readouterr().out
    assert "spam" in answers
    assert "'entity_group': 'PER'" in answers


def test_the_commands_run(tmp_path):
    """All but the two that install and build."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    commands = [block for block in blocks if "make " not in block]
    assert len(commands) == 1
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": bin_folder + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["sh", "-e", "-c", commands[0]], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "spam" in ran.stdout
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == 3


def test_tables_are_printed_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from readme import PRINTERS, with_tables

    assert all(f"<!-- table: {name} -->\n|" in README for name in PRINTERS)
    assert with_tables(README) == README
