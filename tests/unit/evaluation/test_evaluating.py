"""`evaluate` and `compare`: what they take, what they return, and what they refuse."""

import json
import warnings
from math import comb

import numpy as np
import pytest

import deberta_c
from deberta_c.evaluation.comparing import mcnemar
from deberta_c.evaluation.slices import by_column
from tests.support.tiny_models import write_model

pytest.importorskip("sklearn.metrics")

TEXTS = ["hello world", "free entry now", "see you at home", "call now", "the home", "entry", "you see", "world free"]
NAMES = ["ham", "spam", "other"]
LABELS = ["ham", "spam", "ham", "other", "spam", "ham", "other", "spam"]


@pytest.fixture(scope="module")
def result(model):
    return deberta_c.evaluate(model, TEXTS, LABELS, by={"day": [1, 1, 2, 2, 1, 2, None, 1]}, resamples=50)


def test_it_agrees_with_predict(model, result):
    labels = model.predict_labels(TEXTS).tolist()
    assert result.predicted == labels
    assert result.wanted == LABELS
    right = [a == b for a, b in zip(labels, LABELS, strict=True)]
    assert result.correct.tolist() == right
    assert result["accuracy"] == pytest.approx(np.mean(right))
    assert result.scores == pytest.approx(model.predict_proba(TEXTS))
    figure = result.metrics["accuracy"]
    assert figure.low <= figure.value <= figure.high
    assert result.confusion.sum() == len(result) == 8
    assert np.trace(result.confusion) == sum(right)
    assert result["f1"] == result["f1_macro"]  # as `fit` calls it
    with pytest.raises(KeyError, match="there is no metric 'recall'; there are accuracy, f1_macro, f1_weighted"):
        result["recall"]


def test_tables(result):
    assert [row["label"] for row in result.classes] == NAMES
    assert sum(row["rows"] for row in result.classes) == 8
    scores = [row["score"] for row in result.mistakes]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 8 - result.correct.sum()
    assert [(row["column"], row["slice"], row["rows"]) for row in result.slices] == [
        ("tokens", "1 to 16", 8), ("day", "1", 4), ("day", "2", 3), ("day", "missing", 1)
    ]  # fmt: skip
    part = result.slices[1]
    assert part["accuracy"] == pytest.approx(result.correct[[0, 1, 4, 7]].mean())


def test_it_shows_itself(result):
    text = repr(result)
    assert text.splitlines()[0].endswith(": 8 texts")
    for part in (
        "accuracy",
        "calibration error",
        "95% interval",
        "labels",
        "confusions",
        "slices",
        "most confident mistakes",
    ):
        assert part in text
    assert result._repr_html_().count("<table>") == 5


def test_plain_values(result):
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["rows"] == 8
    assert found["metrics"]["accuracy"]["value"] == result["accuracy"]


def test_frames(result):
    pytest.importorskip("pandas")
    assert result.to_frame().set_index("metric").loc["accuracy", "value"] == result["accuracy"]
    rows = result.to_frame("rows")
    assert list(rows.columns) == [
        "text", "label", "predicted", "tokens", "correct", "score_ham", "score_spam", "score_other", "day"
    ]  # fmt: skip
    assert len(result.to_frame("mistakes")) == len(result.mistakes)
    with pytest.raises(ValueError, match="of is 'all'; it must be one of metrics, classes"):
        result.to_frame("all")


@pytest.mark.parametrize("pairs", [None, ["b", "a"]])
def test_frames_without_rows_have_their_columns(pairs):
    """So that code that reads a column works on a perfect result, too."""
    pytest.importorskip("pandas")
    model, texts = deberta_c.default_model(), ["See you at home", "WIN a prize! Call now"]
    right = deberta_c.evaluate(model, texts, ["ham", "spam"], text_pair=pairs, resamples=0)
    wrong = deberta_c.evaluate(model, texts, ["spam", "ham"], text_pair=pairs, resamples=0)
    assert len(wrong.to_frame("mistakes")) == len(wrong.to_frame("confusions")) == 2
    for name in ("mistakes", "confusions"):
        found = right.to_frame(name)
        assert (len(found), list(found)) == (0, list(wrong.to_frame(name)))
    same = deberta_c.compare(model, model, texts, ["ham", "spam"], text_pair=pairs, resamples=0)
    pair = [] if pairs is None else ["pair"]
    assert list(same.to_frame("differences")) == ["row", "text", *pair, "label", "first", "second", "better"]


def test_the_name_of_a_file_in_place_of_a_table():
    for call in (
        lambda: deberta_c.evaluate(deberta_c.default_model(), "test.csv"),
        lambda: deberta_c.compare(deberta_c.default_model(), deberta_c.default_model(), "test.csv"),
    ):
        with pytest.raises(TypeError, match=r"texts is one str, .*; to read the file, use pandas.read_csv\(...\)"):
            call()


def kinds_of_tables():
    rows = [{"body": text, "kind": label, "day": 1} for text, label in zip(TEXTS, LABELS, strict=True)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        "dicts": lambda: rows,
        "columns": lambda: columns,
        "pandas": lambda: pytest.importorskip("pandas").DataFrame(rows),
        "polars": lambda: pytest.importorskip("polars").DataFrame(rows),
        "arrow": lambda: pytest.importorskip("pyarrow").table(columns),
    }


@pytest.mark.parametrize("kind", list(kinds_of_tables()))
def test_tables_of_every_kind(model, result, kind):
    found = deberta_c.evaluate(model, kinds_of_tables()[kind](), text="body", label="kind", by="day", resamples=0)
    assert found["accuracy"] == result["accuracy"]
    assert found.columns == {"day": [1] * 8}
    assert np.isnan(found.metrics["accuracy"].low)


def test_ways_to_a_model(model, tiny, result):
    classifier = deberta_c.pipeline("text-classification", model)
    labels = [NAMES.index(label) for label in LABELS]
    for way in (str(tiny), tiny, classifier, deberta_c.Handle(tiny)):
        found = deberta_c.evaluate(way, TEXTS, labels, resamples=0)
        assert found.scores == pytest.approx(result.scores, abs=1e-6)
        assert found["f1_macro"] == result["f1_macro"]


def test_an_estimator_of_scikit_learn(result):
    linear = pytest.importorskip("sklearn.linear_model")
    text = pytest.importorskip("sklearn.feature_extraction.text")
    made = pytest.importorskip("sklearn.pipeline").make_pipeline(text.CountVectorizer(), linear.LogisticRegression())
    made.fit(TEXTS, LABELS)
    found = deberta_c.evaluate(made, TEXTS, LABELS, resamples=0)
    assert found["accuracy"] == made.score(TEXTS, LABELS)
    assert found.length_unit == "words"
    both = deberta_c.compare(made, made, TEXTS, LABELS, resamples=10)
    assert both.metrics["accuracy"].difference == 0


def test_a_classifier_of_independent_labels_and_one_of_pairs():
    """The estimators of deberta_c, whose predictions are those of their model."""
    DebertaClassifier = pytest.importorskip("deberta_c.sklearn").DebertaClassifier
    several = DebertaClassifier(epochs=1).fit(TEXTS, [[1, 0], [1, 1]] * 4)
    found = deberta_c.evaluate(several, TEXTS, [["0"], ["0", "1"]] * 4, resamples=0)
    expected = deberta_c.evaluate(several.model_, TEXTS, [[1, 0], [1, 1]] * 4, resamples=0)
    assert found.problem == "multi_label_classification"
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)
    assert found["accuracy"] == expected["accuracy"]
    seconds = TEXTS[::-1]
    frame = pytest.importorskip("pandas").DataFrame({"a": TEXTS, "b": seconds})
    for table in (frame, frame.to_numpy(object)):
        pairs = DebertaClassifier(epochs=1).fit(table, ["x", "y"] * 4)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = deberta_c.evaluate(pairs, TEXTS, ["x", "y"] * 4, text_pair=seconds, resamples=0)
        assert found.scores == pytest.approx(pairs.predict_proba(table))


def test_a_column_for_each_label(make_model):
    """The columns of a DataFrame are found by their names, in the order of each model."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 0, 0], [0, 1, 1]] * 4, columns=["other", "ham", "spam"])
    options = {"problem_type": "multi_label_classification"}
    one, other = make_model(**options), make_model(**options, id2label={"0": "spam", "1": "ham", "2": "other"})
    wanted = [["other"], ["ham", "spam"]] * 4
    assert deberta_c.evaluate(one, TEXTS, frame, resamples=0).wanted == wanted
    found = deberta_c.compare(one, other, TEXTS, frame, resamples=0)
    assert [sorted(names) for names in found.second.wanted] == wanted
    anonymous = frame.set_axis(["a", "b", "c"], axis=1)
    assert deberta_c.evaluate(one, TEXTS, anonymous, resamples=0).wanted[1] == ["spam", "other"]


def test_two_labels_of_one_name(make_model):
    model = make_model(id2label={"0": "a", "1": "a", "2": "b"})
    assert deberta_c.evaluate(model, TEXTS[:3], [0, 1, 2], resamples=0).wanted == ["a", "a", "b"]
    with pytest.raises(ValueError, match=r"labels\[1\] is 'a', which is not a label of the model"):
        deberta_c.evaluate(model, TEXTS[:2], ["b", "a"], resamples=0)


def test_numbers_in_the_names_of_slices():
    values = [1234567.0, 1234568.0, 0.1]
    assert [name for name, _ in by_column(values)] == ["0.1", "1234567", "1234568"]
    assert len(list(by_column([10**400 + number for number in range(30)]))) == 20  # beyond any float
    seconds = [1.7e9 + 60 * number for number in range(40)]
    assert next(by_column(seconds))[0] == "1700000000 to 1700000540"


def test_zero_shot(tmp_path):
    nli = write_model(tmp_path / "nli", id2label={"0": "entailment", "1": "neutral", "2": "contradiction"})
    classifier = deberta_c.pipeline("zero-shot-classification", nli, candidate_labels=["home", "call"])
    found = deberta_c.evaluate(classifier, TEXTS[:3], ["home", "call", "home"], resamples=0)
    assert found.labels == ["call", "home"]
    numbers = deberta_c.evaluate(classifier, TEXTS[:3], [1, 2, 1], candidate_labels=[2, 1], resamples=0)
    assert (numbers.labels, numbers.wanted) == (["1", "2"], ["1", "2", "1"])
    answers = classifier(TEXTS[:3])
    assert found.predicted == [answer["labels"][0] for answer in answers]
    several = deberta_c.evaluate(classifier, TEXTS[:3], [["home"], ["call"], []], resamples=0, multi_label=True)
    assert several.problem == "multi_label_classification"
    assert several.scores.sum(axis=1) != pytest.approx(np.ones(3), abs=1e-3)


def test_pairs(model):
    seconds = TEXTS[::-1]
    found = deberta_c.evaluate(model, TEXTS, LABELS, text_pair=seconds, resamples=0)
    assert found.scores == pytest.approx(model.predict_proba(TEXTS, seconds))
    assert "pair" in found.mistakes[0]
    table = {"text": TEXTS, "other": seconds, "label": LABELS}
    assert (deberta_c.evaluate(model, table, text_pair="other", resamples=0).scores == found.scores).all()


def test_independent_labels(make_model):
    model = make_model(problem_type="multi_label_classification")
    labels = [["ham"], ["spam", "other"], [], ["ham"], ["other"], ["ham", "spam"], ["spam"], []]
    found = deberta_c.evaluate(model, TEXTS, labels, resamples=20)
    assert found.wanted == labels
    assert found.confusion.shape == (3, 2, 2)
    assert list(found.metrics)[:2] == ["accuracy", "f1_macro"]
    zeros = np.array([[name in row for name in NAMES] for row in labels], int)
    worst = abs(zeros - found.scores).max(axis=1)  # of the decision that is most wrong
    assert [row["score"] for row in found.mistakes] == sorted(
        (worst[row["row"]] for row in found.mistakes), reverse=True
    )
    assert {row["row"] for row in found.mistakes} == set(np.flatnonzero(worst > 0.5))
    assert deberta_c.evaluate(model, TEXTS, zeros, resamples=0)["f1_macro"] == found["f1_macro"]


def test_regression(make_model):
    model = make_model(id2label={"0": "LABEL_0"}, problem_type="regression")
    numbers = np.linspace(-1, 1, 8)
    found = deberta_c.evaluate(model, TEXTS, numbers, resamples=30)
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(model)
    error = opened.predict(TEXTS)[:, 0] - numbers
    assert found["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)
    assert list(found.metrics) == ["rmse", "mae", "r2", "pearson", "spearman"]
    assert len(found.mistakes) == 8
    assert found.classes == []
    with pytest.raises(ValueError, match="a regression has no labels"):
        found.correct  # noqa: B018
    assert deberta_c.compare(model, model, TEXTS, numbers, resamples=5).p_value is None
    assert "largest errors" in repr(found)


def test_one_score_is_a_probability_if_labels_are_0_and_1(make_model):
    model = make_model(id2label={"0": "relevant"})
    found = deberta_c.evaluate(model, TEXTS, [1, 0, 1, 1, 0, 0, 1, 0], resamples=0)
    opened = deberta_c.AutoModelForSequenceClassification.from_pretrained(model)
    assert found.problem == "multi_label_classification"
    assert found.scores == pytest.approx(opened.predict_proba(TEXTS), abs=1e-6)
    classifier = deberta_c.pipeline("text-classification", str(model))
    by_pipeline = deberta_c.evaluate(classifier, TEXTS, [1, 0, 1, 1, 0, 0, 1, 0], resamples=0)
    assert by_pipeline.problem == "multi_label_classification"
    assert by_pipeline.scores == pytest.approx(found.scores, abs=1e-6)
    assert deberta_c.evaluate(model, TEXTS, [0.5, 2, 1, 1, 0, 0, 1, 0], resamples=0).problem == "regression"


def test_names_of_labels_that_look_like_numbers(make_model):
    model = make_model(id2label={"0": "1", "1": "2", "2": "3"})
    for labels in ([1, 2], [1.0, 2.0], ["1", "2"]):  # floats: of a column that had missing values
        assert deberta_c.evaluate(model, TEXTS[:2], labels, resamples=0).wanted == ["1", "2"]
    assert deberta_c.evaluate(model, TEXTS[:2], [0, 2.0], resamples=0).wanted == ["1", "3"]  # numbers from 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS,), "labels is missing; give a label for each text"),
        ((TEXTS, LABELS[:-1]), "texts has 8 rows, but labels 7"),
        (
            (TEXTS, ["ham", "Spam", *LABELS[2:]]),
            r"labels\[1\] is 'Spam', which is not a label of the model; its labels",
        ),
        ((TEXTS, [0, 1, 2, 3, 0, 0, 0, 0]), r"labels\[\d\] is \d, which is not a label of the model"),
        ((TEXTS, [["ham"]] * 8), "the model has one label for each text"),
        (
            ({"texts": TEXTS, "label": LABELS},),
            r"no column 'text', it has \['texts', 'label'\]; did you mean",
        ),
        (({"text": [None, "a"], "label": ["ham", "ham"]},), r"column 'text'\[0\] is missing"),
        (({"text": ["a"], "label": [None]},), r"column 'label'\[0\] is missing"),
        ((TEXTS, [float("inf")] * 8), r"labels\[0\] is inf, which is not a label of the model"),
    ],
)
def test_wrong_data(model, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        deberta_c.evaluate(model, *arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": -1}, "resamples is -1; give the number of draws"),
        ({"confidence": 95}, "confidence is 95; it must be between 0 and 1"),
        ({"bins": 0}, "bins is 0; it must be an integer"),
        ({"seed": -1}, "seed is -1; it must be an integer of at least 0"),
        ({"confidence": "0.9"}, "confidence is '0.9'; it must be between 0 and 1"),
        ({"by": "day"}, "by is 'day', which names a column, but the texts are"),
        ({"by": 3}, "by is 3; give the name of a column, a list of names, or a dict of columns"),
        ({"text_pair": 2}, "text_pair is 2, which names a column, but the texts are"),
        ({"max_lenght": 5}, "evaluate has no option 'max_lenght'; did you mean 'max_length'"),
        ({"text_pairs": TEXTS}, "text_pairs is no option here; give text_pair= the column of second texts"),
        ({"pair": "more"}, "pair is no option here; give text_pair="),
    ],
)
def test_wrong_options(model, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        deberta_c.evaluate(model, TEXTS, LABELS, **options)


def test_unknown_options_name_the_function_that_was_called(model, tmp_path):
    """Neither `predict_proba` nor a pipeline, which the caller does not see; each lists what may be given."""
    arguments = (TEXTS, LABELS)
    estimator = pytest.importorskip("sklearn.pipeline").make_pipeline(
        pytest.importorskip("sklearn.feature_extraction.text").CountVectorizer(),
        pytest.importorskip("sklearn.naive_bayes").MultinomialNB(),
    )
    estimator.fit(*arguments)
    pipe = deberta_c.pipeline("text-classification", model)
    nli = write_model(tmp_path / "nli", id2label={"0": "entailment", "1": "neutral", "2": "contradiction"})
    zero_shot = deberta_c.pipeline("zero-shot-classification", nli, candidate_labels=["ham", "spam"])
    for called in (model, pipe, zero_shot, estimator):
        with pytest.raises(
            TypeError, match=r"^evaluate has no option 'metric'; all figures .* metrics\[\"f1_macro\"\]"
        ):
            deberta_c.evaluate(called, *arguments, metric="f1")
        with pytest.raises(TypeError, match=r"^assert_accuracy has no option 'metric'; the accuracy is asserted"):
            deberta_c.assert_accuracy(called, *arguments, at_least=0.5, metric="f1")
    for called in (model, pipe, zero_shot):
        with pytest.raises(TypeError, match=r"^evaluate has no option 'max_len'; did you mean 'max_length'"):
            deberta_c.evaluate(called, *arguments, max_len=8)
        with pytest.raises(TypeError, match=r"^evaluate has no option 'resample'; did you mean 'resamples'"):
            deberta_c.evaluate(called, *arguments, resample=8)
    with pytest.raises(TypeError, match=r"^compare has no option 'max_len'; did you mean 'max_length'"):
        deberta_c.compare(model, pipe, *arguments, max_len=8)
    own = pytest.importorskip("deberta_c.sklearn").DebertaClassifier()
    own.model_, own.classes_ = model, model.classes_
    with pytest.raises(TypeError, match=r"^evaluate has no option 'max_length'; it takes text, "):
        deberta_c.evaluate(own, *arguments, max_length=8)
    assert deberta_c.evaluate(model, *arguments, resamples=0, max_length=8, na="raise", batch_tokens=64).max_length == 8


def test_rows_of_another_number_of_labels(tmp_path):
    model = write_model(tmp_path, problem_type="multi_label_classification")
    with pytest.raises(ValueError, match=r"labels\[0\] is \[1, 0, 0, 0\], but the model has 3 labels"):
        deberta_c.evaluate(model, TEXTS[:4], np.eye(4, dtype=int))
    with pytest.raises(ValueError, match=r"labels\[0\] is nan, which is not a label of the model"):
        deberta_c.evaluate(model, TEXTS[:1], [[float("nan")]])


def test_a_label_that_is_no_number_of_a_label(tmp_path):
    model = write_model(tmp_path, id2label={"0": "a"}, problem_type="single_label_classification")
    with pytest.raises(ValueError, match=r"labels\[0\] is True, which is not a label of the model"):
        deberta_c.evaluate(model, TEXTS[:1], [True])


def test_lengths_are_those_before_texts_are_cut(model):
    found = deberta_c.evaluate(model, ["hello " * 100, "now"], ["ham", "spam"], resamples=0, max_length=8)
    assert found.lengths.tolist() == [102, 3]
    assert [row["slice"] for row in found.slices] == ["1 to 16", "65 to 128"]


def test_slices_of_many_values():
    groups = list(by_column([f"{day:02}" for day in range(25)] + ["24"] * 3))
    assert [name for name, _ in groups] == [*(f"{day:02}" for day in range(18)), "24", "6 others"]
    assert groups[-2][1].tolist() == [24, 25, 26, 27]
    assert groups[-1][1].tolist() == list(range(18, 24))
    numbers = [(name, len(rows)) for name, rows in by_column([*range(100), float("nan")])]
    assert numbers == [("0 to 24", 25), ("25 to 49", 25), ("50 to 74", 25), ("75 to 99", 25), ("missing", 1)]


def test_slices_by_lists(model):
    found = deberta_c.evaluate(model, TEXTS, LABELS, by={"tags": [["a"], ["a", "b"]] * 4}, resamples=0)
    assert [row["slice"] for row in found.slices[1:]] == ["['a', 'b']", "['a']"]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.full((8, 3), np.nan), "scores with NaN or infinite numbers for 8 texts"),
        (np.ones((8, 2)), r"scores with shape \(8, 2\) for 8 texts; .* each of its 3 labels"),
        (np.ones(8), r"scores with shape \(8,\)"),
    ],
)
def test_wrong_scores_of_an_estimator(scores, message):
    class Estimator:
        classes_ = np.array(NAMES)

        def predict_proba(self, texts):
            return scores

    with pytest.raises(ValueError, match=f"model 'Estimator' returned {message}"):
        deberta_c.evaluate(Estimator(), TEXTS, LABELS)


def test_compare_reads_streams_once(model):
    found = deberta_c.compare(model, model, iter(TEXTS), iter(LABELS), resamples=0)
    assert (len(found.first), found.p_value) == (8, 1.0)


def test_something_that_is_no_model():
    with pytest.raises(TypeError, match="model is a dict; give a directory, an opened classifier"):
        deberta_c.evaluate({}, TEXTS, LABELS)


def test_without_scikit_learn(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match="evaluate needs scikit-learn: `pip install scikit-learn`"):
        deberta_c.evaluate(model, TEXTS, LABELS)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 5), (3, 3), (0, 9), (10, 2), (500, 480)])
def test_mcnemar_is_the_binomial_test(only_first, only_second):
    stats = pytest.importorskip("scipy.stats")
    total = only_first + only_second
    expected = stats.binomtest(only_first, total).pvalue if total else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected)
    assert mcnemar(only_first, only_second) == mcnemar(only_second, only_first)


def test_mcnemar_of_many_disagreements():
    stats = pytest.importorskip("scipy.stats")
    assert mcnemar(700, 600) == pytest.approx(stats.chi2.sf((100 - 1) ** 2 / 1300, 1))
    assert mcnemar(700, 600) == pytest.approx(2 * sum(comb(1300, k) for k in range(601)) / 2**1300, rel=0.02)


def test_confusions_are_in_the_order_of_their_number(result):
    counts = result.confusion
    assert sum(row["rows"] for row in result.confusions) == counts.sum() - np.trace(counts)
    assert [row["rows"] for row in result.confusions] == sorted(
        (row["rows"] for row in result.confusions), reverse=True
    )
    for row in result.confusions:
        a, b = (result.labels.index(row[name]) for name in ("label", "predicted"))
        assert (a != b, row["rows"], row["share"]) == (True, counts[a, b], counts[a, b] / counts[a].sum())


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [(0, 12, "The second model is better"), (12, 0, "The first model is better"), (2, 3, "No model is clearly better")],
)
def test_the_verdict_of_a_comparison(first, second, said):
    texts = [f"text {row}" for row in range(20)]

    class Knows:
        classes_ = np.array(["a", "b"])

        def __init__(self, wrong):
            self.wrong = wrong

        def predict_proba(self, texts):
            scores = np.tile([0.9, 0.1], (len(texts), 1))
            scores[self.wrong] = scores[self.wrong, ::-1]
            return scores

    one, other = Knows(range(second)), Knows(range(19 - first, 19))
    found = deberta_c.compare(one, other, texts, ["a"] * 20, resamples=10)
    assert (found.only_first, found.only_second) == (first, second)
    assert said in repr(found)
    assert said in found._repr_html_()


def test_compare(model, tmp_path):
    other = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "b", add=None))
    weights = {"first": model, "second": other}
    other.config.id2label = {0: "spam", 1: "ham", 2: "other"}  # the same scores under other names
    found = deberta_c.compare(*weights.values(), TEXTS, LABELS, resamples=40)
    assert found.only_first == sum(row["better"] == "first" for row in found.differences)
    assert found.only_second == sum(row["better"] == "second" for row in found.differences)
    figure = found.metrics["accuracy"]
    assert figure.difference == pytest.approx((found.only_second - found.only_first) / 8)
    assert figure.low <= figure.difference <= figure.high
    assert found.p_value == mcnemar(found.only_first, found.only_second)
    assert "McNemar's test" in repr(found)
    assert "<table>" in found._repr_html_()
    assert [row["label"] for row in found.classes] == found.first.labels
    for row in found.slices:
        assert row["difference"] == pytest.approx(row["second"] - row["first"])
        assert row["low"] <= row["difference"] <= row["high"]
    assert len(found.to_frame("slices")) == len(found.first.slices)
    json.dumps(found.to_dict(), allow_nan=False)
    other.config.id2label = {0: "a", 1: "b", 2: "ham"}
    with pytest.raises(ValueError, match="is not a label of model_b"):
        deberta_c.compare(model, other, TEXTS, LABELS)
    with pytest.raises(
        ValueError, match=r"model_a predicts \['ham', 'spam', 'other'\] .*, but model_b \['a', 'b', 'ham'\]"
    ):
        deberta_c.compare(model, other, TEXTS, ["ham"] * 8, resamples=0)


def test_compare_names_the_model_that_lacks_a_label(model, make_model):
    other = make_model(id2label={"0": "ham", "1": "spam", "2": "odd"})
    for models, name in (((model, other), "model_b"), ((other, model), "model_a")):
        with pytest.raises(ValueError, match=f"labels.3. is 'other', which is not a label of {name}; its labels are"):
            deberta_c.compare(*models, TEXTS, LABELS, resamples=0)


@pytest.mark.parametrize("kind", ["Arrow stream", "dicts", "stranger"])
def test_tables_of_other_kinds(model, kind):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"message": TEXTS, "kind": LABELS})

    class Stranger:
        def __arrow_c_stream__(self, requested_schema=None):
            return table.__arrow_c_stream__(requested_schema)

    data = {"Arrow stream": table.to_reader(), "dicts": table.to_pylist(), "stranger": Stranger()}[kind]
    found = deberta_c.evaluate(model, data, text="message", label="kind", resamples=0)
    assert (found.texts, found.wanted) == (TEXTS, LABELS)
