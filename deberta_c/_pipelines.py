"""`pipeline("text-classification")`: labels and scores for texts, in the shapes of transformers."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c._auto import AutoModelForSequenceClassification
from deberta_c._defaults import default_model
from deberta_c._encodings import require_cpu
from deberta_c._frame import RowName, is_column, is_missing, rows_of, the_only
from deberta_c._heads import SequenceClassifier
from deberta_c._outputs import sigmoid, softmax
from deberta_c._tokenizer import PreTrainedTokenizerFast, as_tokenizer, check_padding

_TASKS = (None, "text-classification", "sentiment-analysis")
_FUNCTIONS = ("softmax", "sigmoid", "none")


class TextClassificationPipeline:
    """Classifies texts: call it with a str, a column of them, or a dict {"text", "text_pair"}.

    One str gives `[{"label": ..., "score": ...}]`, a column a list of such dicts, an iterator an iterator of them.
    With `top_k` (None: all labels) in the call each text gives a list of dicts, best first; with `top_k` given to
    `pipeline` one str gives a list that holds that list. Scores are probabilities by softmax, by sigmoid for
    multi-label models and a single logit, and the logit itself for regression; `function_to_apply` ("softmax",
    "sigmoid", "none") overrides that.

    Errors: TypeError and ValueError as in `predict`.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification")
    >>> [sorted(answer) for answer in classifier("See you at home")]
    [['label', 'score']]
    """

    def __init__(
        self,
        model: SequenceClassifier,
        tokenizer: PreTrainedTokenizerFast,
        batch_size: int,
        options: dict[str, Any],
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.task = "text-classification"
        self._batch_size = batch_size
        self._options = options
        self._plan = _Plan(self, options, nested=False)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Classifies `inputs`; `top_k`, `function_to_apply`, `truncation`, `max_length` replace what was set.

        So does `batch_size`; `num_workers` is accepted and changes nothing, here and in `pipeline`.
        """
        batch_size = _batch_size(options.pop("batch_size", self._batch_size))
        options.pop("num_workers", None)
        plan = _Plan(self, {**self._options, **options}, nested="top_k" in options) if options else self._plan
        if isinstance(inputs, str):
            return plan.one(inputs)
        if isinstance(inputs, Mapping):
            first, second = _pair(inputs, "inputs")
            return plan.many([first], None if second is None else [second], the_only("inputs"))[0]
        if isinstance(inputs, Iterator):
            return self._stream(inputs, plan, batch_size)
        if is_missing(inputs):
            raise ValueError(
                f"inputs is a missing value ({inputs!r}); drop such rows first, as frame.dropna(subset=...) does, "
                'or call model.predict(column, na="skip"), or na="empty"'
            )
        if not is_column(inputs):
            raise ValueError(f"inputs is of type {type(inputs).__name__}; give a str, a column of them or a dict")
        return plan.column(inputs)

    def _stream(self, inputs: Iterator[Any], plan: "_Plan", batch_size: int) -> Iterator[Any]:
        start = 0
        while batch := list(islice(inputs, batch_size)):
            yield from plan.column(batch, start)
            start += len(batch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"


class _Plan:
    """The checked options of a call."""

    def __init__(self, owner: TextClassificationPipeline, options: dict[str, Any], nested: bool) -> None:
        options = dict(options)
        self.model, self.tokenizer = owner.model, owner.tokenizer
        self.nested = nested  # whether the answer to one str is the list of labels itself
        self.only_best = "top_k" not in options  # a dict for each text, not a list of them
        self.top_k = options.pop("top_k", None)
        function = options.pop("function_to_apply", None)
        self.truncation = options.pop("truncation", None)
        self.max_length = options.pop("max_length", None)
        padding = options.pop("padding", False)
        if options:
            raise TypeError(
                f"unknown option {next(iter(options))!r}; a pipeline takes top_k, function_to_apply, truncation, "
                "max_length and padding"
            )
        if self.top_k is not None:
            if type(self.top_k) is not int:
                raise TypeError(f"top_k is {self.top_k!r}; it must be an integer, or None for all labels")
            if self.top_k < 1:
                raise ValueError(f"top_k is {self.top_k}; it must be at least 1, or None for all labels")
        if function is not None and (not isinstance(function, str) or function.lower() not in _FUNCTIONS):
            raise ValueError(f"function_to_apply is {function!r}; it must be one of {', '.join(_FUNCTIONS)}")
        self.function = function and function.lower()
        check_padding(padding)
        if self.truncation is None:  # as in a call of the tokenizer: a limit without padding is meant
            self.truncation = self.max_length is not None and padding is False
        self.tokenizer.encode_options(self.truncation, self.max_length)  # refuses what makes no sense, before any text

    def one(self, text: str) -> list[Any]:
        logits = self.model.logits_of(text, "inputs", self.tokenizer, self.truncation, self.max_length)
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
        name = rows_of("inputs")
        if not isinstance(inputs, (list, tuple)) or not any(isinstance(row, (Mapping, list)) for row in inputs):
            return self.many(inputs, None, lambda row: name(start + row))
        pairs = [_pair(row, name(start + index)) for index, row in enumerate(inputs)]
        answers: list[Any] = [None] * len(pairs)
        for paired in (False, True):
            chosen = [index for index, pair in enumerate(pairs) if (pair[1] is not None) == paired]
            if chosen:
                firsts = [pairs[index][0] for index in chosen]
                seconds = [pairs[index][1] for index in chosen] if paired else None
                names = [name(start + index) for index in chosen]
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


def pipeline(
    task: str | None = None,
    model: str | Path | SequenceClassifier | None = None,
    *,
    tokenizer: str | Path | PreTrainedTokenizerFast | None = None,
    device: Any = None,
    batch_size: int = 1,
    **options: Any,
) -> TextClassificationPipeline:
    """A classifier of texts for the task "text-classification" (also called "sentiment-analysis").

    `model` is a directory or an opened model; without it the default model answers: ham or spam for short messages.
    `tokenizer` is a directory or a tokenizer, by default that of the model's directory. `batch_size` is the number of
    texts taken at once from an iterator; columns are packed by tokens. Options: `top_k`, `function_to_apply`,
    `truncation`, `max_length`.

    Errors: OSError for a missing directory or file, ValueError for an unknown task or another device than the CPU.

    >>> import deberta_c
    >>> classifier = deberta_c.pipeline("text-classification", top_k=None)
    >>> len(classifier(["See you at home", "Free entry!"]))
    2
    """
    if task not in _TASKS:
        raise ValueError(f'task is {task!r}; this version has "text-classification" (or "sentiment-analysis") only')
    require_cpu(device)
    batch_size = _batch_size(batch_size)
    options.pop("num_workers", None)
    if model is None:
        model = default_model()
    if isinstance(model, (str, Path)):
        model = AutoModelForSequenceClassification.from_pretrained(model)
    if not isinstance(model, SequenceClassifier):
        raise TypeError(f"model is of type {type(model).__name__}; give a directory or what from_pretrained returned")
    found = model.tokenizer if tokenizer is None else as_tokenizer(tokenizer)
    return TextClassificationPipeline(model, found, batch_size, options)


def _batch_size(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"batch_size is {value!r}; it must be an integer of at least 1")
    return value


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
