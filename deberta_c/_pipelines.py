"""`pipeline`, and the classification of texts: labels and scores in the shapes of transformers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from deberta_c._auto import AutoModelForSequenceClassification
from deberta_c._defaults import default_model
from deberta_c._encodings import require_cpu
from deberta_c._fill_mask import FillMaskPipeline
from deberta_c._frame import RowName, rows_of, the_only
from deberta_c._heads import SequenceClassifier
from deberta_c._model import PreTrainedModel
from deberta_c._outputs import sigmoid, softmax
from deberta_c._pipeline_base import Pipeline, check_batch_size, check_known, check_top_k
from deberta_c._token_pipeline import TokenClassificationPipeline
from deberta_c._tokenizer import PreTrainedTokenizerFast, as_tokenizer, check_padding

_FUNCTIONS = ("softmax", "sigmoid", "none")
_OPTIONS = ("top_k", "function_to_apply", "truncation", "max_length", "padding")


class TextClassificationPipeline(Pipeline[SequenceClassifier]):
    """Classifies texts: call it with a str, a column of them, or a dict {"text", "text_pair"}.

    One str gives `[{"label": ..., "score": ...}]`, a column a list of such dicts, an iterator an iterator of them.
    With `top_k` (None: all labels) in the call each text gives a list of dicts, best first; with `top_k` given to
    `pipeline` one str gives a list that holds that list. Scores are probabilities by softmax, by sigmoid for
    multi-label models and a single logit, and the logit itself for regression; `function_to_apply` ("softmax",
    "sigmoid", "none") overrides that. Options, of `pipeline` and of a call: these two, `truncation` and `max_length`.

    Errors: TypeError and ValueError as in `predict`.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification")
    >>> [sorted(answer) for answer in classifier("See you at home")]
    [['label', 'score']]
    """

    task = "text-classification"
    other_names = ("sentiment-analysis",)
    opener = AutoModelForSequenceClassification
    takes = SequenceClassifier
    _single = (str, Mapping)
    _kinds = "a str, a column of them or a dict"
    _remedy = ', or call model.predict(column, na="skip"), or na="empty"'

    def _planned(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self, {**self._options, **options}, nested="top_k" in options)


class _Plan:
    """The checked options of a call."""

    def __init__(self, owner: TextClassificationPipeline, options: Mapping[str, Any], nested: bool) -> None:
        check_known(options, _OPTIONS)
        self.model, self.tokenizer = owner.model, owner.tokenizer
        self.nested = nested  # whether the answer to one str is the list of labels itself
        self.only_best = "top_k" not in options  # a dict for each text, not a list of them
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
        if self.truncation is None:  # as in a call of the tokenizer: a limit without padding is meant
            self.truncation = self.max_length is not None and padding is False
        self.tokenizer.encode_options(self.truncation, self.max_length)  # refuses what makes no sense, before any text

    def one(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            first, second = _pair(inputs, "inputs")
            return self.many([first], None if second is None else [second], the_only("inputs"))[0]
        logits = self.model.logits_of(inputs, "inputs", self.tokenizer, self.truncation, self.max_length)
        answer = self.answers(logits)[0]
        return answer if self.nested else [answer]

    def many(self, firsts: Any, seconds: Any, row_name: RowName) -> list[Any]:
        logits = self.model.logits_of_column(
            firsts,
            seconds,
            self.tokenizer,
            truncation=self.truncation,
            max_length=self.max_length,
            name="inputs",
            row_names=(row_name, lambda row: f'{row_name(row)}["text_pair"]'),
        )
        return self.answers(logits)

    def column(self, inputs: Iterable[Any], start: int = 0) -> list[Any]:
        """The answers for a column whose first row is number `start` for the user."""
        name = rows_of("inputs", start)
        if not isinstance(inputs, (list, tuple)) or not any(isinstance(row, (Mapping, list)) for row in inputs):
            return self.many(inputs, None, name)
        pairs = [_pair(row, name(index)) for index, row in enumerate(inputs)]
        answers: list[Any] = [None] * len(pairs)
        for paired in (False, True):
            chosen = [index for index, pair in enumerate(pairs) if (pair[1] is not None) == paired]
            if chosen:
                firsts = [pairs[index][0] for index in chosen]
                seconds = [pairs[index][1] for index in chosen] if paired else None
                names = [name(index) for index in chosen]
                for index, answer in zip(chosen, self.many(firsts, seconds, names.__getitem__), strict=True):
                    answers[index] = answer
        return answers

    def answers(self, logits: NDArray[np.float32]) -> list[Any]:
        """One answer for each row of logits."""
        scores = logits
        function = self.function or self.model.probability_function() or "none"
        if function != "none":
            scores = softmax(logits) if function == "softmax" else sigmoid(logits)
        labels = self.model.labels()
        if self.only_best:
            return [
                {"label": labels[label], "score": score}
                for label, score in zip(scores.argmax(axis=1).tolist(), scores.max(axis=1).tolist(), strict=True)
            ]
        ranked = []
        for row in scores.tolist():
            order = sorted(range(len(row)), key=row.__getitem__, reverse=True)[: self.top_k]
            ranked.append([{"label": labels[label], "score": row[label]} for label in order])
        return ranked


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int = ...,
    **options: Any,
) -> TextClassificationPipeline: ...


@overload
def pipeline(
    task: Literal["fill-mask"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int = ...,
    **options: Any,
) -> FillMaskPipeline: ...


@overload
def pipeline(
    task: Literal["token-classification", "ner"],
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int = ...,
    **options: Any,
) -> TokenClassificationPipeline: ...


@overload
def pipeline(
    task: str | None = ...,
    model: str | Path | PreTrainedModel | None = ...,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = ...,
    device: Any = ...,
    batch_size: int = ...,
    **options: Any,
) -> Pipeline[Any]: ...


def pipeline(
    task: str | None = None,
    model: str | Path | PreTrainedModel | None = None,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = None,
    device: Any = None,
    batch_size: int = 1,
    **options: Any,
) -> Pipeline[Any]:
    """Texts in, answers out: what the class of the task tells, in the shapes of transformers.

    `task`: "text-classification" (also called "sentiment-analysis"), a `TextClassificationPipeline`;
    "token-classification" ("ner"), a `TokenClassificationPipeline`; "fill-mask", a `FillMaskPipeline`. Without it an
    opened model tells by its head, and anything else is classified.

    `model` is a directory, a name of the Hugging Face hub or an opened model; without one the default model classifies:
    ham or spam for short messages. `tokenizer` is a directory, a name or a tokenizer, by default that of the model.
    `batch_size` is the number of texts taken at once from an iterator; columns are packed by tokens. Options are those
    of the class.

    Errors: OSError for a missing directory or file, ValueError for an unknown task, another device than the CPU or a
    task without a default model, TypeError for a model of another head.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification", top_k=None)
    >>> len(classifier(["See you at home", "Free entry!"]))
    2
    """
    found = _class_for(task, model)
    require_cpu(device)
    check_batch_size(batch_size)
    options.pop("num_workers", None)
    if model is None:
        if found is not TextClassificationPipeline:
            raise ValueError(f"model is missing; {found.task!r} has no default model, give a directory or a model")
        model = default_model()
    if isinstance(model, (str, Path)):
        model = found.opener.from_pretrained(model)
    if not isinstance(model, found.takes):
        raise TypeError(
            f"model is of type {type(model).__name__}; for {found.task!r} give a directory or what "
            f"{found.opener.__name__}.from_pretrained returned"
        )
    own = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
    return found(model, own, batch_size, options)


_CLASSES: tuple[type[Pipeline[Any]], ...] = (
    TextClassificationPipeline,
    TokenClassificationPipeline,
    FillMaskPipeline,
)


def _class_for(task: object, model: object) -> type[Pipeline[Any]]:
    if task is None:
        fitting = (found for found in _CLASSES if isinstance(model, found.takes))
        return next(fitting, TextClassificationPipeline)
    for found in _CLASSES:
        if task in (found.task, *found.other_names):
            return found
    known = ", ".join(repr(found.task) for found in _CLASSES)
    raise ValueError(f"task is {task!r}; it must be one of {known}")


def _pair(inputs: Any, name: str) -> tuple[str, str | None]:
    """The text and the second text or None of a str, a dict, or a list that holds one pair."""
    if isinstance(inputs, Mapping):
        unknown = set(inputs) - {"text", "text_pair"}
        if "text" not in inputs or unknown:
            raise ValueError(f'{name} has the keys {sorted(map(str, inputs))}; give "text" and "text_pair"')
        return inputs["text"], inputs.get("text_pair") or None
    if isinstance(inputs, list):
        if len(inputs) == 1 and isinstance(inputs[0], list) and len(inputs[0]) == 2:
            return inputs[0][0], inputs[0][1]
        raise ValueError(f'{name} is a list; give a pair as {{"text": first, "text_pair": second}}')
    return inputs, None
