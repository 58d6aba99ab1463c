"""What commands write: checks before the work begins, and the option `--json` of those that print tables."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deberta_c._base.extras import require
from deberta_c._columns.tables import STANDARD
from deberta_c._files.atomic import require_file, require_writable
from deberta_c._files.checkpoint import has_weights
from deberta_c._files.json import json_object

_PICTURES = (".png", ".svg", ".pdf")


def check_directory(option: str, path: Path | None) -> None:
    """Refuses a directory that cannot be made or written to, before the work begins."""
    if path is None:
        return
    if path == STANDARD or (path.exists() and not path.is_dir()):
        raise NotADirectoryError(f"{option} is {str(path)!r}, which is not a directory; give a new one")
    require_writable(option, path)


def add_overwrite_option(command: argparse.ArgumentParser) -> None:
    """The option `--overwrite` of commands that write a model to `--out`."""
    command.add_argument("--overwrite", action="store_true", help="replace the model in --out, if it contains one")


def check_new_model(path: Path | None, overwrite: bool) -> None:
    """Refuses the directory of `--out` if it cannot be written to, or if it contains a model that is to stay."""
    check_directory("--out", path)
    if path is not None and not overwrite and has_weights(path):
        raise FileExistsError(
            f"--out is {str(path)!r}, which contains a model; give another directory, or --overwrite to replace it"
        )


def check_file(option: str, path: Path | None) -> None:
    """Refuses a file that cannot be written, before the work begins."""
    if path == STANDARD:
        raise ValueError(f"{option} is '-', but it is not written to standard output; give the name of a file")
    if path is not None:
        require_file(option, path)


def check_picture(option: str, path: Path | None) -> None:
    """The same for a picture, which needs matplotlib."""
    check_file(option, path)
    if path is None:
        return
    if path.suffix.lower() not in _PICTURES:
        raise ValueError(f"{option} is {str(path)!r}; its name must end with {', '.join(_PICTURES)}")
    require("matplotlib", option)


def add_json_option(command: argparse.ArgumentParser) -> None:
    """The option: a file, or "-" for standard output."""
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results as JSON; - prints them instead of the tables"
    )


def check_json(path: Path | None) -> None:
    """Refuses a file that cannot be written, before the work begins."""
    if path != STANDARD:
        check_file("--json", path)


def write_json(value: Mapping[str, Any], path: Path | None) -> None:
    """Writes a result where `--json` says, NaN as null; nothing without it."""
    if path is None:
        return
    text = json.dumps(json_object(value), indent=1, ensure_ascii=False) + "\n"
    if path == STANDARD:
        print(text, end="", flush=True)
    else:
        path.write_text(text, encoding="utf-8")
