"""Data sets of a training: rows of ids with labels, and batches without padding."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._models.packing import offsets_of

TEXT_COLUMNS = ("text", "sentence", "sentence1", "premise", "question")
PAIR_COLUMNS = ("text_pair", "sentence2", "hypothesis")
LABEL_COLUMNS = ("labels", "label", "label_ids")
_BUCKET = 50  # batches whose rows are sorted by length, with group_by_length, as in transformers


class Rows(NamedTuple):
    """Encoded rows: ids of each, types of each or None, labels (N, ...) or None."""

    ids: list[NDArray[np.int32]]
    types: list[NDArray[np.uint8]] | None
    labels: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, chosen: NDArray[np.int64]) -> dict[str, Any]:
        """The rows of these numbers as arguments of the core."""
        ids = [self.ids[row] for row in chosen]
        found: dict[str, Any] = {"ids": np.concatenate(ids), "offsets": offsets_of(np.array([len(row) for row in ids]))}
        if self.types is not None:
            found["types"] = np.concatenate([self.types[row] for row in chosen])
        return found

    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row."""
        return np.array([len(row) for row in self.ids], np.int64)


def encoded_rows(dataset: Any, name: str, tokenizer: Any, type_vocab_size: int, max_length: int | None = None) -> Rows:
    """The rows of a data set: a DataFrame, a datasets.Dataset, a dict of columns, or a sequence of dicts.

    Columns are those of a tokenizer, `input_ids`, `attention_mask`, `token_type_ids`, or texts, `text` and `text_pair`
    (or the names of GLUE), which `tokenizer` cuts to `max_length` or its own limit; and `labels` or `label`. Other
    columns are ignored.

    Errors: ValueError when there is no row, no column of texts or ids, or columns of different lengths.
    """
    columns = _columns(dataset, name)
    labels = next((columns[key] for key in LABEL_COLUMNS if key in columns), None)
    if "input_ids" not in columns:
        columns = _tokenized(columns, name, tokenizer, max_length)
    count = len(columns["input_ids"])
    if count == 0:
        raise ValueError(f"{name} has no rows; give at least one")
    masks = columns.get("attention_mask")
    kept = None if masks is None else [np.asarray(mask) != 0 for mask in masks]
    ids = [np.asarray(row, np.int32) for row in columns["input_ids"]]
    types = None
    if type_vocab_size and "token_type_ids" in columns:
        types = [np.asarray(row, np.uint8) for row in columns["token_type_ids"]]
    if kept is not None:
        ids = [row[mask] for row, mask in zip(ids, kept, strict=True)]
        types = None if types is None else [row[mask] for row, mask in zip(types, kept, strict=True)]
    for row, found in enumerate(ids):
        if len(found) == 0:
            raise ValueError(f"{name}[{row}] has no token; drop such rows")
    if labels is not None and len(labels) != count:
        raise ValueError(f"{name} has {count} rows, but {len(labels)} labels; give a label for each row")
    return Rows(ids, types, None if labels is None else _labels(labels, name))


def batches(order: NDArray[np.int64], size: int, drop_last: bool = False) -> list[NDArray[np.int64]]:
    """Row numbers in batches.

    >>> [batch.tolist() for batch in batches(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    cut = [order[begin : begin + size] for begin in range(0, len(order), size)]
    return cut[:-1] if drop_last and len(cut[-1]) < size else cut


def order_of(strategy: str, lengths: NDArray[np.int64], size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the rows in an epoch: "random", "sequential", or "group_by_length".

    The same arguments give the same order; it is not that of torch.
    """
    if strategy == "sequential":
        return np.arange(len(lengths))
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    if strategy == "random":
        return order
    groups = batches(order, size * _BUCKET)
    cut = [batch for group in groups for batch in batches(group[np.argsort(-lengths[group], kind="stable")], size)]
    last = [cut.pop()] if len(cut) > 1 else []
    return np.concatenate([*(cut[index] for index in random.permutation(len(cut))), *last])


def _columns(dataset: Any, name: str) -> dict[str, Any]:
    if isinstance(dataset, Mapping):
        return dict(dataset)
    if hasattr(dataset, "columns") and hasattr(dataset, "to_dict") and hasattr(dataset, "iloc"):
        return {str(key): list(dataset[key]) for key in dataset.columns}
    if hasattr(dataset, "column_names"):
        return {str(key): dataset[key] for key in dataset.column_names}
    rows = list(_rows(dataset, name))
    if not rows:
        raise ValueError(f"{name} has no rows; give at least one")
    return {key: [row[key] for row in rows] for key in rows[0]}


def _rows(dataset: Any, name: str) -> Iterator[Mapping[str, Any]]:
    found = (dataset[row] for row in range(len(dataset))) if hasattr(dataset, "__getitem__") else iter(dataset)
    keys: Any = None
    for place, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"{name}[{place}] is {type(row).__name__}; rows must be dicts, such as {{'text': ..., 'label': ...}}"
            )
        keys = row.keys() if keys is None else keys
        if row.keys() != keys:
            raise ValueError(
                f"{name}[{place}] has the keys {sorted(row)}, the first row {sorted(keys)}; they must agree"
            )
        yield row


def _tokenized(columns: dict[str, Any], name: str, tokenizer: Any, max_length: int | None) -> dict[str, Any]:
    text = next((key for key in TEXT_COLUMNS if key in columns), None)
    if text is None:
        raise ValueError(f"{name} has the columns {sorted(columns)}; it needs input_ids, or a column named text")
    if tokenizer is None:
        raise ValueError(f"{name} has texts, but the Trainer has no tokenizer; give processing_class")
    pair = next((key for key in PAIR_COLUMNS if key in columns), None)
    found = tokenizer(
        list(columns[text]), None if pair is None else list(columns[pair]), truncation=True, max_length=max_length
    )
    return {key: found[key] for key in found}


def _labels(labels: Any, name: str) -> NDArray[Any]:
    found = np.asarray(list(labels) if not hasattr(labels, "dtype") else labels)
    if found.dtype.kind not in "iuf" or (found.dtype.kind == "f" and not np.isfinite(found).all()):
        raise ValueError(f"{name} has labels that are not numbers; encode them, or call model.fit, which does")
    return found
