"""The reference pipelines of the tokenizer, made from an spm.model, and texts that bring out differences."""

import csv
import os
import random
import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

sentencepiece = pytest.importorskip("sentencepiece", reason="the tokenizer parity suite needs sentencepiece")
tokenizers = pytest.importorskip("tokenizers", reason="the tokenizer parity suite needs tokenizers")
pytest.importorskip("google.protobuf", reason="the tokenizer parity suite needs protobuf")

from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors  # noqa: E402

SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
CONTROL, USER_DEFINED = 3, 4


def data_folder() -> Path:
    """The folder of texts and published tokenizers; tests that need it are skipped where it is not named."""
    folder = os.environ.get("DEBERTA_C_TEST_DATA")
    if not folder:
        pytest.skip("DEBERTA_C_TEST_DATA names no folder of published tokenizers and texts")
    return Path(folder)


def read_model(spm: bytes) -> sentencepiece_model_pb2.ModelProto:
    return sentencepiece_model_pb2.ModelProto.FromString(spm)


def fast_tokenizer(spm: bytes, *, lower_case: bool = False, split_by_punct: bool = False) -> Tokenizer:
    """What transformers 4 makes of an spm.model of DeBERTa v2 and v3, stage by stage."""
    model = read_model(spm)
    vocabulary = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=model.trainer_spec.unk_id, byte_fallback=False))
    for piece in model.pieces:
        if piece.type in (CONTROL, USER_DEFINED):
            special = piece.type == CONTROL
            tokenizer.add_tokens([AddedToken(piece.piece, normalized=False, special=special)])
    stages = [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.normalizer_spec.precompiled_charsmap:
        stages.insert(1, normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    if lower_case:
        stages.insert(0, normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(stages)
    cuts = [pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    if split_by_punct:
        cuts.insert(0, pre_tokenizers.Punctuation("isolated"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(
        [AddedToken("[UNK]", normalized=True, special=True), AddedToken("[MASK]", normalized=False, special=True)]
    )
    return tokenizer


class SlowTokenizer:
    """sentencepiece between the special tokens, which are looked for in the raw text, and between punctuation."""

    def __init__(self, spm: bytes, *, lower_case: bool = False, split_by_punct: bool = False) -> None:
        self.lower = normalizers.Lowercase() if lower_case else normalizers.Sequence([])
        self.punctuation = pre_tokenizers.Punctuation("isolated") if split_by_punct else None
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=spm)
        self.ids = {name: self.processor.piece_to_id(name) for name in SPECIAL}
        if self.processor.id_to_piece(self.ids["[MASK]"]) != "[MASK]":
            self.ids["[MASK]"] = self.processor.get_piece_size()
        self.special = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for part in self.special.split(text):
            ids += [self.ids[part]] if part in self.ids else self.encode_between(self.lower.normalize_str(part))
        return ids

    def encode_between(self, text: str) -> list[int]:
        if self.punctuation is None:
            return self.processor.encode(text)
        cuts = self.punctuation.pre_tokenize_str(text)
        return [id for part, _ in cuts for id in self.processor.encode(part)]


@cache
def charsmap_keys(spm: bytes) -> list[str]:
    """Every string that the model's charsmap replaces, found by walking its double array."""
    blob = read_model(spm).normalizer_spec.precompiled_charsmap
    if not blob:
        return []
    size = int.from_bytes(blob[:4], "little")
    units = memoryview(blob[4 : 4 + size]).cast("I")
    children: dict[int, list[tuple[int, int]]] = {}  # base of a node -> byte and unit of each child
    for unit, value in enumerate(units):
        if not value >> 31:
            children.setdefault(unit ^ (value & 0xFF), []).append((value & 0xFF, unit))
    keys, waiting = [], [(0, b"")]
    while waiting:
        node, prefix = waiting.pop()
        if units[node] >> 8 & 1:
            keys.append(prefix.decode())
        base = node ^ (units[node] >> 10) << (units[node] >> 6 & 8)
        waiting += [(unit, prefix + bytes([byte])) for byte, unit in children.get(base, []) if byte]
    return sorted(keys)


def texts_of(folder: Path) -> dict[str, list[str]]:
    """Every text of the sets: SMS messages, 17 languages, news."""
    data = folder / "data"
    sms = (data / "sms_spam" / "SMSSpamCollection").read_text("utf-8").split("\n")
    sets = {"sms_spam": [line.partition("\t")[2] for line in sms]}
    for path in sorted((data / "sib200").glob("*/*.tsv")):
        lines = path.read_text("utf-8").split("\n")
        sets.setdefault(f"sib200 {path.parent.name}", []).extend(line.split("\t")[-1] for line in lines)
    with (data / "ag_news" / "news.csv").open(encoding="utf-8", newline="") as file:
        sets["ag_news"] = [" ".join(row) for row in csv.reader(file)]
    return sets


SPACES = [
    *"      \t\n\r\x0b\x0c\x1c\x85\xa0", "  ", "   ", "\r\n", "\u3000", "\u2028", "\u200b", "\ufeff", "\u200d",
    "▁", "▁▁", "\u180e", "\u1680",
]  # fmt: skip
TOKENS = [
    *SPECIAL,
    "[unk]",
    "[UNK",
    "UNK]",
    "[[CLS]]",
    "\uff3bUNK\uff3d",
    "\uff3b\uff35\uff2e\uff2b\uff3d",
    "[mask]",
    "<0x41>",
    "[",
]
PREPENDED = ["\u0600", "\u06dd", "\u070f", "\u08e2", "\u0d4e", "\U000110bd"]


@cache
def alphabets() -> tuple[list[str], list[str], list[str]]:
    assigned = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
    marks = [c for c in assigned if unicodedata.category(c) in ("Mn", "Mc", "Me")]
    return assigned, [c for c in assigned if c < "\u3000"], [*marks, "\u200d", "\u3099", "\uff9e"]


def generate(count: int, seed: int, keys: list[str], words: list[str]) -> Iterator[str]:
    """Words, spaces of all kinds, keys of the charsmap, marks, tokens and any assigned character, mixed."""
    draw = random.Random(seed)
    assigned, low, marks = alphabets()
    groups = [words, SPACES, keys or low, assigned, low, marks, TOKENS, PREPENDED, list(map(chr, range(128)))]
    weights = [30, 25, 10, 8, 10, 8, 3, 2, 4]
    for _ in range(count):
        glue = draw.choice(["", "", " "])
        length = draw.choice([1, 2, 3, 5, 10, 30, 60])
        parts = [draw.choice(group) for group in draw.choices(groups, weights, k=length)]
        yield glue.join(parts)[:300]


def code_points(context: str, last: int = sys.maxunicode) -> list[str]:
    return [context.format(chr(c)) for c in range(last + 1) if not 0xD800 <= c < 0xE000]
