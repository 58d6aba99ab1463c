"""`pipeline("token-classification")`: labels of tokens, or of groups of tokens (entities)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import warn_caller
from deberta_c._columns.texts import RowName, is_missing, rows_of, values_of
from deberta_c._models.auto import AutoModelForTokenClassification
from deberta_c._models.heads import TokenClassifier
from deberta_c._models.outputs import softmax
from deberta_c._models.packing import offsets_of
from deberta_c._pipelines.base import Pipeline, TokenPlan, switch
from deberta_c._pipelines.windows import default_stride
from deberta_c._tokenizers.inputs import raise_for_bad_words, read_words
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast

# The scores (C) of a word from those of its tokens (T, C).
_OF_WORD: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "first": lambda scores: scores[0],
    "average": lambda scores: scores.mean(axis=0),
    "max": lambda scores: scores[scores.max(axis=1).argmax()],
}
_STRATEGIES = ("none", "simple", *_OF_WORD)


class TokenClassificationPipeline(Pipeline[TokenClassifier]):
    """Finds entities in texts: call it with a str or a column of them.

    One str returns a list of dicts, a column a list of such lists, an iterator an iterator of them. A dict has "entity"
    (a label), "score" (its probability, a float), "index" (of the token in the row), "word" (the token), "start" and
    "end" (its characters in the text). For groups of tokens it has "entity_group" (a label without B- or I-), "score"
    (the mean), "word", "start" and "end".

    Options of `pipeline` and of a call:

    - `aggregation_strategy`: "none" returns each token; "simple" groups adjacent tokens with the same label, and B-
      begins a new group; "first", "average" and "max" first choose one label for each word: that of its first token, of
      the mean of its tokens' scores, or of its most certain token.
    - `ignore_labels`: labels that are not returned, ["O"] by default.
    - `windows=True`: a text longer than `tokenizer.model_max_length` is read in windows that overlap by `stride`
      tokens, by default a quarter of the limit; of overlapping entities the longer one is kept, then the more likely
      one. `stride` alone means the same. Without both the text is cut, with a warning.
    - `trim_offsets`: excludes white space at both ends from "start" to "end"; tokens of DeBERTa v3 begin with it.
    - `is_split_into_words`: texts are lists of words, which are also the words of the strategies; "start" and "end" are
      characters of the words joined by `delimiter`, a space by default. One list of words returns a list of one result.

    Words are those of the tokenizer, for every family; the "word" of a group is decoded from all its tokens.
    docs/differences.md describes how transformers differs.

    Errors: ValueError for invalid options; TypeError and ValueError as in `predict`; RuntimeError if the head is
    missing.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16, id2label={0: "O", 1: "B-PER", 2: "I-PER"})
    >>> untrained = deberta_c.AutoModelForTokenClassification.from_config(config)
    >>> ner = deberta_c.pipeline("ner", model=untrained, tokenizer=tokenizer, aggregation_strategy="first")
    >>> all(answer["entity_group"] == "PER" for answer in ner("Ann is at home"))
    True
    """

    task = "token-classification"
    other_names = ("ner",)
    opener = AutoModelForTokenClassification
    takes = TokenClassifier

    _option_names = (
        "aggregation_strategy",
        "ignore_labels",
        "windows",
        "stride",
        "trim_offsets",
        "is_split_into_words",
        "delimiter",
    )

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)

    def _with_current_names(self, options: dict[str, Any]) -> dict[str, Any]:
        """`grouped_entities` and `ignore_subwords`, former names, with a warning."""
        grouped, whole = options.pop("grouped_entities", None), options.pop("ignore_subwords", None)
        if grouped is None and whole is None:
            return options
        strategy = ("first" if whole else "simple") if grouped else "none"
        warn_caller(UserWarning(f'grouped_entities has become aggregation_strategy="{strategy}"; give that'))
        return {"aggregation_strategy": strategy, **options}


class _Token(NamedTuple):
    """A token of a text."""

    place: int  # its index in the row
    word: str
    start: int
    end: int


class _Part(NamedTuple):
    """One or more tokens with a label."""

    label: str
    score: float
    tokens: list[_Token]


class _Plan(TokenPlan[TokenClassifier]):
    """The checked options of a call."""

    def __init__(self, model: TokenClassifier, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]) -> None:
        strategy = options.get("aggregation_strategy") or "none"
        if not isinstance(strategy, str) or strategy.lower() not in _STRATEGIES:
            raise ValueError(f"aggregation_strategy is {strategy!r}; it must be one of {', '.join(_STRATEGIES)}")
        self.strategy = strategy.lower()
        self.ignored = _labels(options.get("ignore_labels"))
        self.trims = switch(options, "trim_offsets")
        self.split = switch(options, "is_split_into_words")
        self.delimiter = options.get("delimiter", " ")
        if not isinstance(self.delimiter, str):
            raise TypeError(f"delimiter is {self.delimiter!r}; it must be a str")
        stride = options.get("stride")
        windows = switch(options, "windows", stride is not None)
        if windows and self.strategy == "none":
            raise ValueError(
                'stride and windows need groups of tokens; give aggregation_strategy="simple" or another, not "none"'
            )
        if windows and stride is None:
            stride = default_stride(tokenizer, None)
        encoding = tokenizer._encode_options(True, None, overflow=windows, stride=stride or 0)
        encoding["want"] = ("spans", "words", "sequences")
        super().__init__(model, tokenizer, encoding, options, limited=windows)

    def one(self, inputs: Any) -> Any:
        """The entities of a text."""
        if self.split:
            raise TypeError("inputs is a str; with is_split_into_words give a list of words, or a list of such lists")
        return super().one(inputs)

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The entities of each text of a column; a text may be a list of words."""
        if not self.split:
            return super().column(inputs, start, progress)
        values = values_of(inputs, "inputs")
        if not values:
            return []
        missing = [self._na != "raise" and is_missing(value) for value in values]
        if not any(missing) or any(isinstance(value, str) for value in values):
            return self._of_words(values, start)
        found = self._of_words([[] if lacks else value for value, lacks in zip(values, missing, strict=True)], start)
        if self._na == "empty":
            return found
        return [None if lacks else answer for answer, lacks in zip(found, missing, strict=True)]

    def _of_words(self, values: list[Any], start: int) -> list[Any]:
        """The entities of texts in words, or a list of those of one text in words."""
        words = read_words(values, None, "inputs")
        assert words.bounds is not None
        bounds = words.bounds[0]
        if not words.single:
            words = replace(words, names=(rows_of("inputs", start), rows_of("inputs", start)))
        texts = [self.delimiter.join(words.firsts[begin:end]) for begin, end in pairwise(bounds.tolist())]
        try:
            rows = self.tokenizer._encode_for_model(words.firsts, None, self._encoding | words.words())
        except ValueError as error:
            raise_for_bad_words(words, error)
            raise
        self._warn(rows.cut, f"{len(texts)} texts")
        return self.answers(texts, self._in_texts(rows, words.firsts, bounds), words.names[0])

    def _in_texts(self, rows: Rows, words: Sequence[str], bounds: NDArray[np.int64]) -> Rows:
        """Rows whose spans are characters of the joined words, not of each word."""
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + len(self.delimiter)
        starts = np.append(offsets_of(lengths)[:-1], 0)  # for rows without a word
        samples = rows.extras.get("samples", np.arange(len(rows.offsets) - 1))
        first = np.repeat(bounds[:-1][samples], np.diff(rows.offsets))  # the first word of the text, for each token
        own = rows.extras["words"] >= 0
        spans = rows.extras["spans"].copy()
        spans[own] += (starts[first + rows.extras["words"]] - starts[first])[own, None].astype(spans.dtype)
        return rows._replace(extras={**rows.extras, "spans": spans})

    def answers(self, texts: list[str], rows: Rows, row_name: RowName) -> list[Any]:
        """The entities of each text."""
        labels = self.model.labels()
        samples = rows.extras["samples"].tolist() if "samples" in rows.extras else list(range(len(texts)))
        found: list[list[dict[str, Any]]] = [[] for _ in samples]
        for chosen, logits in self.model._logits_of_rows(rows, lambda row: row_name(samples[row])):
            scores = softmax(logits)
            end = 0
            for row in chosen.tolist():
                begin, end = end, end + int(rows.offsets[row + 1] - rows.offsets[row])
                found[row] = self._entities(texts[samples[row]], rows, row, scores[begin:end], labels)
        answers: list[list[list[dict[str, Any]]]] = [[] for _ in texts]
        for sample, entities in zip(samples, found, strict=True):
            answers[sample].append(entities)
        return [windows[0] if len(windows) == 1 else _without_overlaps(windows) for windows in answers]

    def _entities(
        self, text: str, rows: Rows, row: int, scores: NDArray[np.float32], labels: list[str]
    ) -> list[dict[str, Any]]:
        """The entities of a row of tokens with scores (T, C)."""
        begin, end = rows.offsets[row], rows.offsets[row + 1]
        own = np.flatnonzero(rows.extras["sequences"][begin:end] >= 0)
        tokens = self._tokens(text, rows, int(begin), own)
        parts = self._parts(tokens, scores[own], rows.extras["words"][begin + own].tolist(), labels)
        if self.strategy == "none":
            return [self._answer(text, "entity", part) for part in parts if part.label not in self.ignored]
        groups = map(_joined, _groups(parts))
        return [self._answer(text, "entity_group", group) for group in groups if group.label not in self.ignored]

    def _tokens(self, text: str, rows: Rows, begin: int, own: NDArray[np.intp]) -> list[_Token]:
        pieces = self.tokenizer.convert_ids_to_tokens(rows.ids[begin + own])
        spans = rows.extras["spans"][begin + own].tolist()
        unknown = (rows.ids[begin + own] == self.tokenizer.unk_token_id).tolist()
        return [
            _Token(place, text[start:end] if strange else piece, start, end)
            for place, piece, (start, end), strange in zip(own.tolist(), pieces, spans, unknown, strict=True)
        ]

    def _parts(
        self, tokens: list[_Token], scores: NDArray[np.float32], words: list[int], labels: list[str]
    ) -> list[_Part]:
        """The tokens, or their words, with the label of each."""
        groups = [[token] for token in tokens]
        if self.strategy in _OF_WORD:
            bounds = _word_bounds(words)
            groups = [tokens[begin:end] for begin, end in bounds]
            of_words = [_OF_WORD[self.strategy](scores[begin:end]) for begin, end in bounds]
            scores = np.array(of_words, np.float32).reshape(len(bounds), len(labels))
        best = scores.argmax(axis=1).tolist(), scores.max(axis=1).tolist()
        return [_Part(labels[label], score, group) for label, score, group in zip(*best, groups, strict=True)]

    def _answer(self, text: str, key: str, part: _Part) -> dict[str, Any]:
        start, end = part.tokens[0].start, part.tokens[-1].end
        if self.trims:
            inner = text[start:end]
            start, end = end - len(inner.lstrip()), start + len(inner.rstrip())
        answer: dict[str, Any] = {key: part.label, "score": part.score}
        if key == "entity":
            answer |= {"index": part.tokens[0].place, "word": part.tokens[0].word}
        else:
            answer["word"] = self.tokenizer.convert_tokens_to_string([token.word for token in part.tokens])
        return answer | {"start": start, "end": max(start, end)}


def _labels(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset(["O"])
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"ignore_labels is {value!r}; it must be a list of labels, [] to return all")
    return frozenset(value)


def _word_bounds(words: list[int]) -> list[tuple[int, int]]:
    """Where words begin and end, from the word number of each token; a token with a negative number is a word.

    >>> _word_bounds([0, 0, 1, -1, -1, 2])
    [(0, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    """
    begins = [place for place, word in enumerate(words) if not place or word < 0 or word != words[place - 1]]
    return list(pairwise([*begins, len(words)]))


def _groups(parts: list[_Part]) -> list[list[_Part]]:
    """Groups of adjacent parts with the same label; B- begins a new group.

    >>> [len(group) for group in _groups([_Part(label, 1, []) for label in ("B-A", "I-A", "B-A", "I-B", "B")])]
    [2, 1, 2]
    """
    groups: list[list[_Part]] = []
    for part in parts:
        begins, kind = _kind(part.label)
        if groups and not begins and kind == _kind(groups[-1][-1].label)[1]:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _kind(label: str) -> tuple[bool, str]:
    """Whether a label begins a group, and the label without its prefix.

    >>> _kind("B-PER"), _kind("I-PER"), _kind("PER")
    ((True, 'PER'), (False, 'PER'), (False, 'PER'))
    """
    return label.startswith("B-"), label[2:] if label.startswith(("B-", "I-")) else label


def _joined(group: list[_Part]) -> _Part:
    """A group as one part; its label is the text after the first hyphen."""
    score = float(np.mean([part.score for part in group], dtype=np.float32))
    return _Part(group[0].label.split("-", 1)[-1], score, [token for part in group for token in part.tokens])


def _without_overlaps(windows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The entities of the windows of a text, in order; of overlapping ones the longest, then the most likely."""
    kept: list[dict[str, Any]] = []
    for entity in sorted((entity for window in windows for entity in window), key=lambda entity: entity["start"]):
        if not kept or entity["start"] >= kept[-1]["end"]:
            kept.append(entity)
        elif _weight(entity) > _weight(kept[-1]):
            kept[-1] = entity
    return kept


def _weight(entity: Mapping[str, Any]) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
