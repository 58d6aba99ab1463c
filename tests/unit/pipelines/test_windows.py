"""`windows=True`: long texts in overlapping windows, whose scores are pooled and whose entities are merged."""

from itertools import pairwise

import numpy as np
import pytest

import deberta_c
from deberta_c import pipeline
from deberta_c._pipelines import windows
from tests.support.tiny_models import write_model

LONG = "see you at home, call the free world now, entry at 5. " * 7
TEXTS = [LONG, "hello", "", LONG[:150], "hello"]
POOLINGS = {"mean": np.mean, "max": np.max, "first": lambda scores, axis: scores[0]}


def scores_of(model, text, pair=None, length=64, stride=16):
    """The scores (windows, labels) of a text, window by window."""
    encoded = model.tokenizer(
        text, pair, truncation="only_first", max_length=length, stride=stride, return_overflowing_tokens=True
    )
    rows = [np.array([ids]) for ids in encoded["input_ids"]]
    return np.concatenate([deberta_c.softmax(model(input_ids=row).logits) for row in rows])


def as_array(model, answers):
    found = [{part["label"]: part["score"] for part in answer} for answer in answers]
    return np.array([[row[label] for label in model.labels()] for row in found])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_window_by_window(model, pooling):
    classifier = pipeline("text-classification", model)
    pool = POOLINGS[pooling]
    assert len(scores_of(model, LONG)) == 3
    expected = np.stack([pool(scores_of(model, text), axis=0) for text in TEXTS])
    options = {"windows": True, "pooling": pooling}
    assert as_array(model, classifier(TEXTS, top_k=None, **options)) == pytest.approx(expected, abs=1e-5)
    one = classifier(LONG, **options)
    assert one == [{"label": model.labels()[expected[0].argmax()], "score": pytest.approx(expected[0].max(), abs=1e-5)}]
    assert list(classifier(iter(TEXTS), **options)) == classifier(TEXTS, **options)
    short = {"max_length": 20, "stride": 5}
    expected = np.stack([pool(scores_of(model, text, length=20, stride=5), axis=0) for text in TEXTS])
    assert as_array(model, classifier(TEXTS, top_k=None, **options, **short)) == pytest.approx(expected, abs=1e-5)


def test_the_first_window_is_the_text_that_was_cut(model):
    classifier = pipeline("text-classification", model, windows=True, pooling="first")
    with pytest.warns(deberta_c.TruncationWarning):
        expected = pipeline("text-classification", model, truncation=True)(TEXTS)
    assert [answer["label"] for answer in classifier(TEXTS)] == [answer["label"] for answer in expected]


def test_pairs(model):
    classifier = pipeline("text-classification", model, windows=True)
    rows = [{"text": LONG, "text_pair": "now"}, {"text": "hello"}]
    expected = [scores_of(model, LONG, "now").mean(axis=0), scores_of(model, "hello")[0]]
    assert as_array(model, classifier(rows, top_k=None)) == pytest.approx(np.stack(expected), abs=1e-5)
    assert classifier(rows[0]) == classifier(rows)[0]
    missing = [{"text": "hello", "text_pair": None}, {"text": None, "text_pair": "now"}, rows[0]]
    for way in (classifier, pipeline("text-classification", model)):
        frame = {"text": [row["text"] for row in missing], "pair": ["x", "now", None]}
        found = way.predict_frame(frame, text_pair="pair", na="skip")
        assert [label is None for label in found["label"]] == [False, True, True]
        assert np.isnan(found["score"]).tolist() == [False, True, True]


def test_each_text_is_computed_once(model, monkeypatch):
    classifier = pipeline("text-classification", model, windows=True, top_k=None)
    expected, rows = [classifier([text])[0] for text in TEXTS], []
    run = type(model)._logits_of_rows
    monkeypatch.setattr(
        type(model), "_logits_of_rows", lambda *given: rows.append(len(given[1].offsets) - 1) or run(*given)
    )
    found = classifier(TEXTS * 2)
    assert rows == [sum(len(scores_of(model, text)) for text in set(TEXTS))]
    assert as_array(model, found) == pytest.approx(as_array(model, expected * 2), abs=1e-5)


def test_columns(model, monkeypatch, capsys):
    pandas = pytest.importorskip("pandas")
    classifier = pipeline("text-classification", model, windows=True)
    expected = classifier(TEXTS)
    monkeypatch.setattr(windows, "_TEXTS", 2)
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    assert [answer["label"] for answer in classifier(pandas.Series(TEXTS), progress=True)] == [
        answer["label"] for answer in expected
    ]
    assert capsys.readouterr().err.endswith("\r5 of 5 texts\n")
    skipped = classifier([TEXTS[0], None, TEXTS[1]], na="skip")
    assert [answer and answer["label"] for answer in skipped] == [expected[0]["label"], None, expected[1]["label"]]
    assert classifier([]) == []
    with pytest.raises(ValueError, match=r"inputs\[3\] is missing"):
        classifier([*TEXTS[:3], None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 3}, "stride and pooling are options of windows; give windows=True"),
        ({"pooling": "max"}, "give windows=True"),
        ({"windows": True, "pooling": "median"}, "pooling is 'median'; it must be one of mean, max, first"),
        ({"windows": True, "stride": 62}, "stride is 62"),
        ({"windows": True, "max_length": 8, "stride": 8}, "stride is 8"),
    ],
)
def test_wrong_options(model, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline("text-classification", model, **options)


def test_columns_of_unequal_length(model):
    """The message is that of a call without windows, whatever part of the columns is read at once."""
    classifier = pipeline("text-classification", model)
    for counts in ((3, 2), (300, 256), (256, 300)):
        columns = {"a": ["hello"] * counts[0], "b": ["now"] * counts[1]}
        message = rf"frame\['a'\] has {counts[0]} rows, but frame\['b'\] {counts[1]}; give columns of equal length"
        for options in ({}, {"windows": True}):
            with pytest.raises(ValueError, match=message):
                classifier.predict_frame(columns, "a", "b", **options)


def test_windows_need_a_limit(tmp_path):
    pipe = pipeline("text-classification", write_model(tmp_path / "model"))
    pipe.tokenizer.model_max_length = None
    with pytest.raises(ValueError, match="windows need a limit, which the tokenizer does not have; give max_length"):
        pipe(LONG, windows=True)
    assert pipe(LONG, windows=True, max_length=30)


def test_entities(tmp_path):
    labels = {"0": "O", "1": "B-A", "2": "I-A", "3": "B-B"}
    tag = pipeline("ner", write_model(tmp_path / "tagger", head="tokens", id2label=labels), ignore_labels=[])
    found = tag(LONG, aggregation_strategy="simple", windows=True)
    assert found == tag(LONG, aggregation_strategy="simple", stride=16)
    assert found == sorted(found, key=lambda entity: entity["start"])
    assert all(one["end"] <= other["start"] for one, other in pairwise(found))
    assert found[-1]["end"] > 300  # the limit of the model is 64 tokens
    other = tag(LONG, aggregation_strategy="simple", windows=True, stride=30)
    assert other[-1]["end"] == found[-1]["end"]
    with pytest.warns(deberta_c.TruncationWarning):
        assert tag(LONG, aggregation_strategy="simple", windows=False)[-1]["end"] < 250
    with pytest.raises(ValueError, match="stride and windows need groups of tokens"):
        tag(LONG, windows=True)
