"""`dtype=`: linear layers in int8 and bfloat16, what keeps them in float32, and the self-test."""

import json
import multiprocessing
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForSequenceClassification, Precision, PrecisionWarning, _core
from deberta_c._cli.main import main
from deberta_c._models import agreement
from tests.support.numpy_network import Network
from tests.support.tiny_models import BERT, CONV, TINY, V1, tiny_tensors, write_model

LOW = ["bfloat16", "int8"]
weights_only = pytest.mark.skipif("bfloat16" in _core.dtypes(), reason="this CPU multiplies bfloat16")
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
    for model in (low, exact):
        assert f" parameters, {model.precision.dtype} by {_core.multiplier(model.precision.dtype)}" in repr(model)
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


def test_wrong_arguments(spam):
    for wrong, error, message in (
        ({"dtype": "float16"}, ValueError, "dtype is 'float16'; .* float32, bfloat16 or int8"),
        ({"dtype": ""}, ValueError, "dtype is ''; the network computes in"),
        ({"torch_dtype": 0}, ValueError, "torch_dtype is 0; the network computes in"),
        ({"dtype": "int8", "torch_dtype": "float32"}, ValueError, "give dtype only"),
        ({"dtype": Precision("int4")}, ValueError, "dtype of the Precision is 'int4'; give \"float32\""),
        ({"dtype": Precision("auto")}, ValueError, "dtype of the Precision is 'auto'; give \"float32\""),
        ({"dtype": Precision("int8", ("pooler",))}, ValueError, "keep contains 'pooler', which names no linear layer"),
        ({"dtype": "int8", "keep": ["encoder.layer.9"]}, ValueError, "'encoder.layer.9', which names no linear layer"),
        ({"dtype": "int8", "keep": ["encoder.layer.0.output.dens"]}, ValueError, "such as 'encoder.layer.0.output"),
        ({"dtype": "int8", "keep": [3]}, ValueError, "keep contains 3"),
        ({"dtype": "int8", "keep": "encoder"}, TypeError, "must be a list of names"),
    ):
        with pytest.raises(error, match=message):
            AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), **wrong)
    with pytest.raises(ValueError, match=r"keeps its type, float32; call model.to_dtype\('int8'\)"):
        spam.to(dtype="int8")
    with pytest.raises(ValueError, match=r"open in 'float32'; give model.to_dtype\('int8'\)"):
        deberta_c.pipeline("text-classification", spam, dtype="int8")


def test_a_precision_names_the_layers_that_it_keeps(spam):
    """Parts become their layers, as in keep, and a list beside a Precision replaces its own."""
    parts, layers = (
        Precision("int8", ("encoder.layer.0.attention.output",)),
        ("encoder.layer.0.attention.output.dense",),
    )
    others = ["encoder.layer.1.output.dense"]

    def opened(dtype, **options):
        return AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), dtype=dtype, **options)

    for found in (spam.to_dtype, opened):
        model = found(parts)
        assert model.precision == Precision("int8", layers)
        np.testing.assert_array_equal(model.predict(TEXTS), spam.to_dtype("int8", keep=layers).predict(TEXTS))
        assert found(Precision("int8", [*layers])).precision == model.precision
        assert found(parts, keep=others).precision == Precision("int8", tuple(others))
        assert found(parts, keep=[]).precision == Precision("int8")
        assert found(Precision("float32", layers)).precision == Precision()
        with pytest.raises(ValueError, match="keep contains 'pooler', which names no linear layer"):
            found(Precision("int8", ("pooler",)))
        with pytest.raises(ValueError, match="dtype of the Precision is 'int4'"):
            found(Precision("int4"))
    assert str(model.precision).endswith(", 1 layer in float32")
    with pytest.raises(ValueError, match=r"dtype is Precision\(.*, but the model is open in Precision\("):
        deberta_c.pipeline("text-classification", model, dtype=Precision("int8"))


def test_initial_weights_in_int8(spam):
    auto = AutoModelForSequenceClassification
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrecisionWarning)  # a drawn network has no clear answers
        made = auto.from_config(spam.config, seed=3, dtype="int8", keep=["encoder.layer.0"])
    assert (made.precision.dtype, len(made.precision.keep)) == ("int8", 6)
    np.testing.assert_array_equal(logits(made.float()), logits(auto.from_config(spam.config, seed=3)))
    assert auto.from_config(spam.config, attn_implementation="eager").precision == Precision()
    with pytest.raises(TypeError, match="unknown option 'sed'; did you mean 'seed'"):
        auto.from_config(spam.config, sed=3)
    with pytest.raises(ValueError, match="dtype is 'int4'; the network computes in"):
        auto.from_config(spam.config, dtype="int4")


def test_a_cpu_that_does_not_multiply_bfloat16_has_weights_in_it(spam, monkeypatch):
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    says = r"products in bfloat16 need AVX512_BF16 \(instruction set in use: \w+\): .* half the memory, and products in"
    with pytest.warns(PrecisionWarning, match=says) as caught:
        low = AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model(), dtype="bfloat16")
    assert [(warning.message.dtype, warning.filename) for warning in caught] == [("bfloat16", __file__)]
    with pytest.warns(PrecisionWarning, match=says) as caught:
        classifier = deberta_c.pipeline("text-classification", deberta_c.default_model(), dtype="bfloat16")
    assert len(caught) == 1
    assert low._core.memory < spam._core.memory
    assert low.predict_labels(TEXTS).tolist() == spam.predict_labels(TEXTS).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [answer["label"] for answer in classifier(TEXTS)] == low.predict_labels(TEXTS).tolist()
        again = pickle.loads(pickle.dumps(low))
        assert again.precision == spam.to_dtype(low.precision).precision == Precision("bfloat16")
        assert spam.check_precision(TEXTS, dtype="bfloat16").passed
        assert spam.to_dtype("auto").precision.dtype == "int8"
    np.testing.assert_array_equal(again.predict(TEXTS), low.predict(TEXTS))
    monkeypatch.setattr(_core, "known_products", lambda dtype: False)
    with pytest.warns(PrecisionWarning) as caught:
        assert spam.to_dtype("bfloat16").precision.dtype == "bfloat16"
    assert [bool(re.search(says, str(warning.message))) for warning in caught] == [False, True]
    monkeypatch.setattr(_core, "isa", lambda: "avx512")  # where weights in bfloat16 are not measured
    with pytest.warns(PrecisionWarning, match="the network computes in float32 instead"):
        assert spam.to_dtype("auto") is spam
    monkeypatch.setattr(_core, "isa", lambda: "avx2")
    monkeypatch.setattr(_core, "known_products", lambda dtype: dtype != "int8")
    with pytest.warns(PrecisionWarning, match=f"the network computes in bfloat16 instead|{says}") as caught:
        assert spam.to_dtype("auto").precision.dtype == "bfloat16"
    assert len(caught) == 2
    assert not any('give dtype="int8"' in str(warning.message) for warning in caught)  # which failed


@weights_only
def test_weights_in_bfloat16_are_named(spam, capsys):
    low = spam.to_dtype(Precision("bfloat16"))
    assert low.precision.kernels == _core.multiplier("bfloat16") == f"own {_core.isa()} in float32"
    assert f", bfloat16 by own {_core.isa()} in float32" in repr(low)
    deberta_c.show_config()
    shown = capsys.readouterr().out
    assert f"bfloat16 (own {_core.isa()} in float32), int8 (own " in shown
    assert "bfloat16 is the type of weights only" in shown
    assert main(["text", "--dtype", "bfloat16", TEXTS[0]]) == 0
    assert capsys.readouterr().err.count("products in bfloat16 need AVX512_BF16") == 1


def rounded(weight):
    """The nearest numbers of bfloat16, of two the even ones."""
    bits = weight.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


class Rounded(Network):
    """The network whose encoder has weights in bfloat16; those of queries are rounded with the scale of the scores."""

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        size = config["hidden_size"] // config["num_attention_heads"]
        self.scale = np.float32(1 / np.sqrt(size * self.divisor))
        linear = re.compile(r".*\.layer\..*(_proj|query|key|value|dense)\.weight")
        found = {name: self.rounded(name, tensor) for name, tensor in tensors.items() if linear.fullmatch(name)}
        self.content = Network(config, tensors | found)
        self.tensors |= {name: self.content.tensors[name] for name in found if name.endswith("dense.weight")}

    def rounded(self, name, tensor):
        if name.endswith(("query.weight", "query_proj.weight")):
            return rounded(tensor * self.scale) / np.float64(self.scale)
        if not name.endswith("in_proj.weight"):
            return rounded(tensor)
        parts = tensor.reshape(self.config["num_attention_heads"], 3, -1)  # queries, keys, values
        queries = rounded(parts[:, :1] * self.scale) / np.float64(self.scale)
        return np.concatenate([queries, rounded(parts[:, 1:])], axis=1).reshape(tensor.shape)

    def projections(self, name, queries, keys):
        """Positions are projected in float32."""
        return (
            *self.content.projections(name, queries, keys)[:3],
            *super().projections(name, queries, keys)[3:],
        )


@weights_only
@pytest.mark.parametrize("base", [TINY, V1, CONV, BERT, {**TINY, "share_att_key": False}])
def test_weights_in_bfloat16_beside_double_precision(tmp_path, base):
    folder, tensors = write_model(tmp_path, base=base), tiny_tensors(base)
    low = AutoModelForSequenceClassification.from_pretrained(folder, dtype=Precision("bfloat16"))
    exact, emulated = (network(base, tensors).logits("sequence", IDS[0]) for network in (Network, Rounded))
    found = logits(low)[0]
    np.testing.assert_allclose(found, emulated, atol=5e-5)
    assert abs(found - exact).max() > 1e-3


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
    assert str(caught[0].message).endswith('sums; give dtype="float32"')  # layers in float32 would not help
    monkeypatch.setattr(_core, "known_products", lambda dtype: False)
    with pytest.warns(PrecisionWarning, match="the network computes in float32 instead"):
        assert spam.to_dtype("auto") is spam


def test_a_drop_in_agreement_warns_and_auto_falls_back(spam, monkeypatch):
    def scrambled(model, core, rows, right=agreement.answers):
        found = right(model, core, rows)
        return [-row for row in found] if model.precision.dtype == "int8" else found

    monkeypatch.setattr(agreement, "answers", scrambled)
    with pytest.warns(PrecisionWarning, match=r"in int8 0\.0% of the answers .*; give dtype=.*, or keep=") as caught:
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


@pytest.mark.parametrize("dtype", [*LOW, "auto"])
def test_layers_of_which_all_are_kept(spam, dtype, monkeypatch):
    """Nothing multiplies in the type, and the only warning says so, whatever the CPU multiplies."""
    monkeypatch.setattr(_core, "known_products", lambda _: False)
    with pytest.warns(PrecisionWarning) as caught:
        low = spam.to_dtype(dtype, keep=["encoder"])
    (warning,) = caught
    count = len(low.precision.keep)
    assert f"keep names {count} layers, all linear layers of the encoder: they stay in float32" in str(warning.message)
    assert f"dtype={dtype!r} changes nothing" in str(warning.message)
    assert "need AVX512_BF16" not in str(warning.message)
    assert low.precision.dtype in LOW
    np.testing.assert_array_equal(low.predict(TEXTS), spam.predict(TEXTS))


def test_the_notice_about_weights_counts_the_layers_that_are_kept(spam, monkeypatch):
    monkeypatch.setattr(_core, "dtypes", lambda: ("float32", "int8"))
    for keep, layers in ((["encoder.layer.0"], "layers, except 6 layers in float32, are in"), ([], "layers are in")):
        with pytest.warns(PrecisionWarning, match=f"the weights of linear {layers} bfloat16"):
            spam.to_dtype("bfloat16", keep=keep)


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
