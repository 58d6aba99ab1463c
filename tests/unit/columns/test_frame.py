"""Columns of every kind become lists of str, and missing values are found."""

import subprocess
import sys

import numpy as np
import pytest

from deberta_c._columns.texts import is_missing, raise_for_surrogate, rows_of, texts_of

TEXTS = ["one", "", "drei ü", "四"]


def columns():
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    return {
        "list": TEXTS,
        "tuple": tuple(TEXTS),
        "iterator": iter(TEXTS),
        "generator": (text for text in TEXTS),
        "dict keys": dict.fromkeys(TEXTS).keys(),
        "ndarray of str": np.array(TEXTS),
        "ndarray of object": np.array(TEXTS, object),
        "Series of object": pandas.Series(TEXTS, dtype=object),
        "Series of string": pandas.Series(TEXTS, dtype="string"),
        "Series of Arrow": pandas.Series(TEXTS, dtype=pandas.ArrowDtype(pyarrow.string())),
        "categorical Series": pandas.Series(TEXTS, dtype="category"),
        "Series with an index": pandas.Series(TEXTS, index=[3, 1, 2, 0]),
        "Index": pandas.Index(TEXTS),
        "polars": polars.Series(TEXTS),
        "Arrow array": pyarrow.array(TEXTS),
        "chunked Arrow array": pyarrow.chunked_array([TEXTS[:1], TEXTS[1:]]),
        "list of np.str_": list(np.array(TEXTS)),
    }


@pytest.mark.parametrize("kind", list(columns()))
def test_columns(kind):
    texts, missing = texts_of(columns()[kind], "texts")
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}
    assert missing is None


def missing_columns():
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    texts = ["one", None, "three"]
    return {
        "None": texts,
        "NaN": ["one", float("nan"), "three"],
        "np.nan": ["one", np.float32("nan"), "three"],
        "pd.NA": ["one", pandas.NA, "three"],
        "pd.NaT": ["one", pandas.NaT, "three"],
        "Series of object": pandas.Series(texts, dtype=object),
        "Series of string": pandas.Series(texts, dtype="string"),
        "default Series": pandas.Series(texts),
        "Series of Arrow": pandas.Series(texts, dtype=pandas.ArrowDtype(pyarrow.string())),
        "polars": polars.Series(texts),
        "Arrow": pyarrow.array(texts),
    }


@pytest.mark.parametrize("kind", list(missing_columns()))
def test_missing_values(kind):
    column = missing_columns()[kind]
    with pytest.raises(ValueError, match=r'texts\[1\] is missing .* na="empty"'):
        texts_of(column, "texts", "raise")
    with pytest.raises(ValueError, match=r"texts\[1\] is missing .* put '' in their place$"):
        texts_of(column, "texts")  # of a caller that has no `na`
    for na in ("empty", "skip"):
        texts, missing = texts_of(column, "texts", na)
        assert texts == ["one", "", "three"]
        assert missing.tolist() == [False, True, False]


def test_the_column_itself_is_not_changed():
    column = ["one", None]
    texts_of(column, "texts", "empty")
    assert column == ["one", None]


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("one text", TypeError, r"texts is one str.* give a list: \[texts\]"),
        (b"bytes", TypeError, "texts is one bytes"),
        ({"text": ["a"]}, TypeError, "texts is a dict"),
        ({"a", "b"}, TypeError, "texts is a set, which has no order"),
        (frozenset("ab"), TypeError, "texts is a frozenset, which has no order"),
        (3, TypeError, "texts is 3 of type int"),
        (["a", 3], TypeError, r"texts\[1\] is 3 of type int; it must be a str"),
        (["a", b"b"], TypeError, r"texts\[1\] is b'b' of type bytes"),
        ([["a", "b"]], TypeError, r"texts\[0\] is \['a', 'b'\] of type list"),
        (np.array([["a"], ["b"]]), ValueError, r"shape \(2, 1\)"),
        (np.array("a"), ValueError, r"shape \(\)"),
        (np.array([1.5]), TypeError, r"texts\[0\] is 1.5"),
    ],
)
def test_values_that_are_not_columns(column, error, message):
    with pytest.raises(error, match=message):
        texts_of(column, "texts")


def test_a_frame_is_not_a_column():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r'frame\["text"\]'):
        texts_of(pandas.DataFrame({"text": ["a"]}), "texts")


def test_unknown_policy():
    with pytest.raises(ValueError, match="na is 'drop'"):
        texts_of(["a"], "texts", "drop")


def test_is_missing():
    assert all(map(is_missing, (None, float("nan"), np.float64("nan"))))
    assert not any(map(is_missing, ("", "nan", 0, 0.0, False, [])))


def test_the_surrogate_is_found():
    raise_for_surrogate(["fine", "\U0001f600"], rows_of("texts"))
    with pytest.raises(ValueError, match=r"texts\[2\] has a lone surrogate at index 1"):
        raise_for_surrogate(["fine", "", "a\ud83d"], rows_of("texts"))


def test_columns_import_nothing():
    code = "import sys, deberta_c._columns.texts as f; f.texts_of(['a', None], 'texts', 'skip'); "
    code += "print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
