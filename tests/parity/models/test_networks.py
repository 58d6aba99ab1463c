"""Every kind of v2/v3 network without convolution, at every length that the relative index treats differently."""

import pytest

from tests.parity.oracle import LENGTHS

WORDY = {"type_vocab_size": 2, "position_biased_input": True, "max_position_embeddings": 1200}

NETWORKS = {
    "v3": {},
    "separate_keys": {"share_att_key": False},
    "c2p": {"pos_att_type": "c2p"},
    "p2c": {"pos_att_type": "p2c"},
    "c2p_separate": {"pos_att_type": ["c2p"], "share_att_key": False},
    "p2c_separate": {"pos_att_type": " P2C ", "share_att_key": False},
    "no_terms": {"pos_att_type": None},
    "not_relative": {"relative_attention": False, "norm_rel_ebd": None},
    "not_relative_no_terms": {"relative_attention": False, "pos_att_type": None},
    "no_buckets": {"position_buckets": -1},
    "no_buckets_field": {"position_buckets": None, "share_att_key": None, "norm_rel_ebd": None},
    "no_buckets_span": {"position_buckets": -1, "max_relative_positions": 100},
    "buckets_span": {"position_buckets": 32, "max_relative_positions": 128},
    "few_buckets": {"position_buckets": 8, "max_position_embeddings": 64},
    "long_positions": {"max_position_embeddings": 2048},
    "middle_beyond_span": {"max_position_embeddings": 100},
    "narrow_embedding": {"embedding_size": 12},
    "wide_embedding": {"embedding_size": 48},
    "token_types": {"type_vocab_size": 3},
    "absolute": {"position_biased_input": True, "max_position_embeddings": 1200},
    "absolute_only": {**WORDY, "relative_attention": False, "pos_att_type": None},
    "rel_norm_none": {"norm_rel_ebd": "none"},
    "rel_norm_list": {"norm_rel_ebd": "none | Layer_Norm"},
    "everything": {**WORDY, "embedding_size": 20, "share_att_key": False, "num_labels": 5, "hidden_act": "gelu_new"},
    "large_eps": {"layer_norm_eps": 1e-3},
    "one_layer": {"num_hidden_layers": 1},
}

SHAPES = {
    "head_8": {"hidden_size": 32, "num_attention_heads": 4},
    "head_16": {"hidden_size": 48, "num_attention_heads": 3},
    "head_24": {"hidden_size": 72, "num_attention_heads": 3},
    "head_32": {"hidden_size": 64, "num_attention_heads": 2},
    "head_64": {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 200},
    "head_128": {"hidden_size": 128, "num_attention_heads": 1},
    "odd": {"hidden_size": 40, "num_attention_heads": 5, "intermediate_size": 52},
    "odder": {"hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 37, "embedding_size": 11},
    "one_wide": {"hidden_size": 6, "num_attention_heads": 6, "intermediate_size": 1},
}

ACTIVATIONS = [
    "gelu",
    "gelu_10",
    "gelu_fast",
    "gelu_new",
    "gelu_pytorch_tanh",
    "hardswish",
    "laplace",
    "leaky_relu",
    "linear",
    "mish",
    "quick_gelu",
    "relu",
    "relu2",
    "relu6",
    "sigmoid",
    "silu",
    "swish",
    "tanh",
]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", NETWORKS)
def test_network_at_length(pair, name, length):
    network = pair(**NETWORKS[name])
    rows = 6 if length <= 2 else 2  # enough short rows for their mean entropy to mean something
    network.compare(network.batch([length] * rows))


@pytest.mark.parametrize("layout", ["right", "left", "both", "holes"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_in_mixed_batch(pair, name, layout):
    network = pair(**NETWORKS[name])
    network.compare(network.batch([5, 64, 1, 2, 33, 150, 17], layout))


@pytest.mark.parametrize("length", [1, 7, 16, 130])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
@pytest.mark.parametrize("name", SHAPES)
def test_shape(pair, name, shared, length):
    network = pair(**SHAPES[name], share_att_key=shared)
    network.compare(network.batch([length] * 3))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_hidden_activation(pair, name):
    network = pair(hidden_act=name)
    network.compare(network.batch([16, 40]))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pooler_activation(pair, name):
    network = pair(pooler_hidden_act=name, num_hidden_layers=1)
    network.compare(network.batch([16, 40]))


@pytest.mark.parametrize("labels", [1, 2, 3, 5, 77])
def test_number_of_labels(pair, labels):
    network = pair(num_labels=labels)
    ours, _ = network.compare(network.batch([16, 9, 30]))
    assert ours.logits.shape == (3, labels)


@pytest.mark.parametrize("problem", ["regression", "single_label_classification", "multi_label_classification"])
def test_problem_type_leaves_the_logits(pair, problem):
    network = pair(problem_type=problem, num_labels=1 if problem == "regression" else 3)
    network.compare(network.batch([16, 9]))


def test_many_rows(pair):
    """More rows than threads and chunks, of every length from 1 to 70."""
    network = pair()
    network.compare(network.batch([1 + 37 * number % 70 for number in range(70)]))
