"""`dtype=`: linear layers in int8 and bfloat16, what keeps them in float32, and the self-test."""

import json
import multiprocessing
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForSequenceClassification, Precision, PrecisionWarning, _core
from deberta_c._models import agreement
from tests.support.tiny_models import BERT, CONV, TINY, V1, write_model

LOW = [name for name in _core.dtypes() if name != "float32"]
IDS = [[1, 7, 9, 30, 31, 8, 2], [1, 30, 2, 0, 0, 0, 0]]
MASK = [[1] * 7, [1] * 3 + [0] * 4]
TEXTS = ["See you at home", "You have won a prize, call now!", "ok"]


@pytest.fixture
def spam():
    return AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())


def logits(model):
    return model(IDS, MASK).logits


@pytest.mark.filterwarnings("ignore::deberta_c.PrecisionWarning")  # a drawn network has no clear answers
@pytest.mark.parametrize("base", [TINY, V1, CONV, BERT])
@pytest.mark.parametrize("dtype", LOW)
def test_every_family(tmp_path, base, dtype):
    folder = write_model(tmp_path, base=base)
    exact = AutoModelForSequenceClassification.from_pretrained(folder)
    low = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype)
    assert (low.precision.dtype, exact.precision.dtype) == (dtype, "float32")
    assert dtype in repr(low)
    difference = abs(logits(low) - logits(exact)).max()
    assert 0 < difference < 0.15  # of 16 channels
    every = low.to_dtype(dtype, keep=["encoder"])
    np.testing.assert_array_equal(logits(every), logits(exact))
    some = low.to_dtype(dtype, keep=["encoder.layer.0"])
    assert abs(logits(some) - logits(exact)).max() > 0
    np.testing.assert_array_equal(logits(low.float()), logits(exact))
    np.testing.assert_array_equal(logits(pickle.loads(pickle.dumps(some))), logits(some))
    assert (low.base_model.precision, exact.to_dtype("float32")) == (low.precision, exact)


@pytest.mark.parametrize("dtype", LOW)
def test_the_same_bits_for_any_threads_and_company(spam, dtype):
    model, texts = spam.to_dtype(dtype), [*TEXTS, *(" ".join(TEXTS[:2] * n) for n in range(1, 9))]
    together = model.predict(texts)
    for count in (1, 2, 3):
        with deberta_c.threads(count):
            np.testing.assert_array_equal(model.predict(texts), together)
            np.testing.assert_array_equal(np.concatenate([model.predict([text]) for text in texts]), together)
    assert model.predict_labels(texts).tolist() == spam.predict_labels(texts).tolist()


@pytest.mark.filterwarnings("ignore::deberta_c.UnexpectedWeightsWarning")
def test_keep_is_saved_and_found_again(spam, tmp_path):
    kept = ["encoder.layer.1.output.dense", "encoder.layer.0.attention.self.key_proj"]
    model = spam.to_dtype("int8", keep=["deberta." + kept[0], kept[1] + ".weight"])
    assert model.precision == Precision("int8", (kept[1], kept[0]))
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["low_precision_keep"] == [kept[1], kept[0]]
    spam.tokenizer.save_pretrained(tmp_path)
    load = AutoModelForSequenceClassification.from_pretrained
    assert load(tmp_path, dtype="int8").precision == model.precision
    assert load(tmp_path, dtype="int8", keep=[]).precision == Precision("int8")
    assert load(tmp_path, dtype=model.precision).precision == model.precision
    assert load(tmp_path).precision == Precision()
    saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(saved | {"low_precision_keep": ["pooler"]}))
    with pytest.raises(ValueError, match="config key low_precision_keep: keep contains 'pooler'"):
        load(tmp_path, dtype="int8")
    assert load(tmp_path).precision == Precision()
    (tmp_path / "config.json").write_text(json.dumps(saved | {"low_precision_keep": ["encoder.layer.1"]}))
    assert load(tmp_path, num_hidden_layers=1).float().config.num_hidden_layers == 1


def test_names_of_types(spam):
    class Like:
        """As the types of torch."""

        def __str__(self):
            return "torch.int8"

    load = AutoModelForSequenceClassification.from_pretrained
    for value in ("int8", "torch.int8", np.int8, np.dtype("int8"), Like()):
        assert load(deberta_c.default_model(), dtype=value).precision.dtype == "int8"
        assert load(deberta_c.default_model(), torch_dtype=value).precision.dtype == "int8"
    for value in (None, "float32", np.float32, "auto"):
        assert load(deberta_c.default_model(), torch_dtype=value).precision.dtype == "float32"
    assert load(deberta_c.default_model(), dtype="auto").precision.dtype == "int8"
    assert spam.to(dtype="float32") is spam.to("cpu") is spam


def test_wrong_arguments(spam, monkeypatch):
    for wrong, error, message in (
        ({"dtype": "float16"}, ValueError, "dtype is 'float16'; .* float32, bfloat16 or int8"),
        ({"dtype": "int8", "torch_dtype": "float32"}, ValueError, "give dtype only"),
        ({"dtype": "int8", "keep": ["encoder.layer.9"]}, ValueError, "'encoder.layer.9', which names no linear layer"),
        ({"dtype": "int8", "keep": ["encoder.layer.0.output.dens"]}, ValueError, "such as 'encoder.layer.0.output"),
        ({"dtype": "int8", "keep": [3]}, ValueError, "keep contains 3"),
        ({"dtype": "int8", "keep": "encoder"}, TypeError, "must be a list of names"),
    ):
        with pytest.raises(error, match=message):
            AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), **wrong)
    with pytest.raises(ValueError, match=r"keeps its type, float32; call model.to_dtype\('int8'\)"):
        spam.to(dtype="int8")
    with pytest.raises(ValueError, match=r"open in float32; give model.to_dtype\(\"int8\"\)"):
        deberta_c.pipeline("text-classification", spam, dtype="int8")
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    with pytest.raises(ValueError, match='dtype is "bfloat16", which needs a CPU with AVX512_BF16'):
        spam.to_dtype("bfloat16")


def test_a_pipeline_in_int8(spam):
    model = spam.to_dtype("int8")
    answers = deberta_c.pipeline("text-classification", deberta_c.default_model(), dtype="int8")(TEXTS)
    assert answers == deberta_c.pipeline("text-classification", model, dtype="int8")(TEXTS)
    assert answers != deberta_c.pipeline("text-classification", spam)(TEXTS)


def test_a_saturating_machine_is_found_out(spam, monkeypatch):
    monkeypatch.setattr(_core, "known_products", lambda dtype: dtype != "int8")
    with pytest.warns(PrecisionWarning, match="this CPU multiplies int8 wrongly: known products") as caught:
        assert spam.to_dtype("int8").precision.dtype == "int8"
    assert caught[0].message.dtype == "int8"
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    with pytest.warns(PrecisionWarning, match="the network computes in float32 instead"):
        assert spam.to_dtype("auto") is spam


def test_a_drop_in_agreement_warns_and_auto_falls_back(spam, monkeypatch):
    def scrambled(model, core, rows, right=agreement.answers):
        found = right(model, core, rows)
        return [-row for row in found] if model.precision.dtype == "int8" else found

    monkeypatch.setattr(agreement, "answers", scrambled)
    with pytest.warns(PrecisionWarning, match=r"in int8 0\.0% of the answers .*; give dtype=") as caught:
        spam.to_dtype("int8")
    assert caught[0].filename == __file__
    with pytest.warns(PrecisionWarning, match=r"computes in (float32|bfloat16) instead"):
        assert spam.to_dtype("auto").precision.dtype != "int8"


def test_without_a_tokenizer(tmp_path):
    config = deberta_c.DebertaV2Config(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                       intermediate_size=64)  # fmt: skip
    for name in ("", "ForMaskedLM", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice"):
        model = getattr(deberta_c, f"DebertaV2{name or 'Model'}")(config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)
            low = model.to_dtype("int8")
        again = pickle.loads(pickle.dumps(low))
        assert again.precision == low.precision == Precision("int8")
        ids, mask = ([IDS], [MASK]) if name == "ForMultipleChoice" else (IDS, MASK)
        first, second = (np.asarray(found(ids, mask)[0]) for found in (low, again))
        np.testing.assert_array_equal(first, second)


def _predict(model):
    return model.precision.dtype, model.predict(TEXTS)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(spam, method):
    model = spam.to_dtype("int8")
    with multiprocessing.get_context(method).Pool(1) as pool:
        dtype, found = pool.apply(_predict, (model,))
    assert dtype == "int8"
    np.testing.assert_array_equal(found, model.predict(TEXTS))


def test_training_starts_from_the_weights_of_the_files(spam):
    options = {"epochs": 1, "progress": False, "validation": None}
    texts, labels = ["win a prize", "see you at home"] * 4, ["spam", "ham"] * 4
    low = AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), dtype="int8")
    low.fit(texts, labels, **options)
    spam.fit(texts, labels, **options)
    assert low.precision.dtype == "int8"
    np.testing.assert_array_equal(low.float().predict(TEXTS), spam.predict(TEXTS))
    again = pickle.loads(pickle.dumps(low))
    np.testing.assert_array_equal(again.predict(TEXTS, tokenizer=low.tokenizer), low.predict(TEXTS))


@pytest.mark.parametrize("dtype", LOW)
def test_layers_that_are_kept_have_attention_in_float32(spam, dtype):
    """The default model has heads of 32 numbers, which attention multiplies in bfloat16 where the CPU does."""
    np.testing.assert_array_equal(spam.to_dtype(dtype, keep=["encoder"]).predict(TEXTS), spam.predict(TEXTS))
    one = spam.to_dtype(dtype, keep=["encoder.layer.0"])  # layers of both kinds share their scratch memory
    assert 0 < abs(one.predict(TEXTS) - spam.predict(TEXTS)).max() < 0.5


RESIDENT = """
import os, sys, warnings
from pathlib import Path
import numpy as np
import deberta_c

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

warnings.simplefilter("ignore")
before = resident()
model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=sys.argv[2])
for n in range(2, 102):
    model([[1, *range(4, 4 + n % 40), 2]])
print(resident() - before, model._core.memory / 1e6)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc/self/statm on this system")
@pytest.mark.parametrize("dtype", LOW)
def test_weights_lie_in_memory_once(tmp_path, dtype):
    """Linear layers of 50 MB and positions of 8 MB in float32: neither those nor the pages of the file stay."""
    size = {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "num_hidden_layers": 4}
    size |= {"position_buckets": 256, "max_position_embeddings": 512}
    folder = write_model(tmp_path, **size)
    found = subprocess.run(
        [sys.executable, "-c", RESIDENT, folder, dtype], check=True, capture_output=True, text=True
    ).stdout
    grown, network = map(float, found.split())
    assert network < (19 if dtype == "int8" else 36)
    assert grown < network + 18


def test_either_label_of_a_tie_passes_the_self_test():
    rows = [np.array(row, np.float32) for row in ([1.0, 0.95], [1.0, 0.0])]
    swapped = [row[::-1] for row in rows]
    found = agreement.compare("softmax", rows, swapped)
    assert (found.equal.tolist(), found.tied.tolist()) == ([False, False], [True, False])
    assert agreement.compare("sigmoid", [np.array([0.05, 3], np.float32)], [np.array([-1, 3], np.float32)]).tied.all()
    assert not agreement.compare("sigmoid", [np.array([0.2], np.float32)], [np.array([-1], np.float32)]).tied.any()
