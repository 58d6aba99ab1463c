"""`classify`, `zero-shot`, texts of the command line and `demo`: the labels of texts."""

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deberta_c._base.about import default_model, sample_messages
from deberta_c._cli.columns import require_columns, text_cells
from deberta_c._columns.table_writers import writing
from deberta_c._columns.tables import KINDS, STANDARD, Chunk, Format, Row, format_of, read_chunks, shown
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import MULTIPLE
from deberta_c._models.outputs import names_of_given
from deberta_c._pipelines.factory import pipeline
from deberta_c._pipelines.zero_shot import TEMPLATE

TEXT_EXAMPLES = """\
examples:
  python -m deberta_c "See you at home" "Free entry! Call now"
  python -m deberta_c --model DIR --labels-only - < texts.txt
  python -m deberta_c --json "See you at home" | jq .label"""
EXAMPLES = """\
examples:
  %(prog)s reviews.csv --column review --out labelled.csv
  %(prog)s reviews.tsv --label-name sentiment --score-name sure --all-scores > labelled.tsv
  %(prog)s pairs.jsonl --model DIR --column question --pair-column answer --out labelled.parquet
  %(prog)s - --format csv --delimiter ";" --labels-only < reviews.txt | sort | uniq -c
  %(prog)s reviews.csv --column review --json | jq .predicted_label"""
ZERO_SHOT_EXAMPLES = """\
examples:
  %(prog)s mails.csv --model NLI --labels "billing, delivery, praise" --out sorted.csv
  %(prog)s - --model NLI --labels "urgent, can wait" --labels-only < mails.txt
  %(prog)s mails.csv --model NLI --labels "billing, praise" --multi-label --all-scores --json"""

_SEPARATOR = ";"  # of the labels of a text, where it may have several


def open_model(options: argparse.Namespace) -> SequenceClassifier:
    """The model of --model in the type of --dtype."""
    directory = default_model() if options.model is None else options.model
    return AutoModelForSequenceClassification.from_pretrained(directory, dtype=options.dtype)


# ---- options ----


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of `classify`."""
    _add_table_options(command)
    command.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    command.add_argument(
        "--label-separator",
        default=_SEPARATOR,
        metavar="TEXT",
        help="what separates the labels of a text in csv, tsv and txt, of a model of independent labels: those whose "
        "probability is above 0.5 (default: %(default)s; other formats have lists)",
    )
    command.set_defaults(run=run, scorer=_trained_labels)


def add_zero_shot_options(command: argparse.ArgumentParser) -> None:
    """The options of `zero-shot`."""
    _add_table_options(command)
    command.add_argument("--model", required=True, help="a model of entailment (NLI): a directory or a name of the hub")
    command.add_argument("--labels", required=True, help="the labels to choose from, with commas between them")
    command.add_argument(
        "--hypothesis-template",
        default=TEMPLATE,
        help=f"what is said of a label, with {{}} in its place (default: {TEMPLATE})",
    )
    command.add_argument("--multi-label", action="store_true", help="score each label by itself")
    command.set_defaults(run=run, scorer=_labels_of_choice, pair_column=None)


def _add_table_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="a .csv, .tsv, .txt (one text per line), .jsonl, .json or .parquet file, all but the last also with .gz; "
        '"-" is standard input',
    )
    command.add_argument(
        "--out",
        type=Path,
        default=STANDARD,
        help="the file to write, of any of these kinds: IN with predicted_label and predicted_score (default: standard "
        "output, in the format of IN, or as csv for .txt and .parquet)",
    )
    command.add_argument(
        "--format",
        choices=sorted({*KINDS.values()} - {"parquet"}),
        help='how to read "-" as IN (default: txt), and how to write "-" as OUT, unless it has labels only',
    )
    command.add_argument("--column", "--text-column", default="text", help="the column of texts (default: text)")
    command.add_argument(
        "--label-name",
        default="predicted_label",
        metavar="NAME",
        help="the column to write labels to (default: %(default)s)",
    )
    command.add_argument(
        "--score-name",
        default="predicted_score",
        metavar="NAME",
        help="the column to write scores to (default: %(default)s)",
    )
    command.add_argument("--all-scores", action="store_true", help="add a column score_LABEL for every label")
    command.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    command.add_argument(
        "--na",
        choices=("raise", "empty", "skip"),
        default="raise",
        help="missing texts (null; in csv, tsv and txt also an empty cell or line): raise an error that names the "
        "line, treat them as empty texts, or skip them, which leaves their new columns empty (default: raise)",
    )
    command.add_argument("--chunk-rows", type=int, default=4096, help="rows read at a time (default: 4096)")
    command.add_argument(
        "--delimiter", help="the separator of columns in IN: one character, or tab; also of an output of the same kind"
    )
    command.add_argument("--no-quotes", action="store_true", help="treat quotation marks in csv and tsv as plain text")
    command.add_argument("--encoding", default="utf-8-sig", help="encoding of IN (default: utf-8); the output is utf-8")


# ---- texts of the command line ----


def run_texts(options: argparse.Namespace) -> None:
    """Prints a line for each text."""
    scorer = _trained_labels(open_model(options))
    for texts in _input_lines() if options.texts == ["-"] else [options.texts]:
        for text, (label, score) in zip(texts, _answers(scorer, texts), strict=True):
            print(_answer_line(text, label, score, options))
        sys.stdout.flush()


def _answers(scorer: "_Scorer", texts: list[str]) -> Iterator[tuple[Any, float]]:
    """The label of each text, or the list of its labels, and its score."""
    scores = scorer.scores(texts, None)
    return zip(scorer.labels_of(scores), scores.max(axis=1).tolist(), strict=True)


def _answer_line(text: str, label: Any, score: float, options: argparse.Namespace) -> str:
    if options.json:
        found = {"label": label} if options.labels_only else {"text": text, "label": label, "score": score}
        return json.dumps(found, ensure_ascii=False)
    shown = _joined(label, _SEPARATOR)
    return str(shown) if options.labels_only else f"{shown}\t{score:.4f}\t{text}"


def _joined(label: Any, separator: str | None) -> Any:
    """The labels of a text in one string, where it may have several and the output holds no lists."""
    return separator.join(label) if separator is not None and isinstance(label, list) else label


def _input_lines() -> Iterator[list[str]]:
    """The lines of standard input, one at a time if it is a terminal."""
    for chunk in read_chunks(STANDARD, Format("txt"), 1 if sys.stdin.isatty() else 1024):
        yield [row["text"] for row in chunk.rows]


def run_demo(options: argparse.Namespace) -> None:
    """Prints the labels of the sample messages."""
    with Path(sample_messages()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    start = time.perf_counter()
    model = open_model(options)
    loaded = time.perf_counter()
    scorer = _trained_labels(model)
    answers = list(_answers(scorer, [row["text"] for row in rows]))
    done = time.perf_counter()
    width = max(map(len, model.labels()))
    print(f"{'label':{width}}  probability  message")
    for row, (label, score) in zip(rows, answers, strict=True):
        print(f"{_joined(label, _SEPARATOR):{width}}  {score:11.4f}  {row['text']}")
    print(f"\nmodel opened in {(loaded - start) * 1e3:.0f} ms, {len(rows)} messages in {(done - loaded) * 1e3:.1f} ms")


# ---- a column of a file ----


def run(options: argparse.Namespace) -> None:
    """Writes the rows of a table with their labels and scores."""
    source, target = options.input, options.out
    reads = format_of(source, options.format or "txt", options.delimiter, options.encoding, not options.no_quotes)
    writes = _output_format(target, reads, options)
    _check_output(source, target)
    if options.chunk_rows < 1:
        raise ValueError(f"--chunk-rows is {options.chunk_rows}; it must be at least 1")
    chunks = read_chunks(source, reads, options.chunk_rows)
    first = next(chunks)  # a wrong file fails before the model is opened
    require_columns(first, reads, {"--column": options.column, "--pair-column": options.pair_column})
    scorer = options.scorer(open_model(options), options)
    separator = _separator(scorer, writes, options)
    added = _added_columns(scorer, separator, options)
    progress = _Progress(shown=target != STANDARD)
    try:
        with writing(target, writes, source, added) as write:
            for chunk in chain([first], chunks):
                kept = [] if options.labels_only else _without_clash(chunk, added, source)
                write([*kept, *added], _scored(chunk, kept, scorer, separator, added, reads, options))
                progress.advance(chunk)
    finally:
        progress.end()
    if target != STANDARD:
        print(f"wrote {str(target)!r}", file=sys.stderr)


class _Scorer(NamedTuple):
    """What classifies: its labels, whether a text may have several of them, its scores (N, labels) of texts, or of
    pairs, NaN for missing texts, and whether it has labels to choose from: a regression has none."""

    labels: list[str]
    several: bool
    scores: Callable[[list[Any], list[Any] | None], Any]
    chooses: bool = True

    @property
    def skipped(self) -> int:
        """How many of the columns label and score it does not have: without labels to choose from, no label, and of
        several numbers no score."""
        return 0 if self.chooses else min(len(self.labels), 2)

    def labels_of(self, scores: Any) -> list[Any]:
        """The label of each row, the list of its labels if it may have several, or None for a missing text."""
        if self.several:
            return names_of_given(scores, self.labels)
        best = zip(np.isnan(scores[:, 0]).tolist(), scores.argmax(axis=1).tolist(), strict=True)
        return [None if missing else self.labels[label] for missing, label in best]


def _trained_labels(model: SequenceClassifier, options: argparse.Namespace | None = None) -> _Scorer:
    """The labels that the model has learnt."""
    function = model.predict if model.probability_function() is None else model.predict_proba
    given = {} if options is None else {"max_length": options.max_length, "na": options.na}
    several = model.config.problem_type == MULTIPLE
    chooses = model.probability_function() is not None and model.num_labels > 1
    return _Scorer(model.labels(), several, lambda texts, pairs: function(texts, pairs, **given), chooses)


def _labels_of_choice(model: SequenceClassifier, options: argparse.Namespace) -> _Scorer:
    """The labels of `--labels`, of which each text has the best one."""
    labels = list(dict.fromkeys(label for part in options.labels.split(",") if (label := part.strip())))
    if not labels:
        raise ValueError(f"--labels is {options.labels!r}; give at least one label")
    classifier = pipeline(
        "zero-shot-classification",
        model,
        candidate_labels=labels,
        hypothesis_template=options.hypothesis_template,
        multi_label=options.multi_label,
        max_length=options.max_length,
        na=options.na,
    )

    def score(texts: list[Any], _: list[Any] | None) -> Any:
        scores = np.full((len(texts), len(labels)), np.nan, np.float32)
        for row, answer in enumerate(classifier(texts)):
            if answer is not None:
                scores[row, [labels.index(label) for label in answer["labels"]]] = answer["scores"]
        return scores

    return _Scorer(labels, False, score)


def _separator(scorer: _Scorer, writes: Format, options: argparse.Namespace) -> str | None:
    """What separates the labels of a text; None if it has one label, or the output holds lists.

    Errors: ValueError for a separator that a label contains.
    """
    if not scorer.several or writes.kind not in ("csv", "tsv", "txt"):
        return None
    separator: str = options.label_separator
    if not separator:
        raise ValueError("--label-separator is empty; give a separator, such as ';'")
    if wrong := [label for label in scorer.labels if separator in label]:
        raise ValueError(
            f"--label-separator is {separator!r}, which is part of the label {wrong[0]!r}; give another, or a .jsonl"
        )
    return separator


def _output_format(target: Path, reads: Format, options: argparse.Namespace) -> Format:
    default = "jsonl" if options.json else options.format or reads.kind
    if options.json and format_of(target, default).kind != "jsonl":
        raise ValueError(f"--json is given, but --out is {str(target)!r}; give a .jsonl file, or leave --json out")
    if options.labels_only and not options.json:
        default = "txt"
    elif default in ("txt", "parquet") and not options.labels_only:
        default = "csv"
    kind = format_of(target, default).kind
    if kind == "txt" and not options.labels_only:
        raise ValueError(f"--out is {str(target)!r}, but a .txt file can only contain labels; give --labels-only too")
    return format_of(target, default, reads.delimiter if kind == reads.kind and kind in ("csv", "tsv") else None)


def _check_output(source: Path, target: Path) -> None:
    """OSError or ValueError for a file that cannot be written, or that is the input under any name."""
    if target == STANDARD:
        return
    if not target.parent.is_dir():
        folder = str(target.parent)
        raise FileNotFoundError(f"--out is {str(target)!r}, but there is no folder {folder!r}; make it first")
    if source != STANDARD and source.exists() and target.exists() and source.samefile(target):
        raise ValueError(f"--out is {str(target)!r}, which is the input; give another file")


class _Progress:
    """A progress line on stderr."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._start, self._rows = time.perf_counter(), 0

    def advance(self, chunk: Chunk) -> None:
        """Shows that a chunk is done."""
        self._rows += len(chunk.rows)
        speed = self._rows / (time.perf_counter() - self._start)
        share = "" if chunk.share is None else f" {chunk.share:.0%},"
        if self._shown:
            print(f"\r{self._rows:,} rows,{share} {speed:,.0f} rows/s ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Ends the line, if one was shown."""
        if self._shown and self._rows:
            print(file=sys.stderr)


def _added_columns(scorer: _Scorer, separator: str | None, options: argparse.Namespace) -> dict[str, type]:
    """The columns of the predictions."""
    labels, kind = scorer.labels, list if scorer.several and separator is None else str
    if options.labels_only:
        if not scorer.chooses:
            raise ValueError(
                "--labels-only is given, but the model scores texts and has no labels to choose from; leave it out"
            )
        return {options.label_name: kind}
    if options.label_name == options.score_name:
        raise ValueError(f"--label-name and --score-name are both {options.label_name!r}; give two names")
    named: list[tuple[str, type]] = [(options.label_name, kind), (options.score_name, float)]
    added = dict(named[scorer.skipped :])
    if options.all_scores or not added:
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise ValueError(
                f"--all-scores adds a column for every label, but two labels are named {twice!r}; rename one in "
                "id2label of config.json"
            )
        for name in (f"score_{label}" for label in labels):
            if name in added:
                raise ValueError(f"--all-scores adds a column {name!r}; give --label-name and --score-name other names")
            added[name] = float
    return added


def _without_clash(chunk: Chunk, added: dict[str, type], source: Path) -> list[str]:
    """The columns of a table; ValueError if one has the name of a column to be written."""
    for name in chunk.names:
        if name in added:
            raise ValueError(
                f"{shown(source)} has the column {name!r}, which will be written; rename it, or give "
                "--label-name or --score-name"
            )
    return chunk.names


def _scored(
    chunk: Chunk,
    kept: list[str],
    scorer: _Scorer,
    separator: str | None,
    added: dict[str, type],
    reads: Format,
    options: argparse.Namespace,
) -> list[Row]:
    """The rows with their predictions."""
    if not chunk.rows:
        return []
    source = shown(options.input)
    remedy = "give --na empty to treat missing texts as empty, or --na skip to leave their labels empty"
    columns = [name for name in (options.column, options.pair_column) if name]
    cells = [text_cells(chunk, name, source, reads, remedy if options.na == "raise" else None) for name in columns]
    texts, pairs = cells[0], cells[1] if len(cells) > 1 else None
    try:
        scores = scorer.scores(texts, pairs)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{source}, from {chunk.place(0)} on: {error}") from error
    predictions = [
        _prediction(_joined(label, separator), values, scorer, added)
        for label, values in zip(scorer.labels_of(scores), scores, strict=True)
    ]
    if not kept:
        return predictions
    return [{**row, **prediction} for row, prediction in zip(chunk.rows, predictions, strict=True)]


def _prediction(label: Any, scores: Any, scorer: _Scorer, added: dict[str, type]) -> Row:
    """The new cells of a row, None for a missing text, which has no label."""
    values = [None] * (len(scores) + 2) if label is None else [label, float(scores.max()), *map(float, scores)]
    return dict(zip(added, values[scorer.skipped :], strict=False))
