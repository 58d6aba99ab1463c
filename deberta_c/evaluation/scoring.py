"""The scores that a model, a pipeline or an estimator of scikit-learn gives to texts."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import describe, short
from deberta_c._base.extras import require
from deberta_c._base.suggest import unknown_option
from deberta_c._columns.texts import rows_of
from deberta_c._models.auto import AutoModelForSequenceClassification, opened
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import MULTIPLE, REGRESSION, SINGLE
from deberta_c._models.outputs import sigmoid
from deberta_c._models.precision import FLOAT32
from deberta_c._pipelines.base import SHARED, Pipeline, switch
from deberta_c._pipelines.factory import TextClassificationPipeline
from deberta_c._pipelines.handle import Handle
from deberta_c._pipelines.zero_shot import ZeroShotClassificationPipeline

_WINDOW = 8192  # texts whose tokens are counted at once


class Scorer(NamedTuple):
    """What is evaluated: its labels, and functions of texts (N) and second texts (N) or None.

    `problem` is a problem_type, or None for a model of one score, where the labels decide.
    """

    title: str
    names: list[str]
    problem: str | None
    scores: Callable[[list[str], list[str] | None], NDArray[Any]]  # (N, C): probabilities, or values of a regression
    lengths: Callable[[list[str], list[str] | None], NDArray[np.int64]]  # (N)
    unit: str  # of the lengths
    model: Any = None  # the model that `explain` takes

    def of(self, problem: str, texts: list[str], pairs: list[str] | None) -> NDArray[np.float64]:
        """Scores (N, C) for a problem type that the labels have decided."""
        found = np.asarray(self.scores(texts, pairs), np.float64)
        shape = len(texts), len(self.names)
        if found.shape != shape or not np.isfinite(found).all():
            what = f"shape {found.shape}" if found.shape != shape else "NaN or infinite numbers"
            raise ValueError(
                f"model {short(self.title)} returned scores with {what} for {len(texts)} texts; it must return a "
                f"finite number for each text and each of its {len(self.names)} labels"
            )
        if self.problem is None and problem == MULTIPLE:
            return np.asarray(sigmoid(found.astype(np.float32)), np.float64)  # as `predict_proba` of the model
        return found


def scorer_of(model: Any, options: dict[str, Any], function: Callable[..., Any]) -> Scorer:
    """The scorer of a directory, a name of the hub, a model, a pipeline, its handle, or an estimator with
    `predict_proba`.

    `options` are those of `predict`, for a model, and of a call for a pipeline; messages about them name the `function`
    that was called, and list its own arguments, too.

    Errors: TypeError for anything else, for an unknown option, and for second texts among the options.
    """
    own = [name for name, one in signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY]
    called = _Called(function.__name__, own)
    if "metric" in options:
        raise TypeError(f"{called.name} has no option 'metric'; {called.instead_of_metric()}")
    if seconds := [name for name in ("text_pairs", "pair") if name in options]:
        raise TypeError(f"{seconds[0]} is no option here; give text_pair= the column of second texts, or its name")
    model = model.open() if isinstance(model, Handle) else opened(model, AutoModelForSequenceClassification)
    if isinstance(model, SequenceClassifier):
        called.check(options, model.predict)
        return _of_model(model, options)
    if isinstance(model, TextClassificationPipeline):
        return _of_pipeline(model, called.known(options, model))
    if isinstance(model, ZeroShotClassificationPipeline):
        return _of_zero_shot(model, called.known(options, model))
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        if not _takes_any_option(model.predict_proba):
            called.check(options, model.predict_proba)
        return _of_estimator(model, options)
    raise TypeError(
        f"model is {describe(model)}; give a directory, an opened classifier of texts, a pipeline for text "
        "classification or zero-shot classification, or an estimator of scikit-learn with predict_proba"
    )


class _Called(NamedTuple):
    """The function that was called, such as evaluate, and its own arguments: for messages about options."""

    name: str
    own: list[str]

    def instead_of_metric(self) -> str:
        """What to give instead of `metric`."""
        if "at_least" in self.own:
            return "the accuracy is asserted; for another figure call evaluate"
        return 'all figures are computed: the result has metrics["f1_macro"], for example'

    def check(self, options: Mapping[str, Any], method: Callable[..., Any]) -> None:
        """TypeError for an option that the method of the predictions does not have."""
        _, *options_of_method = signature(method).parameters.values()
        known = [one.name for one in options_of_method if one.kind is not one.VAR_KEYWORD and one.name != "text_pairs"]
        if options.keys() - set(known):
            raise unknown_option(self.name, options, [*self.own, *known])

    def known(self, options: dict[str, Any], pipeline: Pipeline[Any]) -> dict[str, Any]:
        """The options of a pipeline with current names; TypeError for one that it does not have."""
        names = [name for name in pipeline._option_names if name not in ("top_k", "return_all_scores")]
        return pipeline._known(options, self.name, [*self.own, *names, *SHARED])


def _takes_any_option(method: Callable[..., Any]) -> bool:
    """Whether a method has `**options`, such as that of a pipeline of scikit-learn."""
    return any(one.kind is one.VAR_KEYWORD for one in signature(method).parameters.values())


def problem_of(model: SequenceClassifier) -> str | None:
    """The problem type of a classifier; None for one score without a problem_type, where the labels decide."""
    given: str | None = model.config.problem_type
    if given is not None:
        return given
    return None if model.num_labels == 1 else SINGLE


def _title(model: PreTrainedModel) -> str:
    """The directory or the name of the model, or its class, and what computes if that is not float32."""
    name = model.name_or_path or type(model).__name__
    return name if model.precision == FLOAT32 else f"{name}, {model.precision}"


def _of_model(model: SequenceClassifier, options: dict[str, Any]) -> Scorer:
    problem = problem_of(model)
    scores = model.predict if problem in (REGRESSION, None) else model.predict_proba
    tokenizer = options.get("tokenizer") or model.tokenizer
    return Scorer(
        _title(model),
        model.labels(),
        problem,
        lambda texts, pairs: scores(texts, pairs, **options),
        _token_counts(tokenizer),
        "tokens",
        model if tokenizer is model.tokenizer else None,
    )


def _of_pipeline(pipeline: TextClassificationPipeline, options: dict[str, Any]) -> Scorer:
    def scores(texts: list[str], pairs: list[str] | None) -> NDArray[np.float32]:
        plan = pipeline._make_plan({**options, "top_k": None})  # not a list of dicts, where "" is no second text
        progress = switch({**pipeline._options, **options}, "progress")
        return plan.scores(texts, pairs, (rows_of("texts"), rows_of("pairs")), progress)

    problem = problem_of(pipeline.model) or MULTIPLE  # one score is a probability already
    model = pipeline.model if pipeline.tokenizer is pipeline.model.tokenizer else None
    return Scorer(
        _title(pipeline.model),
        pipeline.model.labels(),
        problem,
        scores,
        _token_counts(pipeline.tokenizer),
        "tokens",
        model,
    )


def _of_zero_shot(pipeline: ZeroShotClassificationPipeline, options: dict[str, Any]) -> Scorer:
    probe = pipeline("", **options)
    names = sorted({str(label) for label in probe["labels"]})

    def scores(texts: list[str], pairs: list[str] | None) -> NDArray[np.float64]:
        found = np.empty((len(texts), len(names)))
        for row, answer in enumerate(pipeline(texts, **options)):
            found[row, [names.index(str(label)) for label in answer["labels"]]] = answer["scores"]
        return found

    several = switch({**pipeline._options, **options}, "multi_label")
    return Scorer(
        _title(pipeline.model),
        names,
        MULTIPLE if several else SINGLE,
        scores,
        _token_counts(pipeline.tokenizer),
        "tokens",
    )


def _of_estimator(model: Any, options: dict[str, Any]) -> Scorer:
    own = getattr(model, "model_", None)  # of a DebertaClassifier
    own = own if isinstance(own, SequenceClassifier) else None

    def scores(texts: list[str], pairs: list[str] | None) -> Any:
        if pairs is not None and own is None:
            raise ValueError(f"text_pair is given, but {type(model).__name__} takes single texts; leave it out")
        return model.predict_proba(texts if pairs is None else _table_for(model, texts, pairs), **options)

    problem = SINGLE if own is None else problem_of(own)
    return Scorer(type(model).__name__, list(map(str, model.classes_)), problem, scores, _word_counts, "words")


def _table_for(model: Any, texts: list[str], pairs: list[str]) -> Any:
    """Pairs of texts as an estimator takes them: a table with the names of columns that it has learnt, if it has."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return np.array([texts, pairs], np.object_).T
    return require("pandas", "evaluate").DataFrame(dict(zip(names, (texts, pairs), strict=True)))


def _token_counts(tokenizer: Any) -> Callable[[list[str], list[str] | None], NDArray[np.int64]]:
    """A function that counts the tokens of rows as they are before they are cut."""

    def count(texts: list[str], pairs: list[str] | None) -> NDArray[np.int64]:
        options = tokenizer._encode_options(False, None, pairs=pairs is not None)
        parts = [np.empty(0, np.int64)]
        for begin in range(0, len(texts), _WINDOW):
            seconds = None if pairs is None else pairs[begin : begin + _WINDOW]
            rows = tokenizer._encode_for_model(texts[begin : begin + _WINDOW], seconds, options)
            parts.append(np.diff(rows.offsets))
        return np.concatenate(parts)

    return count


def _word_counts(texts: list[str], _: list[str] | None) -> NDArray[np.int64]:
    return np.array([len(text.split()) for text in texts], np.int64)
