"""`evaluate`, `tokenize`, `info` and `download`."""

import io
import json
import re
import sys
import warnings

import pytest

import deberta_c
from deberta_c import _core
from deberta_c._cli.main import main
from tests.support.tiny_models import write_model

TEXTS = ["hello world", "free entry now", "see you at home", "call now"]


@pytest.fixture
def table(tmp_path, model):
    """A file of labelled texts, of which the model gets three right."""
    labels = model.predict_labels(TEXTS).tolist()
    labels[3] = next(name for name in model.labels() if name != labels[3])
    path = tmp_path / "test.csv"
    rows = [f"{text},{label},{day}" for text, label, day in zip(TEXTS, labels, (1, 2, 1, ""), strict=True)]
    path.write_text("\n".join(["text,label,day", *rows]) + "\n", encoding="utf-8")
    return path


def evaluate(table, tiny, *options):
    pytest.importorskip("sklearn.metrics")
    return main(["evaluate", str(table), "--model", str(tiny), "--resamples", "20", *options])


def test_evaluate_prints_tables(table, tiny, capsys):
    assert evaluate(table, tiny, "--by", "day") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^accuracy +0\.7500", shown, re.MULTILINE)
    assert "most confident mistakes" in shown
    for name in ("1", "2", "missing"):
        assert re.search(rf"day +{name} +[12] ", shown)


def test_evaluate_in_int8(table, tiny, capsys):
    low = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny, dtype=deberta_c.Precision("int8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", deberta_c.PrecisionWarning)  # a drawn network has no clear answers
        assert evaluate(table, tiny, "--dtype", "int8", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    labels = [line.split(",")[1] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    expected = deberta_c.evaluation.evaluate(low, TEXTS, labels, resamples=20)
    assert found["model"] == f"{tiny}, int8 by {_core.multiplier('int8')}"
    assert found["metrics"] == expected.to_dict()["metrics"]


def test_evaluate_writes_json_and_a_report(table, tiny, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    files = tmp_path / "out.json", tmp_path / "out.html"
    assert evaluate(table, tiny, "--json", str(files[0]), "--report", str(files[1])) == 0
    assert json.loads(files[0].read_text())["metrics"]["accuracy"]["value"] == 0.75
    assert files[1].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().err == f"wrote {str(files[1])!r}\n"
    assert evaluate(table, tiny, "--report", str(files[1]), "--explain") == 0
    assert "The words of the first text speak" in files[1].read_text(encoding="utf-8")
    capsys.readouterr()
    assert evaluate(table, tiny, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 4


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--at-least", "0.75"], 0, ""),
        (["--at-least", "0.8"], 1, "deberta_c: accuracy is 0.7500, but should be at least 0.8\n"),
        (["--at-least", "1", "--metric", "calibration_error"], 0, ""),
        (["--at-least", "0", "--metric", "calibration_error"], 1, "but should be at most 0\n"),
        (["--at-least", "0.1", "--metric", "f1"], 0, ""),
        (["--at-least", "1", "--metric", "f1"], 1, "deberta_c: f1_macro is 0.5556, but should be at least 1\n"),
        (["--by", "week"], 1, "there is no column 'week'; there are text, label, day: give --by"),
        (["--label-column", "day"], 1, "the label is missing"),
        (["--label-column", "text"], 1, "is 'hello world', which is not a label of the model"),
        (["--metric", "recall"], 1, "--metric is given without --at-least; give the value that it must have"),
        (["--explain"], 1, "--explain is given without --report; name the page to write"),
        (["--report", "no/report.html"], 1, "there is no folder 'no'; create it first"),
        (["--report", "-"], 1, "--report is '-', but it is not written to standard output; give the name of a file"),
    ],
)
def test_the_exit_status_of_evaluate(table, tiny, capsys, options, status, message):
    assert evaluate(table, tiny, *options) == status
    assert message in capsys.readouterr().err


def test_evaluate_several_labels(tmp_path, make_model, capsys):
    path = tmp_path / "several.tsv"
    path.write_text("text\tlabel\nhello\tham; spam\nworld\tother\nnow\t\n", encoding="utf-8")  # the last has none
    model = make_model(problem_type="multi_label_classification")
    assert evaluate(path, model, "--label-separator", ";", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], [row["rows"] for row in found["classes"]]) == (3, [1, 1, 1])
    assert evaluate(path, model) == 1
    assert "line 4: the label is missing; drop such rows" in capsys.readouterr().err


def test_evaluate_a_regression(tmp_path, make_model, capsys):
    path = tmp_path / "numbers.csv"
    path.write_text("text,label\nhello,0.5\nworld,-1\n", encoding="utf-8")
    model = make_model(id2label={"0": "value"}, problem_type="regression")
    assert evaluate(path, model, "--at-least", "1000", "--metric", "rmse") == 0
    assert "spearman" in capsys.readouterr().out


def test_evaluate_without_scikit_learn(table, tiny, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    assert main(["evaluate", str(table), "--model", str(tiny)]) == 1
    assert capsys.readouterr().err == "deberta_c: evaluate needs scikit-learn: `pip install scikit-learn`\n"


def test_tokenize(tiny, capsys, monkeypatch):
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tiny)
    expected = tokenizer("see you", return_offsets_mapping=True)

    def run(*words):
        assert main(["tokenize", "--model", str(tiny), *words]) == 0
        return capsys.readouterr().out

    assert run("see you", "a") == " ".join(expected.tokens()) + "\n" + " ".join(tokenizer("a").tokens()) + "\n"
    assert run("--ids", "see you") == " ".join(map(str, expected.input_ids)) + "\n"
    assert run("--count", "--no-special-tokens", "see you") == f"{len(expected.input_ids) - 2}\n"
    found = json.loads(run("--json", "see you"))
    assert found["tokens"] == expected.tokens()
    assert found["offsets"] == [list(span) for span in expected["offset_mapping"]]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"see\n\nyou at\n")))
    assert len(run("--count", "-").splitlines()) == 3


def test_info(tiny, capsys):
    assert main(["info", str(tiny), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    assert found["parameters"] == model.num_parameters()
    assert found["labels"] == model.labels()
    assert found["dtype"] == {"F32": model.num_parameters()}
    assert found["tokenizer"]["tokens"] == len(model.tokenizer)
    assert main(["info", str(tiny)]) == 0
    shown = capsys.readouterr().out
    assert f"parameters               {model.num_parameters():,}\n" in shown
    assert "3: ham, spam, other" in shown


@pytest.mark.parametrize(
    ("keep", "shown"), [(None, "-"), (["encoder.layer.0", "encoder.layer.1.output.dense"], "2: encoder.layer.0, ")]
)
def test_info_names_the_layers_that_stay_in_float32(make_model, capsys, keep, shown):
    directory = make_model(low_precision_keep=keep)
    assert main(["info", str(directory), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["low_precision_keep"] == (keep or [])
    assert main(["info", str(directory)]) == 0
    assert f"low precision keep       {shown}" in capsys.readouterr().out


def test_info_of_what_is_not_there(tmp_path, capsys):
    assert main(["info", str(tmp_path / "no")]) == 1
    assert "there is no directory" in capsys.readouterr().err


def test_info_without_a_tokenizer(tiny, tmp_path, capsys):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    assert main(["info", str(tmp_path)]) == 0
    assert "tokenizer                -\n" in capsys.readouterr().out


def test_download_copies_what_the_cache_has(tmp_path, capsys, monkeypatch):
    home = tmp_path / "cache" / "models--org--tiny"
    folder = write_model(home / "snapshots" / ("c0ffee" + "0" * 34))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(folder.name)
    (folder / "pytorch_model.bin").write_text("the same weights again")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "out"
    assert main(["download", "org/tiny", str(out)]) == 0
    assert "config.json" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {path.name for path in folder.iterdir()} - {"pytorch_model.bin"}
    assert deberta_c.AutoModelForSequenceClassification.from_pretrained(out).tokenizer
    assert main(["download", "org/tiny", str(out)]) == 1
    assert "which exists already; give a new directory" in capsys.readouterr().err
    assert main(["download", "org/other", str(tmp_path / "other")]) == 1
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("command", ["evaluate", "check-precision", "tokenize", "info", "download"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"examples:\n  python -m deberta_c {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--at-least", "0.5", "--metric", "recall"], "--metric is 'recall'; it must be one of accuracy, f1_macro"),
        (["--at-least", "99"], "--at-least is 99, but accuracy is a number between 0 and 1"),
        (["--at-least", "nan"], "--at-least is nan, but accuracy is a number between 0 and 1"),
        (["--at-least", "-1", "--metric", "roc_auc"], "--at-least is -1, but roc_auc is a number between 0 and 1"),
    ],
)
def test_limits_are_checked_before_the_evaluation(table, tiny, capsys, monkeypatch, options, message):
    monkeypatch.setattr("deberta_c.evaluation.evaluating.evaluate", None)
    assert evaluate(table, tiny, *options) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--at-least", "0.5"], "--metric is 'accuracy'; it must be one of rmse, mae, .*; give --metric rmse or r2"),
        (["--at-least", "1.5", "--metric", "r2"], "--at-least is 1.5, but r2 is a number at most 1"),
        (["--at-least", "-1", "--metric", "mae"], "--at-least is -1, but mae is a number at least 0"),
    ],
)
def test_limits_of_a_regression(table, make_model, capsys, options, message):
    model = make_model(id2label={"0": "value"}, problem_type="regression")
    assert evaluate(table, model, *options) == 1
    assert re.search(message, capsys.readouterr().err)


def test_labels_that_the_default_model_lacks(table, capsys):
    """A model may have been forgotten."""
    pytest.importorskip("sklearn.metrics")
    table.write_text("text,label\nhello,happy\n")
    assert main(["evaluate", str(table)]) == 1
    assert "which is not a label of the model" in (shown := capsys.readouterr().err)
    assert shown.endswith("; this is the default model, --model DIR names another\n")
