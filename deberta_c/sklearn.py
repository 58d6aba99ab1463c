"""Estimators of scikit-learn: a classifier and a regression that fine-tune, and a transformer that embeds texts.

Importing this module needs scikit-learn 1.6 or later; nothing else in deberta_c does.
"""

import warnings
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import (
        _check_sample_weight,
        assert_all_finite,
        check_array,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError(
        f"deberta_c.sklearn needs scikit-learn 1.6 or later ({error}); run: pip install 'deberta_c[sklearn]'"
    ) from error

from deberta_c._base.about import default_model
from deberta_c._base.checks import boolean
from deberta_c._base.errors import MissingHeadWarning, UnexpectedWeightsWarning, short
from deberta_c._base.threads import threads
from deberta_c._columns.texts import distinct, is_missing, texts_of
from deberta_c._models.auto import AutoModel, AutoModelForSequenceClassification
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.config import AutoConfig
from deberta_c._models.losses import MULTIPLE as _SEVERAL
from deberta_c._models.losses import REGRESSION as _NUMBERS
from deberta_c._models.losses import SINGLE as _ONE
from deberta_c._models.outputs import given_labels, sigmoid, softmax
from deberta_c._pipelines.feature_extraction import FeatureExtractionPipeline

__all__ = ["DebertaClassifier", "DebertaEmbedder", "DebertaRegressor"]

Texts = tuple[list[str], list[str] | None]  # of each row, and the second texts of pairs


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What all estimators share: how they read X, and how many threads they use."""

    n_threads: int | None
    n_features_in_: int
    na: Literal["raise", "empty"]

    def _texts(self, X: Any, *, reset: bool = False) -> Texts:
        """The texts in X; `reset` stores its number of columns, which later calls compare."""
        if self.na not in ("raise", "empty"):
            raise ValueError(f'na is {self.na!r}; it must be "raise" or "empty"')
        columns = _columns(X)
        if columns is None:
            columns = [X]
            if reset and hasattr(self, "n_features_in_"):
                del self.n_features_in_
        elif reset or hasattr(self, "n_features_in_"):
            validate_data(self, X, reset=reset, skip_check_array=True)
        na = None if self.na == "raise" else self.na
        first, *more = [texts_of(column, "X", na)[0] for column in columns]
        return first, more[0] if more else None

    def _threads(self) -> AbstractContextManager[None]:
        return nullcontext() if self.n_threads is None else threads(self.n_threads)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        return tags


class _FineTuned(_Estimator):
    """What the estimators that train share: their arguments, and how they train and compute logits."""

    def __init__(
        self,
        model: str | Path | PreTrainedModel | None = None,
        *,
        epochs: float = 3,
        batch_size: int = 16,
        learning_rate: float | None = None,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        max_length: int | None = None,
        freeze_layers: int = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        metric: str = "loss",
        patience: int = 2,
        training_arguments: Mapping[str, Any] | None = None,
        random_state: Any = 42,
        n_threads: int | None = None,
        na: Literal["raise", "empty"] = "raise",
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.max_length = max_length
        self.freeze_layers = freeze_layers
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.metric = metric
        self.patience = patience
        self.training_arguments = training_arguments
        self.random_state = random_state
        self.n_threads = n_threads
        self.na = na
        self.verbose = verbose

    @property
    def _source(self) -> str | Path | PreTrainedModel:
        return default_model() if self.model is None else self.model

    def _train(self, model: Any, texts: Texts, y: list[Any], sample_weight: Any, class_weight: Any = None) -> None:
        """Fine-tunes a model of its own."""
        firsts, seconds = texts
        with self._threads():
            self.result_ = model.fit(
                firsts,
                y,
                seconds,
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                warmup=self.warmup,
                weight_decay=self.weight_decay,
                max_length=self.max_length,
                class_weight=class_weight,
                sample_weight=None if sample_weight is None else _check_sample_weight(sample_weight, firsts),
                validation=self.validation_fraction if boolean("early_stopping", self.early_stopping) else None,
                metric=self.metric,
                patience=self.patience,
                seed=_seed(self.random_state),
                progress=bool(self.verbose),
                **{"freeze_layers": self.freeze_layers, **(self.training_arguments or {})},
            )
        self.model_, self.tokenizer_, self.n_iter_ = model, model.tokenizer, len(self.result_.history)

    def _logits_of(self, X: Any) -> NDArray[np.float32]:
        """Logits (N, labels of the model)."""
        check_is_fitted(self)
        texts, pairs = self._texts(X)
        with self._threads():
            logits: NDArray[np.float32] = self.model_.predict(
                texts, pairs, max_length=self.max_length, tokenizer=self.tokenizer_
            )
        return logits


class DebertaClassifier(ClassifierMixin, _FineTuned):  # type: ignore[misc]
    """A classifier of texts that fine-tunes a checkpoint.

    X is a list of str, a Series, an array of str, or a table: one column of texts, or two, whose rows are then pairs of
    texts. y has one label a row, of any kind that can be sorted; or it is an indicator matrix (N, C) of zeros and ones,
    an array, a sparse matrix or a DataFrame, for texts with any number of C independent labels.

    - `model`: a directory, a name of the Hugging Face hub, or an opened model, which stays as it is. None is the small
      model of `deberta_c.default_model()`. Its head is kept if it has the labels of y, and drawn if it does not fit.
    - `epochs`, `batch_size`, `learning_rate`, `warmup`, `weight_decay`, `max_length`, `class_weight`: as in `fit` of a
      model.
    - `freeze_layers`: this many layers, from the first on, and the embeddings do not change.
    - `early_stopping=True` sets `validation_fraction` of the rows aside, keeps the epoch with the best `metric` of them
      ("loss", "accuracy" or "f1"), and ends after `patience` epochs without a better one.
    - `training_arguments`: a dict of further arguments of `deberta_c.TrainingArguments`, or None.
    - `random_state`: an int, a RandomState, or None. The same int gives the same weights.
    - `n_threads`: threads of the whole process during a call; None leaves them as they are.
    - `na`: "raise" an error for missing texts, or read them as "empty".
    - `verbose`: whether the training shows its progress.

    After `fit` it has `classes_` (C), sorted, of an indicator matrix the names of a DataFrame's columns or their
    numbers; `model_`, the trained model, with `model_.save_pretrained(DIR)`; `tokenizer_`; `result_`, the history of
    the training; `n_iter_`, the number of epochs; `n_features_in_` if X was a table. A pickle holds the trained weights
    and the tokenizer, so that it opens on other machines.

    Errors: TypeError and ValueError name the row and the remedy; NotFittedError before `fit`.

    >>> classifier = DebertaClassifier(epochs=2, learning_rate=1e-3)
    >>> classifier.fit(["win a prize", "see you at home"] * 10, ["spam", "ham"] * 10).predict(["see you"]).tolist()
    ['ham']
    >>> classifier.predict_proba(["see you", "win"]).shape, classifier.classes_.tolist()
    ((2, 2), ['ham', 'spam'])
    """

    def __init__(
        self,
        model: str | Path | PreTrainedModel | None = None,
        *,
        epochs: float = 3,
        batch_size: int = 16,
        learning_rate: float | None = None,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        max_length: int | None = None,
        freeze_layers: int = 0,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        metric: str = "loss",
        patience: int = 2,
        training_arguments: Mapping[str, Any] | None = None,
        random_state: Any = 42,
        n_threads: int | None = None,
        na: Literal["raise", "empty"] = "raise",
        verbose: bool = False,
    ) -> None:
        given = dict(locals())
        super().__init__(**{name: given[name] for name in signature(_FineTuned).parameters})
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Iterable[float] | None = None) -> "DebertaClassifier":
        """Fine-tunes the model on texts X (N) and their labels y (N) or (N, C); returns itself.

        `sample_weight` (N), numbers of at least 0, says how much each row counts in the loss.
        """
        texts = self._texts(X, reset=True)
        _check_labels_apart(X, texts, y)
        classes, numbers = _classes(y)
        check_consistent_length(texts[0], numbers)
        names = list(map(str, classes.tolist()))
        model = _opened_for(self._source, names, _SEVERAL if numbers.ndim == 2 else _ONE)
        columns = [model.labels().index(name) for name in names]
        rows = (numbers[:, np.argsort(columns)] if numbers.ndim == 2 else np.array(names, np.object_)[numbers]).tolist()
        self._train(model, texts, rows, sample_weight, _named(self.class_weight, classes))
        self.classes_, self._columns = classes, columns
        return self

    @property
    def _independent(self) -> bool:
        return bool(self.model_.config.problem_type == _SEVERAL)

    def _logits(self, X: Any) -> NDArray[np.float32]:
        """Logits (N, C), in the order of the classes."""
        logits = self._logits_of(X)
        return logits[:, self._columns]

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """Logits (N, C) of texts X (N), in the order of `classes_`; with two classes their difference (N)."""
        logits = self._logits(X)
        return logits if len(self.classes_) > 2 or self._independent else logits[:, 1] - logits[:, 0]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (N, C) of texts X (N), in the order of `classes_`.

        Each row sums to 1, except those of independent labels.
        """
        logits = self._logits(X)
        if self._independent:
            return np.asarray(sigmoid(logits), np.float64)  # in float32, as those of the model
        return softmax(logits.astype(np.float64))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """The logarithms (N, C) of the probabilities."""
        return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class of each of the texts X, an array (N) of values of `classes_`.

        Of independent labels, a matrix (N, C) with 1 for the labels whose probability is above 0.5.
        """
        logits = self._logits(X)
        if self._independent:
            return given_labels(sigmoid(logits)).astype(np.int64)
        found: NDArray[Any] = self.classes_[logits.argmax(axis=1)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class DebertaRegressor(RegressorMixin, _FineTuned):  # type: ignore[misc]
    """A regression of numbers on texts that fine-tunes a checkpoint, by the mean squared error.

    X is that of `DebertaClassifier`; y has a number for each row, or is a matrix (N, K) of K numbers. They are learnt
    as they are; for numbers that are far from 0 or spread far, put the regressor into scikit-learn's
    `TransformedTargetRegressor(regressor, transformer=StandardScaler())`.

    The arguments are those of `DebertaClassifier`, without `class_weight`; `metric` is "loss", "rmse" or "r2". The head
    of a checkpoint is kept if it has as many outputs as y. After `fit` it has `model_`, `tokenizer_`, `result_`,
    `n_iter_`, and `n_features_in_` if X was a table. A pickle holds the trained weights and the tokenizer.

    Errors: TypeError and ValueError name the row and the remedy; NotFittedError before `fit`.

    >>> regressor = DebertaRegressor(epochs=12, learning_rate=1e-3)
    >>> regressor.fit(["very good", "so bad"] * 10, [1.0, -1.0] * 10).predict(["very good", "so bad"]).round().tolist()
    [1.0, -1.0]
    """

    def fit(self, X: Any, y: Any, sample_weight: Iterable[float] | None = None) -> "DebertaRegressor":
        """Fine-tunes the model on texts X (N) and numbers y, (N) or (N, K); returns itself.

        `sample_weight` (N), numbers of at least 0, says how much each row counts in the loss.
        """
        texts = self._texts(X, reset=True)
        _check_labels_apart(X, texts, y)
        numbers = _numbers(y)
        check_consistent_length(texts[0], numbers)
        count = 1 if numbers.ndim == 1 else numbers.shape[1]
        self._train(_opened_for_numbers(self._source, count), texts, numbers.tolist(), sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of each of the texts X, an array (N); or (N, K) for a y of K numbers."""
        found = self._logits_of(X).astype(np.float64)
        return found[:, 0] if found.shape[1] == 1 else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class DebertaEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Estimator):  # type: ignore[misc]
    """A transformer from texts to vectors: the frozen encoder of a checkpoint, pooled over the tokens of each text.

    X is a list of str, a Series, an array of str, or a table of one column. Each distinct text is computed once.

    - `model`: a directory, a name of the Hugging Face hub, or an opened encoder. None is the encoder of
      `deberta_c.default_model()`.
    - `pooling`: "mean" of the states of all tokens, or the state of the "first" token.
    - `max_length`: longer texts are cut; None is the limit of the tokenizer.
    - `n_threads`, `na`: as in `DebertaClassifier`.

    After `fit`, which opens the model and learns nothing, it has `model_` and `tokenizer_`. A pickle names the
    directory of the model and does not hold its weights.

    Errors: TypeError and ValueError name the row and the remedy; NotFittedError before `fit`.

    >>> embedder = DebertaEmbedder().fit(["See you at home"])
    >>> embedder.transform(["See you at home", "Free entry!"]).shape, embedder.get_feature_names_out()[:2].tolist()
    ((2, 128), ['debertaembedder0', 'debertaembedder1'])
    """

    def __init__(
        self,
        model: str | Path | PreTrainedModel | None = None,
        *,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        n_threads: int | None = None,
        na: Literal["raise", "empty"] = "raise",
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.max_length = max_length
        self.n_threads = n_threads
        self.na = na

    def fit(self, X: Any, y: Any = None) -> "DebertaEmbedder":
        """Opens the model; the texts X (N) are checked, and y is ignored. Returns itself."""
        _only_texts(self._texts(X, reset=True))
        model = _encoder_of(default_model() if self.model is None else self.model)
        self.model_, self.tokenizer_ = model, model.tokenizer
        self._n_features_out = int(model.config.hidden_size)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Vectors, float32 (N, hidden size), of texts X (N)."""
        check_is_fitted(self)
        different, which = distinct(_only_texts(self._texts(X)))
        extract = FeatureExtractionPipeline(self.model_, self.tokenizer_, return_tensors="np", pooling=self.pooling)
        with self._threads():
            found = extract(different, tokenize_kwargs={"truncation": True, "max_length": self.max_length})
        return np.stack(found)[which]


def _columns(X: Any) -> list[Any] | None:
    """The columns of a table, one or two; None for a column.

    >>> _columns([["a", "b"], ["c", "d"]])
    [['a', 'c'], ['b', 'd']]
    """
    if hasattr(X, "toarray"):
        raise TypeError(f"X is a sparse {type(X).__name__}; give a column of texts")
    names = _names_of(X)
    if names is not None:
        columns = [X.iloc[:, place] if hasattr(X, "iloc") else X[name] for place, name in enumerate(names)]
    elif getattr(X, "ndim", 1) == 2:
        columns = list(np.asarray(X).T)
    elif isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], (list, tuple, np.ndarray)):
        columns = list(map(list, zip(*X, strict=True)))
    else:
        return None
    if len(columns) not in (1, 2):
        raise ValueError(
            f"X has {len(columns)} columns; give one column of texts, or two, whose rows are pairs of texts"
        )
    return columns


def _names_of(X: Any) -> list[Any] | None:
    """The names of the columns of a table; None for an array, or a column."""
    names = getattr(X, "column_names", None) or getattr(X, "columns", None)
    return list(names) if names is not None and getattr(X, "ndim", 2) == 2 else None


def _check_labels_apart(X: Any, texts: Texts, y: Any) -> None:
    """ValueError for a table X with a column that has the label of every row, which would be read as a text.

    >>> _check_labels_apart([["win", "x"], ["see you", "y"]], (["win", "see you"], ["x", "y"]), ["x", "y"])
    Traceback (most recent call last):
        ...
    ValueError: column 1 of X has the values of y, row by row; give X without it
    """
    names = _names_of(X)
    if not hasattr(y, "__len__") or hasattr(y, "toarray") or (names is None and texts[1] is None):
        return
    labels = list(map(str, np.asarray(y)[:, 0] if getattr(y, "shape", ())[1:] == (1,) else y))
    for place, column in enumerate(texts):
        if column and column == labels:
            rest = [] if names is None else names[:place] + names[place + 1 :]
            remedy = f", such as X[{rest!r}]" if rest else ""
            what = f"column {place}" if names is None else f"the column {names[place]!r}"
            raise ValueError(f"{what} of X has the values of y, row by row; give X without it{remedy}")


def _only_texts(texts: Texts) -> list[str]:
    if texts[1] is not None:
        raise ValueError("X has 2 columns; give one column of texts")
    return texts[0]


def _given(y: Any, estimator: str) -> Any:
    """y, dense and an array if it is of Arrow or sparse.

    Errors: ValueError for None.
    """
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None")
    if hasattr(y, "toarray"):
        return y.toarray()
    return np.asarray(y) if hasattr(y, "to_pylist") else y


def _classes(y: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes (C), sorted, and the number (N) of the class of each row, or for an indicator matrix its rows (N, C).

    >>> _classes(np.array([[0, 1, 1], [1, 0, 1]]))[0]
    array([0, 1, 2])
    """
    y = _given(y, "DebertaClassifier")
    for row, label in enumerate(y if isinstance(y, (list, tuple)) else np.asarray(y, object).tolist()):
        if is_missing(label):
            raise ValueError(f"y[{row}] is missing ({label!r}); drop such rows")
    if type_of_target(y, input_name="y") == "multilabel-indicator":
        matrix = np.asarray(y).astype(np.int64)
        return np.asarray(getattr(y, "columns", np.arange(matrix.shape[1]))), matrix
    labels = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        found = f"one class, {short(classes.tolist())}" if len(classes) else "no rows"
        raise ValueError(f"y has {found}; give rows of at least two classes")
    return classes, numbers


def _numbers(y: Any) -> NDArray[np.float64]:
    """Numbers (N), or (N, K) for K above 1."""
    y = check_array(_given(y, "DebertaRegressor"), ensure_2d=False, dtype="float64", input_name="y")
    found: NDArray[np.float64] = y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)
    return found


def _named(class_weight: Any, classes: NDArray[Any]) -> Any:
    """Weights of classes by their names."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    if unknown := [label for label in class_weight if label not in classes]:
        raise ValueError(f"class_weight names {unknown[0]!r}, but the classes are {short(classes.tolist())}")
    return {str(label): class_weight[label] for label in classes.tolist() if label in class_weight}


def _seed(random_state: Any) -> int:
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _opened_for(source: Any, names: list[str], problem: str) -> Any:
    """A model of its own with labels of these names: those of the source, if they are these, in their order."""
    opened = isinstance(source, PreTrainedModel)
    config = source.config if opened else AutoConfig.from_pretrained(source)
    known = sorted(config.id2label.values()) == sorted(names)
    if opened:
        if not known:
            raise ValueError(
                f"y has the classes {short(names)}, but the opened model has the labels "
                f"{short(list(config.id2label.values()))}; give its directory, and the head is made for y"
            )
        return _copied(source, problem)
    return _with_head(source, problem, {} if known else {"id2label": dict(enumerate(names))})


def _opened_for_numbers(source: Any, count: int) -> Any:
    """A model of its own with this number of outputs."""
    if isinstance(source, PreTrainedModel):
        if source.num_labels != count:
            raise ValueError(
                f"the opened model has {source.num_labels} outputs, but y needs {count}; give its directory, and the "
                "head is made for y"
            )
        return _copied(source, _NUMBERS)
    return _with_head(source, _NUMBERS, {"num_labels": count})


def _copied(model: PreTrainedModel, problem: str) -> Any:
    model = deepcopy(model)
    model.config.problem_type = problem
    return model


def _with_head(source: str | Path, problem: str, labels: Mapping[str, Any]) -> Any:
    """The model of a checkpoint; without labels of its own, its head must fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingHeadWarning)
        warnings.simplefilter("ignore", UnexpectedWeightsWarning)
        return AutoModelForSequenceClassification.from_pretrained(
            source, problem_type=problem, ignore_mismatched_sizes=bool(labels), **labels
        )


def _encoder_of(source: Any) -> Any:
    if isinstance(source, PreTrainedModel):
        return source.base_model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnexpectedWeightsWarning)
        return AutoModel.from_pretrained(source)
