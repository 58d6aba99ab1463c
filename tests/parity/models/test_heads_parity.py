"""Every head of every family, on the same layers: sequences, tokens, answers, choices, and none."""

import numpy as np
import pytest

import deberta_c
from tests.parity.oracle import (
    CLASSES,
    as_choices,
    as_torch,
    class_name,
    errors,
    flat,
    load_ours,
    load_theirs,
    run_ours,
    run_theirs,
    torch,
)

LENGTHS = [5, 64, 1, 2, 33, 150]
FAMILIES = {
    "deberta": {"pos_att_type": "c2p|p2c"},
    "deberta-v2": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "bert": {},
}
HEADS = {"none": {}, "sequence": {}, "tokens": {"num_labels": 9}, "answers": {"num_labels": 2}, "choices": {}}
CASES = [(family, head) for family in FAMILIES for head in HEADS if (family, head) != ("deberta", "choices")]


def network_of(pair, family, head, **changes):
    return pair(head, model_type=family, **{**FAMILIES[family], **HEADS[head], **changes})


def inputs_of(network, lengths=LENGTHS, layout="right"):
    inputs = network.batch(lengths, layout)
    return as_choices(inputs, 3) if network.head == "choices" else inputs


@pytest.mark.parametrize("layout", ["right", "left", "both", "holes"])
@pytest.mark.parametrize(("family", "head"), CASES)
def test_head(pair, family, head, layout):
    network = network_of(pair, family, head)
    network.compare(inputs_of(network, layout=layout))


@pytest.mark.parametrize(("family", "head"), CASES)
def test_head_alone_equals_head_with_all_layers(pair, family, head):
    """Without hidden states the core computes less."""
    network = network_of(pair, family, head)
    inputs = inputs_of(network, layout="holes")
    found, whole = network.ours(**inputs), network.ours(**inputs, output_hidden_states=True, output_attentions=True)
    names = found.keys()
    assert set(names) == set(whole.keys()) - {"hidden_states", "attentions"}
    for name in names:
        np.testing.assert_allclose(found[name], whole[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("family", "head"), CASES)
def test_shapes_and_names_of_outputs(pair, family, head):
    """The same fields in the same order and shapes, as an object and as a tuple."""
    network = network_of(pair, family, head)
    inputs = inputs_of(network)
    asked = {"output_hidden_states": True, "output_attentions": True}
    with torch.inference_mode():
        theirs = network.theirs(**as_torch(inputs), **asked)
    ours = network.ours(**inputs, **asked)
    assert type(theirs).__name__.startswith(type(ours).__name__)
    expected = {name: value for name, value in theirs.items() if name != "cross_attentions"}  # of BERT as a decoder
    assert list(ours.keys()) == list(expected)
    assert shapes(ours.to_tuple()) == shapes(tuple(expected.values()))
    assert shapes(network.ours(**inputs, **asked, return_dict=False)) == shapes(tuple(expected.values()))


def shapes(value):
    return [shapes(part) for part in value] if isinstance(value, tuple) else tuple(value.shape)


@pytest.mark.parametrize("labels", [1, 2, 3])
@pytest.mark.parametrize("head", ["sequence", "tokens"])
@pytest.mark.parametrize("family", FAMILIES)
def test_number_of_labels(pair, family, head, labels):
    network = network_of(pair, family, head, num_labels=labels)
    ours, _ = network.compare(inputs_of(network))
    assert ours.logits.shape[-1] == labels


@pytest.mark.parametrize("problem", ["regression", "single_label_classification", "multi_label_classification"])
@pytest.mark.parametrize("family", FAMILIES)
def test_problem_type_leaves_the_logits(pair, family, problem):
    network = network_of(pair, family, "sequence", problem_type=problem)
    network.compare(inputs_of(network))


@pytest.mark.parametrize("choices", [1, 2, 6])
@pytest.mark.parametrize("family", ["deberta-v2", "bert"])
def test_number_of_choices(pair, family, choices):
    network = network_of(pair, family, "choices")
    inputs = as_choices(network.batch(LENGTHS), choices)
    ours, theirs = run_ours(network.ours, inputs), run_theirs(network.theirs, inputs)
    assert ours.logits.shape == (6 // choices, choices)
    found = errors(ours, theirs, flat(inputs["attention_mask"]))
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
def test_pooler_of_bert(pair, layout):
    """tanh(dense(first token)), where transformers' first token is column 0."""
    network = network_of(pair, "bert", "none")
    inputs = inputs_of(network, layout=layout)
    rows = np.arange(len(LENGTHS)), inputs["attention_mask"].argmax(1)
    with torch.inference_mode():
        first = network.theirs(**as_torch(inputs)).last_hidden_state[rows]
        expected = network.theirs.pooler(first[:, None]).numpy()
    np.testing.assert_allclose(network.ours(**inputs).pooler_output, expected, rtol=0, atol=2e-5)
    assert np.ptp(expected, axis=0).min() > 0.05


@pytest.mark.filterwarnings("ignore::deberta_c.UnexpectedWeightsWarning")
@pytest.mark.parametrize("family", FAMILIES)
def test_base_of_a_classifier(pair, family):
    """The encoder opens the checkpoint of a classifier, despite its prefix and its head."""
    network = network_of(pair, family, "sequence")
    theirs = load_theirs(network.directory, head="none")
    ours = load_ours(network.directory, network.config, "none")
    inputs = inputs_of(network)
    found = errors(run_ours(ours, inputs), run_theirs(theirs, inputs), inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize(("family", "head"), CASES)
def test_auto_class(pair, family, head):
    """AutoModel and its like open the class that model_type names, and it computes the same bits."""
    network = network_of(pair, family, head)
    auto = getattr(deberta_c, "Auto" + CLASSES[head].replace("For", "ModelFor"))
    model = auto.from_pretrained(network.directory)
    assert type(model).__name__ == class_name(network.config, head)
    inputs = inputs_of(network)
    assert run_ours(model, inputs).logits.tobytes() == run_ours(network.ours, inputs).logits.tobytes()
