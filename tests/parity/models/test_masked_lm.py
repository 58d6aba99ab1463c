"""Heads over the vocabulary, both of transformers and the enhanced mask decoder; and that of replaced tokens."""

import numpy as np
import pytest

import deberta_c
from tests.golden.draw import draw
from tests.parity.composed import as_v2
from tests.parity.oracle import (
    as_torch,
    batch,
    check_wide,
    errors,
    load_theirs,
    made,
    run_theirs,
    tiny,
    torch,
    transformers,
)

MIXED = [5, 64, 1, 2, 33, 150]

HEADS = {
    "v1": {"model_type": "deberta"},
    "v1_new": {"model_type": "deberta", "legacy": False},
    "v1_narrow": {"model_type": "deberta", "embedding_size": 12, "hidden_act": "relu"},
    "v3": {},
    "v3_new": {"legacy": False},
    "v3_narrow": {"embedding_size": 12},
    "v3_wide": {"embedding_size": 48, "layer_norm_eps": 1e-3},
    "v2_new": {"legacy": False, "conv_kernel_size": 3, "conv_act": "gelu", "hidden_act": "gelu_new"},
    "bert": {"model_type": "bert"},
    "bert_relu": {"model_type": "bert", "hidden_act": "relu", "vocab_size": 997},
}

ENHANCED = {
    "v3": {},
    "separate_keys": {"share_att_key": False, "position_buckets": -1},
    "c2p": {"pos_att_type": "c2p"},
    "not_relative": {"relative_attention": False, "norm_rel_ebd": None},
    "two_layers": {"num_hidden_layers": 2},
    "conv": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "conv_two_layers": {"conv_kernel_size": 3, "conv_act": "gelu", "num_hidden_layers": 2},
    "token_types": {"type_vocab_size": 2, "hidden_act": "gelu_new"},
    "head_64": {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 200, "vocab_size": 997},
    "v1": {"model_type": "deberta"},
    "v1_p2c": {"model_type": "deberta", "pos_att_type": "p2c"},
    "v1_span": {"model_type": "deberta", "max_relative_positions": 24, "num_hidden_layers": 2},
}

SIMPLIFIED = {
    "one pass": {"passes": 1},
    "three passes": {"passes": 3},
    "no positions": {"positions": False},
    "positions with LayerNorm": {"normed": True},
    "keys and values of the last layer": {"source": -1},
    "the plain last layer": {"passes": 1, "positions": False},
}


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
@pytest.mark.parametrize("name", HEADS)
def test_masked_lm(pair, name, layout):
    network = pair("masked_lm", **HEADS[name])
    network.compare(network.batch(MIXED, layout))


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
@pytest.mark.parametrize("name", ENHANCED)
def test_enhanced_mask_decoder(pair, name, layout):
    network = pair("enhanced", **ENHANCED[name])
    network.compare(network.batch(MIXED, layout))


@pytest.mark.parametrize("length", [1, 2, 130, 512])
@pytest.mark.parametrize("name", ["v3", "v1"])
def test_enhanced_mask_decoder_at_length(pair, name, length):
    network = pair("enhanced", **ENHANCED[name])
    network.compare(network.batch([length] * (6 if length <= 2 else 2)))


@pytest.mark.parametrize("name", ["v3", "separate_keys", "conv_two_layers", "v1"])
def test_each_simplification_of_the_decoder_is_seen(name):
    """The comparison above fails for every decoder that omits a step: its error is a thousand tolerances."""
    config = tiny(**ENHANCED[name])
    decoder = made(config, draw(config, 1, "enhanced"), "enhanced")
    inputs = as_torch(batch(config, [5, 33, 17]))
    valid = inputs["attention_mask"] != 0
    with torch.inference_mode():
        exact = decoder(**inputs).logits[valid]
        for what, changes in SIMPLIFIED.items():
            off = (decoder(**inputs, **changes).logits[valid] - exact).abs().max().item()
            assert off > 0.1, (what, off)


@pytest.mark.parametrize("changes", [{}, {"conv_kernel_size": 3}, {"share_att_key": False}], ids=str)
def test_one_pass_without_positions_is_the_plain_network(changes):
    """The composed head against transformers: with the keys' states as queries it is the ordinary last layer."""
    config = tiny(**changes)
    tensors = draw(config, 1, "enhanced")
    decoder = made(config, tensors, "enhanced")
    plain = transformers.DebertaV2ForMaskedLM(transformers.AutoConfig.for_model(**config, legacy=False)).eval()
    del tensors["deberta.embeddings.position_embeddings.weight"]
    plain.load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
    inputs = as_torch(batch(config, MIXED))
    valid = inputs["attention_mask"] != 0
    with torch.inference_mode():
        found = decoder(**inputs, passes=1, positions=False).logits[valid]
        torch.testing.assert_close(found, plain(**inputs).logits[valid], rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["v1", "v1_p2c", "v1_span"])
def test_v1_as_v2_is_the_same_network(tmp_path, pair, name):
    """The conversion of v1's weights for the decoder's layers: all layers of both are equal."""
    config = tiny(**ENHANCED[name])
    tensors = draw(config, 1)
    plain = {**config, "legacy": True}
    v2_config, v2_tensors = as_v2(plain, tensors)
    v1, v2 = (
        transformers.AutoModelForSequenceClassification.from_config(
            transformers.AutoConfig.for_model(**one), attn_implementation="eager"
        ).eval()
        for one in (plain, v2_config)
    )
    for model, weights in ((v1, tensors), (v2, v2_tensors)):
        model.load_state_dict({key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in weights.items()})
    inputs = batch(config, MIXED)
    one, other = run_theirs(v1, inputs), run_theirs(v2, inputs)
    check_wide(one, inputs["attention_mask"])
    assert max(errors(one, other, inputs["attention_mask"]).values()) <= 1e-5


def marks(inputs, seed=0):
    """Some valid tokens of every row, none of one."""
    chosen = (np.random.default_rng(seed).random(inputs["input_ids"].shape) < 0.3) & (inputs["attention_mask"] != 0)
    chosen[2] = False
    assert chosen.any()
    return chosen


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
@pytest.mark.parametrize(
    ("head", "changes"),
    [("masked_lm", HEADS[name]) for name in ("v1", "v3", "v3_new", "v3_narrow", "v2_new", "bert")]
    + [("enhanced", ENHANCED[name]) for name in ("v3", "v1", "conv_two_layers")],
)
def test_some_positions_only(pair, head, changes, layout):
    """`positions=` returns the rows of those tokens alone, in the order of the text."""
    network = pair(head, **changes)
    inputs = network.batch(MIXED, layout)
    chosen = marks(inputs)
    found = network.ours(**inputs, positions=chosen).logits
    assert found.shape == (chosen.sum(), network.config["vocab_size"])
    np.testing.assert_allclose(found, run_theirs(network.theirs, inputs).logits[chosen], rtol=0, atol=2e-5)
    one = np.zeros_like(chosen)
    one[1, inputs["attention_mask"][1].argmax()] = True
    np.testing.assert_allclose(
        network.ours(**inputs, positions=one).logits, network.ours(**inputs).logits[one], rtol=0, atol=1e-5
    )


def test_the_decoder_is_chosen_by_the_files(pair):
    """None uses the decoder if its weights exist; True and False force it, and False is the plain last layer."""
    network = pair("enhanced")
    inputs = network.batch(MIXED)
    valid = inputs["attention_mask"] != 0
    load = deberta_c.AutoModelForMaskedLM.from_pretrained
    forced = load(network.directory, enhanced_mask_decoder=True)(**inputs).logits
    assert forced.tobytes() == network.ours(**inputs).logits.tobytes()
    plain = load(network.directory, enhanced_mask_decoder=False)(**inputs).logits
    with torch.inference_mode():
        expected = network.theirs(**as_torch(inputs), passes=1, positions=False).logits.numpy()
    np.testing.assert_allclose(plain[valid], expected[valid], rtol=0, atol=2e-5)


def test_positions_at_the_input_leave_no_decoder(pair):
    """With absolute positions at the input, the last layer is the ordinary one."""
    network = pair("masked_lm", legacy=False, position_biased_input=True)
    inputs = network.batch(MIXED)
    model = deberta_c.AutoModelForMaskedLM.from_pretrained(network.directory)
    expected = run_theirs(load_theirs(network.directory, head="masked_lm"), inputs).logits
    valid = inputs["attention_mask"] != 0
    np.testing.assert_allclose(model(**inputs).logits[valid], expected[valid], rtol=0, atol=2e-5)


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"conv_kernel_size": 3}, {"hidden_act": "relu", "layer_norm_eps": 1e-3}, {"embedding_size": 12}],
    ids=str,
)
def test_replaced_tokens(pair, changes, layout):
    network = pair("replaced", **changes)
    network.compare(network.batch(MIXED, layout))
