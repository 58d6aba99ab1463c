"""TrainingArguments: booleans, older names, names that change nothing, names that are refused, and unknown ones."""

import re
import warnings
from dataclasses import fields

import numpy as np
import pytest

from deberta_c import Trainer, TrainingArguments
from deberta_c.training import arguments
from tests.unit.training.test_trainer import small_model, tokenizer

__all__ = ["tokenizer"]
VALUES = {
    "evaluation_strategy": "epoch", "gradient_checkpointing": True, "gradient_checkpointing_kwargs": {},
    "no_cuda": True, "per_gpu_eval_batch_size": 4, "per_gpu_train_batch_size": 4, "warmup_ratio": 0.25,
}  # fmt: skip


BOOLEANS = [field.name for field in fields(TrainingArguments) if field.type in (bool, bool | None)]


@pytest.mark.parametrize("name", [*BOOLEANS, "group_by_length", "include_inputs_for_metrics"])
@pytest.mark.parametrize("value", ["no", "False", "", 2, 0.0])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_bool_is_not_a_str(name, value):
    """Any str except an empty one is true in Python."""
    with pytest.raises(TypeError, match=re.escape(f"{name} is {value!r} of type {type(value).__name__}; give True or")):
        TrainingArguments(**{name: value})


def test_what_counts_as_a_bool():
    made = TrainingArguments(dataloader_drop_last=np.True_, eval_on_start=1, do_train=0, bf16=None)
    assert [made.dataloader_drop_last, made.eval_on_start, made.do_train, made.bf16] == [True, True, False, False]
    assert '"dataloader_drop_last": true' in made.to_json_string()
    assert TrainingArguments().activation_checkpointing is TrainingArguments().greater_is_better is None
    assert {"bf16", "freeze_embeddings", "greater_is_better", "load_best_model_at_end"} < set(BOOLEANS)


def warned(**options):
    """The arguments, and the kinds of all warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        made = TrainingArguments(**options)
    return made, [warning.category for warning in found]


@pytest.mark.parametrize("name", arguments._RENAMED)
def test_an_older_name_warns_once(name):
    made, kinds = warned(**{name: VALUES[name]})
    assert kinds.count(FutureWarning) == 1
    today = arguments._RENAMED[name]
    assert getattr(made, today, VALUES[name]) == VALUES[name]


def test_several_older_names_have_one_warning(tokenizer):
    made, kinds = warned(warmup_ratio=0.25, group_by_length=True, evaluation_strategy="steps", fp16_backend="auto")
    assert kinds == [FutureWarning]
    assert (made.train_sampling_strategy, made.eval_strategy) == ("group_by_length", "steps")
    assert (made.get_warmup_steps(10), made.eval_steps) == (3, 500)
    assert TrainingArguments(warmup_steps=4).get_warmup_steps(10) == 4
    with pytest.warns(FutureWarning, match="processing_class"):
        assert Trainer(small_model(), tokenizer=tokenizer).processing_class is tokenizer


def test_names_that_change_nothing_have_one_warning():
    assert warned(fp16=True, dataloader_num_workers=4, bf16_full_eval=True)[1] == [UserWarning]
    assert warned(fp16=False, use_cpu=True, dataloader_num_workers=0)[1] == []


@pytest.mark.parametrize("name", arguments._REFUSED)
def test_a_name_that_would_change_the_result_is_refused(name):
    default, why = arguments._REFUSED[name]
    with pytest.raises(ValueError, match=f"^{name} is .*; {why.split('`')[0]}"):
        TrainingArguments(**{name: not default})
    assert warned(**{name: default})[1] == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("learning_rat", "learning_rate"),
        ("num_epochs", "num_train_epochs"),
        ("batch_size", "batch_size"),
        ("lr", "learning_rate"),
        ("train_batch_size", "per_device_train_batch_size"),
        ("qqq", None),
    ],
)
def test_an_unknown_name_has_the_nearest_one(name, near):
    hint = "see help" if near is None else "did you mean '"
    with pytest.raises(TypeError, match=f"has no argument '{name}'; {hint}.*{near or ''}"):
        TrainingArguments(**{name: 1})


def test_reports_go_nowhere():
    assert TrainingArguments().report_to == TrainingArguments(report_to="none").report_to == []
    with pytest.raises(ValueError, match=r"report_to is 'wandb'; .*on_log"):
        TrainingArguments(report_to="wandb")


def test_names_that_change_nothing_can_be_read():
    """As callbacks do."""
    made, _ = warned(run_name="first", fp16=True)
    assert (made.run_name, made.fp16, made.local_rank, made.push_to_hub) == ("first", True, -1, False)
    assert "run_name" not in made.to_dict()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"save_strategy": "best"}, 'save_strategy="best"'), ({"load_best_model_at_end": True}, "load_best_model_at_end")],
)
def test_the_best_needs_evaluations(options, wanted):
    with pytest.raises(ValueError, match=f"^{wanted}.* needs evaluations; give eval_strategy="):
        TrainingArguments(**options, **({} if "save_strategy" in options else {"save_strategy": "no"}))
    made = TrainingArguments(save_strategy="best", eval_strategy="epoch")
    assert (made.metric_for_best_model, made.greater_is_better) == ("loss", False)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": 2}, TypeError, r"no argument 'patience'; give callbacks=\[EarlyStoppingCallback"),
        ({"class_weights": [1]}, TypeError, "no argument 'class_weights'; give it to Trainer"),
        ({"lr_scheduler_type": "greedy"}, ValueError, "lr_scheduler_type is 'greedy'; "),
        ({"lr_scheduler_kwargs": {"power": 2}}, TypeError, "lr_scheduler_kwargs of 'linear'"),
    ],
)
def test_what_only_a_trainer_would_find(options, error, message):
    with pytest.raises(error, match=message):
        TrainingArguments(**options)
