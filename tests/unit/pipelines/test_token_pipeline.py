"""The token classification pipeline: labels of tokens and of entities."""

import pickle

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForTokenClassification, DebertaV2Config, pipeline
from tests.support.tiny_models import TINY, write_model

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
CONFIG = {**TINY, "initializer_range": 0.5, "id2label": dict(enumerate(LABELS))}
TEXTS = ["hello world", "see you at home, call now!", "", "free entry at the abc"]

# The logits of the labels that the model returns for each token.
SAID = {
    "▁see": [9, 0, 0, 0, 0],
    "▁hello": [0, 5, 0, 0, 0],
    "▁world": [0, 0, 4, 0, 0],
    "▁": [0, 0, 0, 3, 0],
    "a": [0, 0, 2, 0, 1],
    "b": [0, 0, 7, 0, 0],
    "c": [0, 0, 0, 0, 6],
    "▁now": [0, 0, 0, 0, 5],
    "▁home": [0, 0, 0, 5, 0],
}


@pytest.fixture(scope="module")
def tagger():
    return AutoModelForTokenClassification.from_config(DebertaV2Config.from_dict(CONFIG), seed=5)


@pytest.fixture(scope="module")
def tag(tagger, tokenizer):
    return pipeline("token-classification", model=tagger, tokenizer=tokenizer)


@pytest.fixture
def ner(tag, tokenizer, monkeypatch):
    """The pipeline with a model that returns the logits of SAID."""

    def say(self, rows, row_name, selected=None):
        for row, (begin, end) in enumerate(zip(rows.offsets[:-1], rows.offsets[1:], strict=True)):
            pieces = tokenizer.convert_ids_to_tokens(rows.ids[begin:end])
            yield np.array([row]), np.array([SAID.get(piece, SAID["▁see"]) for piece in pieces], np.float32)

    monkeypatch.setattr(type(tag.model), "_logits_of_rows", say)
    return tag


def probability(said, label):
    return float(np.exp(said[label]) / np.exp(said).sum())


def brief(answers):
    return [(answer["entity_group"], answer["word"], answer["start"], answer["end"]) for answer in answers]


def tokens(model, tokenizer, text, ignored=("O",)):
    """The result without aggregation, from the logits in double precision."""
    encoding = tokenizer(text, return_offsets_mapping=True)
    logits = model(input_ids=[encoding.input_ids]).logits[0].astype(np.float64)
    answers = []
    for place, (id, (start, end)) in enumerate(zip(encoding.input_ids, encoding.offset_mapping, strict=True)):
        scores = np.exp(logits[place] - logits[place].max())
        label, score = LABELS[scores.argmax()], pytest.approx(scores.max() / scores.sum(), rel=1e-4)
        if encoding.word_ids()[place] is not None and label not in ignored:
            word = tokenizer.convert_ids_to_tokens(id)
            answers.append({"entity": label, "score": score, "index": place, "word": word, "start": start, "end": end})
    return answers


def test_tokens(tag, tagger, tokenizer):
    expected = [tokens(tagger, tokenizer, text) for text in TEXTS]
    assert len({answer["entity"] for answers in expected for answer in answers}) > 2
    assert tag(TEXTS) == expected
    assert [tag(text) for text in TEXTS] == expected
    assert tag(tuple(TEXTS)) == tag(np.array(TEXTS)) == list(tag(iter(TEXTS))) == expected
    assert tag(TEXTS[:1]) == expected[:1]
    assert tag([]) == []
    assert [type(value) for value in tag(TEXTS[1])[0].values()] == [str, float, int, str, int, int]


def test_ignored_labels(tag, tagger, tokenizer):
    for ignored in ([], ["I-PER", "O"], LABELS):
        assert tag(TEXTS[1], ignore_labels=ignored) == tokens(tagger, tokenizer, TEXTS[1], ignored)
    some = pipeline("ner", model=tagger, tokenizer=tokenizer, ignore_labels=[])
    assert some(TEXTS[1]) == tokens(tagger, tokenizer, TEXTS[1], ())


def test_groups(ner):
    found = ner("see hello world abc now home", aggregation_strategy="simple")
    assert brief(found) == [
        ("PER", "hello world", 3, 15),
        ("LOC", "", 15, 16),
        ("PER", "ab", 16, 18),
        ("LOC", "c now", 18, 23),
        ("LOC", "home", 23, 28),
    ]
    score = (probability(SAID["▁hello"], 1) + probability(SAID["▁world"], 2)) / 2
    assert found[0]["score"] == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize(
    ("strategy", "groups", "score"),
    [
        ("first", [("PER", "hello", 0, 5), ("LOC", "abc now", 5, 13)], probability(SAID["▁"], 3)),
        ("max", [("PER", "hello abc", 0, 9), ("LOC", "now", 9, 13)], probability(SAID["b"], 2)),
        (
            "average",
            [("PER", "hello abc", 0, 9), ("LOC", "now", 9, 13)],
            sum(probability(SAID[piece], 2) for piece in ("▁", "a", "b", "c")) / 4,
        ),
    ],
)
def test_words_have_one_label(ner, strategy, groups, score):
    found = ner("hello abc now", aggregation_strategy=strategy)
    assert brief(found) == groups
    scores = {"first": [score, probability(SAID["▁now"], 4)]}.get(strategy, [probability(SAID["▁hello"], 1), score])
    group = found[strategy == "first"]
    assert group["score"] == pytest.approx(sum(scores) / 2, rel=1e-5)
    assert ner("hello abc now", aggregation_strategy=strategy.upper()) == found
    assert brief(ner("hello abc now", aggregation_strategy=strategy, trim_offsets=True)) == [
        (label, word, start + (start > 0), end) for label, word, start, end in groups
    ]


def test_trimmed_offsets(ner):
    text = "see  hello   world "
    for answer in ner(text, trim_offsets=True):
        assert text[answer["start"] : answer["end"]] == answer["word"].strip("▁")


def test_columns_are_read_in_windows(tag, monkeypatch):
    pandas = pytest.importorskip("pandas")
    expected = tag(TEXTS * 3)
    for window in (1, 5, 12):
        monkeypatch.setattr("deberta_c._pipelines.base._WINDOW", window)
        assert tag(pandas.Series(TEXTS * 3)) == expected
        with pytest.raises(ValueError, match=r"inputs\[12\] is missing"):
            tag([*TEXTS * 3, None])


def test_long_texts(tag, tokenizer):
    long = "hello world see you " * 40
    with pytest.warns(deberta_c.TruncationWarning, match=r"1 of 2 texts lost tokens to the limit of 64") as caught:
        cut = tag([long, "hello"], ignore_labels=[])
    assert caught[0].filename == __file__
    assert len(cut[0]) == 62
    assert tag("hello", ignore_labels=[]) == cut[1]


def test_windows(ner):
    text = "hello world see " * 50
    for strategy in ("simple", "first", "average", "max"):
        found = ner([text, "see now"], aggregation_strategy=strategy, stride=8)
        assert brief(found[0]) == [("PER", "hello world", max(0, 16 * n - 1), 16 * n + 11) for n in range(50)]
        assert brief(found[1]) == [("LOC", "now", 3, 7)]
    assert ner("", aggregation_strategy="simple", stride=8) == []


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        (None, {}, ValueError, "inputs is a missing value"),
        ({"text": "a"}, {}, ValueError, "inputs is of type dict; give a str or a column of them"),
        (["a", 3], {}, TypeError, r"inputs\[1\] is 3"),
        (["a", "b\ud800"], {}, ValueError, r"inputs\[1\] has a lone surrogate"),
        ("a", {"aggregation_strategy": "last"}, ValueError, "aggregation_strategy is 'last'; it must be one of none, "),
        ("a", {"aggregation_strategy": 3}, ValueError, "aggregation_strategy is 3"),
        ("a", {"ignore_labels": "O"}, TypeError, "ignore_labels is 'O'; it must be a list"),
        ("a", {"ignored": ["O"]}, TypeError, "has no option 'ignored'; it takes aggregation_strategy, "),
        ("a", {"stride": 4}, ValueError, "stride and windows need groups of tokens"),
        ("a", {"stride": 62, "aggregation_strategy": "simple"}, ValueError, "stride is 62, but"),
        ("a", {"stride": "x", "aggregation_strategy": "simple"}, TypeError, "stride is 'x'"),
    ],
)
def test_wrong_calls(tag, inputs, options, error, message):
    with pytest.raises(error, match=message):
        tag(inputs, **options)


def test_construction(tagger, model, tokenizer, tmp_path):
    assert type(pipeline(model=tagger, tokenizer=tokenizer)) is deberta_c.TokenClassificationPipeline
    with pytest.raises(TypeError, match=r"what AutoModelForTokenClassification\.from_pretrained returned"):
        pipeline("ner", model=model)
    with pytest.raises(ValueError, match="'ner' has no default model"):
        pipeline("ner")
    small = AutoModelForTokenClassification.from_config(DebertaV2Config.from_dict({**CONFIG, "vocab_size": 20}))
    with pytest.raises(ValueError, match=r"inputs\[1\] has the id \d+, but the model's vocab_size is 20"):
        pipeline("ner", model=small, tokenizer=tokenizer)(["call", "call ?"])
    folder = write_model(tmp_path / "headless", drop=("classifier.weight", "classifier.bias"))
    with pytest.warns(deberta_c.MissingHeadWarning), pytest.warns(deberta_c.UnexpectedWeightsWarning):
        headless = pipeline("ner", model=folder)
    with pytest.raises(RuntimeError, match=r"lacks classifier\.weight, classifier\.bias"):
        headless("hello")


def test_pickles(tag):
    assert pickle.loads(pickle.dumps(tag))(TEXTS) == tag(TEXTS)


def test_texts_in_words(ner):
    options = {"aggregation_strategy": "first", "is_split_into_words": True}
    words = [["see", "hello", "world", "see", "abc", "now"], [], ["home"]]
    expected = [("PER", "hello world", 4, 15), ("LOC", "abc now", 20, 27)]
    found = ner(words, trim_offsets=True, **options)
    assert [brief(answers) for answers in found] == [expected, [], [("LOC", "home", 0, 4)]]
    assert ner(words[0], trim_offsets=True, **options) == found[:1]
    assert list(ner(iter(words), trim_offsets=True, batch_size=2, **options)) == found
    assert ner([], **options) == []
    for rows in ([words[0], None, words[2]], [None, float("nan")]):
        known = [row if isinstance(row, list) else [] for row in rows]
        assert ner(rows, na="empty", **options) == ner(known, **options)
        skipped = [answer if row else None for row, answer in zip(known, ner(known, **options), strict=True)]
        assert ner(rows, na="skip", **options) == list(ner(iter(rows), na="skip", **options)) == skipped
    wide = ner(words, delimiter="-/-", **options)
    assert brief(wide[0]) == [("PER", "hello world", 6, 19), ("LOC", "abc now", 28, 37)]
    long = ner([words[2], words[0] * 30], stride=8, **options)
    assert len(long[1]) == 60
    assert max(answer["end"] for answer in long[1]) == len(" ".join(words[0] * 30))
    for wrong, error, message in (
        ("hello", TypeError, "inputs is a str; with is_split_into_words give a list of words"),
        ([["hello"], "world"], TypeError, r"inputs\[1\] is of type str; it must be a list of words"),
        ([["hello"], ["a", None]], ValueError, r"inputs\[1\]\[1\] is missing"),
        ([["hello"], ["a", "b\ud800"]], ValueError, r"inputs\[1\]\[1\] has a lone surrogate"),
    ):
        with pytest.raises(error, match=message):
            ner(wrong, **options)
    with pytest.raises(TypeError, match="delimiter is 3"):
        ner(words, delimiter=3, **options)
