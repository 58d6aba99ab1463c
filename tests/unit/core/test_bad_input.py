"""Wrong arrays, hostile files, odd texts: each raises an error that names it, none crashes, the next call works."""

import json
import struct

import numpy as np
import pytest

from deberta_c import AutoModelForSequenceClassification, AutoTokenizer
from tests.support.tiny_models import safetensors_bytes, tiny_tensors

IDS = np.array([[1, 7, 9, 2], [1, 8, 2, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])


def changed(array, place, value, dtype=None):
    copy = array.astype(dtype or array.dtype)
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "input_ids is missing"),
        (
            {"input_ids": changed(IDS, (0, 2), 128)},
            ValueError,
            r"input_ids\[0, 2\] is 128; .* vocab_size, which is 128: use the tokenizer of this model",
        ),
        ({"input_ids": changed(IDS, (1, 1), -1)}, ValueError, r"input_ids\[1, 1\] is -1"),
        ({"input_ids": changed(IDS, (1, 1), 2**40)}, ValueError, rf"input_ids\[1, 1\] is {2**40}"),
        ({"input_ids": changed(IDS, (1, 1), 2**32 + 5)}, ValueError, r"input_ids\[1, 1\]"),  # would wrap in 32 bits
        ({"input_ids": changed(IDS, (0, 0), 2**64 - 1, np.uint64)}, ValueError, rf"is {2**64 - 1}"),
        (
            {"input_ids": changed(IDS, (1, 1), -5), "attention_mask": MASK[:, ::-1]},
            ValueError,
            r"input_ids\[1, 1\] is -5",
        ),
        ({"input_ids": [[1, 2**63]]}, ValueError, rf"input_ids\[0, 1\] is {2**63}"),  # which NumPy takes for a float
        ({"input_ids": [[1, 7], [-(2**70), 2]]}, ValueError, rf"input_ids\[1, 0\] is -{2**70}"),
        ({"input_ids": [[1, None]]}, ValueError, "input_ids contains Python objects"),
        ({"input_ids": ["a text"]}, TypeError, r"input_ids contains texts; call model\(\*\*tokenizer\(texts\)\)"),
        ({"input_ids": IDS[0]}, ValueError, r"input_ids has shape \(4,\).*input_ids\[None, :\]"),
        ({"input_ids": IDS[None]}, ValueError, r"input_ids has shape \(1, 2, 4\)"),
        ({"input_ids": 7}, ValueError, r"input_ids has shape \(\)"),
        ({"input_ids": [[1, 7, 2], [1, 2]]}, ValueError, "padding=True"),
        ({"input_ids": IDS.astype(float)}, TypeError, "input_ids has dtype float64"),
        ({"input_ids": IDS.astype(bool)}, TypeError, "input_ids has dtype bool"),
        ({"input_ids": [["a", "b"]]}, TypeError, "input_ids contains texts"),
        ({"input_ids": np.zeros((2, 0), int)}, ValueError, "without any token"),
        ({"input_ids": IDS, "attention_mask": MASK[:1]}, ValueError, r"attention_mask has shape \(1, 4\), but"),
        ({"input_ids": IDS, "attention_mask": MASK[:, :3]}, ValueError, r"attention_mask has shape \(2, 3\)"),
        (
            {"input_ids": IDS, "attention_mask": MASK[:, None, None]},
            ValueError,
            r"attention_mask has shape \(2, 1, 1, 4\)",
        ),
        ({"input_ids": IDS, "attention_mask": MASK * [[1], [0]]}, ValueError, "row 1 of attention_mask is all zeros"),
        ({"input_ids": IDS, "attention_mask": MASK * 0.5}, ValueError, r"attention_mask\[0, 0\] is 0.5; .* 0 and 1"),
        ({"input_ids": IDS, "attention_mask": MASK * 2}, ValueError, r"attention_mask\[0, 0\] is 2"),
        ({"input_ids": IDS, "attention_mask": -MASK}, ValueError, r"attention_mask\[0, 0\] is -1"),
        ({"input_ids": IDS, "attention_mask": MASK * np.nan}, ValueError, "is nan"),
        ({"input_ids": IDS, "attention_mask": [["a"] * 4] * 2}, TypeError, "attention_mask has dtype"),
        ({"input_ids": IDS, "token_type_ids": MASK[:1]}, ValueError, r"token_type_ids has shape \(1, 4\)"),
        ({"input_ids": IDS, "token_type_ids": MASK * 0.0}, TypeError, "token_type_ids has dtype float64"),
    ],
)
def test_arrays(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model(**arguments)
    assert np.isfinite(model(IDS, MASK).logits).all()


def test_a_mapping_without_stars(model, tokenizer):
    with pytest.raises(TypeError, match=r"call model\(\*\*inputs\)"):
        model(tokenizer("hello", return_tensors="np"))


def test_unknown_arguments(model):
    with pytest.raises(TypeError, match="inputs_embeds"):
        model(IDS, inputs_embeds=[1, 2])


@pytest.mark.parametrize("value", [2, -1, 256, 2**40])
def test_token_types_outside_the_table(make_model, value):
    typed = AutoModelForSequenceClassification.from_pretrained(make_model(type_vocab_size=2))
    with pytest.raises(ValueError, match=rf"token_type_ids\[1, 2\] is {value}; .* type_vocab_size, which is 2"):
        typed(IDS, MASK, changed(np.zeros_like(IDS), (1, 2), value))


def test_more_tokens_than_absolute_positions(make_model):
    biased = AutoModelForSequenceClassification.from_pretrained(make_model(position_biased_input=True))
    with pytest.raises(ValueError, match="64"):
        biased(np.full((1, 65), 7))
    assert biased(np.full((1, 64), 7)).logits.shape == (1, 3)


def test_ids_beyond_the_word_table(make_model):
    """A tokenizer may know more ids than the network has rows."""
    small = AutoModelForSequenceClassification.from_pretrained(make_model(vocab_size=6))
    with pytest.raises(ValueError, match="vocab"):
        small.predict(["see you at the home"])
    assert small.predict([""]).shape == (1, 3)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "spm.model"])
def test_missing_file(make_model, name):
    directory = make_model()
    (directory / name).unlink()
    with pytest.raises(OSError, match=name.replace(".", r"\.")):
        AutoModelForSequenceClassification.from_pretrained(directory).predict(["a"])


@pytest.mark.parametrize("where", ["none/at/all", ""])
def test_missing_directory(tmp_path, where):
    for auto in (AutoModelForSequenceClassification, AutoTokenizer):
        with pytest.raises(OSError, match="there is no directory"):
            auto.from_pretrained((where and tmp_path / where) or tmp_path / "x")


def test_missing_tensors_are_named(make_model):
    for name in ("deberta.embeddings.word_embeddings.weight", "deberta.encoder.layer.1.output.dense.bias"):
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            AutoModelForSequenceClassification.from_pretrained(make_model(drop=(name,)))


@pytest.mark.parametrize(
    "name",
    [
        "deberta.embeddings.word_embeddings.weight",
        "deberta.encoder.rel_embeddings.weight",
        "deberta.encoder.layer.0.attention.self.query_proj.weight",
        "deberta.encoder.layer.1.intermediate.dense.bias",
        "pooler.dense.weight",
        "classifier.bias",
    ],
)
@pytest.mark.parametrize("change", ["flat", "longer", "empty", "rank 4"])
def test_tensors_of_another_shape_are_named(make_model, name, change):
    directory = make_model()
    tensors = tiny_tensors(json.loads((directory / "config.json").read_text()))
    tensor = tensors[name]
    if change == "flat":
        tensor = tensor.reshape(1, -1)
    elif change == "longer":
        tensor = np.concatenate([tensor, tensor])
    elif change == "empty":
        tensor = tensor[:0]
    else:
        tensor = tensor.reshape(1, 1, 1, -1)
    (directory / "model.safetensors").write_bytes(safetensors_bytes({**tensors, name: tensor}))
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        AutoModelForSequenceClassification.from_pretrained(directory)


def test_a_header_that_lies_about_a_weight(make_model):
    path = make_model() / "model.safetensors"
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    name = "classifier.weight"
    for lie in ({"shape": [2**63, 2**63]}, {"dtype": "F16"}, {"data_offsets": [2**62, 2**62 + 192]}):
        text = json.dumps({**header, name: {**header[name], **lie}}).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            AutoModelForSequenceClassification.from_pretrained(path.parent)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "name",
    [
        "deberta.embeddings.word_embeddings.weight",
        "deberta.encoder.layer.1.attention.self.query_proj.weight",
        "deberta.encoder.rel_embeddings.weight",
        "classifier.bias",
    ],
)
def test_weights_that_are_not_finite_raise(make_model, name, value):
    directory = make_model()
    tensors = tiny_tensors(json.loads((directory / "config.json").read_text()))
    tensors[name].ravel()[2] = value
    (directory / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    with pytest.raises(ValueError, match=rf"tensor '{name}' holds -?{abs(value)} at index 2; the file is damaged"):
        AutoModelForSequenceClassification.from_pretrained(directory)


def test_weights_that_are_large_do_not_crash(make_model):
    directory = make_model()
    tensors = tiny_tensors(json.loads((directory / "config.json").read_text()))
    tensors["deberta.embeddings.word_embeddings.weight"][7] = 1e38
    (directory / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    broken = AutoModelForSequenceClassification.from_pretrained(directory)
    assert broken(IDS, MASK).logits.shape == (2, 3)
    assert np.isfinite(broken([[1, 9, 2]]).logits).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0",
        "a\0b",
        "\n\t\r",
        "\u200b",
        "\ufeff",
        "é" * 1000,
        "\U0010ffff",
        "🏳️‍🌈",
        "[MASK]",
        "<0x41>",
        "▁",
        "ﷺ" * 50,
    ],
)
def test_odd_texts(model, text):
    logits = model.predict([text, "hello"], max_length=64)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(logits[0], model.predict([text], max_length=64)[0], atol=1e-5)


def test_a_text_of_a_megabyte(model, tokenizer):
    for text in ("hello " * 170_000, "a" * 1_000_000, "é" * 500_000):
        assert model.predict([text], max_length=64).shape == (1, 3)
    assert len(tokenizer("hello " * 170_000).input_ids) == 170_002
