# SPDX-License-Identifier: Apache-2.0
"""Tokenizers created from files, the calls of transformers 4, and messages about misspelt names."""

import copy
import json
import pickle
import sys
import warnings

import pytest

import deberta_c
from deberta_c import BertTokenizer, DebertaTokenizer, DebertaV2Tokenizer, PreTrainedTokenizerFast
from tests.support.tiny_models import write_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "to", "##ken", "!", "hello", "world", "Big", "a"]
LETTERS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "h", "i", "hi", "[MASK]", "Ġ", "Ġhi"]


@pytest.fixture
def files(tmp_path):
    """The path of a file by its name."""
    write_model(tmp_path / "model")
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
    (tmp_path / "letters.json").write_text(json.dumps({token: id for id, token in enumerate(LETTERS)}))
    (tmp_path / "pairs.txt").write_text("#version: 0.2\nh i\nĠ hi\n")
    (tmp_path / "pieces.model").write_bytes((tmp_path / "model" / "spm.model").read_bytes())
    BertTokenizer(tmp_path / "words.txt").save_pretrained(tmp_path / "saved")
    return tmp_path


def made_of_files(files):
    content = (files / "saved" / "tokenizer.json").read_text()
    return {
        "BERT": BertTokenizer(files / "words.txt"),
        "v1": DebertaTokenizer(files / "letters.json", files / "pairs.txt"),
        "v3": DebertaV2Tokenizer(str(files / "pieces.model")),
        "file": PreTrainedTokenizerFast(tokenizer_file=files / "saved" / "tokenizer.json", pad_token="[PAD]"),
        "object": PreTrainedTokenizerFast(tokenizer_object=content, pad_token="[PAD]"),
    }


def test_tokenizers_made_of_files(files):
    made = made_of_files(files)
    assert made["BERT"]("Hello token world").input_ids == [2, 8, 5, 6, 9, 3]
    assert BertTokenizer(files / "words.txt", do_lower_case=False).tokenize("Big hello") == ["Big", "hello"]
    assert made["v1"]("hi hi").input_ids == [1, 6, 9, 2]
    opened = deberta_c.AutoTokenizer.from_pretrained(files / "model")
    assert made["v3"]("see you at home").data == opened("see you at home").data
    for name in ("file", "object"):
        assert made[name]("Hello token world").input_ids == made["BERT"]("Hello token world").input_ids
        assert made[name].pad_token_id == 0
        assert made[name].unk_token is None
    for tokenizer in made.values():
        assert tokenizer.name_or_path == ""
        assert tokenizer.model_max_length is None


@pytest.mark.parametrize("name", ["BERT", "v1", "v3", "file", "object"])
def test_they_are_copied_pickled_grown_and_saved(files, name, tmp_path):
    tokenizer = made_of_files(files)[name]
    tokenizer.padding_side = "left"
    text = "hello hi new world"
    assert tokenizer.add_tokens(["new"]) == 1
    tokenizer.save_pretrained(tmp_path / "out")
    again = type(tokenizer).from_pretrained(tmp_path / "out")
    for other in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer)), again):
        assert type(other) is type(tokenizer)
        assert other([text, "a"], padding=True, return_tensors=None).data == tokenizer([text, "a"], padding=True).data


class Library:
    """As a tokenizers.Tokenizer."""

    def __init__(self, text):
        self.text = text

    def to_str(self):
        return self.text


def test_an_object_of_the_library(files):
    text = (files / "saved" / "tokenizer.json").read_text()
    assert PreTrainedTokenizerFast(tokenizer_object=Library(text)).tokenize("hello") == ["hello"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: BertTokenizer(), TypeError, "vocab_file must be given: BertTokenizer is made of vocab_file"),
        (lambda f: DebertaTokenizer(f / "letters.json"), TypeError, "merges_file must be given"),
        (lambda f: PreTrainedTokenizerFast(), TypeError, "tokenizer_file must be given.*from_pretrained"),
        (lambda f: BertTokenizer(f), IsADirectoryError, "is the directory .* open it with from_pretrained"),
        (lambda f: BertTokenizer(f / "none.txt"), FileNotFoundError, "none.txt', which does not exist"),
        (lambda f: BertTokenizer(7), TypeError, "vocab_file is of type int; it must be the path"),
        (lambda f: BertTokenizer(f / "words.txt", f / "pairs.txt"), TypeError, "BertTokenizer is made of"),
        (lambda f: PreTrainedTokenizerFast(vocab_file="x"), TypeError, "made of tokenizer_file or tokenizer_object"),
        (lambda f: PreTrainedTokenizerFast(tokenizer_object=7), TypeError, "give a tokenizers.Tokenizer"),
        (lambda f: PreTrainedTokenizerFast(tokenizer_object="{"), ValueError, "'tokenizer_object' is not JSON"),
        (lambda f: BertTokenizer(f / "words.txt", do_lowercase=True), TypeError, "did you mean 'do_lower_case'"),
        (lambda f: BertTokenizer(f / "pieces.model"), ValueError, "pieces.model"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_tokenizer(files, make, error, message):
    with pytest.raises(error, match=message):
        make(files)


def test_rows_of_ids(tokenizer):
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert tokenizer.build_inputs_with_special_tokens([7, 8]) == [cls, 7, 8, sep]
    assert tokenizer.build_inputs_with_special_tokens([7, 8], [9]) == [cls, 7, 8, sep, 9, sep]
    assert tokenizer.create_token_type_ids_from_sequences([7, 8], [9]) == [0, 0, 0, 0, 1, 1]
    assert tokenizer.get_special_tokens_mask([7, 8], [9]) == [1, 0, 0, 1, 0, 1]
    assert tokenizer.get_special_tokens_mask([cls, 7, sep], already_has_special_tokens=True) == [1, 0, 1]
    with pytest.raises(ValueError, match="give the whole row as one"):
        tokenizer.get_special_tokens_mask([cls, 7, sep], [9], already_has_special_tokens=True)


def test_prepare_for_model_as_transformers_4(tokenizer):
    """Rows that transformers 4.57 made of the same ids."""
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    row = tokenizer.prepare_for_model(
        [7, 8, 9, 10], max_length=5, truncation=True, stride=1, return_overflowing_tokens=True
    )
    assert row.overflowing_tokens == [9, 10]
    assert row.num_truncated_tokens == 1
    assert row.input_ids == [cls, 7, 8, 9, sep]
    row = tokenizer.prepare_for_model([7, 8, 9, 10], [5, 6], max_length=6, truncation=True, padding="max_length")
    assert row.input_ids == [cls, 7, 8, sep, 5, sep]
    row = tokenizer.prepare_for_model([7], [5, 6], padding="max_length", max_length=8, return_length=True)
    assert row.input_ids == [cls, 7, sep, 5, 6, sep, pad, pad]
    assert row.token_type_ids == [0, 0, 0, 1, 1, 1, 0, 0]
    assert row.attention_mask == [1, 1, 1, 1, 1, 1, 0, 0]
    assert row.length == 8
    assert tokenizer.prepare_for_model([7], return_tensors="np", prepend_batch_axis=True).input_ids.shape == (1, 3)
    with pytest.raises(ValueError, match="truncation is 'only_second', but 2 tokens must go and that text has 1"):
        tokenizer.prepare_for_model([7, 8, 9], [5], max_length=5, truncation="only_second")
    with pytest.raises(ValueError, match="both texts are cut"):
        tokenizer.prepare_for_model([7], [5], max_length=4, truncation=True, return_overflowing_tokens=True)
    with pytest.raises(ValueError, match="ids have no offsets"):
        tokenizer.prepare_for_model([7], return_offsets_mapping=True)


def test_former_names_of_a_call(tokenizer):
    with pytest.warns(FutureWarning, match=r"write tokenizer\(text\)"):
        assert tokenizer.encode_plus("see you", "home").data == tokenizer("see you", "home").data
    with pytest.warns(FutureWarning, match=r"write tokenizer\(texts\)"):
        assert tokenizer.batch_encode_plus([("a", "b")]).data == tokenizer([("a", "b")]).data
    with pytest.warns(FutureWarning, match="write word_ids"):
        assert tokenizer("see you").words() == tokenizer("see you").word_ids()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TypeError, match="must be a list of texts"):
            tokenizer.batch_encode_plus("see you")
        with pytest.raises(TypeError, match="did you mean 'padding'"):
            tokenizer.encode_plus("see you", paddding=True)


def test_attributes_of_a_tokenizer(tiny):
    tokenizer = DebertaV2Tokenizer.from_pretrained(pretrained_model_name_or_path=tiny, model_max_length=20)
    assert deberta_c.AutoTokenizer.from_pretrained(pretrained_model_name_or_path=tiny).vocab_size
    assert (tokenizer.max_len_single_sentence, tokenizer.max_len_sentences_pair) == (18, 17)
    assert tokenizer.do_lower_case is False
    assert tokenizer.init_kwargs["model_max_length"] == 20
    assert tokenizer.added_tokens_encoder == {token.content: id for id, token in tokenizer.added_tokens_decoder.items()}
    ids = list(tokenizer.get_vocab().values())
    assert ids == sorted(ids)
    tokenizer.model_max_length = None
    assert tokenizer.max_len_single_sentence is tokenizer.max_len_sentences_pair is None
    with pytest.raises(AttributeError, match=r"from_pretrained\(..., do_lower_case=True\)"):
        tokenizer.do_lower_case = True
    assert not hasattr(tokenizer, "tokenize_chinese_chars")
    with pytest.raises(
        AttributeError, match="no attribute 'convert_token_to_ids'; did you mean 'convert_tokens_to_ids'"
    ):
        _ = tokenizer.convert_token_to_ids
    for name, hint in (
        ("backend_tokenizer", "does not use the tokenizers library"),
        ("special_tokens_map_extended", "added_tokens_decoder their flags"),
        ("truncate_sequences", "prepare_for_model"),
        ("vocab_files_names", "save_vocabulary"),
    ):
        with pytest.raises(AttributeError, match=hint):
            getattr(tokenizer, name)


def test_extra_special_tokens_can_be_set(tiny):
    tokenizer = DebertaV2Tokenizer.from_pretrained(tiny)
    assert "additional_special_tokens" not in tokenizer.special_tokens_map
    tokenizer.additional_special_tokens = ["[MASK]"]
    assert tokenizer.special_tokens_map["additional_special_tokens"] == ["[MASK]"]
    newer = DebertaV2Tokenizer.from_pretrained(tiny, compatibility="transformers5", extra_special_tokens=["[MASK]"])
    assert "additional_special_tokens" not in newer.special_tokens_map
    assert tokenizer.extra_special_tokens == ["[MASK]"]
    assert tokenizer.additional_special_tokens_ids == [tokenizer.mask_token_id]
    with pytest.raises(ValueError, match=r"add_special_tokens\({'extra_special_tokens': \['<q>'\]}\)"):
        tokenizer.extra_special_tokens = ["<q>"]
    with pytest.raises(TypeError, match="must be a list of tokens"):
        tokenizer.extra_special_tokens = "[MASK]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t("a", paddding=True), "the call of a tokenizer has no option 'paddding'; did you mean 'padding'"),
        (lambda t: t.encode("a", max_len=3), "did you mean 'max_length'"),
        (lambda t: t.decode([1], skip_special_token=True), "did you mean 'skip_special_tokens'"),
        (lambda t: t.batch_decode([[1]], skip_special=True), "did you mean 'skip_special_tokens'"),
        (lambda t: t.pad({"input_ids": [1]}, colour=1), "pad has no option 'colour'; it takes encoded_inputs"),
        (lambda t: t.prepare_for_model([1], trunc=True), "did you mean 'truncation'"),
        (lambda t: t.save_pretrained("x", filename_prefx="a"), "did you mean 'filename_prefix'"),
    ],
)
def test_misspelt_options(tokenizer, call, message):
    with pytest.raises(TypeError, match=message):
        call(tokenizer)


def test_ways_of_saving(files, tmp_path):
    tokenizer = made_of_files(files)["BERT"]
    paths = tokenizer.save_pretrained(tmp_path / "out", legacy_format=False, filename_prefix="my")
    assert [path.rpartition("/")[2] for path in paths] == ["my-tokenizer.json", "my-tokenizer_config.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "my-tokenizer.json",
        "my-tokenizer_config.json",
    ]
    for options, message in (
        ({"legacy_format": True}, "call save_vocabulary"),
        ({"push_to_hub": True}, "hf upload REPO"),
        ({"filename_prefix": "a/b"}, "without a slash"),
    ):
        with pytest.raises(ValueError, match=message):
            tokenizer.save_pretrained(tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


def test_the_vocabulary_is_saved(files, tmp_path):
    made = made_of_files(files)
    assert made["BERT"].save_vocabulary(tmp_path / "out", "my") == (str(tmp_path / "out" / "my-vocab.txt"),)
    assert (tmp_path / "out" / "my-vocab.txt").read_text() == (files / "words.txt").read_text()
    vocabulary, merges = made["v1"].save_vocabulary(tmp_path / "out")
    again = DebertaTokenizer(vocabulary, merges)
    assert again("hi hi").data == made["v1"]("hi hi").data
    assert again.save_vocabulary(tmp_path / "again") == tuple(
        str(tmp_path / "again" / name) for name in ("vocab.json", "merges.txt")
    )
    assert made["v3"].save_vocabulary(tmp_path / "out") == (str(tmp_path / "out" / "spm.model"),)
    assert (tmp_path / "out" / "spm.model").read_bytes() == (files / "pieces.model").read_bytes()
    made["v3"].save_pretrained(tmp_path / "json")
    with pytest.raises(ValueError, match=r"has no spm.model to copy"):
        DebertaV2Tokenizer.from_pretrained(tmp_path / "json").save_vocabulary(tmp_path / "out")


def test_training_needs_the_library(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match="pip install tokenizers"):
        made_of_files(files)["BERT"].train_new_from_iterator([["some text"]], 50)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([["a", "b", "c"]], r"text\[0\] is \('a', 'b', 'c'\).*is_split_into_words=True for rows of words"),
        ([("a", "b"), "c"], r"text\[1\] is 'c', but rows such as text\[0\] are pairs"),
    ],
)
def test_rows_that_are_not_pairs(tokenizer, inputs, message):
    with pytest.raises(ValueError, match=message):
        tokenizer(inputs)


def test_labels_of_pairs(tokenizer):
    batch = tokenizer("see you", text_target="at home", text_pair_target="now")
    assert batch.labels == tokenizer("at home", "now").input_ids
