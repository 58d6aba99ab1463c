"""`pipeline("question-answering")`: the part of a text, of any length, that answers a question."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.checks import is_integer
from deberta_c._base.errors import short, warn_caller
from deberta_c._columns.texts import (
    RowName,
    is_dataset,
    is_missing,
    pieces_of,
    portions,
    rows_of,
    single_name,
    values_of,
)
from deberta_c._models.auto import AutoModelForQuestionAnswering
from deberta_c._models.heads import SpanReader
from deberta_c._models.outputs import softmax
from deberta_c._models.predict import progress_bar
from deberta_c._pipelines.base import Pipeline, check_top_k, length_of, switch
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, check_padding, raise_for_bad_row

_WINDOW = 256  # questions of a column that are read and encoded at once
_ROW_TOKENS, _STRIDE, _ANSWER_TOKENS = 384, 128, 15  # as in transformers 4
_EXCLUDED = -10000.0  # the logit of a token that no answer begins or ends with


class QuestionAnsweringPipeline(Pipeline[SpanReader]):
    """Finds answers: call it with `question` and `context`, or with dicts of these two.

    `question` and `context` are one str each, two columns of equal length, or a column of questions for one context.
    Dicts {"question", "context"} are given as one, as a column, or by an iterator. One question returns a dict with
    "score" (a probability), "start" and "end" (characters of the context) and "answer", a column of several a list of
    such dicts, an iterator an iterator of them. With `top_k` above 1 a question returns a list of dicts, best first.

    Options of `pipeline` and of a call, as in transformers 4 (transformers 5 does not have this task):

    - `top_k`: the number of answers, 1 by default. Scores of answers with the same text are added.
    - `max_seq_len`: tokens of a row with the question and a part of the context, by default 384, or the limit of the
      tokenizer if it is less. A longer context is read in windows, which overlap by `doc_stride` tokens (by default
      128, or half of `max_seq_len` if that is less).
    - `max_answer_len`: the limit of an answer in tokens, 15 by default.
    - `handle_impossible_answer`: True allows the answer "", for models that know questions without an answer.
    - `align_to_words`: answers begin and end with words of the tokenizer (default: True).

    Windows of all questions run in the same batches, without padding.

    Errors: ValueError for invalid options, a missing or empty question or context, and columns of unequal length;
    TypeError for values that are not str; RuntimeError if the head is missing.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16)
    >>> untrained = deberta_c.AutoModelForQuestionAnswering.from_config(config)
    >>> reader = deberta_c.pipeline("question-answering", model=untrained, tokenizer=tokenizer)
    >>> list(reader(question="Where is Ann?", context="Ann is at home, and Tom at school."))
    ['score', 'start', 'end', 'answer']
    """

    task = "question-answering"
    opener = AutoModelForQuestionAnswering
    takes = SpanReader
    _single = (Mapping,)
    _kinds = 'question and context, or dicts {"question": ..., "context": ...}'
    _option_names = (
        "top_k",
        "doc_stride",
        "max_answer_len",
        "max_seq_len",
        "max_question_len",
        "handle_impossible_answer",
        "align_to_words",
        "padding",
    )

    def __call__(self, *inputs: Any, question: Any = None, context: Any = None, **options: Any) -> Any:
        """The answers to questions; options replace those of the constructor for this call."""
        examples = _examples(inputs, question, context)
        if isinstance(examples, (list, tuple)) and len(examples) == 1:
            examples = examples[0]
        return super().__call__(examples, **options)

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)

    def _with_current_names(self, options: dict[str, Any]) -> dict[str, Any]:
        """`topk`, a former name, with a warning."""
        if "topk" in options:
            warn_caller(UserWarning("topk has become top_k; give that"))
            options = {"top_k": options.pop("topk"), **options}
        return options


class _Span(NamedTuple):
    """A part of a context that may be the answer."""

    score: float
    start: int
    end: int


class _Plan:
    """The checked options of a call."""

    def __init__(self, model: SpanReader, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.skips = options.get("na") == "skip"
        check_padding(options.get("padding", False))
        check_top_k(options.get("top_k"), "1")
        self.top_k: int = options.get("top_k") or 1
        self.answer_tokens = _count("max_answer_len", options.get("max_answer_len"), _ANSWER_TOKENS)
        self.impossible = switch(options, "handle_impossible_answer")
        self.aligns = switch(options, "align_to_words", True)
        self.question_first = tokenizer.padding_side == "right"
        longest = min(tokenizer.model_max_length or _ROW_TOKENS, _ROW_TOKENS)
        length = _count("max_seq_len", options.get("max_seq_len"), longest)
        stride = options.get("doc_stride")
        try:
            self.encoding = tokenizer._encode_options(
                "only_second" if self.question_first else "only_first",
                length,
                pairs=True,
                overflow=True,
                stride=min(length // 2, _STRIDE) if stride is None else stride,
            )
        except (TypeError, ValueError) as error:
            names = str(error).replace("max_length", "max_seq_len")
            raise type(error)(re.sub("^stride", "doc_stride", names)) from None
        self.encoding["want"] = ("spans", "words", "sequences")

    def one(self, inputs: Any) -> Any:
        """The answer to one question, a dict."""
        if self.skips and _lacks(inputs):
            return None
        return self._answers([_example(inputs, "inputs")], single_name("inputs"))[0]

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The answers to a column of dicts; messages number its rows from `start`."""
        answers: list[Any] = []
        with progress_bar(progress, length_of(inputs)) as advance:
            pieces = pieces_of(inputs, "inputs", _WINDOW)
            for values in (piece[part] for piece in pieces for part in portions(piece)):
                row_name = rows_of("inputs", start + len(answers))
                kept = [row for row, value in enumerate(values) if not (self.skips and _lacks(value))]
                found: list[Any] = [None] * len(values)
                examples = [_example(values[row], row_name(row)) for row in kept]
                named = [row_name(row) for row in kept]
                for row, answer in zip(kept, self._answers(examples, named.__getitem__), strict=True):
                    found[row] = answer
                answers += found
                advance(len(found))
        return answers

    def _answers(self, examples: list[tuple[str, str]], row_name: RowName) -> list[Any]:
        """The answers to (question, context)."""
        if not examples:
            return []
        questions, contexts = map(list, zip(*examples, strict=True))
        rows = self._encode(*((questions, contexts) if self.question_first else (contexts, questions)), row_name)
        samples = rows.extras["samples"].tolist()
        windows: list[tuple[float, list[_Span]]] = [(1.0, [])] * len(samples)
        for chosen, logits in self.model._logits_of_rows(rows, lambda row: row_name(samples[row])):
            end = 0
            for row in chosen.tolist():
                begin, end = end, end + int(rows.offsets[row + 1] - rows.offsets[row])
                windows[row] = self._spans(rows, row, logits[begin:end])
        of_examples: list[list[tuple[float, list[_Span]]]] = [[] for _ in examples]
        for sample, window in zip(samples, windows, strict=True):
            of_examples[sample].append(window)
        return [self._best(context, found) for context, found in zip(contexts, of_examples, strict=True)]

    def _encode(self, firsts: list[str], seconds: list[str], row_name: RowName) -> Rows:
        try:
            return self.tokenizer._encode_for_model(firsts, seconds, self.encoding)
        except ValueError:
            raise_for_bad_row(self.tokenizer, firsts, seconds, self.encoding, (row_name, row_name))
            raise

    def _spans(self, rows: Rows, row: int, logits: NDArray[np.float32]) -> tuple[float, list[_Span]]:
        """The probability that there is no answer, and the most likely spans, from the logits (T, 2) of a row."""
        begin, end = int(rows.offsets[row]), int(rows.offsets[row + 1])
        own = rows.extras["sequences"][begin:end] == (1 if self.question_first else 0)
        candidates = own | (rows.ids[begin:end] == self.tokenizer.cls_token_id)
        scores = softmax(np.where(candidates[:, None], logits, np.float32(_EXCLUDED)), axis=0)
        places = np.flatnonzero(own)
        starts, ends = scores[places, 0], scores[places, 1]
        table = np.zeros((min(self.answer_tokens, len(places)), len(places)), np.float32)
        for more in range(len(table)):  # row `more`: answers of `more` tokens after the first one
            table[more, : len(places) - more] = starts[: len(places) - more] * ends[more:]
        flat = table.ravel()
        count = min(self.top_k * 2 + 10 if self.aligns else self.top_k, flat.size)  # words may make several the same
        best = np.argpartition(-flat, count - 1)[:count] if count else np.zeros(0, np.intp)
        best = best[np.argsort(-flat[best], kind="stable")]
        words, spans = rows.extras["words"][begin:end][own], rows.extras["spans"][begin:end][own]
        found = []
        for index in best[flat[best] > 0].tolist():
            more, first = divmod(index, len(places))
            found.append(_Span(float(flat[index]), *self._characters(words, spans, first, first + more)))
        return float(scores[0, 0] * scores[0, 1]), found

    def _characters(self, words: NDArray[np.int32], spans: NDArray[np.int32], first: int, last: int) -> tuple[int, int]:
        """The characters of the context from the first token to the last one, or of their words."""
        if self.aligns and words[first] >= 0 and words[last] >= 0:
            first = int(np.searchsorted(words, words[first], side="left"))
            last = int(np.searchsorted(words, words[last], side="right")) - 1
        return int(spans[first, 0]), int(spans[last, 1])

    def _best(self, context: str, windows: list[tuple[float, list[_Span]]]) -> Any:
        """The most likely answers of the windows of a context; scores of equal ones are added."""
        answers: dict[str, dict[str, Any]] = {}
        for _, spans in windows:
            for score, start, end in spans:
                text = context[start:end]
                same = answers.setdefault(text.lower(), {"score": 0.0, "start": start, "end": end, "answer": text})
                same["score"] += score
        found = list(answers.values())
        if self.impossible:
            found.append({"score": min(null for null, _ in windows), "start": 0, "end": 0, "answer": ""})
        found = sorted(found, key=lambda answer: -answer["score"])[: self.top_k]
        return found[0] if len(found) == 1 else found


def _examples(inputs: tuple[Any, ...], question: Any, context: Any) -> Any:
    """The dicts of a call, from its arguments."""
    if question is not None or context is not None:
        if inputs or question is None or context is None:
            raise ValueError("give question and context, both by name, or dicts of them alone")
        return _pairs(question, context)
    if len(inputs) == 2 and all(isinstance(part, str) for part in inputs):
        return _pairs(*inputs)
    if len(inputs) != 1:
        return list(inputs)
    if isinstance(inputs[0], str):
        raise ValueError("inputs is a str; give question=... and context=..., or a dict of them")
    one = inputs[0]
    return (
        one if isinstance(one, (Mapping, Iterator)) or is_dataset(one) or is_missing(one) else values_of(one, "inputs")
    )


def _pairs(question: Any, context: Any) -> list[dict[str, Any]]:
    if isinstance(question, str):
        if not isinstance(context, str):
            raise ValueError("question is one str, but context is not; give one context, or a question for each")
        return [{"question": question, "context": context}]
    questions = values_of(question, "question")
    contexts = [context] * len(questions) if isinstance(context, str) else values_of(context, "context")
    if len(questions) != len(contexts):
        raise ValueError(
            f"question has {len(questions)} rows, but context {len(contexts)}; give columns of equal length"
        )
    return [{"question": one, "context": other} for one, other in zip(questions, contexts, strict=True)]


def _lacks(example: Any) -> bool:
    """Whether an example, its question or its context is missing."""
    if isinstance(example, Mapping):
        return is_missing(example.get("question", "")) or is_missing(example.get("context", ""))
    return is_missing(example)


def _example(example: Any, name: str) -> tuple[str, str]:
    """The question and the context of a dict, checked."""
    if not isinstance(example, Mapping) or not {"question", "context"} <= example.keys():
        raise ValueError(f'{name} is {short(example)}; give a dict {{"question": ..., "context": ...}}')
    question, context = example["question"], example["context"]
    for key, value in (("question", question), ("context", context)):
        if is_missing(value):
            raise ValueError(
                f'{name}["{key}"] is missing ({value!r}); drop such rows, or give na="skip" to return None'
            )
        if not isinstance(value, str):
            raise TypeError(f'{name}["{key}"] is {short(value)} of type {type(value).__name__}; it must be a str')
        if not value:
            raise ValueError(f'{name}["{key}"] is empty; it must have at least one character')
    return str.__str__(question), str.__str__(context)


def _count(name: str, value: Any, default: int) -> int:
    if value is None:
        return default
    if not is_integer(value):
        raise TypeError(f"{name} is {value!r}; it must be an integer")
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be at least 1")
    return int(value)
