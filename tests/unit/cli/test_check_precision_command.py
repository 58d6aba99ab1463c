"""`check-precision`: tables, JSON, a picture and the exit status."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

import deberta_c
from benchmarks.precision import outliers
from deberta_c._cli.main import main

TEXTS = ["See you at home", "You have won a prize, call now!", "ok"]


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """The directory of the default model with outliers in its second layer."""
    folder = tmp_path_factory.mktemp("outliers")
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    outliers.write(model, folder, 2000, layers=[1])
    return str(folder)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("message,other\n" + "".join(f'"{text}",see you\n' for text in TEXTS), encoding="utf-8")
    return str(path)


def test_the_sample_and_the_default_model(capsys):
    assert main(["check-precision"]) == 0
    shown = capsys.readouterr().out
    assert "int8 passes (0.99 of equal labels, no difference above 0.1)." in shown
    assert "texts of the sample that differ most (the first 5 of 16)" in shown


@pytest.mark.parametrize("command", ["check-precision", "info"])
def test_the_model_may_be_an_option(command, tmp_path, capsys):
    """As in the other commands."""
    assert main([command, "--model", str(tmp_path / "missing")]) == 1
    assert "missing" in capsys.readouterr().err


def test_unknown_options_show_the_usage_of_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["check-precision", "--textt", "a"])
    shown = capsys.readouterr().err
    assert shown.startswith("usage: python -m deberta_c check-precision [-h]")
    assert shown.endswith("check-precision: error: unrecognized arguments: --textt\n")


def test_files_and_json(table, tmp_path, capsys, monkeypatch):
    assert main(["check-precision", "--texts", table, "--column", "message", "--json", "-"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["texts"], made["passed"], made["keep"], made["costs"]) == (3, True, [], [])
    out = tmp_path / "out.json"
    options = ["--column", "message", "--pair-column", "other", "--costs", "--json", str(out), "--threads", "1"]
    assert main(["check-precision", "--texts", table, *options]) == 0
    assert "int8 passes" in capsys.readouterr().out
    made = json.loads(out.read_text(encoding="utf-8"))
    assert (made["differences"][0]["pair"], len(made["costs"])) == ("see you", 10)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(TEXTS).encode())))
    assert main(["check-precision", "--texts", "-", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == 3


def test_exit_status_and_the_layers_to_keep(hard, table, tmp_path, capsys):
    assert main(["check-precision", hard, "--json", "-"]) == 1
    shown = capsys.readouterr()
    keep = json.loads(shown.out)["keep"]
    assert len(keep) == 2
    assert "the share of equal labels in int8 is 0." in shown.err
    assert ", but should be at least 0.99 and at most 0.1\n" in shown.err
    assert main(["check-precision", hard, "--keep", *keep]) == 0
    assert main(["check-precision", hard, "--texts", table, "--column", "message", "--at-most", "0.1"]) == 1
    pytest.importorskip("matplotlib")
    assert main(["check-precision", hard, "--plot", str(tmp_path / "check.svg"), "--at-least", "0.5"]) == 1
    assert (tmp_path / "check.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_other_heads(tmp_path, tokenizer, capsys):
    config = deberta_c.DebertaV2Config(
        vocab_size=128, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, num_labels=3
    )
    for name in ("DebertaV2ForTokenClassification", "DebertaV2Model", "DebertaV2ForMaskedLM"):
        getattr(deberta_c, name)(config).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        assert main(["check-precision", str(tmp_path / name), "--at-least", "0.01", "--at-most", "1"]) == 0
        assert "int8 passes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--texts", "missing.txt"], "missing.txt"),
        (["--texts", "TABLE"], "there is no column 'text'; there are message, other: give --column"),
        (["--pair-column", "other"], "--pair-column is given without --texts; name the file that has the column"),
        (["--keep", "pooler"], "keep contains 'pooler', which names no linear layer"),
        (["--at-least", "99"], "at_least is 99.0; it is a share between 0 and 1"),
        (["--json", "no/such/folder.json"], "--json"),
        (["--plot", "check.doc"], "--plot is 'check.doc'; its name must end with .png, .svg, .pdf"),
        (["--plot", "-"], "--plot is '-', but it is not written to standard output; give the name of a file"),
        (["nothing"], "'nothing'"),
    ],
)
def test_wrong_options(table, options, message, capsys):
    assert main(["check-precision", *(table if word == "TABLE" else word for word in options)]) == 1
    assert message in capsys.readouterr().err
