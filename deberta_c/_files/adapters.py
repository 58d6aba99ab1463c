"""Adapters of peft, LoRA for example, that are not merged into the weights of a model: the errors for them."""

import re
from collections.abc import Iterable
from pathlib import Path

from deberta_c._base.errors import describe
from deberta_c._files.json import read_json

ADAPTER = "adapter_config.json"

# The parts of a name that peft adds where it replaces a layer.
_ADDED = re.compile(
    r"(?:^|\.)(?:base_layer|original_module|modules_to_save|ia3_l|(?:lora|hada|lokr|oft|boft|vera)_\w+)(?:\.|$)"
)
_MERGE = "open it with peft, run model.merge_and_unload().save_pretrained(NEW_DIR), and give NEW_DIR"
_PROMPTS = ("PROMPT", "PREFIX", "P_TUNING")  # in the type of an adapter that lengthens the input
_NOT_MERGED = "it cannot be merged into the weights: use peft for this model"


def refuse_adapter(directory: Path) -> None:
    """ValueError for a directory that holds an adapter; it names the base model and the remedy."""
    path = directory / ADAPTER
    if not path.is_file():
        return
    settings = read_json(path)
    kind, base = str(settings.get("peft_type") or "")[:80], settings.get("base_model_name_or_path")
    what = " ".join(filter(None, (kind, "adapter of peft"))) + (f" for {describe(base)}" if base else "")
    remedy = _NOT_MERGED if any(part in kind for part in _PROMPTS) else _MERGE
    raise ValueError(
        f"{str(directory)!r} holds the {what}, not a whole model: {remedy}; if the weights beside it are already "
        f"merged, delete {ADAPTER}"
    )


def refuse_adapter_tensors(directory: Path, names: Iterable[str]) -> None:
    """ValueError when a name is that of a layer of an adapter, or of a layer that an adapter replaced."""
    for name in names:
        if _ADDED.search(name):
            raise ValueError(
                f"{str(directory)!r} has the tensor {describe(name)} of an adapter of peft that is not merged into the "
                f"weights: {_MERGE}"
            )
