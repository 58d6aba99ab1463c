"""Checks of arguments that several packages have."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from deberta_c._base.errors import short


def boolean(name: str, value: Any) -> bool:
    """The value as a bool; 0 and 1 count as one.

    Errors: TypeError for anything else. A str would count as True, "no" and "False", too.

    >>> boolean("bf16", "no")
    Traceback (most recent call last):
        ...
    TypeError: bf16 is 'no' of type str; give True or False
    """
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name} is {short(value)} of type {type(value).__name__}; give True or False")


def is_integer(value: object) -> bool:
    """Whether a value is an integer, NumPy's among them; True and False are none.

    >>> is_integer(np.int64(3)), is_integer(True), is_integer(3.0)
    (True, False, False)
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def folder(name: str, value: Any) -> Path:
    """The path of a directory, which need not exist; "~" is the home directory.

    Errors: TypeError when the value is neither a str nor a path.

    >>> folder("output_dir", 3)
    Traceback (most recent call last):
        ...
    TypeError: output_dir is 3 of type int; give the path of a directory
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} is {short(value)} of type {type(value).__name__}; give the path of a directory")
    return Path(value).expanduser()
