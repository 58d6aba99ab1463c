"""Files that hold a vocabulary, such as spm.model and vocab.txt, each as the section `model` of a tokenizer.json."""

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from deberta_c._files.json import read_json
from deberta_c._files.torch_file import read_object
from deberta_c._files.torch_pickle import MAX_PICKLE

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # types of the pieces of an spm.model

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_MANY = 10_000
_MAX_OPERATIONS = 2_000_000  # of the pickle in a bpe_encoder.bin; that of 50,265 tokens takes 700,000


class Spm(NamedTuple):
    """What of an spm.model a tokenizer.json of it needs."""

    pieces: list[tuple[str, float, int]]  # piece, score, type
    unknown: int
    charsmap: bytes

    def model(self) -> dict[str, Any]:
        """The section `model` of a tokenizer.json."""
        vocab = [[piece, score] for piece, score, _ in self.pieces]
        return {"type": "Unigram", "unk_id": self.unknown, "vocab": vocab, "byte_fallback": False}


def read_spm(path: Path) -> Spm:
    """The pieces and the charsmap of an spm.model that the core accepts, or would but for its names.

    Errors: ValueError for a file that is not sound.
    """
    data = path.read_bytes()
    pieces: list[tuple[str, float, int]] = []
    unknown, charsmap = 0, b""
    try:
        for field, value in _fields(data):
            if field == 1:
                pieces.append(_piece(value))
            elif field == 2:
                unknown = dict(_fields(value)).get(40, unknown)
            elif field == 3:
                charsmap = dict(_fields(value)).get(2, charsmap)
        if not pieces or not 0 <= unknown < len(pieces):
            raise ValueError(f"{len(pieces)} pieces, of which number {unknown} is the unknown one")
    except (IndexError, TypeError, ValueError, struct.error) as error:
        raise ValueError(f"{str(path)!r} is not a sound spm.model ({error}); copy it again") from error
    return Spm(pieces, unknown, charsmap)


def find_special(data: bytes) -> list[tuple[int, str, int]]:
    """Id, piece and type of what is CONTROL or USER_DEFINED in an spm.model: pieces that are found in texts.

    All the rest is not looked at. Fields are taken to be in the order of their numbers, as every writer has them, and
    such pieces to be shorter than 119 bytes.
    """
    ends = [match.start() for match in re.finditer(rb"\x18[\x03\x04]", data)]
    if len(ends) > _MANY:
        pieces = enumerate(_piece(value) for field, value in _fields(data) if field == 1)
        return [(id, piece, kind) for id, (piece, _, kind) in pieces if kind in (CONTROL, USER_DEFINED)]
    starts = {start for end in ends for start in _starts(data, end)}
    found, at, id, last = [], 0, 0, max(starts, default=-1)
    while at <= last and data[at] == 10:
        size, begin = _varint(data, at + 1)
        if at in starts:
            piece, _, kind = _piece(data[begin : begin + size])
            if kind in (CONTROL, USER_DEFINED):
                found.append((id, piece, kind))
        at, id = begin + size, id + 1
    return found


def _starts(data: bytes, end: int) -> Iterator[int]:
    """Where the piece may begin whose type is at `end`: behind a score, or without one."""
    for score in (5, 0):
        for size in range(1, min(119, end - score - 3)):
            start = end - score - size - 4
            if data[start : start + 4] == bytes((10, size + score + 4, 10, size)):
                yield start


def _piece(data: bytes) -> tuple[str, float, int]:
    found = dict(_fields(data))
    return found[1].decode("utf-8"), found.get(2, 0.0), found.get(3, NORMAL)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: their numbers and an int, a float or bytes."""
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        width, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + width > size:
            raise ValueError(f"a field ends at byte {at + width} of {size}")
        field = data[at : at + width]
        yield tag >> 3, struct.unpack("<f", field)[0] if kind == 5 else field
        at += width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = data[at]
    at += 1
    if number < 128:
        return number, at
    number &= 127
    for shift in range(7, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError(f"the number that ends at byte {at} is too long")


def read_vocab_txt(path: Path) -> dict[str, Any]:
    """One token a line, the id is the number of the line; of equal lines the last counts.

    White space at the end of a line does not belong to the token.
    """
    lines = _text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    tokens = [line.rstrip(WHITE_SPACE) for line in lines]
    if not any(tokens):
        raise ValueError(f"{str(path)!r} is empty; copy it again from where the model came")
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": dict(zip(tokens, range(len(tokens)), strict=True)),
    }


def read_vocab_json(path: Path, merges: Path) -> dict[str, Any]:
    """vocab.json maps tokens to ids; merges.txt has a pair a line, the first of lowest rank."""
    return _bpe(read_json(path), read_merges(merges))


def read_merges(path: Path) -> list[list[str]]:
    """The pairs of a merges.txt: two tokens and one space a line, after a line that begins with #version."""
    lines = _text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    pairs = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#version"):
            continue
        pair = line.removesuffix("\r").split(" ")
        if len(pair) != 2:
            raise ValueError(
                f"{str(path)!r}: line {number} is {line[:100]!r}, not two tokens and one space; copy it again"
            )
        pairs.append(pair)
    return pairs


def read_bpe_encoder(path: Path) -> dict[str, Any]:
    """bpe_encoder.bin, the vocabulary in the first releases of DeBERTa, which torch.save wrote.

    Errors: ValueError for a pickle that asks for anything but numbers, strings and containers.
    """
    try:
        vocab, merges = _legacy_bpe(read_object(path, _MAX_OPERATIONS))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{str(path)!r} is not a sound bpe_encoder.bin ({type(error).__name__}: {error}); copy it again, or put "
            "vocab.json and merges.txt beside it"
        ) from error
    return _bpe(vocab, merges)


def _legacy_bpe(content: dict[str, Any]) -> tuple[dict[str, int], list[Any]]:
    """Ids and merges. The file numbers tokens as GPT-2 does (`encoder`); their order in `dict_map` gives the ids."""
    encoder, symbols, merges = (content[key] for key in ("encoder", "dict_map", "vocab"))
    if not set(map(type, encoder)) <= {str} or not set(map(type, encoder.values())) <= {int}:
        raise ValueError("its encoder does not map str to int")
    by_number = {str(number): token for token, number in encoder.items()}
    vocab = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3}
    for entry in symbols:
        symbol = entry[0]
        if type(symbol) is not str:
            raise ValueError(f"its dict_map has a {type(symbol).__name__} where a str should be")
        vocab.setdefault(by_number.get(symbol, symbol), len(vocab))
    mask = len(vocab)
    for token in encoder:
        vocab.setdefault(token, vocab["[UNK]"])
    vocab.setdefault("[MASK]", mask)
    if sum(len(merge) if isinstance(merge, str) else sum(map(len, merge)) for merge in merges) > MAX_PICKLE:
        raise ValueError("its merges are longer than the file")  # it may hold one object in many places
    return vocab, merges


def _bpe(vocab: dict[str, Any], merges: list[Any]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    }


# ---- writing ----


def write_vocab_txt(model: dict[str, Any], place: Callable[[str], Path]) -> tuple[str, ...]:
    """Writes the tokens of a WordPiece model, a line each, as vocab.txt where `place` says; returns the name.

    Errors: ValueError where the ids are not 0, 1, 2, ..., which lines could not say.
    """
    vocab: dict[str, int] = model["vocab"]
    tokens = sorted(vocab, key=vocab.__getitem__)
    if [vocab[token] for token in tokens] != list(range(len(tokens))) or any("\n" in token for token in tokens):
        raise ValueError("the ids of the vocabulary do not follow each other, or a token has a line feed, which no "
                         "vocab.txt can say; save_pretrained writes a tokenizer.json")  # fmt: skip
    place("vocab.txt").write_bytes("".join(f"{token}\n" for token in tokens).encode("utf-8"))
    return ("vocab.txt",)


def write_vocab_json(model: dict[str, Any], place: Callable[[str], Path]) -> tuple[str, ...]:
    """Writes a BPE model as vocab.json and merges.txt where `place` says; returns the names."""
    vocab = dict(sorted(model["vocab"].items(), key=lambda entry: entry[1]))
    pairs = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    place("vocab.json").write_bytes(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))
    place("merges.txt").write_bytes("".join(f"{line}\n" for line in ("#version: 0.2", *pairs)).encode("utf-8"))
    return "vocab.json", "merges.txt"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 ({error}); copy it again from where the model came") from error
