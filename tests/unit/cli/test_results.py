"""Names of result columns, `--json`, standard input, and the examples of help texts."""

import io
import json
import shlex
import sys

import pytest

import deberta_c
from deberta_c._cli.main import _parser, main

TEXTS = ["hello world", "free entry now", "see you at home", "call now"] * 3


@pytest.fixture
def table(tmp_path, model):
    path = tmp_path / "texts.csv"
    rows = "".join(f"{text},{label}\n" for text, label in zip(TEXTS, model.predict_labels(TEXTS), strict=True))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    return path


def run(capsys, *words):
    assert main(list(map(str, words))) == 0
    return capsys.readouterr().out


def given(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


def test_names_of_the_result_columns(table, tiny, capsys):
    names = ["--label-name", "found", "--score-name", "sure"]
    lines = run(capsys, "classify", table, "--model", tiny, *names, "--all-scores").splitlines()
    assert lines[0] == "text,label,found,sure,score_ham,score_spam,score_other"
    lines = run(capsys, "classify", table, "--model", tiny, *names, "--json", "--labels-only").splitlines()
    assert [list(json.loads(line)) for line in lines] == [["found"]] * 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label-name", "text"], "has the column 'text', which will be written; rename it, or give --label-name"),
        (["--label-name", "a", "--score-name", "a"], "--label-name and --score-name are both 'a'; give two names"),
        (["--label-name", "score_ham", "--all-scores"], "--all-scores adds a column 'score_ham'"),
        (["--json", "--out", "found.csv"], "--json is given, but --out is 'found.csv'; give a .jsonl file"),
    ],
)
def test_names_that_clash(table, tiny, capsys, monkeypatch, options, message):
    monkeypatch.chdir(table.parent)
    assert main(["classify", str(table), "--model", str(tiny), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (table.parent / "found.csv").exists()


def test_json_of_predictions(table, tiny, model, capsys, monkeypatch):
    rows = [json.loads(line) for line in run(capsys, "classify", table, "--model", tiny, "--json").splitlines()]
    assert [row["predicted_label"] for row in rows] == model.predict_labels(TEXTS).tolist()
    assert list(rows[0]) == ["text", "label", "predicted_label", "predicted_score"]
    (row,) = map(json.loads, run(capsys, "--model", tiny, "--json", "hello world").splitlines())
    assert (row["text"], row["label"]) == ("hello world", model.predict_labels(["hello world"])[0])
    given(monkeypatch, "hello\nworld\n")
    lines = run(capsys, "--model", tiny, "--json", "--labels-only", "-").splitlines()
    assert [list(json.loads(line)) for line in lines] == [["label"], ["label"]]


def test_evaluate_reads_standard_input(table, tiny, capsys, monkeypatch):
    pytest.importorskip("sklearn.metrics")
    given(monkeypatch, table.read_text().replace(",", ";"))
    shown = run(capsys, "evaluate", "-", "--model", tiny, "--delimiter", ";", "--json", "-", "--resamples", "0")
    assert json.loads(shown)["metrics"]["accuracy"]["value"] == 1.0


def test_train_reads_standard_input_and_prints_json(table, tiny, tmp_path, capsys, monkeypatch):
    given(monkeypatch, table.read_text())
    out = ["--out", tmp_path / "new", "--json", "-", "--quiet"]
    found = json.loads(run(capsys, "train", "-", "--model", tiny, *out, "--epochs", 1, "--validation", 0))
    assert found["best_epoch"] == 1
    assert set(found["labels"]) == {line.rpartition(",")[2] for line in table.read_text().splitlines()[1:]}
    assert found["history"][0]["loss"] > 0
    assert deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "new").labels() == found["labels"]


def test_tune_and_bench_write_json(table, tiny, tmp_path, capsys, monkeypatch):
    path = tmp_path / "trials.json"
    options = ["--epochs", 1, "--learning-rate", "1e-4", "1e-3", "--validation", table, "--json", path]
    run(capsys, "tune", table, "--model", tiny, *options)
    found = json.loads(path.read_text())
    assert found["metric"] == "validation_loss"
    assert sorted(row["learning_rate"] for row in found["trials"]) == [1e-4, 1e-3]
    monkeypatch.setattr("deberta_c._cli.bench._SECONDS", 0.0)
    assert json.loads(run(capsys, "bench", "--model", tiny, "--json", "-"))["works"][0]["texts_per_s"] > 0


@pytest.mark.parametrize("command", ["train", "tune", "bench", "evaluate"])
def test_a_json_file_that_cannot_be_written(command, table, tiny, tmp_path, capsys):
    words = {"train": [table, "--out", tmp_path / "new"], "bench": []}.get(command, [table])
    assert main([command, *map(str, words), "--model", str(tiny), "--json", str(tmp_path / "no" / "a.json")]) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_help_texts_have_examples_that_the_parser_reads():
    parser = _parser()
    commands = next(action for action in parser._actions if isinstance(action.choices, dict)).choices
    assert {"demo", "show-config"} == {name for name, command in commands.items() if not command.epilog}
    for name, command in commands.items():
        for line in command.format_help().partition("examples:\n")[2].splitlines():
            if line.startswith("  python -m deberta_c"):
                words = words_of(line.partition("     ")[0])
                parser.parse_args(words if words[0] == name else [name, *words])


def words_of(line):
    """The arguments of an example, without a pipe or a redirection."""
    words = shlex.split(line)[3:]
    return words[: next((place for place, word in enumerate(words) if word in "|<>"), len(words))]
