"""`Trainer`, `fit`, the commands `train` and `tune`: they learn, stop, resume bit for bit, and refuse wrong calls."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from deberta_c._cli.main import main
from deberta_c.training import checkpoints

WORDS = (
    ["you", "have", "won", "a", "prize", "call", "now", "free", "entry"],
    ["see", "you", "at", "home", "later", "for", "dinner", "tonight"],
)


def column(rows, seed=0):
    """Texts of two kinds of words, and their labels."""
    draw = random.Random(seed)
    labels = [draw.randrange(2) for _ in range(rows)]
    return [" ".join(draw.choices(WORDS[1 - label], k=draw.randint(2, 9))) for label in labels], labels


def data(rows, seed=0):
    texts, labels = column(rows, seed)
    return {"text": texts, "label": labels}


def small_model(**changes):
    """A new model with the tokenizer of the default one."""
    config = deberta_c.AutoConfig.from_pretrained(deberta_c.default_model())
    for name, value in {"num_hidden_layers": 1, "hidden_dropout_prob": 0.1, **changes}.items():
        setattr(config, name, value)
    return deberta_c.AutoModelForSequenceClassification.from_config(config, seed=3)


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


def trainer_of(tokenizer, directory, model=None, *, callbacks=(), train=None, evaluate=None, **options):
    options = {"learning_rate": 2e-3, "num_train_epochs": 2, "save_strategy": "no", "disable_tqdm": True, **options}
    made = Trainer(
        small_model() if model is None else model,
        TrainingArguments(str(directory), **options),
        train_dataset=data(64) if train is None else train,
        eval_dataset=data(40, 1) if evaluate is None else evaluate,
        processing_class=tokenizer,
        compute_metrics=lambda found: {"accuracy": float((found[0].argmax(1) == found[1]).mean())},
        callbacks=list(callbacks),
    )
    made.remove_callback(deberta_c.training.callbacks.PrinterCallback)
    return made


def weights(model):
    return {name: array.copy() for name, array in model.named_parameters()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_it_learns_and_the_model_has_the_weights(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=4, eval_strategy="epoch", logging_strategy="epoch")
    before = trainer.evaluate()["eval_loss"]
    out = trainer.train()
    assert out.global_step == 32
    assert out.metrics["train_loss"] == out.training_loss > 0
    metrics = trainer.evaluate()
    assert metrics["eval_accuracy"] > 0.9
    assert metrics["eval_loss"] < before / 2
    held_out = data(40, 1)
    logits = trainer.model.predict(held_out["text"], tokenizer=tokenizer)
    np.testing.assert_allclose(trainer.predict(held_out).predictions, logits, rtol=0, atol=1e-5)
    history = trainer.state.log_history
    assert [entry["epoch"] for entry in history if "loss" in entry] == [1, 2, 3, 4]
    assert {"loss", "grad_norm", "learning_rate", "epoch", "step"} == set(history[0])


def test_the_trained_model_pickles_and_saves(tokenizer, tmp_path):
    import pickle

    trainer = trainer_of(tokenizer, tmp_path)
    trainer.train()
    texts = data(10, 2)["text"]
    expected = trainer.model.predict(texts, tokenizer=tokenizer)
    again = pickle.loads(pickle.dumps(trainer.model))
    assert np.array_equal(again.predict(texts, tokenizer=tokenizer), expected)
    trainer.save_model(tmp_path / "saved")
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert np.array_equal(opened.predict(texts), expected)


def test_accumulation_is_a_larger_batch(tokenizer, tmp_path):
    """Without dropout the gradient of four batches of four rows is that of one of sixteen."""
    found = []
    for size, each in ((16, 1), (4, 4)):
        model = small_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        trainer = trainer_of(
            tokenizer, tmp_path, model, per_device_train_batch_size=size, gradient_accumulation_steps=each,
            train_sampling_strategy="sequential", num_train_epochs=1, learning_rate=1e-3, optim="xadam",
            adam_epsilon=1e-3,
        )  # fmt: skip
        assert trainer.train().global_step == 4
        found.append(weights(model))
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=0, atol=2e-5)


@pytest.mark.parametrize("interrupted_at", [3, 8, 13])
def test_resuming_continues_bit_for_bit(tokenizer, tmp_path, interrupted_at):
    class Interrupt(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            if state.global_step == interrupted_at:
                raise KeyboardInterrupt

    options = {"save_strategy": "steps", "save_steps": 100, "logging_steps": 5}
    whole = trainer_of(tokenizer, tmp_path / "whole", **options)
    whole.train()
    broken = trainer_of(tokenizer, tmp_path / "broken", callbacks=[Interrupt()], **options)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = trainer_of(tokenizer, tmp_path / "broken", **options)
    out = resumed.train(resume_from_checkpoint=True)
    assert out.global_step == 16
    assert same(weights(whole.model), weights(resumed.model))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("event", ["on_pre_optimizer_step", "on_optimizer_step", "on_step_end"])
def test_a_signal_within_a_step_takes_effect_at_its_end(tokenizer, tmp_path, event, number):
    """The weights of a checkpoint are those of its step, wherever in the step the signal comes."""

    def send(args, state, control, **others):
        if state.global_step == 5:
            os.kill(os.getpid(), number)

    sender = TrainerCallback()
    setattr(sender, event, send)
    options = {"save_strategy": "steps", "save_steps": 100}
    whole = trainer_of(tokenizer, tmp_path / "whole", **options)
    whole.train()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer_of(tokenizer, tmp_path / "broken", callbacks=[sender], **options).train()
    finally:
        signal.signal(signal.SIGINT, before)
    resumed = trainer_of(tokenizer, tmp_path / "broken", **options)
    resumed.train(resume_from_checkpoint=True)
    assert same(weights(whole.model), weights(resumed.model))


def test_a_full_disk_leaves_the_checkpoints(tokenizer, tmp_path):
    """A checkpoint of the same step, too, stays when a new one cannot be written."""
    trainer = trainer_of(tokenizer, tmp_path, save_strategy="steps", save_steps=8, num_train_epochs=1)
    trainer.train()
    expected = weights(trainer.model)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*checkpoint-8"):
            trainer_of(
                tokenizer, tmp_path, save_strategy="steps", save_steps=8, num_train_epochs=1, learning_rate=1e-4
            ).train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-8"]
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "checkpoint-8")
    assert same(weights(model), expected)


def test_no_room_for_checkpoints_says_where(tokenizer, tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(OSError, match="file"):
        trainer_of(tokenizer, place, save_strategy="epoch").train()


def test_a_checkpoint_opens_as_a_model(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, save_strategy="epoch", save_total_limit=1)
    trainer.train()
    found = checkpoints.found_in(tmp_path)
    assert [path.name for path in found] == ["checkpoint-16"]
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(found[0])
    assert same(weights(model), weights(trainer.model))


def test_the_best_model_and_early_stopping(tokenizer, tmp_path):
    """A third of the labels is wrong: the more certain the model is, the greater its loss; it ends with the best."""
    noisy = data(60, 1)
    noisy["label"] = [1 - label if row % 3 == 0 else label for row, label in enumerate(noisy["label"])]
    trainer = trainer_of(
        tokenizer, tmp_path, num_train_epochs=20, eval_strategy="epoch", save_strategy="epoch", save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="loss", callbacks=[EarlyStoppingCallback(2)],
        evaluate=noisy, learning_rate=5e-3,
    )  # fmt: skip
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(losses) < 20
    assert losses[-3] == min(losses)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_regression_and_independent_labels(tokenizer, tmp_path):
    texts, labels = column(64)
    numbers = {"text": texts, "label": [2.0 * label - 1 for label in labels]}
    trainer = trainer_of(
        tokenizer,
        tmp_path,
        small_model(num_labels=1, problem_type="regression"),
        train=numbers,
        evaluate=numbers,
        num_train_epochs=6,
    )
    trainer.compute_metrics = None
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.4
    both = {"text": texts, "labels": np.eye(2, dtype=np.float32)[labels]}
    model = small_model(problem_type="multi_label_classification")
    trainer = trainer_of(tokenizer, tmp_path, model, train=both, evaluate=both, num_train_epochs=6)
    trainer.compute_metrics = None
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.4


def test_loss_function_of_ones_own(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=4)
    trainer.compute_loss_func = lambda logits, labels: (
        float(np.mean((logits[:, 0] + labels) ** 2)),
        np.stack([2 * (logits[:, 0] + labels), 0 * labels], 1) / len(labels),
    )
    trainer.train()
    predictions = trainer.predict(data(40, 1)).predictions[:, 0]
    assert np.corrcoef(predictions, data(40, 1)["label"])[0, 1] < -0.8


@pytest.mark.parametrize(
    ("train", "error", "message"),
    [
        ({"text": [], "label": []}, ValueError, "no rows"),
        ({"text": ["a"]}, ValueError, "no labels"),
        ({"text": ["a", "b"], "label": [0]}, ValueError, "2 rows, but 1 labels"),
        ({"text": ["a", "b"], "label": [0, 5]}, ValueError, "5"),
        ({"text": ["a", "b"], "label": [0.0, float("nan")]}, ValueError, r"labels\[1\] is missing"),
        ({"words": ["a"], "label": [0]}, ValueError, "a column named text"),
        ([{"text": "a", "label": 0}, {"text": "b"}], ValueError, r"train_dataset\[1\] has the keys"),
        ([1, 2], TypeError, r"train_dataset\[0\] is int"),
    ],
)
def test_wrong_data(tokenizer, tmp_path, train, error, message):
    with pytest.raises(error, match=message):
        trainer_of(tokenizer, tmp_path, train=train).train()


def test_wrong_calls(tokenizer, tmp_path):
    with pytest.raises(TypeError, match="model is object, which has no head to train"):
        Trainer(object())
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        trainer_of(tokenizer, tmp_path, learning_rate=1e30, max_grad_norm=0.0).train()
    other = trainer_of(tokenizer, tmp_path / "other", save_strategy="epoch", num_train_epochs=1)
    other.train()
    narrow = small_model(intermediate_size=64)
    with pytest.raises(ValueError, match="shape"):
        trainer_of(tokenizer, tmp_path / "other", narrow, num_train_epochs=1).train(resume_from_checkpoint=True)


def test_resuming_without_a_checkpoint(tokenizer, tmp_path):
    """The message says what a checkpoint looks like, and what to do."""
    for directory, message in (
        (
            tmp_path,
            "has no checkpoint to resume from, which is a directory checkpoint-STEP, .*; give the output_dir of",
        ),
        (tmp_path / "absent", "does not exist, and so has no checkpoint to resume from"),
    ):
        with pytest.raises(FileNotFoundError, match=f"^'{directory}' {message}"):
            trainer_of(tokenizer, directory).train(resume_from_checkpoint=True)
    trainer = trainer_of(tokenizer, tmp_path, save_strategy="epoch", num_train_epochs=1, save_only_model=True)
    trainer.train()
    for directory, message in (
        (tmp_path, "it has no trainer_state.json; give one of the checkpoints in it, such as '.*checkpoint-8'"),
        (tmp_path / "checkpoint-9", "there is no such directory; give a directory checkpoint-STEP"),
        (tmp_path / "checkpoint-8", "it has no optimizer.npz, as with save_only_model=True; give another one"),
    ):
        with pytest.raises(FileNotFoundError, match=f"^'{directory}' is not a checkpoint to resume from: {message}"):
            trainer.train(resume_from_checkpoint=directory)


def test_a_label_without_rows_warns(tokenizer, tmp_path):
    train = {"text": ["a b", "c d"] * 4, "label": [0] * 8}
    with pytest.warns(UserWarning, match="no row with the label 1"):
        trainer_of(tokenizer, tmp_path, train=train, num_train_epochs=1).train()


KILLED = """
import sys
from tests.unit.training.test_trainer import trainer_of
import deberta_c
tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
trainer = trainer_of(tokenizer, sys.argv[1], num_train_epochs=1000, save_strategy="steps", save_steps=1,
                     save_total_limit=2)
trainer.add_callback(type("Says", (deberta_c.TrainerCallback,), {"on_step_begin": lambda *_, **__: print(flush=True)}))
print(flush=True)
trainer.train(resume_from_checkpoint=True if len(sys.argv) > 2 else None)
"""


def test_killed_at_any_moment_the_last_checkpoint_is_whole(tokenizer, tmp_path):
    """Fifty times kill -9 at a random moment; the next process resumes from the last checkpoint."""
    draw, steps, resumes = random.Random(1), 0, False
    for _ in range(50):
        command = [sys.executable, "-c", KILLED, str(tmp_path), *(["resume"] if resumes else [])]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        ) as run:
            assert run.stdout is not None
            for _ in range(draw.randrange(1, 5)):  # it begins, and begins up to three steps
                assert run.stdout.readline() == b"\n"
            time.sleep(draw.uniform(0.0, 0.1))
            run.send_signal(signal.SIGKILL)
        for path in checkpoints.found_in(tmp_path):
            deberta_c.AutoModelForSequenceClassification.from_pretrained(path)
        found = checkpoints.found_in(tmp_path)
        if found:
            resumes = True
            now = int(found[-1].name.rpartition("-")[2])
            assert now >= steps
            steps = now
    assert steps > 10
    trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=1000, max_steps=steps + 1)
    assert trainer.train(resume_from_checkpoint=True).global_step == steps + 1


def test_fit(tmp_path):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    texts, labels = column(120)
    names = [("ham", "spam")[label] for label in labels]
    result = model.fit(texts, names, epochs=2, learning_rate=1e-3, progress=False, class_weight="balanced")
    assert result.labels == ["ham", "spam"]
    assert 1 <= result.best_epoch <= 2
    assert len(result.history) <= 2
    assert "validation_loss" in result.history[0]
    found = model.predict_labels(column(40, 1)[0])
    assert np.mean(found == np.array(["ham", "spam"])[column(40, 1)[1]]) > 0.9


def write_csv(path, rows, seed=0):
    texts, labels = column(rows, seed)
    lines = ["text,label", *(f"{text},{('ham', 'spam')[label]}" for text, label in zip(texts, labels, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_command_train(tmp_path, capsys):
    source, out = write_csv(tmp_path / "train.csv", 80), tmp_path / "model"
    assert main(["train", str(source), "--out", str(out), "--epochs", "2", "--learning-rate", "1e-3", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "validation_loss" in printed
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(out)
    texts, labels = column(40, 1)
    assert np.mean(model.predict(texts).argmax(1) == labels) > 0.9
    assert main(["train", str(tmp_path / "absent.csv"), "--out", str(tmp_path / "other")]) == 1
    assert "absent.csv" in capsys.readouterr().err


def test_command_tune(tmp_path, capsys):
    source, out = write_csv(tmp_path / "train.csv", 60), tmp_path / "best"
    arguments = [
        "--learning-rate",
        "1e-3",
        "1e-6",
        "--epochs",
        "1",
        "--out",
        str(out),
        "--table",
        str(tmp_path / "t.csv"),
    ]
    assert main(["tune", str(source), *arguments]) == 0
    assert "0.001" in capsys.readouterr().out.splitlines()[1]
    assert (tmp_path / "t.csv").read_text().startswith("learning_rate,")
    deberta_c.AutoModelForSequenceClassification.from_pretrained(out)
