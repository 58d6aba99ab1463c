"""Frozen layers, layer-wise learning rates, adapters, checkpointing of activations and distillation in a `Trainer`."""

import numpy as np
import pytest

import deberta_c
from deberta_c import LoraConfig, TrainingArguments
from deberta_c.training.kept import KeptOutputs
from deberta_c.training.scope import Scope
from deberta_c.training.session import Session
from tests.unit.training.test_trainer import data, main, same, small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]
LAYERS = 3


def model_of(**changes):
    return small_model(num_hidden_layers=LAYERS, **changes)


def trained(tokenizer, directory, model=None, resume=None, **options):
    """The weights before and after a training of four steps."""
    model = model_of() if model is None else model
    before = weights(model)
    trainer = trainer_of(tokenizer, directory, model, train=data(24), max_steps=4, **options)
    trainer.train(resume_from_checkpoint=resume)
    return before, weights(model), trainer


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize("frozen", [1, 2, LAYERS])
def test_frozen_layers_stay(tokenizer, tmp_path, frozen):
    before, after, _ = trained(tokenizer, tmp_path, freeze_layers=frozen)
    found = changed(before, after)
    still = ("deberta.embeddings.", "deberta.encoder.rel_embeddings", "deberta.encoder.LayerNorm")
    still += tuple(f"deberta.encoder.layer.{layer}." for layer in range(frozen))
    assert found == {name for name in before if not name.startswith(still)}


def test_frozen_embeddings_stay(tokenizer, tmp_path):
    before, after, _ = trained(tokenizer, tmp_path, freeze_embeddings=True)
    assert changed(before, after) == {name for name in before if not name.startswith("deberta.embeddings.")}


def test_kept_outputs_change_no_bit(tokenizer, tmp_path, monkeypatch):
    """Kept for all rows, for some of them, for none; and not used at all."""
    computed = []
    compute = KeptOutputs._computed

    def counted(self, rows, chosen):
        computed.append(len(chosen))
        return compute(self, rows, chosen)

    monkeypatch.setattr(KeptOutputs, "_computed", counted)
    found, counts = [], []
    for limit in (1.0, 20e-6, 0.0):
        computed.clear()
        found.append(trained(tokenizer, tmp_path, freeze_layers=2, frozen_outputs_gb=limit)[1])
        counts.append(sum(computed))
    assert counts[0] == 24  # each row once, in two epochs
    assert counts[0] < counts[1] < counts[2] == 32 + 24  # steps, and the rows that the trained model is tried on
    monkeypatch.setattr("deberta_c.training.objectives.SequenceObjective.reads_rows", False, raising=False)
    found.append(trained(tokenizer, tmp_path, freeze_layers=2)[1])
    assert all(same(found[0], other) for other in found[1:])


def test_frozen_parameters_take_no_memory(tokenizer, tmp_path):
    sizes = []
    for frozen in (0, 2):
        session = Session(model_of())
        session.prepare(TrainingArguments(freeze_layers=frozen))
        idle = session.core.memory
        session.forward({"ids": np.arange(5, dtype=np.int32), "offsets": np.array([0, 5])}, seed=1)
        sizes.append(session.core.memory - idle)
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize(
    "options", [{"freeze_layers": 1}, {"lora": {"r": 2}}, {"lora": {"r": 2}, "freeze_layers": 2}], ids=str
)
def test_resumed_bit_for_bit(tokenizer, tmp_path, options):
    saves = {"save_strategy": "steps", "save_steps": 2}
    _, whole, _ = trained(tokenizer, tmp_path / "whole", **options, **saves)
    _, again, _ = trained(tokenizer, tmp_path / "b", resume=tmp_path / "whole" / "checkpoint-2", **options)
    assert same(whole, again)
    with pytest.raises(ValueError, match="freeze_layers or lora"):
        trained(tokenizer, tmp_path / "c", resume=tmp_path / "whole" / "checkpoint-2")


def test_adapters(tokenizer, tmp_path):
    """Only the targets and the head change, by a matrix of the rank; a saved model is an ordinary one."""
    targets = ["query_proj", "output.dense"]
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=targets)
    before, after, trainer = trained(tokenizer, tmp_path, lora=lora, freeze_layers=1)
    adapted = {name for name in changed(before, after) if name.startswith("deberta.")}
    layers = [f"deberta.encoder.layer.{layer}." for layer in range(1, LAYERS)]
    parts = ["attention.self.query_proj.weight", "attention.output.dense.weight", "output.dense.weight"]
    assert adapted == {layer + part for layer in layers for part in parts}
    for name in adapted:
        values = np.linalg.svd(after[name].astype(np.float64) - before[name], compute_uv=False)
        assert values[0] > 1e-5
        assert values[2] < 1e-2 * values[0]
    assert trainer.args.to_dict()["lora"]["target_modules"] == targets
    trainer.save_model(tmp_path / "saved")
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert same(weights(opened), after)


def test_layerwise_rates():
    scope = Scope(12, layerwise_lr_decay=0.5)
    rates = {
        "head.out.weight": 1,
        "head.dense.bias": 1,
        "deberta.encoder.layer.11.output.dense.weight": 0.5,
        "deberta.encoder.layer.0.output.dense.weight": 0.5**12,
        "deberta.encoder.conv.weight": 0.5**12,
        "deberta.embeddings.word_embeddings.weight": 0.5**13,
        "deberta.encoder.rel_embeddings.weight": 0.5**13,
        "deberta.encoder.LayerNorm.bias": 0.5**13,
    }
    assert {name: scope.options(name).rate for name in rates} == rates
    assert Scope(12, tied=True, layerwise_lr_decay=0.5).options("head.out.weight").rate == 0.5**13
    assert scope.options("deberta.encoder.layer.3.attention.self.query_proj.lora_A.weight").decay
    assert not scope.options("deberta.encoder.layer.3.output.LayerNorm.weight").decay


def test_layerwise_rates_are_used(tokenizer, tmp_path):
    """The first step of Adam moves every weight by about its learning rate."""
    moves = []
    for decay in (1.0, 0.5):
        model = model_of()
        before = weights(model)
        trainer_of(tokenizer, tmp_path, model, max_steps=1, layerwise_lr_decay=decay, weight_decay=0.0).train()
        after = weights(model)
        moves.append({name: np.abs(after[name] - before[name]).max() for name in before})
    for name, power in (("classifier.weight", 0), ("deberta.encoder.layer.1.intermediate.dense.weight", 2)):
        assert moves[1][name] == pytest.approx(0.5**power * moves[0][name], rel=0.02)


def test_checkpointing_changes_no_bit(tokenizer, tmp_path):
    plain = trained(tokenizer, tmp_path)[1]
    assert same(plain, trained(tokenizer, tmp_path, activation_checkpointing=True)[1])
    with pytest.warns(FutureWarning, match="activation_checkpointing"):
        assert same(plain, trained(tokenizer, tmp_path, gradient_checkpointing=True)[1])


def test_distillation(tokenizer, tmp_path):
    """A student that learns from logits alone comes close to them; with alpha=1 the teacher has no say."""
    rows = data(48)
    teacher = np.array([[1.5, -0.5] if label else [-1.0, 1.0] for label in rows["label"]], np.float32)
    unlabelled = {"text": rows["text"], "teacher_logits": teacher}
    options = {"num_train_epochs": 12, "distillation_alpha": 0.0, "max_steps": -1}
    trainer = trainer_of(tokenizer, tmp_path, train=unlabelled, evaluate=unlabelled, **options)
    trainer.train()
    found = trainer.predict({"text": rows["text"]}).predictions
    np.testing.assert_allclose(found[:, 0] - found[:, 1], teacher[:, 0] - teacher[:, 1], atol=1.0)
    assert trainer.evaluate()["eval_loss"] < 0.3
    whole = {"distillation_alpha": 1.0, "max_steps": 3}
    losses = []
    for extra in ({}, {"teacher_logits": teacher}):
        trainer = trainer_of(tokenizer, tmp_path, train={**rows, **extra}, **whole)
        losses.append(trainer.train().training_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    trainer = trainer_of(tokenizer, tmp_path, train=unlabelled)
    with pytest.raises(ValueError, match="distillation_alpha=0"):
        trainer.train()
    trainer.train_dataset = {**rows, "teacher_logits": teacher[:, :1]}
    with pytest.raises(ValueError, match="teacher_logits of shape"):
        trainer.train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_layers": -1}, "freeze_layers is -1"),
        ({"freeze_layers": 4}, "freeze_layers is 4, but the model has 3 layers"),
        ({"layerwise_lr_decay": 0}, "layerwise_lr_decay is 0"),
        ({"lora": {"r": 0}}, "r of LoRA is 0"),
        ({"lora": {"lora_alpha": -1}}, "lora_alpha is -1"),
        ({"lora": {"target_modules": ["in_proj"]}}, "target_modules has 'in_proj'"),
        ({"lora": 8}, "lora is a int"),
        ({"lora": {"r": 1000}}, "rank of an adapter"),
        ({"distillation_temperature": 0}, "distillation_temperature is 0"),
        ({"distillation_alpha": 2}, "distillation_alpha is 2"),
    ],
)
def test_wrong_options(tokenizer, tmp_path, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        trained(tokenizer, tmp_path, **options)


def test_command(tmp_path, capsys):
    rows = data(20)
    lines = "".join(f"{text},{label}\n" for text, label in zip(rows["text"], rows["label"], strict=True))
    (tmp_path / "rows.csv").write_text("text,label\n" + lines)
    command = ["train", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out"), "--epochs", "1", "--quiet"]
    assert main([*command, "--freeze-layers", "1", "--lora-rank", "2", "--layerwise-decay", "0.9"]) == 0
    assert main([*command, "--overwrite", "--lora-alpha", "2"]) != 0
    assert "--lora-rank" in capsys.readouterr().err
