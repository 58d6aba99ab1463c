"""Entailment pairs: which text meets which hypothesis, by hand."""

from collections import Counter
from math import inf

import numpy as np
import pytest

import deberta_c

TEXTS = ["a1", "a2", "a3", "b1", "b2", "c1"]
LABELS = ["alpha", "alpha", "alpha", "beta", "beta", "gamma"]


def rows(table):
    return list(zip(table["premise"], table["hypothesis"], table["label"], strict=True))


def test_every_text_entails_its_own_hypothesis():
    table = deberta_c.nli_pairs(TEXTS, LABELS, "It is {}.")
    assert list(table) == ["premise", "hypothesis", "label"]
    found = {row[:2] for row in rows(table) if row[2] == "entailment"}
    assert found == {(text, f"It is {label}.") for text, label in zip(TEXTS, LABELS, strict=True)}


def test_as_many_other_texts_do_not():
    table = deberta_c.nli_pairs(TEXTS, LABELS)
    others = [row for row in rows(table) if row[2] == "not_entailment"]
    assert Counter(row[1] for row in others) == {
        "This example is alpha.": 3,
        "This example is beta.": 2,
        "This example is gamma.": 1,
    }
    assert len(set(others)) == len(others)  # drawn without replacement
    assert not any(label in hypothesis for (text, hypothesis, _) in others for label in own_labels(text))


def own_labels(text):
    return [label for label in set(LABELS) if label[0] == text[0]]


@pytest.mark.parametrize(("negatives", "count"), [(0, 6), (1, 12), (0.5, 9), (2, 15), (inf, 18)])
def test_the_number_of_negatives(negatives, count):
    """With 2, alpha has only three other texts; with infinity each text meets each hypothesis once."""
    table = deberta_c.nli_pairs(TEXTS, LABELS, negatives=negatives)
    assert len(rows(table)) == len(set(rows(table))) == count


def test_a_seed_draws_and_shuffles():
    first = deberta_c.nli_pairs(TEXTS, LABELS, seed=1)
    assert first == deberta_c.nli_pairs(TEXTS, LABELS, seed=1)
    assert first != deberta_c.nli_pairs(TEXTS, LABELS, seed=2)
    assert [row[2] for row in rows(first)] != sorted(row[2] for row in rows(first))


def test_a_label_has_at_most_so_many_positives():
    table = deberta_c.nli_pairs(TEXTS, LABELS, max_per_label=1)
    assert Counter(table["label"]) == {"entailment": 3, "not_entailment": 3}


def test_hypotheses_of_ones_own():
    said = {"alpha": ["It is first.", "It comes first."], "beta": "It is second.", "gamma": ["It is third."]}
    texts, labels = TEXTS * 20, LABELS * 20
    found = rows(deberta_c.nli_pairs(texts, labels, said, label_names=("entailment", "contradiction")))
    assert {row[2] for row in found} == {"entailment", "contradiction"}
    assert {row[1] for row in found if row[2] == "entailment" and row[0] == "a1"} == set(said["alpha"])
    assert {row[1] for row in found if row[2] == "entailment" and row[0] == "b1"} == {"It is second."}


@pytest.mark.parametrize("names", [{0: "no", 1: "yes"}, ["no", "yes"]])
def test_numbers_have_names(names):
    table = deberta_c.nli_pairs(["x", "y"], np.array([1, 0]), "{}!", names=names)
    assert sorted(rows(table)) == [
        ("x", "no!", "not_entailment"),
        ("x", "yes!", "entailment"),
        ("y", "no!", "entailment"),
        ("y", "yes!", "not_entailment"),
    ]


def test_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS, "label": LABELS})
    table = deberta_c.nli_pairs(frame["text"], frame["label"].astype("category"))
    assert table == deberta_c.nli_pairs(TEXTS, LABELS)
    assert pandas.DataFrame(table).shape == (12, 3)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((TEXTS, LABELS[:5]), {}, ValueError, "texts has 6 rows, but labels 5"),
        ((TEXTS[:3], LABELS[:3]), {}, ValueError, "labels is 'alpha' in all rows; give texts of two labels"),
        (([], []), {}, ValueError, "labels is empty; give texts of two labels"),
        ((["a", None], ["x", "y"]), {}, ValueError, r"texts\[1\] is missing"),
        ((["a", "b"], ["x", None]), {}, ValueError, r"labels\[1\] is missing"),
        ((["a", "b"], [0, 1]), {}, ValueError, r"labels\[0\] is 0, a number without a name; give names"),
        ((["a", "b"], [0, 2]), {"names": ["x", "y"]}, ValueError, r"labels\[1\] is 2, .*names has"),
        ((["a", "b"], [0.5, 2]), {}, TypeError, r"labels\[0\] is 0.5 of type float"),
        ((TEXTS, LABELS, "It is so."), {}, ValueError, "must have {} in place of the label"),
        ((TEXTS, LABELS, {"alpha": "x"}), {}, ValueError, "no hypothesis for 'beta'"),
        ((TEXTS, LABELS), {"negatives": -1}, ValueError, "negatives is -1"),
        ((TEXTS, LABELS), {"max_per_label": 0}, ValueError, "max_per_label is 0"),
        ((TEXTS, LABELS), {"label_names": "entailment"}, ValueError, "label_names is 'entailment'; give two"),
    ],
)
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        deberta_c.nli_pairs(*arguments, **options)
