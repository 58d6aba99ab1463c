"""JSON objects in files, and the directories that hold them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def require_directory(value: object) -> Path:
    """The path of a directory; OSError, with the remedy, unless there is one, TypeError unless `value` is a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"directory is {value!r}; give the path of a model directory, a str or a Path")
    if value == "":
        raise ValueError("directory is ''; give the path of a model directory, '.' for the current one")
    directory = Path(value).expanduser()
    if directory.is_dir():
        return directory
    if directory.exists():
        raise NotADirectoryError(f"{str(directory)!r} is a file; give the directory that holds config.json")
    raise FileNotFoundError(
        f"there is no directory {str(directory)!r}; give one that holds config.json, or a name of the Hugging Face hub "
        'such as "microsoft/deberta-v3-base"'
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; ValueError when it holds anything else."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}); copy it again from where the model came") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(path)!r} holds a JSON {type(content).__name__}, not an object; copy it again")
    return content


def json_object(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values for JSON: arrays are lists, NaN and infinity None.

    >>> json_object({"a": np.arange(2), "b": float("nan")})
    {'a': [0, 1], 'b': None}
    """
    return {str(name): _json_value(value) for name, value in values.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json_object(value)
    if isinstance(value, (list, tuple)):
        return [_json_value(part) for part in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _json_value(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
