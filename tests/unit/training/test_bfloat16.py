"""Training in bfloat16: who may ask for it, what it leaves in float32, what it learns, and what is resumed."""

import json
import pickle

import numpy as np
import pytest

from deberta_c import TrainingArguments, _core
from deberta_c._cli.main import main
from tests.support.trainings import IDS, OFFSETS, assert_threads_change_no_bit, loss_of, network, training_of
from tests.unit.training.test_fit import LABELS, SHORT, TEXTS, new_model
from tests.unit.training.test_trainer import data, same, small_model, tokenizer, trainer_of, weights, write_csv

__all__ = ["network", "tokenizer"]
needs_bfloat16 = pytest.mark.skipif("bfloat16" not in _core.dtypes(), reason="this CPU has no AVX512_BF16")
REFUSED = r"^bf16 is True, which needs a CPU with AVX512_BF16 \(instruction set in use: \w+\); leave it out to train in"


def test_a_cpu_without_it_refuses(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    with pytest.raises(ValueError, match=REFUSED):
        TrainingArguments(bf16=True)
    with pytest.raises(ValueError, match=REFUSED):
        new_model().fit(TEXTS, LABELS, bf16=True, **SHORT)
    assert main(["train", str(write_csv(tmp_path / "train.csv", 20)), "--out", str(tmp_path / "out"), "--bf16"]) == 1
    assert "bf16 is True, which needs a CPU with AVX512_BF16" in capsys.readouterr().err
    assert not TrainingArguments(bf16=False).bf16


def test_arguments_of_another_cpu(monkeypatch, tokenizer, tmp_path):
    """Pickled where the CPU has it, or set after the arguments were made."""
    trainer = trainer_of(tokenizer, tmp_path)
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "bfloat16", "int8"))
    pickled = pickle.dumps(TrainingArguments(str(tmp_path), bf16=True))
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    trainer.args = pickle.loads(pickled)
    before = weights(trainer.model)
    for call in (trainer.train, trainer.evaluate):
        with pytest.raises(ValueError, match=REFUSED):
            call()
    assert same(weights(trainer.model), before)


def test_the_core_refuses_it_as_well(network):
    if "bfloat16" in _core.dtypes():
        assert "head.out.weight" in training_of(network, bf16=True).names
        return
    with pytest.raises(ValueError, match=r"bf16 needs a CPU with AVX512_BF16; the instruction set in use is \w+"):
        training_of(network, bf16=True)


@needs_bfloat16
def test_evaluations_are_in_float32(network):
    exact, rounded = training_of(network), training_of(network, bf16=True)
    for _ in range(2):
        assert np.array_equal(rounded.evaluate(IDS, OFFSETS)[0], exact.evaluate(IDS, OFFSETS)[0])
        logits = [training.forward(IDS, OFFSETS) for training in (rounded, exact)]
        assert 0 < np.abs(logits[0] - logits[1]).max() < 0.1 * np.abs(logits[1]).max()


@needs_bfloat16
def test_threads_change_no_bit(network):
    assert_threads_change_no_bit(network, (1, 2, 3), bf16=True, hidden_dropout=0.1, attention_dropout=0.1)


@needs_bfloat16
def test_gradients_computed_again_have_the_same_bits(network):
    """Layers that are computed again for the backward pass, and layers that are frozen and given."""
    trainings = [training_of(network, bf16=True, hidden_dropout=0.1, checkpointing=again) for again in (False, True)]
    for training in trainings:
        training.backward(loss_of(training, seed=3)[1])
    for name in trainings[0].names:
        assert np.array_equal(trainings[0].gradient(name), trainings[1].gradient(name))
    frozen = training_of(network, bf16=True, hidden_dropout=0.1)
    for name in frozen.names:
        if "embeddings" in name or "encoder.LayerNorm" in name or "conv" in name or ".layer.0." in name:
            frozen.set_options(name, trainable=False)
    if frozen.frozen_layers:
        given = frozen.frozen_output(IDS, OFFSETS).ravel()
        logits = [frozen.forward(IDS, OFFSETS, given=rows, seed=5) for rows in (None, given)]
        assert np.array_equal(*logits)


@needs_bfloat16
def test_it_learns_and_the_model_is_float32(tokenizer, tmp_path):
    found = {}
    for bf16 in (False, True):
        trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=4, bf16=bf16)
        trainer.train()
        held_out = data(40, 1)
        logits = trainer.model.predict(held_out["text"], tokenizer=tokenizer)
        assert trainer.evaluate()["eval_accuracy"] > 0.9
        np.testing.assert_allclose(trainer.predict(held_out).predictions, logits, rtol=0, atol=1e-5)
        found[bf16] = weights(trainer.model)
    assert trainer.model.precision.dtype == "float32"
    changed = [name for name in found[True] if not np.array_equal(found[True][name], found[False][name])]
    assert changed


@needs_bfloat16
def test_resuming_in_another_type_warns(tokenizer, tmp_path):
    options = {"save_strategy": "epoch", "num_train_epochs": 1}
    trainer_of(tokenizer, tmp_path, bf16=True, **options).train()
    saved = next(tmp_path.glob("checkpoint-*")) / "training_args.json"
    assert json.loads(saved.read_text())["bf16"] is True
    again = trainer_of(tokenizer, tmp_path, small_model(), **options)
    with pytest.warns(UserWarning, match="bf16 False, before True"):
        again.train(resume_from_checkpoint=True)
    kept = json.loads(saved.read_text())
    del kept["bf16"]
    saved.write_text(json.dumps(kept))  # as older versions wrote it
    again = trainer_of(tokenizer, tmp_path, small_model(), bf16=True, **options)
    with pytest.warns(UserWarning, match="bf16 True, before False"):
        again.train(resume_from_checkpoint=True)


@needs_bfloat16
def test_the_commands(tmp_path):
    source = write_csv(tmp_path / "train.csv", 40)
    options = ["--bf16", "--epochs", "1", "--max-length", "6"]
    kept = tmp_path / "kept"
    assert (
        main(["train", str(source), "--out", str(tmp_path / "out"), "--checkpoints", str(kept), "--quiet", *options])
        == 0
    )
    assert json.loads(next(kept.glob("checkpoint-*/training_args.json")).read_text())["bf16"] is True
    assert main(["tune", str(source), "--learning-rate", "1e-3", *options]) == 0
