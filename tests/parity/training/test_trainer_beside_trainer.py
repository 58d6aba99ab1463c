"""`Trainer` beside that of transformers, which needs accelerate: events, logs, metrics, the best checkpoint."""

import contextlib
import io

import numpy as np
import pytest

import deberta_c
from tests.parity.oracle import load_ours, load_theirs, transformers

pytest.importorskip("accelerate", reason="the Trainer of transformers needs accelerate")

FIELDS = {"model_type": "deberta-v2", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
EVENTS = [name for name in dir(transformers.TrainerCallback) if name.startswith("on_")]
OPTIONS = {
    "per_device_train_batch_size": 8, "learning_rate": 5e-4, "train_sampling_strategy": "sequential",
    "disable_tqdm": True, "report_to": "none", "use_cpu": True,
}  # fmt: skip
CASES = {
    "nothing": {"num_train_epochs": 1},
    "epochs": {
        "eval_strategy": "epoch", "save_strategy": "epoch", "logging_strategy": "epoch", "num_train_epochs": 1.5,
    },
    "best": {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True, "num_train_epochs": 2},
    "steps": {"eval_strategy": "steps", "eval_steps": 3, "save_steps": 0.5, "logging_steps": 2, "max_steps": 9},
    "accumulated": {"gradient_accumulation_steps": 4, "eval_strategy": "steps", "eval_steps": 1, "logging_steps": 1},
}  # fmt: skip


def rows_of(count, seed):
    draw = np.random.default_rng(seed)
    return [
        {
            "input_ids": draw.integers(1, 101, 12).tolist(),
            "attention_mask": [1] * 12,
            "labels": int(draw.integers(0, 3)),
        }
        for _ in range(count)
    ]


def recorder(base):
    """A callback that notes each event, with the step, the epoch and what it is given."""
    seen = []

    def noting(name):
        def note(self, args, state, control, **given):
            kinds = tuple(key for key in ("logs", "metrics") if key in given)
            seen.append((name, state.global_step, round(state.epoch, 6), kinds))

        return note

    return type("Recorder", (base,), {name: noting(name) for name in EVENTS})(), seen


def run(library, model, place, options):
    callback, seen = recorder(library.TrainerCallback)
    train, held_out = rows_of(52, 1), rows_of(20, 2)
    arguments = library.TrainingArguments(str(place), **{**OPTIONS, **options})
    trainer = library.Trainer(
        model, arguments, train_dataset=train, eval_dataset=held_out,
        compute_metrics=lambda found: {"accuracy": float((found[0].argmax(-1) == found[1]).mean())},
        callbacks=[callback],
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        trained, evaluated, predicted = trainer.train(), trainer.evaluate(), trainer.predict(held_out)
        unlabelled = [{key: row[key] for key in ("input_ids", "attention_mask")} for row in held_out]
        without = trainer.predict(unlabelled)
    return trainer, seen, (trained.metrics, evaluated, predicted.metrics, without.metrics)


@pytest.mark.filterwarnings("ignore:the model gives all rows")
@pytest.mark.parametrize("case", CASES)
def test_events_logs_and_metrics(pair, tmp_path, case):
    network = pair(**FIELDS)
    theirs, their_events, their_metrics = run(
        transformers, load_theirs(network.directory), tmp_path / "theirs", CASES[case]
    )
    ours, events, metrics = run(
        deberta_c, load_ours(network.directory, network.config, "sequence"), tmp_path / "ours", CASES[case]
    )
    assert events == their_events
    for one, other in zip(metrics, their_metrics, strict=True):
        assert [key for key in one if key != "total_flos"] == list(other)  # their PrinterCallback takes it out
    history, their_history = ours.state.log_history, theirs.state.log_history
    assert [list(entry) for entry in history] == [list(entry) for entry in their_history]
    for entry, their_entry in zip(history, their_history, strict=True):
        for key, value in entry.items():
            if key.endswith(("runtime", "per_second")) or (case == "accumulated" and "loss" in key):
                continue  # times; and transformers adds the means of the batches of an update
            if case != "accumulated" or key not in ("grad_norm", "eval_accuracy"):
                assert value == pytest.approx(their_entry[key], rel=1e-3, abs=1e-4), (key, entry, their_entry)
    for key in ("global_step", "max_steps", "num_train_epochs", "epoch", "best_global_step", "total_flos"):
        assert getattr(ours.state, key) == getattr(theirs.state, key), key
    saved = [{path.name for path in (tmp_path / side).glob("checkpoint-*")} for side in ("ours", "theirs")]
    assert saved[0] == saved[1]
