"""`Trainer`: fine-tuning of a model, with the names of transformers' Trainer."""

import math
import time
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short, warn_caller
from deberta_c._files.atomic import require_writable
from deberta_c._tokenizers.padding import as_lists
from deberta_c.training import checkpoints
from deberta_c.training.arguments import TrainingArguments
from deberta_c.training.callbacks import (
    CallbackHandler,
    DefaultFlowCallback,
    TrainerControl,
    TrainerState,
    metric_key,
    owed_control,
    progress_callback,
)
from deberta_c.training.data import Rows, batches, columns_of, gathered, is_several, order_of
from deberta_c.training.kept import KeptOutputs
from deberta_c.training.objective import Batch
from deberta_c.training.objectives import objective_of
from deberta_c.training.one_class import OneClassCallback, check_predictions
from deberta_c.training.reports import Reports
from deberta_c.training.schedules import Schedule, schedule_of
from deberta_c.training.session import Session
from deberta_c.training.signals import signals_wait, sigterm_stops

HeldOut = dict[str, Rows]
_CHECKED_ROWS = 256  # that a trained classifier is tried on

# Methods of transformers' Trainer that work on torch, and what takes their place.
_OF_TORCH = {
    "compute_loss": "there is no automatic differentiation: give compute_loss_func, which returns the loss and its "
    "gradient by the logits, or class_weights",
    "training_step": "give compute_loss_func, or a callback",
    "prediction_step": "give preprocess_logits_for_metrics, or compute_metrics",
    "evaluation_loop": "give preprocess_logits_for_metrics, or compute_metrics",
    "create_optimizer": "give optim, learning_rate and weight_decay in TrainingArguments",
    "create_scheduler": "give lr_scheduler_type and warmup_steps in TrainingArguments",
    "create_optimizer_and_scheduler": "give optim and lr_scheduler_type in TrainingArguments",
    "get_train_dataloader": "give train_dataset, and train_sampling_strategy in TrainingArguments",
    "get_eval_dataloader": "give eval_dataset",
}

# What transformers' Trainer has, and what takes its place.
_ELSEWHERE = {
    "accelerator": "deberta_c trains in one process, on the CPU",
    "create_model_card": "write README.md into the directory of the model",
    "hyperparameter_search": "call deberta_c.tune",
    "lr_scheduler": "the learning rate of each log is in state.log_history",
    "optimizer": "give optim, learning_rate and weight_decay in TrainingArguments",
    "push_to_hub": "call save_model, then run `hf upload NAME DIR` of huggingface_hub",
}


class TrainOutput(NamedTuple):
    """What `Trainer.train` returns."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class PredictionOutput(NamedTuple):
    """What `Trainer.predict` returns: predictions, such as logits (N, C), the labels or None, and metrics."""

    predictions: Any
    label_ids: Any
    metrics: dict[str, float] | None


class EvalPrediction(NamedTuple):
    """What `compute_metrics` gets: predictions, such as logits (N, C), and labels; it unpacks as a pair.

    >>> predictions, labels = EvalPrediction(np.zeros((1, 2), np.float32), np.array([1]))
    >>> predictions.shape, labels.tolist()
    ((1, 2), [1])
    """

    predictions: Any
    label_ids: Any

    @property
    def inputs(self) -> None:
        """None, as in transformers without `include_for_metrics`."""
        return None

    @property
    def losses(self) -> None:
        """None, as in transformers without `include_for_metrics`."""
        return None


class Trainer(Reports):
    """Fine-tunes a model with a head: for rows, tokens, answers, choices, pairs, masked or replaced tokens.

    Names and defaults are those of transformers. Rows are packed without padding, so `data_collator` is not needed and
    is ignored, except for a `DataCollatorForLanguageModeling`, which masks tokens of rows without labels. Data sets
    are DataFrames, Arrow tables, dicts of columns, lists of dicts or a datasets.Dataset, with `input_ids` or texts
    (`text`, `text_pair`), and `label` or `labels`; `processing_class` is the tokenizer, by default the model's own.
    `compute_metrics` gets (logits, labels) and returns a dict. `compute_loss_func` gets logits (N, C) and
    labels and returns the mean loss of these rows and its gradient by the logits. `class_weights` (C) multiply the loss
    of each class. A `teacher`, a model with the same head, labels and vocabulary, adds to the loss of the training how
    far the logits are from its own: see `distillation_alpha` and `distillation_temperature` of the arguments. Training
    computes in float32, or with `bf16` of the arguments in bfloat16, whatever type the weights in the files have.

    During a training the model keeps the weights that it had; at its end it has the trained ones (or the best, with
    `load_best_model_at_end`). Ctrl-C and SIGTERM stop at once, without the step that runs, and write a checkpoint
    unless `save_strategy` is "no"; the model gets the weights of the last whole step. A checkpoint directory appears as
    a whole, so that one that is there can be resumed from.

    >>> import deberta_c, tempfile
    >>> model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    >>> data = {"text": ["win a prize now", "see you at home"] * 8, "label": [1, 0] * 8}
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     arguments = TrainingArguments(directory, num_train_epochs=1, save_strategy="no", disable_tqdm=True)
    ...     trainer = Trainer(model, arguments, train_dataset=data, callbacks=[])
    ...     trainer.remove_callback(deberta_c.training.callbacks.PrinterCallback)
    ...     trainer.train().global_step
    2
    """

    def __init__(
        self,
        model: Any = None,
        args: TrainingArguments | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        model_init: Callable[..., Any] | None = None,
        compute_loss_func: Callable[..., tuple[float, Any]] | None = None,
        compute_metrics: Callable[[Any], dict[str, float]] | None = None,
        callbacks: list[Any] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        optimizer_cls_and_kwargs: Any = None,
        preprocess_logits_for_metrics: Callable[[Any, Any], Any] | None = None,
        *,
        class_weights: Any = None,
        teacher: Any = None,
        tokenizer: Any = None,
    ) -> None:
        if tokenizer is not None:
            warn_caller(FutureWarning("tokenizer= is the older name of processing_class="))
            processing_class = tokenizer if processing_class is None else processing_class
        _refuse_torch(type(self), optimizers, optimizer_cls_and_kwargs)
        if (model is None) == (model_init is None):
            raise ValueError("Trainer needs a model or model_init, a function that returns one, but not both")
        self.model_init = model_init
        model = self._call_model_init() if model is None else model
        self.model, self.args = model, _arguments(args)
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.processing_class = processing_class
        self.compute_metrics = compute_metrics
        self.objective = objective_of(
            model,
            class_weights=class_weights,
            label_smoothing=self.args.label_smoothing_factor,
            temperature=self.args.distillation_temperature,
            alpha=self.args.distillation_alpha,
            function=compute_loss_func,
        )
        self.objective.take_collator(data_collator)
        if teacher is not None:
            self.objective.take_teacher(teacher)
            self.compute_loss_func = compute_loss_func
        self.state, self.control = TrainerState(), TrainerControl()
        flow: list[Any] = [DefaultFlowCallback(), *(callbacks or []), progress_callback(bool(self.args.disable_tqdm))]
        self.callback_handler = CallbackHandler(flow, model, processing_class)
        self._session: Session | None = None
        self._kept: KeptOutputs | None = None
        self._schedule: Schedule = lambda step: 1.0
        self._epoch_ended = True  # the callbacks know of the end of the last epoch
        self._since = _Since()
        self._size = 0  # parameters of the model, without embeddings
        self._call("on_init_end")

    @property
    def compute_loss_func(self) -> Any:
        """The loss function that replaces the model's, or None."""
        return self.objective.function

    @compute_loss_func.setter
    def compute_loss_func(self, function: Any) -> None:
        if function is not None and self.objective.teacher is not None:
            raise ValueError("teacher is given, but compute_loss_func replaces the loss; leave one out")
        self.objective.function = function

    def _call_model_init(self) -> Any:
        """A new model of `model_init`, which may take a trial, here None."""
        assert self.model_init is not None
        return self.model_init(*[None] * len(signature(self.model_init).parameters))

    # ---- callbacks ----

    def add_callback(self, callback: Any) -> None:
        """Adds a callback, an object or a class."""
        self.callback_handler.add(callback)

    def pop_callback(self, callback: Any) -> Any:
        """Removes a callback, an object or the first one of a class, and returns it."""
        return self.callback_handler.pop(callback)

    def remove_callback(self, callback: Any) -> None:
        """Removes a callback, an object or the first one of a class."""
        self.callback_handler.pop(callback)

    def _call(self, event: str, **others: Any) -> None:
        self.control = self.callback_handler.call(event, self.args, self.state, self.control, **others)

    # ---- training ----

    def train(self, resume_from_checkpoint: str | Path | bool | None = None) -> TrainOutput:
        """Trains; returns the number of updates, the mean loss and metrics.

        `resume_from_checkpoint=True` continues from the last checkpoint in `output_dir`, a path from that one: with the
        same data and arguments it ends with the same weights, bit for bit, as a training that was not interrupted.

        Errors: ValueError for labels that do not fit the model or a checkpoint of another one, FloatingPointError for a
        loss or gradient that is not finite, FileNotFoundError when there is no checkpoint, OSError when one cannot be
        written. Warnings: a label that no row has; a learning rate that is 0 in all steps; a trained classifier that
        gives all rows the same class.
        """
        if resume_from_checkpoint is None:
            resume_from_checkpoint = self.args.resume_from_checkpoint
        if self.model_init is not None:
            self.model = self.objective.model = self.callback_handler.model = self._call_model_init()
        rows = self._labelled(self.train_dataset, "train_dataset", taught=True)
        self.objective.warn(rows, "train_dataset")
        held_out = None if self.eval_dataset is None else self._held_out(self.eval_dataset, "eval")
        if self.args.eval_strategy != "no" and held_out is None:
            raise ValueError(f"eval_strategy is {self.args.eval_strategy!r}, but there is no eval_dataset; give one")
        session = self._session = self._new_session()
        session.prepare(self.args)
        self._kept, self._size = None, self.model.num_parameters(exclude_embeddings=True)
        if session.core.frozen_layers > 0 and self.objective.reads_rows:
            self._kept = KeptOutputs(session.core, self.args.frozen_outputs_gb * 1e9)
        run = _Run.of(self.args, len(rows))
        if self.args.save_strategy != "no":
            require_writable("output_dir", self._output())
        checkpoints.clean(self._output())
        self.state = TrainerState(
            max_steps=run.steps, num_train_epochs=run.epochs, train_batch_size=self.args.train_batch_size
        )
        self.control, self._epoch_ended, self._since = TrainerControl(), True, _Since()
        self._resume(resume_from_checkpoint, session)
        self.state.compute_steps(self.args, run.steps)
        self._schedule = schedule_of(
            self.args.lr_scheduler_type,
            warmup_steps=self.args.get_warmup_steps(run.steps),
            training_steps=run.steps,
            learning_rate=self.args.learning_rate,
            options=self.args.lr_scheduler_kwargs,  # type: ignore[arg-type]
        )
        self.callback_handler.train_dataloader = self.train_dataset
        self.callback_handler.eval_dataloader = self.eval_dataset
        began, first, epoch = time.perf_counter(), self.state.global_step, self.state.epoch
        if first < run.steps and not any(map(self._rate, range(first, run.steps))):
            warn_caller(UserWarning(_idle(self.args.learning_rate)))
        with sigterm_stops():
            total = self._run(run, rows, held_out, session)
            seconds, steps = time.perf_counter() - began, self.state.global_step - first
            return self._finish(session, total, seconds, steps, epoch, rows)

    def _resume(self, given: str | Path | bool | None, session: Session) -> None:
        if given is None or given is False:
            return
        if given is True:
            given = checkpoints.last_of(self._output())
        steps, epochs = self.state.max_steps, self.state.num_train_epochs
        self.state = checkpoints.load(Path(given), session)
        checkpoints.warn_of_changes(Path(given), self.args)
        self.state.max_steps, self.state.num_train_epochs = steps, epochs
        self.callback_handler.restore(self.state.stateful_callbacks)
        self.control, self._epoch_ended, sums = owed_control(self.state.stateful_callbacks)
        self._since = _Since(*sums)

    def _rate(self, step: int) -> float:
        """The learning rate of a step, from 0 on."""
        return self.args.learning_rate * self._schedule(step)

    def _remedy(self) -> str:
        """What may help a training whose numbers grow without end."""
        return f"lower learning_rate, which is {self.args.learning_rate:g}"

    def _run(self, run: "_Run", rows: Rows, held_out: HeldOut | None, session: Session) -> float:
        """All epochs; the sum of the losses of the updates."""
        total, since = 0.0, self._since
        self._call("on_train_begin")
        if self.args.eval_on_start and held_out is not None and self.state.global_step == 0:
            self._announced(self._measured(held_out, session))
        try:
            if run.ends_epoch(self.state.global_step):
                self._end_epoch()
            self._events(held_out, session, since)  # what an interruption has left undone
            while self.state.global_step < run.steps and not self.control.should_training_stop:
                epoch = self.state.global_step // run.steps_of_epoch
                self._call("on_epoch_begin")
                total += self._epoch(epoch, run, rows, held_out, session, since)
                self._end_epoch()
                self._events(held_out, session, since)
        except BaseException as stopped:
            if not isinstance(stopped, Exception):  # Ctrl-C, SIGTERM
                try:
                    if self.state.global_step > 0:
                        self._save(session)
                finally:
                    session.write_back()
            raise
        return total

    def _end_epoch(self) -> None:
        """Tells the callbacks that the epoch has ended, once."""
        with signals_wait():
            if not self._epoch_ended:
                self._call("on_epoch_end")
            self._epoch_ended = True

    def _epoch(
        self, epoch: int, run: "_Run", rows: Rows, held_out: HeldOut | None, session: Session, since: "_Since"
    ) -> float:
        data_seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        size, each = self.args.train_batch_size, self.args.gradient_accumulation_steps
        order = order_of(self.args.train_sampling_strategy, rows.lengths(), size * each, data_seed, epoch)
        parts = batches(order, size, self.args.dataloader_drop_last)
        updates = [parts[begin : begin + each] for begin in range(0, len(parts), each)]
        total = 0.0
        for number in range(self.state.global_step - epoch * run.steps_of_epoch, len(updates)):
            if (
                self.state.global_step >= run.steps
                or self.control.should_training_stop
                or self.control.should_epoch_stop
            ):
                break
            self._call("on_step_begin")
            tokens, loss = self._gradients(updates[number], rows, session)
            with signals_wait():  # the weights, the number of the step and what is due after it change together
                self._update(loss, session, since)
                total += loss
                self.state.total_flos += 6 * self._size * tokens
                self.state.global_step += 1
                self.state.epoch = epoch + min((number + 1) * each, len(parts)) / len(parts)
                self._epoch_ended = False
                self._call("on_step_end", loss=loss)
            self._events(held_out, session, since)
        self.control.should_epoch_stop = False
        return total

    def _gradients(self, parts: list[NDArray[np.int64]], rows: Rows, session: Session) -> tuple[int, float]:
        """The gradient of the mean loss over all rows of some batches; the number of tokens, and this loss.

        A signal ends it: only gradients have changed, and no update reads them.
        """
        first = (self.args.seed * 1_000_003 + self.state.global_step) * 1_009
        seeded = [(self.objective.batch(rows, part, seed), seed) for seed, part in enumerate(parts, first)]
        divisor = self.objective.total([batch for batch, _ in seeded])
        loss = 0.0
        for part, (batch, seed) in enumerate(seeded, 1):
            loss += self.objective.learn(session, self._given(batch, rows), divisor, seed)
            if part < len(seeded):
                self._call("on_substep_end")
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss of step {self.state.global_step + 1} is {loss}; {self._remedy()}, or look for huge labels"
            )
        return sum(len(batch.inputs["ids"]) for batch, _ in seeded), loss

    def _update(self, loss: float, session: Session, since: "_Since") -> None:
        """One update from the gradients of this loss."""
        self._call("on_pre_optimizer_step")
        rate = self._rate(self.state.global_step)
        norm = session.update(
            rate,
            beta1=self.args.adam_beta1,
            beta2=self.args.adam_beta2,
            epsilon=self.args.adam_epsilon,
            weight_decay=self.args.weight_decay,
            max_norm=self.args.max_grad_norm,
            bias_correction=self.args.optim != "xadam",
        )
        if not math.isfinite(norm):
            raise FloatingPointError(f"step {self.state.global_step + 1} has an infinite gradient; {self._remedy()}")
        self._call("on_optimizer_step")
        since.add(loss, norm, rate)

    def _events(self, held_out: HeldOut | None, session: Session, since: "_Since") -> None:
        """Logs, evaluates and saves as the callbacks asked for."""
        if self.control.should_log and since.steps > 0:
            self.log(since.logs())
        self.control.should_log = False
        if self.control.should_evaluate and held_out is not None:
            found = self._measured(held_out, session)
            with signals_wait():
                self._note(found)
                self.control.should_evaluate = False
        self.control.should_evaluate = False
        if self.control.should_save:
            self._save(session)
            self._call("on_save")
        self.control.should_save = False

    def _note(self, found: "_Measured") -> None:
        """Tells the callbacks of an evaluation, and notes whether it was the best so far."""
        metrics = self._announced(found)
        for prefix in found.seen:
            loss = metrics[f"{prefix}_loss"]
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"{prefix}_loss after step {self.state.global_step} is {loss}; {self._remedy()}, or look for huge "
                    "labels"
                )
        if self.args.metric_for_best_model is None:
            return
        value: Any = metrics.get(metric_key(self.args.metric_for_best_model))
        if not isinstance(value, (int, float)):
            raise ValueError(
                f"metric_for_best_model is {self.args.metric_for_best_model!r}, but the metrics are {short(metrics)}; "
                "name one that is a number, or let compute_metrics return it"
            )
        best, sign = self.state.best_metric, 1 if self.args.greater_is_better else -1
        if best is None or math.isnan(best) or sign * (value - best) > 0:
            self.state.best_metric, self.state.best_global_step = value, self.state.global_step
            self.control.should_save = self.control.should_save or self.args.save_strategy == "best"

    def _save(self, session: Session) -> None:
        if self.args.save_strategy == "no":
            return
        directory = self._output() / f"{checkpoints.PREFIX}-{self.state.global_step}"
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = str(directory)
        self.state.stateful_callbacks = self.callback_handler.states(self.control)
        self.state.stateful_callbacks["TrainerControl"]["attributes"] = {
            "epoch_ended": self._epoch_ended,
            "since_log": list(self._since.sums()),
        }
        checkpoints.save(
            directory, session, self.state, self.args, self.processing_class, only_model=self.args.save_only_model
        )
        keep = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        checkpoints.drop_old(self._output(), self.args.save_total_limit, {str(directory), keep})

    def _finish(
        self, session: Session, total: float, seconds: float, steps: int, began: float, rows: Rows
    ) -> TrainOutput:
        """The end of a training of `steps` steps from the epoch `began` on."""
        best = self.state.best_model_checkpoint
        if self.args.load_best_model_at_end and best is not None:
            if Path(best).is_dir():
                session.set_weights(checkpoints.weights(Path(best), session))
            else:
                warn_caller(UserWarning(f"the best checkpoint {best!r} is gone; the model ends with its last weights"))
        try:
            self._check_classes(rows, session)
        except KeyboardInterrupt:
            session.write_back()
            raise
        session.write_back()
        self._kept = None
        metrics = {
            "train_runtime": round(seconds, 4),
            "train_samples_per_second": round(len(rows) * (self.state.epoch - began) / seconds, 3),
            "train_steps_per_second": round(steps / seconds, 3),
            "total_flos": self.state.total_flos,
            "train_loss": total / max(1, steps),
        }
        self.log(metrics)
        self._call("on_train_end")
        return TrainOutput(self.state.global_step, metrics["train_loss"], metrics)

    # ---- evaluation ----

    def evaluate(self, eval_dataset: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """The loss and the metrics of a data set, by default `eval_dataset`, with the prefix "eval_".

        Of a dict of data sets each has its name in the prefix: "eval_NAME_loss". A str names one of `eval_dataset`.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        self.callback_handler.eval_dataloader = dataset
        if isinstance(dataset, str):
            dataset = {dataset: self.eval_dataset[dataset]}
        return self._announced(self._measured(self._held_out(dataset, metric_key_prefix), self._current()))

    def predict(self, test_dataset: Any, metric_key_prefix: str = "test") -> PredictionOutput:
        """Logits of a data set and its metrics, with the prefix "test_": without labels those of time alone."""
        rows = self._rows(test_dataset, "test_dataset")
        began = time.perf_counter()
        self.callback_handler.eval_dataloader = test_dataset
        found = self._predicted(rows, self._current(), True)
        metrics = self._metrics(found, rows, metric_key_prefix, began)
        self._call("on_predict", metrics=metrics)
        return PredictionOutput(found.predictions, found.label_ids, metrics)

    def _given(self, batch: Batch, rows: Rows) -> Batch:
        """A batch with the kept output of frozen layers, if there are some."""
        if self._kept is None:
            return batch
        return batch._replace(inputs={**batch.inputs, "given": self._kept.given(rows, batch.rows)})

    def _new_session(self) -> Session:
        return Session(self.model, **self._session_options())

    def _session_options(self) -> dict[str, Any]:
        args = self.args
        args.require_bf16()
        return {"seed": args.seed, "checkpointing": bool(args.activation_checkpointing), "bf16": args.bf16}

    def _current(self) -> Session:
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _measured(self, held_out: HeldOut, session: Session) -> "_Measured":
        """The metrics of all held-out data sets, and what they come from."""
        measured = _Measured({}, {})
        for prefix, rows in held_out.items():
            began = time.perf_counter()
            found = self._predicted(rows, session, self.compute_metrics is not None)
            measured.metrics.update(self._metrics(found, rows, prefix, began))
            measured.seen[prefix] = EvalPrediction(found.predictions, found.label_ids)
        return measured

    def _announced(self, found: "_Measured") -> dict[str, float]:
        """The metrics of an evaluation, which the log and the callbacks get."""
        self.log(found.metrics)
        self._call("on_evaluate", metrics=found.metrics, predictions=list(found.seen.values()))
        return found.metrics

    def _check_classes(self, rows: Rows, session: Session) -> None:
        """Warns when a classifier gives the rows of a whole epoch the same class; some of them are tried."""
        labels = self.objective.row_classes(rows)
        if labels is None or self.objective.function is not None or self.state.epoch < 1:
            return
        counted = np.flatnonzero(labels >= 0)
        some = counted[np.linspace(0, len(counted) - 1, min(len(counted), _CHECKED_ROWS)).astype(np.int64)]
        parts = [self.objective.batch(rows, part) for part in batches(some, self.args.eval_batch_size)]
        logits = [session.evaluate(self._given(part, rows).inputs) for part in parts]
        said = any(isinstance(part, OneClassCallback) and part.has_stopped for part in self.callback_handler.callbacks)
        if logits:
            names = self.model.config.id2label
            check_predictions(np.concatenate(logits), labels[some], names, warns=not said)

    def _predicted(self, rows: Rows, session: Session, collects: bool) -> "_Predicted":
        """The loss of the rows and, with `collects`, predictions and labels."""
        objective, labelled = self.objective, rows.labels is not None
        order = np.argsort(rows.lengths(), kind="stable")
        parts = [objective.batch(rows, part) for part in batches(order, self.args.eval_batch_size)]
        divisor = objective.total(parts) if labelled else None
        loss, predictions, labels = 0.0, [], []
        for batch in parts:
            part, logits = objective.evaluate(session, self._given(batch, rows), divisor, logits=collects)
            loss += part or 0.0
            if collects:
                assert logits is not None
                found, wanted = objective.predictions(logits, batch, rows), None
                if labelled:
                    wanted = objective.label_ids(batch, rows)
                    labels.append((batch.rows, wanted))
                if self.preprocess_logits_for_metrics is not None:
                    found = self.preprocess_logits_for_metrics(found, wanted)
                predictions.append((batch.rows, found))
            self._call("on_prediction_step")
        return _Predicted(
            loss if labelled else None,
            gathered(predictions, len(rows)) if predictions else None,
            gathered(labels, len(rows)) if labels else None,
        )

    def _metrics(self, found: "_Predicted", rows: Rows, prefix: str, began: float) -> dict[str, float]:
        metrics: dict[str, float] = {} if found.loss is None else {f"{prefix}_loss": float(found.loss)}
        if self.compute_metrics is not None and found.label_ids is not None:
            given = self.compute_metrics(EvalPrediction(found.predictions, found.label_ids))
            if not isinstance(given, Mapping):
                raise TypeError(f"compute_metrics returned {short(given)}; it must return a dict of numbers by name")
            for name, value in given.items():
                metrics[name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"] = as_lists(value)
        seconds = time.perf_counter() - began
        metrics[f"{prefix}_runtime"] = round(seconds, 4)
        metrics[f"{prefix}_samples_per_second"] = round(len(rows) / seconds, 3)
        metrics[f"{prefix}_steps_per_second"] = round(math.ceil(len(rows) / self.args.eval_batch_size) / seconds, 3)
        return metrics

    # ---- data sets ----

    def _rows(self, dataset: Any, name: str) -> Rows:
        if dataset is None:
            raise ValueError(f"there is no {name}; give one to the Trainer")
        tokenizer, columns = self.processing_class, columns_of(dataset, name)
        if tokenizer is None and self.model.name_or_path and "input_ids" not in columns:
            tokenizer = self.model.tokenizer
        return self.objective.read(columns, name, tokenizer)

    def _held_out(self, dataset: Any, prefix: str) -> HeldOut:
        """The rows of a data set, or of each one in a dict of them, by the prefix of their metrics."""
        if is_several(dataset):
            return {
                f"{prefix}_{name}": self._labelled(rows, f"eval_dataset[{name!r}]") for name, rows in dataset.items()
            }
        return {prefix: self._labelled(dataset, "eval_dataset")}

    def _labelled(self, dataset: Any, name: str, *, taught: bool = False) -> Rows:
        """The rows of a data set with labels and, with `taught`, the logits of the teacher."""
        rows = self._rows(dataset, name)
        if taught:
            rows = self.objective.taught(rows, name)
        if rows.labels is None:
            raise ValueError(f"{name} has no labels; give a column named label or labels")
        return rows

    # ---- the rest ----

    def log(self, logs: dict[str, float]) -> None:
        """Adds an entry to `state.log_history`, and calls the callbacks' `on_log`."""
        logs["epoch"] = self.state.epoch
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self._call("on_log", logs=logs)

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Saves the model, and its tokenizer if there is one, into a directory, by default `output_dir`."""
        directory = self._output() if output_dir is None else Path(output_dir)
        if self._session is not None:
            self._session.write_back()
        self.model.save_pretrained(directory)
        if self.processing_class is not None:
            self.processing_class.save_pretrained(directory)

    def save_state(self) -> None:
        """Writes `trainer_state.json` into `output_dir`."""
        self._output().mkdir(parents=True, exist_ok=True)
        self.state.save_to_json(self._output() / checkpoints.STATE)

    def __getattr__(self, name: str) -> Any:
        remedy = _ELSEWHERE.get(name)
        raise AttributeError(f"{type(self).__name__} has no {name}{'' if remedy is None else f'; {remedy}'}")


class _Run(NamedTuple):
    """How many updates there are."""

    steps_of_epoch: int
    steps: int
    epochs: int

    @classmethod
    def of(cls, args: TrainingArguments, rows: int) -> "_Run":
        count = rows // args.train_batch_size if args.dataloader_drop_last else math.ceil(rows / args.train_batch_size)
        if count == 0:
            raise ValueError(f"train_dataset has {rows} rows, fewer than a batch; set dataloader_drop_last=False")
        each = math.ceil(count / args.gradient_accumulation_steps)
        if args.max_steps > 0:
            return cls(each, args.max_steps, math.ceil(args.max_steps / each))
        return cls(each, math.ceil(args.num_train_epochs * each), math.ceil(args.num_train_epochs))

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch, or the last part of one, ends with this step."""
        return step % self.steps_of_epoch == 0 or step >= self.steps


def _arguments(given: Any) -> TrainingArguments:
    if given is None:
        return TrainingArguments()
    if isinstance(given, TrainingArguments):
        return given
    raise TypeError(
        f"args is a {type(given).__module__.partition('.')[0]} {type(given).__name__}; give a "
        "deberta_c.TrainingArguments, which takes the same arguments"
    )


def _idle(learning_rate: float) -> str:
    """What to say of a training whose steps all have a learning rate of 0."""
    if learning_rate == 0:
        return "learning_rate is 0, so that the training changes nothing; give a number above 0, such as 5e-5"
    return (
        "the training changes nothing: it has one step, and the learning rate of the first step of a warm-up is 0; "
        "give more epochs or smaller batches, or no warm-up (warmup_steps=0; in fit and pretrain warmup=0)"
    )


def _refuse_torch(cls: type[Any], optimizers: tuple[Any, Any], optimizer_cls_and_kwargs: Any) -> None:
    """Raises TypeError for what only torch could do, and says what to do."""
    for name, remedy in _OF_TORCH.items():
        if hasattr(cls, name):
            raise TypeError(f"{cls.__name__} has its own {name}, which deberta_c never calls; {remedy}")
    if any(part is not None for part in (*(optimizers or ()), optimizer_cls_and_kwargs)):
        raise TypeError(
            "optimizers holds an optimizer of torch; give optim, learning_rate, weight_decay and lr_scheduler_type in "
            "TrainingArguments"
        )


class _Predicted(NamedTuple):
    """What an evaluation found; None for what was not asked for."""

    loss: float | None
    predictions: Any
    label_ids: Any


class _Measured(NamedTuple):
    """An evaluation: its metrics, and the predictions and labels of each data set, by its prefix."""

    metrics: dict[str, float]
    seen: dict[str, EvalPrediction]


class _Since:
    """The losses since the last log."""

    def __init__(self, steps: int = 0, loss: float = 0.0, norm: float = 0.0, rate: float = 0.0) -> None:
        self.steps, self._loss, self._norm, self._rate = steps, loss, norm, rate

    def sums(self) -> tuple[int, float, float, float]:
        """What a checkpoint keeps."""
        return self.steps, self._loss, self._norm, self._rate

    def add(self, loss: float, norm: float, rate: float) -> None:
        self.steps += 1
        self._loss += loss
        self._norm, self._rate = norm, rate

    def logs(self) -> dict[str, float]:
        found = {"loss": self._loss / self.steps, "grad_norm": self._norm, "learning_rate": self._rate}
        self.steps, self._loss = 0, 0.0
        return found
