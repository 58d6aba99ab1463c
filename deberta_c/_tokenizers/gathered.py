"""Vocabularies in files of any name, or in no file, read as if they lay in a directory under the usual names."""

import os
from collections.abc import Mapping
from pathlib import Path, PosixPath
from typing import Any

from deberta_c._tokenizers.recipes import BERT, FAST, V1, V2

_USUAL = {  # the arguments of a constructor, and the files that they stand for
    V2: {"vocab_file": "spm.model"},
    V1: {"vocab_file": "vocab.json", "merges_file": "merges.txt"},
    BERT: {"vocab_file": "vocab.txt"},
    FAST: {},
}
_OTHER = {"tokenizer_file": "tokenizer.json"}


class Gathered(PosixPath):
    """A directory of the files that were given: `gathered / "vocab.txt"` is the file that stands for vocab.txt."""

    files: Mapping[str, Path]

    def __truediv__(self, name: Any) -> Path:  # type: ignore[override]
        return self.files.get(name, Path(os.devnull, name))


class _FileInMemory(PosixPath):
    """A file whose content is in memory."""

    content: bytes

    def is_file(self, **_: Any) -> bool:
        return True

    def read_bytes(self) -> bytes:
        return self.content


def gather(kind: str, files: Mapping[str, str | Path | None], content: str | None) -> Gathered:
    """The directory that the arguments of a constructor stand for; `content` is that of a tokenizer.json.

    Errors: TypeError when nothing is given, an argument the class does not have, or no path; FileNotFoundError.
    """
    usual = _USUAL[kind] | _OTHER
    given = {name: value for name, value in files.items() if value is not None}
    for name, value in given.items():
        if name not in usual:
            raise TypeError(f"{name} is {str(value)!r}, but {kind} is made of {_listed(kind)}")
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(
                f"{name} is of type {type(value).__name__}; it must be the path of a file such as {usual[name]}"
            )
    found = {usual[name]: Path(value).expanduser() for name, value in given.items()}
    if content is not None:
        file = _FileInMemory("tokenizer_object")
        file.content = content.encode("utf-8")
        found["tokenizer.json"] = file
    _check(kind, given, found)
    gathered = Gathered(next(iter(found.values())).parent)
    gathered.files = found
    return gathered


def content_of_object(value: Any) -> str:
    """The tokenizer.json of a tokenizers.Tokenizer, or of another object with its `to_str`; or a str, as it is.

    Errors: TypeError for anything else.
    """
    if isinstance(value, str):
        return value
    if callable(to_str := getattr(value, "to_str", None)):
        return str(to_str())
    raise TypeError(
        f"tokenizer_object is of type {type(value).__name__}; give a tokenizers.Tokenizer, or open a directory with "
        "from_pretrained"
    )


def _check(kind: str, given: Mapping[str, Any], found: Mapping[str, Path]) -> None:
    for name, path in zip(given, found.values(), strict=False):
        if path.is_dir():
            raise IsADirectoryError(f"{name} is the directory {str(path)!r}; open it with from_pretrained")
        if not path.is_file():
            raise FileNotFoundError(f"{name} is {str(path)!r}, which does not exist")
    missing = [name for name in _USUAL[kind] if name not in given]
    if "tokenizer.json" not in found and (missing or not _USUAL[kind]):
        raise TypeError(
            f"{' and '.join(missing) or 'tokenizer_file'} must be given: {kind} is made of {_listed(kind)}; a "
            "directory or a name of the hub is opened with from_pretrained"
        )


def _listed(kind: str) -> str:
    own = " and ".join(_USUAL[kind])
    return f"{own}, tokenizer_file or tokenizer_object" if own else "tokenizer_file or tokenizer_object"
