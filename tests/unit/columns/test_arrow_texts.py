"""The tokenizer reads columns of Arrow in place and gives what it gives for lists."""

import sys

import numpy as np
import pytest

import deberta_c
from deberta_c._columns.arrow_texts import ArrowTexts, arrow_texts

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow", minversion="16")

TEXTS = ["one", "", "drei ü", "四 a long text that no view holds in place", "🙂"]
COLUMNS = {
    "string": lambda: pyarrow.array(TEXTS),
    "large string": lambda: pyarrow.array(TEXTS, pyarrow.large_string()),
    "view": lambda: pyarrow.array(TEXTS, pyarrow.string_view()),
    "slice": lambda: pyarrow.array(["before", *TEXTS, "after"])[1:-1],
    "slice of views": lambda: pyarrow.array(["before", *TEXTS, "after"], pyarrow.string_view())[1:-1],
    "chunks": lambda: pyarrow.chunked_array([TEXTS[:2], [], TEXTS[2:]]),
    "column of a table": lambda: pyarrow.table({"text": TEXTS})["text"],
    "polars": lambda: polars.Series(TEXTS),
    "slice of polars": lambda: polars.Series(["before", *TEXTS])[1:],
    "pandas of Arrow": lambda: pandas.Series(TEXTS, dtype=pandas.ArrowDtype(pyarrow.string())),
}
in_place = pytest.mark.skipif(
    not hasattr(pandas.Series, "__arrow_c_stream__"), reason="this pandas has no C interface of Arrow"
)


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=in_place if "pandas" in kind else ()) for kind in COLUMNS])
def test_columns_that_are_read_in_place(kind, tokenizer):
    column = COLUMNS[kind]()
    found = arrow_texts(column)
    assert found is not None
    assert (len(found), list(found), found[-1], found[1:3]) == (len(TEXTS), TEXTS, TEXTS[-1], TEXTS[1:3])
    assert found.utf8_buffers[1].size == len("".join(TEXTS).encode())  # a slice does not keep its column
    for options in ({}, {"return_tensors": "np", "padding": True}, {"return_offsets_mapping": True}):
        expected = tokenizer(TEXTS, **options)
        given = tokenizer(column, **options)
        assert list(given) == list(expected)
        assert all(np.array_equal(given[name], expected[name]) for name in expected if options.get("padding"))
        assert options.get("padding") or dict(given) == dict(expected)
    assert [row.tokens for row in tokenizer(column).encodings] == [row.tokens for row in tokenizer(TEXTS).encodings]
    assert dict(tokenizer(column, column)) == dict(tokenizer(TEXTS, TEXTS))


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        pandas.Series(TEXTS, dtype=object),
        pyarrow.array([1, 2]),
        pyarrow.array(["a", None]),
        pyarrow.array(TEXTS).dictionary_encode(),
        pyarrow.table({"text": TEXTS}),
        polars.Series(TEXTS, dtype=polars.Categorical),
        pyarrow.StringArray.from_buffers(1, pyarrow.py_buffer(np.array([0, 1], np.int32)), pyarrow.py_buffer(b"\xff")),
        pyarrow.StringArray.from_buffers(2, pyarrow.py_buffer(np.array([0, 2, 1], np.int32)), pyarrow.py_buffer(b"ab")),
    ],
    ids=["list", "objects", "numbers", "missing", "dictionary", "table", "categorical", "not UTF-8", "bad offsets"],
)
def test_columns_that_are_not(column):
    assert arrow_texts(column) is None


def test_errors_are_those_of_lists(tokenizer, model):
    with pytest.raises(ValueError, match=r"text\[1\] is missing"):
        tokenizer(pyarrow.array(["a", None]))
    with pytest.raises(ValueError, match="text has 1 rows, but text_pair 2"):
        tokenizer(pyarrow.array(["a"]), pyarrow.array(["a", "b"]))
    ends = pyarrow.py_buffer(np.array([0, 1, 2], np.int32))
    damaged = pyarrow.StringArray.from_buffers(2, ends, pyarrow.py_buffer(b"a\xff"))
    for column in (damaged, pandas.Series(damaged, dtype=pandas.ArrowDtype(pyarrow.string()))):
        with pytest.raises(ValueError, match=r"^text\[1\] is not UTF-8 \(.*; read the column as binary"):
            tokenizer(column)
        with pytest.raises(ValueError, match=r"^frame\[1\] is not UTF-8"):
            model.predict_frame(column)
    assert tokenizer(pyarrow.array([], pyarrow.string()))["input_ids"] == tokenizer([])["input_ids"]


def test_an_array_without_buffers(tokenizer):
    """Arrow allows an array of no rows to have no offset at all."""
    for kind in (pyarrow.string(), pyarrow.large_string()):
        for offsets in (None, pyarrow.py_buffer(b"")):
            column = pyarrow.Array.from_buffers(kind, 0, [None, offsets, pyarrow.py_buffer(b"")])
            assert tokenizer(column)["input_ids"] == []
            assert tokenizer(pyarrow.chunked_array([column]))["input_ids"] == []


def test_without_pyarrow(monkeypatch, tokenizer):
    monkeypatch.delitem(sys.modules, "pyarrow")
    column = polars.Series(TEXTS)
    assert arrow_texts(column) is None
    assert dict(tokenizer(column)) == dict(tokenizer(TEXTS))


@pytest.mark.parametrize("offsets", [[0, 2, 1], [0, 3], [-1, 1], []])
def test_the_core_checks_offsets(offsets, tokenizer):
    texts = ArrowTexts(np.array(offsets, np.int64), np.frombuffer(b"ab", np.uint8))
    with pytest.raises(ValueError, match="offsets of texts must ascend from 0"):
        tokenizer._core.encode(texts)


def test_the_core_checks_types(tokenizer):
    for buffers, error in (((1, 2), TypeError), (None, TypeError), ((None, None), ValueError), ("ab", TypeError)):
        texts = ArrowTexts(np.zeros(1, np.int64), np.zeros(0, np.uint8))
        texts.utf8_buffers = buffers
        with pytest.raises(error):
            tokenizer._core.encode(texts)
