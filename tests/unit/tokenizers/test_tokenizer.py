"""The call of the tokenizer: inputs, padding, truncation, tensors, special tokens."""

import json
import pickle
import warnings

import numpy as np
import pytest

from deberta_c import AutoTokenizer, BatchEncoding, DebertaV2Tokenizer, DebertaV2TokenizerFast, TruncationWarning

SHORT, LONG = "hello world", "free entry at home now call now"


def test_single_text(tokenizer):
    encoding = tokenizer(SHORT)
    ids = tokenizer.convert_tokens_to_ids(["[CLS]", "▁hello", "▁world", "[SEP]"])
    assert encoding["input_ids"] == encoding.input_ids == ids
    assert encoding.token_type_ids == [0] * 4
    assert encoding.attention_mask == [1] * 4
    assert list(encoding) == ["input_ids", "token_type_ids", "attention_mask"]


def test_batch_without_padding(tokenizer):
    encoding = tokenizer([SHORT, LONG])
    assert [len(row) for row in encoding.input_ids] == [4, 9]
    assert encoding.input_ids[0] == tokenizer(SHORT).input_ids
    assert encoding.attention_mask[1] == [1] * 9


def test_padding_to_the_longest(tokenizer):
    encoding = tokenizer([SHORT, LONG], padding=True, return_tensors="np")
    for array in encoding.values():
        assert array.dtype == np.int64
        assert array.shape == (2, 9)
    assert encoding.input_ids[0].tolist() == [*tokenizer(SHORT).input_ids, 0, 0, 0, 0, 0]
    assert encoding.attention_mask[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert encoding.to("cpu") is encoding


def test_padding_on_the_left(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny, padding_side="left")
    encoding = tokenizer([SHORT, LONG], padding="longest", return_tensors="np")
    assert encoding.input_ids[0].tolist() == [0, 0, 0, 0, 0, *tokenizer(SHORT).input_ids]
    assert encoding.attention_mask[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_padding_to_max_length(tokenizer):
    assert tokenizer([SHORT, "now"], padding="max_length", max_length=6).attention_mask == [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0, 0],
    ]
    assert [len(row) for row in tokenizer([LONG, SHORT], padding="max_length", max_length=6).input_ids] == [9, 6]
    with pytest.raises(ValueError, match=r"a row has 9 tokens.*give truncation=True"):
        tokenizer([SHORT, LONG], padding="max_length", max_length=6, return_tensors="np")
    assert tokenizer(LONG, padding="max_length", max_length=6).input_ids == tokenizer(LONG).input_ids  # nothing is cut
    assert len(tokenizer(SHORT, padding="max_length").input_ids) == 64
    encoding = tokenizer(LONG, padding="max_length", truncation=True, max_length=12)
    assert len(encoding.input_ids) == 12
    assert sum(encoding.attention_mask) == 9


def test_pairs(tokenizer):
    pair = tokenizer(SHORT, "now")
    hello, world, now = tokenizer.convert_tokens_to_ids(["▁hello", "▁world", "▁now"])
    assert pair.input_ids == [1, hello, world, 2, now, 2]
    assert pair.token_type_ids == [0, 0, 0, 0, 1, 1]
    for batch in (
        tokenizer([SHORT], ["now"]),
        tokenizer([(SHORT, "now")]),
        tokenizer([[SHORT, "now"]]),
        tokenizer(np.array([SHORT]), np.array(["now"])),
    ):
        assert batch.input_ids == [pair.input_ids]
        assert batch.token_type_ids == [pair.token_type_ids]


def test_empty_second_text(tokenizer):
    assert tokenizer(SHORT, "").input_ids == tokenizer(SHORT).input_ids
    assert tokenizer([SHORT], [""]).input_ids == [[*tokenizer(SHORT).input_ids, 2]]


def test_without_special_tokens(tokenizer):
    assert tokenizer(SHORT, add_special_tokens=False).input_ids == tokenizer(SHORT).input_ids[1:-1]


def test_columns(tokenizer):
    pandas = pytest.importorskip("pandas")
    expected = tokenizer([SHORT, LONG]).input_ids
    for column in (pandas.Series([SHORT, LONG]), np.array([SHORT, LONG]), (SHORT, LONG), iter([SHORT, LONG])):
        assert tokenizer(column).input_ids == expected
    assert tokenizer(np.str_(SHORT)).input_ids == expected[0]


def test_empty_inputs(tokenizer):
    assert tokenizer("").input_ids == [1, 2]
    assert tokenizer("", add_special_tokens=False).input_ids == []
    assert tokenizer([]).input_ids == []
    empty = tokenizer([], return_tensors="np", padding=True)
    assert empty.input_ids.shape == (0, 0)
    assert empty.input_ids.dtype == np.int64


def test_truncation(tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut = tokenizer(LONG, truncation=True, max_length=5).input_ids
        assert cut == [*tokenizer(LONG).input_ids[:4], 2]
        assert tokenizer(LONG, max_length=5).input_ids == cut  # a limit without padding and truncation cuts too
        assert tokenizer(LONG, truncation=False, max_length=5).input_ids == tokenizer(LONG).input_ids
        assert tokenizer(LONG, truncation="longest_first", max_length=5).input_ids == cut
        first = tokenizer(LONG, SHORT, truncation="only_first", max_length=8).input_ids
        second = tokenizer(SHORT, LONG, truncation="only_second", max_length=8).input_ids
        empty = tokenizer(SHORT, "", truncation="only_second", max_length=8).input_ids
        assert empty == tokenizer(SHORT).input_ids  # as in transformers, no second text
    assert len(first) == len(second) == 8
    assert first[-3:] == tokenizer(SHORT).input_ids[1:]
    assert second[:4] == tokenizer(SHORT).input_ids


def test_the_implied_cap_and_its_one_warning(tokenizer):
    long = "hello " * 100
    with pytest.warns(TruncationWarning, match="2 of 3 rows lost tokens to the limit of 64") as caught:
        encoding = tokenizer([long, SHORT, long], truncation=True)
    assert [len(row) for row in encoding.input_ids] == [64, 4, 64]
    assert len(caught) == 1
    assert caught[0].message.count == 2
    assert caught[0].filename == __file__
    assert len(tokenizer(long).input_ids) == 102
    assert tokenizer.model_max_length == 64


def test_where_the_cap_comes_from(make_model, tiny):
    assert AutoTokenizer.from_pretrained(tiny, model_max_length=10).model_max_length == 10
    directory = make_model()
    config = directory / "tokenizer_config.json"
    config.write_text('{"model_max_length": 20}')
    assert AutoTokenizer.from_pretrained(directory).model_max_length == 20
    config.write_text(f'{{"model_max_length": {int(1e30)}}}')
    assert AutoTokenizer.from_pretrained(directory).model_max_length == 64
    (directory / "config.json").unlink()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert tokenizer.model_max_length is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(tokenizer("hello " * 600, truncation=True).input_ids) == 602


def test_torch_tensors(tokenizer):
    torch = pytest.importorskip("torch")
    encoding = tokenizer([SHORT, LONG], padding=True, return_tensors="pt")
    assert encoding.input_ids.dtype == torch.int64
    assert encoding.input_ids.tolist() == tokenizer([SHORT, LONG], padding=True).input_ids


def test_vocabulary(tokenizer):
    assert tokenizer.vocab_size == len(tokenizer) - 1
    assert tokenizer.convert_ids_to_tokens(len(tokenizer) - 1) == tokenizer.mask_token == "[MASK]"
    assert tokenizer.mask_token_id == tokenizer.vocab_size
    special = ("pad_token_id", "cls_token_id", "sep_token_id", "unk_token_id", "bos_token_id", "eos_token_id")
    assert [getattr(tokenizer, name) for name in special] == [0, 1, 2, 3, 1, 2]
    assert tokenizer.all_special_tokens == ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"]
    assert tokenizer.convert_tokens_to_ids("no such piece") == 3
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert tokenizer.convert_tokens_to_ids(tokens) == list(range(len(tokenizer)))
    assert tokenizer.get_vocab() == {token: index for index, token in enumerate(tokens)}
    assert tokenizer.encode(SHORT) == tokenizer(SHORT).input_ids
    with pytest.raises(AttributeError, match="no_token"):
        _ = tokenizer.no_token


@pytest.mark.parametrize("index", [-1, 10**6, 2**70])
def test_ids_outside_the_vocabulary(tokenizer, index):
    with pytest.raises(ValueError, match=f"id {index} is not in"):
        tokenizer.convert_ids_to_tokens(index)


def test_lower_case_comes_from_the_file(make_model, tokenizer):
    directory = make_model()
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert AutoTokenizer.from_pretrained(directory)("HELLO").input_ids == tokenizer("hello").input_ids
    assert tokenizer("HELLO").input_ids != tokenizer("hello").input_ids


def test_a_config_of_transformers_4_is_accepted(make_model, tokenizer):
    directory = make_model()
    names = {0: "[PAD]", 1: "[CLS]", 2: "[SEP]", 3: "[UNK]", tokenizer.mask_token_id: "[MASK]"}
    added = {str(index): {"content": name, "special": True} for index, name in names.items()}
    values = {"added_tokens_decoder": added, "cls_token": "[CLS]", "mask_token": {"content": "[MASK]"}}
    (directory / "tokenizer_config.json").write_text(json.dumps({**values, "sp_model_kwargs": {}, "bos_token": None}))
    assert AutoTokenizer.from_pretrained(directory)(SHORT).input_ids == tokenizer(SHORT).input_ids


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"cls_token": 5}, TypeError, "cls_token is 5"),
        ({"do_lower_case": "yes"}, TypeError, "do_lower_case is 'yes'"),
        ({"padding_side": "top"}, ValueError, "padding_side is 'top'"),
        ({"model_max_length": 0}, ValueError, "model_max_length is 0"),
        ({"model_max_length": "512"}, TypeError, "model_max_length is '512'; it must be an integer"),
        ({"model_max_length": True}, TypeError, "model_max_length is True"),
        ({"model_max_length": 3.7}, ValueError, "model_max_length is 3.7; it must be an integer"),
        ({"model_max_length": float("nan")}, ValueError, "model_max_length is nan"),
    ],
)
def test_configurations_that_are_refused(make_model, values, error, message):
    directory = make_model()
    (directory / "tokenizer_config.json").write_text(json.dumps(values))
    with pytest.raises(error, match=message):
        AutoTokenizer.from_pretrained(directory)


def test_cutting_on_the_left(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny, truncation_side="left")
    ids = tokenizer(LONG).input_ids
    assert tokenizer(LONG, truncation=True, max_length=5).input_ids == [1, *ids[-4:]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": None}, ValueError, "text is None"),
        ({"text": float("nan")}, ValueError, "text is nan"),
        ({"text": 3}, TypeError, "type int"),
        ({"text": b"bytes"}, TypeError, "type bytes"),
        ({"text": ["a", None]}, ValueError, r"text\[1\] is missing .* put '' in their place$"),
        ({"text": ["a", 3]}, TypeError, r"text\[1\] is 3"),
        ({"text": "a", "text_pair": ["b"]}, TypeError, "text is a str, but text_pair a list"),
        ({"text": ["a"], "text_pair": "b"}, TypeError, "text_pair a str"),
        ({"text": ["a"], "text_pair": ["b", "c"]}, ValueError, "1 rows, but text_pair 2"),
        ({"text": [("a", "b"), ("c",)]}, ValueError, r"text\[1\]"),
        ({"text": [("a", "b"), "c"]}, ValueError, r"text\[1\]"),
        ({"text": [("a", "b"), ("c", None)]}, ValueError, r"text\[1\]\[1\] is missing"),
        ({"text": "a\ud800"}, ValueError, "^text has a lone surrogate"),
        ({"text": "a", "text_pair": "a\ud800"}, ValueError, "^text_pair has a lone surrogate"),
        ({"text": ["a", "b\udc00"]}, ValueError, r"^text\[1\] has a lone surrogate"),
        ({"text": ["a", "a b"], "return_tensors": "np"}, ValueError, "padding=True"),
        ({"text": "a", "return_tensors": "tf"}, ValueError, "return_tensors is 'tf'"),
        ({"text": "a", "padding": "right"}, ValueError, "padding is 'right'"),
        ({"text": "a", "padding": 1.0}, ValueError, "padding is 1.0"),
        ({"text": "a", "truncation": "left"}, ValueError, "truncation is 'left'"),
        ({"text": "a", "truncation": "only_second", "max_length": 4}, ValueError, "no second text"),
        ({"text": "a", "max_length": 1}, ValueError, "at least the 2 special tokens"),
        ({"text": "a", "text_pair": "b", "max_length": 2}, ValueError, "at least the 3 special tokens"),
        ({"text": "a", "max_length": 0}, ValueError, "max_length is 0"),
        ({"text": "a", "max_length": "5"}, TypeError, "max_length is '5'"),
        ({"text": "a", "max_length": True}, TypeError, "max_length is True"),
    ],
)
def test_wrong_calls(tokenizer, arguments, error, message):
    with pytest.raises(error, match=message):
        tokenizer(**arguments)
    assert tokenizer(SHORT).input_ids[0] == 1


def test_missing_and_broken_files(tmp_path, make_model):
    with pytest.raises(OSError, match=r"no spm.model"):
        DebertaV2Tokenizer.from_pretrained(tmp_path)
    with pytest.raises(OSError, match=r"has no file with a vocabulary: no tokenizer.json, no spm.model"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(OSError, match="there is no directory"):
        AutoTokenizer.from_pretrained(tmp_path / "none")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer.json' .*model"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(TypeError, match="no option 'lower'; did you mean 'do_lower_case'"):
        AutoTokenizer.from_pretrained(make_model(), lower=True)


def test_no_truncated_spm_model_crashes(make_model):
    directory = make_model()
    path = directory / "spm.model"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"spm\.model' is empty; copy it again from where the model came$"):
        AutoTokenizer.from_pretrained(directory)
    for size in [1, 2, 5, 10, 50, len(whole) // 2]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"spm\.model' is not sound: (?!.*spm\.model).*; copy it again"):
            AutoTokenizer.from_pretrained(directory)
    path.write_bytes(b"\xff" * 1000)
    with pytest.raises(ValueError, match=r"spm.model"):
        AutoTokenizer.from_pretrained(directory)


def test_pickle_by_reference(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny, model_max_length=10, padding_side="left")
    data = pickle.dumps(tokenizer)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert (again.model_max_length, again.padding_side) == (10, "left")
    assert again(SHORT).input_ids == tokenizer(SHORT).input_ids


def test_what_is_set_is_checked_works_and_travels_in_a_pickle(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.padding_side = "left"
    tokenizer.model_max_length = np.int64(5)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(tokenizer))))
    for one in (tokenizer, again):
        with pytest.warns(TruncationWarning, match="limit of 5"):
            encoding = one(["now", LONG], padding=True, truncation=True)
        assert encoding.attention_mask == [[0, 0, 1, 1, 1], [1] * 5]
    tokenizer.model_max_length = None
    assert pickle.loads(pickle.dumps(tokenizer)).model_max_length is None  # not that of config.json again
    tokenizer.model_max_length = 10**30
    assert tokenizer.model_max_length is None
    tokenizer.truncation_side = "left"
    assert pickle.loads(pickle.dumps(tokenizer)).truncation_side == "left"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("padding_side", "top", ValueError),
        ("padding_side", None, ValueError),
        ("truncation_side", 1, ValueError),
        ("model_max_length", 0, ValueError),
        ("model_max_length", 2.5, ValueError),
        ("model_max_length", "8", TypeError),
        ("model_max_length", True, TypeError),
    ],
)
def test_what_may_not_be_set(tiny, name, value, error):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    before = getattr(tokenizer, name)
    with pytest.raises(error, match=f"^{name} is {value!r}; it must be"):
        setattr(tokenizer, name, value)
    assert getattr(tokenizer, name) == before


def test_encoding_is_a_mapping():
    encoding = BatchEncoding({"input_ids": [1]})
    assert dict(**encoding) == {"input_ids": [1]}
    assert pickle.loads(pickle.dumps(encoding)).input_ids == [1]
    with pytest.raises(AttributeError, match="offset_mapping"):
        _ = encoding.offset_mapping
    with pytest.raises(KeyError):
        _ = encoding["offset_mapping"]
    with pytest.raises(ValueError, match="CPU only"):
        encoding.to("cuda")


def test_names_and_repr(tokenizer, tiny):
    assert DebertaV2TokenizerFast is DebertaV2Tokenizer
    assert repr(tokenizer) == f"DebertaV2Tokenizer({str(tiny)!r}, {len(tokenizer)} ids, model_max_length=64)"
