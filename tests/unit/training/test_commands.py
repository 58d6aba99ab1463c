"""The command `train` at work: its options, a full disk, weights of half precision, and real pairs of entailment."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c._cli.main import _show_warning, main
from deberta_c._files.checkpoint import Tensor, read_checkpoint
from deberta_c._files.shards import write_weights
from deberta_c._models.word_table import as_array
from tests.support.tiny_models import write_model
from tests.unit.training.test_trainer import write_csv

OPTIONS = {
    "--batch-size": ("4", "per_device_train_batch_size", 4),
    "--epochs": ("1.5", "num_train_epochs", 1.5),
    "--learning-rate": ("1e-3", "learning_rate", 1e-3),
    "--warmup": ("0.25", "warmup_steps", 0.25),
    "--weight-decay": ("0.125", "weight_decay", 0.125),
    "--optimizer": ("xadam", "optim", "xadam"),
    "--schedule": ("cosine", "lr_scheduler_type", "cosine"),
    "--clip": ("0.5", "max_grad_norm", 0.5),
    "--accumulation": ("2", "gradient_accumulation_steps", 2),
    "--label-smoothing": ("0.25", "label_smoothing_factor", 0.25),
    "--metric": ("f1_macro", "metric_for_best_model", "f1"),
    "--freeze-layers": ("1", "freeze_layers", 1),
    "--layerwise-decay": ("0.75", "layerwise_lr_decay", 0.75),
    "--seed": ("7", "seed", 7),
    "--lora-rank": ("3", "lora", {"r": 3, "lora_alpha": 3}),
}


def test_every_option_reaches_the_training(tmp_path):
    """A checkpoint keeps the arguments; the validation set is a file of its own, and both columns have other names."""
    source, held_out = write_csv(tmp_path / "train.csv", 40), write_csv(tmp_path / "held.csv", 10, 1)
    for path in (source, held_out):
        path.write_text(path.read_text().replace("text,label", "message,kind"))
    given = [word for option, (value, _, _) in OPTIONS.items() for word in (option, value)]
    files = ["--validation", str(held_out), "--checkpoints", str(tmp_path / "kept"), "--out", str(tmp_path / "out")]
    columns = ["--column", "message", "--label-column", "kind", "--max-length", "6", "--checkpointing"]
    assert main(["train", str(source), *columns, *files, *given, "--freeze-embeddings", "--quiet"]) == 0
    kept = next((tmp_path / "kept").glob("checkpoint-*"))
    found = json.loads((kept / "training_args.json").read_text())
    for _, name, value in OPTIONS.values():
        assert found[name] == value if name != "lora" else value.items() <= found[name].items()
    assert found["activation_checkpointing"]
    assert found["freeze_embeddings"]
    evaluated = json.loads((kept / "trainer_state.json").read_text())["log_history"]
    assert any("eval_f1" in entry for entry in evaluated)


FULL = """
mount -t tmpfs -o size={size}k tmpfs {place} || exit 77
{python} -m deberta_c train {source} --checkpoints {place} --out {out} --epochs 9 --patience 9 --quiet 2> {errors}
status=$?
cp -r {place}/checkpoint-* {left}
ls -A {place} > {names}
exit $status
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_full_disk(tmp_path):
    """A small tmpfs has room for one checkpoint, but not for two: the first stays as it is, and nothing else."""
    source = write_csv(tmp_path / "train.csv", 40)
    arguments = ["--checkpoints", str(tmp_path / "room"), "--out", str(tmp_path / "out"), "--epochs", "1", "--quiet"]
    assert main(["train", str(source), *arguments]) == 0
    size = sum(path.stat().st_size for path in (tmp_path / "room").rglob("*") if path.is_file())
    names = {name: tmp_path / name for name in ("place", "left", "errors", "names", "full")}
    names["place"].mkdir()
    names["left"].mkdir()
    script = FULL.format(
        size=size * 3 // 2048, python=sys.executable, source=source, out=names["full"],
        **{name: names[name] for name in ("place", "left", "errors", "names")},
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], env=environment, capture_output=True, check=False)
    if done.returncode == 77 or b"unshare" in done.stderr:
        pytest.skip("this system lets no user mount a tmpfs")
    assert done.returncode == 1
    error = names["errors"].read_text()
    assert "No space left on device" in error
    assert f"{names['place']}/" in error
    assert names["names"].read_text() == "checkpoint-3\n"
    assert not names["full"].exists()
    deberta_c.AutoModelForSequenceClassification.from_pretrained(names["left"] / "checkpoint-3")


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_weights_of_half_precision_are_trained_in_float32(tmp_path, dtype):
    """The same bits as from float32 weights of these values; what is saved is float32."""
    directories, trained = [tmp_path / "half", tmp_path / "whole"], []
    for directory in directories:
        shutil.copytree(deberta_c.default_model(), directory)
    halves, wholes = [], []
    for tensor in read_checkpoint(directories[0]):
        values = as_array(tensor).astype(np.float32)
        if dtype == "F16":
            half = values.astype(np.float16)
            whole = half.astype(np.float32)
        else:
            half = (values.view(np.uint32) >> 16).astype(np.uint16)
            whole = (half.astype(np.uint32) << 16).view(np.float32)
        for found, kind, array in ((halves, dtype, half), (wholes, "F32", whole)):
            found.append(
                Tensor(tensor.name, kind, tensor.shape, np.ascontiguousarray(array).reshape(-1).view(np.uint8))
            )
    source = write_csv(tmp_path / "train.csv", 40)
    for directory, tensors in zip(directories, (halves, wholes), strict=True):
        write_weights(directory.joinpath, tensors, limit="5GB")
        out = tmp_path / f"{directory.name}-trained"
        options = ["--epochs", "1", "--learning-rate", "1e-3", "--quiet", "--out", str(out)]
        assert main(["train", str(source), "--model", str(directory), *options]) == 0
        trained.append({tensor.name: tensor for tensor in read_checkpoint(out)})
    assert {tensor.dtype for tensor in trained[0].values()} == {"F32"}
    assert all(np.array_equal(trained[0][name].data, trained[1][name].data) for name in trained[1])
    assert any(not np.array_equal(trained[1][tensor.name].data, tensor.data) for tensor in wholes)


def test_real_pairs_become_a_zero_shot_classifier(tmp_path):
    """TaxiNLI by the command line, under the names of its columns; the pipeline finds `entailment` among the labels."""
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        pytest.skip("it reads the pairs of the folder that DEBERTA_C_TEST_DATA names")
    lines = Path(os.environ["DEBERTA_C_TEST_DATA"], "data", "taxinli", "taxinli10k.tsv").read_text("utf-8").splitlines()
    (tmp_path / "pairs.tsv").write_text("\n".join(lines[:1] + lines[1::50]) + "\n", "utf-8")
    command = ["train", str(tmp_path / "pairs.tsv"), "--no-quotes", "--text-column", "prem", "--pair-column", "hyp"]
    assert main([*command, "--epochs", "1", "--max-length", "48", "--quiet", "--out", str(tmp_path / "out")]) == 0
    classifier = deberta_c.pipeline("zero-shot-classification", model=tmp_path / "out")
    assert classifier.model.labels() == ["contradiction", "entailment", "neutral"]
    assert classifier.entailment_id == 1
    answer = classifier(["They won the match.", "The vote was close."], candidate_labels=["sport", "politics"])
    assert [sorted(row["labels"]) for row in answer] == [["politics", "sport"]] * 2
    assert all(sum(row["scores"]) == pytest.approx(1) for row in answer)


def test_train_and_tune_with_a_teacher(tmp_path):
    """A student that learns from its teacher alone does so with labels that are wrong."""
    source, wrong = write_csv(tmp_path / "train.csv", 40), tmp_path / "wrong.csv"
    swapped = {"ham": "spam", "spam": "ham"}
    head, *lines = source.read_text().splitlines()
    lines = [f"{text},{swapped[label]}" for text, label in (line.rsplit(",", 1) for line in lines)]
    wrong.write_text("\n".join([head, *lines]) + "\n")
    quick = ["--learning-rate", "1e-3", "--validation", "0", "--quiet", "--epochs"]
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert main(["train", str(source), "--out", str(teacher), *quick, "6"]) == 0
    distilled = ["--teacher", str(teacher), "--distillation-alpha", "0", "--distillation-temperature", "1"]
    assert main(["train", str(wrong), "--out", str(student), *distilled, *quick, "6"]) == 0
    texts = [line.rsplit(",", 1)[0] for line in lines]
    found = [
        deberta_c.AutoModelForSequenceClassification.from_pretrained(place).predict_labels(texts).tolist()
        for place in (teacher, student)
    ]
    assert len(set(found[0])) == 2
    assert found[0] == found[1]
    best = tmp_path / "best"
    searched = ["--learning-rate", "1e-3", "--epochs", "6", "--validation", str(source), "--out", str(best)]
    assert main(["tune", str(wrong), *distilled, *searched]) == 0
    best_model = deberta_c.AutoModelForSequenceClassification.from_pretrained(best)
    assert best_model.predict_labels(texts).tolist() == found[0]


def test_train_a_regression(tmp_path, capsys):
    """The head predicts numbers, whatever problem_type the model had, and what is saved says so."""
    source = tmp_path / "scores.csv"
    source.write_text(
        "text,label\n" + "".join(f"{word} text,{score}\n" for word, score in [("good", 2), ("bad", -1)] * 12)
    )
    before = tmp_path / "classes"
    options = {"num_labels": 2, "problem_type": "single_label_classification"}
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), **options)
    model.save_pretrained(before)
    model.tokenizer.save_pretrained(before)
    quick = ["--regression", "--model", str(before), "--learning-rate", "1e-3", "--metric", "rmse"]
    assert main(["train", str(source), "--out", str(tmp_path / "out"), "--epochs", "12", "--quiet", *quick]) == 0
    assert "validation_rmse" in capsys.readouterr().out
    assert main(["tune", str(source), "--out", str(tmp_path / "best"), "--epochs", "12", *quick]) == 0
    for place in ("out", "best"):
        config = json.loads((tmp_path / place / "config.json").read_text())
        assert config["problem_type"] == "regression"
        found = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / place)
        assert found.num_labels == 1
        assert found.predict(["good text", "bad text"]).ravel() == pytest.approx([2, -1], abs=0.8)
    assert main(["train", str(source), "--out", str(tmp_path / "no"), *quick, "--metric", "accuracy"]) == 1
    assert "metric is 'accuracy'; it must be one of loss, rmse, r2" in capsys.readouterr().err
    source.write_text("text,label\nfine,good\nbad,1\n")
    assert main(["train", str(source), "--out", str(tmp_path / "no"), *quick]) == 1
    assert "has a label that is not a number" in capsys.readouterr().err


def test_a_label_for_each_row_may_be_a_number(tmp_path, capsys):
    source = tmp_path / "scores.csv"
    source.write_text("text,label\n" + "".join(f"text {row},{row / 10}\n" for row in range(20)))
    assert main(["train", str(source), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert "each of 20 rows has a label of its own" in (shown := capsys.readouterr().err)
    assert "--regression of a command" in shown


def test_a_warning_beside_a_bar(capsys, monkeypatch):
    """It gets a line of its own, and the bar is drawn again below it."""
    tqdm = pytest.importorskip("tqdm")
    with tqdm.tqdm(total=3, file=sys.stderr, ascii=True) as bar:
        bar.update(1)
        _show_warning("look")
    lines = re.split(r"[\r\n]+", capsys.readouterr().err)
    assert "deberta_c: warning: look" in lines
    monkeypatch.delitem(sys.modules, "tqdm")
    _show_warning("look")
    assert capsys.readouterr().err == "deberta_c: warning: look\n"


def test_a_model_is_replaced_only_on_demand(tmp_path, capsys):
    """By `--overwrite`, or by `--resume`, which goes on with what the command began."""
    source, out, kept = write_csv(tmp_path / "train.csv", 40), tmp_path / "out", tmp_path / "kept"
    quick = ["--epochs", "1", "--learning-rate", "1e-3"]
    commands = {
        "train": ["train", str(source), "--out", str(out), *quick, "--quiet"],
        "tune": ["tune", str(source), "--out", str(out), *quick],
        "pretrain": ["pretrain", str(source), "--out", str(out), "--config", str(deberta_c.default_model())],
    }
    write_model(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for command in commands.values():
        assert main(command) == 1
        assert f"--out is {str(out)!r}, which contains a model; give another directory, or --overwrite" in (
            capsys.readouterr().err
        )
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    for name in ("config.json", "spm.model"):  # a configuration and a tokenizer are no model
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / name).write_bytes(before[name])
    assert main(["train", str(source), "--out", str(tmp_path / "new"), *quick, "--quiet"]) == 0
    for name in ("train", "tune"):
        write_model(out)
        assert main([*commands[name], "--overwrite"]) == 0
        assert (out / "model.safetensors").read_bytes() != before["model.safetensors"]
    checkpoints = ["--checkpoints", str(kept)]
    assert main([*commands["train"], *checkpoints, "--overwrite"]) == 0
    assert main([*commands["train"], *checkpoints, "--epochs", "2"]) == 1
    assert main([*commands["train"], *checkpoints, "--epochs", "2", "--resume"]) == 0
    (out / "model.safetensors").rename(out / "pytorch_model.bin.index.json")
    assert main(commands["train"]) == 1
