"""Checks of arguments that several packages have."""

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
