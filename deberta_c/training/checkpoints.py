"""Checkpoints of a training: a directory each, which appears as a whole."""

import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np

from deberta_c._base.errors import warn_caller
from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import Tensor, read_checkpoint
from deberta_c._files.shards import write_weights
from deberta_c._models.tensor_names import by_current_name
from deberta_c.training.callbacks import TrainerState
from deberta_c.training.session import Session
from deberta_c.training.signals import signals_wait

PREFIX = "checkpoint"
_REPLACED, _SUM = ".deberta_c.replaced.", "sum_of_weights"
_LASTING = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "train_sampling_strategy", "dataloader_drop_last",
    "seed", "data_seed", "learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay", "max_grad_norm", "optim",
    "adam_beta1", "adam_beta2", "adam_epsilon", "label_smoothing_factor", "freeze_layers", "freeze_embeddings",
    "layerwise_lr_decay", "lora", "bf16", "distillation_temperature", "distillation_alpha",
)  # fmt: skip
"""Arguments that a training which is resumed should have as before."""
STATE, OPTIMIZER, ARGUMENTS, WEIGHTS = "trainer_state.json", "optimizer.npz", "training_args.json", "model.safetensors"


def save(
    directory: Path,
    session: Session,
    state: TrainerState,
    arguments: Any,
    tokenizer: Any = None,
    *,
    only_model: bool = False,
) -> None:
    """Writes a checkpoint, with the tokenizer if there is one, which is there as a whole or not at all.

    Errors: OSError when it cannot be written; earlier checkpoints stay as they are.
    """
    drafted = _hidden(directory) if directory.is_dir() else directory
    with new_files(drafted) as place:
        tensors = list(session.tensors().values())
        write_weights(place, tensors, limit="50GB", variant=None)
        config = session.model._saved_config() | {"architectures": [type(session.model).__name__], "dtype": "float32"}
        place("config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        state.save_to_json(place(STATE))
        place(ARGUMENTS).write_text(arguments.to_json_string() + "\n", encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save_pretrained(place(STATE).parent)
        if not only_model:
            sum_of_weights = np.array(_checksum(tensors), np.uint32)
            np.savez(place(OPTIMIZER), **cast("Any", session.state() | {_SUM: sum_of_weights}))
    if drafted != directory:  # an earlier one of this step stays until the new one is whole
        replaced = directory.with_name(_REPLACED + directory.name)
        with signals_wait():
            directory.rename(replaced)
            drafted.rename(directory)
        shutil.rmtree(replaced)


def load(directory: Path, session: Session) -> TrainerState:
    """Gives a session the weights and moments of a checkpoint; returns the state of the training.

    Errors: FileNotFoundError when something of it is missing, ValueError when it is another model's, or damaged.
    """
    for name in (STATE, OPTIMIZER, WEIGHTS):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"{str(directory)!r} is not a checkpoint to resume from: {_lack(directory, name)}")
    state = _whole_state(directory)
    found = weights(directory, session)
    try:
        session.set_weights(found)
    except ValueError as error:
        raise ValueError(f"{str(directory)!r} is a checkpoint of another model: {error}") from error
    with np.load(directory / OPTIMIZER) as stored:
        if _SUM in stored and int(stored[_SUM]) != _checksum(found.values()):
            raise _damaged(directory, WEIGHTS, "its checksum is another one")
        session.set_state(stored)
        if int(stored["steps"]) != state.global_step:
            raise _damaged(directory, STATE, f"it says step {state.global_step}, {OPTIMIZER} {int(stored['steps'])}")
    return state


def last_of(output_dir: Path) -> Path:
    """The checkpoint with the most steps.

    Errors: FileNotFoundError when there is none.
    """
    found = found_in(output_dir)
    if not found:
        lack = "has no checkpoint" if output_dir.is_dir() else "does not exist, and so has no checkpoint"
        raise FileNotFoundError(
            f"{str(output_dir)!r} {lack} to resume from, which is a directory {PREFIX}-STEP, such as {PREFIX}-500; "
            "give the output_dir of the training that was interrupted, or begin a new training without resuming"
        )
    return found[-1]


def _lack(directory: Path, name: str) -> str:
    """Why a directory without this file is not a checkpoint, and what to do."""
    if not directory.is_dir():
        return f"there is no such directory; give a directory {PREFIX}-STEP, such as {PREFIX}-500"
    if others := found_in(directory):
        return f"it has no {name}; give one of the checkpoints in it, such as {str(others[-1])!r}"
    if name == OPTIMIZER and (directory / STATE).is_file():
        return f"it has no {name}, as with save_only_model=True; give another one, or begin a new training"
    return f"it has no {name}; give a directory {PREFIX}-STEP that a training wrote"


def warn_of_changes(directory: Path, arguments: Any) -> None:
    """One UserWarning for arguments that differ from those of a checkpoint, so that the training goes on otherwise."""
    try:
        before = json.loads((directory / ARGUMENTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    now = json.loads(arguments.to_json_string())
    before = {"bf16": False, **before}  # which older checkpoints lack
    changed = [f"{name} {now[name]!r}, before {before[name]!r}" for name in _LASTING if now[name] != before.get(name)]
    if changed:
        warn_caller(
            UserWarning(f"the training resumes with other arguments than its checkpoint has: {'; '.join(changed)}")
        )


def _whole_state(directory: Path) -> TrainerState:
    """The state of the training; ValueError where it or the moments are damaged."""
    name = STATE
    try:
        state = TrainerState.load_from_json(directory / STATE)
        if not isinstance(state.global_step, int) or not isinstance(state.log_history, list):
            raise ValueError("it has no steps")
        name = OPTIMIZER
        with zipfile.ZipFile(directory / OPTIMIZER) as archive:
            if wrong := archive.testzip():
                raise ValueError(f"{wrong} is not what was written")
    except OSError:
        raise
    except Exception as error:  # what zipfile and json raise for bytes that they cannot read is of any kind
        raise _damaged(directory, name, str(error)) from error
    return state


def _damaged(directory: Path, name: str, why: str) -> ValueError:
    others = [str(path) for path in found_in(directory.parent) if path.name != directory.name]
    remedy = f"resume from {others[-1]!r}" if others else "begin the training again"
    return ValueError(f"{str(directory / name)!r} is damaged ({why}); {remedy}")


def _checksum(tensors: Iterable[Tensor]) -> int:
    """CRC-32 of the names and numbers of tensors, whatever their order."""
    found = 0
    for tensor in tensors:
        found ^= zlib.crc32(np.ascontiguousarray(tensor.data).data, zlib.crc32(tensor.name.encode()))
    return found


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


def drop_old(output_dir: Path, limit: int | None, keep: set[str | None]) -> None:
    """Removes the checkpoints that were written first, so that `limit` stay, those to `keep` in any case."""
    if limit is None or limit <= 0:
        return
    found = sorted(found_in(output_dir), key=lambda path: path.stat().st_mtime_ns)
    old = [path for path in found if str(path) not in keep]
    for path in old[: max(0, len(found) - limit)]:
        _remove(path)


def clean(output_dir: Path) -> None:
    """Removes what a killed process left: checkpoints half written, or half removed.

    One that was about to be replaced gets its name back, if the new one has not got it.
    """
    if not output_dir.is_dir():
        return
    for path in output_dir.glob(f"{_REPLACED}*"):
        place = output_dir / path.name.removeprefix(_REPLACED)
        if not place.exists():
            path.rename(place)
    for path in output_dir.glob(".deberta_c.*"):
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
