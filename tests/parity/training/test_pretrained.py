"""What `train_tokenizer` and `pretrain` write, opened by transformers."""

import random
import subprocess
import sys

import numpy as np
import pytest

import deberta_c
from deberta_c.training.vocabulary import train_tokenizer
from tests.golden.draw import tiny
from tests.parity.oracle import torch, transformers

WORDS = ["free", "entry", "competition", "dinner", "tonight", "unbelievable", "prize", "home", "weekly", "morning"]
TEXTS = ["Free entry in a weekly competition", "see you at home, über-dinner 7 tonight!", "日本 [MASK] x", " a  b "]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    drawn = random.Random(1)
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("".join(" ".join(drawn.choices(WORDS, k=8)) + ", OK!\n" for _ in range(300)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer(texts, tmp_path_factory):
    pytest.importorskip("sentencepiece")
    return train_tokenizer(texts, 320, tmp_path_factory.mktemp("tokenizer"), hard_vocab_limit=False)


def test_the_tokenizer_is_read_alike(tokenizer):
    theirs = transformers.AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    assert type(theirs).__name__ == "DebertaV2Tokenizer"
    assert len(theirs) == len(tokenizer)
    for found in (theirs, tokenizer):
        assert found.convert_ids_to_tokens([0, 1, 2, 3]) == ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
        assert found.mask_token_id == len(tokenizer) - 1
        assert found.model_max_length == 512
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == theirs(text)["input_ids"], text


def test_lower_case(texts, tmp_path):
    pytest.importorskip("sentencepiece")
    tokenizer = train_tokenizer([texts], 320, tmp_path, lower_case=True, hard_vocab_limit=False)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == theirs(text)["input_ids"], text
    assert tokenizer("FREE entry")["input_ids"] == tokenizer("free ENTRY")["input_ids"]


def test_sizes_that_do_not_fit(texts, tmp_path):
    pytest.importorskip("sentencepiece")
    with pytest.raises(ValueError, match="vocab_size is 100; it must be at least 262"):
        train_tokenizer(texts, 100, tmp_path / "model")
    with pytest.raises(ValueError, match=r"vocab_size is 90000, but the texts have pieces for [0-9]+ tokens"):
        train_tokenizer(texts, 90_000, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_without_sentencepiece(texts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ImportError, match="pip install sentencepiece"):
        train_tokenizer(texts, 320, tmp_path)


@pytest.fixture(scope="module")
def config(tokenizer):
    fields = {"vocab_size": len(tokenizer), "num_hidden_layers": 2, "max_position_embeddings": 64}
    return deberta_c.DebertaV2Config.from_dict(tiny(model_type="deberta-v2", **fields))


def compared(ours, theirs, tokenizer, name):
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    found = getattr(ours(**inputs), name)
    with torch.no_grad():
        expected = getattr(theirs(**{key: torch.from_numpy(value) for key, value in inputs.items()}), name).numpy()
    valid = inputs["attention_mask"] == 1
    np.testing.assert_allclose(found[valid], expected[valid], atol=3e-5)


@pytest.mark.parametrize("enhanced", [False, True])
def test_masked_lm(texts, tokenizer, config, tmp_path, enhanced):
    result = deberta_c.pretrain(
        texts, config, tokenizer, tmp_path, max_length=32, steps=3, enhanced_mask_decoder=enhanced, progress=False
    )
    theirs, info = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert set(info["unexpected_keys"]) <= {"deberta.embeddings.position_embeddings.weight"}
    if not enhanced:
        compared(result.model, theirs, tokenizer, "logits")
    ours = deberta_c.AutoModel.from_pretrained(tmp_path)
    compared(ours, transformers.AutoModel.from_pretrained(tmp_path), tokenizer, "last_hidden_state")
    checkpoint = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "checkpoint-3")
    name = "deberta.encoder.layer.1.output.dense.weight"
    assert torch.equal(checkpoint.state_dict()[name], theirs.state_dict()[name])


def test_replaced_tokens(texts, tokenizer, config, tmp_path):
    deberta_c.pretrain(
        texts, config, tokenizer, tmp_path, objective="replaced_tokens", max_length=32, steps=3, progress=False
    )
    for folder in (tmp_path, tmp_path / "generator"):
        theirs, info = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"]
        compared(deberta_c.AutoModel.from_pretrained(folder), theirs, tokenizer, "last_hidden_state")


def test_command(texts, config, tmp_path):
    """A model, with a tokenizer of its own, from the command line; transformers opens it."""
    pytest.importorskip("sentencepiece")
    config.save_pretrained(tmp_path / "config")
    options = ["--config", "config", "--out", "out", "--vocab-size", "290", "--max-length", "32", "--steps", "2"]
    command = [sys.executable, "-m", "deberta_c", "pretrain", str(texts), *options, "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train_loss" in done.stdout
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert theirs.config.vocab_size == config.vocab_size
    assert len(transformers.AutoTokenizer.from_pretrained(tmp_path / "out")) == 290
