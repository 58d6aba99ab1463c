"""The command `pretrain`."""

import json

import pytest

import deberta_c
from deberta_c._cli.main import main
from tests.golden.draw import tiny

NEW = ("--config", "small.json", "--tokenizer", deberta_c.default_model())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with texts.txt and config.json."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("win a prize now and call us\n\nsee you at home for dinner\n" * 30)
    vocabulary = len(deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model()))
    config = tiny(model_type="deberta-v2", vocab_size=vocabulary, num_hidden_layers=2, max_position_embeddings=64)
    (tmp_path / "small.json").write_text(json.dumps(config))
    return tmp_path


def pretrain(*options):
    shared = ["--max-length", "32", "--batch-size", "4", "--quiet"]
    return main(["pretrain", "texts.txt", *shared, *options])


@pytest.mark.parametrize(
    ("objective", "kind"), [("masked-lm", "DebertaV2ForMaskedLM"), ("replaced-tokens", "DebertaV2ForPreTraining")]
)
def test_new_model_resumed_and_gone_on_with(folder, capsys, objective, kind):
    new = (*NEW, "--out", "out", "--paragraphs")
    assert pretrain(*new, "--objective", objective, "--steps", "4", "--save-steps", "2", "--validation", "0.2") == 0
    printed = capsys.readouterr()
    assert "eval_loss" in printed.out
    assert "train_loss" in printed.out
    assert "wrote 'out'" in printed.err
    assert json.loads((folder / "out" / "config.json").read_text())["architectures"] == [kind]
    assert sorted(path.name for path in (folder / "out").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    assert pretrain(*new, "--objective", objective, "--steps", "6", "--save-steps", "2", "--resume") == 0
    again = ["--model", "out", "--out", "more", "--objective", objective, "--steps", "1", "--optimizer", "xadam"]
    assert pretrain(*again) == 0
    assert deberta_c.AutoTokenizer.from_pretrained("more").mask_token_id is not None


def test_a_teacher(folder):
    new = (*NEW, "--steps", "2")
    assert pretrain(*new, "--out", "teacher") == 0
    found = []
    for options in ([], ["--teacher", "teacher"], ["--teacher", "teacher", "--distillation-alpha", "0"]):
        assert pretrain(*new, "--seed", "1", "--warmup", "0", "--out", f"out{len(found)}", *options) == 0
        found.append((folder / f"out{len(found)}" / "model.safetensors").read_bytes())
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give one of --config, for a new model, and --model"),
        (["--config", "small.json"], "give --tokenizer DIR, or --vocab-size N"),
        (["--config", "small.json", "--tokenizer", "x", "--vocab-size", "300"], "leave out --tokenizer"),
        (["--config", "absent"], "absent"),
        (["--config", "absent.json"], "--config is 'absent.json', but there is no such file"),
        ([*NEW, "--objective", "replaced-tokens", "--teacher", "x"], "teacher is given, but objective is"),
        ([*NEW, "--resume"], "no checkpoint"),
    ],
)
def test_wrong_options(folder, capsys, options, message):
    assert pretrain("--out", "out", *options) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "out" / "model.safetensors").exists()


def test_files_are_looked_for_before_the_model_is_opened(folder, capsys):
    assert main(["pretrain", "texts.txt", "more.txt", "--model", "absent", "--out", "out"]) == 1
    assert "FILE is 'more.txt', but there is no such file" in capsys.readouterr().err
