"""The table of docs/transformers.md: both columns run and return the same."""

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "transformers.md").read_text(encoding="utf-8")


def run(column, folder, monkeypatch):
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = {"torch": torch}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    for calls in re.findall(r"^\| `(.+)` \| `(.+)` \|$", PAGE, re.MULTILINE):
        exec(compile(calls[column], "docs/transformers.md", "exec"), names)
    return names


def test_calls_side_by_side(tmp_path, monkeypatch):
    theirs, ours = (run(column, tmp_path / name, monkeypatch) for column, name in enumerate(("theirs", "ours")))
    assert theirs["encoding"]["offset_mapping"] == ours["encoding"]["offset_mapping"]
    for name in ("logits", "scores"):  # transformers computes in float16, the type of the file
        np.testing.assert_allclose(ours[name], theirs[name], atol=2e-3)
    for name in ("best", "labels", "text"):
        assert ours[name] == theirs[name]
    for mine, other in zip(ours["answers"], theirs["answers"], strict=True):
        assert [answer["label"] for answer in mine] == [answer["label"] for answer in other]
    assert (tmp_path / "theirs" / "saved" / "config.json").exists()
    assert (tmp_path / "ours" / "saved" / "config.json").exists()
