"""Callbacks: what a training tells others at its events, and what they may ask of it."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deberta_c._base.errors import warn_caller
from deberta_c.training.arguments import TrainingArguments


@dataclass
class TrainerState:
    """Where a training stands: the attributes of transformers, which are saved with a checkpoint.

    >>> TrainerState(global_step=3).global_step
    3
    """

    epoch: float = 0
    global_step: int = 0
    max_steps: int = 0
    logging_steps: float = 500
    eval_steps: float = 500
    save_steps: float = 500
    train_batch_size: int | None = None
    num_train_epochs: int = 0
    num_input_tokens_seen: int = 0
    total_flos: float = 0
    log_history: list[dict[str, Any]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    is_hyper_param_search: bool = False
    trial_name: str | None = None
    trial_params: dict[str, Any] | None = None
    stateful_callbacks: dict[str, Any] = field(default_factory=dict)

    def save_to_json(self, json_path: str | Path) -> None:
        """Writes all attributes into a file."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        Path(json_path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load_from_json(cls, json_path: str | Path) -> "TrainerState":
        """The state in a file; what this class has no attribute for is ignored."""
        values = json.loads(Path(json_path).read_text(encoding="utf-8"))
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def compute_steps(self, args: TrainingArguments, max_steps: int) -> None:
        """Sets the steps between events; in `args` they may be shares of all steps."""
        for name in ("logging_steps", "eval_steps", "save_steps"):
            steps = getattr(args, name)
            if steps is not None:
                setattr(self, name, math.ceil(max_steps * steps) if steps < 1 else steps)


@dataclass
class TrainerControl:
    """What callbacks ask of a training.

    >>> TrainerControl().should_training_stop
    False
    """

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": asdict(self), "attributes": {}}


def owed_control(states: Mapping[str, Any]) -> tuple[TrainerControl, bool, list[Any]]:
    """What a training still had to do when its checkpoint was written, whether the last epoch was ended, and the sums
    since the last log.

    >>> owed_control({"TrainerControl": {"args": {"should_evaluate": True}, "attributes": {"epoch_ended": False}}})[1]
    False
    """
    kept = states.get("TrainerControl", {})
    asked = kept.get("args", {})
    owed = bool(asked.get("should_evaluate"))
    control = TrainerControl(should_evaluate=owed, should_save=owed and bool(asked.get("should_save")))
    control.should_log = bool(asked.get("should_log"))
    attributes = kept.get("attributes", {})
    return control, bool(attributes.get("epoch_ended", True)), attributes.get("since_log", [])


class TrainerCallback:
    """The base of callbacks; each method is called at its event.

    All get the arguments, the state, the control, which they may change, and by name `model`, `processing_class`,
    `optimizer` and `lr_scheduler` (None) and the data sets `train_dataloader` and `eval_dataloader`; `on_step_end` also
    `loss`, that of the step, `on_log` `logs`, `on_evaluate` and `on_predict` `metrics`, and `on_evaluate` a list
    `predictions` with the logits and labels of each data set, None where no `compute_metrics` asks for them. During a
    training `model` has the weights that it had when the training began. A callback with a method `state`, as
    `EarlyStoppingCallback` has it, is saved with checkpoints.

    >>> class Stop(TrainerCallback):
    ...     def on_step_end(self, args, state, control, **others):
    ...         control.should_training_stop = True
    """

    def _nothing(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> Any:
        """Does nothing; a subclass may."""
        return None

    on_init_end = on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = on_step_begin = _nothing
    on_pre_optimizer_step = on_optimizer_step = on_substep_end = on_step_end = on_evaluate = on_predict = _nothing
    on_save = on_log = on_prediction_step = on_push_begin = _nothing


class CallbackHandler:
    """Calls the callbacks of a training, in their order."""

    def __init__(self, callbacks: list[Any], model: Any, processing_class: Any) -> None:
        self.callbacks: list[Any] = []
        self.model, self.processing_class = model, processing_class
        self.train_dataloader: Any = None
        self.eval_dataloader: Any = None
        for callback in callbacks:
            self.add(callback)

    def add(self, callback: Any) -> None:
        """Adds a callback, an object or its class."""
        made = callback() if isinstance(callback, type) else callback
        if not callable(getattr(made, "on_step_end", None)):
            raise TypeError(f"a callback is {made!r}; give a TrainerCallback")
        self.callbacks.append(made)

    def pop(self, callback: Any) -> Any:
        """Removes the callback, or the first one of a class, and returns it; None when there is none."""
        for made in self.callbacks:
            if made is callback or (isinstance(callback, type) and isinstance(made, callback)):
                self.callbacks.remove(made)
                return made
        return None

    def call(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """Calls the method of all callbacks; the control that they leave."""
        for callback in self.callbacks:
            changed = getattr(callback, event)(
                args,
                state,
                control,
                model=self.model,
                processing_class=self.processing_class,
                optimizer=None,
                lr_scheduler=None,
                train_dataloader=self.train_dataloader,
                eval_dataloader=self.eval_dataloader,
                **others,
            )
            if changed is not None and not isinstance(changed, TrainerControl):
                raise TypeError(
                    f"{type(callback).__name__}.{event} returned {changed!r}; it must return the control, or None"
                )
            control = control if changed is None else changed
        return control

    def states(self, control: TrainerControl) -> dict[str, Any]:
        """What a checkpoint keeps of the callbacks: by class, a list where there are several of one."""
        found: dict[str, list[Any]] = {}
        for callback in [*self.callbacks, control]:
            if callable(getattr(callback, "state", None)):
                found.setdefault(type(callback).__name__, []).append(callback.state())
        return {name: states[0] if len(states) == 1 else states for name, states in found.items()}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Gives callbacks the attributes that `states` kept."""
        left = {name: list(state) if isinstance(state, list) else [state] for name, state in states.items()}
        for callback in self.callbacks:
            if found := left.get(type(callback).__name__):
                for name, value in found.pop(0).get("attributes", {}).items():
                    setattr(callback, name, value)


class DefaultFlowCallback(TrainerCallback):
    """Asks for logs, evaluations and checkpoints as the arguments say.

    >>> DefaultFlowCallback().on_epoch_end(TrainingArguments(save_strategy="epoch"), TrainerState(),
    ...     TrainerControl()).should_save
    True
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """After an update."""
        step, last = state.global_step, state.global_step >= state.max_steps
        if args.logging_strategy == "steps" and step % state.logging_steps == 0:
            control.should_log = True
        if step == 1 and args.logging_first_step:
            control.should_log = True
        if args.eval_strategy == "steps" and args.eval_delay <= step and (last or step % state.eval_steps == 0):
            control.should_evaluate = True
        if args.save_strategy == "steps" and (last or step % state.save_steps == 0):
            control.should_save = True
        if last:
            control.should_training_stop = True
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """After an epoch."""
        if args.logging_strategy == "epoch":
            control.should_log = True
        if args.eval_strategy == "epoch" and args.eval_delay <= state.epoch:
            control.should_evaluate = True
        if args.save_strategy == "epoch":
            control.should_save = True
        return control


class EarlyStoppingCallback(TrainerCallback):
    """Stops a training when `metric_for_best_model` got no better in a number of evaluations in a row.

    Getting better by `early_stopping_threshold` or less does not count. It needs `metric_for_best_model` and an
    `eval_strategy` in the arguments, and with `load_best_model_at_end` the model ends with its best weights.

    >>> EarlyStoppingCallback(early_stopping_patience=3).early_stopping_patience
    3
    """

    def __init__(self, early_stopping_patience: int = 1, early_stopping_threshold: float | None = 0.0) -> None:
        self.early_stopping_patience = early_stopping_patience
        self.early_stopping_threshold = early_stopping_threshold
        self.early_stopping_patience_counter = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Checks the arguments; begins to count, or continues the count of a checkpoint."""
        if args.metric_for_best_model is None:
            raise ValueError('EarlyStoppingCallback needs metric_for_best_model, such as "loss", in the arguments')
        if args.eval_strategy == "no":
            raise ValueError('EarlyStoppingCallback needs eval_strategy="epoch" or "steps" in the arguments')
        if not args.load_best_model_at_end:
            warn_caller(
                UserWarning("early stopping without load_best_model_at_end=True: the model ends with its last weights")
            )
        if state.global_step == 0:
            self.early_stopping_patience_counter = 0
        if self.early_stopping_patience_counter >= self.early_stopping_patience:  # it had stopped before it is resumed
            control.should_training_stop = True

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Counts evaluations that are no better than the best one before."""
        name = metric_key(args.metric_for_best_model)
        value = others.get("metrics", {}).get(name)
        if value is None:
            warn_caller(UserWarning(f"early stopping finds no {name!r} in the metrics and does nothing"))
            return
        best, sign = state.best_metric, 1 if args.greater_is_better else -1
        better = best is None or math.isnan(best) or sign * (value - best) > (self.early_stopping_threshold or 0)
        self.early_stopping_patience_counter = 0 if better else self.early_stopping_patience_counter + 1
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        names = ("early_stopping_patience", "early_stopping_threshold")
        return {
            "args": {name: getattr(self, name) for name in names},
            "attributes": {"early_stopping_patience_counter": self.early_stopping_patience_counter},
        }


def metric_key(name: str | None) -> str:
    """The key of `metric_for_best_model` in the metrics of an evaluation.

    >>> metric_key("loss"), metric_key("eval_f1")
    ('eval_loss', 'eval_f1')
    """
    found = name or "loss"
    return found if found.startswith("eval_") else f"eval_{found}"


class PrinterCallback(TrainerCallback):
    """Prints the logs.

    >>> PrinterCallback().on_log(TrainingArguments(), TrainerState(), TrainerControl(), logs={"loss": 0.5})
    {'loss': '0.5'}
    """

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Prints them."""
        print(shown_logs(others["logs"]))


class ProgressCallback(TrainerCallback):
    """Shows how far a training is, its loss and the time that is left: a bar of tqdm, or lines on stderr without it.

    >>> ProgressCallback().on_train_end(TrainingArguments(), TrainerState(), TrainerControl())
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._began, self._first, self._shown = 0.0, 0, 0.0
        self._loss: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Opens the bar."""
        self._began, self._first, self._loss = time.monotonic(), state.global_step, None
        if find_spec("tqdm") is not None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=state.max_steps, initial=state.global_step, dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Moves the bar, which shows the loss, a mean in which early steps fade."""
        loss = others.get("loss", 0.0)
        self._loss = loss if self._loss is None else 0.9 * self._loss + 0.1 * loss
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{self._loss:.4g}", refresh=False)
            self._bar.update(state.global_step - self._bar.n)
        elif time.monotonic() - self._shown > 5:
            self._shown = time.monotonic()
            rate = (self._shown - self._began) / max(1, state.global_step - self._first)
            left = round(rate * (state.max_steps - state.global_step))
            shown = f"step {state.global_step} of {state.max_steps}, loss {self._loss:.4g}, {left} s left"
            print(shown, file=sys.stderr, flush=True)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Shows the logs."""
        logs = shown_logs(others["logs"])
        if self._bar is None:
            print(logs, file=sys.stderr, flush=True)
            return
        self._bar.write(str(logs), file=sys.stderr)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class NotebookProgressCallback(ProgressCallback):
    """In a notebook: a bar, and a table with a row for each evaluation.

    >>> callback = NotebookProgressCallback()
    >>> callback.table([{"loss": 0.5, "step": 1}, {"eval_loss": 0.25, "epoch": 1.0, "step": 1}])[:22]
    '<table><thead><tr><th>'
    """

    def __init__(self) -> None:
        super().__init__()
        self._display: Any = None

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Draws the table again."""
        from IPython.display import HTML, display

        shown: Any = HTML(self.table(state.log_history))  # type: ignore[no-untyped-call]
        if self._display is None:
            self._display = display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._display.update(shown)

    def table(self, history: list[dict[str, Any]]) -> str:
        """The logs as HTML: the training loss beside the metrics of each evaluation."""
        rows = list(_table_rows(history))
        names = list(dict.fromkeys(name for row in rows for name in row))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(row.get(name, '')))}</td>" for name in names) + "</tr>" for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _table_rows(history: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each step with logs."""
    steps: dict[int, dict[str, Any]] = {}
    for entry in history:
        row = steps.setdefault(entry.get("step", 0), {"Step": entry.get("step", 0)})
        for name, value in entry.items():
            if name == "loss":
                row["Training Loss"] = f"{value:.6f}"
            elif name.startswith("eval_") and not name.endswith(("runtime", "per_second")):
                label = name.removeprefix("eval_").replace("_", " ").title()
                row["Validation Loss" if label == "Loss" else label] = (
                    f"{value:.6f}" if isinstance(value, float) else value
                )
    return (row for row in steps.values() if len(row) > 1)


def progress_callback(disable_tqdm: bool) -> TrainerCallback:
    """The callback that shows the progress, as transformers chooses it."""
    if disable_tqdm:
        return PrinterCallback()
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return NotebookProgressCallback() if type(running).__name__ == "ZMQInteractiveShell" else ProgressCallback()


def shown_logs(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Logs with their numbers cut, for people.

    >>> shown_logs({"loss": 0.123456, "total_flos": 0.0})
    {'loss': '0.1235'}
    """
    return {
        name: f"{value:.4g}" if isinstance(value, float) else value
        for name, value in logs.items()
        if name != "total_flos"
    }
