"""tokenizer_config.json beside a tokenizer.json, live: classes x options x values, by transformers 5 and by 4.

For transformers 4, DEBERTA_C_TRANSFORMERS4 names a folder of `pip install --target` with a 4.57; without it that
half is skipped.
"""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import deberta_c
from deberta_c import AutoTokenizer
from tests.parity.tokenizers.tokenizer_peer import Peer, described
from tests.unit.tokenizers.test_tokenizer_files import bert, v1, v2

pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")

TEXTS = [
    "Hello  WORLD! café 中x",
    " hello [MASK] <two> world",
    "[UNK] hello world hello world hello world",
    "",
    "É <end>",
]
PAIRS = ["hello [MASK] x", "b", "hello hello hello hello hello world", "a", " hello"]
LIKE_BERT = [
    "BertTokenizer", "ElectraTokenizer", "DistilBertTokenizer", "ConvBertTokenizer", "LayoutLMTokenizer",
    "LxmertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer", "DPRQuestionEncoderTokenizer",
]  # fmt: skip
CLASSES = {
    **dict.fromkeys(LIKE_BERT, "BertTokenizer"),
    "PreTrainedTokenizerFast": "BertTokenizer",
    "DebertaTokenizer": "DebertaTokenizer",
    "DebertaV2Tokenizer": "DebertaV2Tokenizer",
}
OTHERS = [  # transformers 5 makes stages of its own for these
    "AlbertTokenizer", "BartTokenizer", "BigBirdTokenizer", "CamembertTokenizer", "FNetTokenizer", "FunnelTokenizer",
    "GPT2Tokenizer", "HerbertTokenizer", "LEDTokenizer", "LongformerTokenizer", "MPNetTokenizer", "RobertaTokenizer",
    "XLMRobertaTokenizer", "XLNetTokenizer",
]  # fmt: skip
MAKERS = {"BertTokenizer": bert, "DebertaTokenizer": v1, "DebertaV2Tokenizer": v2}
SIDES = ("left", "right")
FLAG = (False, True)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "do_lower_case": FLAG, "strip_accents": (None, *FLAG), "tokenize_chinese_chars": FLAG, "add_prefix_space": FLAG,
    "split_by_punct": FLAG, "padding_side": SIDES, "truncation_side": SIDES, "model_max_length": (8, 10**30),
    "max_len": (9,), "split_special_tokens": FLAG, "do_basic_tokenize": FLAG, "clean_text": (False,),
    "model_input_names": (["input_ids", "attention_mask"], ["input_ids", "token_type_ids"]),
    "eos_token": ("<end>", {"__type": "AddedToken", "content": "<end>", "lstrip": True, "special": True}),
    "additional_special_tokens": (["<two>"],), "mask_token": ("<m>", "world"), "clean_up_tokenization_spaces": FLAG,
    "pad_token_type_id": (1,),
}  # fmt: skip
SECTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "left": {
        "truncation": {"direction": "Left", "max_length": 7, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": 4, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def peer4() -> Iterator[Peer]:
    folder = os.environ.get("DEBERTA_C_TRANSFORMERS4")
    if not folder:
        pytest.skip("DEBERTA_C_TRANSFORMERS4 names no folder with transformers 4")
    peer = Peer(folder)
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def peer5() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def contents(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Files of a class, with both values of everything that an option may change."""
    saved = folder / "saved"
    getattr(deberta_c, kind).from_pretrained(MAKERS[kind](folder / "from")).save_pretrained(saved)
    content = json.loads((saved / "tokenizer.json").read_text())
    for flag in FLAG:
        if kind == "BertTokenizer":
            content["normalizer"] |= {"lowercase": flag, "handle_chinese_chars": not flag}
        if kind == "DebertaTokenizer":
            content["pre_tokenizer"]["add_prefix_space"] = flag
        yield content


def compare(peer: Peer, folder: Path, name: str, **options: Any) -> None:
    """Asserts that every option alone, with each value and each file, has the same result in both."""
    kind = CLASSES.get(name, "BertTokenizer")
    directory = folder / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"model_type": "bert"}))
    different = []
    for content in contents(folder, kind):
        for sections in SECTIONS.values():
            (directory / "tokenizer.json").write_text(json.dumps({**content, **sections}))
            for option, values in {"nothing": (None,), **OPTIONS}.items():
                for value in values:
                    if options and (name, option) == ("DPRQuestionEncoderTokenizer", "do_lower_case"):
                        continue  # transformers 5 lower-cases whatever the option says
                    config = {"tokenizer_class": name, option: value}
                    if name == "PreTrainedTokenizerFast":
                        config |= {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
                    (directory / "tokenizer_config.json").write_text(json.dumps(config))
                    theirs = peer.ask(directory, TEXTS, PAIRS)
                    assert theirs.pop("class", None), theirs
                    ours = json.loads(
                        json.dumps(described(AutoTokenizer.from_pretrained(directory, **options), TEXTS, PAIRS))
                    )
                    if (kind, option, value) == ("DebertaV2Tokenizer", "do_lower_case", True) or name in OTHERS:
                        del theirs["decoded"]  # transformers lower-cases [UNK], which is then no longer special
                    different += [(option, value, key) for key in theirs if ours[key] != theirs[key]]
    assert not different


@pytest.mark.parametrize("name", [*CLASSES, *OTHERS])
def test_as_transformers_4(tmp_path: Path, peer4: Peer, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(peer4, tmp_path, name)


@pytest.mark.parametrize("name", CLASSES)
def test_as_transformers_5(tmp_path: Path, peer5: Peer, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(peer5, tmp_path, name, compatibility="transformers5")


FLAGS: list[dict[str, Any]] = [
    {}, {"lstrip": True}, {"special": False}, {"special": True}, {"normalized": True}, {"normalized": False},
    {"special": True, "normalized": True},
]  # fmt: skip


def flagged(size: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Where files say the flags of a special token: a name, tokenizer_config.json and special_tokens_map.json."""
    for flags in FLAGS:
        token = {"content": "[New]", **flags}
        typed = {"__type": "AddedToken", **token}
        decoder = {"added_tokens_decoder": {str(size): token}}
        yield f"config {flags}", {"eos_token": typed}, {}
        yield f"map {flags}", {}, {"eos_token": token}
        yield f"extra {flags}", {"additional_special_tokens": [typed]}, {}
        yield f"extra of map {flags}", {}, {"additional_special_tokens": [token]}
        yield f"decoder {flags}", decoder, {}
        yield f"named decoder {flags}", {**decoder, "eos_token": "[New]"}, {}
        yield f"extra of decoder {flags}", {**decoder, "additional_special_tokens": ["[New]"]}, {}


@pytest.mark.parametrize("library", [4, 5])
@pytest.mark.parametrize("kind", MAKERS)
def test_flags_that_files_leave_out(tmp_path: Path, kind: str, library: int, request: pytest.FixtureRequest) -> None:
    """`normalized` then follows `special`, which transformers sets before or after it reads the token."""
    peer = request.getfixturevalue(f"peer{library}")
    texts = ["hello [New] [new]world [NEW]", " [New] hello"]
    size = len(AutoTokenizer.from_pretrained(MAKERS[kind](tmp_path)))
    different = []
    for name, config, names in flagged(size):
        if library == 5 and name.startswith("extra"):
            continue  # transformers 5 leaves such tokens not special, or does not read them
        for file, content in (("tokenizer_config", {"tokenizer_class": kind, **config}), ("special_tokens_map", names)):
            (tmp_path / f"{file}.json").write_text(json.dumps(content))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = AutoTokenizer.from_pretrained(tmp_path, compatibility=f"transformers{library}")
            found = json.loads(json.dumps(described(ours, texts, texts)))
        theirs = peer.ask(tmp_path, texts, texts)
        different += [(name, key) for key in ("added", "single", "single tokens") if found[key] != theirs[key]]
    assert not different
