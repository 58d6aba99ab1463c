"""Objects out of pickles: a process opens a directory once, however many pickles of it arrive one after the other."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from deberta_c._files.json import require_directory

T = TypeVar("T")

_READ = (".bin", ".json", ".model", ".safetensors", ".txt")  # endings of the files that are opened

_lock = RLock()  # what runs while a directory is opened, a signal handler say, may open one, too
_last: dict[type, tuple[Any, Any]] = {}  # of each class the object opened last, and what it was opened from


def _new_lock() -> None:
    global _lock
    _lock = RLock()


os.register_at_fork(after_in_child=_new_lock)  # who held the old one is not in the child


def reopened(cls: type, directory: str, options: dict[str, Any], open_it: Callable[..., T]) -> T:
    """`open_it(directory, **options)`, or an object of its own that shares everything with the last one so opened.

    A pool pickles its arguments again for each task; the last object stays open between tasks, until another directory,
    other options or changed files are asked for.
    """
    key = (directory, pickle.dumps(options), _identity(require_directory(directory)))
    with _lock:
        known, first = _last.get(cls, (None, None))
        if known != key:
            first = None
            _last.pop(cls, None)  # it is freed before the next one is read
            first = open_it(Path(directory), **options)
            _last[cls] = key, first
    found: Any = type(first)
    again: T = found.__new__(found)
    vars(again).update(vars(first))
    return again


def _identity(folder: Path) -> list[tuple[str, int, int, int]]:
    """What changes when a file that is read does."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_READ) and entry.is_file():
                stat = entry.stat()
                found.append((entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return sorted(found)
