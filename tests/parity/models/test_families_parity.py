"""DeBERTa v1, v2 with its convolution, and BERT: every part of their layers, at the lengths that matter to each."""

import pytest

V1 = {
    "v1": {},
    "terms_turned": {"pos_att_type": ["p2c", "c2p"]},
    "c2p": {"pos_att_type": "c2p"},
    "p2c": {"pos_att_type": [" P2C ".strip().lower()]},
    "p2p_counts": {"pos_att_type": "c2p|p2c|p2p"},
    "twice_counts": {"pos_att_type": ["c2p", "c2p"]},
    "no_terms": {"pos_att_type": None},
    "not_relative": {"relative_attention": False},
    "span": {"max_relative_positions": 24},
    "few_positions": {"max_position_embeddings": 64},
    "narrow_embedding": {"embedding_size": 12},
    "wide_embedding": {"embedding_size": 48},
    "token_types": {"type_vocab_size": 3},
    "absolute": {"position_biased_input": True, "max_position_embeddings": 1200},
    "everything": {
        "position_biased_input": True, "max_position_embeddings": 1200, "max_relative_positions": 100,
        "type_vocab_size": 2, "embedding_size": 20, "num_labels": 5, "hidden_act": "gelu_new",
        "pooler_hidden_act": "tanh", "layer_norm_eps": 1e-3,
    },
    "one_layer": {"num_hidden_layers": 1},
    "odd": {"hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 37, "embedding_size": 11},
    "head_64": {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 200},
}  # fmt: skip
GELU = {"conv_kernel_size": 3, "conv_act": "gelu"}
CONVOLUTION = {
    "conv": GELU,
    "tanh": {"conv_kernel_size": 3},
    "groups": {**GELU, "conv_groups": 2},
    "tanh_groups": {"conv_kernel_size": 3, "conv_act": "tanh", "conv_groups": 2},
    "each_alone": {**GELU, "conv_groups": 32},
    "kernel_1": {**GELU, "conv_kernel_size": 1},
    "kernel_7": {**GELU, "conv_kernel_size": 7},
    "one_layer": {**GELU, "num_hidden_layers": 1},
    "separate_keys": {**GELU, "share_att_key": False, "position_buckets": -1},
    "embedding": {**GELU, "embedding_size": 12, "type_vocab_size": 2},
    "absolute": {**GELU, "position_biased_input": True, "max_position_embeddings": 1200},
    "head_64": {**GELU, "hidden_size": 128, "num_attention_heads": 2, "attention_head_size": 64},
}
BERT = {
    "bert": {},
    "one_type": {"type_vocab_size": 1},
    "types": {"type_vocab_size": 5},
    "relu": {"hidden_act": "relu"},
    "gelu_new": {"hidden_act": "gelu_new"},
    "large_eps": {"layer_norm_eps": 1e-3},
    "one_layer": {"num_hidden_layers": 1},
    "few_positions": {"max_position_embeddings": 150},
    "odd": {"hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 37},
    "head_64": {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 200},
}
NETWORKS = {
    f"{family}-{name}": {"model_type": family, **changes}
    for family, networks in (("deberta", V1), ("deberta-v2", CONVOLUTION), ("bert", BERT))
    for name, changes in networks.items()
}
# The published shapes at more lengths than the others; BERT has no more positions than its table.
SHORT = (2, 130)
MORE_LENGTHS = {
    "deberta-v1": (1, 2, 16, 129, 130, 511, 512, 513, 1100),
    "deberta-v2-conv": (1, 2, 16, 130, 513),
    "bert-bert": (1, 2, 16, 130, 512),
}
AT_LENGTH = [(name, length) for name in NETWORKS for length in MORE_LENGTHS.get(name, SHORT)]
MIXED = [(name, layout) for name in NETWORKS for layout in ("right", "left", "holes")]
MIXED += [(name, "both") for name in MORE_LENGTHS]


@pytest.mark.parametrize(("name", "length"), AT_LENGTH)
def test_network_at_length(pair, name, length):
    network = pair(**NETWORKS[name])
    rows = 6 if length <= 2 else 2  # enough short rows for their mean entropy to mean something
    network.compare(network.batch([length] * rows))


@pytest.mark.parametrize(("name", "layout"), MIXED)
def test_network_in_mixed_batch(pair, name, layout):
    network = pair(**NETWORKS[name])
    network.compare(network.batch([5, 64, 1, 2, 33, 150, 17], layout))


@pytest.mark.parametrize("labels", [1, 2, 7])
@pytest.mark.parametrize("family", ["deberta", "bert"])
def test_number_of_labels(pair, family, labels):
    network = pair(model_type=family, num_labels=labels)
    ours, _ = network.compare(network.batch([16, 9, 30]))
    assert ours.logits.shape == (3, labels)


CHANGES = {
    "deberta": {"pos_att_type": "c2p|p2c|p2p", "max_relative_positions": 24, "type_vocab_size": 2},
    "deberta-v2": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "bert": {"layer_norm_eps": 1e-3, "hidden_act": "relu"},
}


@pytest.mark.parametrize("family", CHANGES)
def test_more_rows_than_chunks(pair, family):
    network = pair(model_type=family, **CHANGES[family])
    network.compare(network.batch([1 + 37 * number % 70 for number in range(70)]))
