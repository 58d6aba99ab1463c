"""`train` and `tune` that are stopped by signals: their exit status, and what they leave."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import deberta_c
from deberta_c._cli.main import main
from deberta_c.training import checkpoints, fit, trainer
from deberta_c.training.tune import tune
from tests.unit.training.test_fit import LABELS, TEXTS, new_model
from tests.unit.training.test_trainer import write_csv

pytestmark = pytest.mark.usefixtures("heeded_signals")
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
RUN = """
import sys
from deberta_c._cli import main, train, tune
read = train.read_labelled
def begins(*arguments):
    print("begins", flush=True)
    return read(*arguments)
train.read_labelled = tune.read_labelled = begins
sys.exit(main.main(sys.argv[1:]))
"""


def trained(tmp_path, *more):
    arguments = ["--epochs", "3", "--checkpoints", str(tmp_path / "kept"), "--out", str(tmp_path / "out"), "--quiet"]
    return main(["train", str(tmp_path / "train.csv"), *arguments, *more])


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize(
    ("owner", "name", "call", "saved"),
    [
        (fit, "_encoded", 1, 0), (trainer.Trainer, "_gradients", 1, 0), (trainer.Trainer, "_gradients", 8, 7),
        (trainer.Trainer, "_update", 8, 8), (trainer.Trainer, "_predicted", 1, 5),
        (trainer.Trainer, "_predicted", 2, 10), (checkpoints, "write_weights", 1, 5),
        (checkpoints, "write_weights", 2, 10), (checkpoints, "drop_old", 2, 10),
    ],
)  # fmt: skip
def test_a_signal_at_a_place(tmp_path, monkeypatch, capsys, owner, name, call, saved, number):
    """The exit status is that of the signal; the last checkpoint is whole, and the training goes on from there."""
    write_csv(tmp_path / "train.csv", 80)
    calls, original = [], getattr(owner, name)

    def kills(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, kills)
    assert trained(tmp_path) == STATUS[number]
    shown = capsys.readouterr().err
    assert f"stopped by {number.name}" in shown
    assert ("with --resume the same command goes on" in shown) == bool(saved)
    assert not (tmp_path / "out").exists()
    found = checkpoints.found_in(tmp_path / "kept")
    assert [path.name for path in found[-1:]] == ([f"checkpoint-{saved}"] if saved else [])
    if saved:
        assert trained(tmp_path, "--resume") == 0
        deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_in_a_class_that_is_made(tmp_path, monkeypatch, capsys, number):
    """As while a module is imported: before Python 3.12 it arrives as the cause of a RuntimeError."""

    class Field:
        def __set_name__(self, owner, name):
            os.kill(os.getpid(), number)

    write_csv(tmp_path / "train.csv", 80)
    monkeypatch.setattr(trainer.Trainer, "_gradients", lambda *_: type("Imported", (), {"field": Field()}))
    assert trained(tmp_path) == STATUS[number]
    assert f"stopped by {number.name}" in capsys.readouterr().err


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_whose_exception_is_lost(tmp_path, monkeypatch, capsys, number):
    """Python prints an exception of a finalizer and goes on, also of those that importlib has for its locks."""

    class Finalized:
        def __del__(self):
            os.kill(os.getpid(), number)

    write_csv(tmp_path / "train.csv", 80)
    gradients, made = trainer.Trainer._gradients, []

    def finalizes(*arguments):
        if not made:
            made.append(1)
            Finalized()
        time.sleep(0.1)
        return gradients(*arguments)

    monkeypatch.setattr(trainer.Trainer, "_gradients", finalizes)
    assert trained(tmp_path) == STATUS[number]
    shown = capsys.readouterr().err
    assert f"stopped by {number.name}" in shown
    assert "Exception ignored" not in shown


def started(arguments):
    """A process of the command line that has its handlers, and reads its file."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    return process


@pytest.mark.parametrize("seed", range(6))
def test_train_stopped_at_a_random_moment(tmp_path, seed):
    """While it tokenizes, trains, evaluates or saves: whatever checkpoint there is, is whole."""
    draw = random.Random(seed)
    number = draw.choice([signal.SIGINT, signal.SIGTERM])
    source = write_csv(tmp_path / "train.csv", 200)
    command = ["train", str(source), "--epochs", "100000", "--checkpoints", str(tmp_path / "kept")]
    with started([*command, "--out", str(tmp_path / "out"), "--quiet", "--patience", "100000"]) as process:
        time.sleep(draw.uniform(0, 0.6))
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == STATUS[number], errors
    assert b"Traceback" not in errors
    assert not (tmp_path / "out").exists()
    for path in checkpoints.found_in(tmp_path / "kept"):
        assert (path / checkpoints.OPTIMIZER).is_file()
        deberta_c.AutoModelForSequenceClassification.from_pretrained(path)


@pytest.mark.parametrize("seed", range(4))
def test_tune_stopped_at_a_random_moment(tmp_path, seed):
    """What it prints and writes are the trials that it had finished, and the best model of them."""
    draw = random.Random(seed)
    number = draw.choice([signal.SIGINT, signal.SIGTERM])
    source, out, table = write_csv(tmp_path / "train.csv", 40), tmp_path / "out", tmp_path / "table.csv"
    rates = [f"{rate}e-6" for rate in range(1, 2000)]
    command = ["tune", str(source), "--epochs", "1", "--out", str(out), "--table", str(table), "--learning-rate"]
    with started([*command, *rates]) as process:
        time.sleep(draw.uniform(0, 0.8))
        process.send_signal(number)
        printed, errors = process.communicate()
    assert process.returncode == STATUS[number], errors
    assert b"Traceback" not in errors
    lines = printed.decode().splitlines()
    if not lines:  # it was stopped in the first trial
        assert not table.exists()
        return
    assert len(table.read_text().splitlines()) == len(lines)
    assert f"stopped after {len(lines) - 1} of 1999 trials".encode() in errors
    deberta_c.AutoModelForSequenceClassification.from_pretrained(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tune_returns_the_finished_trials(number):
    """A signal between two trials, or within one, ends the search; without a finished trial it raises."""
    opened = []

    def open_model():
        opened.append(1)
        if len(opened) == 3:
            os.kill(os.getpid(), number)
        return new_model()

    search = {"space": {"learning_rate": [1e-3, 1e-4, 1e-5, 1e-6]}, "epochs": 1, "max_length": 8}
    with pytest.warns(UserWarning, match="stopped after 2 of 4 trials"):
        result = tune(open_model, TEXTS, LABELS, **search)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert isinstance(result.stopped, KeyboardInterrupt)
    assert {row["learning_rate"] for row in result.rows} == {1e-3, 1e-4}
    assert result.model.predict(TEXTS[:2]).shape == (2, 2)

    def never():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(never, TEXTS, LABELS, **search)
