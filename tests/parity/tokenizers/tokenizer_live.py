"""The reference tokenizers, what they return for a text, and texts that reveal differences."""

import os
import random
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sentencepiece = pytest.importorskip("sentencepiece", reason="the tokenizer parity suite needs sentencepiece")
tokenizers = pytest.importorskip("tokenizers", reason="the tokenizer parity suite needs tokenizers")
pytest.importorskip("google.protobuf", reason="the tokenizer parity suite needs protobuf")

from tokenizers import normalizers, pre_tokenizers  # noqa: E402

from benchmarks.tokenization.reference_tokenizers import SPECIAL, read_model  # noqa: E402

__all__ = ["SPECIAL", "read_model"]


def data_folder() -> Path:
    """The folder of texts and published tokenizers; tests that need it are skipped without it."""
    folder = os.environ.get("DEBERTA_C_TEST_DATA")
    if not folder:
        pytest.skip("DEBERTA_C_TEST_DATA names no folder of published tokenizers and texts")
    return Path(folder)


# ---- what is compared ----


class Row(NamedTuple):
    """The results of a tokenizer for a text; None where a tokenizer does not provide one."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int | None] | None
    special: list[int]
    types: list[int]
    tokens: list[str] | None
    decoded: str | None
    without_special: str | None


def ours(tokenizer: Any, texts: list[str], pairs: list[str] | None = None) -> list[Row]:
    """The rows of a tokenizer of deberta_c; texts are decoded without cleaning up, as by the library `tokenizers`."""
    batch = tokenizer(
        texts, pairs, return_token_type_ids=True, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    decoded = (
        tokenizer.batch_decode(batch.input_ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        for skip in (False, True)
    )
    columns = (batch.input_ids, batch.offset_mapping, batch.special_tokens_mask, batch.token_type_ids, *decoded)
    return [
        Row(ids, offsets, batch.word_ids(row), special, types, batch.tokens(row), *strings)
        for row, (ids, offsets, special, types, *strings) in enumerate(zip(*columns, strict=True))
    ]


class Library:
    """A tokenizer of the library `tokenizers`.

    Its decoding is not compared if it knows tokens only in normalised form and therefore writes [unk].
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self.tokenizer = tokenizer
        normalizer = tokenizer.normalizer
        found = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.normalized]
        self.decodes = normalizer is None or all(normalizer.normalize_str(token) == token for token in found)

    def rows(self, texts: list[str], pairs: list[str] | None = None) -> list[Row]:
        inputs = texts if pairs is None else list(zip(texts, pairs, strict=True))
        encodings = self.tokenizer.encode_batch(inputs)
        ids = [encoding.ids for encoding in encodings]
        decoded: list[Any] = [[None] * len(ids)] * 2
        if self.decodes:
            decoded = [self.tokenizer.decode_batch(ids, skip_special_tokens=skip) for skip in (False, True)]
        return [
            Row(own, e.offsets, e.word_ids, e.special_tokens_mask, e.type_ids, e.tokens, *strings)
            for e, own, *strings in zip(encodings, ids, *decoded, strict=True)
        ]


@dataclass
class Difference:
    """Texts with different results in the two."""

    texts: int
    different: int
    shown: list[str]

    def check(self) -> None:
        assert not self.different, f"{self.different} of {self.texts} texts differ:\n" + "\n".join(self.shown)


def differences(texts: Sequence[str], own: list[Row], other: list[Row]) -> Difference:
    """Counts the texts with differences in a field that both have, and shows the first for each set of fields."""
    assert len(own) == len(other) == len(texts)
    shown: dict[tuple[str, ...], str] = {}
    count = 0
    for text, mine, theirs in zip(texts, own, other, strict=True):
        if mine == theirs:
            continue
        wrong = tuple(f for f, a, b in zip(Row._fields, mine, theirs, strict=True) if a != b and None not in (a, b))
        if wrong:
            count += 1
            found, expected = (", ".join(ascii(getattr(row, field)) for field in wrong[:2]) for row in (mine, theirs))
            shown.setdefault(wrong, f"{text!a}: {'/'.join(wrong)} {found}, expected {expected}")
    return Difference(len(texts), count, list(shown.values())[:8])


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

    def rows(self, texts: list[str], pairs: None = None) -> list[Row]:
        return [self.row(text) for text in texts]

    def row(self, text: str) -> Row:
        """Offsets of sentencepiece, and strings if no special token is in the text."""
        ids, offsets, start = [self.ids["[CLS]"]], [(0, 0)], 0
        for part in self.special.split(text):
            if part in self.ids:
                ids.append(self.ids[part])
                offsets.append((start, start + len(part)))
            else:
                processed = self.processor.encode(part, return_type="offset_mapping")
                ids += processed["ids"]
                offsets += [(start + begin, start + end) for begin, end in processed["offsets"]]
            start += len(part)
        plain = len(self.special.split(text)) == 1
        string = self.processor.decode(ids[1:]) if plain else None
        ids.append(self.ids["[SEP]"])
        offsets.append((0, 0))
        special = [1, *([0] * (len(ids) - 2)), 1]
        return Row(ids, offsets, None, special, [0] * len(ids), None, None, string)


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


# ---- texts ----


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
