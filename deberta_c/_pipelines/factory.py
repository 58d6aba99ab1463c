"""The function `pipeline`, and `pipeline("text-classification")`: labels and scores in the shapes of transformers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.about import default_model
from deberta_c._base.errors import warn_caller
from deberta_c._columns.texts import Missing, RowName, rows_of, single_name
from deberta_c._files.hub import HUB, hub_options
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.config import AutoConfig
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.outputs import scores_of
from deberta_c._pipelines.base import DTYPES, Pipeline, check_top_k, switch
from deberta_c._pipelines.feature_extraction import FeatureExtractionPipeline
from deberta_c._pipelines.fill_mask import FillMaskPipeline
from deberta_c._pipelines.question_answering import QuestionAnsweringPipeline
from deberta_c._pipelines.token_classification import TokenClassificationPipeline
from deberta_c._pipelines.windows import Windows
from deberta_c._pipelines.zero_shot import ZeroShotClassificationPipeline
from deberta_c._tokenizers.encodings import require_cpu
from deberta_c._tokenizers.tokenizer import AutoTokenizer, PreTrainedTokenizerFast, check_padding

_FUNCTIONS = ("softmax", "sigmoid", "none")

# Arguments that choose what is opened.
_OPENING = ("config", "trust_remote_code", "dtype", "torch_dtype", "keep")

_FRAME_OPTIONS = (
    "frame", "text", "text_pair", "proba", "prefix", "na", "progress", "function_to_apply", "truncation", "max_length",
    "padding", "windows", "stride", "pooling",
)  # fmt: skip # of predict_frame


class TextClassificationPipeline(Pipeline[SequenceClassifier]):
    """Classifies texts: call it with a str, a column of them, or a dict {"text", "text_pair"}.

    One str returns `[{"label": ..., "score": ...}]`, a column a list of such dicts, an iterator an iterator of them.
    With `top_k` (None: all labels) in the call, each text returns a list of dicts, best first; with `top_k` in
    `pipeline`, one str returns a list that contains this list. Scores are probabilities: softmax, or sigmoid for
    multi-label models and for one logit; a regression returns the logit. `function_to_apply` ("softmax", "sigmoid",
    "none") overrides this. Options of `pipeline` and of a call: these two, `truncation` and `max_length`.
    `return_all_scores=True` of older code returns all labels in their order, with a warning.

    `windows=True` reads a text longer than `max_length` (by default the limit of the tokenizer) in windows that overlap
    by `stride` tokens (by default a quarter of the limit), all of them in the same batches. `pooling` makes the scores
    of the text of those of its windows: "mean" (default), "max", the highest score that each label has in any window,
    or "first", those of the first window. For a guard take "max" and compare the score of its label with a threshold,
    because the scores of "max" do not sum to 1. Of a pair, the first text is read in windows.

    Errors: TypeError and ValueError as in `predict`.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification", deberta_c.default_model())
    >>> [sorted(answer) for answer in classifier("See you at home")]
    [['label', 'score']]
    """

    task = "text-classification"
    other_names = ("sentiment-analysis",)
    opener = AutoModelForSequenceClassification
    takes = SequenceClassifier
    _single = (str, Mapping)
    _kinds = "a str, a column of them or a dict"
    _option_names = (
        "top_k",
        "function_to_apply",
        "truncation",
        "max_length",
        "padding",
        "return_all_scores",
        "windows",
        "stride",
        "pooling",
    )

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)

    def _make_plan(self, options: Mapping[str, Any]) -> "_Plan":
        plan = self._new_plan({**self._options, **options})
        plan.nested = "top_k" in options
        return plan

    def predict_frame(
        self,
        frame: Any,
        text: str = "text",
        text_pair: str | None = None,
        *,
        proba: bool = False,
        prefix: str = "",
        **options: Any,
    ) -> Any:
        """A table with the columns `label` and `score` at its end, and with `proba` the score of each label.

        See `predict_frame` of a model; `options` are those of a call, except `top_k`.

        Errors: TypeError for `top_k`; ValueError for a `function_to_apply` other than the sigmoid of a multi-label
        model; those of a model.

        >>> import deberta_c, pandas as pd
        >>> classifier = deberta_c.pipeline("text-classification", deberta_c.default_model())
        >>> classifier.predict_frame(pd.DataFrame({"text": ["See you at home", None]}), na="skip")["label"].tolist()
        ['ham', nan]
        """
        if "top_k" in options or "return_all_scores" in options:
            raise TypeError("predict_frame takes no top_k; give proba=True for the scores of all labels")
        options = self._known(options, "predict_frame", _FRAME_OPTIONS)
        plan = self._make_plan(options)
        own = self.model.probability_function()
        if own == "sigmoid" and self.model.num_labels > 1 and plan.function not in (None, own):
            raise ValueError(
                f"function_to_apply is {plan.function!r}, but the labels of a multi-label model are those whose "
                "sigmoid is above 0.5; leave it out"
            )
        progress = switch({**self._options, **options}, "progress")

        def scores(texts: Any, pairs: Any, *, name: str, row_names: Any) -> NDArray[np.float32]:
            return plan.scores(texts, pairs, row_names, progress, name)

        return self.model._scored_frame(frame, text, text_pair, scores, proba=proba, prefix=prefix)

    def _with_current_names(self, options: dict[str, Any]) -> dict[str, Any]:
        """`return_all_scores`, a former name, with a warning; False means the default."""
        if "return_all_scores" in options:
            warn_caller(UserWarning("return_all_scores has become top_k: give top_k=None for the scores of all labels"))
            if not options["return_all_scores"]:
                del options["return_all_scores"]
        return options


class _Plan:
    """The checked options of a call."""

    nested = False  # whether the result of one str is the list of its labels

    def __init__(
        self, model: SequenceClassifier, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.na: Missing = options.get("na") or "raise"
        self.ranks = "top_k" in options  # otherwise the labels of `return_all_scores` keep their order
        self.only_best = (
            not self.ranks and "return_all_scores" not in options
        )  # a dict for each text, not a list of dicts
        self.top_k = options.get("top_k")
        check_top_k(self.top_k, "all labels")
        function = options.get("function_to_apply")
        if function is not None and (not isinstance(function, str) or function.lower() not in _FUNCTIONS):
            raise ValueError(f"function_to_apply is {function!r}; it must be one of {', '.join(_FUNCTIONS)}")
        self.function = function and function.lower()
        padding = options.get("padding", False)
        check_padding(padding)
        self.truncation: Any = options.get("truncation")
        self.max_length: Any = options.get("max_length")
        if self.truncation is None:  # as in a call of the tokenizer: a limit without padding truncates
            self.truncation = self.max_length is not None and padding is False
        # Raises for invalid options before any text is read; the rows decide whether there are second texts.
        self.tokenizer._encode_options(self.truncation, self.max_length, empty_second=True)
        self.windows = Windows.of(tokenizer, options)

    def one(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            first, second = _pair(inputs, "inputs")
            return self._many([first], None if second is None else [second], single_name("inputs"))[0]
        if self.windows:
            answer = self._many([inputs], None, single_name("inputs"))[0]
        else:
            logits = self.model._logits_of_text(inputs, "inputs", self.tokenizer, self.truncation, self.max_length)
            answer = self.answers(self._scores(logits))[0]
        return answer if self.nested else [answer]

    def _many(self, firsts: Any, seconds: Any, row_name: RowName, progress: bool = False) -> list[Any]:
        scores = self.scores(firsts, seconds, (row_name, lambda row: f'{row_name(row)}["text_pair"]'), progress)
        answers = self.answers(scores)
        if self.na == "skip":
            return [None if lacks else answer for lacks, answer in zip(np.isnan(scores[:, 0]), answers, strict=True)]
        return answers

    def scores(
        self, firsts: Any, seconds: Any, row_names: tuple[RowName, RowName], progress: bool, name: str = "inputs"
    ) -> NDArray[np.float32]:
        """Scores (N, C) of a column of texts, or of pairs; NaN for skipped texts."""
        if self.windows:
            return self.windows.scores(self.model, self._scores, firsts, seconds, row_names, self.na, progress)
        logits = self.model._logits_of_column(
            firsts,
            seconds,
            self.tokenizer,
            truncation=self.truncation,
            max_length=self.max_length,
            na=self.na,
            progress=progress,
            name=name,
            row_names=row_names,
        )
        return self._scores(logits)

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The results of a column; messages number its rows from `start`."""
        name = rows_of("inputs", start)
        if not isinstance(inputs, (list, tuple)) or not any(isinstance(row, (Mapping, list, tuple)) for row in inputs):
            return self._many(inputs, None, name, progress)
        pairs = [_pair(row, name(index)) for index, row in enumerate(inputs)]
        answers: list[Any] = [None] * len(pairs)
        for paired in (False, True):
            chosen = [index for index, pair in enumerate(pairs) if (pair[1] is not None) == paired]
            if chosen:
                firsts = [pairs[index][0] for index in chosen]
                seconds = [pairs[index][1] for index in chosen] if paired else None
                names = [name(index) for index in chosen]
                for index, answer in zip(chosen, self._many(firsts, seconds, names.__getitem__, progress), strict=True):
                    answers[index] = answer
        return answers

    def _scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (N, C) of logits (N, C)."""
        return scores_of(logits, self.function or self.model.probability_function())

    def answers(self, scores: NDArray[np.float32]) -> list[Any]:
        """One result for each row of scores (N, C)."""
        labels = self.model.labels()
        if self.only_best:
            return [
                {"label": labels[label], "score": score}
                for label, score in zip(scores.argmax(axis=1).tolist(), scores.max(axis=1).tolist(), strict=True)
            ]
        ranked = []
        for row in scores.tolist():
            order: Iterable[int] = range(len(row))
            if self.ranks:
                order = sorted(order, key=row.__getitem__, reverse=True)[: self.top_k]
            ranked.append([{"label": labels[label], "score": row[label]} for label in order])
        return ranked


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> TextClassificationPipeline: ...


@overload
def pipeline(
    task: Literal["fill-mask"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> FillMaskPipeline: ...


@overload
def pipeline(
    task: Literal["feature-extraction"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> FeatureExtractionPipeline: ...


@overload
def pipeline(
    task: Literal["token-classification", "ner"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> TokenClassificationPipeline: ...


@overload
def pipeline(
    task: Literal["zero-shot-classification"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> ZeroShotClassificationPipeline: ...


@overload
def pipeline(
    task: Literal["question-answering"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> QuestionAnsweringPipeline: ...


@overload
def pipeline(
    task: str | None = ...,
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int | None = ...,
    **options: Any,
) -> Pipeline[Any]: ...


def pipeline(
    task: str | None = None,
    model: str | Path | PreTrainedModel | None = None,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = None,
    device: Any = None,
    batch_size: int | None = None,
    **options: Any,
) -> Pipeline[Any]:
    """A pipeline for a task: call it with texts; results have the shapes of transformers.

    `task`: "text-classification" (or "sentiment-analysis") returns a `TextClassificationPipeline`,
    "zero-shot-classification" a `ZeroShotClassificationPipeline`, "token-classification" (or "ner") a
    `TokenClassificationPipeline`, "fill-mask" a `FillMaskPipeline`, "feature-extraction" a `FeatureExtractionPipeline`,
    "question-answering" a `QuestionAnsweringPipeline`. Without it the head of an opened model decides; for anything
    else it is "text-classification".

    `model` is a directory, a name of the Hugging Face hub or an opened model. "text-classification" without a model
    uses the default one, which classifies English text messages as ham or spam, and warns; no other task has a default.
    `tokenizer` is a directory, a name or a tokenizer, by default that of the model. `config`, `revision`, `token`,
    `cache_dir`, `local_files_only`, `subfolder`, `dtype`, `keep`, `trust_remote_code` and `model_kwargs` are
    passed to `from_pretrained` of the model; with an opened model they are ignored with a warning, and another `dtype`
    is an error. `device` and `device_map` must be the CPU.
    Other options are those of the class.

    Errors: OSError for a missing directory or file; ValueError for an unknown task, a device other than the CPU, or a
    task without a default model; TypeError for a model with another head or an unknown option.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification", deberta_c.default_model(), top_k=None)
    >>> len(classifier(["See you at home", "Free entry!"]))
    2
    """
    found = class_for(task, model)
    _require_cpu_map(options.pop("device_map", None))
    opening = _pop_opening_options(options)
    if model is None:
        model = _default_for(task)
    if isinstance(model, (str, Path)):
        where, _ = hub_options({**opening, "trust_remote_code": False})
        if isinstance(opening.get("config"), (str, Path)):
            opening["config"] = AutoConfig.from_pretrained(opening["config"], **where)
        model = found.opener.from_pretrained(model, **opening)
        if isinstance(tokenizer, (str, Path)):
            tokenizer = AutoTokenizer.from_pretrained(tokenizer, **where)
    else:
        options |= {name: opening.pop(name) for name in DTYPES if name in opening}  # checked by the pipeline
        if opening:
            warn_caller(UserWarning(f"ignored by a pipeline, because the model is open already: {', '.join(opening)}"))
    return found(model, tokenizer, device=device, batch_size=batch_size, **options)


def _pop_opening_options(options: dict[str, Any]) -> dict[str, Any]:
    """Removes the options that choose what is opened, and returns them."""
    opening = {name: value for name in (*_OPENING, *HUB) if (value := options.pop(name, None)) is not None}
    return {**opening, **(options.pop("model_kwargs", None) or {})}


def _require_cpu_map(device_map: Any) -> None:
    """ValueError unless a `device_map` has everything on the CPU."""
    for device in device_map.values() if isinstance(device_map, Mapping) else [device_map]:
        if device != "auto":
            require_cpu(device)


def _default_for(task: str | None) -> str:
    """The directory of the default model, with a warning; ValueError if the task has none."""
    if task not in (None, TextClassificationPipeline.task):
        raise ValueError(
            f"model is missing; {task!r} has no default model, give a directory, a name of the hub or an opened model. "
            "The only default model classifies text messages as ham or spam: "
            'pipeline("text-classification", deberta_c.default_model())'
        )
    warn_caller(
        UserWarning(
            "no model is given: the default one classifies English text messages as ham or spam; give your own, or "
            "deberta_c.default_model() to choose this one"
        )
    )
    return default_model()


_CLASSES: tuple[type[Pipeline[Any]], ...] = (
    TextClassificationPipeline,
    ZeroShotClassificationPipeline,
    TokenClassificationPipeline,
    FillMaskPipeline,
    FeatureExtractionPipeline,
    QuestionAnsweringPipeline,
)


def class_for(task: object, model: object = None) -> type[Pipeline[Any]]:
    """The class of a task; without one, that of the head of an opened model, or text classification."""
    if task is None:
        fitting = (found for found in _CLASSES if isinstance(model, found.takes))
        return next(fitting, TextClassificationPipeline)
    for found in _CLASSES:
        if task in (found.task, *found.other_names):
            return found
    known = ", ".join(repr(name) for found in _CLASSES for name in (found.task, *found.other_names))
    raise ValueError(f"task is {task!r}; it must be one of {known}")


def _pair(inputs: Any, name: str) -> tuple[str, str | None]:
    """The text, and the second text or None, of a str, a dict, or a list of one pair."""
    if isinstance(inputs, Mapping):
        unknown = set(inputs) - {"text", "text_pair"}
        if "text" not in inputs or unknown:
            raise ValueError(f'{name} has the keys {sorted(map(str, inputs))}; give "text" and "text_pair"')
        second = inputs.get("text_pair")
        return inputs["text"], None if isinstance(second, str) and not second else second
    if isinstance(inputs, (list, tuple)):
        if len(inputs) == 1 and isinstance(inputs[0], list) and len(inputs[0]) == 2:
            return inputs[0][0], inputs[0][1]
        raise ValueError(f'{name} is a {type(inputs).__name__}; give a pair as {{"text": first, "text_pair": second}}')
    return inputs, None
