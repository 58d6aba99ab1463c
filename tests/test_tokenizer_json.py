"""tokenizer.json and added_tokens.json beside spm.model: what agrees is accepted, what does not is refused by name."""

import json
import re
import time

import pytest

from deberta_c import AutoTokenizer

STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
LOWER = {"type": "Lowercase"}
CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
BLANKS = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
NFC = {"type": "NFC"}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
LEGACY = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
PUNCTUATION = {"type": "Punctuation", "behavior": "Isolated"}
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def normal(*stages):
    return {"type": "Sequence", "normalizers": stages}


def cuts(*stages):
    return {"type": "Sequence", "pretokenizers": stages}


def content(**keys):
    """A tokenizer.json in the order of the library, as transformers 4 wrote it, with some keys replaced."""
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [{"id": index, "content": token, **FLAGS} for index, token in enumerate(tokens)],
        "normalizer": normal(STRIP, CHARSMAP, BLANKS),
        "pre_tokenizer": cuts(METASPACE),
        "post_processor": None,
        "decoder": METASPACE,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [["[PAD]", 0.0]]},
        **keys,
    }


@pytest.fixture
def opened(make_model):
    """Opens the tokenizer of a directory with a tokenizer.json; options go to from_pretrained."""

    def open_with(file, configuration="{}", **options):
        directory = make_model()
        (directory / "tokenizer.json").write_text(file if isinstance(file, str) else json.dumps(file))
        (directory / "tokenizer_config.json").write_text(configuration)
        return AutoTokenizer.from_pretrained(directory, **options)

    return open_with


@pytest.mark.parametrize("stages", [(STRIP, CHARSMAP, BLANKS), (STRIP, BLANKS)])
@pytest.mark.parametrize("metaspace", [METASPACE, LEGACY])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("punctuation", [False, True])
def test_what_transformers_4_wrote(opened, tokenizer, stages, metaspace, lower, punctuation):
    file = content(
        normalizer=normal(*[LOWER] * lower, *stages),
        pre_tokenizer=cuts(*[PUNCTUATION] * punctuation, metaspace),
    )
    found = opened(file, json.dumps({"do_lower_case": not lower, "split_by_punct": not punctuation}))
    assert found("hello").input_ids == tokenizer("hello").input_ids  # neither cut nor padded
    assert (found("HELLO").input_ids == tokenizer("hello").input_ids) == lower
    split = tokenizer.convert_ids_to_tokens(found("now!").input_ids)[1:-1]
    assert split == (["▁now", "▁", "!"] if punctuation else ["▁now", "!"])


def test_options_of_the_caller_win(opened, tokenizer):
    assert opened(content(), do_lower_case=True)("HELLO").input_ids == tokenizer("hello").input_ids
    assert opened(content(pre_tokenizer=METASPACE))("now").input_ids == tokenizer("now").input_ids


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"normalizer": None}, "has the normalizer null"),
        ({"normalizer": STRIP}, "has the normalizer"),
        ({"normalizer": normal(STRIP, CHARSMAP, BLANKS, NFC)}, "NFC"),
        ({"normalizer": normal(CHARSMAP, STRIP, BLANKS)}, "has the normalizer"),
        ({"normalizer": normal({**STRIP, "strip_left": False}, BLANKS)}, "has the normalizer"),
        (
            {"normalizer": normal({**BLANKS, "pattern": {"Regex": "\\s{2,}|[\n\r\t]"}}, NFC, STRIP)},
            "has the normalizer",
        ),
        ({"normalizer": ["Strip"]}, "has the normalizer"),
        ({"pre_tokenizer": None}, "has the pre_tokenizer null"),
        ({"pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}}, "has the pre_tokenizer"),
        ({"pre_tokenizer": {**LEGACY, "add_prefix_space": False}}, "has the pre_tokenizer"),
        ({"pre_tokenizer": {**METASPACE, "split": False}}, "has the pre_tokenizer"),
        ({"pre_tokenizer": cuts({**PUNCTUATION, "behavior": "Removed"}, METASPACE)}, "Removed"),
        ({"pre_tokenizer": cuts(METASPACE, PUNCTUATION)}, "has the pre_tokenizer"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "ByteLevel"),
        ({"added_tokens": [{"id": 9, "content": "<ent>", **FLAGS}]}, "adds the token '<ent>' with the id 9"),
        ({"added_tokens": [{"id": 4, "content": "▁hello", **FLAGS}]}, "adds the token '▁hello'"),
        ({"added_tokens": ["[CLS]"]}, "adds the token 'None'"),
        ({"added_tokens": [{"content": "[MASK]", **FLAGS, "lstrip": True}]}, r"'\[MASK\]' the flag lstrip"),
    ],
)
def test_another_pipeline_is_refused(opened, keys, message):
    for file in (content(**keys), dict(sorted(content(**keys).items()))):
        with pytest.raises(ValueError, match=rf"tokenizer\.json' .*{message}.*delete tokenizer\.json to use spm"):
            opened(file)


@pytest.mark.parametrize(
    "file", ["", "{", "[]", '{"model": ', "\x00", "[" * 100_000, '{"normalizer": ' + "[" * 100_000]
)
def test_what_is_no_json_is_refused(opened, file):
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        opened(file)


def test_the_vocabulary_is_not_parsed(opened, make_model):
    whole = json.dumps(content())
    assert opened(whole[: whole.index('"vocab"')] + '"vocab": [["a", 0], ' * 300_000)  # 6 MB, which never ends
    directory = make_model()
    (directory / "tokenizer.json").write_text(whole + " " * 16_000_000)
    times = []
    for _ in range(5):
        start = time.process_time()
        AutoTokenizer.from_pretrained(directory)
        times.append(time.process_time() - start)
    assert min(times) < 0.03


def test_added_tokens(make_model, tokenizer):
    directory = make_model()
    path = directory / "added_tokens.json"
    path.write_text(json.dumps({"[MASK]": tokenizer.mask_token_id, "[CLS]": 1}))
    assert AutoTokenizer.from_pretrained(directory)("now").input_ids == tokenizer("now").input_ids
    for added in ({"[MASK]": 4}, {"<ent>": 200}, {"[MASK]": tokenizer.mask_token_id, "[CLS]": 7}):
        path.write_text(json.dumps(added))
        token, number = list(added.items())[-1]
        message = f"adds the token {token!r} with the id {number}, which spm.model has not"
        with pytest.raises(ValueError, match=rf"added_tokens\.json' {re.escape(message)}.*delete added_tokens\.json"):
            AutoTokenizer.from_pretrained(directory)
