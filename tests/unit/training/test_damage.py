"""Checkpoints that are damaged, moved, another model's or half replaced; and places where none can be written."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from deberta_c import TrainerCallback
from deberta_c._files.atomic import require_writable
from deberta_c.training import checkpoints
from tests.unit.training.test_trainer import small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]
STEPS = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 1}


@pytest.fixture(scope="module")
def whole(tokenizer, tmp_path_factory):
    """A directory with checkpoint-4 and checkpoint-8."""
    directory = tmp_path_factory.mktemp("whole")
    trainer_of(tokenizer, directory, **STEPS).train()
    return directory


def resume(tokenizer, directory, model=None, **options):
    return trainer_of(tokenizer, directory, model, **{**STEPS, **options}).train(resume_from_checkpoint=True)


def truncated(data):
    return data[: len(data) // 2]


def flipped(data):
    changed = bytearray(data)
    changed[len(data) // 2] ^= 4
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("trainer_state.json", truncated), ("trainer_state.json", lambda data: b"[]"),
        ("trainer_state.json", lambda data: data.replace(b'"global_step": 8', b'"global_step": 9')),
        ("optimizer.npz", truncated), ("optimizer.npz", flipped), ("optimizer.npz", lambda data: b""),
        ("model.safetensors", truncated), ("model.safetensors", flipped),
    ],
)  # fmt: skip
def test_a_damaged_checkpoint_is_named(tokenizer, whole, tmp_path, name, damage):
    shutil.copytree(whole, tmp_path / "copy")
    file = tmp_path / "copy" / "checkpoint-8" / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=rf"checkpoint-8/{name}.*(resume from .*checkpoint-4|cut short)"):
        resume(tokenizer, tmp_path / "copy", num_train_epochs=2)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=f"checkpoint-8.*has no {name}"):
        resume(tokenizer, tmp_path / "copy", num_train_epochs=2)
    assert trainer_of(tokenizer, tmp_path, **STEPS).train(str(tmp_path / "copy" / "checkpoint-4")).global_step == 8


def test_every_bit_of_the_moments_counts(tokenizer, whole, tmp_path):
    """A flipped bit raises a ValueError that names the checkpoint, or is one that nothing depends on."""
    shutil.copytree(whole / "checkpoint-8", tmp_path / "checkpoint-8")
    file = tmp_path / "checkpoint-8" / "optimizer.npz"
    data, draw = file.read_bytes(), np.random.default_rng(0)
    expected = weights(small_model())
    places = np.concatenate((draw.integers(len(data), size=15), len(data) - draw.integers(1, 6000, size=25)))
    for place, bit in zip(places.tolist(), draw.integers(8, size=len(places)).tolist(), strict=True):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
        trainer = trainer_of(tokenizer, tmp_path, **STEPS)
        try:
            trainer.train(resume_from_checkpoint=True)
        except ValueError:
            assert all(np.array_equal(expected[name], value) for name, value in weights(trainer.model).items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora": {"r": 2}}, "of other freeze_layers or lora"),
        ({"model": {"num_hidden_layers": 2}}, "lacks"),
        ({"model": {"num_labels": 3}}, "classifier.weight"),
    ],
)
@pytest.mark.filterwarnings("ignore:train_dataset has no row with the label 2")
def test_a_checkpoint_of_another_training(tokenizer, whole, options, message):
    keys = options.pop("model", {})
    with pytest.raises(ValueError, match=message):
        resume(tokenizer, whole, small_model(**keys), num_train_epochs=2, **options)


def test_another_rank_of_adapters(tokenizer, tmp_path):
    trainer_of(tokenizer, tmp_path, lora={"r": 2}, **STEPS).train()
    with pytest.raises(ValueError, match="of another lora"):
        resume(tokenizer, tmp_path, lora={"r": 4}, num_train_epochs=2)


def test_other_arguments_warn(tokenizer, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    with pytest.warns(UserWarning, match=r"other arguments than its checkpoint has: .*learning_rate 0.0001, before"):
        resume(tokenizer, tmp_path / "copy", learning_rate=1e-4, num_train_epochs=2)


def test_a_best_checkpoint_that_is_gone_warns(tokenizer, tmp_path):
    class Remove(TrainerCallback):
        def on_save(self, args, state, control, **others):
            shutil.rmtree(state.best_model_checkpoint)

    options = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    with pytest.warns(UserWarning, match="is gone; the model ends with its last weights"):
        trainer_of(tokenizer, tmp_path, callbacks=[Remove()], **{**options, "num_train_epochs": 1}).train()


@pytest.mark.parametrize("new_is_whole", [False, True])
def test_killed_while_a_checkpoint_is_replaced(tokenizer, whole, tmp_path, new_is_whole):
    """The old checkpoint of a step has another name for a moment; it comes back unless the new one is there."""
    shutil.copytree(whole, tmp_path / "copy")
    place = tmp_path / "copy" / "checkpoint-8"
    old = place.with_name(".deberta_c.replaced.checkpoint-8")
    place.rename(old)
    if new_is_whole:
        shutil.copytree(old, place)
    (place.parent / ".deberta_c.checkpoint-8.0123").mkdir()
    begun = []

    class Begins(TrainerCallback):
        def on_train_begin(self, args, state, control, **others):
            begun.append(state.global_step)

    out = resume(tokenizer, place.parent, num_train_epochs=2, callbacks=[Begins()])
    assert (begun, out.global_step) == ([8], 16)
    assert not [path for path in place.parent.iterdir() if path.name.startswith(".")]


def test_the_newest_checkpoint_stays(tokenizer, tmp_path):
    """Also beside the best one, and beside those of an earlier and longer training in the same directory."""
    old = tmp_path / "checkpoint-900"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - 60,) * 2)
    trainer_of(tokenizer, tmp_path, save_total_limit=1, **STEPS).train()
    assert [path.name for path in checkpoints.found_in(tmp_path)] == ["checkpoint-8"]


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_a_place_that_cannot_be_written_fails_before_the_first_step(tokenizer, tmp_path, strategy):
    (tmp_path / "file").write_text("")
    steps = []

    class Count(TrainerCallback):
        def on_step_begin(self, args, state, control, **others):
            steps.append(state.global_step)

    for place in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(NotADirectoryError, match=r"output_dir is '.*file.*', where nothing can be written"):
            trainer_of(tokenizer, place, callbacks=[Count()], save_strategy=strategy).train()
    assert steps == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="output_dir is"):
        require_writable("output_dir", tmp_path / "new")


def test_a_signal_brings_the_weights_back_though_nothing_can_be_saved(tokenizer, tmp_path, monkeypatch):
    class Interrupt(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            if state.global_step == 3:
                raise KeyboardInterrupt

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    trainer = trainer_of(tokenizer, tmp_path, callbacks=[Interrupt()], **STEPS)
    before = weights(trainer.model)
    monkeypatch.setattr(checkpoints, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        trainer.train()
    assert any(not np.array_equal(before[name], value) for name, value in weights(trainer.model).items())


def test_metrics_of_numpy_are_saved(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, eval_strategy="steps", eval_steps=4, **STEPS)
    trainer.compute_metrics = lambda found: {"single": np.float32(0.5), "each": np.arange(2), "bad": float("nan")}
    trainer.train()
    trainer.save_state()
    state, saved = (
        json.loads((folder / "trainer_state.json").read_text()) for folder in (tmp_path / "checkpoint-8", tmp_path)
    )
    assert saved["global_step"] == state["global_step"] == 8
    logged = next(entry for entry in state["log_history"] if "eval_single" in entry)
    assert (logged["eval_single"], logged["eval_each"]) == (0.5, [0, 1])


def test_a_metric_that_is_nan_is_never_the_best(tokenizer, tmp_path):
    scores = iter([float("nan"), 0.25, float("nan"), 0.5])
    trainer = trainer_of(
        tokenizer, tmp_path, eval_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=2,
        num_train_epochs=1, load_best_model_at_end=True, metric_for_best_model="score",
    )  # fmt: skip
    trainer.compute_metrics = lambda found: {"score": next(scores)}
    trainer.train()
    assert (trainer.state.best_metric, trainer.state.best_global_step) == (0.5, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 1}, "it has 'deberta.encoder.layer.1.*', which this model lacks"),
        ({"num_hidden_layers": 3}, "it lacks 'deberta.encoder.layer.2"),
        ({"num_labels": 3}, "'classifier.weight' has shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:train_dataset has no row")
def test_a_checkpoint_of_another_model(tokenizer, tmp_path, changes, message):
    """Fewer layers, too: nothing is read in part."""
    trainer_of(tokenizer, tmp_path, small_model(num_hidden_layers=2), save_strategy="epoch", num_train_epochs=1).train()
    other = small_model(**{"num_hidden_layers": 2, **changes})
    with pytest.raises(ValueError, match=f"checkpoint-8' is a checkpoint of another model: .*{message}"):
        trainer_of(tokenizer, tmp_path, other).train(resume_from_checkpoint=True)
