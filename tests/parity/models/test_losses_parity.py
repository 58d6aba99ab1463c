"""The loss of every head and kind of labels that transformers has, and how ignored labels count."""

import numpy as np
import pytest

from tests.golden.draw import integers, uniform
from tests.parity.oracle import as_choices, as_torch, run_theirs, torch

LENGTHS = [5, 64, 17, 2, 33, 40]
ROWS = len(LENGTHS)
FAMILIES = {"deberta": {}, "deberta-v2": {}, "bert": {}}


def losses(network, inputs, **labels):
    """(ours, theirs); BERT stores the problem type that it infers in its configuration, which is undone."""
    problem = network.theirs.config.problem_type
    try:
        with torch.inference_mode():
            theirs = network.theirs(**as_torch(inputs), **as_torch(labels)).loss.item()
    finally:
        network.theirs.config.problem_type = problem
    ours = network.ours(**inputs, **labels).loss
    assert np.shape(ours) == ()
    return float(ours), theirs


def agree(network, inputs, **labels):
    ours, theirs = losses(network, inputs, **labels)
    assert theirs > 0.05  # at least one label counts
    assert ours == pytest.approx(theirs, abs=2e-5)


def classes(count, shape=(ROWS,), seed=3, ignored=0):
    """Classes below `count`; every third is `ignored` if that is negative."""
    labels = integers(seed, "labels", shape, 0, count)
    if ignored:
        labels.reshape(-1)[::3] = ignored
    return labels


def numbers(*shape):
    return uniform(4, "labels", shape, 1.0)


def shares(*shape):
    """Rows of probabilities."""
    parts = np.abs(numbers(*shape)) + 0.1
    return parts / parts.sum(-1, keepdims=True)


def bits(*shape):
    return (numbers(*shape) > 0).astype(np.float32)


SEQUENCES = {
    # name: (changes, labels); without a problem_type the family and the labels decide
    "regression_of_one": ({"num_labels": 1}, numbers(ROWS)),
    "classes": ({}, classes(3)),
    "two_classes": ({"num_labels": 2}, classes(2)),
    "independent_or_soft": ({}, bits(ROWS, 3)),
    "soft": ({}, shares(ROWS, 3)),
    "said_regression_of_one": ({"problem_type": "regression", "num_labels": 1}, numbers(ROWS)),
    "said_regression_of_three": ({"problem_type": "regression"}, numbers(ROWS, 3)),
    "said_classes": ({"problem_type": "single_label_classification"}, classes(3)),
    "said_classes_some_ignored": ({"problem_type": "single_label_classification"}, classes(3, ignored=-100)),
    "said_independent": ({"problem_type": "multi_label_classification"}, bits(ROWS, 3)),
    "said_independent_soft": ({"problem_type": "multi_label_classification"}, shares(ROWS, 3)),
    "said_independent_alone": ({"problem_type": "multi_label_classification", "num_labels": 1}, bits(ROWS, 1)),
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_sequences(pair, family, name):
    changes, labels = SEQUENCES[name]
    network = pair(model_type=family, **changes)
    agree(network, network.batch(LENGTHS), labels=labels)


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_labels_of_several_kinds(pair, family):
    """int32 and int64 are the same classes, and so are lists."""
    network = pair(model_type=family)
    inputs, labels = network.batch(LENGTHS), classes(3)
    loss, _ = losses(network, inputs, labels=labels)
    assert network.ours(**inputs, labels=labels.astype(np.int32)).loss == loss
    assert network.ours(**inputs, labels=labels.tolist()).loss == loss


@pytest.mark.parametrize("ignored", [-1, -100])
@pytest.mark.parametrize("family", ["deberta", "deberta-v2"])
def test_any_negative_class_is_ignored_by_deberta(pair, family, ignored):
    network = pair(model_type=family)
    agree(network, network.batch(LENGTHS), labels=classes(3, ignored=ignored))
    assert losses(network, network.batch(LENGTHS), labels=np.full(ROWS, ignored)) == (0, 0)


def test_bert_ignores_one_negative_class(pair):
    network = pair(model_type="bert")
    agree(network, network.batch(LENGTHS), labels=classes(3, ignored=-100))


@pytest.mark.parametrize("family", ["deberta", "deberta-v2"])
def test_one_hot_rows_are_soft_labels_of_deberta(pair, family):
    network = pair(model_type=family)
    agree(network, network.batch(LENGTHS), labels=np.eye(3, dtype=np.int64)[classes(3)])


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_comes_first(pair, family):
    network = pair(model_type=family)
    inputs, labels = network.batch(LENGTHS), classes(3)
    whole, pieces = network.ours(**inputs, labels=labels), network.ours(**inputs, labels=labels, return_dict=False)
    assert whole.keys()[:2] == ["loss", "logits"]
    assert pieces[0] == whole.loss == whole[0]
    np.testing.assert_array_equal(whole.logits, network.ours(**inputs).logits)


def token_labels(inputs, count, ignored=True):
    """A class for each token, -100 for padding and, if `ignored`, for a third of the others."""
    labels = classes(count, inputs["input_ids"].shape, ignored=-100 if ignored else 0)
    return np.where(inputs["attention_mask"] != 0, labels, -100)


@pytest.mark.parametrize("layout", ["right", "left", "holes"])
@pytest.mark.parametrize("ignored", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens(pair, family, ignored, layout):
    network = pair("tokens", model_type=family, num_labels=9)
    inputs = network.batch(LENGTHS, layout)
    agree(network, inputs, labels=token_labels(inputs, 9, ignored))


@pytest.mark.parametrize("changes", [{"model_type": "deberta"}, {}, {"legacy": False}, {"model_type": "bert"}], ids=str)
def test_vocabulary(pair, changes):
    network = pair("masked_lm", **changes)
    inputs = network.batch(LENGTHS)
    agree(network, inputs, labels=token_labels(inputs, 101))


def test_enhanced_mask_decoder(pair):
    network = pair("enhanced")
    inputs = network.batch(LENGTHS)
    labels = token_labels(inputs, 101)
    logits = torch.from_numpy(run_theirs(network.theirs, inputs).logits)
    expected = torch.nn.functional.cross_entropy(logits.reshape(-1, 101), torch.from_numpy(labels).reshape(-1)).item()
    assert network.ours(**inputs, labels=labels).loss == pytest.approx(expected, abs=2e-5)


def test_replaced_tokens(pair):
    """Microsoft's loss: the mean over all tokens except padding."""
    network = pair("replaced")
    inputs = network.batch(LENGTHS)
    valid = inputs["attention_mask"] != 0
    labels = np.where(valid, integers(3, "labels", valid.shape, 0, 2), -100)
    logits = torch.from_numpy(run_theirs(network.theirs, inputs).logits[valid][:, 0])
    kept = torch.from_numpy(labels[valid]).float()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, kept).item()
    assert network.ours(**inputs, labels=labels).loss == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("starts", [[0, 3, 16, 1], [5, 17, 300, 2], [-4, 0, 16, 99]], ids=["inside", "beyond", "below"])
@pytest.mark.parametrize("family", FAMILIES)
def test_answers(pair, family, starts):
    """Positions beyond the text are ignored, negative ones are 0. Without padding, which transformers counts."""
    network = pair("answers", model_type=family, num_labels=2)
    inputs = network.batch([17] * 4)
    ends = np.array([4, 16, 3, 20])
    agree(network, inputs, start_positions=np.array(starts), end_positions=ends)


@pytest.mark.parametrize("layout", ["right", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_of_padded_rows(pair, family, layout):
    """Only real tokens compete: the loss of transformers without the contribution of padding."""
    network = pair("answers", model_type=family, num_labels=2)
    inputs = network.batch(LENGTHS, layout)
    valid = inputs["attention_mask"] != 0
    first = valid.argmax(1)
    places = {"start_positions": first + 1, "end_positions": first + np.array(LENGTHS) - 1}
    logits = torch.from_numpy(np.where(valid[..., None], run_theirs(network.theirs, inputs).logits, -np.inf))
    parts = [
        torch.nn.functional.cross_entropy(logits[..., side], torch.from_numpy(positions))
        for side, positions in enumerate(places.values())
    ]
    assert network.ours(**inputs, **places).loss == pytest.approx(sum(parts).item() / 2, abs=2e-5)


@pytest.mark.parametrize("family", ["deberta-v2", "bert"])
def test_choices(pair, family):
    network = pair("choices", model_type=family)
    agree(network, as_choices(network.batch(LENGTHS), 3), labels=classes(3, (2,)))
