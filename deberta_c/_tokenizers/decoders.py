"""Tokens to text: the decoders of a tokenizer.json."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Stage = Callable[[list[str]], list[str]]

_BYTE_PIECE = re.compile("<0x([0-9A-Fa-f]{2})>")
_ESCAPED = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
_CLEAN = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"),
    (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip
_CLEAN_PIECE = (*_CLEAN[:7], (" do not", " don't"), *_CLEAN[7:])


def clean_up(text: str) -> str:
    """A text without the spaces that tokenizing put before punctuation and contractions.

    >>> clean_up("do n't go , he 's here .")
    "don't go, he's here."
    """
    return _replaced(text, _CLEAN)


def make_decoder(decoders: Iterable[Mapping[str, Any]]) -> Callable[[list[str]], str]:
    """What makes a text of tokens: the decoders of a tokenizer.json one after the other, or spaces between the tokens.

    "Spm" stands for what sentencepiece does: Metaspace, after byte pieces became the characters that they spell.

    Errors: ValueError names an unknown decoder, or a key with an invalid value.

    >>> make_decoder([{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}])(["▁so", "▁far"])
    'so far'
    """
    stages = [_stage(section) for section in decoders]
    if not stages:
        return " ".join

    def decode(tokens: list[str]) -> str:
        for stage in stages:
            tokens = stage(tokens)
        return "".join(tokens)

    return decode


def _stage(section: Any) -> Stage:
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(kind, str) or kind not in _STAGES:
        raise ValueError(f"the decoder {kind or section!r} is not known; known are {', '.join(_STAGES)}")
    return _STAGES[kind](section)


def _get(section: Mapping[str, Any], key: str, default: Any) -> Any:
    value = section.get(key, default)
    if type(value) is not type(default) or (type(value) is int and value < 0):
        raise ValueError(f"the decoder {section['type']} has {key} {value!r}; it must be like {default!r}")
    return value


def _sequence(section: Mapping[str, Any]) -> Stage:
    stages = [_stage(part) for part in _get(section, "decoders", [])]

    def decode(tokens: list[str]) -> list[str]:
        for stage in stages:
            tokens = stage(tokens)
        return tokens

    return decode


def _metaspace(section: Mapping[str, Any]) -> Stage:
    mark = _get(section, "replacement", "▁")
    legacy = "always" if _get(section, "add_prefix_space", True) else "never"
    start = " " if _get(section, "prepend_scheme", legacy) == "never" else ""
    return lambda tokens: [token.replace(mark, " " if index else start) for index, token in enumerate(tokens)]


def _wordpiece(section: Mapping[str, Any]) -> Stage:
    prefix, cleans = _get(section, "prefix", "##"), _get(section, "cleanup", True)

    def join(index: int, token: str) -> str:
        if index:
            token = token[len(prefix) :] if token.startswith(prefix) else f" {token}"
        return _replaced(token, _CLEAN_PIECE) if cleans else token

    return lambda tokens: [join(index, token) for index, token in enumerate(tokens)]


def _bpe(section: Mapping[str, Any]) -> Stage:
    suffix = _get(section, "suffix", "</w>")

    def decode(tokens: list[str]) -> list[str]:
        return [*(token.replace(suffix, " ") for token in tokens[:-1]), *(t.replace(suffix, "") for t in tokens[-1:])]

    return decode


def _byte_level(_: Mapping[str, Any]) -> Stage:
    bytes_of = _byte_alphabet()

    def decode_one(token: str) -> bytes:
        try:
            return bytes([bytes_of[character] for character in token])
        except KeyError:  # a token that was added, with characters that stand for themselves
            return token.encode()

    return lambda tokens: [b"".join(map(decode_one, tokens)).decode("utf-8", "replace")]


def _byte_alphabet() -> dict[str, int]:
    """The characters that stand for the 256 bytes: printable ones for themselves, others for those from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(plain))
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


def _replace(section: Mapping[str, Any]) -> Stage:
    pattern, content = section.get("pattern"), _get(section, "content", "")
    if not isinstance(pattern, Mapping) or not isinstance(pattern.get("String"), str) or not pattern["String"]:
        raise ValueError(f"the decoder Replace has the pattern {pattern!r}; only a String is known")
    return lambda tokens: [token.replace(pattern["String"], content) for token in tokens]


def _strip(section: Mapping[str, Any]) -> Stage:
    content, start, stop = _get(section, "content", " "), _get(section, "start", 0), _get(section, "stop", 0)

    def strip(token: str) -> str:
        left = min(len(token) - len(token.lstrip(content)), start)
        right = min(len(token) - len(token.rstrip(content)), stop)
        return token[left : max(len(token) - right, left)]

    if len(content) != 1:
        raise ValueError(f"the decoder Strip has content {content!r}; it must be one character")
    return lambda tokens: list(map(strip, tokens))


def _fuse(_: Mapping[str, Any]) -> Stage:
    return lambda tokens: ["".join(tokens)]


def _byte_fallback(_: Mapping[str, Any]) -> Stage:
    """Neighbouring byte pieces become the text that they spell, or one U+FFFD each when they spell none."""
    return lambda tokens: _joined_bytes(tokens, lambda run: run.decode() if _is_utf8(run) else "\ufffd" * len(run))


def _spm(section: Mapping[str, Any]) -> Stage:
    """As sentencepiece decodes: each byte of neighbouring pieces that is not part of a character becomes U+FFFD."""
    metaspace = _metaspace(section)
    return lambda tokens: metaspace(_joined_bytes(tokens, _characters))


def _joined_bytes(tokens: list[str], spell: Callable[[bytes], str]) -> list[str]:
    joined: list[str] = []
    run = bytearray()
    for token in tokens:
        if found := _BYTE_PIECE.fullmatch(token):
            run.append(int(found[1], 16))
            continue
        if run:
            joined.append(spell(bytes(run)))
            run.clear()
        joined.append(token)
    return [*joined, spell(bytes(run))] if run else joined


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _characters(data: bytes) -> str:
    return _ESCAPED.sub("\ufffd", data.decode("utf-8", "surrogateescape"))


def _replaced(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    for old, new in changes:
        text = text.replace(old, new)
    return text


_STAGES: dict[str, Callable[[Mapping[str, Any]], Stage]] = {
    "BPEDecoder": _bpe,
    "ByteFallback": _byte_fallback,
    "ByteLevel": _byte_level,
    "Fuse": _fuse,
    "Metaspace": _metaspace,
    "Replace": _replace,
    "Sequence": _sequence,
    "Spm": _spm,
    "Strip": _strip,
    "WordPiece": _wordpiece,
}
