"""predict and predict_proba: order, duplicates, pairs, missing values, limits, progress, interruption."""

import warnings

import numpy as np
import pytest

from deberta_c import AutoModelForSequenceClassification, MissingHeadWarning, TruncationWarning, pipeline
from deberta_c._models import predict as predict_module
from tests.support.data_sets import Texts

TEXTS = ["hello world", "free entry at home now call now", "", "now", "hello world", "see you at home", "now"] * 3
TOLERANCE = 1e-5


class Counting:
    """A core model that records the rows and tokens of each forward pass."""

    def __init__(self, core):
        self.core = core
        self.batches = []

    def forward(self, ids, offsets, **arguments):
        self.batches.append(np.diff(offsets).tolist())
        return self.core.forward(ids, offsets, **arguments)


@pytest.fixture
def counted(tiny):
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    model._core = Counting(model._core)
    return model


def test_order_is_restored(model, tokenizer):
    expected = np.concatenate([model(**tokenizer(text, return_tensors="np")).logits for text in TEXTS])
    for budget in (1, 7, 10**6):
        found = model.predict(TEXTS, batch_tokens=budget)
        assert found.shape == (len(TEXTS), 3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    np.testing.assert_allclose(model(**inputs).logits, expected, atol=TOLERANCE)
    assert len(np.unique(expected, axis=0)) == 5


def test_each_text_once_and_within_the_budget(counted):
    counted.predict(TEXTS, batch_tokens=10)
    batches = counted._core.batches
    assert [length for batch in batches for length in batch] == [9, 6, 4, 3, 2]
    assert [sum(batch) for batch in batches] == [9, 10, 5]
    counted._core.batches.clear()
    counted.predict(TEXTS, batch_tokens=1)
    assert [len(batch) for batch in counted._core.batches] == [1] * 5


@pytest.fixture
def windows_of_two(monkeypatch):
    monkeypatch.setattr(predict_module, "_WINDOW", 2)


def test_windows_change_nothing(model, counted, monkeypatch):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    expected = model.predict(TEXTS)
    by_window = pandas.Series(TEXTS, index=range(len(TEXTS), 0, -1)), pyarrow.array(TEXTS), np.array(TEXTS), TEXTS
    for window in (1, 2, 7, len(TEXTS), len(TEXTS) + 1):
        monkeypatch.setattr(predict_module, "_WINDOW", window)
        for column in (*by_window, iter(TEXTS), (text for text in TEXTS)):
            counted._core.batches.clear()
            np.testing.assert_allclose(counted.predict(column), expected, atol=TOLERANCE)
            assert sum(map(len, counted._core.batches)) == 5  # each text once, in any window


def test_texts_are_forgotten_beyond_the_limit(counted, windows_of_two, monkeypatch):
    monkeypatch.setattr(predict_module, "_REMEMBERED", 0)
    found = counted.predict(["now", "now", "now", "hello", "hello", "now"])
    assert sum(map(len, counted._core.batches)) == 5
    np.testing.assert_allclose(found, found[[0, 0, 0, 3, 3, 0]], atol=TOLERANCE)


def test_pairs_in_windows(model, windows_of_two):
    firsts, seconds = ["hello", "hello", "now", "hello", None], ["world", "home", None, "world", "now"]
    whole = np.concatenate([model.predict([a], [b], na="skip") for a, b in zip(firsts, seconds, strict=True)])
    for columns in ((firsts, seconds), (iter(firsts), seconds), (firsts, iter(seconds)), (iter(firsts), iter(seconds))):
        np.testing.assert_allclose(model.predict(*columns, na="skip"), whole, atol=TOLERANCE)
    for short in (iter(["a"]), iter(["a"] * 2), iter(["a"] * 3)):
        with pytest.raises(
            ValueError, match=r"^text_pairs has more rows than texts, which has [123]; give two columns"
        ):
            model.predict(short, ["b"] * 4)
    with pytest.raises(ValueError, match=r"^texts has more rows than text_pairs, which has 0; give two columns"):
        model.predict(iter(["a"]), iter([]))


def test_missing_values_in_windows(model, windows_of_two):
    texts = [None, "", "now", float("nan"), "hello"]
    found = model.predict(iter(texts), na="skip")
    assert np.isnan(found).any(axis=1).tolist() == [True, False, False, True, False]
    np.testing.assert_allclose(found[1:3], model.predict(["", "now"]), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [(3, TypeError, "is 3 of"), (None, ValueError, "is missing"), ("b\ud800", ValueError, "has a lone surrogate")],
)
def test_errors_in_later_windows_name_their_row(counted, windows_of_two, bad, error, message):
    texts = ["a", "now", "hello", "a", "now", bad]
    with pytest.raises(error, match=rf"^texts\[5\] {message}"):
        counted.predict(iter(texts))
    assert counted._core.batches
    counted._core.batches.clear()
    with pytest.raises(error, match=rf"^texts\[5\] {message}"):
        counted.predict(texts)
    assert bool(counted._core.batches) == isinstance(bad, str)  # the other errors are raised before any work


def test_one_warning_of_the_cuts_in_all_windows(model, windows_of_two):
    long = "hello now " * 50
    texts = [long, "now", long, long + "now", "hello"]
    with pytest.warns(TruncationWarning, match="2 of 4 different texts lost tokens") as caught:
        model.predict(iter(texts))
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["progress", "proba"])
def test_booleans(model, name):
    """Any str except an empty one is true in Python."""
    call = model.predict_frame if name == "proba" else model.predict
    with pytest.raises(TypeError, match=f"{name} is 'no' of type str; give True or False"):
        call({"text": TEXTS} if name == "proba" else TEXTS, **{name: "no"})


def test_progress_of_windows(model, windows_of_two, capsys, monkeypatch):
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)  # tqdm is not installed
    model.predict(TEXTS, progress=True)
    assert capsys.readouterr().err.endswith(f"\r{len(TEXTS)} of {len(TEXTS)} texts\n")
    model.predict(iter(TEXTS), progress=True)
    assert capsys.readouterr().err.endswith(f"\r{len(TEXTS)} texts\n")


def test_wrappers_of_an_iterator_are_read_once(model):
    class Wrapped:
        def __init__(self, values):
            self.values = values

        def __iter__(self):
            return self.values

        def __len__(self):
            return 2

    assert model.predict(Wrapped(iter(["now", "hello"]))).shape == (2, 3)


def test_columns(model):
    pandas = pytest.importorskip("pandas")
    expected = model.predict(TEXTS)
    for column in (pandas.Series(TEXTS), np.array(TEXTS), tuple(TEXTS), iter(TEXTS), (text for text in TEXTS)):
        np.testing.assert_array_equal(model.predict(column), expected)


def test_pairs(model, tokenizer):
    firsts, seconds = ["hello", "hello", "now", "hello"], ["world", "home", "", "world"]
    expected = [model(**tokenizer([a], [b], return_tensors="np")).logits for a, b in zip(firsts, seconds, strict=True)]
    found = model.predict(firsts, seconds)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=TOLERANCE)
    np.testing.assert_array_equal(found[0], found[3])
    assert np.abs(found - model.predict(firsts)).max() > 1e-4


def test_missing_values(model):
    texts = ["hello", None, "now", float("nan")]
    filled = model.predict(["hello", "", "now", ""])
    with pytest.raises(ValueError, match=r"texts\[1\] is missing"):
        model.predict(texts)
    np.testing.assert_array_equal(model.predict(texts, na="empty"), filled)
    skipped = model.predict(texts, na="skip")
    np.testing.assert_array_equal(skipped[[0, 2]], filled[[0, 2]])
    assert np.isnan(skipped[[1, 3]]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(model.predict_proba(texts, na="skip")).any(axis=1).tolist() == [False, True, False, True]
    pairs = model.predict(["a", None, "c"], ["a", "b", None], na="skip")
    assert np.isnan(pairs).any(axis=1).tolist() == [False, True, True]


def test_no_rows(model):
    for empty in ([], iter([]), np.array([], dtype=str)):
        assert model.predict(empty).shape == (0, 3)
        assert model.predict_proba(empty).shape == (0, 3)
    assert model.predict([], []).dtype == np.float32


def test_probabilities(model, tiny):
    logits = model.predict(TEXTS).astype(np.float64)
    found = model.predict_proba(TEXTS)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    load = AutoModelForSequenceClassification.from_pretrained
    several = load(tiny, problem_type="multi_label_classification")
    np.testing.assert_allclose(several.predict_proba(TEXTS), 1 / (1 + np.exp(-logits)), atol=1e-6)
    with pytest.raises(ValueError, match=r"regression.*call predict"):
        load(tiny, problem_type="regression").predict_proba(TEXTS)


def test_a_single_logit_is_a_probability(make_model):
    model = AutoModelForSequenceClassification.from_pretrained(make_model(id2label={"0": "score"}))
    logits = model.predict(TEXTS)
    assert logits.shape == (len(TEXTS), 1)
    np.testing.assert_allclose(model.predict_proba(TEXTS), 1 / (1 + np.exp(-logits.astype(float))), atol=1e-6)


def test_truncation(model, tokenizer):
    long = "hello now " * 50
    with pytest.warns(TruncationWarning, match="1 of 2 different texts lost tokens to the limit of 64") as caught:
        found = model.predict([long, "now", long])
    assert caught[0].filename == __file__
    assert caught[0].message.count == 1
    with pytest.warns(TruncationWarning) as caught:
        model.predict_proba([long])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(model.predict([long], max_length=64), found[:1], atol=TOLERANCE)
        whole = model.predict([long], truncation=False)
        inputs = tokenizer(long, return_tensors="np", verbose=False)
        assert inputs.input_ids.shape == (1, 102)
        np.testing.assert_allclose(whole, model(**inputs).logits, atol=TOLERANCE)


def test_another_tokenizer(model, make_model):
    directory = make_model()
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    other = AutoModelForSequenceClassification.from_pretrained(directory).tokenizer
    np.testing.assert_array_equal(model.predict(["HELLO"], tokenizer=other), model.predict(["hello"]))


def test_a_tokenizer_of_another_model(make_model, tokenizer):
    small = AutoModelForSequenceClassification.from_pretrained(make_model(vocab_size=20))
    with pytest.raises(ValueError, match=r"^texts\[3\] has the id \d\d, but .*vocab_size is 20: the tokenizer belongs"):
        small.predict(["now", "hello", "now", "no?", "no?", "see you at home"], tokenizer=tokenizer)
    assert small.predict(["now", "hello"], tokenizer=tokenizer).shape == (2, 3)


def test_more_tokens_than_absolute_positions(make_model):
    biased = AutoModelForSequenceClassification.from_pretrained(
        make_model(position_biased_input=True, max_position_embeddings=8)
    )
    texts = ["now", "hello", "now", "see you at home " * 2, "call"]
    with pytest.raises(ValueError, match=r"^texts\[3\] has 10 tokens, .*positions?_embeddings, which is 8; give trunc"):
        biased.predict(texts, truncation=False)
    assert biased.predict(texts, max_length=8).shape == (5, 3)
    assert biased.predict([], truncation=False).shape == (0, 3)
    with pytest.raises(ValueError, match=r"row 1 of input_ids has a token in column 9, but .* is 8; .*max_length"):
        biased([[1] * 10] * 2, [[1] * 8 + [0] * 2, [0] * 4 + [1] * 6])
    assert biased([[1] * 10] * 2, [[1] * 8 + [0] * 2] * 2).logits.shape == (2, 3)


def test_progress(model, capsys, monkeypatch):
    expected = model.predict(TEXTS)
    np.testing.assert_array_equal(model.predict(TEXTS, progress=True), expected)
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)  # tqdm is not installed
    capsys.readouterr()
    np.testing.assert_array_equal(model.predict(TEXTS, progress=True, batch_tokens=10), expected)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith(f"\r{len(TEXTS)} of {len(TEXTS)} texts\n")


def test_interruption_ends_after_the_batch(counted):
    class Interrupting(Counting):
        def forward(self, *arguments, **keywords):
            super().forward(*arguments, **keywords)
            raise KeyboardInterrupt

    counted._core = Interrupting(counted._core.core)
    with pytest.raises(KeyboardInterrupt):
        counted.predict(TEXTS, batch_tokens=1)
    assert len(counted._core.batches) == 1


def test_an_error_ends_the_line_of_progress(counted, capsys, monkeypatch):
    class Failing(Counting):
        def forward(self, *arguments, **keywords):
            if self.batches:
                raise RuntimeError("broken")
            return super().forward(*arguments, **keywords)

    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    counted._core = Failing(counted._core.core)
    with pytest.raises(RuntimeError, match="broken") as raised:
        counted.predict(TEXTS, batch_tokens=1, progress=True)
    assert raised.value.__context__ is None
    assert capsys.readouterr().err.endswith("texts\n")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"texts": "one text"}, TypeError, "texts is one str"),
        ({"texts": ["a", 3]}, TypeError, r"texts\[1\] is 3"),
        ({"texts": ["a", "a", "b\ud800", "b\ud800"]}, ValueError, r"texts\[2\] has a lone surrogate at index 1"),
        ({"texts": ["a"], "text_pairs": ["b\udfff"]}, ValueError, r"text_pairs\[0\] has a lone surrogate"),
        (
            {
                "texts": ["a"] * 3 + ["now"],
                "text_pairs": [""] * 3 + ["a b"],
                "truncation": "only_first",
                "max_length": 4,
            },
            ValueError,
            r"texts\[3\] has .* tokens more than max_length",
        ),
        ({"texts": ["a", "b"], "text_pairs": ["b"]}, ValueError, "texts has 2 rows, but text_pairs 1"),
        ({"texts": ["a"], "tokenizer": print}, TypeError, "tokenizer is of type builtin_function"),
        ({"texts": ["a"], "batch_tokens": 0}, ValueError, "batch_tokens is 0"),
        ({"texts": ["a"], "batch_tokens": "many"}, ValueError, "batch_tokens is 'many'"),
        ({"texts": ["a"], "na": "drop"}, ValueError, "na is 'drop'"),
        ({"texts": {"a", "b"}}, TypeError, "texts is a set"),
        ({"texts": ["a"], "truncation": "left"}, ValueError, "truncation is 'left'"),
        ({"texts": ["a"], "max_length": 1}, ValueError, "at least the 2 special tokens"),
    ],
)
def test_wrong_calls(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.predict(**arguments)
    assert model.predict(["a"]).shape == (1, 3)


def test_labels_of_rows(model, make_model):
    logits = model.predict([*TEXTS, TEXTS[0]])
    found = model.predict_labels([*TEXTS, TEXTS[0]])
    assert found.tolist() == [("ham", "spam", "other")[row.argmax()] for row in logits]
    assert all(type(label) is str for label in found)
    assert model.predict_labels([TEXTS[0], None], na="skip").tolist() == [found[0], None]
    assert model.predict_labels([]).shape == (0,)
    assert model.classes_.tolist() == model.config.classes_.tolist() == ["ham", "spam", "other"]
    with pytest.raises(TypeError, match="predict has no option 'labels'; predict_labels returns the label of each row"):
        model.predict(TEXTS, labels=True)
    load = AutoModelForSequenceClassification.from_pretrained
    directory = make_model()
    several = load(directory, problem_type="multi_label_classification")
    expected = [[several.labels()[i] for i in range(3) if row[i] > 0] for row in several.predict(TEXTS)]
    assert several.predict_labels(TEXTS).tolist() == expected
    for changes in ({"problem_type": "regression"}, {"num_labels": 1, "ignore_mismatched_sizes": True}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingHeadWarning)
            other = load(directory, **changes)
        with pytest.raises(ValueError, match="has no labels to choose from; call predict"):
            other.predict_labels(TEXTS)


def test_pairs_as_tuples(model):
    pairs = list(zip(TEXTS, reversed(TEXTS), strict=True))
    expected = model.predict(TEXTS, TEXTS[::-1])
    np.testing.assert_array_equal(model.predict(pairs), expected)
    np.testing.assert_array_equal(model.predict(tuple(map(list, pairs))), expected)
    assert model.predict_labels(pairs).tolist() == model.classes_[expected.argmax(1)].tolist()
    with pytest.raises(ValueError, match=r"texts\[1\] is 'hello', but rows such as texts\[0\] are pairs; .* row$"):
        model.predict([pairs[0], "hello"])
    with pytest.raises(ValueError, match=r"texts\[1\]\[1\] is missing"):
        model.predict([pairs[0], ("hello", None)])
    with pytest.raises(TypeError, match=r"texts\[0\] is .* of type tuple; .*; give pairs as two columns"):
        model.predict(iter(pairs))


def test_data_sets(model, windows_of_two):
    texts = [*TEXTS, *TEXTS]
    np.testing.assert_array_equal(model.predict(Texts(texts)), model.predict(texts))
    np.testing.assert_array_equal(model.predict(Texts(texts), Texts(texts[::-1])), model.predict(texts, texts[::-1]))
    rows = [{"text": text} for text in texts]
    with pytest.raises(TypeError, match=r"texts\[0\] is .* of type dict; .*; give a column of texts, such as"):
        model.predict(rows)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_labels"])
def test_unknown_arguments_are_named(model, method):
    with pytest.raises(
        TypeError,
        match=rf"^{method} has no option 'max_len'; did you mean 'max_length'\? It takes texts, .*batch_tokens",
    ):
        getattr(model, method)(TEXTS, max_len=8)


def test_a_lazy_frame_is_named_as_such(model):
    class LazyFrame:
        columns = ("text",)

    calls = {"texts": model.predict, "text": model.tokenizer, "inputs": pipeline("text-classification", model)}
    for name, call in calls.items():
        with pytest.raises(TypeError, match=rf"{name} is a LazyFrame, .*: frame.collect\(\)\[\"text\"\]"):
            call(LazyFrame())


def test_advice_is_never_the_default(make_model):
    folder = make_model(position_biased_input=True, relative_attention=False, pos_att_type=None)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    long = ["hello " * 200]
    with pytest.raises(ValueError, match="; give a max_length of at most 64"):
        model.predict(long, max_length=100)
    with pytest.raises(ValueError, match="; give truncation=True and a max_length of at most 64"):
        model.predict(long, truncation=False)
