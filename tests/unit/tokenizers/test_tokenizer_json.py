"""tokenizer.json: a file of transformers 4 beside spm.model runs like spm.model, any other file as written; unknown
parts raise an error that names them."""

import copy
import json
import re
import time

import pytest

from deberta_c import AutoTokenizer
from deberta_c._tokenizers.tokenizer_json import translate

STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
LOWER = {"type": "Lowercase"}
BLANKS = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
LEGACY = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}
PUNCTUATION = {"type": "Punctuation", "behavior": "Isolated"}
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def normal(*stages):
    return {"type": "Sequence", "normalizers": list(stages)}


def cuts(*stages):
    return {"type": "Sequence", "pretokenizers": list(stages)}


@pytest.fixture(scope="session")
def written(tiny):
    """The tokenizer.json that transformers 4 writes for the tiny spm.model."""
    content = AutoTokenizer.from_pretrained(tiny)._files.content()
    return {
        **content,
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    }


@pytest.fixture
def opened(make_model, written):
    """Opens the tokenizer of a directory whose tokenizer.json has other keys; options go to from_pretrained."""

    def open_with(keys=None, configuration="{}", body=None, **options):
        directory = make_model()
        file = {**copy.deepcopy(written), **(keys or {})}
        (directory / "tokenizer.json").write_text(json.dumps(file) if body is None else body)
        (directory / "tokenizer_config.json").write_text(configuration)
        return AutoTokenizer.from_pretrained(directory, **options)

    return open_with


def middle(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)[1:-1]


@pytest.mark.parametrize("metaspace", [METASPACE, LEGACY])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("punctuation", [False, True])
def test_what_transformers_4_wrote(opened, tokenizer, metaspace, lower, punctuation):
    keys = {
        "normalizer": normal(*[LOWER] * lower, STRIP, BLANKS),
        "pre_tokenizer": cuts(*[PUNCTUATION] * punctuation, metaspace),
    }
    found = opened(keys, json.dumps({"do_lower_case": not lower, "split_by_punct": not punctuation}))
    assert found("hello").input_ids == tokenizer("hello").input_ids  # neither cut nor padded
    assert (found("HELLO").input_ids == tokenizer("hello").input_ids) == lower
    assert middle(found, "now!") == (["▁now", "▁", "!"] if punctuation else ["▁now", "!"])


def test_options_of_the_caller_win(opened, tokenizer):
    assert opened(do_lower_case=True)("HELLO").input_ids == tokenizer("hello").input_ids
    assert middle(opened(split_by_punct=True), "now!") == ["▁now", "▁", "!"]
    assert middle(opened({"pre_tokenizer": METASPACE}), "now") == ["▁now"]
    assert middle(opened(add_prefix_space=False), "now") == ["n", "o", "w"]


@pytest.mark.parametrize(
    ("keys", "text", "expected"),
    [
        ({"normalizer": None}, " hello", ["▁hello"]),
        ({"normalizer": LOWER}, "HELLO", ["▁hello"]),
        ({"normalizer": normal(normal(LOWER), normal())}, "HELLO", ["▁hello"]),
        ({"normalizer": {**STRIP, "strip_left": False}}, "  now ", ["▁", "▁now"]),
        ({"normalizer": {"type": "Prepend", "prepend": "hello "}}, "now", ["▁hello", "▁now"]),
        ({"normalizer": {"type": "Replace", "pattern": {"String": "x"}, "content": " "}}, "hellox", ["▁hello", "▁"]),
        ({"pre_tokenizer": {**METASPACE, "prepend_scheme": "never"}}, "at the", ["a", "t", "▁the"]),
        ({"pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}}, "at[MASK]at", ["▁at", "[MASK]", "a", "t"]),
        ({"pre_tokenizer": {**LEGACY, "add_prefix_space": False}}, "at", ["a", "t"]),
        ({"pre_tokenizer": {"type": "WhitespaceSplit"}}, "a  b", ["a", "b"]),
        ({"pre_tokenizer": None}, "at", ["a", "t"]),
        ({"post_processor": None}, "hello now at", ["▁now"]),
        ({"decoder": None}, "hello", ["▁hello"]),
    ],
)
def test_other_stages_run_as_written(opened, keys, text, expected):
    assert middle(opened(keys), text) == expected


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"version": "2.0"}, "has the version '2.0'"),
        ({"normalizer": "Strip"}, "has the normalizer 'Strip', which is not an object"),
        ({"normalizer": {"type": "Nmt"}}, "has the normalizer 'Nmt', which this version does not know; known are Bert"),
        ({"normalizer": {}}, "has the normalizer None, which"),
        ({"normalizer": {"type": ["NFC"]}}, r"has the normalizer \['NFC'\], which"),
        ({"normalizer": normal(LOWER, {"type": "Byte"})}, "normalizer 'Byte'"),
        ({"normalizer": {"type": "Sequence"}}, "has the normalizer 'Sequence' without normalizers"),
        ({"normalizer": {"type": "Strip", "strip_left": True}}, "has the normalizer 'Strip' without strip_right"),
        ({"normalizer": {**STRIP, "strip_left": "yes"}}, "has the normalizer 'Strip' with strip_left 'yes'"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "A"}}, "charsmap that is not base64"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "//////8="}}, "."),
        ({"normalizer": {**BLANKS, "pattern": {"Regex": "a+b"}}}, r"a\+b"),
        ({"normalizer": {**BLANKS, "pattern": {"Glob": "a"}}}, "has the normalizer 'Replace' with pattern"),
        ({"normalizer": {**BLANKS, "pattern": "a"}}, "has the normalizer 'Replace' with pattern 'a'"),
        ({"normalizer": {"type": "BertNormalizer", "lowercase": 1}}, "'BertNormalizer' with lowercase 1"),
        ({"pre_tokenizer": {"type": "Digits"}}, "has the pre_tokenizer 'Digits', which this version does not know"),
        ({"pre_tokenizer": {**METASPACE, "prepend_scheme": "last"}}, "'Metaspace' with prepend_scheme 'last'"),
        ({"pre_tokenizer": {**METASPACE, "replacement": "__"}}, "'Metaspace' with replacement '__'"),
        ({"pre_tokenizer": {**PUNCTUATION, "behavior": "isolated"}}, "'Punctuation' with behavior 'isolated'"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "'ByteLevel' without add_prefix_space"),
        ({"pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(x"}}}, r"\(x"),
        ({"post_processor": {"type": "Magic"}}, "has the post_processor 'Magic'"),
        ({"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2]}}, "'BertProcessing' without cls"),
        ({"post_processor": {"type": "BertProcessing", "sep": [2], "cls": ["a", 1]}}, r"with sep \[2\]|with cls"),
        ({"decoder": ["Metaspace"]}, r"has the decoder \['Metaspace'\], which is not an object"),
        ({"decoder": {"type": "CTC"}}, "decoder 'CTC'"),
        ({"model": None}, "has the model None, which is not an object"),
        ({"model": {"type": "WordLevel", "vocab": {}}}, "has the model 'WordLevel', which this version does not know"),
        ({"model": {"vocab": {"a": 0}}}, "has the model 'WordLevel'"),
        ({"model": {"type": "Unigram", "vocab": []}}, "vocab is not a list of"),
        ({"model": {"type": "Unigram", "vocab": ["ab"]}}, "vocab is not a list of"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0, 0]]}}, "vocab is not a list of"),
        ({"model": {"type": "Unigram", "vocab": [[1, 0]]}}, "vocab is not a list of"),
        ({"model": {"type": "Unigram", "vocab": [["a", "b"]]}}, "vocab is not a list of"),
        ({"model": {"type": "Unigram", "vocab": [["a", float("nan")]]}}, "a score that is not finite"),
        ({"model": {"type": "Unigram", "vocab": [["a", 10**400]]}}, "a score that is not finite"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}}, "'Unigram' with unk_id 1"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": -1}}, "'Unigram' with unk_id -1"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, r"unk_token '\[UNK\]', which its vocab does not have"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}}, "'BPE' with dropout 0.1"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}, "merges are not pairs"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a", "b c d"]}}, "merges are not pairs"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}, "merges are not pairs"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", 1]]}}, "merges are not pairs"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"], "a b"]}}, "merges are not pairs"),
        ({"added_tokens": {"a": 1}}, "has added_tokens {'a': 1}, which is not a list"),
        ({"added_tokens": ["[CLS]"]}, r"has the added token '\[CLS\]', which is not an object"),
        ({"added_tokens": [{"id": 1}]}, "has the added token None without content"),
        ({"added_tokens": [{"content": "a", "lstrip": 1}]}, "has the added token 'a' with lstrip 1"),
    ],
)  # fmt: skip
def test_unknown_parts_are_named(opened, keys, message):
    with pytest.raises(ValueError, match=rf"tokenizer\.json'.*{message}|^the {message}"):
        opened(keys)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"model": ', "\x00", "[" * 100_000, '{"normalizer": ' + "[" * 100_000]
)
def test_invalid_json_is_refused(opened, body):
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        opened(body=body)


def model(**keys):
    return {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]], **keys}}


@pytest.mark.parametrize("merges", [[["a", "b"]], ["a b"], ["#version: 0.2", "a b\n"]])
def test_forms_of_merges(merges):
    assert translate(model(merges=merges)).model["merges"] == ["a", "b"]


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ({"vocab": [["a", 0.0]]}, "Unigram"),
        ({"vocab": {"[UNK]": 0}, "max_input_chars_per_word": 9}, "WordPiece"),
        ({"vocab": {"a": 0}, "merges": []}, "BPE"),
    ],
)
def test_models_too_old_to_say_their_type(section, kind):
    assert translate({"model": section}).model["type"] == kind


def test_of_equal_pieces_the_last_counts():
    found = translate({"model": {"type": "Unigram", "vocab": [["a", 1], ["b", 2], ["a", 3], ["", 4]]}})
    assert found.model["tokens"] == ["a", "b"]
    assert found.model["ids"].tolist() == [2, 1]
    assert found.model["scores"].tolist() == [3.0, 2.0]
    assert found.base_size == 4


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
ROBERTA = {
    "type": "RobertaProcessing",
    "sep": ["</s>", 2],
    "cls": ["<s>", 0],
    "trim_offsets": True,
    "add_prefix_space": True,
}


@pytest.mark.parametrize(
    ("section", "single", "pair", "trims"),
    [
        (None, ((-1, 0),), ((-1, 0), (-2, 1)), None),
        (
            {"type": "BertProcessing", "sep": ["x", 2], "cls": ["y", 1]},
            ((1, 0), (-1, 0), (2, 0)), ((1, 0), (-1, 0), (2, 0), (-2, 1), (2, 1)), None,
        ),
        (ROBERTA, ((0, 0), (-1, 0), (2, 0)), ((0, 0), (-1, 0), (2, 0), (2, 0), (-2, 0), (2, 0)), True),
        ({**ROBERTA, "trim_offsets": False}, ((0, 0), (-1, 0), (2, 0)), None, None),
        (BYTE_LEVEL, ((-1, 0),), ((-1, 0), (-2, 1)), False),
        (
            {"type": "Sequence", "processors": [BYTE_LEVEL, {**ROBERTA, "trim_offsets": False}]},
            ((0, 0), (-1, 0), (2, 0)), None, False,
        ),
    ],
)  # fmt: skip
def test_post_processors(section, single, pair, trims):
    found = translate({**model(), "post_processor": section})
    assert found.single == single
    assert pair is None or found.pair == pair
    assert found.trim_offsets is trims


def template(single, pair=None, special=None):
    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    special = {"x": {"id": "x", "ids": [7, 8], "tokens": ["y", "z"]}} if special is None else special
    return {"type": "TemplateProcessing", "single": single, "pair": pair or texts, "special_tokens": special}


A, X = {"Sequence": {"id": "A", "type_id": 3}}, {"SpecialToken": {"id": "x", "type_id": 255}}


def test_a_template_may_place_several_ids_for_a_name():
    assert translate({**model(), "post_processor": template([X, A])}).single == ((7, 255), (8, 255), (-1, 3))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (template([A, A]), "'TemplateProcessing' with single"),
        (template([X]), "'TemplateProcessing' with single"),
        (template([A], [A]), "'TemplateProcessing' with pair"),
        (template(["$A"]), r"with single '\$A'"),
        (template([{}]), "with single {}"),
        (template([{**A, **X}]), "with single"),
        (template([{"Sequence": {"id": "C", "type_id": 0}}]), "with single"),
        (template([{"Sequence": {"id": "A", "type_id": 256}}]), "with single"),
        (template([{"Sequence": {"id": "A"}}]), "with single"),
        (template([X, A], special={}), "give no ids for 'x'"),
        (template([X, A], special={"x": {"ids": [-1]}}), "give no ids for 'x'"),
        ({"type": "Sequence", "processors": [ROBERTA, template([A])]}, "two post_processors that place"),
        ({"type": "Sequence", "processors": [BYTE_LEVEL, ROBERTA]}, "two post_processors that trim"),
        ({**ROBERTA, "trim_offsets": None}, "'RobertaProcessing' without trim_offsets"),
    ],
)
def test_post_processors_that_are_refused(section, message):
    with pytest.raises(ValueError, match=message):
        translate({**model(), "post_processor": section})


def test_added_tokens_of_the_file(opened, written, tokenizer):
    added = [*written["added_tokens"], {"id": 4, "content": "<ent>", **FLAGS}]
    with pytest.warns(UserWarning, match="'<ent>' claims the id 4"):
        found = opened({"added_tokens": added})
    assert middle(found, "hello<ent>") == ["▁hello", "<ent>"]
    assert found.convert_tokens_to_ids("<ent>") == len(tokenizer)


def test_added_tokens_json(make_model, tokenizer):
    directory = make_model()
    path = directory / "added_tokens.json"
    path.write_text(json.dumps({"[MASK]": tokenizer.mask_token_id, "[CLS]": 1}))
    assert AutoTokenizer.from_pretrained(directory)("now").input_ids == tokenizer("now").input_ids
    path.write_text(json.dumps({"[MASK]": 4}))
    message = re.escape(f"'[MASK]' claims the id 4, but gets {tokenizer.mask_token_id}")
    with pytest.warns(UserWarning, match=message):
        AutoTokenizer.from_pretrained(directory)


def test_a_large_file_is_read_quickly(make_model, written):
    directory = make_model()
    pieces = [[f"▁word{index}é", -5.0 - index / 1e5] for index in range(200_000)]
    large = {**written["model"], "vocab": [*written["model"]["vocab"], *pieces]}
    (directory / "tokenizer.json").write_text(json.dumps({**written, "model": large, "added_tokens": []}))
    assert (directory / "tokenizer.json").stat().st_size > 6_000_000
    opens, parses = [], []
    for _ in range(3):
        begin = time.process_time()
        found = AutoTokenizer.from_pretrained(directory)
        between = time.process_time()
        json.loads((directory / "tokenizer.json").read_text())
        opens.append(between - begin)
        parses.append(time.process_time() - between)
    assert middle(found, "word77é") == ["▁word77é"]
    assert min(opens) < 0.8 or min(opens) < 8 * min(parses)  # seconds; or times that of json


def test_a_text_that_normalizers_let_grow_without_end_is_refused(opened):
    """Thirty-two stages that double a text: 4 GB out of one letter."""
    double = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    tokenizer = opened({"normalizer": normal(*[double] * 32)})
    with pytest.raises(ValueError, match=r"the normalizer 'Replace' \(number 21 of 32\).*longer than 10486\d\d bytes"):
        tokenizer("a")
