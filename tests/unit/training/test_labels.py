"""Labels become numbers, rows are split, classes are weighed, and what a validation set says."""

import numpy as np
import pytest

from deberta_c import BertConfig
from deberta_c.training.labels import EncodedLabels, class_weights, encode_labels, require_examples, split_rows
from deberta_c.training.metrics import metrics_of

SINGLE, MULTIPLE, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
HAM = {"id2label": {0: "spam", 1: "ham"}}


def config(**keys):
    return BertConfig(**keys)


@pytest.mark.parametrize(
    ("keys", "labels", "values", "names"),
    [
        ({"num_labels": 2}, ["b", "a", "b"], [1, 0, 1], ["a", "b"]),
        (HAM, ["ham", "spam", "ham"], [1, 0, 1], ["spam", "ham"]),  # those of the model keep their numbers
        (HAM, ["yes", "no"], [1, 0], ["no", "yes"]),  # none is the model's
        (HAM, [0, 1, 1], [0, 1, 1], ["spam", "ham"]),
        (HAM, np.array([0, 1, 1]), [0, 1, 1], ["spam", "ham"]),
        ({"num_labels": 2}, [0.0, 1.0], [0, 1], ["LABEL_0", "LABEL_1"]),
        ({"num_labels": 3}, [5, 1, 3], [2, 0, 1], ["1", "3", "5"]),
        ({"num_labels": 2}, [True, False], [1, 0], ["False", "True"]),
        ({"id2label": {0: "3", 1: "1"}}, [1, 3], [1, 0], ["3", "1"]),  # numbers that are names
        ({"id2label": {0: "1", 1: "2", 2: "3"}}, [1, 2.0], [0, 1], ["1", "2", "3"]),  # also numbers of classes
        ({"id2label": {0: "1", 1: "0"}}, [1, 0], [0, 1], ["1", "0"]),
        ({"num_labels": 3}, ["LABEL_2", "LABEL_0"], [2, 0], ["LABEL_0", "LABEL_1", "LABEL_2"]),
    ],
)
def test_classes(keys, labels, values, names):
    found = encode_labels(labels, config(**keys))
    assert found.problem == SINGLE
    assert found.values.tolist() == values
    assert found.names == names


@pytest.mark.parametrize(
    ("keys", "labels", "values", "names"),
    [
        ({"num_labels": 3}, [["b"], [], ["a", "c"]], [[0, 1, 0], [0, 0, 0], [1, 0, 1]], ["a", "b", "c"]),
        (HAM, [{"ham"}, {"ham", "spam"}], [[0, 1], [1, 1]], ["spam", "ham"]),
        (HAM, [[0, 1], [1, 1]], [[0, 1], [1, 1]], ["spam", "ham"]),
        (HAM, np.array([[0.0, 1], [1, 1]]), [[0, 1], [1, 1]], ["spam", "ham"]),
        ({**HAM, "problem_type": MULTIPLE}, ["ham", "spam"], [[0, 1], [1, 0]], ["spam", "ham"]),
    ],
)
def test_independent_labels(keys, labels, values, names):
    found = encode_labels(labels, config(**keys))
    assert found.problem == MULTIPLE
    assert found.values.tolist() == values
    assert found.names == names
    assert found.classes() is None


def test_numbers():
    for keys in ({"num_labels": 1}, {"num_labels": 2, "problem_type": REGRESSION}):
        labels = [0.5, 2, -1] if keys["num_labels"] == 1 else [[0.5, 2], [1, 1], [0, 0]]
        found = encode_labels(labels, config(**keys))
        assert found.problem == REGRESSION
        np.testing.assert_array_equal(found.values, np.array(labels, np.float32))


def test_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"label": ["b", "a"], "x": [1, 0], "y": [1, 1]})
    assert encode_labels(frame["label"].astype("category"), config()).values.tolist() == [1, 0]
    assert encode_labels(frame[["x", "y"]], config()).values.tolist() == [[1, 1], [0, 1]]
    named = {"id2label": {0: "y", 1: "x"}}  # the columns are found by their names
    assert encode_labels(frame[["x", "y"]], config(**named)).values.tolist() == [[1, 1], [1, 0]]
    numbers = encode_labels(frame[["x", "y"]], config(**named, problem_type=REGRESSION))
    assert numbers.values.tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize(
    ("keys", "labels", "error", "message"),
    [
        ({}, [], ValueError, "labels is empty"),
        ({}, ["a", None], ValueError, r"labels\[1\] is missing"),
        ({}, ["a", "b", "c"], ValueError, "3 different labels, .* but the model 2, .* num_labels=3"),
        ({}, ["a", "a"], ValueError, "one label only, .a."),
        ({}, [0, 1, 2], ValueError, "3 different labels.*; each row has a label of its own: is this the column"),
        (HAM, ["ham", "Spam"], ValueError, "has the label 'Spam'; the labels of the model are"),
        (HAM, [1, 2], ValueError, "has the label 1; .* or their numbers"),
        ({}, [0.5, 1], TypeError, r"labels\[0\] is 0.5 of type float"),
        ({}, [object(), 1], TypeError, r"labels\[0\]"),
        ({"num_labels": 1}, [0.5, "a"], TypeError, "takes numbers"),
        ({"num_labels": 1}, [0.5, np.inf], ValueError, r"labels\[1\] is inf"),
    ],
)
def test_wrong_labels(keys, labels, error, message):
    with pytest.raises(error, match=message):
        encode_labels(labels, config(**keys))


def test_a_split_keeps_the_shares_of_the_classes():
    classes = np.array([0] * 70 + [1] * 28 + [2] * 2)
    train, validation = split_rows(100, 0.2, 3, classes)
    assert sorted([*train, *validation]) == list(range(100))
    assert np.bincount(classes[validation], minlength=3).tolist() == [14, 6, 0]
    again, other = split_rows(100, 0.2, 3, classes)[1], split_rows(100, 0.2, 4, classes)[1]
    assert validation.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.7])
def test_a_split_leaves_every_class_a_row_to_train_on(share):
    classes = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2])
    train, validation = split_rows(11, share, 0, classes)
    assert set(classes[train]) == {0, 1, 2}
    assert len(validation) == max(1, round(11 * share))
    with pytest.raises(ValueError, match="10 of 11 rows, but every label needs a row to train on"):
        split_rows(11, 0.9, 0, classes)


def test_a_split_of_labels_that_are_all_different():
    with pytest.raises(ValueError, match=r"each of 9 rows has a label of its own.*is this the column.*--regression"):
        split_rows(9, 0.1, 0, np.arange(9))


def test_a_split_without_classes():
    train, validation = split_rows(10, 0.25, 0)
    assert (len(train), len(validation)) == (8, 2)


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="must be a share between 0 and 1"):
        split_rows(10, share, 0)


def test_class_weights():
    labels = encode_labels(["a", "b", "b", "b"], config())
    assert class_weights(None, labels) is None
    np.testing.assert_allclose(class_weights("balanced", labels), [2, 2 / 3])
    assert class_weights({"b": 3}, labels).tolist() == [1, 3]
    assert class_weights([1, 4], labels).tolist() == [1, 4]
    several = encode_labels([["a"], ["b"], ["b"], ["a", "b"]], config())
    np.testing.assert_allclose(class_weights("balanced", several), [1, 1 / 3])
    for given, message in (
        ("other", "must be 'balanced'"),
        ({"c": 1}, "names 'c', but the labels are"),
        ([1], r"is \[1\], of the shape \(1,\); it must be 'balanced', or a weight for each of the 2 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            class_weights(given, labels)
    with pytest.raises(ValueError, match="a regression has no classes"):
        class_weights("balanced", EncodedLabels(REGRESSION, np.ones(2, np.float32), ["x"]))


def test_the_weights_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    labels = encode_labels(["a", "b", "b", "b", "a", "b"], config())
    expected = sklearn.compute_class_weight("balanced", classes=np.arange(2), y=labels.values)
    np.testing.assert_allclose(class_weights("balanced", labels), expected)


def test_a_label_without_a_row():
    labels = encode_labels(["spam", "spam"], config(**HAM))
    with pytest.raises(ValueError, match="no row has the label 'ham'"):
        require_examples(labels)
    require_examples(encode_labels([1, 0.5], config(num_labels=1)))
    several = encode_labels([["spam"], []], config(**HAM))
    with pytest.warns(UserWarning, match="no row to train on has the label 'ham'; the model learns"):
        require_examples(several)
    np.testing.assert_allclose(class_weights("balanced", several), [1, 1])


def test_metrics_beside_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    logits, labels = random.standard_normal((60, 4)), random.integers(0, 3, 60)
    found = metrics_of(SINGLE)((logits, labels))
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, logits.argmax(1)))
    assert found["f1"] == pytest.approx(sklearn.f1_score(labels, logits.argmax(1), average="macro"))
    bits = random.integers(0, 2, (60, 4))
    found = metrics_of(MULTIPLE)((logits, bits))
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(bits, logits > 0))
    assert found["f1"] == pytest.approx(sklearn.f1_score(bits, logits > 0, average="macro"))
    found = metrics_of(REGRESSION)((logits[:, :1], logits[:, 1]))
    assert found["rmse"] == pytest.approx(sklearn.mean_squared_error(logits[:, 1], logits[:, 0]) ** 0.5)
    assert found["r2"] == pytest.approx(sklearn.r2_score(logits[:, 1], logits[:, 0]))


def test_metrics_by_hand():
    logits = np.array([[2, 1, 0], [0, 1, 0], [0, 3, 1]])
    assert metrics_of(SINGLE)((logits, np.array([0, 1, -100]))) == {"accuracy": 1, "f1": 1}
    assert metrics_of(SINGLE)((logits, np.array([0, 0, 1]))) == {
        "accuracy": pytest.approx(2 / 3),
        "f1": pytest.approx((2 / 3 + 2 / 3) / 2),
    }
