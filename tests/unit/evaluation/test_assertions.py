"""Assertions for the tests of users."""

import numpy as np
import pytest

import deberta_c

TEXTS = ["hello world", "free entry now", "see you at home"]


def test_logits_that_are_close(model):
    logits = model.predict(TEXTS)
    deberta_c.assert_logits_close(logits, logits.tolist())
    deberta_c.assert_logits_close(model(**model.tokenizer(TEXTS[:1])), logits[:1])


def test_logits_that_differ():
    wanted = np.zeros((12, 2))
    found = wanted.copy()
    found[:, 1] = np.arange(12)
    with pytest.raises(AssertionError) as caught:
        deberta_c.assert_logits_close(found, wanted, names=[f"text {row}" for row in range(12)])
    lines = str(caught.value).splitlines()
    assert lines[0] == "11 of 12 rows differ by more than atol=0.0001; the largest difference is 11"
    assert lines[1] == "row 11 ('text 11'), column 1: actual 11, expected 0"
    assert lines[-1] == "and 1 more"


@pytest.mark.parametrize(
    ("found", "message"),
    [([[np.nan, 0]], "1 of 1 rows differs"), ([[0, 0], [0, 0]], r"actual has shape \(2, 2\), but expected \(1, 2\)")],
)
def test_what_is_never_close(found, message):
    with pytest.raises(AssertionError, match=message):
        deberta_c.assert_logits_close(found, [[0, 0]])


def test_infinity_is_close_to_itself():
    deberta_c.assert_logits_close([-np.inf, 1], [-np.inf, 1])


def test_accuracy(model):
    labels = model.predict_labels(TEXTS).tolist()
    assert deberta_c.assert_accuracy(model, TEXTS, labels, at_least=1) == 1
    wrong = next(name for name in model.labels() if name != labels[0])
    table = {"body": TEXTS, "kind": [wrong, *labels[1:]]}
    with pytest.raises(AssertionError) as caught:
        deberta_c.assert_accuracy(model, table, at_least=0.9, text="body", label="kind")
    head, line = str(caught.value).splitlines()
    assert head.startswith("accuracy is 0.6667, 2 of 3 texts, but should be at least 0.9; wrong are")
    assert line.startswith(f"row 0: {labels[0]!r} (0.")
    assert line.endswith(f"instead of {wrong!r}: 'hello world'")


def test_wrong_calls(model, make_model):
    with pytest.raises(ValueError, match="at_least is 90; it is a share between 0 and 1"):
        deberta_c.assert_accuracy(model, TEXTS, ["ham"] * 3, at_least=90)
    with pytest.raises(ValueError, match=r"at_least is '0.9'; it is a share"):
        deberta_c.assert_accuracy(model, TEXTS, ["ham"] * 3, at_least="0.9")
    with pytest.raises(ValueError, match="the model is a regression and has no accuracy"):
        deberta_c.assert_accuracy(
            make_model(id2label={"0": "value"}, problem_type="regression"), TEXTS, [1, 2, 3], at_least=0.5
        )
