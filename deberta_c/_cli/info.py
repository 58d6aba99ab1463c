"""`info`: what a model directory holds, without running the model."""

import argparse
import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from deberta_c._base.about import default_model
from deberta_c._files.checkpoint import BUFFERS, read_checkpoint
from deberta_c._files.hub import model_files, resolve
from deberta_c._models.config import AutoConfig
from deberta_c._models.facts import labels_line, tokenizer_facts, tokenizer_line
from deberta_c._models.precision import KEEP
from deberta_c._tokenizers.tokenizer import AutoTokenizer

EXAMPLES = """\
examples:
  %(prog)s                          the default model
  %(prog)s microsoft/deberta-v3-base
  %(prog)s DIR --json | jq .labels"""
_SIZES = (
    "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings",
)  # fmt: skip


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument(
        "name", nargs="?", metavar="MODEL", help="a directory or a name of the hub (default: the default model)"
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Prints what is known."""
    found = info(options.name or options.model or default_model())
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):{width}}  {_shown(name, value)}")


def info(name: str) -> dict[str, Any]:
    """Architecture, sizes, labels, weights and tokenizer of a model directory, as plain values.

    The names of `low_precision_keep` are the layers that stay in float32 when the model is opened in another type.

    >>> info(default_model())["labels"]
    ['ham', 'spam']
    """
    folder = resolve(name, files=model_files())
    config = AutoConfig.from_pretrained(folder)
    tensors = [tensor for tensor in read_checkpoint(folder) if tensor.dtype not in BUFFERS]
    parameters = Counter[str]()
    for tensor in tensors:
        parameters[tensor.dtype] += prod(tensor.shape)
    return {
        "directory": str(folder),
        "model_type": config.model_type,
        "architectures": config.get("architectures") or [],
        **{key: config.get(key) for key in _SIZES},
        "problem_type": config.problem_type,
        "labels": list(config.id2label.values()),
        "parameters": sum(parameters.values()),
        "dtype": dict(parameters.most_common()),
        KEEP: config.get(KEEP) or [],
        "weights_mb": round(sum(tensor.data.nbytes for tensor in tensors) / 1e6, 1),
        "tokenizer": _tokenizer(folder),
    }


def _tokenizer(folder: Path) -> dict[str, Any] | None:
    """The class, the size and the limit of the tokenizer; None if the directory has none."""
    try:
        return tokenizer_facts(AutoTokenizer.from_pretrained(folder))
    except OSError:
        return None


def _shown(name: str, value: Any) -> str:
    if value is None or value == []:
        return "-"
    if name in ("labels", KEEP) and isinstance(value, list):
        return labels_line(value)
    if name == "dtype":
        return ", ".join(value) if len(value) == 1 else ", ".join(f"{kind} {count:,}" for kind, count in value.items())
    if name == "tokenizer":
        return tokenizer_line(value)
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
