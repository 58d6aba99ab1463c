"""Trainings that are interrupted: after they are resumed, nothing is missing of what they would have done."""

import os
import signal

import numpy as np
import pytest

from deberta_c import EarlyStoppingCallback, LoraConfig, TrainerCallback
from deberta_c.training import checkpoints, trainer
from deberta_c.training.callbacks import TrainerState
from deberta_c.training.session import Session
from tests.unit.training.test_trainer import data, same, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]
EPOCHS = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
STEPS = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 4}


class Interrupt(TrainerCallback):
    """Raises KeyboardInterrupt at the first `event` of a step."""

    def __init__(self, event, step):
        def stop(args, state, control, **others):
            if state.global_step == step:
                raise KeyboardInterrupt

        setattr(self, event, stop)


def evaluations(made):
    return [(entry["step"], entry["eval_loss"]) for entry in made.state.log_history if "eval_loss" in entry]


def interrupted(made, call):
    """Trains until the evaluation of this number is interrupted."""
    calls, measure = [], made.compute_metrics

    def compute_metrics(found):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return measure(found)

    made.compute_metrics = compute_metrics
    with pytest.raises(KeyboardInterrupt):
        made.train()


@pytest.mark.parametrize("options", [EPOCHS, STEPS, {**STEPS, "save_strategy": "epoch"}, {**EPOCHS, **STEPS}])
@pytest.mark.parametrize("call", [1, 2])
def test_an_evaluation_is_made_up(tokenizer, tmp_path, options, call):
    options = {**options, "per_device_train_batch_size": 16}
    whole = trainer_of(tokenizer, tmp_path / "whole", **options)
    whole.train()
    interrupted(trainer_of(tokenizer, tmp_path / "broken", **options), call)
    resumed = trainer_of(tokenizer, tmp_path / "broken", **options)
    resumed.train(resume_from_checkpoint=True)
    assert evaluations(resumed) == evaluations(whole)
    assert resumed.state.best_metric == whole.state.best_metric
    assert same(weights(whole.model), weights(resumed.model))


@pytest.mark.parametrize("event", ["on_step_end", "on_epoch_end", "on_evaluate", "on_save", "on_epoch_begin"])
def test_an_interruption_between_epochs_loses_nothing(tokenizer, tmp_path, event):
    ends = []

    class Ends(TrainerCallback):
        def on_epoch_end(self, args, state, control, **others):
            ends.append(state.global_step)

    whole = trainer_of(tokenizer, tmp_path / "whole", **EPOCHS)
    whole.train()
    broken = trainer_of(tokenizer, tmp_path / "broken", callbacks=[Ends(), Interrupt(event, 8)], **EPOCHS)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = trainer_of(tokenizer, tmp_path / "broken", callbacks=[Ends()], **EPOCHS)
    resumed.train(resume_from_checkpoint=True)
    assert set(evaluations(resumed)) == set(evaluations(whole))
    assert set(ends) == {8, 16}
    assert same(weights(whole.model), weights(resumed.model))


def test_a_checkpoint_before_the_end_of_its_epoch_is_evaluated(tokenizer, tmp_path):
    """A killed process may leave the checkpoint of the last step of an epoch, written before the evaluation."""
    options = {"eval_strategy": "epoch", "save_strategy": "steps", "save_steps": 8}
    broken = trainer_of(tokenizer, tmp_path, callbacks=[Interrupt("on_save", 8)], **options)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = trainer_of(tokenizer, tmp_path, **options)
    resumed.train(resume_from_checkpoint=True)
    assert [step for step, _ in evaluations(resumed)] == [8, 16]


def test_a_training_that_stopped_early_stays_stopped(tokenizer, tmp_path):
    """Resumed, it ends at once with the same weights; with more patience it goes on; a new one counts from 0."""
    options = {**EPOCHS, "num_train_epochs": 9, "learning_rate": 5e-3}
    noisy = data(60, 1)
    noisy["label"] = [1 - label if row % 3 == 0 else label for row, label in enumerate(noisy["label"])]
    first = trainer_of(tokenizer, tmp_path, callbacks=[EarlyStoppingCallback(1)], evaluate=noisy, **options)
    stopped = first.train().global_step
    assert stopped < 72
    again = trainer_of(tokenizer, tmp_path, callbacks=[EarlyStoppingCallback(1)], evaluate=noisy, **options)
    assert again.train(resume_from_checkpoint=True).global_step == stopped
    assert same(weights(first.model), weights(again.model))
    longer = trainer_of(tokenizer, tmp_path, callbacks=[EarlyStoppingCallback(3)], evaluate=noisy, **options)
    assert longer.train(resume_from_checkpoint=True).global_step > stopped
    assert first.train().global_step > 8


def test_a_finished_training_goes_on_with_more_epochs(tokenizer, tmp_path):
    trainer_of(tokenizer, tmp_path, **EPOCHS).train()
    state = TrainerState.load_from_json(checkpoints.found_in(tmp_path)[-1] / checkpoints.STATE)
    assert state.stateful_callbacks["TrainerControl"]["attributes"]["epoch_ended"]
    longer = trainer_of(tokenizer, tmp_path, **{**EPOCHS, "num_train_epochs": 3})
    assert longer.train(resume_from_checkpoint=True).global_step == 24
    assert [step for step, _ in evaluations(longer)] == [8, 16, 24]
    assert np.isfinite([loss for _, loss in evaluations(longer)]).all()


def test_the_check_at_the_end_loses_no_weights(tokenizer, tmp_path, monkeypatch):
    """The training is done, so that a model that is stopped there has what it has learnt."""
    whole = trainer_of(tokenizer, tmp_path)
    whole.train()
    broken = trainer_of(tokenizer, tmp_path)
    check = trainer.check_predictions

    def stopped(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        check(*arguments, **options)

    monkeypatch.setattr(trainer, "check_predictions", stopped)
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    assert same(weights(whole.model), weights(broken.model))


@pytest.mark.parametrize(
    "options", [{}, {"lora": LoraConfig(r=4)}, {"freeze_layers": 1}, {"activation_checkpointing": True}]
)
@pytest.mark.parametrize(("place", "step"), [("forward", 4), ("backward", 4), ("update", 5)])
def test_a_step_that_is_interrupted_is_done_again(tokenizer, tmp_path, monkeypatch, options, place, step):
    """Between its passes, before or after a batch that it accumulates; only the update is never without its step."""
    options = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4, "save_strategy": "epoch", **options}
    whole = trainer_of(tokenizer, tmp_path / "whole", **options)
    whole.train()
    calls, original = [], getattr(Session, place)

    def stopped(*arguments, **others):
        calls.append(1)
        if len(calls) == (step if place == "update" else 2 * step + 2):
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments, **others)

    with monkeypatch.context() as patched:
        patched.setattr(Session, place, stopped)
        with pytest.raises(KeyboardInterrupt):
            trainer_of(tokenizer, tmp_path / "parts", **options).train()
    assert [path.name for path in checkpoints.found_in(tmp_path / "parts")] == [f"checkpoint-{step}"]
    resumed = trainer_of(tokenizer, tmp_path / "parts", **options)
    resumed.train(resume_from_checkpoint=True)
    assert same(weights(whole.model), weights(resumed.model))
    assert resumed.state.total_flos == whole.state.total_flos


def test_rows_of_the_word_table_that_rest_have_the_same_bits(tokenizer, tmp_path):
    """Weight decay of words that no batch has, and what is left of the moments of rare ones, over hundreds of steps."""
    options = {"per_device_train_batch_size": 8, "num_train_epochs": 50, "save_strategy": "epoch"}
    options |= {"weight_decay": 0.01, "save_total_limit": 1}
    whole = trainer_of(tokenizer, tmp_path / "whole", **{**options, "save_strategy": "no"})
    whole.train()
    for step in (37, 301):
        broken = trainer_of(tokenizer, tmp_path / "parts", callbacks=[Interrupt("on_step_end", step)], **options)
        with pytest.raises(KeyboardInterrupt):
            broken.train(resume_from_checkpoint=step > 37)
    resumed = trainer_of(tokenizer, tmp_path / "parts", **options)
    resumed.train(resume_from_checkpoint=True)
    assert same(weights(whole.model), weights(resumed.model))


@pytest.mark.parametrize("step", [5, 6, 7])
def test_the_log_of_a_resumed_training_is_that_of_a_whole_one(tokenizer, tmp_path, step):
    """The mean loss since the last log counts the steps before the interruption, and a log that was due is made up."""
    options = {"logging_steps": 3, "logging_first_step": True, "save_strategy": "epoch"}
    whole = trainer_of(tokenizer, tmp_path / "whole", **options)
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        trainer_of(tokenizer, tmp_path / "parts", callbacks=[Interrupt("on_step_end", step)], **options).train()
    resumed = trainer_of(tokenizer, tmp_path / "parts", **options)
    resumed.train(resume_from_checkpoint=True)
    found = [[entry for entry in trainer.state.log_history if "loss" in entry] for trainer in (whole, resumed)]
    assert found[0] == found[1]


def test_the_speed_of_a_resumed_training_is_that_of_its_own_rows(tokenizer, tmp_path):
    trainer_of(tokenizer, tmp_path, num_train_epochs=1, save_strategy="epoch").train()
    resumed = trainer_of(tokenizer, tmp_path, num_train_epochs=2, save_strategy="epoch")
    metrics = resumed.train(resume_from_checkpoint=True).metrics
    assert resumed.state.num_train_epochs == 2
    rows = metrics["train_samples_per_second"] * metrics["train_runtime"]
    assert rows == pytest.approx(64, rel=0.1)
