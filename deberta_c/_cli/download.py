"""`download`: a model of the hub as a directory of its own."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import shard_names
from deberta_c._files.hub import model_files, resolve

EXAMPLES = """\
examples:
  %(prog)s microsoft/deberta-v3-base deberta-v3-base
  %(prog)s owner/name DIR --revision v1.0

Downloading needs huggingface_hub; without it, or with HF_HUB_OFFLINE=1, a model in the hub's cache is copied."""
_MORE = ("README.md", "LICENSE", "special_tokens_map.json")


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("name", metavar="NAME", help="a name of the hub, such as microsoft/deberta-v3-base")
    command.add_argument("out", type=Path, metavar="DIR", help="the directory to write; new, or empty")
    command.add_argument("--revision", help="a branch, a tag or a commit (default: main)")
    command.add_argument("--subfolder", help="a folder of the repository")
    command.add_argument("--variant", help='a variant of the weights, such as "fp16"')
    command.add_argument("--json", action="store_true", help="print the directory and its files as JSON")
    command.add_argument("--force", action="store_true", help="download also what the cache has")


def run(options: argparse.Namespace) -> None:
    """Downloads into the hub's cache, and copies the files."""
    out = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"DIR is {str(out)!r}, which exists already; give a new directory")
    files = model_files(options.variant)
    folder = resolve(
        options.name,
        files=files,
        revision=options.revision,
        subfolder=options.subfolder,
        force_download=options.force,
    )
    names: dict[str, None] = {}
    for wanted in files:
        found = next((name for name in wanted.names if (folder / name).is_file()), None)
        if found is not None:
            names |= dict.fromkeys([found, *(shard_names(folder / found) if ".index." in found else [])])
    names |= dict.fromkeys(name for name in _MORE if (folder / name).is_file())
    with new_files(out) as place:
        for name in names:
            shutil.copyfile(folder / name, place(name))
    if options.json:
        print(json.dumps({"directory": str(out), "files": list(names)}))
    print(f"wrote {str(out)!r}: {', '.join(names)}", file=sys.stderr)
