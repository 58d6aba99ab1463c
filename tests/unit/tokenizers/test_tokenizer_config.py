"""Changes of a tokenizer.json by tokenizer_config.json or defaults of a class; special tokens and their flags."""

import enum
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import deberta_c
from deberta_c import AddedToken, AutoTokenizer
from tests.unit.tokenizers.test_tokenizer_files import BERT_TOKENS, bert, middle, v1, v2, word_piece, write


class Color(str, enum.Enum):  # whose str() is the name
    RED = "hello world"
    BLUE = "[MASK]"


def bert_json(directory, config, **keys):
    """A tokenizer.json that lower-cases, beside a configuration."""
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    content = word_piece(**{"normalizer": {**normalizer, "lowercase": True}, **keys})
    return write(directory, tokenizer_json=content, tokenizer_config_json=config)


def v1_json(directory, config, *, add_prefix_space=False):
    deberta_c.DebertaTokenizer.from_pretrained(v1(directory / "from")).save_pretrained(directory)
    content = json.loads((directory / "tokenizer.json").read_text())
    content["pre_tokenizer"]["add_prefix_space"] = add_prefix_space
    return write(directory, tokenizer_json=content, tokenizer_config_json=config)


# ---- the configuration wins ----


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        ({}, "Hello", ["hello"]),
        ({"do_lower_case": False}, "Hello café", ["Hello", "caf", "##é"]),
        ({"strip_accents": False}, "CAFÉ", ["caf", "##é"]),
        ({"do_lower_case": False, "strip_accents": True}, "café", ["caf", "##e"]),
        ({"tokenize_chinese_chars": False}, "hello中", ["[UNK]"]),
        ({"strip_accents": None}, "CAFÉ", ["caf", "##e"]),
    ],
)
@pytest.mark.parametrize("name", ["BertTokenizer", "BertTokenizerFast", "ElectraTokenizer", "DistilBertTokenizer"])
def test_a_class_like_bert_normalizes_as_the_configuration_says(tmp_path, name, config, text, expected):
    tokenizer = AutoTokenizer.from_pretrained(bert_json(tmp_path / "a", {"tokenizer_class": name, **config}))
    assert middle(tokenizer, text) == expected
    tokenizer.save_pretrained(tmp_path / "b")
    assert middle(AutoTokenizer.from_pretrained(tmp_path / "b"), text) == expected


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "TokenizersBackend", "DebertaV2Tokenizer"])
def test_other_classes_leave_a_normalizer_alone(tmp_path, name):
    config = {"tokenizer_class": name, "do_lower_case": False, "unk_token": "[UNK]"}
    assert middle(AutoTokenizer.from_pretrained(bert_json(tmp_path, config)), "Hello") == ["hello"]


def test_no_class_looks_into_a_sequence(tmp_path):
    lower = {"type": "Sequence", "normalizers": [{"type": "BertNormalizer", "lowercase": True}]}
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    assert middle(AutoTokenizer.from_pretrained(bert_json(tmp_path, config, normalizer=lower)), "Hello") == ["hello"]


def test_the_caller_wins_over_the_configuration(tmp_path):
    bert_json(tmp_path, {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    assert middle(AutoTokenizer.from_pretrained(tmp_path, do_lower_case=False), "Hello") == ["Hello"]


@pytest.mark.parametrize("name", ["DebertaTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("of_file", [False, True])
@pytest.mark.parametrize("said", [None, False, True])
def test_add_prefix_space_is_that_of_the_configuration(tmp_path, name, of_file, said):
    config = {"tokenizer_class": name} | ({} if said is None else {"add_prefix_space": said})
    v1_json(tmp_path, config, add_prefix_space=of_file)
    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("hello") == ["Ġhello" if said else "hello"]


def test_the_class_of_transformers_5_keeps_add_prefix_space_of_the_file(tmp_path):
    v1_json(tmp_path, {"tokenizer_class": "TokenizersBackend"}, add_prefix_space=True)
    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("hello") == ["Ġhello"]


def test_sides_and_the_pad_token_come_from_the_sections_of_a_file_unless_they_are_configured(tmp_path):
    padding = {"strategy": "BatchLongest", "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    truncation = {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    bert_json(tmp_path, config, padding=padding, truncation=truncation)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token) == ("left", "left", "[PAD]")
    assert tokenizer(["hello", "hello world !"], padding=True).input_ids == [[0, 0, 2, 5, 3], [2, 5, 6, 8, 3]]
    assert tokenizer("hello world !", truncation=True, max_length=3).input_ids == [2, 8, 3]
    bert_json(tmp_path, {**config, "padding_side": "right"}, padding=padding, truncation=truncation)
    assert AutoTokenizer.from_pretrained(tmp_path).padding_side == "right"
    bert_json(tmp_path, config, padding={**padding, "direction": "Up"})
    with pytest.raises(ValueError, match="padding_side is 'up'"):
        AutoTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("PreTrainedTokenizerFast", True), ("ElectraTokenizer", True), ("BertTokenizer", True),
        ("DistilBertTokenizer", False), ("RobertaTokenizerFast", False), ("TokenizersBackend", False),
    ],
)  # fmt: skip
def test_columns_are_those_of_the_class(tmp_path, name, types):
    tokenizer = AutoTokenizer.from_pretrained(bert_json(tmp_path, {"tokenizer_class": name, "unk_token": "[UNK]"}))
    assert ("token_type_ids" in tokenizer("hello", "world")) is types
    named = AutoTokenizer.from_pretrained(tmp_path, model_input_names=["input_ids", "token_type_ids"])
    assert list(named("hello", "world")) == ["input_ids", "token_type_ids"]


def test_max_len_is_the_former_name_of_model_max_length(tmp_path):
    assert AutoTokenizer.from_pretrained(bert_json(tmp_path / "a", {"max_len": 9})).model_max_length == 9
    both = bert_json(tmp_path / "b", {"max_len": 9, "model_max_length": 8})
    assert AutoTokenizer.from_pretrained(both).model_max_length == 8


def test_flags_of_a_named_token_win_only_where_added_tokens_decoder_leaves_it_out(tmp_path):
    pad = {"content": "[PAD]", "lstrip": True, "special": True}
    for name, config, strips in (("a", {}, False), ("b", {"added_tokens_decoder": {}}, True)):
        bert_json(tmp_path / name, {"pad_token": pad, **config})
        assert AutoTokenizer.from_pretrained(tmp_path / name).added_tokens_decoder[0].lstrip is strips


# ---- tokens as objects ----


@pytest.mark.parametrize(
    "make",
    [
        AddedToken,
        lambda content, **flags: SimpleNamespace(content=content, **flags),
        lambda content, **flags: {"content": content, **flags},
    ],
    ids=["ours", "object", "mapping"],
)
def test_tokens_with_flags_are_taken_wherever_tokens_are(tmp_path, make):
    directory = bert(tmp_path / "a")
    tokens = {
        "eos_token": make("<end>", lstrip=True, special=True),
        "additional_special_tokens": [make("<one>", rstrip=True, special=True)],
    }
    opened = deberta_c.BertTokenizer.from_pretrained(directory, **tokens)
    grown = deberta_c.BertTokenizer.from_pretrained(directory)
    assert grown.add_special_tokens(tokens) == 2
    for tokenizer in (opened, grown):
        assert tokenizer.eos_token == "<end>"
        assert tokenizer.additional_special_tokens == ["<one>"]
        found = {str(token): token for token in tokenizer.added_tokens_decoder.values()}
        assert found["<end>"] == AddedToken("<end>", lstrip=True, special=True)
        assert found["<one>"] == AddedToken("<one>", rstrip=True, special=True)
    assert grown.add_tokens([make("<two>")]) == 1
    grown.sep_token = make("<two>")
    assert grown.sep_token == "<two>"


def test_values_that_are_not_tokens_are_named(tmp_path):
    with pytest.raises(TypeError, match="eos_token is 3; it must be a str, an AddedToken"):
        deberta_c.BertTokenizer.from_pretrained(bert(tmp_path), eos_token=3)


def test_a_special_token_added_again_stays_special(tmp_path):
    tokenizer = deberta_c.BertTokenizer.from_pretrained(bert(tmp_path / "a"))
    tokenizer.add_tokens([AddedToken("<one>", special=True)])
    tokenizer.add_tokens([AddedToken("[MASK]", special=False, lstrip=True), AddedToken("<one>", special=False)])
    ids = tokenizer("hello [MASK] <one> world").input_ids
    tokenizer.save_pretrained(tmp_path / "b")
    again = AutoTokenizer.from_pretrained(tmp_path / "b")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "hello world"
    assert again.decode(ids, skip_special_tokens=True) == "hello world"
    assert again.added_tokens_decoder == tokenizer.added_tokens_decoder


def test_split_special_tokens_concerns_tokens_of_the_normalized_text(tmp_path):
    tokenizer = deberta_c.BertTokenizer.from_pretrained(bert(tmp_path))
    tokenizer.add_tokens([AddedToken("<one>", special=True, normalized=True), AddedToken("<two>")])
    assert tokenizer.tokenize("<one> <two>") == ["<one>", "<two>"]
    assert "<one>" not in tokenizer.tokenize("<one> <two>", split_special_tokens=True)
    assert "<two>" in tokenizer.tokenize("<one> <two>", split_special_tokens=True)


# ---- what a class brings along ----


@pytest.mark.parametrize(
    ("name", "special", "extra"),
    [
        ("RobertaTokenizer", "<s> </s> <unk> </s> <pad> <s> <mask>", []),
        ("AlbertTokenizerFast", "[CLS] [SEP] <unk> [SEP] <pad> [CLS] [MASK]", []),
        ("BigBirdTokenizer", "<s> </s> <unk> [SEP] <pad> [CLS] [MASK]", []),
        ("FNetTokenizer", "None None <unk> [SEP] <pad> [CLS] [MASK]", []),
        ("MPNetTokenizer", "<s> </s> [UNK] </s> <pad> <s> <mask>", []),
        ("XLNetTokenizer", "<s> </s> <unk> <sep> <pad> <cls> <mask>", ["<eop>", "<eod>"]),
        ("CamembertTokenizer", "<s> </s> <unk> </s> <pad> <s> <mask>", ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]),
        ("GPT2Tokenizer", " ".join(["<|endoftext|>"] * 3 + ["None"] * 4), []),
        ("PreTrainedTokenizerFast", " ".join(["None"] * 7), []),
    ],
)
def test_default_tokens_of_a_class_are_added(tmp_path, name, special, extra):
    names = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    content = word_piece()
    write(tmp_path, tokenizer_json=content, tokenizer_config_json={"tokenizer_class": name})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert [str(getattr(tokenizer, key)) for key in names] == special.split()
    assert tokenizer.extra_special_tokens == extra
    new = set(special.split()) - {"None"} | set(extra)
    assert len(tokenizer) == len(content["model"]["vocab"]) + len(new - content["model"]["vocab"].keys())
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again.special_tokens_map == tokenizer.special_tokens_map
    write(tmp_path, tokenizer_config_json={"tokenizer_class": name, "mask_token": "hello", "bos_token": "world"})
    named = AutoTokenizer.from_pretrained(tmp_path)
    assert (named.mask_token, named.bos_token) == ("hello", "world")


@pytest.mark.parametrize(
    ("name", "lstrip", "normalized"),
    [("RobertaTokenizer", True, False), ("BartTokenizer", True, True), ("HerbertTokenizer", False, False)],
)
def test_the_mask_token_has_the_flags_of_its_class(tmp_path, name, lstrip, normalized):
    write(tmp_path, tokenizer_json=word_piece(), tokenizer_config_json={"tokenizer_class": name})
    (mask,) = (
        t for t in AutoTokenizer.from_pretrained(tmp_path).added_tokens_decoder.values() if t.content == "<mask>"
    )
    assert (mask.lstrip, mask.normalized, mask.special) == (lstrip, normalized, True)


@pytest.mark.parametrize(("name", "expected"), [("BertTokenizer", 0), ("XLNetTokenizer", 3)])
def test_the_token_type_of_padding_is_that_of_the_class(tmp_path, name, expected):
    config = {"tokenizer_class": name, "pad_token_type_id": 7, "padding_side": "right"}
    write(tmp_path, tokenizer_json=word_piece(), tokenizer_config_json=config)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.pad_token_type_id == expected
    types = tokenizer(["hello world", "hello"], padding=True).token_type_ids
    assert types == [[0, 0, 0, 0], [0, 0, 0, expected]]
    given = AutoTokenizer.from_pretrained(tmp_path, pad_token_type_id=1)
    assert given("hello", padding="max_length", max_length=4).token_type_ids == [0, 0, 0, 1]


# ---- content of subclasses of str ----


def test_a_member_of_an_enum_is_read_by_its_content_everywhere(tmp_path):
    pandas = pytest.importorskip("pandas")
    tokenizer = deberta_c.BertTokenizer.from_pretrained(bert(tmp_path))
    expected = tokenizer(["hello world"]).input_ids
    objects = np.empty(1, object)
    objects[0] = Color.RED
    columns = (
        [Color.RED], (Color.RED,), iter([Color.RED]), objects, pandas.Series([Color.RED]),
        pandas.Series([Color.RED], dtype="category"), pandas.Series(pandas.Categorical([Color.RED])),
    )  # fmt: skip
    for column in columns:
        assert tokenizer(column).input_ids == expected
    assert tokenizer(Color.RED).input_ids == expected[0]
    pair = tokenizer("hello world", "hello world").input_ids
    assert tokenizer(Color.RED, Color.RED).input_ids == pair
    assert tokenizer([(Color.RED, Color.RED)]).input_ids == [pair]
    assert tokenizer([Color.RED], [Color.RED]).input_ids == [pair]
    assert tokenizer([[Color.RED]], is_split_into_words=True).input_ids == expected
    assert tokenizer(["hello world"], text_target=[Color.RED])["labels"] == expected
    assert tokenizer.convert_tokens_to_ids(Color.BLUE) == 4
    assert tokenizer.add_tokens([Color.BLUE]) == 1  # no longer special: it has other flags
    assert tokenizer.add_tokens([Color.RED, AddedToken(Color.RED)]) == 1
    assert tokenizer.tokenize("x hello world") == ["[UNK]", "hello world"]
    own = deberta_c.BertTokenizer.from_pretrained(tmp_path, eos_token=Color.RED, bos_token=AddedToken(Color.BLUE))
    assert (own.eos_token, own.bos_token) == ("hello world", "[MASK]")


# ---- calls ----


def test_rows_longer_than_the_limit_are_counted_once(tmp_path):
    tokenizer = deberta_c.BertTokenizer.from_pretrained(bert(tmp_path), model_max_length=4)
    with pytest.warns(UserWarning, match="2 of 3 rows are longer than model_max_length, 4") as caught:
        tokenizer(["hello world !", "hello", "hello hello hello"])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer(["hello world"])
        tokenizer(["hello world !"], verbose=False)
        tokenizer(["hello world !"], max_length=9, truncation=True)
        tokenizer(["hello world !"], max_length=9, padding="max_length")


def test_pad_takes_the_first_of_model_input_names(tmp_path):
    tokenizer = deberta_c.BertTokenizer.from_pretrained(
        bert(tmp_path), model_input_names=["tokens", "attention_mask"], padding_side="left"
    )
    padded = tokenizer.pad([{"tokens": [5], "n": 1}, {"tokens": [5, 6], "n": 2}])
    assert dict(padded) == {"tokens": [[0, 5], [5, 6]], "n": [1, 2], "attention_mask": [[0, 1], [1, 1]]}
    with pytest.raises(ValueError, match="tokens must be among them"):
        tokenizer.pad({"input_ids": [[5]]})


# ---- a vocabulary without a tokenizer.json ----


def test_wordpiece_of_vocab_txt_cleans_up_as_in_transformers_4(tmp_path):
    for compatibility, cleans in (("transformers4", True), ("transformers5", False)):
        tokenizer = AutoTokenizer.from_pretrained(bert(tmp_path), compatibility=compatibility)
        assert tokenizer.clean_up_tokenization_spaces is cleans
    assert AutoTokenizer.from_pretrained(v1(tmp_path / "v1")).clean_up_tokenization_spaces is False
    write(tmp_path, tokenizer_config_json={"clean_up_tokenization_spaces": False})
    assert AutoTokenizer.from_pretrained(tmp_path).clean_up_tokenization_spaces is False


def test_classes_flag_tokens_that_no_file_names(tmp_path):
    """Those of DeBERTa in transformers 4, whatever added_tokens_decoder says; a token that is named keeps its flags."""
    flags = {"single_word": True, "lstrip": True, "rstrip": True, "normalized": False, "special": True}
    for make, name, expected in (
        (v1, "[PAD]", AddedToken("[PAD]", special=True)),
        (v1, "[MASK]", AddedToken("[MASK]", lstrip=True, normalized=True, special=True)),
        (v2, "[UNK]", AddedToken("[UNK]", normalized=True, special=True)),
    ):
        plain = AutoTokenizer.from_pretrained(make(tmp_path))
        id = plain.convert_tokens_to_ids(name)
        config = {"added_tokens_decoder": {str(id): {"content": name, **flags}}}
        for more, found in (({}, expected), ({name.strip("[]").lower() + "_token": name}, {"content": name, **flags})):
            write(tmp_path, tokenizer_config_json={**config, **more})
            token = AutoTokenizer.from_pretrained(tmp_path).added_tokens_decoder[id]
            assert token == (found if isinstance(found, AddedToken) else AddedToken(**found))
        (tmp_path / "tokenizer_config.json").unlink()


def test_a_claim_that_a_token_is_normalized_does_not_reach_a_default_token_of_deberta(tmp_path):
    """transformers 4 adds the token of its class after the claimed one, which is not special."""
    id = AutoTokenizer.from_pretrained(v1(tmp_path)).convert_tokens_to_ids("[SEP]")
    claim = {"content": "[SEP]", "normalized": True, "special": False}
    write(tmp_path, tokenizer_config_json={"added_tokens_decoder": {str(id): claim}})
    assert AutoTokenizer.from_pretrained(tmp_path).added_tokens_decoder[id] == AddedToken("[SEP]", special=True)


def test_transformers_5_adds_a_token_with_flags_after_the_same_str(tmp_path):
    """The extra <x> is the str that eos_token has already added; without eos_token it is added last."""
    sep = {"__type": "AddedToken", "content": "<x>", "lstrip": True, "normalized": False, "special": False}
    for more, strips in (({"eos_token": "<x>"}, True), ({}, False)):
        config = {"sep_token": sep, "additional_special_tokens": ["<x>"], **more}
        tokenizer = AutoTokenizer.from_pretrained(bert_json(tmp_path, config), compatibility="transformers5")
        id = tokenizer.convert_tokens_to_ids("<x>")
        assert tokenizer.added_tokens_decoder[id] == AddedToken("<x>", lstrip=strips, special=True)


def test_transformers_5_sees_a_token_of_added_tokens_json_that_a_name_gives_as_a_str(tmp_path):
    bert(tmp_path)
    token = {"__type": "AddedToken", "content": "<x>", "normalized": True, "special": False}
    for config, normalized in (({"eos_token": "<x>", "sep_token": token}, False), ({"sep_token": token}, True)):
        write(tmp_path, added_tokens_json={"<x>": len(BERT_TOKENS)}, tokenizer_config_json=config)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path, compatibility="transformers5")
        assert tokenizer.added_tokens_decoder[len(BERT_TOKENS)].normalized is normalized


def test_a_special_token_whose_file_does_not_say_normalized(tmp_path):
    """It follows `special`, which a name sets: in tokenizer_config.json by transformers 5 alone."""
    token, size = {"content": "<x>", "lstrip": True}, len(BERT_TOKENS)
    flagged = {"__type": "AddedToken", **token}
    decoder = {"added_tokens_decoder": {str(size): token}}
    for config, names, normalized in (
        ({"eos_token": flagged}, None, (True, False)),
        ({}, {"eos_token": token}, (False, False)),
        ({}, {"additional_special_tokens": [token]}, (False,)),
        ({**decoder, "eos_token": "<x>"}, None, (False, False)),
        ({**decoder, "additional_special_tokens": ["<x>"]}, None, (False, True)),
        (decoder, None, (True, True)),
    ):
        bert(tmp_path, tokenizer_config_json=config, special_tokens_map_json=names or {})
        for rule, expected in zip(("transformers4", "transformers5"), normalized, strict=False):
            tokenizer = AutoTokenizer.from_pretrained(tmp_path, compatibility=rule)
            assert tokenizer.added_tokens_decoder[size].normalized is expected, (rule, config, names)


class LibraryToken:
    """An AddedToken as that of tokenizers, whose `normalized` follows `special` unless it is given."""

    single_word = lstrip = rstrip = special = False

    def __init__(self, content, normalized=None):
        self.content, self._chosen_by_caller = content, normalized

    @property
    def normalized(self):
        return not self.special if self._chosen_by_caller is None else self._chosen_by_caller


@pytest.mark.parametrize("make", [AddedToken, LibraryToken])
def test_a_token_that_is_added_as_special_without_normalized(tmp_path, make):
    """transformers 4 makes a token among the options of from_pretrained special later, when it is normalized."""
    bert(tmp_path)
    id = len(BERT_TOKENS)
    for chosen in (None, False, True):
        token = make("<x>", normalized=chosen)
        added = [AutoTokenizer.from_pretrained(tmp_path) for _ in range(4)]
        added[0].add_special_tokens({"eos_token": token})
        added[1].add_special_tokens({"additional_special_tokens": [token]})
        added[2].add_tokens([token], special_tokens=True)
        added[3] = AutoTokenizer.from_pretrained(tmp_path, eos_token=token, compatibility="transformers5")
        found = [tokenizer.added_tokens_decoder[id] for tokenizer in added]
        assert found == [AddedToken("<x>", normalized=bool(chosen), special=True)] * 4
        plain = AutoTokenizer.from_pretrained(tmp_path)
        plain.add_tokens([token])
        for tokenizer in (plain, AutoTokenizer.from_pretrained(tmp_path, eos_token=token)):
            assert tokenizer.added_tokens_decoder[id].normalized is (chosen is not False)
        assert not token.special


def test_flags_of_a_named_token_win_over_added_tokens_json(tmp_path):
    bert(tmp_path)
    size = len(BERT_TOKENS)
    token = {"__type": "AddedToken", "content": "<x>", "lstrip": True, "normalized": True, "special": True}
    write(tmp_path, added_tokens_json={"<x>": size}, tokenizer_config_json={"sep_token": token})
    found = {
        rule: AutoTokenizer.from_pretrained(tmp_path, compatibility=rule) for rule in ("transformers4", "transformers5")
    }
    assert found["transformers4"].added_tokens_decoder[size].lstrip
    assert not found["transformers5"].added_tokens_decoder[size].lstrip
    assert all(tokenizer.added_tokens_decoder[size].normalized for tokenizer in found.values())


def test_add_prefix_space_of_the_files_is_not_read_for_an_spm_model(tmp_path):
    v2(tmp_path, tokenizer_config_json={"add_prefix_space": False})
    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("hello") == ["▁hello"]
    assert AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=False).tokenize("hello")[0] == "h"
