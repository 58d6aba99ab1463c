"""`pipeline("zero-shot-classification")`: a model of entailment chooses among labels that it has not learnt."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deberta_c._base.errors import short, warn_caller
from deberta_c._columns.texts import (
    Missing,
    RowName,
    distinct,
    is_missing,
    pieces_of,
    rows_of,
    single_name,
    texts_of,
    values_of,
)
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.config import PreTrainedConfig
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.outputs import softmax
from deberta_c._models.packing import offsets_of
from deberta_c._models.predict import BATCH_TOKENS, batches, check_rows, progress_bar
from deberta_c._pipelines.base import Pipeline, length_of, switch
from deberta_c._pipelines.pairs import Pairs
from deberta_c._tokenizers.rows import Rows
from deberta_c._tokenizers.tokenizer import PreTrainedTokenizerFast, raise_for_bad_row, warn_of_cuts

TEMPLATE = "This example is {}."
Template = str | Mapping[Any, str]

_ROWS = 8192  # texts of a column that are read and encoded at once, and the pairs that they make
_PAIRS = 1 << 18


class ZeroShotClassificationPipeline(Pipeline[SequenceClassifier]):
    """Scores labels that are chosen at the call: call it with a str or a column of them, and `candidate_labels`.

    The model is one of entailment (NLI). Each text with the hypothesis of each label is a pair, and the logit that
    the text entails the hypothesis is the logit of the label. One str returns a dict with "sequence" (the text),
    "labels" (the most likely first) and "scores" (their probabilities), a column a list of such dicts, an iterator an
    iterator of them.

    Options of `pipeline` and of a call:

    - `candidate_labels`: a list, or a str of labels with commas between them; or a list of lists, one for each text.
    - `hypothesis_template`: has {} in place of the label, "This example is {}." by default; or a dict with the whole
      hypothesis of each label.
    - `multi_label`: False makes the scores of the labels of a text sum to 1. True scores each label by itself, as the
      probability of entailment against contradiction; a single label is always scored so.
    - `contradiction_label`: the label of the model that `multi_label` takes for contradiction. By default it is label
      0, or if that is entailment the last one, as in transformers.
    - `max_length`: the limit of a pair in tokens, by default that of the tokenizer. Only the text is cut.

    Entailment is the first label of the model that begins with "entail" in upper or lower case; without one it is the
    last label, with a warning. Texts and hypotheses are encoded once each, pairs are computed without padding, and
    equal ones (of 8,192 texts) once.

    Errors: ValueError for an empty list of labels or a template without {}; TypeError if there are no labels; TypeError
    and ValueError as in `predict`.

    >>> import deberta_c
    >>> tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    >>> config = deberta_c.DebertaV2Config(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2,
    ...     num_attention_heads=2, intermediate_size=16, id2label={0: "entailment", 1: "not_entailment"})
    >>> untrained = deberta_c.AutoModelForSequenceClassification.from_config(config)
    >>> classifier = deberta_c.pipeline("zero-shot-classification", model=untrained, tokenizer=tokenizer)
    >>> answer = classifier("The match ended in a draw", candidate_labels="sport, politics")
    >>> list(answer), sorted(answer["labels"]), round(sum(answer["scores"]), 5)
    (['sequence', 'labels', 'scores'], ['politics', 'sport'], 1.0)
    """

    task = "zero-shot-classification"
    opener = AutoModelForSequenceClassification
    takes = SequenceClassifier
    _option_names = ("candidate_labels", "hypothesis_template", "multi_label", "contradiction_label", "max_length")

    def __init__(self, model: SequenceClassifier, tokenizer: Any = None, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        if self.entailment_id == -1:
            warn_caller(
                UserWarning(
                    f"no label of the model begins with 'entail': they are {short(list(model.config.label2id))}; "
                    "the last one is taken for entailment. If it is a model of entailment, name its labels in "
                    "config.label2id"
                )
            )

    @property
    def entailment_id(self) -> int:
        """The number of the label that means entailment; -1, the last one, if no label begins with "entail"."""
        return _entailment(self.model.config)

    def __call__(self, sequences: Any, candidate_labels: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """The scores of labels for `sequences`; options replace those of the constructor for this call."""
        if candidate_labels is not None:
            options["candidate_labels"] = candidate_labels
        return super().__call__(sequences, **options)

    def _new_plan(self, options: Mapping[str, Any]) -> "_Plan":
        return _Plan(self.model, self.tokenizer, options)

    def _with_current_names(self, options: dict[str, Any]) -> dict[str, Any]:
        """`multi_class`, a former name, with a warning."""
        if "multi_class" in options:
            warn_caller(UserWarning("multi_class has become multi_label; give that"))
            options = {"multi_label": options.pop("multi_class"), **options}
        return options

    def _answer_inputs(self, inputs: Any, plan: Any, options: Mapping[str, Any], batch_size: int) -> Any:
        plan.check_length(1 if isinstance(inputs, str) else length_of(inputs))
        return super()._answer_inputs(inputs, plan, options, batch_size)


class _Choice(NamedTuple):
    """The labels of a text, and the numbers of their hypotheses."""

    labels: list[Any]
    hypotheses: NDArray[np.int64]


class _Plan:
    """The checked options of a call."""

    def __init__(
        self, model: SequenceClassifier, tokenizer: PreTrainedTokenizerFast, options: Mapping[str, Any]
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.na: Missing = options.get("na") or "raise"
        self.multi_label = switch(options, "multi_label")
        self.columns = [_contradiction(model.config, options.get("contradiction_label")), _entailment(model.config)]
        self.limited = options.get("max_length") is not None  # whether the caller chose the limit
        limits = tokenizer._encode_options("only_first", options.get("max_length"), pairs=True)
        self.limit: int | None = limits.get("max_length")
        self.encoding = tokenizer._encode_options(False, None, add_special_tokens=False)
        lists, self.for_each_row = _label_lists(options.get("candidate_labels"))
        template = options.get("hypothesis_template", TEMPLATE)
        numbers: dict[str, int] = {}
        self.choices = [
            _Choice(labels, np.array([numbers.setdefault(_said(template, label), len(numbers)) for label in labels]))
            for labels in lists
        ]
        self.hypotheses = self._encode(list(numbers), lambda row: f"the hypothesis {list(numbers)[row]!r}")
        most = max((len(choice.labels) for choice in self.choices), default=1)
        self.window = max(min(_ROWS, _PAIRS // most), 1)

    def check_length(self, rows: int | None) -> None:
        """TypeError if there are no labels, ValueError if there is a list of them for each of another number of rows;
        `rows` may be unknown."""
        if not self.choices:
            raise TypeError("candidate_labels is missing; give the labels to choose from, in pipeline or in the call")
        if self.for_each_row and rows is not None and rows != len(self.choices):
            raise ValueError(
                f"candidate_labels has {len(self.choices)} lists of labels, but inputs has {rows} texts; give a list "
                "for each text, or one list of str for all"
            )

    def one(self, inputs: Any) -> Any:
        """The result of one text."""
        answer, cut = self._answers([inputs], self.choices[:1], single_name("inputs"))
        self._warn(cut, 1)
        return answer[0]

    def column(self, inputs: Iterable[Any], start: int = 0, progress: bool = False) -> list[Any]:
        """The results of a column; messages number its rows from `start`."""
        answers: list[Any] = []
        cut = 0
        with progress_bar(progress, length_of(inputs)) as advance:
            for values in pieces_of(inputs, "inputs", self.window):
                begin = start + len(answers)
                row_name = rows_of("inputs", begin)
                texts, missing = texts_of(values, "inputs", self.na, row_name)
                choices = self._choices_of(begin, len(texts))
                found: list[Any] = [None] * len(texts)
                kept = list(range(len(texts)))
                if missing is not None and self.na == "skip":
                    kept = np.flatnonzero(~missing).tolist()
                    advance(len(texts) - len(kept))
                some, lost = self._answers(
                    [texts[row] for row in kept],
                    [choices[row] for row in kept],
                    _names_of(row_name, kept),
                    advance,
                )
                for row, answer in zip(kept, some, strict=True):
                    found[row] = answer
                answers += found
                cut += lost
        self._warn(cut, len(answers))
        return answers

    def _choices_of(self, begin: int, count: int) -> list[_Choice]:
        """The labels of `count` rows from number `begin` on."""
        if not self.for_each_row:
            return self.choices * count
        choices = self.choices[begin : begin + count]
        self.check_length(None if len(choices) == count else begin + count)
        return choices

    def _answers(
        self,
        texts: list[str],
        choices: list[_Choice],
        row_name: RowName,
        advance: Callable[[int], object] = lambda _: None,
    ) -> tuple[list[dict[str, Any]], int]:
        """The result of each text, and how many of them were cut."""
        if not texts:
            return [], 0
        different, which = distinct(texts)
        offsets = offsets_of(np.array([len(choice.labels) for choice in choices]))
        owners = np.repeat(np.arange(len(texts)), np.diff(offsets))
        hypotheses, count = np.concatenate([choice.hypotheses for choice in choices]), len(self.hypotheses.offsets) - 1
        keys, seen, places = np.unique(which[owners] * count + hypotheses, return_index=True, return_inverse=True)
        firsts = self._encode(different, lambda number: row_name(int((which == number).argmax())))
        pairs = Pairs(self.tokenizer, firsts, self.hypotheses, keys // count, keys % count, self.limit)
        logits = self._logits(pairs, lambda pair: row_name(int(owners[seen[pair]])), len(texts), advance)[places]
        answers = [
            self._answer(text, choice.labels, logits[offsets[row] : offsets[row + 1]])
            for row, (text, choice) in enumerate(zip(texts, choices, strict=True))
        ]
        return answers, len(np.unique(owners[pairs.cut[places]]))

    def _encode(self, texts: list[str], row_name: RowName) -> Rows:
        """Texts without special tokens."""
        try:
            return self.tokenizer._encode_for_model(texts, None, self.encoding)
        except ValueError:
            raise_for_bad_row(self.tokenizer, texts, None, self.encoding, (row_name, row_name))
            raise

    def _logits(
        self, pairs: Pairs, pair_name: RowName, texts: int, advance: Callable[[int], object]
    ) -> NDArray[np.float32]:
        """Logits (pairs, 2) of contradiction and entailment; `texts` is what `advance` counts to."""
        self.model._require_head()
        logits = np.empty((len(pairs.lengths), 2), np.float32)
        done = shown = 0
        for chosen in batches(pairs.lengths, BATCH_TOKENS):
            rows = pairs.rows(chosen)
            check_rows(rows, self.model._settings, _names_of(pair_name, chosen), "")
            found = self.model._core.forward(rows.ids, rows.offsets, types=rows.types)[0]
            assert found is not None
            logits[chosen] = found[:, self.columns]
            done += len(chosen)
            advance(texts * done // len(logits) - shown)
            shown = texts * done // len(logits)
        return logits

    def _answer(self, text: str, labels: list[Any], logits: NDArray[np.float32]) -> dict[str, Any]:
        """The result of a text, from the logits (labels, 2) of contradiction and entailment."""
        by_itself = self.multi_label or len(labels) == 1
        scores = softmax(logits)[:, 1] if by_itself else softmax(logits[:, 1])
        order = scores.argsort()[::-1]
        return {"sequence": text, "labels": [labels[place] for place in order], "scores": scores[order].tolist()}

    def _warn(self, cut: int, texts: int) -> None:
        if cut and not self.limited and self.limit is not None:
            warn_of_cuts(cut, f"{texts} texts", self.limit)


def hypothesis(template: str, label: Any) -> str:
    """What a template says of a label; ValueError unless it has {} in place of the label.

    >>> hypothesis(TEMPLATE, "about sport")
    'This example is about sport.'
    """
    try:
        said = template.format(label)
    except (IndexError, KeyError, ValueError):
        said = template
    if said == template:
        raise ValueError(f"hypothesis_template is {template!r}; it must have {{}} in place of the label")
    return said


def _names_of(row_name: RowName, rows: Sequence[int] | NDArray[np.int64]) -> RowName:
    """Names for some of the rows."""
    return lambda row: row_name(int(rows[row]))


def _said(template: Any, label: Any) -> str:
    if isinstance(template, str):
        return hypothesis(template, label)
    if not isinstance(template, Mapping):
        raise TypeError(
            f"hypothesis_template is {short(template)}; it must be a str with {{}}, or a dict of hypotheses"
        )
    if not isinstance(said := template.get(label), str):
        raise ValueError(f"hypothesis_template has no hypothesis for {label!r}; map each label to a str")
    return said


def _label_lists(given: Any) -> tuple[list[list[Any]], bool]:
    """The lists of labels, none if none are given, and whether there is one for each row."""
    if given is None:
        return [], False
    if isinstance(given, str):
        given = [label for part in given.split(",") if (label := part.strip())]
    values = values_of(given, "candidate_labels")
    if any(isinstance(value, (list, tuple)) for value in values):
        return [_labels(value, f"candidate_labels[{row}]") for row, value in enumerate(values)], True
    return [_labels(values, "candidate_labels")], False


def _labels(values: Any, name: str) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{name} is {short(values)}; give a list of labels for every text, or one list of str for all")
    if not values:
        raise ValueError(f"{name} is empty; give at least one label")
    for place, label in enumerate(values):
        if is_missing(label):
            raise ValueError(f"{name}[{place}] is missing ({label!r}); give a str")
    return list(values)


def _entailment(config: PreTrainedConfig) -> int:
    return next((number for label, number in config.label2id.items() if label.lower().startswith("entail")), -1)


def _contradiction(config: PreTrainedConfig, label: Any) -> int:
    """The number of the label that means contradiction, by its name, or by its place as in transformers."""
    if label is None:
        return -1 if _entailment(config) == 0 else 0
    if label not in config.label2id:
        raise ValueError(
            f"contradiction_label is {label!r}; the labels of the model are {short(list(config.label2id))}"
        )
    return int(config.label2id[label])
