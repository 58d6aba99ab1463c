"""The arguments of a training: names and defaults of transformers 5.24."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import wraps
from numbers import Real
from typing import Any, TypeVar

from deberta_c import _core
from deberta_c._base.checks import boolean, folder
from deberta_c._base.errors import warn_caller
from deberta_c._base.suggest import nearest
from deberta_c.training.schedules import schedule_of
from deberta_c.training.scope import LoraConfig, lora_config

A = TypeVar("A")

INTERVALS = ("no", "steps", "epoch")
SAVES = (*INTERVALS, "best")
SAMPLERS = ("random", "sequential", "group_by_length")
OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "xadam")

# Options of transformers that change nothing in deberta_c, and their defaults there.
_HARMLESS: dict[str, Any] = {
    "accelerator_config": None, "activation_checkpointing_kwargs": None,
    "auto_find_batch_size": False, "average_tokens_across_devices": True, "bf16_full_eval": False,
    "dataloader_in_order": True, "dataloader_multiprocessing_context": None, "dataloader_num_workers": 0,
    "dataloader_persistent_workers": False, "dataloader_pin_memory": True, "dataloader_prefetch_factor": None,
    "ddp_backend": None, "ddp_broadcast_buffers": None, "ddp_bucket_cap_mb": None, "ddp_find_unused_parameters": None,
    "ddp_static_graph": None, "ddp_timeout": 1800, "debug": "", "enable_jit_checkpoint": False,
    "eval_accumulation_steps": None, "eval_use_gather_object": False, "fp16": False, "fp16_full_eval": False,
    "full_determinism": False, "hub_always_push": False, "hub_model_id": None, "hub_private_repo": None,
    "hub_revision": None, "hub_strategy": "every_save", "hub_token": None, "liger_kernel_config": None,
    "local_rank": -1, "log_level": "passive", "log_level_replica": "warning", "log_on_each_node": True,
    "logging_nan_inf_filter": True, "project": "huggingface", "remove_unused_columns": True, "run_name": None,
    "save_on_each_node": False, "skip_memory_metrics": True, "tf32": None, "torch_compile": False,
    "torch_compile_backend": None, "torch_compile_mode": None, "torch_empty_cache_steps": None,
    "trackio_bucket_id": None, "trackio_space_id": None, "trackio_static_space_id": None, "use_cache": False,
    "use_cpu": False, "use_liger_kernel": False, "include_num_input_tokens_seen": "no", "prediction_loss_only": False,
    "ignore_data_skip": False, "restore_callback_states_from_checkpoint": False,
    "label_names": None, "length_column_name": "length",
}  # fmt: skip

# Options that would change the result: their defaults, and why another value is refused.
_REFUSED: dict[str, tuple[Any, str]] = {
    "batch_eval_metrics": (False, "compute_metrics gets all rows at once; leave it out"),
    "deepspeed": (None, "deberta_c trains in one process, on the CPU; leave it out"),
    "include_for_metrics": ([], "compute_metrics gets predictions and labels alone; leave it out"),
    "eval_do_concat_batches": (True, "predictions are one array; leave it out"),
    "fsdp": (None, "deberta_c trains in one process, on the CPU; leave it out"),
    "fsdp_config": (None, "deberta_c trains in one process, on the CPU; leave it out"),
    "neftune_noise_alpha": (None, "the embeddings get no noise; leave it out"),
    "optim_args": (None, "give adam_beta1, adam_beta2, adam_epsilon or weight_decay"),
    "optim_target_modules": (None, "the optimizer updates all weights; leave it out"),
    "parallelism_config": (None, "deberta_c trains in one process, on the CPU; leave it out"),
    "push_to_hub": (False, "nothing is uploaded; save the model, then run `hf upload NAME DIR` of huggingface_hub"),
}

# Names that transformers had, and what they are called today.
_RENAMED = {
    "evaluation_strategy": "eval_strategy",
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
    "no_cuda": "use_cpu",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "warmup_ratio": "warmup_steps",
}
_REMOVED = frozenset(
    {
        "adafactor", "dispatch_batches", "fp16_backend", "fp16_opt_level", "fsdp_min_num_params",
        "fsdp_transformer_layer_cls_to_wrap", "half_precision_backend", "include_tokens_per_second", "jit_mode_eval",
        "logging_dir", "mp_parameters", "overwrite_output_dir", "past_index", "push_to_hub_model_id",
        "push_to_hub_organization", "push_to_hub_token", "ray_scope", "save_safetensors", "split_batches",
        "torchdynamo", "tpu_metrics_debug", "tpu_num_cores", "use_ipex", "use_mps_device",
    }
)  # fmt: skip


def _with_names_of_transformers(cls: type[A]) -> type[A]:
    """Lets the class take the options of transformers that it has no field for; see `_known_options`."""
    original = cls.__init__

    @wraps(original)
    def __init__(self: Any, *arguments: Any, **options: Any) -> None:
        kept, others = _known_options(options)
        for name, value in {**_HARMLESS, **{name: value for name, (value, _) in _REFUSED.items()}, **others}.items():
            setattr(self, name, value)  # which a callback may read
        original(self, *arguments, **kept)

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


@_with_names_of_transformers
@dataclass
class TrainingArguments:
    """What a `Trainer` does: names and defaults are those of transformers 5.24.

    An option of transformers that changes nothing in deberta_c, such as `fp16` or `dataloader_num_workers`, is accepted
    with one UserWarning. Training computes in float32 unless `bf16` is True. Older names (`warmup_ratio`,
    `evaluation_strategy`, `group_by_length`, ...) work with one FutureWarning.

    Errors: TypeError for an unknown name, with the nearest one, and for a str in place of a bool; ValueError for an
    invalid value, and for an option that deberta_c does not have.

    >>> arguments = TrainingArguments("out", num_train_epochs=2, warmup_steps=0.1)
    >>> arguments.learning_rate, arguments.get_warmup_steps(50)
    (5e-05, 5)
    """

    output_dir: str | os.PathLike[str] | None = None
    """Where checkpoints go; "trainer_output" by default."""
    per_device_train_batch_size: int = 8
    num_train_epochs: float = 3.0
    max_steps: int = -1
    """Updates of the weights; above 0 it replaces `num_train_epochs`."""
    learning_rate: float = 5e-5
    lr_scheduler_type: str = "linear"
    """See `deberta_c.training.schedules.schedule_of`."""
    lr_scheduler_kwargs: Mapping[str, Any] | str | None = None
    warmup_steps: float = 0
    """Steps in which the learning rate rises; below 1 a share of all steps."""
    optim: str = "adamw_torch"
    """"adamw_torch", or "xadam", the optimizer of the DeBERTa paper: without bias correction, `adam_epsilon` 1e-6."""
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    gradient_accumulation_steps: int = 1
    """Batches of an update; the loss is the mean over the rows of all of them."""
    max_grad_norm: float = 1.0
    """The norm to which gradients are clipped; 0 does not clip."""
    label_smoothing_factor: float = 0.0
    logging_strategy: str = "steps"
    logging_steps: float = 500
    logging_first_step: bool = False
    disable_tqdm: bool | None = None
    report_to: str | list[str] | None = "none"
    """Only "none"; a callback's `on_log` sees all logs."""
    eval_strategy: str = "no"
    eval_steps: float | None = None
    eval_delay: float = 0
    per_device_eval_batch_size: int = 8
    eval_on_start: bool = False
    save_only_model: bool = False
    save_strategy: str = "steps"
    save_steps: float = 500
    save_total_limit: int | None = None
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None
    seed: int = 42
    data_seed: int | None = None
    """The seed of the order of the rows; None: `seed`."""
    dataloader_drop_last: bool = False
    train_sampling_strategy: str = "random"
    """"random", "sequential" or "group_by_length"."""
    bf16: bool = False
    """The linear layers of the encoder that are trained multiply bfloat16, forward and backward; weights, moments,
    sums, other operations and evaluations are in float32. Raises ValueError on a CPU without AVX512_BF16."""
    activation_checkpointing: bool | None = None
    """Keep only the input of each layer, and compute the layer again in the backward pass: less memory, more time."""
    freeze_layers: int = 0
    """The number of layers, from the first, that do not change. Nor do the embeddings, the convolution, and the
    position table with its LayerNorm, which all layers read. The output of these layers is computed once for each row,
    without dropout, and kept."""
    freeze_embeddings: bool = False
    """The embeddings do not change."""
    frozen_outputs_gb: float = 2.0
    """Memory for the kept output of frozen layers; rows that do not fit are computed in each epoch."""
    layerwise_lr_decay: float = 1.0
    """The learning rate of layer i, from 0, of L is multiplied by this to the power of L - i, that of the embeddings
    and the position table by this to the power of L + 1."""
    lora: LoraConfig | Mapping[str, Any] | None = None
    """Train low-rank adapters and the head in place of the whole network."""
    distillation_temperature: float = 2.0
    """For data sets with `teacher_logits`: both logits are divided by it before they are compared."""
    distillation_alpha: float = 0.5
    """The share of the loss by labels in that of such data sets; 0 learns from the teacher alone."""
    do_train: bool = False
    do_eval: bool = False
    do_predict: bool = False
    resume_from_checkpoint: str | None = None

    def __post_init__(self) -> None:
        self.output_dir = str(folder("output_dir", "trainer_output" if self.output_dir is None else self.output_dir))
        self.lr_scheduler_kwargs = _options_of(self.lr_scheduler_kwargs)
        self.lora = lora_config(self.lora)
        for name, known in _CHOICES.items():
            setattr(self, name, _choice(name, getattr(self, name), known))
        self.lr_scheduler_type = str(getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (bool, bool | None):
                setattr(self, field.name, field.default if value is None else boolean(field.name, value))
        self.require_bf16()
        if self.optim == "xadam" and self.adam_epsilon == 1e-8:
            self.adam_epsilon = 1e-6
        if self.disable_tqdm is None:
            self.disable_tqdm = False
        self.report_to = _reported_to(self.report_to)
        self.do_eval = self.do_eval or self.eval_strategy != "no"
        self._check_numbers()
        schedule_of(  # only checked; its errors come before data sets are read
            self.lr_scheduler_type,
            training_steps=1,
            learning_rate=self.learning_rate,
            options=self.lr_scheduler_kwargs,  # type: ignore[arg-type]
        )
        self._complete_steps()
        if self.load_best_model_at_end or self.save_strategy == "best":
            self.metric_for_best_model = self.metric_for_best_model or "loss"
            if self.eval_strategy == "no":
                wanted = "load_best_model_at_end=True" if self.load_best_model_at_end else 'save_strategy="best"'
                raise ValueError(f'{wanted} needs evaluations; give eval_strategy="epoch" or "steps"')
        if self.greater_is_better is None and self.metric_for_best_model is not None:
            self.greater_is_better = not self.metric_for_best_model.endswith("loss")
        if self.load_best_model_at_end and self.save_strategy != "best":
            self._check_best()

    def _check_numbers(self) -> None:
        for name, least in _INTEGERS.items():
            setattr(self, name, integer(name, getattr(self, name), least))
        for name, least in _OPTIONAL_INTEGERS.items():
            if getattr(self, name) is not None:
                setattr(self, name, integer(name, getattr(self, name), least, ", or None"))
        for name, most in _SHARES.items():
            value = getattr(self, name)
            if not 0 <= self._as_float(name) < most:
                limit = "" if most == math.inf else f" and below {most}"
                raise ValueError(f"{name} is {value!r}; it must be a number of at least 0{limit}")
        if not 0 < self._as_float("layerwise_lr_decay") <= 1:
            raise ValueError(f"layerwise_lr_decay is {self.layerwise_lr_decay!r}; it must be above 0 and at most 1")
        for name in ("distillation_temperature", "adam_epsilon"):
            if not 0 < self._as_float(name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        if not 0 <= self._as_float("distillation_alpha") <= 1:
            raise ValueError(f"distillation_alpha is {self.distillation_alpha!r}; it must be from 0 to 1")
        if not 0 < self._as_float("num_train_epochs") < math.inf and self.max_steps <= 0:
            raise ValueError(f"num_train_epochs is {self.num_train_epochs!r}; it must be above 0, or give max_steps")

    def _as_float(self, name: str) -> float:
        """The number of an argument, which becomes what JSON can hold: an int or a float."""
        value = getattr(self, name)
        found = _number(name, value)
        if not isinstance(value, int):
            setattr(self, name, found)
        return found

    def _complete_steps(self) -> None:
        """Checks the numbers of steps between events; `eval_steps` is `logging_steps` by default."""
        if self.eval_strategy == "steps" and not self.eval_steps:
            self.eval_steps = self.logging_steps
        for name in ("logging", "eval", "save"):
            steps = getattr(self, f"{name}_steps")
            if getattr(self, f"{name}_strategy") != "steps":
                continue
            if not 0 < _number(f"{name}_steps", steps) < math.inf or (steps > 1 and steps != int(steps)):
                raise ValueError(
                    f"{name}_steps is {steps!r}; it must be an integer of at least 1, or a share of all steps below 1"
                )
            setattr(self, f"{name}_steps", int(steps) if steps >= 1 else float(steps))

    def _check_best(self) -> None:
        """Refuses `load_best_model_at_end` where the best weights may not have been saved."""
        if self.eval_strategy != self.save_strategy:
            raise ValueError(
                f'load_best_model_at_end needs save_strategy "best", or that of eval_strategy; eval_strategy is '
                f"{self.eval_strategy!r}, save_strategy {self.save_strategy!r}"
            )
        if self.eval_strategy == "steps":
            times = self.save_steps / (self.eval_steps or 1)
            if (self.save_steps < 1) != ((self.eval_steps or 1) < 1) or not math.isclose(times, round(times)):
                raise ValueError(
                    f"load_best_model_at_end needs save_steps to be a multiple of eval_steps; save_steps is "
                    f"{self.save_steps}, eval_steps {self.eval_steps}"
                )

    def require_bf16(self) -> None:
        """Raises ValueError when `bf16` is set on a CPU that cannot do it, such as after it was unpickled there."""
        if self.bf16 and "bfloat16" not in _core.dtypes():
            raise ValueError(
                f"bf16 is {self.bf16!r}, which needs a CPU with AVX512_BF16 (instruction set in use: {_core.isa()}); "
                "leave it out to train in float32"
            )

    @property
    def train_batch_size(self) -> int:
        """Rows of a batch in training."""
        return int(self.per_device_train_batch_size)

    @property
    def eval_batch_size(self) -> int:
        """Rows of a batch in evaluation."""
        return int(self.per_device_eval_batch_size)

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """The steps in which the learning rate rises, in a training of `num_training_steps` steps."""
        share = self.warmup_steps < 1
        return math.ceil(num_training_steps * self.warmup_steps) if share else int(self.warmup_steps)

    def to_dict(self) -> dict[str, Any]:
        """All arguments by their names."""
        return asdict(self)

    def to_json_string(self) -> str:
        """All arguments as JSON."""
        return json.dumps(self.to_dict(), indent=2)


_CHOICES: dict[str, tuple[str, ...]] = {
    "logging_strategy": INTERVALS,
    "eval_strategy": INTERVALS,
    "save_strategy": SAVES,
    "train_sampling_strategy": SAMPLERS,
    "optim": OPTIMIZERS,
}
_INTEGERS = {
    "per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 1, "seed": 0,
    "freeze_layers": 0, "max_steps": -math.inf,
}  # fmt: skip
_OPTIONAL_INTEGERS = {"data_seed": 0, "save_total_limit": -math.inf}
_SHARES = {
    "learning_rate": math.inf, "warmup_steps": math.inf, "weight_decay": math.inf, "max_grad_norm": math.inf,
    "eval_delay": math.inf, "adam_beta1": 1, "adam_beta2": 1, "label_smoothing_factor": 1,
    "frozen_outputs_gb": math.inf,
}  # fmt: skip
_SHORT = {
    "lr": "learning_rate", "bs": "per_device_train_batch_size", "train_batch_size": "per_device_train_batch_size",
    "text_column": "text", "label_column": "label", "early_stopping_patience": "patience",
}  # fmt: skip # what some call an argument
_ELSEWHERE = {
    "class_weights": "give it to Trainer",
    "early_stopping_patience": "give callbacks=[EarlyStoppingCallback(...)] to Trainer",
    "max_length": "give texts that the tokenizer has cut, with its max_length",
    "patience": "give callbacks=[EarlyStoppingCallback(...)] to Trainer",
    "teacher": "give it to Trainer",
}
_WHY = {"batch_rebalance": '; one process has nothing to balance, give "group_by_length"'}


def integer(name: str, value: Any, least: float, other: str = "") -> int:
    """The value as an int.

    Errors: ValueError when it is not an integer of at least `least`; `other` ends the message.
    """
    number: Any = value
    if isinstance(value, Real) and not isinstance(value, bool) and number >= least and number % 1 == 0:
        return int(number)
    limit = "" if least == -math.inf else f" of at least {least}"
    raise ValueError(f"{name} is {value!r}; it must be an integer{limit}{other}")


def _options_of(given: Any) -> Any:
    """The `lr_scheduler_kwargs`: a mapping, or one as JSON."""
    found = given
    if isinstance(given, str):
        try:
            found = json.loads(given)
        except ValueError:
            found = given
    if found is not None and not isinstance(found, Mapping):
        raise ValueError(f"lr_scheduler_kwargs is {given!r}; give a dict, or a dict as JSON")
    return found


def _number(name: str, value: Any) -> float:
    """The value, if it is a number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}; it must be a number")
    return float(value)


def _choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    """One of the known values; a member of an enum of transformers counts as its value."""
    found = str(getattr(value, "value", value))
    if found not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}{_WHY.get(found, '')}")
    return found


def _reported_to(given: Any) -> list[str]:
    names = [given] if isinstance(given, str) else list(given or [])
    if names not in ([], ["none"], ["all"]):
        raise ValueError(
            f"report_to is {given!r}; deberta_c reports to no service: give a callback whose on_log passes the logs on"
        )
    return []


def _known_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that are fields, and the others; older names are replaced.

    One FutureWarning names the older ones, one UserWarning those that change nothing. Errors: TypeError for an unknown
    name, ValueError for one that deberta_c cannot follow.
    """
    options, old = _today(options)
    if old:
        warn_caller(FutureWarning(f"TrainingArguments: {', '.join(old)}"))
    known = [item.name for item in fields(TrainingArguments)]
    kept, others, idle = {}, {}, []
    for name, value in options.items():
        if name in known:
            kept[name] = value
        elif name in _HARMLESS:
            others[name] = value
            if value != _HARMLESS[name] and value is not None and not _same_here(name, value):
                idle.append(f"{name}={value!r}")
        elif name in _REFUSED:
            default, why = _REFUSED[name]
            if (value and value != default) or (value is False and default):
                raise ValueError(f"{name} is {value!r}; {why}")
        else:
            if name in _ELSEWHERE:
                raise TypeError(f"TrainingArguments has no argument {name!r}; {_ELSEWHERE[name]}")
            raise _unknown("TrainingArguments", name, _SHORT.get(name, name), [*known, *_HARMLESS, *_REFUSED])
    if idle:
        warn_caller(
            UserWarning(
                f"{', '.join(idle)}: this changes nothing; deberta_c trains on the CPU, in float32 or with bf16=True "
                "in bfloat16, and evaluates in float32"
            )
        )
    return kept, others


def _same_here(name: str, value: Any) -> bool:
    """Whether a value asks for what deberta_c does anyway."""
    return name in ("use_cpu", "full_determinism", "logging_nan_inf_filter") or value is False


def _unknown(called: str, name: str, meant: str, known: list[str]) -> TypeError:
    near = nearest(meant, known)
    hint = f"; did you mean {near[0]!r}?" if near else "; see help(deberta_c.TrainingArguments)"
    return TypeError(f"{called} has no argument {name!r}{hint}")


def raise_for_unknown(called: str, given: Iterable[str], own: Iterable[str], other_names: Mapping[str, str]) -> None:
    """TypeError for a name that neither `TrainingArguments` nor the function `called`, whose arguments are `own`, has.

    `other_names` are those of `TrainingArguments` that the function calls differently.

    >>> raise_for_unknown("fit", ["max_len"], ["max_length"], {})
    Traceback (most recent call last):
        ...
    TypeError: fit has no argument 'max_len'; did you mean 'max_length'?
    """
    known = [*(item.name for item in fields(TrainingArguments)), *_HARMLESS, *_REFUSED]
    for name in _today(dict.fromkeys(given, False))[0]:
        if name not in known:
            meant = _SHORT.get(name, name)
            names = [*own, *(other for other in known if other not in other_names)]
            raise _unknown(called, name, other_names.get(meant, meant), names)


def _today(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options under today's names, and what to say about older ones."""
    found: dict[str, Any] = {}
    said = []
    for name, value in options.items():
        if name == "group_by_length":
            said.append('group_by_length is now train_sampling_strategy="group_by_length"')
            if boolean(name, value):
                found["train_sampling_strategy"] = "group_by_length"
        elif name == "include_inputs_for_metrics":
            said.append('include_inputs_for_metrics is now include_for_metrics=["inputs"]')
            found["include_for_metrics"] = ["inputs"] if boolean(name, value) else []
        elif name in _RENAMED:
            said.append(f"{name} is now {_RENAMED[name]}")
            if _RENAMED[name] not in options:
                found[_RENAMED[name]] = value
        elif name in _REMOVED:
            said.append(f"{name} is ignored, as in transformers 5, which has no such argument")
        else:
            found[name] = value
    return found, said
