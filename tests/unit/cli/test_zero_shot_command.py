"""`zero-shot`: the columns of `classify`, with labels of one's own."""

import io
import json
import sys

import numpy as np
import pytest

import deberta_c
from deberta_c._cli.main import main
from tests.support.tiny_models import write_model
from tests.unit.cli.test_cli import ROWS, read_csv, write_csv

NLI = {"0": "contradiction", "1": "neutral", "2": "entailment"}
TEXTS = [row["text"] for row in ROWS]
LABELS = "home, free entry,call"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("nli") / "model", id2label=NLI)


@pytest.fixture
def zero_shot(tmp_path, folder):
    """Runs the command on a file and returns the status and the path of the output."""

    def run(source, *options, out="out.csv"):
        target = tmp_path / out
        words = ["zero-shot", str(source), "--model", str(folder), "--labels", LABELS, "--out", str(target)]
        return main([*words, "--na", "empty", *options]), target

    return run


def answers(folder, texts=TEXTS, **options):
    return deberta_c.pipeline("zero-shot-classification", folder)(texts, LABELS, **options)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_columns_of_classify(zero_shot, folder, tmp_path, multi_label):
    options = ["--all-scores", "--chunk-rows", "3", "--hypothesis-template", "It is {}."]
    status, target = zero_shot(write_csv(tmp_path / "in.csv"), *options, *["--multi-label"] * multi_label)
    assert status == 0
    rows = read_csv(target)
    assert [{key: row[key] for key in ROWS[0]} for row in rows] == ROWS
    for row, answer in zip(
        rows, answers(folder, hypothesis_template="It is {}.", multi_label=multi_label), strict=True
    ):
        assert row["predicted_label"] == answer["labels"][0]
        assert float(row["predicted_score"]) == pytest.approx(answer["scores"][0], abs=1e-6)
        scores = [float(row[f"score_{label}"]) for label in answer["labels"]]
        assert scores == pytest.approx(answer["scores"], abs=1e-6)
    assert list(rows[0])[-3:] == ["score_home", "score_free entry", "score_call"]


def test_labels_of_another_column(zero_shot, folder, tmp_path):
    source = write_csv(tmp_path / "in.csv")
    status, target = zero_shot(source, "--text-column", "note", "--labels-only", out="out.txt")
    assert status == 0
    expected = answers(folder, [row["note"] for row in ROWS])
    assert target.read_text(encoding="utf-8").splitlines() == [answer["labels"][0] for answer in expected]


def test_standard_input_and_missing_texts(folder, monkeypatch, capsysbinary):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in ("hello", None, "now"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    words = ["zero-shot", "-", "--format", "jsonl", "--model", str(folder), "--labels", LABELS, "--na", "skip"]
    assert main(words) == 0
    rows = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    first, second = answers(folder, ["hello", "now"])
    assert [row["predicted_label"] for row in rows] == [first["labels"][0], None, second["labels"][0]]
    assert rows[1]["predicted_score"] is None
    assert np.isclose(rows[2]["predicted_score"], second["scores"][0], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", " ,"], "--labels is ' ,'; give at least one label"),
        (["--hypothesis-template", "It is so."], "must have {} in place of the label"),
        (["--text-column", "body"], "there is no column 'body'"),
    ],
)
def test_wrong_options(zero_shot, tmp_path, capsys, options, message):
    status, target = zero_shot(write_csv(tmp_path / "in.csv"), *options)
    assert status == 1
    assert message in capsys.readouterr().err
    assert not target.exists()


def test_a_model_and_labels_are_needed(capsys, folder):
    for words in (["--labels", "a"], ["--model", str(folder)]):
        with pytest.raises(SystemExit) as error:
            main(["zero-shot", "in.csv", *words])
        assert error.value.code == 2
    assert "the following arguments are required: --labels" in capsys.readouterr().err
