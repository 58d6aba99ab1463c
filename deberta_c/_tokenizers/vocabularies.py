"""Files that hold a vocabulary, such as spm.model and vocab.txt, each as the section `model` of a tokenizer.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deberta_c import _core
from deberta_c._files.json import read_json
from deberta_c._files.torch_file import read_object
from deberta_c._files.torch_pickle import MAX_PICKLE

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

T = TypeVar("T")

_SEARCHES = 64  # in an spm.model; more take longer than to make a dict of it
_MAX_OPERATIONS = 2_000_000  # of the pickle in a bpe_encoder.bin; that of 50,265 tokens takes 700,000


class SpmIds:
    """The ids of the pieces of an spm.model. Few are looked up, so no dict of all is made before it pays."""

    def __init__(self, spm: _core.SpmModel) -> None:
        self._spm = spm
        self._known = {piece: id for piece, id, _ in spm.added_pieces()}
        self._searches = 0

    def get(self, piece: str, default: int) -> int:
        """The id, or `default`."""
        if piece not in self._known and self._searches <= _SEARCHES:
            self._searches += 1
            self._known[piece] = self._spm.find(piece)
            if self._searches > _SEARCHES:
                self._known = {self._spm.piece(id): id for id in range(len(self._spm))}
        id = self._known.get(piece, -1)
        return default if id < 0 else id


def read_spm(path: Path) -> _core.SpmModel:
    """The content of an spm.model. Raises ValueError for a damaged file."""
    data = path.read_bytes()
    if not data:
        raise ValueError(f"{str(path)!r} is empty; copy it again from where the model came")
    return errors_name_spm(path, lambda: _core.SpmModel(data))


def errors_name_spm(path: Path, make: Callable[[], T]) -> T:
    """Returns `make()`; its ValueError says which spm.model is damaged."""
    try:
        return make()
    except ValueError as error:
        problem = str(error).removeprefix("spm.model ").removeprefix("spm.model: ")
        raise ValueError(f"{str(path)!r} is not sound: {problem}; copy it again") from error


def spm_model(spm: _core.SpmModel, vocab: Any) -> dict[str, Any]:
    """The section `model` of a tokenizer.json; `vocab` is `spm.vocab()`, or `spm` itself to open a tokenizer."""
    return {"type": "Unigram", "unk_id": spm.unknown, "vocab": vocab, "byte_fallback": False}


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
