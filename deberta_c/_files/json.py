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


def plain(value: Any) -> Any:
    """A value for JSON: NaN and infinity are None."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
