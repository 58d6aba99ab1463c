"""`check_precision`: figures, costs of layers, the proposed list, pictures, and what it refuses."""

import json
import re
import warnings

import numpy as np
import pytest

import deberta_c
from benchmarks.precision import outliers
from deberta_c import AutoModelForSequenceClassification, Precision, PrecisionWarning, _core
from deberta_c._models import agreement
from deberta_c.evaluation import precision_check
from deberta_c.evaluation.intervals import wilson
from tests.support.tiny_models import BERT, TINY, V1, write_model

LOW = ["bfloat16", "int8"]
TEXTS = ["See you at home", "You have won a prize, call now!", "ok", "hello <b>world</b>"]
open_model = AutoModelForSequenceClassification.from_pretrained


@pytest.fixture(scope="module")
def spam():
    return open_model(deberta_c.default_model())


@pytest.fixture(scope="module")
def hard(spam, tmp_path_factory):
    """The default model with outliers in its second layer."""
    folder = tmp_path_factory.mktemp("outliers")
    outliers.write(spam, folder, 2000, layers=[1])
    return open_model(folder)


def test_figures_equal_those_of_predict(spam):
    check = spam.check_precision(TEXTS, dtype="int8")
    exact, low = spam.predict_proba(TEXTS), spam.to_dtype("int8").predict_proba(TEXTS)
    differences = abs(exact - low).max(axis=1)
    assert check.passed
    assert bool(check)
    assert (len(check), check.agreement, check.keep, check.costs) == (4, 1.0, (), [])
    assert check.interval == wilson(4, 4, 0.95)
    assert check.largest == pytest.approx(differences.max(), rel=1e-4)
    assert check.mean == pytest.approx(differences.mean(), rel=1e-4)
    assert [row["row"] for row in check.differences] == np.argsort(-differences).tolist()
    assert check.differences[0]["float32"] in spam.labels()
    assert check.memory["int8"] < check.memory["float32"]
    assert (check.at_most, spam.check_precision(dtype="int8").at_most) == (None, 0.1)


@pytest.mark.parametrize("dtype", LOW)
def test_the_sample(spam, dtype):
    check = spam.check_precision(dtype=dtype, costs=True)
    assert (check.sample, len(check), check.passed, check.precision) == (True, 16, True, Precision(dtype))
    assert len(check.costs) == 10  # query, key with value, and three more, of two layers
    assert sorted(len(row["layers"]) for row in check.costs) == [1] * 8 + [2] * 2
    costs = [row["cost"] for row in check.costs]
    assert costs == sorted(costs, reverse=True)
    assert 0 < costs[-1] <= costs[0] < 0.1


def test_outliers_are_found_and_kept(spam, hard, tmp_path):
    texts = [text for text, _ in zip(*[agreement._SAMPLE] * 2, strict=True)]
    np.testing.assert_allclose(hard.predict(texts), spam.predict(texts), atol=1e-3)
    with pytest.warns(PrecisionWarning, match=r"in int8 .* of the answers to the texts of the self-test"):
        hard.to_dtype("int8")
    check = hard.check_precision(dtype="int8")
    assert not check.passed
    assert check.agreement < 0.99
    assert check.keep == ("encoder.layer.1.attention.output.dense", "encoder.layer.1.intermediate.dense")
    assert check.kept.agreement > 0.99
    assert {name for row in check.costs[:2] for name in row["layers"]} == set(check.keep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = hard.to_dtype("int8", keep=check.keep)
        assert kept.check_precision().passed
        kept.save_pretrained(tmp_path)
        hard.tokenizer.save_pretrained(tmp_path)
        assert open_model(tmp_path, dtype="int8").precision == Precision("int8", check.keep)
    saved = open_model(tmp_path).check_precision(dtype="int8")
    assert (saved.passed, saved.keep) == (True, check.keep)
    half = hard.check_precision(dtype="int8", keep=check.keep[:1])
    assert (half.passed, half.keep) == (False, check.keep)


def test_layers_that_the_type_does_without_are_not_proposed(spam, monkeypatch):
    """Of the most expensive layers, only the second one must stay."""
    right = agreement.Compared(np.ones(1, np.bool_), np.zeros(1), np.zeros(1, np.bool_), np.zeros(1, np.intp))

    def compared(judge, kept):
        tried.append(len(kept))
        return right if judge.units[1] in kept else right._replace(equal=~right.equal)

    tried = []
    monkeypatch.setattr(precision_check._Judge, "costs", lambda judge, _: [(unit, 1.0) for unit in judge.units])
    monkeypatch.setattr(precision_check._Judge, "_compared", compared)
    check = spam.check_precision(TEXTS, dtype="int8", at_most=0.0)
    assert check.keep == tuple(check.costs[1]["layers"])
    assert check.kept is right
    assert len(tried) < 3 + len(check.costs)


def test_a_saturating_machine(spam, monkeypatch):
    monkeypatch.setattr(_core, "known_products", lambda dtype: dtype != "int8")
    check = spam.check_precision(TEXTS, dtype="int8")
    assert (check.passed, check.agreement, check.keep, check.kept) == (False, 1.0, None, None)
    assert "This CPU multiplies int8 wrongly" in repr(check)


@pytest.mark.parametrize("base", [TINY, V1, BERT])
def test_every_family_and_head(tmp_path, tokenizer, base):
    folder = write_model(tmp_path, base=base)
    names = ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM", "Model"]
    prefix = {"deberta-v2": "DebertaV2", "deberta": "Deberta", "bert": "Bert"}[base["model_type"]]
    for name in names:
        options = {"num_labels": 2} if "Question" in name else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = deberta_c.AutoConfig.from_pretrained(folder, **options)
        model = getattr(deberta_c, prefix + name).from_config(config)
        check = model.check_precision(TEXTS, dtype="int8", tokenizer=tokenizer, costs=True, at_least=0.5)
        tokens = sum(len(row) for row in tokenizer(TEXTS)["input_ids"])
        answers = {"ForTokenClassification": tokens, "ForQuestionAnswering": 2 * len(TEXTS)}.get(name, len(TEXTS))
        assert len(check.compared.equal) == answers
        assert len(check.differences) == len(TEXTS)
        for row in check.differences:  # of the answer that differs most
            own = check.compared.rows == row["row"]
            assert row["difference"] == check.compared.difference[own].max()
            assert row["equal"] == check.compared.equal[own].all()
        assert len(check.costs) == (8 if base is V1 else 10)  # v1 has one layer for query, key and value
        assert check.title in repr(check)
        json.dumps(check.to_dict(), allow_nan=False)
        drawn = model.check_precision(dtype="int8", costs=False)
        assert drawn.texts[0] == "4 drawn tokens"


@pytest.mark.parametrize(
    ("problem", "labels", "kind"),
    [("regression", 1, "scores"), ("multi_label_classification", 3, "sigmoid"), (None, 1, "sigmoid")],
)
def test_other_problems(tmp_path, problem, labels, kind):
    config = deberta_c.AutoConfig.from_pretrained(write_model(tmp_path), num_labels=labels, problem_type=problem)
    model = AutoModelForSequenceClassification.from_config(config)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tmp_path)
    check = model.check_precision(TEXTS, dtype="int8", tokenizer=tokenizer, costs=False)
    assert check.kind == kind
    shown = {type(row["int8"]) for row in check.differences}
    assert shown == ({list} if labels == 3 else {float})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1}, "confidence is 1; it must be between 0 and 1"),
        ({"at_most": "0.9"}, "at_most is '0.9'; give the largest difference"),
        ({"at_most": float("nan")}, "at_most is nan"),
        ({"at_most": -1}, "at_most is -1"),
        ({"at_least": True}, "at_least is True; it is a share"),
    ],
)
def test_wrong_bounds(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        open_model(tiny).check_precision(TEXTS, dtype="int8", **options)


def test_bounds_of_numpy(tiny):
    check = open_model(tiny).check_precision(TEXTS, dtype="int8", at_least=np.float32(0.5), at_most=np.float32(1))
    assert check.passed is True


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "spans", "scores"])
def test_an_answer_that_is_not_a_number_equals_none(kind):
    first = [np.array([-1.0], np.float32)] if kind == "scores" else [np.array([[-1.0, -2.0]] * 2, np.float32)]
    second = [np.full_like(first[0], np.nan)]
    assert agreement.compare(kind, first, second).agreement == 0


def test_pairs(tiny):
    check = open_model(tiny).check_precision(TEXTS, TEXTS[::-1], dtype="int8", costs=False)
    assert check.differences[0]["pair"] == TEXTS[::-1][check.differences[0]["row"]]
    assert " | " in repr(check)


def test_tables_and_json(hard):
    check = hard.check_precision(TEXTS, dtype="int8", at_most=0.1)
    text, html = repr(check), check._repr_html_()
    assert "int8 does not pass (0.99 of equal labels, no difference above 0.1). With 2 layers in float32" in text
    assert "what each layer costs, alone in int8, in logits" in text
    assert "key_proj + value_proj" in text
    assert "hello &lt;b&gt;world" in html
    made = json.loads(json.dumps(check.to_dict(), allow_nan=False))
    assert (made["passed"], made["keep"], made["texts"]) == (False, list(check.keep), 4)
    assert made["agreement_with_keep"] == 1.0
    pytest.importorskip("pandas")
    assert list(check.to_frame()) == ["row", "text", "float32", "int8", "difference", "equal"]
    assert list(check.to_frame("costs")) == ["layers", "cost"]
    with pytest.raises(ValueError, match="of is 'rows'; it must be one of differences, costs"):
        check.to_frame("rows")


def test_pictures(spam, hard):
    pytest.importorskip("matplotlib")

    for check, count in ((spam.check_precision(TEXTS, dtype="int8"), 1), (hard.check_precision(dtype="int8"), 2)):
        figure = check.plot()
        assert len(figure.axes) == count
        assert all(place == round(place) for place in figure.axes[0].get_xticks())  # numbers of texts
        assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("dtype", ["int8", "auto", "torch.bfloat16", np.float32, Precision("int8")])
def test_a_type_in_the_place_of_texts(spam, dtype):
    """Only `dtype=` takes it: the second argument of positional calls are the second texts of pairs."""
    for name, given in (("texts", [dtype]), ("text_pairs", [TEXTS, dtype]), ("text_pairs", [None, dtype])):
        with pytest.raises(TypeError, match=f"^{re.escape(f'{name} is {dtype!r}, which names a type; give dtype=')}"):
            spam.check_precision(*given)
    with pytest.raises(TypeError, match="texts is one str"):
        spam.check_precision("hello")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": "float32"}, ValueError, 'dtype is float32, with which the others are compared; give "int8"'),
        ({"dtype": "int4"}, ValueError, "dtype is 'int4'; the network computes in"),
        ({"at_least": 99}, ValueError, "at_least is 99; it is a share between 0 and 1, such as 0.99"),
        ({"confidence": 0}, ValueError, "confidence is 0; it must be between 0 and 1"),
        ({"keep": ["pooler"]}, ValueError, "keep contains 'pooler', which names no linear layer"),
        ({"texts": []}, ValueError, "texts is empty; give some of the texts"),
        ({"texts": ["a"], "text_pairs": []}, ValueError, "texts has 1 rows, but text_pairs 0"),
        ({"text_pairs": ["a"]}, ValueError, "text_pairs is given without texts"),
        ({"texts": ["a", 3]}, TypeError, r"texts\[1\] is 3 of type int"),
        ({"texts": "a"}, TypeError, "texts is"),
    ],
)
def test_wrong_arguments(spam, arguments, error, message):
    with pytest.raises(error, match=message):
        spam.check_precision(**arguments)


def test_what_it_compares_by_default(spam):
    assert spam.check_precision(TEXTS).precision == Precision("int8")
    low = spam.to_dtype("int8", keep=["encoder.layer.0.output"])
    assert low.check_precision(TEXTS).precision == low.precision
    assert spam.check_precision(TEXTS, dtype="auto").precision.dtype == "int8"
