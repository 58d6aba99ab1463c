"""Metrics that are printed and written, and what a `Trainer` says of methods that it lacks."""

import json

import pytest

from tests.unit.training.test_trainer import tokenizer, trainer_of

__all__ = ["tokenizer"]


def test_metrics_are_printed_and_written(tokenizer, tmp_path, capsys):
    trainer = trainer_of(tokenizer, tmp_path / "out", max_steps=1)
    trained, found = trainer.train().metrics, trainer.evaluate()
    trainer.log_metrics("train", trained)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "***** train metrics *****"
    names = [line.split(" = ")[0].strip() for line in shown[1:]]
    assert names == sorted(trained)
    assert len({line.index(" = ") for line in shown[1:]}) == 1
    trainer.save_metrics("train", trained)
    trainer.save_metrics("eval", found)
    trainer.save_metrics("test", {"test_loss": 1.0}, combined=False)
    read = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")}
    assert read["train_results.json"] == trained
    assert read["eval_results.json"] == found
    assert read["all_results.json"] == {**trained, **found}


def test_methods_that_are_elsewhere(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path)
    with pytest.raises(AttributeError, match=r"Trainer has no hyperparameter_search; call deberta_c\.tune"):
        trainer.hyperparameter_search()
    with pytest.raises(AttributeError, match=r"Trainer has no trian$"):
        _ = trainer.trian
