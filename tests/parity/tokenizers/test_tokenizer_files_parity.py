"""Added and special tokens of a directory, and written files, against transformers 5."""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import deberta_c
from deberta_c import AutoTokenizer
from tests.parity.tokenizers.tokenizer_live import data_folder
from tests.unit.tokenizers.test_tokenizer_files import FLAGS, bert, v1, v2, write

transformers = pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")

TEXTS = [
    "hello  worlds! café 中x", "HELLO [MASK] hello", " x<one>y <two>  <end> a", "[UNK]hello€ <ONE> x<one>", "", "  ",
    "  [MASK]  hello", "<img>[mask]", "<three>hello <two>", "hello<two>hello", "[unk] ﬁ ①\u200b",
]  # fmt: skip
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
MASK: dict[str, Any] = {"content": "[MASK]", **FLAGS, "lstrip": True}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "flags": {"added_tokens_decoder": {"4": MASK, "3": {"content": "[UNK]", **FLAGS, "normalized": True}}},
    "decoder": {
        "added_tokens_decoder": {
            "900": {"content": "<one>", "normalized": True, "special": False},
            "901": {"content": "<two>", **FLAGS, "lstrip": True, "single_word": True},
        }
    },
    "extra": {"extra_special_tokens": ["<one>", {"__type": "AddedToken", "content": "<two>", **FLAGS, "rstrip": True}]},
    "additional": {"additional_special_tokens": ["<two>", "<one>"]},
    "named": {"extra_special_tokens": {"image_token": "<img>"}},
    "objects": {
        "eos_token": {"__type": "AddedToken", "content": "<end>", **FLAGS, "lstrip": True},
        "mask_token": {"__type": "AddedToken", **MASK},
    },
    "legacy": {
        "added_tokens.json": {"<one>": 900, "<three>": 901},
        "special_tokens_map.json": {
            "mask_token": "<three>",
            "eos_token": {"content": "<end>", **FLAGS, "lstrip": True},
        },
    },
}
MAKERS = {"BertTokenizer": bert, "DebertaTokenizer": v1, "DebertaV2Tokenizer": v2}


def configure(directory: Path, configuration: Mapping[str, Any], **more: Any) -> None:
    files = {name: body for name, body in configuration.items() if name.endswith(".json")}
    files["tokenizer_config.json"] = {**{k: v for k, v in configuration.items() if k not in files}, **more}
    for name, body in files.items():
        (directory / name).write_text(json.dumps(body))


def assert_same(ours: Any, theirs: Any) -> None:
    for text in TEXTS:
        for pair in (None, "hello [MASK] x"):
            found, expected = ours(text, pair), theirs(text, pair)
            assert found.input_ids == expected["input_ids"], (text, pair)
            assert found.token_type_ids == expected["token_type_ids"], (text, pair)
    assert len(ours) == len(theirs)
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    added, expected = (
        {id: tuple(getattr(token, name) for name in flags) for id, token in tokenizer.added_tokens_decoder.items()}
        for tokenizer in (ours, theirs)
    )
    assert added == expected
    assert {name: getattr(ours, name) for name in SPECIAL_NAMES} == {
        name: getattr(theirs, name) for name in SPECIAL_NAMES
    }


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'.*: the added token .* claims the id")
        yield


@pytest.mark.parametrize("source", ["vocabulary", "tokenizer.json", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_tokens_of_the_configuration(tmp_path: Path, name: str, configuration: str, source: str) -> None:
    directory = MAKERS[name](tmp_path / "from")
    if source != "vocabulary":
        getattr(transformers, name).from_pretrained(directory).save_pretrained(tmp_path / "saved")
        config = json.loads((directory / "config.json").read_text())
        directory = write(tmp_path / "json", config_json=config)
        shutil.copy(tmp_path / "saved" / "tokenizer.json", directory)
    more = {"tokenizer_class": source} if source == "PreTrainedTokenizerFast" else {}
    inputs = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    configure(directory, CONFIGURATIONS[configuration], **more, **inputs)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    assert_same(AutoTokenizer.from_pretrained(directory, compatibility="transformers5"), theirs)


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize(
    ("name", "published", "options"),
    [
        ("DebertaV2Tokenizer", "deberta-v3", {}),
        ("DebertaV2Tokenizer", "deberta-v3", {"do_lower_case": True, "split_by_punct": True}),
        ("DebertaV2Tokenizer", "deberta-v3", {"compatibility": "transformers5"}),
        ("DebertaV2Tokenizer", "deberta-v3", {"compatibility": "transformers5", "do_lower_case": True}),
        ("DebertaTokenizer", "deberta-v1", {}),
        ("DebertaTokenizer", "deberta-v1", {"compatibility": "transformers5"}),
        ("DebertaTokenizer", "deberta-v1", {"add_prefix_space": True}),
        ("BertTokenizer", "bert-base-uncased", {}),
        ("BertTokenizer", "bert-base-uncased", {"do_lower_case": False, "tokenize_chinese_chars": False}),
    ],
)
def test_written_files(tmp_path: Path, name: str, published: str, options: dict[str, Any], grown: bool) -> None:
    directory = data_folder() / "tokenizers" / published
    ours = getattr(deberta_c, name).from_pretrained(directory, **options)
    if grown:
        assert ours.add_tokens(["<one>", "<two>"]) == 2
        assert ours.add_special_tokens({"mask_token": "<three>"}) == 1
    ours.save_pretrained(tmp_path)
    model_type = {"deberta-v3": "deberta-v2", "deberta-v1": "deberta"}.get(published, "bert")
    write(tmp_path, config_json={"model_type": model_type})
    assert_same(ours, transformers.AutoTokenizer.from_pretrained(tmp_path))
    assert_same(ours, AutoTokenizer.from_pretrained(tmp_path))
