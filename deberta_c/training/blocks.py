"""Plain text as rows for pre-training: blocks of `max_length` tokens, without padding."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.packing import offsets_of

_BATCH = 1 << 20  # characters that are tokenized at a time


class Blocks:
    """Rows of `max_length` tokens, cut out of the tokens of all documents, which lie in a temporary file.

    Between documents stands the separator; each row begins with the classifier token and ends with the separator, as
    `[CLS] ... [SEP]`. The last row may be shorter. `numbers` chooses rows; None has all.
    """

    def __init__(
        self,
        tokens: NDArray[np.int32],
        max_length: int,
        ends: tuple[int, int],
        numbers: NDArray[np.int64] | None = None,
    ) -> None:
        self._tokens, self._body, self._ends = tokens, max_length - 2, ends
        self._numbers = np.arange(-(-len(tokens) // self._body)) if numbers is None else numbers
        self.labels: Any = ()  # not None: each row teaches something

    def __len__(self) -> int:
        return len(self._numbers)

    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row."""
        begins = self._numbers * self._body
        return np.asarray(np.minimum(self._body, len(self._tokens) - begins) + 2)

    def row(self, number: int) -> NDArray[np.int32]:
        """The tokens of a row."""
        begin = int(self._numbers[number]) * self._body
        first, last = self._ends
        return np.concatenate(([first], self._tokens[begin : begin + self._body], [last])).astype(np.int32)

    def inputs(self, chosen: NDArray[np.int64]) -> dict[str, Any]:
        """The rows of these numbers as arguments of the core."""
        rows = [self.row(int(number)) for number in chosen]
        return {"ids": np.concatenate(rows), "offsets": offsets_of(np.array(list(map(len, rows))))}

    def split(self, share: float) -> tuple["Blocks", "Blocks"]:
        """The rows to train on, and `share` of all rows, evenly spread, to validate with.

        Errors: ValueError when a side would have no row.
        """
        count = round(share * len(self))
        if not 0 < count < len(self):
            raise ValueError(
                f"validation is {share}, which is {count} of {len(self)} rows; give more text, validation files of "
                "their own, or validation=None"
            )
        held_out = np.linspace(0, len(self) - 1, count + 2)[1:-1].round().astype(np.int64)
        rest = np.setdiff1d(np.arange(len(self)), held_out)
        return self._chosen(rest), self._chosen(held_out)

    def _chosen(self, places: NDArray[np.int64]) -> "Blocks":
        return Blocks(self._tokens, self._body + 2, self._ends, self._numbers[places])


def read_blocks(
    files: Iterable[str | Path] | str | Path,
    tokenizer: Any,
    max_length: int,
    *,
    documents: str = "line",
    folder: Path | None = None,
) -> Blocks:
    """The blocks of text files, whose tokens go to a temporary file in `folder`, 4 bytes each.

    A document is a line, or with `documents="paragraph"` the lines up to an empty one. Files are UTF-8, and may end
    with .gz. The longest document must fit in memory.

    Errors: ValueError for files without text or not in UTF-8, OSError for files that cannot be read.
    """
    if documents not in ("line", "paragraph"):
        raise ValueError(f'documents is {documents!r}; it must be "line" or "paragraph"')
    if max_length < 3:
        raise ValueError(f"max_length is {max_length}; it must be at least 3, because two tokens frame each row")
    ends = (_id_of(tokenizer, "cls_token"), _id_of(tokenizer, "sep_token"))
    paths = checked_paths(files)
    with tempfile.TemporaryFile(dir=folder) as store:
        for batch in _batches(text for path in paths for text in _documents(path, documents)):
            found = tokenizer(batch, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
            for ids in found:
                store.write(np.array([*ids, ends[1]], np.int32).tobytes())
        count = store.tell() // 4 - 1  # a separator ends the last row anyway
        if count < 1:
            raise ValueError(f"{', '.join(map(str, paths)) or 'files'} has no text; give files with text")
        store.flush()
        return Blocks(np.memmap(store, np.int32, "r", shape=(count,)), max_length, ends)


def checked_paths(files: Iterable[str | Path] | str | Path, name: str = "files") -> list[Path]:
    """The paths of text files; messages call them `name`.

    Errors: OSError for the first one that cannot be opened; TypeError for something else than paths.
    """
    if not isinstance(files, (str, os.PathLike, Iterable)):
        raise TypeError(f"{name} is of type {type(files).__name__}; give the path of a text file, or several")
    paths = [Path(files)] if isinstance(files, (str, os.PathLike)) else [Path(path) for path in files]
    for path in paths:
        path.open("rb").close()
    return paths


def _id_of(tokenizer: Any, name: str) -> int:
    found = getattr(tokenizer, f"{name}_id")
    if found is None:
        raise ValueError(f"the tokenizer has no {name}; rows of pre-training begin and end with special tokens")
    return int(found)


def _documents(path: Path, kind: str) -> Iterator[str]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            if kind == "line":
                yield from (line.strip() for line in file if line.strip())
                return
            lines: list[str] = []
            for line in file:
                if line.strip():
                    lines.append(line.strip())
                elif lines:
                    yield " ".join(lines)
                    lines = []
            if lines:
                yield " ".join(lines)
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 ({error}); convert it first") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{str(path)!r} is not a whole gzip file ({error}); compress it again") from error


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
