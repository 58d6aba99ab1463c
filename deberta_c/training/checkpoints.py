"""Checkpoints of a training: a directory each, which appears as a whole."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np

from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import Tensor, read_checkpoint
from deberta_c._files.shards import write_weights
from deberta_c._models.tensor_names import by_current_name
from deberta_c.training.callbacks import TrainerState
from deberta_c.training.session import Session

PREFIX = "checkpoint"
STATE, OPTIMIZER, ARGUMENTS, WEIGHTS = "trainer_state.json", "optimizer.npz", "training_args.json", "model.safetensors"


def save(directory: Path, session: Session, state: TrainerState, arguments: Any, *, only_model: bool = False) -> None:
    """Writes a checkpoint, which is there as a whole or not at all.

    Errors: OSError when it cannot be written; earlier checkpoints stay as they are.
    """
    drafted = _hidden(directory) if directory.is_dir() else directory
    with new_files(drafted) as place:
        write_weights(place, list(session.tensors().values()), limit="50GB", variant=None)
        config = session.model._saved_config() | {"architectures": [type(session.model).__name__], "dtype": "float32"}
        place("config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        state.save_to_json(place(STATE))
        place(ARGUMENTS).write_text(arguments.to_json_string() + "\n", encoding="utf-8")
        if not only_model:
            np.savez(place(OPTIMIZER), **cast("Any", session.state()))
    if drafted != directory:  # an earlier one of this step stays until the new one is whole
        _remove(directory)
        drafted.rename(directory)


def load(directory: Path, session: Session) -> TrainerState:
    """Gives a session the weights and moments of a checkpoint; returns the state of the training.

    Errors: FileNotFoundError when something of it is missing, ValueError when it is another model's.
    """
    for name in (STATE, OPTIMIZER, WEIGHTS):
        if not (directory / name).is_file():
            hint = "; it was saved with save_only_model=True" if name == OPTIMIZER else ""
            raise FileNotFoundError(f"{str(directory)!r} has no {name}{hint}; it is not a checkpoint to resume from")
    session.set_weights(weights(directory, session))
    with np.load(directory / OPTIMIZER) as stored:
        session.set_state(stored)
    return TrainerState.load_from_json(directory / STATE)


def weights(directory: Path, session: Session) -> dict[str, Tensor]:
    """The weights of a checkpoint by their names."""
    return by_current_name(read_checkpoint(directory), session.model.config.model_type)


def found_in(output_dir: Path) -> list[Path]:
    """The checkpoints in a directory, the oldest first."""
    numbered = [
        (int(found[1]), path)
        for path in (output_dir.iterdir() if output_dir.is_dir() else ())
        if path.is_dir() and (found := re.fullmatch(rf"{PREFIX}-(\d+)", path.name))
    ]
    return [path for _, path in sorted(numbered)]


def drop_old(output_dir: Path, limit: int | None, keep: str | None) -> None:
    """Removes the oldest checkpoints so that `limit` stay, `keep` among them."""
    if limit is None or limit <= 0:
        return
    old = [path for path in found_in(output_dir) if str(path) != keep]
    kept = keep is not None and Path(keep).is_dir()
    for path in old[: max(0, len(old) + kept - limit)]:
        _remove(path)


def clean(output_dir: Path) -> None:
    """Removes what a killed process left: checkpoints half written, or half removed."""
    for path in output_dir.glob(".deberta_c.*") if output_dir.is_dir() else ():
        shutil.rmtree(path)


def _remove(directory: Path) -> None:
    """Removes a checkpoint; from the first moment on its name is gone."""
    if directory.is_dir():
        hidden = _hidden(directory)
        directory.rename(hidden)
        shutil.rmtree(hidden)


def _hidden(directory: Path) -> Path:
    """A new name beside a checkpoint; `clean` removes what has such a name."""
    return directory.with_name(f".deberta_c.{directory.name}.{os.urandom(4).hex()}")
