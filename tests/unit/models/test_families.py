"""Checkpoints of every family: results, names and layouts of files, missing and unexpected tensors."""

import json
import pickle
import re
import tracemalloc
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import MissingHeadWarning, UnexpectedWeightsWarning, UntiedWeightsWarning
from deberta_c._files.safetensors import Tensor
from deberta_c._models.tensor_names import _equal, own_name
from tests.support.numpy_network import Network
from tests.support.tiny_models import BERT, CONV, TINY, V1, padded, safetensors_bytes, tiny_tensors, write_model

ROWS = [[1, 7, 9, 2], [1, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 2], [1, 2], [1, 12, 5, 6, 2]]
LONG = [1, *range(5, 75), 2]
TOLERANCE = 2e-5

# Networks with different encoders.
ENCODERS = {
    "v1": V1,
    "v1 c2p": {**V1, "pos_att_type": "c2p"},
    "v1 p2c, short reach": {**V1, "pos_att_type": ["p2c"], "max_relative_positions": 64},
    "v1 absolute, types, narrow": {
        **V1, "relative_attention": False, "position_biased_input": True, "type_vocab_size": 2, "embedding_size": 10,
        "max_position_embeddings": 80,
    },
    "v2": TINY,
    "v2 own keys": {**TINY, "share_att_key": False},
    "v2 own keys, c2p": {**TINY, "share_att_key": False, "pos_att_type": "c2p", "norm_rel_ebd": "none"},
    "v2 without buckets": {**TINY, "position_buckets": None},
    "convolution": CONV,
    "convolution of 5, tanh": {**TINY, "conv_kernel_size": 5},
    "bert": {**BERT, "max_position_embeddings": 80},
}  # fmt: skip


def without_none(config):
    return {key: value for key, value in config.items() if value is not None}


def opened(tmp_path, kind, base, head, **arguments):
    """A model of a class, and the same network in NumPy."""
    options = arguments.pop("options", {})
    directory = write_model(tmp_path / "model", base=base, head=head, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = getattr(deberta_c, kind).from_pretrained(directory, **options)
    return model, Network(without_none(base), tiny_tensors(without_none(base), head=head))


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders(tmp_path, name):
    model, network = opened(tmp_path, "AutoModel", ENCODERS[name], "none")
    ids, mask = padded([*ROWS, LONG])
    types = ids % 2 * mask
    output = model(ids, mask, types, output_hidden_states=True, output_attentions=True)
    np.testing.assert_array_equal(output.last_hidden_state, output.hidden_states[-1])
    for row, tokens in enumerate([*ROWS, LONG]):
        states, attentions = network.states(tokens, types[row, : len(tokens)])
        for found, expected in zip(output.hidden_states, states, strict=True):
            np.testing.assert_allclose(found[row, : len(tokens)], expected, atol=TOLERANCE)
        for found, expected in zip(output.attentions, attentions, strict=True):
            np.testing.assert_allclose(found[row, :, : len(tokens), : len(tokens)], expected, atol=TOLERANCE)
        if model.config.model_type == "bert":
            np.testing.assert_allclose(output.pooler_output[row], network.pooled(states[-1]), atol=TOLERANCE)
    alone = model(ids, mask, types).last_hidden_state
    np.testing.assert_allclose(alone, output.last_hidden_state, atol=TOLERANCE)
    assert not alone[mask == 0].any()


@pytest.mark.parametrize("base", [V1, CONV, BERT], ids=["v1", "v2", "bert"])
@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_weights_of_half_size(tmp_path, base, dtype):
    """The rows of v1 in blocks and the order of the convolution are converted from those of the file."""
    model, _ = opened(tmp_path, "AutoModel", base, "none")
    tensors = tiny_tensors(base, head="none")
    if dtype == "F16":
        stored = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
        kept = {name: tensor.astype(np.float32) for name, tensor in stored.items()}
    else:
        stored = tensors
        kept = {name: (tensor.view(np.uint32) >> 16 << 16).view(np.float32) for name, tensor in tensors.items()}
    directory = tmp_path / "model"
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors").write_bytes(safetensors_bytes(stored, bfloat16=dtype == "BF16"))
    half = deberta_c.AutoModel.from_pretrained(directory)
    expected = Network(base, kept).states(ROWS[1])[0][-1]
    np.testing.assert_allclose(half([ROWS[1]]).last_hidden_state[0], expected, atol=TOLERANCE)
    assert np.abs(half([ROWS[1]]).last_hidden_state - model([ROWS[1]]).last_hidden_state).max() > 1e-4
    half.save_pretrained(tmp_path / "again")
    again = deberta_c.AutoModel.from_pretrained(tmp_path / "again")
    np.testing.assert_array_equal(again([ROWS[1]]).last_hidden_state, half([ROWS[1]]).last_hidden_state)
    saved = json.loads((tmp_path / "again" / "config.json").read_text())
    assert saved["dtype"] == {"F16": "float16", "BF16": "bfloat16"}[dtype]


@pytest.mark.parametrize(
    ("words", "others", "expected"),
    [("F16", "F32", "float32"), ("F32", "F16", "float32"), ("F16", "BF16", "float32"), ("BF16", "BF16", "bfloat16")],
)
def test_mixed_types_are_saved_as_one_that_holds_them_all(tmp_path, words, others, expected):
    """transformers reads all weights in the type that config.json names."""
    model, _ = opened(tmp_path, "AutoModel", BERT, "none")
    for name, tensor in model._files.items():
        dtype = words if name.endswith("word_embeddings.weight") else others
        size = tensor.data.size // (1 if dtype == "F32" else 2)
        model._files[name] = tensor._replace(dtype=dtype, data=np.zeros(size, np.uint8))
    model.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["dtype"] == expected


# ---- names ----


@pytest.mark.parametrize(
    ("family", "name", "expected"),
    [
        ("deberta-v2", "deberta.encoder.layer.0.output.dense.weight", "deberta.encoder.layer.0.output.dense.weight"),
        ("deberta", "bert.encoder.layer.0.output.LayerNorm.gamma", "deberta.encoder.layer.0.output.LayerNorm.weight"),
        ("deberta", "embeddings.LayerNorm.beta", "deberta.embeddings.LayerNorm.bias"),
        ("deberta-v2", "encoder.rel_embeddings.weight", "deberta.encoder.rel_embeddings.weight"),
        ("deberta-v2", "pooler.dense.weight", "pooler.dense.weight"),
        ("deberta-v2", "classifier.bias", "classifier.bias"),
        ("deberta", "lm_predictions.lm_head.LayerNorm.weight", "lm_predictions.lm_head.LayerNorm.weight"),
        ("bert", "pooler.dense.weight", "bert.pooler.dense.weight"),
        ("bert", "embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"),
        ("bert", "cls.predictions.transform.LayerNorm.gamma", "cls.predictions.transform.LayerNorm.weight"),
    ],
)
def test_names(family, name, expected):
    assert own_name(name, family) == expected


def bare(name):
    return name.removeprefix("deberta.").removeprefix("bert.")


def other_prefix(name):
    return name.replace("deberta.", "bert.") if name.startswith("deberta.") else name


def old_norms(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


@pytest.mark.parametrize("rename", [bare, other_prefix, old_norms, lambda name: bare(old_norms(name))])
@pytest.mark.parametrize("base", [V1, CONV, BERT], ids=["v1", "v2", "bert"])
def test_files_of_other_times(tmp_path, base, rename):
    expected, _ = opened(tmp_path / "today", "AutoModelForSequenceClassification", base, "sequence")
    ids = np.arange(4).reshape(1, 4)
    extras = {"deberta.embeddings.position_ids": ids.astype(np.float32), "bert.embeddings.position_ids": ids}
    extras = {name: values for name, values in extras.items() if name.startswith(base["model_type"][:4])}
    found, _ = opened(
        tmp_path / "old", "AutoModelForSequenceClassification", base, "sequence", rename=rename, add=extras
    )
    np.testing.assert_array_equal(found(ROWS[1:2]).logits, expected(ROWS[1:2]).logits)
    assert found.num_parameters() == expected.num_parameters()


def test_one_name_twice_is_refused(tmp_path):
    add = {"bert.embeddings.LayerNorm.gamma": np.ones(16, np.float32)}
    directory = write_model(tmp_path / "model", add=add)
    with pytest.raises(ValueError, match=r"gamma' and .* are both 'deberta.embeddings.LayerNorm.weight'; drop one"):
        deberta_c.AutoModel.from_pretrained(directory)


def test_wrong_shapes_are_named_as_the_file_has_them(tmp_path):
    cases = [
        (V1, "deberta.encoder.layer.1.attention.self.in_proj.weight", (48, 15), r"\(48, 15\).*asks for \(48, 16\)"),
        (V1, "deberta.encoder.layer.1.attention.self.q_bias", (8,), r"\(8\).*asks for \(16\)"),
        (CONV, "deberta.encoder.conv.conv.weight", (16, 16, 3), r"\(16, 16, 3\).*asks for \(16, 8, 3\)"),
        (BERT, "bert.encoder.layer.0.attention.self.key.bias", (1, 16), r"\(1, 16\).*asks for \(16\)"),
    ]
    for number, (base, name, shape, expected) in enumerate(cases):
        directory = write_model(tmp_path / str(number), base=base, add={name: np.ones(shape, np.float32)})
        with pytest.raises(ValueError, match=f"tensor '{name}' has shape {expected}"):
            deberta_c.AutoModel.from_pretrained(directory)


@pytest.mark.parametrize(
    ("base", "name", "place"),
    [
        (V1, "deberta.encoder.layer.1.attention.self.in_proj.weight", ""),
        (V1, "deberta.encoder.layer.1.attention.self.pos_q_proj.bias", " at index 3"),
        (CONV, "deberta.encoder.conv.conv.weight", ""),
        (BERT, "bert.encoder.layer.0.attention.self.key.weight", " at index 3"),
    ],
)
def test_nan_is_named_as_the_file_has_it(tmp_path, base, name, place):
    values = tiny_tensors(base)[name]
    values.ravel()[3] = np.nan
    directory = write_model(tmp_path / "model", base=base, add={name: values})
    with pytest.raises(ValueError, match=f"tensor '{name}' holds nan{place}; the file is damaged"):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


# ---- missing and unexpected ----


@pytest.mark.parametrize(
    ("base", "head", "kind", "names"),
    [
        (V1, "none", "AutoModelForSequenceClassification", {"pooler.dense.weight", "pooler.dense.bias",
                                                            "classifier.weight", "classifier.bias"}),
        (BERT, "none", "AutoModelForTokenClassification", {"classifier.weight", "classifier.bias"}),
        (TINY, "none", "AutoModelForQuestionAnswering", {"qa_outputs.weight", "qa_outputs.bias"}),
        (BERT, "none", "AutoModelForMultipleChoice", {"classifier.weight", "classifier.bias"}),
        (V1, "none", "AutoModelForMaskedLM", {"cls.predictions.bias", "cls.predictions.transform.dense.weight",
                                              "cls.predictions.transform.dense.bias",
                                              "cls.predictions.transform.LayerNorm.weight",
                                              "cls.predictions.transform.LayerNorm.bias"}),
        (BERT, "legacy_lm", "AutoModelForPreTraining", {"bert.pooler.dense.weight", "bert.pooler.dense.bias",
                                                        "cls.seq_relationship.weight", "cls.seq_relationship.bias"}),
        (TINY, "sequence", "AutoModelForPreTraining", {"mask_predictions.dense.weight", "mask_predictions.dense.bias",
                                                       "mask_predictions.LayerNorm.weight",
                                                       "mask_predictions.LayerNorm.bias",
                                                       "mask_predictions.classifier.weight",
                                                       "mask_predictions.classifier.bias"}),
    ],
)  # fmt: skip
def test_a_missing_head(tmp_path, base, head, kind, names):
    labels = {"0": "start", "1": "end"}
    directory = write_model(tmp_path / "model", base=base, head=head, id2label=labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, information = getattr(deberta_c, kind).from_pretrained(directory, output_loading_info=True)
    missing = [warning.message for warning in caught if warning.category is MissingHeadWarning]
    assert len(missing) == 1
    assert set(missing[0].tensors) == names
    other = {"cls.predictions.decoder.bias"} if "cls.predictions.bias" in names else set()  # another name of it
    assert information["missing_keys"] == names | other
    ids = [ROWS[:1]] if kind.endswith("Choice") else ROWS[:1]
    for arguments in ({}, {"output_hidden_states": True}):
        with pytest.raises(RuntimeError, match=r"lacks .* fine-tune it first, or load a directory"):
            model(ids, **arguments)
    with pytest.raises(RuntimeError, match="lacks"):
        model.save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(RuntimeError, match="lacks"), pytest.warns():
        pickle.loads(pickle.dumps(model))(ids)


def test_a_pooler_may_be_missing(tmp_path):
    directory = write_model(tmp_path / "model", base=BERT, head="legacy_lm")
    with pytest.warns() as caught:
        model, information = deberta_c.BertModel.from_pretrained(directory, output_loading_info=True)
    assert {warning.category for warning in caught} == {MissingHeadWarning, UnexpectedWeightsWarning}
    assert information["missing_keys"] == {"pooler.dense.weight", "pooler.dense.bias"}
    output = model(ROWS[:1])
    assert output.pooler_output is None
    assert output.keys() == ["last_hidden_state"]
    network = Network(BERT, tiny_tensors(BERT, head="legacy_lm"))
    np.testing.assert_allclose(output.last_hidden_state[0], network.states(ROWS[0])[0][-1], atol=TOLERANCE)


def test_missing_weights_of_the_encoder_are_named(tmp_path):
    for number, (base, name) in enumerate(
        [
            (V1, "deberta.encoder.layer.0.attention.self.in_proj.weight"),
            (V1, "deberta.encoder.rel_embeddings.weight"),
            (CONV, "deberta.encoder.conv.LayerNorm.bias"),
            (BERT, "bert.embeddings.token_type_embeddings.weight"),
        ]
    ):
        directory = write_model(tmp_path / str(number), drop=(name,), base=base)
        with pytest.raises(ValueError, match=f"lacks '{name}'"):
            deberta_c.AutoModel.from_pretrained(directory)
    directory = write_model(tmp_path / "v1 as v2", base=V1)
    with pytest.raises(ValueError, match=r"lacks 'deberta.*key_proj.weight.* and \d+ more"):
        deberta_c.DebertaV2Model.from_pretrained(
            directory, config=deberta_c.DebertaV2Config.from_dict({**TINY, "position_buckets": 64})
        )


def test_unexpected_weights_are_named(tmp_path):
    add = {name: np.zeros(3, np.float32) for name in ("extra.weight", "deberta.encoder.layer.7.output.dense.bias")}
    directory = write_model(tmp_path / "model", add=add)
    with pytest.warns(
        UnexpectedWeightsWarning, match="DebertaV2ForSequenceClassification does not use: 'deb"
    ) as caught:
        _, information = deberta_c.AutoModelForSequenceClassification.from_pretrained(
            directory, output_loading_info=True
        )
    assert caught[0].filename == __file__
    assert set(caught[0].message.tensors) == information["unexpected_keys"] == set(add)
    assert information["missing_keys"] == information["mismatched_keys"] == set()


def test_weights_that_transformers_passes_over_too(tmp_path):
    """Position tables that are not used, and a detector's head beside a masked language model."""
    config = {**TINY, "relative_attention": False}
    norm = {f"deberta.encoder.LayerNorm.{part}": np.ones(16, np.float32) for part in ("weight", "bias")}
    opened(tmp_path / "one", "AutoModel", config, "none", add=norm)
    table = {"deberta.embeddings.position_embeddings.weight": np.ones((64, 16), np.float32)}
    opened(tmp_path / "two", "AutoModelForSequenceClassification", V1, "sequence", add=table)
    head = {"mask_predictions.dense.bias": np.ones(16, np.float32)}
    opened(tmp_path / "three", "AutoModelForMaskedLM", TINY, "legacy_lm", add=head)


def test_another_family_is_named(tmp_path):
    directory = write_model(tmp_path / "model", base=BERT)
    with pytest.raises(ValueError, match="model_type is 'bert'; take BertForSequenceClassification or an Auto class"):
        deberta_c.DebertaV2ForSequenceClassification.from_pretrained(directory)
    with pytest.raises(ValueError, match="model_type is 'bert', not 'deberta-v2'; take BertConfig or an Auto class"):
        deberta_c.DebertaV2Config.from_pretrained(directory)
    with pytest.raises(ValueError, match="AutoModelForNextSentencePrediction supports BertForNextSentencePrediction"):
        deberta_c.AutoModelForNextSentencePrediction.from_config(deberta_c.DebertaConfig())
    with pytest.raises(ValueError, match="model_type is 'deberta'; AutoModelForMultipleChoice supports"):
        deberta_c.AutoModelForMultipleChoice.from_config(deberta_c.DebertaConfig())


# ---- tied weights ----


DECODER = "cls.predictions.decoder"


@pytest.mark.parametrize("base", [V1, BERT], ids=["v1", "bert"])
def test_tied_weights(tmp_path, base):
    """The decoder and the word table replace each other, and so do their biases."""
    tensors = tiny_tensors(base, head="legacy_lm")
    words = f"{base['model_type']}.embeddings.word_embeddings.weight"
    copies = {f"{DECODER}.weight": tensors[words], f"{DECODER}.bias": tensors["cls.predictions.bias"]}
    expected, network = opened(tmp_path / "a", "AutoModelForMaskedLM", base, "legacy_lm")
    np.testing.assert_allclose(expected(ROWS[:1]).logits[0], network.logits("legacy_lm", ROWS[0]), atol=TOLERANCE)
    for name, drop in (
        ("b", ()),
        ("c", (words,)),
        ("d", ("cls.predictions.bias",)),
        ("e", (words, "cls.predictions.bias")),
    ):
        found, _ = opened(tmp_path / name, "AutoModelForMaskedLM", base, "legacy_lm", add=copies, drop=drop)
        np.testing.assert_array_equal(found(ROWS[1:2]).logits, expected(ROWS[1:2]).logits)
        assert found.num_parameters() == expected.num_parameters()
        found.save_pretrained(tmp_path / f"{name} saved")
        again = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path / f"{name} saved")
        np.testing.assert_array_equal(again(ROWS[1:2]).logits, expected(ROWS[1:2]).logits)
        assert (tmp_path / f"{name} saved" / "model.safetensors").read_bytes().count(b"decoder") == 0


def test_weights_that_are_no_longer_tied(tmp_path):
    other = np.random.default_rng(1).standard_normal((128, 16)).astype(np.float32)
    directory = write_model(tmp_path / "model", base=BERT, head="legacy_lm", add={f"{DECODER}.weight": other})
    with pytest.warns(UntiedWeightsWarning, match="decoder.weight with other values") as caught:
        model = deberta_c.AutoModelForMaskedLM.from_pretrained(directory)
    assert caught[0].message.tensors == (f"{DECODER}.weight",)
    tensors = tiny_tensors(BERT, head="legacy_lm")
    network = Network(BERT, tensors)
    state = network.states(ROWS[0])[0][-1]
    expected = network.transformed("cls.predictions.transform", state) @ other.T + tensors["cls.predictions.bias"]
    np.testing.assert_allclose(model(ROWS[:1]).logits[0], expected, atol=TOLERANCE)
    model.save_pretrained(tmp_path / "saved")
    with pytest.warns(UntiedWeightsWarning):
        again = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(again(ROWS[:1]).logits, model(ROWS[:1]).logits)
    separate = {f"{DECODER}.weight": other, f"{DECODER}.bias": tensors["cls.predictions.bias"]}
    opened(
        tmp_path / "apart", "AutoModelForMaskedLM", {**BERT, "tie_word_embeddings": False}, "legacy_lm",
        add=separate, drop=("cls.predictions.bias",),
    )  # fmt: skip
    with pytest.warns(MissingHeadWarning, match=f"lacks '{DECODER}.weight', '{DECODER}.bias'") as caught:
        deberta_c.AutoModelForMaskedLM.from_pretrained(
            write_model(tmp_path / "lost", base=BERT, head="legacy_lm", tie_word_embeddings=False)
        )
    assert len(caught) == 1


@pytest.mark.parametrize("copied", [False, True])
def test_tied_weights_are_compared_where_they_lie(copied):
    """The same memory is recognised by its address, two copies are compared slice by slice."""
    table = np.arange(1 << 24, dtype=np.uint8)
    other = table.copy() if copied else np.frombuffer(table.data, np.uint8)
    found = {name: Tensor(name, "F16", (1 << 10, 1 << 13), data) for name, data in (("t.w", table), ("d.w", other))}
    assert found["t.w"].data is not found["d.w"].data
    tracemalloc.start()
    try:
        assert _equal(*found.values())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (1 << 22 if copied else 1 << 14)
    if copied:
        other[-1] ^= 1
        assert not _equal(*found.values())


@pytest.mark.parametrize("base", [TINY, BERT])
def test_one_warning_for_who_trains_a_new_head(tmp_path, base):
    """Tensors of the head that the files have are not named besides."""
    directory = write_model(tmp_path / "lm", base=base, head="legacy_lm", architectures=["XForMaskedLM"])
    with pytest.warns() as caught:
        model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory, num_labels=5)
    (warning,) = caught
    assert warning.category is MissingHeadWarning
    message = str(warning.message)
    assert re.search("'classifier.weight'.*: the head is newly initialized; train it, with fit or a Trainer", message)
    assert "open it with" not in message
    assert model.num_labels == 5
    directory = write_model(tmp_path / "head", base=base)
    with pytest.warns() as caught:
        deberta_c.AutoModelForSequenceClassification.from_pretrained(
            directory, num_labels=5, ignore_mismatched_sizes=True
        )
    (warning,) = caught
    assert "has 'classifier.weight' of shape (3, 16), not (5, 16) and has" in str(warning.message)
    assert "lacks" not in str(warning.message)


def test_a_head_of_another_task_with_the_same_shapes(tmp_path):
    """transformers opens it without a word; the labels are those of whole texts."""
    directory = write_model(tmp_path / "model", head="tokens", architectures=["DebertaV2ForSequenceClassification"])
    message = "has a head that was trained for another task; .* open it with AutoModelForSequenceClassification"
    with pytest.warns(MissingHeadWarning, match=message):
        tag = deberta_c.pipeline("ner", str(directory))
    assert isinstance(tag("hello world"), list)
    for options in ({"num_labels": 3}, {"id2label": {0: "O", 1: "B-PER", 2: "I-PER"}}):
        with pytest.warns(MissingHeadWarning, match="trained for another task; train it, with fit or a Trainer"):
            deberta_c.AutoModelForTokenClassification.from_pretrained(directory, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("CustomForSequenceClassification", "DebertaForSequenceClassification"):
            same = write_model(tmp_path / name, architectures=[name])
            deberta_c.AutoModelForSequenceClassification.from_pretrained(same)
