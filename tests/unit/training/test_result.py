"""The table of a training."""

from deberta_c.training.result import FitResult, history_of

LOG = [
    {"loss": 0.7, "grad_norm": 1.5, "learning_rate": 2e-5, "epoch": 1.0, "step": 10},
    {"eval_loss": 0.6, "eval_accuracy": 0.75, "eval_runtime": 0.1, "eval_samples_per_second": 9, "epoch": 1.0},
    {"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-5, "epoch": 2.0, "step": 20},
    {"eval_loss": 0.65, "eval_accuracy": 0.8, "eval_steps_per_second": 9, "epoch": 2.0},
    {"train_runtime": 1.0, "train_loss": 0.6, "train_steps_per_second": 3, "epoch": 2.0, "step": 20},
]


def result():
    return FitResult(history_of(LOG), 1, ["<a>", "b"], 1.25, True)


def test_a_row_for_each_epoch():
    first, second = history_of(LOG)
    assert list(first) == ["epoch", "loss", "grad_norm", "learning_rate", "validation_loss", "validation_accuracy"]
    assert second["validation_accuracy"] == 0.8
    assert result().best == first


def test_the_columns_of_a_resumed_training_are_in_the_same_order():
    """A checkpoint sorts the names of its log."""
    resumed = history_of([dict(sorted(entry.items())) for entry in LOG])
    assert list(map(list, resumed)) == list(map(list, history_of(LOG)))


def test_it_shows_itself():
    text = repr(result())
    assert text.splitlines()[0].split() == list(history_of(LOG)[0])
    assert "2e-05" in text
    assert text.endswith("2 epochs in 1.2 s, stopped early; the weights are those of epoch 1")
    assert result()._repr_html_().count("<tr>") == 3
