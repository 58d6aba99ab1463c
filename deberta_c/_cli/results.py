"""The option `--json` of commands that print tables."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deberta_c._cli.training import check_file
from deberta_c._columns.tables import STANDARD
from deberta_c._files.json import json_object


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
