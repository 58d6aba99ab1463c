"""Results of a tokenizer call besides ids: spans, words, windows, padding; and its other methods."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoTokenizer, BatchEncoding, BertTokenizer, CharSpan, PreTrainedTokenizerFast, TokenSpan

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "hello", ",", "word", "##s", *"abcdefgh", "##b"]
PAD, UNK, CLS, SEP, MASK, HELLO, COMMA, WORD, S, A, B, C, D, E, F, G, H, BB = range(len(VOCABULARY))
TEXT = "Hello, words"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return BertTokenizer.from_pretrained(write(tmp_path_factory.mktemp("bert")))


def write(folder):
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return folder


@pytest.fixture
def own(tmp_path):
    """A tokenizer that a test may change."""
    return AutoTokenizer.from_pretrained(write(tmp_path))


def test_all_columns_of_one_text(bert):
    encoding = bert(TEXT, return_offsets_mapping=True, return_special_tokens_mask=True, return_length=True)
    assert dict(encoding) == {
        "input_ids": [CLS, HELLO, COMMA, WORD, S, SEP],
        "token_type_ids": [0] * 6,
        "attention_mask": [1] * 6,
        "special_tokens_mask": [1, 0, 0, 0, 0, 1],
        "offset_mapping": [(0, 0), (0, 5), (5, 6), (7, 11), (11, 12), (0, 0)],
        "length": [6],
    }
    assert list(encoding) == [
        *("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping", "length")
    ]


def test_columns_can_be_left_out(bert, own):
    assert list(bert(TEXT, return_token_type_ids=False, return_attention_mask=False)) == ["input_ids"]
    own.model_input_names = ["input_ids", "attention_mask"]
    assert list(own(TEXT)) == ["input_ids", "attention_mask"]
    assert list(own(TEXT, return_token_type_ids=True)) == ["input_ids", "token_type_ids", "attention_mask"]


def test_where_tokens_come_from(bert):
    encoding = bert(TEXT)
    assert (encoding.is_fast, encoding.n_sequences, len(encoding.encodings)) == (True, 1, 1)
    assert encoding.tokens() == ["[CLS]", "hello", ",", "word", "##s", "[SEP]"]
    assert encoding.word_ids() == [None, 0, 1, 2, 2, None]
    assert encoding.sequence_ids() == [None, 0, 0, 0, 0, None]
    assert [encoding.char_to_token(char) for char in (0, 4, 5, 6, 7, 11, 12)] == [1, 1, 2, None, 3, 4, None]
    assert [encoding.char_to_word(char) for char in (0, 6, 11)] == [0, None, 2]
    assert [encoding.token_to_chars(token) for token in (0, 4, 9)] == [None, CharSpan(11, 12), None]
    assert [encoding.token_to_word(token) for token in (0, 4, -2, 9)] == [None, 2, 2, None]
    assert [encoding.token_to_sequence(token) for token in (0, 1, 9)] == [None, 0, None]
    assert [encoding.word_to_tokens(word) for word in (1, 2, 3)] == [TokenSpan(2, 3), TokenSpan(3, 5), None]
    assert [encoding.word_to_chars(word) for word in (2, 3)] == [CharSpan(7, 12), None]
    assert encoding.word_to_tokens(0, 2) == TokenSpan(3, 5)  # row 0, word 2
    with pytest.raises(IndexError):
        encoding.tokens(1)


def test_pairs(bert):
    encoding = bert([("a b", "b"), ("a", "")])
    assert encoding.input_ids == [[CLS, A, B, SEP, B, SEP], [CLS, A, SEP, SEP]]
    assert encoding.token_type_ids == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1]]
    assert encoding.n_sequences == 2
    assert encoding.sequence_ids(0) == [None, 0, 0, None, 1, None]
    assert encoding.word_ids(0) == [None, 0, 1, None, 0, None]
    assert encoding[0].offsets == [(0, 0), (0, 1), (2, 3), (0, 0), (0, 1), (0, 0)]
    assert encoding.char_to_token(0, 0) == 1
    assert encoding.char_to_token(0, 0, 1) == 4
    assert encoding.char_to_token(0, 2, 1) is None
    assert encoding.word_to_chars(0, 0, 1) == CharSpan(0, 1)
    assert encoding.char_to_token(1, 0, 1) is None
    assert [row.n_sequences for row in encoding[0:2]] == [2, 2]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_part_of_a_row(bert, side):
    encoding = bert(["a", TEXT], padding=True, padding_side=side, return_offsets_mapping=True, return_length=True)
    row = encoding[0]
    at = slice(3, 6) if side == "left" else slice(0, 3)
    for column, own, filler in (
        (row.ids, [CLS, A, SEP], PAD),
        (row.type_ids, [0] * 3, 0),
        (row.tokens, ["[CLS]", "a", "[SEP]"], "[PAD]"),
        (row.offsets, [(0, 0), (0, 1), (0, 0)], (0, 0)),
        (row.word_ids, [None, 0, None], None),
        (row.sequence_ids, [None, 0, None], None),
        (row.attention_mask, [1] * 3, 0),
        (row.special_tokens_mask, [1, 0, 1], 1),
    ):
        expected = [filler] * 6
        expected[at] = own
        assert column == expected
    assert encoding.length == [6, 6]
    assert encoding.input_ids[0] == row.ids
    assert encoding.offset_mapping[0] == row.offsets
    assert encoding.char_to_token(0, 0) == at.start + 1
    assert len(row) == 6


def test_widths(bert):
    assert [len(row) for row in bert(["a", "a b"], padding=True, pad_to_multiple_of=4).input_ids] == [4, 4]
    assert [len(row) for row in bert(["a", "a b"], pad_to_multiple_of=4).input_ids] == [3, 4]
    ids = bert(["a", "a b c d"], padding="max_length", max_length=5, pad_to_multiple_of=4).input_ids
    assert [len(row) for row in ids] == [8, 8]
    assert bert.model_max_length is None
    assert len(bert("a", padding="max_length").input_ids) == 3  # there is no length to pad to
    arrays = bert(
        ["a", TEXT], padding=True, return_tensors="np", return_offsets_mapping=True, return_special_tokens_mask=True
    )
    assert arrays.offset_mapping.shape == (2, 6, 2)
    assert arrays.special_tokens_mask.tolist() == [[1, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 1]]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int64)}


def test_windows(bert):
    options = {"max_length": 5, "truncation": True, "stride": 1, "return_overflowing_tokens": True}
    encoding = bert(["a b c d e", "f"], return_offsets_mapping=True, **options)
    assert encoding.input_ids == [[CLS, A, B, C, SEP], [CLS, C, D, E, SEP], [CLS, F, SEP]]
    assert encoding.overflow_to_sample_mapping == [0, 0, 1]
    assert encoding.offset_mapping[1] == [(0, 0), (4, 5), (6, 7), (8, 9), (0, 0)]
    assert encoding.tokens(1) == ["[CLS]", "c", "d", "e", "[SEP]"]
    assert encoding.word_ids(1) == [None, 2, 3, 4, None]
    assert encoding.char_to_token(1, 6) == 2
    single = bert("a b c d e", padding=True, return_tensors="np", **options)
    assert single.input_ids.tolist() == encoding.input_ids[:2]
    assert single.overflow_to_sample_mapping.tolist() == [0, 0]
    assert bert("a", return_overflowing_tokens=True).input_ids == [[CLS, A, SEP]]


def test_cutting_on_the_left(own):
    own.truncation_side = "left"
    assert own("a b c d", max_length=4).input_ids == [CLS, C, D, SEP]
    encoding = own("a b c d e", max_length=5, stride=1, return_overflowing_tokens=True)
    assert encoding.input_ids == [[CLS, C, D, E, SEP], [CLS, A, B, C, SEP]]
    assert own("a b c", "d e f", max_length=7).input_ids == [CLS, B, C, SEP, E, F, SEP]


def test_no_warning_when_what_was_cut_is_there(own):
    own.model_max_length = 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert own("a b c", truncation=True, return_overflowing_tokens=True).input_ids == [
            [CLS, A, B, SEP],
            [CLS, C, SEP],
        ]
    with pytest.warns(deberta_c.TruncationWarning, match="1 of 2 rows"):
        own(["a b c", "a"], truncation=True)


def test_words(bert):
    words = ["a", "", "words b"]
    encoding = bert(words, is_split_into_words=True, return_offsets_mapping=True)
    assert encoding.input_ids == [CLS, A, WORD, S, B, SEP]
    assert encoding.offset_mapping == [(0, 0), (0, 1), (0, 4), (4, 5), (6, 7), (0, 0)]
    assert encoding.word_ids() == [None, 0, 2, 2, 2, None]
    assert encoding.word_to_tokens(2) == TokenSpan(2, 5)
    batch = bert([words, ["b"], []], is_split_into_words=True)
    assert batch.input_ids == [encoding.input_ids, [CLS, B, SEP], [CLS, SEP]]
    assert batch.word_ids(1) == [None, 0, None]
    for pairs in (
        bert([["a"], ["b"]], [["c", "d"], []], is_split_into_words=True),
        bert([(["a"], ["c", "d"]), (["b"], [])], is_split_into_words=True),
    ):
        assert pairs.input_ids == [[CLS, A, SEP, C, D, SEP], [CLS, B, SEP, SEP]]
        assert pairs.word_ids(0) == [None, 0, None, 0, 1, None]
    assert bert(["a"], ["b"], is_split_into_words=True).input_ids == [CLS, A, SEP, B, SEP]
    assert bert(np.array(["a", "b"]), is_split_into_words=True).input_ids == [CLS, A, B, SEP]
    assert bert.encode(["a", "b"], is_split_into_words=True) == [CLS, A, B, SEP]
    assert bert([], is_split_into_words=True).input_ids == [CLS, SEP]
    cut = bert(["a", "b", "c"], is_split_into_words=True, max_length=3, return_overflowing_tokens=True)
    assert cut.input_ids == [[CLS, A, SEP], [CLS, B, SEP], [CLS, C, SEP]]


def test_special_tokens_in_a_text(bert, own):
    assert bert("a [MASK]b").input_ids == [CLS, A, MASK, B, SEP]
    assert bert("a [SEP]", return_special_tokens_mask=True).special_tokens_mask == [1, 0, 0, 1]
    assert MASK not in bert("a [MASK]b", split_special_tokens=True).input_ids
    own.split_special_tokens = True
    assert own("a [MASK]b").input_ids == bert("a [MASK]b", split_special_tokens=True).input_ids
    assert own("[MASK]", split_special_tokens=False).input_ids == [CLS, MASK, SEP]


def test_targets(bert):
    encoding = bert(["a", "b"], text_target=["c d", "e"], padding=True)
    assert encoding.input_ids == [[CLS, A, SEP], [CLS, B, SEP]]
    assert encoding.labels == [[CLS, C, D, SEP], [CLS, E, SEP, PAD]]
    assert bert(text_target="c").input_ids == [CLS, C, SEP]
    with pytest.raises(ValueError, match=r"^text_target\[1\] has a lone surrogate"):
        bert(["a", "b"], text_target=["c", "\ud800"])


def test_encoding_of_none_and_of_one(bert):
    assert dict(bert([])) == {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    assert bert([]).encodings == []
    assert bert([], padding="max_length", max_length=4, return_tensors="np").input_ids.shape == (0, 4)
    assert bert("", add_special_tokens=False, return_offsets_mapping=True).offset_mapping == []
    assert bert("a", "b", add_special_tokens=False).token_type_ids == [0, 1]


def test_tensors(bert):
    torch = pytest.importorskip("torch")
    encoding = bert(["a", "a b"], padding=True, return_tensors="pt", return_offsets_mapping=True)
    assert encoding.offset_mapping.shape == (2, 4, 2)
    assert encoding.input_ids.dtype == torch.int64
    padded = bert.pad({"input_ids": [encoding.input_ids[0], encoding.input_ids[1][:2]]})
    assert padded.input_ids.tolist() == [[CLS, A, SEP, PAD], [CLS, A, PAD, PAD]]
    assert bert.decode(encoding.input_ids[0]) == "[CLS] a [SEP] [PAD]"


def test_pickled_encodings_still_know(bert):
    encoding = bert(["a", TEXT], padding=True)
    for again in (pickle.loads(pickle.dumps(encoding)), copy.copy(encoding), copy.deepcopy(encoding)):
        assert again == encoding
        assert again.tokens(1) == encoding.tokens(1)
        assert (again.is_fast, again.n_sequences) == (True, 1)


def test_an_encoding_knows_what_it_was_made_of(own):
    texts = ["a", "b <x>"]
    encoding = own(texts)
    texts[0] = "c"
    own.add_tokens("<x>")
    assert encoding.tokens(0) == ["[CLS]", "a", "[SEP]"]
    assert "<x>" not in encoding.tokens(1)


def test_encodings_that_no_tokenizer_made():
    encoding = BatchEncoding({"input_ids": [[1, 2], [3, 4]], "label": [0, 1]})
    assert (encoding.is_fast, encoding.encodings, encoding.n_sequences) == (False, None, None)
    assert encoding[1:] == {"input_ids": [[3, 4]], "label": [1]}
    with pytest.raises(KeyError, match="0; a key is a str"):
        encoding[0]
    with pytest.raises(ValueError, match="no tokenizer made this encoding"):
        encoding.tokens()
    with pytest.raises(ValueError, match="tensor_type is 'tf'"):
        encoding.convert_to_tensors("tf")
    assert encoding.convert_to_tensors("np") is encoding
    assert encoding.input_ids.tolist() == [[1, 2], [3, 4]]
    assert BatchEncoding({"input_ids": [1]}, tensor_type="np", prepend_batch_axis=True).input_ids.shape == (1, 1)
    assert BatchEncoding({"input_ids": []}, tensor_type="np").input_ids.dtype == np.int64
    with pytest.raises(ValueError, match="rows of input_ids have different lengths"):
        BatchEncoding({"input_ids": [[1], [1, 2]]}, tensor_type="np")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"truncatoin": True}, TypeError, "truncatoin"),
        ({"padding_side": "top"}, ValueError, "padding_side is 'top'"),
        ({"pad_to_multiple_of": 0}, ValueError, "pad_to_multiple_of is 0; it must be at least 1"),
        ({"pad_to_multiple_of": 2.0}, TypeError, "pad_to_multiple_of is 2.0"),
        ({"stride": -1}, ValueError, "stride is -1"),
        ({"stride": "1"}, TypeError, "stride is '1'"),
        ({"max_length": 4, "stride": 2, "return_overflowing_tokens": True}, ValueError, "stride is 2, .* room for 2"),
        (
            {"max_length": 6, "truncation": True, "padding": True, "pad_to_multiple_of": 4},
            ValueError,
            "max_length is 6, which is not a multiple of pad_to_multiple_of, 4",
        ),
        ({"is_split_into_words": True}, TypeError, "text is of type str; with is_split_into_words"),
        ({"text": ["a"], "text_pair": "b", "is_split_into_words": True}, TypeError, "text_pair is of type str"),
        ({"text": [["a"], "b"], "is_split_into_words": True}, TypeError, r"text\[1\] is of type str"),
        ({"text": [["a"], ["b", 3]], "is_split_into_words": True}, TypeError, r"text\[1\]\[1\] is 3"),
        ({"text": [["a"], ["b", None]], "is_split_into_words": True}, ValueError, r"text\[1\]\[1\] is missing"),
        ({"text": ["a", None], "is_split_into_words": True}, ValueError, r"text\[1\] is missing"),
        ({"text": [["a"], ["b", "\ud800"]], "is_split_into_words": True}, ValueError, r"^text\[1\]\[1\] has a lone"),
        ({"text": ["\ud800"], "is_split_into_words": True}, ValueError, r"^text\[0\] has a lone"),
        (
            {"text": [["a"]], "text_pair": [["b"], ["c"]], "is_split_into_words": True},
            ValueError,
            "text has 1 rows, but text_pair 2",
        ),
        ({"text": [(["a"], ["b"]), (["a"],)], "is_split_into_words": True}, ValueError, r"text\[1\] is .* are pairs"),
        ({"text": [("a", "b"), ("c", "\ud800")]}, ValueError, r"^text\[1\]\[1\] has a lone surrogate"),
        (
            {"text": ["a", "b c d"], "text_pair": ["a", "b c d"], "truncation": "only_first", "max_length": 5},
            ValueError,
            r"text\[1\] ",
        ),
        (
            {"text": [["a"], ["b"]], "text_pair": [["a"], ["b", "c", "d"]], "truncation": "only_first",
             "max_length": 5, "is_split_into_words": True},
            ValueError,
            r"text\[1\] ",
        ),
    ],
)  # fmt: skip
def test_wrong_calls(bert, arguments, error, message):
    with pytest.raises(error, match=message):
        bert(**{"text": "a b c", **arguments})


# ---- padding afterwards ----


def test_pad(bert):
    rows = [dict(bert(text, return_special_tokens_mask=True)) for text in ("a", "a b")]
    padded = bert.pad(rows)
    assert padded.input_ids == [[CLS, A, SEP, PAD], [CLS, A, B, SEP]]
    assert padded.attention_mask == [[1, 1, 1, 0], [1] * 4]
    assert padded.token_type_ids == [[0] * 4] * 2
    assert padded.special_tokens_mask == [[1, 0, 1, 1], [1, 0, 0, 1]]
    assert bert.pad(bert(["a", "a b"])) == bert(["a", "a b"], padding=True)
    left = bert.pad({"input_ids": [[A], [A, B]], "labels": [0, 1]}, padding_side="left", return_tensors="np")
    assert left.input_ids.tolist() == [[PAD, A], [A, B]]
    assert left.attention_mask.tolist() == [[0, 1], [1, 1]]
    assert left.labels.tolist() == [0, 1]
    one = bert.pad({"input_ids": [A, B]}, padding="max_length", max_length=3, pad_to_multiple_of=2)
    assert one.input_ids == [A, B, PAD, PAD]
    arrays = bert.pad([{"input_ids": np.array([A])}, {"input_ids": np.array([A, B])}], return_attention_mask=False)
    assert arrays.input_ids.tolist() == [[A, PAD], [A, B]]
    assert list(arrays) == ["input_ids"]
    assert bert.pad({"input_ids": [[A], [A, B]]}, padding=False).input_ids == [[A], [A, B]]
    assert bert.pad({"input_ids": []}).input_ids == []
    padded = bert.pad(bert("a", return_length=True), padding="max_length", max_length=4)
    assert padded == {**bert("a", padding="max_length", max_length=4), "length": [3]}
    assert bert.pad([dict(bert("a", return_length=True)), {**bert("a b"), "length": 7}]).length == [[3], 7]
    given = {"input_ids": [[A], [A, B]]}
    bert.pad(given)
    assert given == {"input_ids": [[A], [A, B]]}


@pytest.mark.parametrize(
    ("encoded", "options", "error", "message"),
    [
        ([], {}, TypeError, "of type list"),
        ("a", {}, TypeError, "of type str"),
        ({"ids": [[1]]}, {}, ValueError, r"has the columns \['ids'\]; input_ids must be"),
        ([{"input_ids": [1]}, {}], {}, ValueError, r"encoded_inputs\[1\] has no 'input_ids'"),
        ({"input_ids": [[1]], "labels": [1, 2]}, {}, ValueError, "1 rows of input_ids, but 2 of labels"),
        ({"input_ids": [[1]], "length": 1}, {}, TypeError, "has 1 as length; with many rows"),
        (
            {"input_ids": [1], "token_type_ids": [0, 0]},
            {},
            ValueError,
            "1 tokens of input_ids, but 2 of token_type_ids",
        ),
        ({"input_ids": [[1]]}, {"padding": "wide"}, ValueError, "padding is 'wide'"),
        ({"input_ids": [[1]]}, {"max_length": 0}, ValueError, "max_length is 0"),
        ({"input_ids": [[1], [1, 2]], "labels": [[1], [1, 2]]}, {"return_tensors": "np"}, ValueError, "rows of labels"),
    ],
)
def test_columns_that_cannot_be_padded(bert, encoded, options, error, message):
    with pytest.raises(error, match=message):
        bert.pad(encoded, **options)


def test_padding_needs_a_token(own):
    own.pad_token = None
    assert (own.pad_token, own.pad_token_id) == (None, None)
    for call in (lambda: own("a", padding=True), lambda: own.pad({"input_ids": [[A]]})):
        with pytest.raises(ValueError, match="there is no pad_token"):
            call()
    assert own("a").input_ids == [CLS, A, SEP]
    own.pad_token_id = H
    assert own.pad_token == "h"
    assert own(["a", "a b"], padding=True).input_ids[0] == [CLS, A, SEP, H]


# ---- ids to texts, tokens, vocabulary ----


def test_decode(bert, own):
    ids = bert(TEXT).input_ids
    assert bert.decode(ids) == "[CLS] hello, words [SEP]"
    assert bert.decode(ids, skip_special_tokens=True) == "hello, words"
    assert bert.decode(HELLO) == bert.decode([HELLO]) == bert.decode(np.int64(HELLO)) == "hello"
    assert bert.decode([ids, [A]], skip_special_tokens=True) == ["hello, words", "a"]
    assert bert.decode(np.array([[A, B], [C, BB]])) == ["a b", "cb"]
    assert bert.decode({"input_ids": [A]}) == bert.decode([A, 10**6]) == "a"
    assert bert.decode([]) == ""
    assert bert.batch_decode([ids, []], skip_special_tokens=True) == ["hello, words", ""]
    assert bert.batch_decode(np.array([A, B])) == ["a b"]
    assert bert.batch_decode([]) == []
    assert bert.convert_tokens_to_string(["word", "##s"]) == "words"
    with pytest.raises(ValueError, match="id -100 is negative"):
        bert.decode([A, -100])
    own.add_tokens("'s")
    ids = [A, own.convert_tokens_to_ids("'s"), BB]
    assert own.decode(ids) == "a'sb"
    assert own.decode([PAD, A], clean_up_tokenization_spaces=True) == "[PAD] a"


@pytest.mark.parametrize("compatibility", ["transformers4", "transformers5"])
def test_transformers_5_does_not_clean_up_bpe(tmp_path, compatibility):
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "Ġ", ".", "[MASK]"]
    (tmp_path / "vocab.json").write_text(json.dumps({token: id for id, token in enumerate(tokens)}))
    (tmp_path / "merges.txt").write_text("")
    tokenizer = deberta_c.DebertaTokenizer.from_pretrained(tmp_path, compatibility=compatibility)
    ids = tokenizer("a .", add_special_tokens=False).input_ids
    assert ids == [4, 5, 6]
    expected = "a." if compatibility == "transformers4" else "a ."
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=True) == expected
    assert ["clean_up_tokenization_spaces is ignored" in str(warning.message) for warning in caught] == (
        [] if compatibility == "transformers4" else [True]
    )
    assert tokenizer.decode(ids) == "a ."
    tokenizer.clean_up_tokenization_spaces = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokenizer.decode(ids) == expected


def test_cleaning_up(tokenizer):
    ids = tokenizer.convert_tokens_to_ids(["▁hello", "▁", "."])
    assert tokenizer.decode(ids) == "hello ."
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=True) == "hello."
    assert tokenizer.batch_decode([ids], clean_up_tokenization_spaces=True) == ["hello."]


def test_tokens_of_a_text(bert, tokenizer):
    assert bert.tokenize("Words ¤") == ["word", "##s", "[UNK]"]
    assert bert.tokenize("a", "b", add_special_tokens=True) == ["[CLS]", "a", "[SEP]", "b", "[SEP]"]
    assert tokenizer.tokenize("now ¤") == ["▁now", "▁", "¤"]
    assert bert.encode("a", padding="max_length", max_length=4, return_tensors="np").tolist() == [[CLS, A, SEP, PAD]]
    for method in (bert.tokenize, bert.encode):
        with pytest.raises(TypeError, match=r"text is of type list; \w+ takes one str"):
            method(["a", "b"])


def test_the_vocabulary(bert):
    assert len(bert) == bert.vocab_size == len(VOCABULARY)
    assert bert.vocab == bert.get_vocab() == {token: id for id, token in enumerate(VOCABULARY)}
    assert bert.get_added_vocab() == {token: id for id, token in enumerate(SPECIAL)}
    assert [token.content for token in bert.added_tokens_decoder.values()] == SPECIAL
    assert bert.convert_ids_to_tokens([CLS, A], skip_special_tokens=True) == ["a"]
    assert bert.special_tokens_map == {
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"
    }  # fmt: skip
    assert bert.all_special_ids == [UNK, SEP, PAD, CLS, MASK]
    assert (bert.bos_token, bert.bos_token_id) == (None, None)
    assert [bert.num_special_tokens_to_add(pair) for pair in (False, True)] == [2, 3]
    assert bert.is_fast


# ---- more tokens ----


def test_added_tokens(own):
    count = len(own)
    assert own.add_tokens(["<x>", "hello", "<y>", "<x>", ""]) == 3  # "hello" is a token, but was not looked for
    assert own.convert_tokens_to_ids(["<x>", "<y>", "hello"]) == [count, count + 1, HELLO]
    assert (len(own), own.vocab_size) == (count + 2, count)
    assert own.get_vocab()["<y>"] == count + 1
    assert own("a<x>b HELLO").input_ids == [CLS, A, count, B, HELLO, SEP]
    assert own.decode([A, count], skip_special_tokens=True) == "a <x>"
    assert own.add_tokens("<x>") == own.add_tokens([]) == 0
    assert own.add_tokens({"content": "<z>", "lstrip": True, "special": True}) == 1
    assert own("a  <z>").input_ids == [CLS, A, count + 2, SEP]
    assert own("a  <z>", return_offsets_mapping=True).offset_mapping[2] == (1, 6)
    assert own.decode([A, count + 2], skip_special_tokens=True) == "a"
    with pytest.raises(TypeError, match="a token is 3"):
        own.add_tokens([3])


def test_tokens_may_be_added_one_by_one(own):
    first = len(own)
    for index in range(600):
        assert own.add_tokens(f"<{index}>") == 1
    assert own("<0><599>").input_ids == [CLS, first, first + 599, SEP]


@pytest.mark.parametrize("tokens", ["<ab>", None, {"a": "<ab>"}])
def test_extra_special_tokens_are_a_list(own, tokens):
    size = len(own)
    with pytest.raises(TypeError, match=r"additional_special_tokens is .*; it must be a list of tokens"):
        own.add_special_tokens({"additional_special_tokens": tokens})
    assert len(own) == size


def test_values_that_are_not_ids(bert):
    for wrong in ("a", None, 1.5):
        with pytest.raises(TypeError, match=r"ids is .*; give an id or a list of ids"):
            bert.convert_ids_to_tokens(wrong)
    for wrong in ("a", None, [None], [1.5], [HELLO, "a"]):
        with pytest.raises(TypeError, match=r"token_ids holds .*; give a row of ids"):
            bert.decode(wrong)


def test_added_special_tokens(own):
    count = len(own)
    assert own.add_special_tokens({"pad_token": "<pad>", "cls_token": "[CLS]"}) == 1
    assert (own.pad_token, own.pad_token_id) == ("<pad>", count)
    assert own(["a", "a b"], padding=True).input_ids[0] == [CLS, A, SEP, count]
    assert own.add_special_tokens({"additional_special_tokens": ["<e>", "<f>"]}) == 2
    assert own.extra_special_tokens == own.additional_special_tokens == ["<e>", "<f>"]
    assert own.add_special_tokens({"extra_special_tokens": ["<g>"]}, replace_extra_special_tokens=False) == 1
    assert own.extra_special_tokens == ["<e>", "<f>", "<g>"]
    assert own.add_special_tokens({"extra_special_tokens": ["<g>"]}) == 0
    assert own.extra_special_tokens == ["<g>"]
    assert own.all_special_tokens == ["[UNK]", "[SEP]", "<pad>", "[CLS]", "[MASK]", "<g>"]
    assert own.decode([A, count, count + 3], skip_special_tokens=True) == "a"
    with pytest.raises(ValueError, match="'start_token' is not the name of a special token"):
        own.add_special_tokens({"start_token": "<s>"})


def test_special_tokens_that_are_set(own):
    own.mask_token = "hello"
    assert (own.mask_token, own.mask_token_id) == ("hello", HELLO)
    own.eos_token_id = SEP
    assert own.eos_token == "[SEP]"
    with pytest.raises(ValueError, match=r"pad_token is '<p>', which the vocabulary does not have; .*add_special"):
        own.pad_token = "<p>"
    with pytest.raises(ValueError, match="id 99 is not in"):
        own.pad_token_id = 99
    with pytest.raises(TypeError, match="a token is 3"):
        own.pad_token = 3
    assert own.pad_token_id == PAD


def test_what_was_added_travels_in_a_pickle(own):
    own.add_tokens(["<x>"])
    own.add_special_tokens({"pad_token": "<pad>", "extra_special_tokens": ["<e>"]})
    own.split_special_tokens = True
    again = pickle.loads(pickle.dumps(own))
    assert type(again) is BertTokenizer
    assert again.get_vocab() == own.get_vocab()
    assert (again.pad_token_id, again.extra_special_tokens) == (own.pad_token_id, ["<e>"])
    assert again("a<x>").input_ids == own("a<x>").input_ids
    assert again.split_special_tokens
    fresh = AutoTokenizer.from_pretrained(own.name_or_path)
    assert len(fresh) == len(pickle.loads(pickle.dumps(fresh))) == len(VOCABULARY)
    twice = pickle.loads(pickle.dumps(again))
    assert twice.add_tokens("<y>") == 1
    assert (len(twice), len(again)) == (len(own) + 1, len(own))


def test_saved_and_read_again(own, tmp_path):
    own.add_tokens(["<x>"])
    own.add_special_tokens({"pad_token": "<pad>", "extra_special_tokens": ["<e>"]})
    own.padding_side, own.truncation_side, own.model_max_length = "left", "left", 9
    own.pad_token_type_id = 3
    paths = own.save_pretrained(tmp_path / "new" / "folder")
    assert len(paths) == 2
    again = AutoTokenizer.from_pretrained(tmp_path / "new" / "folder")
    assert again.get_vocab() == own.get_vocab()
    assert (again.padding_side, again.truncation_side, again.model_max_length) == ("left", "left", 9)
    assert again.pad_token_type_id == 0  # as in transformers, no file sets it
    again.pad_token_type_id = 3
    assert again.special_tokens_map == own.special_tokens_map
    assert again.extra_special_tokens == ["<e>"]
    texts = ["Hello, words<x> <e>", "a", ""]
    assert again(texts, padding=True) == own(texts, padding=True)
    assert again.decode(again(texts[0]).input_ids) == own.decode(own(texts[0]).input_ids)


def test_classes(own, tmp_path):
    assert type(own) is BertTokenizer is deberta_c.BertTokenizerFast
    assert deberta_c.DebertaTokenizer is deberta_c.DebertaTokenizerFast
    own.save_pretrained(tmp_path / "saved")
    literal = PreTrainedTokenizerFast.from_pretrained(tmp_path / "saved")
    assert type(literal) is type(pickle.loads(pickle.dumps(literal))) is PreTrainedTokenizerFast
    assert literal(TEXT).input_ids == own(TEXT).input_ids
    assert repr(literal) == f"PreTrainedTokenizerFast({str(tmp_path / 'saved')!r}, 18 ids, model_max_length=None)"
    with pytest.raises(AttributeError, match="no_token"):
        _ = own.no_token
