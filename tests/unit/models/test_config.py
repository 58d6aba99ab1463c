"""config.json: defaults, labels, and errors that name key, value and remedy."""

import json
from math import prod

import numpy as np
import pytest

from deberta_c import AutoConfig, BertConfig, DebertaConfig, DebertaV2Config
from deberta_c._models.tensor_names import sources


@pytest.fixture
def read(tmp_path, tiny):
    """Reads the tiny config.json with some keys replaced; None removes one."""

    def read_with(**keys):
        values = {**json.loads((tiny / "config.json").read_text()), **keys}
        (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
        return AutoConfig.from_pretrained(tmp_path)

    return read_with


def test_defaults_are_those_of_transformers():
    config = DebertaV2Config()
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (1536, 24, 6144)
    assert (config.layer_norm_eps, config.relative_attention, config.position_biased_input) == (1e-7, False, True)
    assert (config.num_labels, config.id2label, config.problem_type) == (2, {0: "LABEL_0", 1: "LABEL_1"}, None)


def test_labels_have_int_keys(read):
    config = read()
    assert config.id2label == {0: "ham", 1: "spam", 2: "other"}
    assert config.label2id == {"ham": 0, "spam": 1, "other": 2}
    assert config.num_labels == 3


def test_another_number_of_labels_renames_them(tiny):
    config = AutoConfig.from_pretrained(tiny, num_labels=5)
    assert list(config.id2label.values()) == [f"LABEL_{i}" for i in range(5)]
    assert AutoConfig.from_pretrained(tiny, num_labels=3).id2label[1] == "spam"
    assert AutoConfig.from_pretrained(tiny, id2label={0: "no", 1: "yes"}).label2id == {"no": 0, "yes": 1}
    assert len(AutoConfig.from_pretrained(tiny, num_labels=np.int64(7)).id2label) == 7  # such as labels.max() + 1
    config.num_labels = 2
    assert config.label2id == {"LABEL_0": 0, "LABEL_1": 1}


def test_a_label2id_that_says_otherwise_is_kept(read):
    """As in transformers."""
    config = read(label2id={"ham": 2, "spam": 0})
    assert config.label2id == {"ham": 2, "spam": 0}
    assert config.id2label[0] == "ham"


def test_undeclared_keys_are_kept(read):
    config = read(z_steps=0, tasks=["a", "b"])
    assert config.tasks == ["a", "b"]
    assert config.to_dict()["z_steps"] == 0
    assert json.loads(config.to_json_string())["tasks"] == ["a", "b"]
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = config.nothing_such


@pytest.mark.parametrize(
    ("value", "c2p", "p2c", "terms"),
    [
        ("p2c|c2p", True, True, 3),
        ("C2P | p2c", True, True, 3),
        (["c2p"], True, False, 2),
        ("p2c", False, True, 2),
        ([], False, False, 1),
        (None, False, False, 1),
        ("p2p|c2p", True, False, 2),
        ("none", False, False, 1),
        ("", False, False, 1),
    ],
)
def test_position_terms(read, value, c2p, p2c, terms):
    core = read(pos_att_type=value)._for_core()
    assert (core["c2p"], core["p2c"], core["attention_terms"]) == (c2p, p2c, terms)


@pytest.mark.parametrize("key", ["position_buckets", "norm_rel_ebd", "share_att_key", "conv_kernel_size"])
def test_null_is_absent_for_what_the_reference_does_not_declare(key, tiny):
    values = json.loads((tiny / "config.json").read_text())
    absent = {name: value for name, value in values.items() if name != key}
    config = DebertaV2Config.from_dict({**values, key: None})
    config._check()
    assert config._for_core() == DebertaV2Config.from_dict(absent)._for_core()


def test_for_core_resolves_defaults(read):
    core = read(max_relative_positions=-1, position_buckets=-1, norm_rel_ebd="none")._for_core()
    assert (core["max_relative_positions"], core["position_buckets"], core["norm_rel_ebd"]) == (64, 0, False)
    assert core["embedding_size"] == core["hidden_size"] == 16
    assert read(embedding_size=8)._for_core()["embedding_size"] == 8
    assert read(max_relative_positions=32)._for_core()["max_relative_positions"] == 32


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"model_type": "roberta"}, ValueError, "model_type is 'roberta'; this version runs deberta, deberta-v2"),
        ({"model_type": ["bert"]}, ValueError, "model_type is .'bert'.; this version runs"),
        ({"model_type": None}, ValueError, "no model_type"),
        ({"conv_kernel_size": 4}, ValueError, "conv_kernel_size is 4; it must be odd"),
        ({"conv_kernel_size": "3"}, TypeError, "conv_kernel_size is '3'"),
        ({"conv_kernel_size": 3, "conv_groups": 5}, ValueError, "conv_groups is 5; it must divide hidden_size, .* 16"),
        ({"conv_groups": 0}, ValueError, "conv_groups is 0; it must be at least 1"),
        ({"conv_act": 1}, TypeError, "conv_act is 1"),
        ({"share_att_key": 1}, TypeError, "share_att_key is 1"),
        ({"tie_word_embeddings": "no"}, TypeError, "tie_word_embeddings is 'no'"),
        ({"talking_head": True}, ValueError, "talking_head"),
        ({"hidden_size": 17}, ValueError, "hidden_size is 17.*num_attention_heads, which is 2"),
        ({"hidden_size": 0}, ValueError, "hidden_size is 0; it must be at least 1"),
        ({"hidden_size": "16"}, TypeError, "hidden_size is '16'"),
        ({"hidden_size": True}, TypeError, "hidden_size is True"),
        ({"vocab_size": 2**63}, ValueError, f"vocab_size is {2**63}"),
        ({"num_hidden_layers": -1}, ValueError, "num_hidden_layers is -1"),
        ({"relative_attention": "yes"}, TypeError, "relative_attention is 'yes'"),
        ({"layer_norm_eps": 0}, ValueError, "layer_norm_eps is 0"),
        ({"hidden_act": 3}, TypeError, "hidden_act is 3"),
        ({"pad_token_id": 128}, ValueError, "pad_token_id is 128; .* from -128 to 127, because vocab_size is 128"),
        ({"pad_token_id": -129}, ValueError, "pad_token_id is -129"),
        ({"pad_token_id": True}, TypeError, "pad_token_id is True; it must be null or an integer"),
        ({"pad_token_id": 0.0}, TypeError, "pad_token_id is 0.0"),
        ({"initializer_range": -0.02}, ValueError, "initializer_range is -0.02; it must be 0 or more, such as 0.02"),
        ({"initializer_range": float("nan")}, ValueError, "initializer_range is nan"),
        ({"initializer_range": float("inf")}, ValueError, "initializer_range is inf"),
        ({"initializer_range": "0.02"}, TypeError, "initializer_range is '0.02'; it must be null or a number"),
        ({"initializer_range": True}, TypeError, "initializer_range is True"),
        ({"attention_head_size": 4}, ValueError, "attention_head_size is 4"),
        ({"pooler_hidden_size": 4}, ValueError, "pooler_hidden_size is 4"),
        ({"pos_att_type": 3}, TypeError, "pos_att_type is 3"),
        ({"pos_att_type": "c2p|bogus"}, ValueError, "pos_att_type has 'bogus'; it must be"),
        ({"pos_att_type": ["C2P"]}, ValueError, "pos_att_type has 'C2P'"),
        ({"label2id": {"ham": "x"}}, ValueError, "label2id is {'ham': 'x'}; it must map names"),
        ({"label2id": ["ham", "spam"]}, ValueError, r"label2id is \['ham', 'spam'\]"),
        ({"label2id": 3}, ValueError, "label2id is 3"),
        ({"label2id": [0, 1, 2]}, ValueError, r"label2id is \[0, 1, 2\]; it must map names"),
        ({"label2id": [7]}, ValueError, r"label2id is \[7\]; it must map names"),
        ({"label2id": "a"}, ValueError, "label2id is 'a'; it must map names"),
        ({"id2label": {"1": "a", "01": "b"}}, ValueError, r"id2label has the keys \['1', '01'\]"),
        ({"hidden_act": ["x" * 5000] * 5000}, TypeError, r"^.{0,400}$"),
        ({"pos_att_type": "y" * 10**6}, ValueError, r"^.{0,300}$"),
        ({"output_attentions": 1}, TypeError, "output_attentions is 1; it must be true or false"),
        ({"id2label": {"x": "a"}}, ValueError, "id2label is"),
        ({"id2label": None, "num_labels": 0}, ValueError, "num_labels is 0"),
        ({"id2label": None, "num_labels": 2**63}, ValueError, "num_labels is"),
    ],
)
def test_errors_name_key_and_value(read, keys, error, message):
    with pytest.raises(error, match=message):
        read(**keys)


@pytest.mark.parametrize("key", ["self", "cls", "values", "config", "directory"])
def test_any_key_is_kept(read, key):
    assert read(**{key: 5}).get(key) == 5
    assert DebertaV2Config(**{key: 5}).to_dict()[key] == 5
    for kind in (AutoConfig, DebertaV2Config):
        assert kind.from_dict({"model_type": "deberta-v2", key: 5}).get(key) == 5
        assert kind.from_dict({"model_type": "deberta-v2"}, **{key: 5}).get(key) == 5


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\x00"])
def test_broken_json(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        AutoConfig.from_pretrained(tmp_path)


def test_missing_files(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match=r"no config\.json"):
        AutoConfig.from_pretrained(tmp_path)
    with pytest.raises(OSError, match="hf download"):
        AutoConfig.from_pretrained("microsoft/deberta-v3-base")
    with pytest.raises(OSError, match="is a file"):
        AutoConfig.from_pretrained(tiny / "config.json")


# ---- the families ----

BASE_V1 = {"relative_attention": True, "pos_att_type": "c2p|p2c", "position_biased_input": False}
BASE_V2 = {**BASE_V1, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True}
CONVOLUTION = {"conv_kernel_size": 3, "conv_act": "gelu", "attention_head_size": 64}


def sizes(vocabulary, hidden, layers, heads, inner):
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
    }


# name: (family, keys, numbers in the encoder)
PUBLISHED = {
    "deberta-base": ("deberta", {**BASE_V1, **sizes(50265, 768, 12, 12, 3072)}, 138_601_728),
    "deberta-large": ("deberta", {**BASE_V1, **sizes(50265, 1024, 24, 16, 4096)}, 405_163_008),
    "deberta-xlarge": ("deberta", {**BASE_V1, **sizes(50265, 1024, 48, 16, 4096)}, 757_804_032),
    "deberta-v2-xlarge": ("deberta-v2", {**BASE_V2, **CONVOLUTION, **sizes(128100, 1536, 24, 24, 6144)}, 884_593_152),
    "deberta-v2-xxlarge": (
        "deberta-v2",
        {**BASE_V2, **CONVOLUTION, **sizes(128100, 1536, 48, 24, 6144)},
        1_564_549_632,
    ),
    "deberta-v3-xsmall": ("deberta-v2", {**BASE_V2, **sizes(128100, 384, 12, 6, 1536)}, 70_682_112),
    "deberta-v3-small": ("deberta-v2", {**BASE_V2, **sizes(128100, 768, 6, 12, 3072)}, 141_304_320),
    "deberta-v3-base": ("deberta-v2", {**BASE_V2, **sizes(128100, 768, 12, 12, 3072)}, 183_831_552),
    "deberta-v3-large": ("deberta-v2", {**BASE_V2, **sizes(128100, 1024, 24, 16, 4096)}, 434_012_160),
    "mdeberta-v3-base": ("deberta-v2", {**BASE_V2, **sizes(251000, 768, 12, 12, 3072)}, 278_218_752),
    "bert-base-uncased": ("bert", {}, 108_891_648),
    "bert-large-uncased": ("bert", sizes(30522, 1024, 24, 16, 4096), 334_092_288),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name):
    """The number of parameters of each published size."""
    family, keys, numbers = PUBLISHED[name]
    config = AutoConfig.from_dict({"model_type": family, **keys})
    config._check()
    files = {source.file: source.stored for source in sources(family, config._for_core("none"), {})}
    assert sum(map(prod, files.values())) == numbers


def test_defaults_of_the_families():
    v1, bert = DebertaConfig(), BertConfig()
    assert (v1.vocab_size, v1.hidden_size, v1.layer_norm_eps, v1.type_vocab_size) == (50265, 768, 1e-7, 0)
    assert (bert.vocab_size, bert.hidden_size, bert.layer_norm_eps, bert.type_vocab_size) == (30522, 768, 1e-12, 2)
    for config in (v1, bert, DebertaV2Config()):
        config._check()
        assert type(AutoConfig.from_dict(config.to_dict())) is type(config)
        assert config.tie_word_embeddings is True


@pytest.mark.parametrize(
    ("value", "terms"),
    [("c2p|p2c", 3), ("c2p", 2), (["c2p", "c2p"], 3), ("p2p|c2p|p2c", 4), ("none", 2), ("", 2), ([], 1), (None, 1)],
)
def test_v1_counts_every_item(value, terms):
    core = DebertaConfig(**{**BASE_V1, "pos_att_type": value})._for_core()
    assert core["attention_terms"] == terms
    assert (core["position_buckets"], core["share_att_key"], core["norm_rel_ebd"], core["key_bias"]) == (0,) + (
        False,
    ) * 3


def test_heads_of_the_core():
    v1, v2, bert = DebertaConfig(embedding_size=128, pooler_hidden_act="tanh"), DebertaV2Config(), BertConfig()
    assert (v1._for_core()["head_act"], v2._for_core()["head_act"], bert._for_core()["head_act"]) == (
        "tanh",
        "gelu",
        "tanh",
    )
    assert bert._for_core("masked_lm")["head_act"] == "gelu"
    assert v1._for_core("masked_lm")["head_size"] == 128
    assert DebertaConfig(embedding_size=128, legacy=False)._for_core("masked_lm")["head_size"] == 768
    assert v1._for_core("masked_lm")["num_labels"] == 50265
    assert v2._for_core("replaced_tokens")["num_labels"] == 1
    assert bert._for_core("tokens")["num_labels"] == 2
    assert v2._for_core("masked_lm", enhanced_mask_decoder=True)["enhanced_mask_decoder"] is True
    assert (bert._for_core()["attention_terms"], bert._for_core()["position_biased_input"]) == (1, True)
    conv = DebertaV2Config(conv_kernel_size=3)._for_core()
    assert (conv["conv_kernel_size"], conv["conv_act"], v2._for_core()["conv_kernel_size"]) == (3, "tanh", 0)


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        (DebertaConfig, {"talking_head": True}, "talking_head is true"),
        (BertConfig, {"is_decoder": True}, "is_decoder is True; this version runs encoders only"),
        (BertConfig, {"add_cross_attention": True}, "add_cross_attention is True"),
        (BertConfig, {"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        (BertConfig, {"hidden_size": 100}, "hidden_size is 100, not a multiple of num_attention_heads, which is 12"),
        (BertConfig, {"model_type": "deberta"}, "model_type is 'deberta', not 'bert'; take DebertaConfig"),
        (BertConfig, {"model_type": "albert"}, "model_type is 'albert'; this version runs"),
    ],
)
def test_unsupported_configurations_are_named(kind, keys, message):
    with pytest.raises(ValueError, match=message):
        kind(**keys)._check()


def test_harmless_keys_of_bert():
    BertConfig(position_embedding_type="absolute", use_cache=True, gradient_checkpointing=False)._check()


def test_a_configuration_is_saved(tmp_path):
    config = BertConfig(num_labels=3, anything=[1, 2])
    config.save_pretrained(tmp_path / "new")
    again = AutoConfig.from_pretrained(tmp_path / "new")
    assert type(again) is BertConfig
    assert again.to_dict() == config.to_dict()


def test_a_family_reads_its_own(tiny):
    with pytest.raises(
        ValueError, match="model_type is 'deberta-v2', not 'bert'; take DebertaV2Config or an Auto class"
    ):
        BertConfig.from_pretrained(tiny)
