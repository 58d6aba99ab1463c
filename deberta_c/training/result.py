"""What `fit` returns: the history of a training, as a table in a terminal and in a notebook."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deberta_c._base.extras import require
from deberta_c._base.tables import Row, html_table, text_table

_FIRST = ("epoch", "loss", "grad_norm", "learning_rate", "validation_loss")  # checkpoints sort the names
_SKIPPED = frozenset({"step", "runtime", "samples_per_second", "steps_per_second", "train_loss", "total_flos"})


@dataclass(frozen=True, repr=False)
class FitResult:
    """How a training went; it shows itself as a table.

    >>> result = FitResult([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], 2, ["ham", "spam"], 1.5, False)
    >>> print(result)
    epoch    loss
        1  0.5000
        2  0.2500
    2 epochs in 1.5 s; the weights are those of epoch 2
    >>> result.best
    {'epoch': 2, 'loss': 0.25}
    """

    history: Sequence[Row]
    """A dict for each epoch: epoch, loss, grad_norm, learning_rate, and of the validation set validation_loss and the
    metrics, such as validation_accuracy and validation_f1."""
    best_epoch: int
    """The epoch, from 1 on, whose weights the model has."""
    labels: Sequence[str]
    """The names of the labels, in the order of the logits."""
    seconds: float
    """How long the training took."""
    stopped_early: bool
    """Whether it ended before its last epoch, because the validation set got no better."""

    @property
    def best(self) -> Row:
        """The entry of `history` for the weights that the model has."""
        return next((row for row in self.history if row["epoch"] == self.best_epoch), {"epoch": self.best_epoch})

    def to_frame(self) -> Any:
        """The history as a DataFrame of pandas, a row for each epoch. Errors: ImportError without pandas."""
        return require("pandas", "to_frame").DataFrame(self.history)

    def plot(self) -> Any:
        """A figure of matplotlib: the losses of each epoch, and the metrics of the validation set."""
        from deberta_c.training.pictures import curves

        return curves(self.history, self.best_epoch)

    def __repr__(self) -> str:
        return "\n".join([text_table(self.history), self._summary()])

    def _repr_html_(self) -> str:
        return f"{html_table(self.history)}<p>{self._summary()}</p>"

    def _summary(self) -> str:
        count = f"{len(self.history)} epochs" if len(self.history) != 1 else "1 epoch"
        early = ", stopped early" if self.stopped_early else ""
        return f"{count} in {self.seconds:.1f} s{early}; the weights are those of epoch {self.best_epoch}"


def history_of(log: Iterable[Row]) -> list[dict[str, Any]]:
    """A row for each epoch, out of the `log_history` of a trainer that logs once an epoch.

    >>> history_of([{"loss": 0.5, "epoch": 1.0, "step": 9}, {"eval_loss": 0.4, "eval_runtime": 2, "epoch": 1.0}])
    [{'epoch': 1, 'loss': 0.5, 'validation_loss': 0.4}]
    """
    rows: dict[int, dict[str, Any]] = {}
    for entry in log:
        if "loss" not in entry and "eval_loss" not in entry:
            continue
        epoch = max(math.ceil(entry["epoch"]), 1)
        row = rows.setdefault(epoch, {"epoch": epoch})
        for name, value in entry.items():
            plain = name.removeprefix("eval_")
            if plain not in _SKIPPED and name != "epoch":
                row[name if plain == name else f"validation_{plain}"] = value
    return [{name: row[name] for name in (*(name for name in _FIRST if name in row), *row)} for row in rows.values()]
