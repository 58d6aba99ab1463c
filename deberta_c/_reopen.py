"""Objects out of pickles: a process opens a directory once, however many pickles of it arrive one after the other."""

import pickle
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from deberta_c._config import require_directory

T = TypeVar("T")

_lock = Lock()
_last: dict[type, tuple[Any, Any]] = {}  # of each class the object opened last, and what it was opened from


def reopened(cls: type[T], directory: str, options: dict[str, Any], open_it: Callable[..., T]) -> T:
    """`open_it(directory, **options)`, or an object of its own that shares everything with the last one so opened.

    Task by task a pool pickles its arguments anew; the last object stays open between tasks, until another directory,
    other options or changed files are asked for.
    """
    files = [(path.name, path.stat()) for path in sorted(require_directory(directory).iterdir()) if path.is_file()]
    identity = [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in files]
    key = (directory, pickle.dumps(options), identity)
    with _lock:
        if cls not in _last or _last[cls][0] != key:
            _last.pop(cls, None)  # it is freed before the next one is read
            _last[cls] = key, open_it(Path(directory), **options)
        first = _last[cls][1]
    again = object.__new__(cls)
    vars(again).update(vars(first))
    return again
