"""README says what is true: its code runs, its tables are those of the committed measurements."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_runs(capsys):
    pytest.importorskip("pandas")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    names = {}
    exec(compile("\n".join(blocks), "README.md", "exec"), names)
    assert names["logits"].shape == (len(names["df"]), 2)
    assert names["df"]["spam"].between(0, 1).all()
    assert "spam" in capsys.readouterr().out


def test_tables_are_printed_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from readme import PRINTERS, with_tables

    assert all(f"<!-- table: {name} -->\n|" in README for name in PRINTERS)
    assert with_tables(README) == README
