"""Directories that are written whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree


@contextmanager
def new_files(directory: str | Path) -> Iterator[Callable[[str], Path]]:
    """A block that writes files of a directory; they appear when it ends, and not if it raises.

    The block gets a function from the name of a file to the path where to write it. A directory that did not exist
    appears with all its files at once. In one that did, files are replaced one by one after all have been written to
    the disk; other files stay, and so does, for who has it open, the content of a file that is replaced.

    Errors: OSError when something cannot be written; then the directory is as it was.
    """
    directory = Path(directory).expanduser()
    existed = directory.is_dir()
    if directory.exists() and not existed:
        raise NotADirectoryError(f"{str(directory)!r} is a file; give a directory to save in")
    home = directory if existed else directory.parent
    home.mkdir(parents=True, exist_ok=True)
    drafts = home / f".deberta_c.{os.urandom(8).hex()}"
    drafts.mkdir()
    try:
        yield lambda name: drafts / name
        files = sorted(drafts.iterdir())
        for path in (*files, drafts):
            _to_disk(path)
        if existed:
            _replace(files, directory)
        else:
            drafts.rename(directory)
        _to_disk(home)
    finally:
        rmtree(drafts, ignore_errors=True)


def _replace(files: list[Path], directory: Path) -> None:
    for file in files:
        if (directory / file.name).is_dir():
            raise IsADirectoryError(f"{str(directory / file.name)!r} is a directory; remove it, a file goes there")
    for file in files:
        file.replace(directory / file.name)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
