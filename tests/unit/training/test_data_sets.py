"""Data sets of every kind: their rows are the same, whatever holds them."""

import numpy as np
import pytest

from deberta_c.training.data import columns_of, is_several
from tests.unit.training.test_trainer import data, tokenizer, trainer_of

__all__ = ["tokenizer"]
ROWS = data(24)
DICTS = [{"text": text, "label": label} for text, label in zip(*ROWS.values(), strict=True)]


class Hub:
    """What a Trainer sees of a datasets.Dataset, of which `set_format` may choose some columns."""

    def __init__(self, columns, chosen=None):
        self.columns_, self.format = columns, {"type": None, "columns": chosen or list(columns)}
        self.column_names = list(columns)

    def __len__(self):
        return len(self.columns_["text"])

    def __getitem__(self, key):
        if key not in self.format["columns"]:
            raise KeyError(key)
        return self.columns_[key]


class Stream:
    """What a Trainer sees of a datasets.IterableDataset, which has no length."""

    column_names = None

    def __iter__(self):
        return iter(DICTS)

    def __getitem__(self, key):
        raise TypeError


def frame(package, *parts):
    return lambda: getattr(pytest.importorskip(package), parts[0])(ROWS)


KINDS = {
    "list": lambda: DICTS,
    "tuple": lambda: tuple(DICTS),
    "generator": lambda: (row for row in DICTS),
    "pandas": frame("pandas", "DataFrame"),
    "polars": frame("polars", "DataFrame"),
    "arrow": frame("pyarrow", "table"),
    "columns of arrow": lambda: {name: pytest.importorskip("pyarrow").array(column) for name, column in ROWS.items()},
    "columns of polars": lambda: dict(pytest.importorskip("polars").DataFrame(ROWS).to_dict()),
    "columns of NumPy": lambda: {name: np.array(column) for name, column in ROWS.items()},
    "datasets.Dataset": lambda: Hub(ROWS),
    "some columns of it": lambda: Hub(
        {**ROWS, "label_ids": ["no number"] * 24, "idx": ROWS["text"]}, ["text", "label"]
    ),
    "datasets.IterableDataset": Stream,
    "datasets": lambda: pytest.importorskip("datasets").Dataset.from_dict(ROWS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows(tokenizer, tmp_path, kind):
    expected = trainer_of(tokenizer, tmp_path, train=ROWS).evaluate(ROWS)["eval_loss"]
    assert trainer_of(tokenizer, tmp_path, train=ROWS).evaluate(KINDS[kind]())["eval_loss"] == expected
    if kind != "generator":
        trainer = trainer_of(tokenizer, tmp_path, train=KINDS[kind](), num_train_epochs=1)
        assert trainer.train().global_step == 3


def test_several():
    for kind in ("pandas", "polars", "arrow"):
        assert is_several({"a": KINDS[kind](), "b": DICTS})
    assert not is_several(KINDS["columns of polars"]())


def test_columns_of_numbers_as_names():
    pandas = pytest.importorskip("pandas")
    assert columns_of(pandas.DataFrame({0: [1, 2]}), "train_dataset") == {"0": [1, 2]}
