"""`pipeline("zero-shot-classification")`: the same as pair by pair, whatever the batches, columns and labels."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import ZeroShotClassificationPipeline, pipeline
from deberta_c._models.outputs import softmax
from deberta_c._pipelines import zero_shot
from deberta_c._pipelines.pairs import Pairs
from tests.support.tiny_models import BERT, write_model
from tests.unit.cli.test_ways import folder as of_any_family  # noqa: F401
from tests.unit.cli.test_ways import write_wordpiece

TEXTS = ["hello world", "free entry now", "", "see you at home, now!", "hello world", "call the world"]
LABELS = ["home", "free", "call now", "world"]
NLI = {"0": "contradiction", "1": "neutral", "2": "entailment"}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    return pipeline("zero-shot-classification", write_model(tmp_path_factory.mktemp("nli") / "model", id2label=NLI))


def pair_by_pair(pipe, text, labels, template="This example is {}.", multi_label=False, ids=(0, 2)):
    """The result of a text as transformers computes it."""
    rows = [pipe.tokenizer([text], [template.format(label)], return_tensors="np") for label in labels]
    logits = np.concatenate([pipe.model(**row).logits for row in rows])
    scores = softmax(logits[:, ids])[:, 1] if multi_label or len(labels) == 1 else softmax(logits[:, ids[1]])
    order = scores.argsort()[::-1]
    return {
        "sequence": text,
        "labels": [labels[place] for place in order],
        "scores": pytest.approx(scores[order].tolist(), abs=1e-5),
    }


def test_the_former_name_of_multi_label(pipe):
    expected = pipe(TEXTS[0], LABELS, multi_label=True)
    with pytest.warns(UserWarning, match="multi_class has become multi_label"):
        assert pipe(TEXTS[0], LABELS, multi_class=True) == expected


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:1], ["now", "now", "at"]])
def test_pair_by_pair(pipe, labels, multi_label):
    expected = [pair_by_pair(pipe, text, labels, "It is {}!", multi_label) for text in TEXTS]
    options = {"candidate_labels": labels, "hypothesis_template": "It is {}!", "multi_label": multi_label}
    found = pipe(TEXTS, **options)
    assert found == expected
    assert [type(score) for score in found[0]["scores"]] == [float] * len(labels)
    assert pipe(TEXTS[0], **options) == expected[0]
    assert pipe(TEXTS[:1], **options) == expected[:1]
    assert pipeline("zero-shot-classification", pipe.model, **options)(TEXTS) == expected


def test_ways_to_give_texts_and_labels(pipe):
    expected = pipe(TEXTS, LABELS)
    for labels in (", ".join(LABELS) + ",,", tuple(LABELS), np.array(LABELS), dict.fromkeys(LABELS).keys()):
        assert pipe(TEXTS, candidate_labels=labels) == expected
    assert pipe(sequences=tuple(TEXTS), candidate_labels=LABELS) == expected
    assert list(pipe(iter(TEXTS), LABELS)) == list(pipe(iter(TEXTS), LABELS, batch_size=4)) == expected
    assert pipe([], LABELS) == []
    numbers = pipe(TEXTS[0], [1, 2])
    assert sorted(numbers["labels"]) == [1, 2]
    assert numbers["scores"] == pipe(TEXTS[0], ["1", "2"])["scores"]


def test_columns_of_pandas(pipe):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS}, index=range(10, 10 + len(TEXTS)))
    expected = pipe(TEXTS, LABELS)
    assert pipe(frame["text"], candidate_labels=pandas.Series(LABELS, index=[3, 2, 1, 0])) == expected
    assert frame["text"].apply(pipe, candidate_labels=LABELS).tolist() == expected
    lists = pandas.Series([LABELS[:2], LABELS] * 3)
    assert pipe(frame["text"], candidate_labels=lists) == pipe(TEXTS, lists.tolist())


def test_labels_of_each_row(pipe):
    lists = [LABELS[:2], LABELS, ["at"], tuple(LABELS[1:]), LABELS[::-1], ["at", "you"]]
    expected = [pair_by_pair(pipe, text, labels) for text, labels in zip(TEXTS, lists, strict=True)]
    assert pipe(TEXTS, lists) == expected
    assert list(pipe(iter(TEXTS), lists, batch_size=4)) == expected
    assert pipe(TEXTS[0], lists[:1]) == expected[0]
    for texts in (TEXTS[:2], TEXTS[0]):
        with pytest.raises(ValueError, match="candidate_labels has 6 lists of labels, but inputs has"):
            pipe(texts, lists)
    with pytest.raises(ValueError, match="candidate_labels has 2 lists of labels, but inputs has 3 texts"):
        list(pipe(iter(TEXTS), lists[:2]))


def test_windows_change_nothing(pipe, monkeypatch):
    expected = pipe(TEXTS * 3, LABELS)
    lists = [LABELS[: 1 + row % 4] for row in range(18)]
    of_rows = pipe(TEXTS * 3, lists)
    monkeypatch.setattr(zero_shot, "_PAIRS", 20)
    monkeypatch.setattr(zero_shot, "BATCH_TOKENS", 40)
    assert pipe(TEXTS * 3, LABELS) == [
        {**answer, "scores": pytest.approx(answer["scores"], abs=1e-6)} for answer in expected
    ]
    assert [answer["labels"] for answer in pipe(TEXTS * 3, lists)] == [answer["labels"] for answer in of_rows]


def test_equal_pairs_are_computed_once_and_texts_encoded_once(pipe, monkeypatch):
    pairs, encoded = [], []
    monkeypatch.setattr(zero_shot, "Pairs", lambda *args: pairs.append(Pairs(*args)) or pairs[-1])
    encode = pipe.tokenizer._encode_for_model
    monkeypatch.setattr(
        pipe.tokenizer, "_encode_for_model", lambda texts, *rest: encoded.extend(texts) or encode(texts, *rest)
    )
    pipe(TEXTS * 10, ["home", "free", "home"])
    assert len(pairs[0].lengths) == 2 * len(set(TEXTS))
    assert sorted(encoded) == sorted([*set(TEXTS), "This example is home.", "This example is free."])


def test_missing_texts(pipe):
    texts = [TEXTS[0], None, TEXTS[1], float("nan")]
    first, second = pipe(TEXTS[:2], LABELS)
    empty = pipe("", LABELS)
    assert pipe(texts, LABELS, na="skip") == [first, None, second, None]
    assert list(pipe(iter(texts), LABELS, na="skip")) == [first, None, second, None]
    assert pipe(texts[1:2] * 2, LABELS, na="skip") == [None, None]
    assert pipe(None, LABELS, na="skip") is None
    assert [answer["labels"] for answer in pipe(texts, LABELS, na="empty")] == [
        answer["labels"] for answer in (first, empty, second, empty)
    ]
    lists = [LABELS, ["at"], ["you", "at"], ["at"]]
    assert pipe(texts, lists, na="skip")[2] == pipe(TEXTS[1], lists[2])
    for inputs in (None, texts):
        with pytest.raises(ValueError, match=r'missing .*na="empty" .*or na="skip"'):
            pipe(inputs, LABELS)


def test_progress(pipe, capsys, monkeypatch):
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    monkeypatch.setattr(zero_shot, "BATCH_TOKENS", 40)
    pipe([*TEXTS, None], LABELS, progress=True, na="skip")
    assert capsys.readouterr().err.endswith("\r7 of 7 texts\n")
    list(pipe(iter(TEXTS), LABELS, progress=True))
    assert capsys.readouterr().err.endswith("\r6 texts\n")


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["contradiction", "neutral", "entailment"], (0, 2)),
        (["entailment", "neutral", "contradiction"], (2, 0)),
        (["entailment", "not_entailment"], (1, 0)),
        (["NOT_ENTAILMENT", "ENTAILMENT"], (0, 1)),
        (["no", "Entailed"], (0, 1)),
    ],
)
def test_labels_of_the_model(make_model, names, ids):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe = pipeline("zero-shot-classification", make_model(id2label=dict(enumerate(names))))
    assert pipe.entailment_id == ids[1]
    for multi_label in (False, True):
        expected = pair_by_pair(pipe, TEXTS[0], LABELS, multi_label=multi_label, ids=ids)
        assert pipe(TEXTS[0], LABELS, multi_label=multi_label) == expected


def test_a_model_without_entailment_warns(make_model):
    folder = make_model(id2label={"0": "ham", "1": "spam"})
    with pytest.warns(UserWarning, match="no label of the model begins with 'entail'") as caught:
        pipe = pipeline("zero-shot-classification", folder)
    assert (len(caught), caught[0].filename) == (1, __file__)
    assert pipe.entailment_id == -1
    assert pipe(TEXTS[0], LABELS) == pair_by_pair(pipe, TEXTS[0], LABELS, ids=(0, 1))


def test_contradiction_by_name(make_model):
    """Where the place of the label is that of another one."""
    pipe = pipeline(
        "zero-shot-classification", make_model(id2label={0: "neutral", 1: "entailment", 2: "contradiction"})
    )
    options = {"candidate_labels": LABELS, "multi_label": True}
    assert pipe(TEXTS[0], **options) == pair_by_pair(pipe, TEXTS[0], LABELS, multi_label=True, ids=(0, 1))
    expected = pair_by_pair(pipe, TEXTS[0], LABELS, multi_label=True, ids=(2, 1))
    assert pipe(TEXTS[0], contradiction_label="contradiction", **options) == expected
    with pytest.raises(ValueError, match="contradiction_label is 'no'; the labels of the model are"):
        pipe(TEXTS[0], contradiction_label="no", **options)


def test_hypotheses_of_ones_own(pipe):
    said = {"a": "It is home.", "b": "It is free."}
    expected = pipe(TEXTS[0], ["home", "free"], hypothesis_template="It is {}.")
    found = pipe(TEXTS[0], ["a", "b"], hypothesis_template=said)
    assert found["scores"] == expected["scores"]
    assert found["labels"] == [{"home": "a", "free": "b"}[label] for label in expected["labels"]]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [None, 5, 9, 12, 40])
def test_rows_are_those_of_the_tokenizer(of_any_family, limit, side):  # noqa: F811
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(of_any_family, truncation_side=side)
    firsts, seconds = [*TEXTS, " a  b "], ["call now", "", "hello world, free."]
    for names in (["input_ids", "token_type_ids"], ["input_ids"]):
        tokenizer.model_input_names = names
        options = tokenizer._encode_options(False, None, add_special_tokens=False)
        encoded = [tokenizer._encode_for_model(texts, None, options) for texts in (firsts, seconds)]
        first, second = (places.ravel() for places in np.indices((len(firsts), len(seconds))))
        pairs = Pairs(tokenizer, *encoded, first, second, limit)
        chosen = np.arange(len(first))[::-1]
        found = pairs.rows(chosen)
        assert np.diff(found.offsets).tolist() == pairs.lengths[chosen].tolist()
        for row, pair in enumerate(chosen):
            texts = [firsts[first[pair]]], [seconds[second[pair]]]
            cut = 0
            try:
                limits = tokenizer._encode_options("only_first" if limit else False, limit, pairs=True)
                ids, types, _, cut, *_ = tokenizer._encode_for_model(*texts, limits)
            except ValueError:  # no room for the text: nothing is cut, as in the pipelines of transformers
                ids, types, *_ = tokenizer._encode_for_model(*texts, tokenizer._encode_options(False, None, pairs=True))
            own = slice(found.offsets[row], found.offsets[row + 1])
            assert found.ids[own].tolist() == ids.tolist()
            assert found.types[own].tolist() == types.tolist()
            assert pairs.cut[pair] == cut


def test_only_the_text_is_cut(pipe, tmp_path):
    text = " ".join(["hello world"] * 40)  # 80 tokens; the model has 64 positions
    with pytest.warns(deberta_c.TruncationWarning, match="2 of 3 texts lost tokens to the limit of 64") as caught:
        long = pipe([text, TEXTS[0], text], LABELS)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipe(text, LABELS, max_length=64) == long[0]
        assert pipe(text, LABELS, max_length=30) != long[0]
    with pytest.raises(ValueError, match="max_length is 2; it must hold at least the 3 special tokens"):
        pipe(text, LABELS, max_length=2)
    write_wordpiece(folder := write_model(tmp_path / "bert", base=BERT, id2label=NLI))
    bert = pipeline("zero-shot-classification", folder)
    bert.tokenizer.model_max_length = 200
    with pytest.raises(ValueError, match=r"inputs\[1\] has \d+ tokens, more than the model's max_position_embeddings"):
        bert(["hello", text], LABELS)


def test_constructors(pipe):
    expected = pipe(TEXTS, LABELS)
    for again in (
        ZeroShotClassificationPipeline(pipe.model, pipe.tokenizer),
        ZeroShotClassificationPipeline(model=pipe.model, tokenizer=pipe.tokenizer, device=-1, framework="pt"),
        pipeline("zero-shot-classification", model=pipe.model.name_or_path, tokenizer=pipe.model.name_or_path),
        pickle.loads(pickle.dumps(pipe)),
        copy.deepcopy(pipe),
    ):
        assert type(again) is ZeroShotClassificationPipeline
        assert again(TEXTS, LABELS) == expected
    with_labels = ZeroShotClassificationPipeline(pipe.model, candidate_labels=LABELS)
    assert with_labels.predict(TEXTS) == with_labels(TEXTS) == expected
    assert with_labels(TEXTS[0], ["at"])["labels"] == ["at"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, TypeError, "candidate_labels is missing; give the labels"),
        ({"candidate_labels": []}, ValueError, "candidate_labels is empty; give at least one label"),
        ({"candidate_labels": " , "}, ValueError, "candidate_labels is empty"),
        ({"candidate_labels": [["a"], []]}, ValueError, r"candidate_labels\[1\] is empty"),
        ({"candidate_labels": [["a"], "b"]}, TypeError, r"candidate_labels\[1\] is 'b'; give a list of labels"),
        ({"candidate_labels": ["a", None]}, ValueError, r"candidate_labels\[1\] is missing \(None\)"),
        ({"candidate_labels": {"a", "b"}}, TypeError, "candidate_labels is a set, which has no order"),
        ({"candidate_labels": 3}, TypeError, "candidate_labels is 3 of type int"),
        ({"candidate_labels": ["a\udc00"]}, ValueError, "the hypothesis .* has a lone surrogate"),
        ({"hypothesis_template": "It is so."}, ValueError, "'It is so.'; it must have {} in place of the label"),
        ({"hypothesis_template": "It is {label}."}, ValueError, "must have {} in place of the label"),
        ({"hypothesis_template": "{} is {}."}, ValueError, "must have {} in place of the label"),
        ({"hypothesis_template": None}, TypeError, "hypothesis_template is None; it must be a str with {}"),
        ({"hypothesis_template": {"home": "x"}}, ValueError, "has no hypothesis for 'free'"),
        ({"template": "{}"}, TypeError, "no option 'template'"),
        ({"multi_label": "no"}, TypeError, "multi_label is 'no' of type str; give True or False"),
    ],
)
def test_wrong_options(pipe, options, error, message):
    if "hypothesis_template" in options:
        options["candidate_labels"] = LABELS
    for inputs in (TEXTS, TEXTS[0]):
        with pytest.raises(error, match=message):
            pipe(inputs, **options)


def test_wrong_texts(pipe):
    with pytest.raises(TypeError, match=r"inputs\[1\] is 3 of type int"):
        pipe(["a", 3], LABELS)
    with pytest.raises(ValueError, match=r"inputs\[2\] has a lone surrogate"):
        pipe(["a", "a", "b\udc00"], LABELS)
    with pytest.raises(TypeError, match="model is of type str"):
        ZeroShotClassificationPipeline("folder")
