"""Labels as people write them, as the numbers that a loss takes; and how rows are split and classes weighed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short, warn_caller
from deberta_c._columns.texts import RowName, is_missing, rows_of, values_of
from deberta_c._models.config import PreTrainedConfig
from deberta_c._models.losses import MULTIPLE, REGRESSION, SINGLE

_ROW = rows_of("labels")
_NUMBERS = (
    "is this the column of labels? Numbers to predict need a regression: num_labels=1, or --regression of a command"
)
ClassWeight = Mapping[Any, float] | Sequence[float] | str | None


class EncodedLabels(NamedTuple):
    """Labels as numbers: classes int64 (N), for independent labels float32 (N, C), for a regression float32 (N)."""

    problem: str  # a problem_type
    values: NDArray[Any]
    names: list[str]  # of the classes, in the order of the logits

    def classes(self) -> NDArray[np.int64] | None:
        """What a split keeps balanced: the class of each row, None where there is none."""
        return self.values if self.problem == SINGLE else None


def encode_labels(labels: Iterable[Any], config: PreTrainedConfig, row_name: RowName = _ROW) -> EncodedLabels:
    """Labels for a model with this configuration, which stays as it is.

    One label a row, a str or a number, is a class. If the configuration has names for all of them, they keep their
    numbers, as integers below `num_labels` do; otherwise the different labels, sorted, become the names. A list a row,
    of names or of a 0 or 1 for each label, are independent labels, and so is every label of a model with the
    `problem_type` "multi_label_classification". A model of one label, or with the `problem_type` "regression", takes
    numbers.

    Errors: ValueError and TypeError name the row, or say how many labels the model must have.

    >>> from deberta_c import BertConfig
    >>> encode_labels(["spam", "ham", "spam"], BertConfig(num_labels=2))
    EncodedLabels(problem='single_label_classification', values=array([1, 0, 1]), names=['ham', 'spam'])
    """
    rows = in_order(label_rows(labels, row_name), list(config.id2label.values()))
    if config.problem_type == REGRESSION or (config.problem_type is None and config.num_labels == 1):
        return EncodedLabels(REGRESSION, _numbers(rows, row_name), list(config.id2label.values()))
    if config.problem_type == MULTIPLE or any(isinstance(row, (list, tuple, set, frozenset)) for row in rows):
        return _independent(rows, config, row_name)
    if config.num_labels == 1:
        raise ValueError(
            f'the model has one label and the problem_type {SINGLE!r}; open it with problem_type="regression" to '
            "predict numbers, or with num_labels= the number of classes"
        )
    known = [_plain(row, row_name(place)) for place, row in enumerate(rows)]
    named = all(str(label) in config.label2id for label in known)
    if not named and all(type(label) is int and 0 <= label < config.num_labels for label in known):
        return EncodedLabels(SINGLE, np.array(known, np.int64), list(config.id2label.values()))
    numbers, names = _numbered(known, config)
    return EncodedLabels(SINGLE, np.array([numbers[label] for label in known], np.int64), names)


def split_rows(
    count: int, share: float, seed: int, classes: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on and those to validate with, each ascending: `share` of all rows are drawn for the latter.

    With `classes` (N) each class has its share, rounded so that the total is right, and keeps one row at least to train
    on. The same arguments give the same rows.

    Errors: ValueError when `share` is not between 0 and 1, or leaves no row on either side.

    >>> train, validation = split_rows(6, 1 / 3, seed=0, classes=np.array([0, 0, 0, 1, 1, 1]))
    >>> len(train), len(validation)
    (4, 2)
    """
    if not 0 < share < 1:
        raise ValueError(
            f"validation is {share}; it must be a share between 0 and 1, such as 0.1, or rows of their own"
        )
    groups = np.zeros(count, np.int64) if classes is None else classes
    sizes = np.bincount(groups)
    most = np.maximum(sizes - 1, 0)
    wanted = max(1, round(share * count))
    if most.sum() < wanted:
        if classes is not None and sizes.max() == 1:
            raise ValueError(
                f"each of {count} rows has a label of its own, and none is left to validate with; {_NUMBERS}"
            )
        raise ValueError(
            f"validation is {share}, which is {wanted} of {count} rows, but every label needs a row to train on; give "
            "validation=None, or more rows"
        )
    exact = np.minimum(share * sizes, most)
    counts = np.floor(exact).astype(np.int64)
    while counts.sum() < wanted:  # the largest remainder first; a class with rows to spare, when all are rounded up
        counts[np.where(counts < most, exact - counts, -np.inf).argmax()] += 1
    random = np.random.default_rng(seed)
    drawn = [random.permutation(np.flatnonzero(groups == group))[:some] for group, some in enumerate(counts)]
    validation = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(count), validation), validation


def class_weights(given: ClassWeight, labels: EncodedLabels) -> NDArray[np.float64] | None:
    """The weights (C) of the classes: "balanced", a number for each name, or for each class in the order of the logits.

    "balanced" is N / (C * rows of the class), as in scikit-learn; for independent labels the rows without a label over
    those with it, and 1 for a label without rows.

    Errors: ValueError for a regression, an unknown name, and a label that no row has.

    >>> class_weights("balanced", EncodedLabels("single_label_classification", np.array([0, 0, 0, 1]), ["a", "b"]))
    array([0.66666667, 2.        ])
    """
    if given is None:
        return None
    names = labels.names
    if labels.problem == REGRESSION:
        raise ValueError("class_weight is given, but a regression has no classes; leave it out")
    if isinstance(given, str):
        if given != "balanced":
            raise ValueError(f"class_weight is {given!r}; it must be 'balanced', a weight for each label, or None")
        rows, counts = len(labels.values), label_counts(labels)
        if labels.problem == SINGLE:
            require_examples(labels)
            return rows / (len(names) * counts)
        return np.where(counts > 0, (rows - counts) / np.maximum(counts, 1), 1.0)
    if isinstance(given, Mapping):
        weights = {str(name): weight for name, weight in given.items()}
        if unknown := [name for name in weights if name not in names]:
            raise ValueError(f"class_weight names {unknown[0]!r}, but the labels are {short(names)}")
        given = [weights.get(name, 1.0) for name in names]
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"class_weight is {short(given)}; weights are numbers ({error})") from None
    if found.shape != (len(names),):
        raise ValueError(
            f"class_weight is {short(given)}, of the shape {found.shape}; it must be 'balanced', or a weight for each "
            f"of the {len(names)} labels"
        )
    if not found.any():
        raise ValueError(f"class_weight is {short(given)}; nothing counts, give one of the labels a weight above 0")
    return found


def label_counts(labels: EncodedLabels) -> NDArray[np.float64]:
    """How many rows have each label (C).

    >>> label_counts(EncodedLabels("single_label_classification", np.array([1, 1]), ["a", "b"])).tolist()
    [0.0, 2.0]
    """
    if labels.problem == SINGLE:
        return np.bincount(labels.values, minlength=len(labels.names)).astype(np.float64)
    return np.asarray(labels.values.sum(axis=0, dtype=np.float64))


def require_examples(labels: EncodedLabels) -> None:
    """Raises ValueError when a class has no row to learn from; warns when an independent label has none."""
    if labels.problem == REGRESSION:
        return
    without = [name for name, count in zip(labels.names, label_counts(labels), strict=True) if not count]
    if without and labels.problem == MULTIPLE:
        warn_caller(
            UserWarning(f"no row to train on has the label {short(without)[1:-1]}; the model learns that it is absent")
        )
    elif without:
        raise ValueError(
            f"no row has the label {without[0]!r}; give examples of it, or, if there are several labels, open the "
            "model with those that there are"
        )


class NamedRow(list[Any]):
    """A row of a DataFrame with a column for each label, and the names of the columns."""

    def __init__(self, values: Iterable[Any], names: list[str]) -> None:
        super().__init__(values)
        self.names = names


def in_order(rows: list[Any], names: Sequence[str]) -> list[Any]:
    """Rows of labels for a model with labels of these names: the columns of a DataFrame that has them are in its order.

    >>> in_order([NamedRow([1, 0], ["b", "a"]), NamedRow([1, 0], ["c", "d"]), "a"], ["a", "b"])
    [[0, 1], [1, 0], 'a']
    """
    return [
        [row[row.names.index(name)] for name in names]
        if isinstance(row, NamedRow) and sorted(row.names) == sorted(names)
        else row
        for row in rows
    ]


def label_rows(labels: Iterable[Any], row_name: RowName) -> list[Any]:
    """A column of labels, or a table with a column for each label, as a list of plain values, one for each row.

    >>> label_rows(np.array([[0, 1], [1, 1]]), rows_of("labels"))
    [[0, 1], [1, 1]]
    """
    name = row_name(0).rpartition("[")[0]
    table: Any = getattr(labels, "to_numpy", lambda: labels)() if getattr(labels, "ndim", 1) == 2 else labels
    rows: list[Any] = np.asarray(table).tolist() if getattr(table, "ndim", 1) == 2 else values_of(table, name)
    if table is not labels and (columns := getattr(labels, "columns", None)) is not None:
        names = list(map(str, columns))
        rows = [NamedRow(row, names) for row in rows]
    if not rows:
        raise ValueError(f"{name} is empty; give a label for each text")
    missing = [place for place, row in enumerate(rows) if is_missing(row)]
    if missing:
        raise ValueError(f"{row_name(missing[0])} is missing ({rows[missing[0]]!r}); drop such rows")
    return [row.tolist() if isinstance(row, (np.ndarray, np.generic)) else row for row in rows]


def _numbers(rows: list[Any], row_name: RowName) -> NDArray[np.float32]:
    try:
        values = np.asarray(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{row_name(0)} is {short(rows[0])}; a model of one label takes numbers ({error})") from error
    wrong = ~np.isfinite(values)
    if wrong.any():
        place = int(np.argwhere(wrong)[0, 0])
        raise ValueError(f"{row_name(place)} is {values[place]}; it must be a finite number")
    return values


def _plain(label: Any, place: str) -> int | str:
    """A label as an int, where it is a whole number, or as a str."""
    if isinstance(label, str):
        return str.__str__(label)
    if isinstance(label, bool):
        return str(label)
    if isinstance(label, int) or (isinstance(label, float) and label.is_integer()):
        return int(label)
    raise TypeError(f"{place} is {short(label)} of type {type(label).__name__}; it must be a str or a whole number")


def _numbered(labels: list[Any], config: PreTrainedConfig) -> tuple[dict[Any, int], list[str]]:
    """The number of each label, and the names of all: those of the configuration unless it has none of these labels."""
    found = sorted(set(labels), key=lambda label: (isinstance(label, str), label))
    names = list(config.id2label.values())
    unknown = [label for label in found if str(label) not in config.label2id]
    if not unknown:
        return {label: config.label2id[str(label)] for label in found}, names
    generic = names == [f"LABEL_{number}" for number in range(len(names))]
    if len(found) == 1:
        raise ValueError(
            f"labels has one label only, {found[0]!r}, from which a model of {len(names)} labels, {short(names)}, "
            "learns nothing; give rows of other labels, too"
        )
    if twice := {str(label) for label in found if isinstance(label, int)} & {
        label for label in found if isinstance(label, str)
    }:
        raise ValueError(
            f"labels has {min(twice)!r} as a number and as a str; convert the column, for instance with .astype(str)"
        )
    if len(found) != len(names):
        hint = f"; each row has a label of its own: {_NUMBERS}" if len(found) == len(labels) > len(names) else ""
        raise ValueError(
            f"labels has {len(found)} different labels, {short(found)}, but the model {len(names)}, {short(names)}; "
            f"open it with num_labels={len(found)} and, if it has a head already, ignore_mismatched_sizes=True{hint}"
        )
    if len(unknown) < len(found) or (isinstance(unknown[0], int) and not generic):
        raise ValueError(
            f"labels has the label {unknown[0]!r}; the labels of the model are {short(names)}, or their numbers from 0 "
            "on: mend that label, or set id2label of the configuration"
        )
    return {label: number for number, label in enumerate(found)}, [str(label) for label in found]


def _independent(rows: list[Any], config: PreTrainedConfig, row_name: RowName) -> EncodedLabels:
    """Lists of names, or of zeros and ones."""
    lists = [list(row) if isinstance(row, (list, tuple, set, frozenset)) else [row] for row in rows]
    count = config.num_labels
    if all(len(row) == count and set(row) <= {0, 1} for row in lists):
        return EncodedLabels(MULTIPLE, np.array(lists, np.float32), list(config.id2label.values()))
    known = [[_plain(label, row_name(place)) for label in row] for place, row in enumerate(lists)]
    for place, named in enumerate(known):
        if len(set(named)) < len(named):
            raise ValueError(
                f"{row_name(place)} is {short(named)}; give the names of its labels, each once, or a 0 or 1 for each "
                f"of the {count} labels of the model"
            )
    numbers, names = _numbered([label for row in known for label in row], config)
    values = np.zeros((len(rows), count), np.float32)
    for row, found in enumerate(known):
        values[row, [numbers[label] for label in found]] = 1
    return EncodedLabels(MULTIPLE, values, names)
