"""What a training shows while it runs: a bar of tqdm, lines without it, a table in a notebook."""

import re
from types import SimpleNamespace

import pytest

from deberta_c.training import callbacks
from deberta_c.training.callbacks import NotebookProgressCallback, PrinterCallback, ProgressCallback, progress_callback
from tests.unit.training.test_trainer import tokenizer, trainer_of

__all__ = ["tokenizer"]
LOGS = {"num_train_epochs": 1, "eval_strategy": "epoch", "logging_strategy": "epoch"}


def shown(tokenizer, directory, capsys, callback):
    trainer_of(tokenizer, directory, callbacks=[callback], **LOGS).train()
    found = capsys.readouterr()
    assert found.out == ""
    return found.err


def test_a_bar_has_the_loss_and_the_time_that_is_left(tokenizer, tmp_path, capsys):
    pytest.importorskip("tqdm")
    found = shown(tokenizer, tmp_path, capsys, ProgressCallback())
    last = re.split(r"[\r\n]", found.rstrip())[-1]
    assert re.search(r"8/8 \[\d\d:\d\d<\d\d:\d\d, .*loss=\d", last)
    assert "'eval_loss': '" in found


def test_lines_have_the_loss_and_the_time_that_is_left(tokenizer, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(callbacks, "find_spec", lambda _: None)  # tqdm is not installed
    found = shown(tokenizer, tmp_path, capsys, ProgressCallback())
    assert re.search(r"^step 1 of 8, loss 0\.\d+, \d+ s left$", found, re.MULTILINE)
    assert "'eval_loss': '" in found


def test_a_table_in_a_notebook(tokenizer, tmp_path, monkeypatch):
    """It is drawn once, and again at each evaluation: a row for each, with the loss of the training beside it."""
    display, drawn = pytest.importorskip("IPython.display"), []
    handle = SimpleNamespace(update=lambda html: drawn.append(html.data))
    monkeypatch.setattr(display, "display", lambda html, display_id: (drawn.append(html.data), handle)[1])
    trainer_of(tokenizer, tmp_path, callbacks=[NotebookProgressCallback()], **{**LOGS, "num_train_epochs": 2}).train()
    assert len(drawn) > 2
    head, *rows = drawn[-1].split("<tr>")[1:]
    assert re.findall("<th>(.*?)</th>", head) == ["Step", "Training Loss", "Validation Loss", "Accuracy"]
    assert [re.findall("<td>(.*?)</td>", row)[0] for row in rows] == ["8", "16"]


def test_where_there_is_a_notebook(monkeypatch):
    assert type(progress_callback(False)) is ProgressCallback
    assert type(progress_callback(True)) is PrinterCallback
    kernel = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(callbacks.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    assert type(progress_callback(False)) is NotebookProgressCallback
