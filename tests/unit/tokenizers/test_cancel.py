"""Ctrl-C ends the encoding of one huge text within a second, whatever stage it is in; the next call works."""

import json
import signal
from contextlib import suppress

import pytest

import deberta_c
from tests.support.slowness import at_most

DELAYS = (0.15, 0.5)  # seconds until the signal
LIMIT = 1.0  # seconds of this process after it, whatever else runs on the machine


BYTES = list(map(chr, (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x144))))  # the alphabet of ByteLevel
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o")]
NOTHING = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))


def stages(**sections):
    """A WordPiece tokenizer whose words may be of any length."""
    vocab = {token: id for id, token in enumerate(["[UNK]", "hello", "world", "s", "##s", "!", "中", "[MASK]"])}
    mask = {"id": 7, "content": "[MASK]", "single_word": False, "lstrip": False, "rstrip": False}
    return {
        "version": "1.0", **NOTHING, "added_tokens": [{**mask, "normalized": False, "special": True}],
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 10**9, "vocab": vocab,
        },
        **sections,
    }  # fmt: skip


def byte_level(**model):
    vocab = {token: id for id, token in enumerate(dict.fromkeys([*BYTES, *map("".join, MERGES), "##x", "[UNK]"]))}
    return {
        "version": "1.0", "added_tokens": [], **NOTHING,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in MERGES], **model},
    }  # fmt: skip


def characters():
    """BPE over characters, with the unknown token for most of them."""
    return {**byte_level(unk_token="[UNK]", fuse_unk=False), "pre_tokenizer": None}


def split(pattern, behavior="Isolated"):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behavior, "invert": False}


BERT_NORMALIZER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
CASES = {
    "BPE, merges of one word": (byte_level(), "hello", 6_000_000),
    "BPE, characters of one word": (characters(), "é", 3_000_000),
    "WordPiece, one word": (stages(), "sssss", 20_000_000),
    "words": (stages(pre_tokenizer={"type": "BertPreTokenizer"}), "hello world! ", 1_000_000),
    "one long run": (stages(pre_tokenizer={"type": "Whitespace"}), "中", 15_000_000),
    "marks": (stages(pre_tokenizer={"type": "Punctuation"}), "!", 15_000_000),
    "spaces": (stages(pre_tokenizer=METASPACE), "hello ", 2_000_000),
    "pattern": (stages(pre_tokenizer=split("o")), "hello", 2_000_000),
    "GPT-2's expression": (byte_level(), "hello's ", 1_500_000),
    "normalizer": (stages(normalizer=BERT_NORMALIZER), "é", 5_000_000),
    "normalizer that changes nothing": (stages(normalizer=BERT_NORMALIZER), "hello", 10_000_000),
    "normal form": (stages(normalizer={"type": "NFKC"}), "日本", 3_750_000),
    "added tokens": (stages(), "[", 25_000_000),
    "not ASCII": (stages(pre_tokenizer=split("x")), "\U0001f600", 7_500_000),
}


@pytest.fixture
def alarm():
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield lambda delay: signal.setitimer(signal.ITIMER_REAL, delay)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("offsets", [False, True], ids=["ids", "offsets"])
@pytest.mark.parametrize("case", CASES)
def test_a_signal_ends_every_stage(alarm, case, offsets, delay):
    content, text, times = CASES[case]
    tokenizer = deberta_c.PreTrainedTokenizerFast(tokenizer_object=json.dumps(content))
    options = {"want": ("spans", "words")} if offsets else {}
    rows = [text * times]
    alarm(delay)
    with at_most(delay + LIMIT), suppress(KeyboardInterrupt):  # a fast machine may be done before the signal
        tokenizer._core.encode(rows, **options)
        alarm(0)
    assert len(tokenizer._core.encode(["hello"])[0]) > 0
