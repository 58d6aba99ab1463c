"""The default model: transformers loads its weights, and texts have the same results in both."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from benchmarks.tokenization.reference_tokenizers import v3 as fast_tokenizer
from tests.parity.oracle import errors, load_theirs, run_ours, run_theirs, torch, transformers

DIRECTORY = Path(deberta_c.default_model())

pytestmark = pytest.mark.filterwarnings("ignore::deberta_c.TruncationWarning")  # some texts are longer than 512 tokens

TEXTS = [
    "See you at home, love",
    "FREE entry!! Text WIN to 80082 now & claim your £1000 prize. T&Cs apply, 150p/msg",
    "",
    "   \t two  spaces\nand a line   ",
    "ok",
    "Ｆｕｌｌ　ｗｉｄｔｈ, ﬁne print, naïve café, 50 €, 20°",  # noqa: RUF001
    "emoji 😀😀 and a family 👨‍👩‍👧, then plain text",
    "Ваш код 1234. 您的验证码是 5678",
    "[MASK] in the middle [SEP] and [CLS] [UNK]",
    "a" * 300,
    "Call me when you get there. " * 90,
    "zero​width, soft­hyphen, ﷺ",
]


def real_texts():
    """TEXTS, and messages of the collection if its folder is known."""
    folder = os.environ.get("DEBERTA_C_TEST_DATA")
    if not folder:
        return TEXTS
    path = Path(folder, "data", "sms_spam", "SMSSpamCollection")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return TEXTS + [row[1] for row in rows][::3]


@pytest.fixture(scope="module")
def theirs():
    return load_theirs(DIRECTORY)


@pytest.fixture(scope="module")
def ours():
    return deberta_c.AutoModelForSequenceClassification.from_pretrained(DIRECTORY)


@pytest.fixture(scope="module")
def tokenizer():
    """A tokenizer of transformers with the ids of transformers 4: version 5 computes others from the same file."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast_tokenizer((DIRECTORY / "spm.model").read_bytes()), model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"], pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]",
    )  # fmt: skip


def logits_of_theirs(model, tokenizer, texts, pairs=None, size=32):
    """Logits of texts in padded batches of similar length."""
    out = np.empty((len(texts), model.config.num_labels), np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        firsts, seconds = [texts[row] for row in rows], pairs and [pairs[row] for row in rows]
        encoded = tokenizer(firsts, seconds, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            out[rows] = model(**encoded).logits.numpy()
    return out


def test_weights_load_in_transformers_whole():
    _, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        DIRECTORY, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report


def test_files_are_small():
    names = {"config.json", "model.safetensors", "spm.model", "tokenizer_config.json", "README.md", "metrics.json"}
    files = [path for path in DIRECTORY.iterdir() if path.is_file()]
    assert {path.name for path in files} == names
    assert sum(path.stat().st_size for path in files) < 4e6


def test_layers(theirs, ours, tokenizer):
    encoded = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")
    inputs = {name: array.astype(np.int64) for name, array in encoded.items()}
    found = errors(run_ours(ours, inputs), run_theirs(theirs, inputs), inputs["attention_mask"])
    assert max(found.values()) <= 2e-5, found


def test_ids(ours, tokenizer):
    texts = real_texts()
    own = ours.tokenizer(texts, truncation=True)
    assert own["input_ids"] == tokenizer(texts, truncation=True)["input_ids"]


def test_predict(theirs, ours, tokenizer):
    texts = real_texts()
    expected = logits_of_theirs(theirs, tokenizer, texts)
    assert np.ptp(expected, axis=0).min() > 1  # some are ham, some are spam
    found = ours.predict(texts)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    few = ours.predict(texts, batch_tokens=700)
    np.testing.assert_allclose(few, found, rtol=0, atol=1e-5)
    shares = np.exp(expected - expected.max(1, keepdims=True))
    np.testing.assert_allclose(ours.predict_proba(texts), shares / shares.sum(1, keepdims=True), rtol=0, atol=1e-5)


def test_predict_pairs(theirs, ours, tokenizer):
    seconds = TEXTS[::-1]
    expected = logits_of_theirs(theirs, tokenizer, TEXTS, seconds)
    np.testing.assert_allclose(ours.predict(TEXTS, seconds), expected, rtol=0, atol=2e-5)


def same(own, other):
    """Two results of a pipeline: equal in shape, types, labels and order, equal to 1e-5 in score."""
    assert type(own) is type(other)
    if isinstance(own, list):
        assert len(own) == len(other)
        for one, two in zip(own, other, strict=True):
            same(one, two)
    elif isinstance(own, dict):
        assert list(own) == list(other)
        for key, value in own.items():
            same(value, other[key])
    elif isinstance(own, float):
        assert own == pytest.approx(other, abs=1e-5)
    else:
        assert own == other


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": None},
        {"top_k": 1},
        {"top_k": 2},
        {"function_to_apply": "sigmoid"},
        {"function_to_apply": "none", "top_k": None},
        {"truncation": True, "max_length": 12},
        {"padding": True, "batch_size": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "inputs",
    [
        TEXTS[0],
        TEXTS[:1],
        TEXTS[:9],
        {"text": TEXTS[0], "text_pair": TEXTS[1]},
        [{"text": TEXTS[0], "text_pair": TEXTS[1]}, {"text": TEXTS[4]}],
    ],
    ids=["text", "list of one", "list", "pair", "pairs"],
)
@pytest.mark.parametrize("when", ["at the start", "in the call"])
def test_pipeline(theirs, tokenizer, inputs, options, when):
    built, called = (options, {}) if when == "at the start" else ({}, options)
    reference = transformers.pipeline("text-classification", model=theirs, tokenizer=tokenizer, **built)
    classifier = deberta_c.pipeline("text-classification", model=str(DIRECTORY), **built)
    same(classifier(inputs, **called), reference(inputs, **called))


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification", None])
@pytest.mark.parametrize("labels", [1, 3])
def test_pipeline_chooses_the_function(tmp_path, tokenizer, problem, labels):
    """Softmax, sigmoid or none, from problem_type and the number of labels."""
    from tests.parity.oracle import Pair, tiny

    network = Pair(tmp_path, tiny(vocab_size=4032, num_labels=labels, problem_type=problem))
    for name in ("spm.model", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((DIRECTORY / name).read_bytes())
    reference = transformers.pipeline("text-classification", model=network.theirs, tokenizer=tokenizer, top_k=None)
    classifier = deberta_c.pipeline("text-classification", model=str(tmp_path), top_k=None)
    same(classifier(TEXTS[:3]), reference(TEXTS[:3]))
