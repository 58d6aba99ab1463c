"""The command line: classifies texts, a file, standard input or the sample messages."""

import argparse
import csv
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deberta_c._base.about import __version__, default_model, sample_messages, show_config
from deberta_c._base.threads import threads
from deberta_c._cli import check_precision, download, evaluate, info, pretrain, tokenize, train, tune
from deberta_c._cli.columns import require_columns, text_cells
from deberta_c._cli.results import add_json_option
from deberta_c._columns.table_writers import writing
from deberta_c._columns.tables import KINDS, STANDARD, Chunk, Format, Row, format_of, read_chunks, shown
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import MULTIPLE
from deberta_c._models.outputs import names_of_given
from deberta_c._pipelines.factory import pipeline
from deberta_c._pipelines.zero_shot import TEMPLATE

_COMMANDS = (
    "classify", "zero-shot", "evaluate", "check-precision", "train", "tune", "pretrain", "tokenize", "info", "download",
    "demo", "bench", "show-config", "text",
)  # fmt: skip
_INSTEAD = {
    "predict": "classify", "score": "classify", "eval": "evaluate", "benchmark": "bench", "config": "show-config",
    "version": "--version", "help": "--help", "fit": "train", "serve": None, "export": None, "convert": None,
    "quantize": "check-precision",
}  # fmt: skip
"""Words that look like a command, and the command to use instead."""

_SEPARATOR = ";"  # of the labels of a text, where it may have several

_PROGRAM = "python -m deberta_c"
_USAGE = f"""{_PROGRAM} [--model DIR] [--threads N] [--labels-only] TEXT ...
       {_PROGRAM} classify IN [--out OUT] ...
       {_PROGRAM} zero-shot IN --model DIR --labels LABELS [--out OUT] ...
       {_PROGRAM} evaluate TEST [--model DIR] [--report FILE] [--at-least VALUE] ...
       {_PROGRAM} check-precision [MODEL] [--texts FILE] [--dtype TYPE] [--at-least SHARE] ...
       {_PROGRAM} train | tune TRAIN [--model DIR] [--out DIR] ...
       {_PROGRAM} pretrain FILE ... --out DIR ...
       {_PROGRAM} tokenize [--model DIR] TEXT ...
       {_PROGRAM} info [MODEL] | download NAME DIR
       {_PROGRAM} demo | bench | show-config ..."""
_EPILOG = f"""\
If TEXT is "-", each line of standard input is a text. Put "--" before a text that is the name of a command:
{_PROGRAM} -- demo. `{_PROGRAM} classify --help` lists the options of that command.

Exit status: 0 success, 1 error, 2 wrong arguments, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP, 141 if
the reader of standard output closed it. Unless it is 0, the file of --out is unchanged."""


_TEXT_EXAMPLES = """\
examples:
  python -m deberta_c "See you at home" "Free entry! Call now"
  python -m deberta_c --model DIR --labels-only - < texts.txt
  python -m deberta_c --json "See you at home" | jq .label"""
_CLASSIFY_EXAMPLES = """\
examples:
  %(prog)s reviews.csv --column review --out labelled.csv
  %(prog)s reviews.tsv --label-name sentiment --score-name sure --all-scores > labelled.tsv
  %(prog)s pairs.jsonl --model DIR --column question --pair-column answer --out labelled.parquet
  %(prog)s - --format csv --delimiter ";" --labels-only < reviews.txt | sort | uniq -c
  %(prog)s reviews.csv --column review --json | jq .predicted_label"""
_ZERO_SHOT_EXAMPLES = """\
examples:
  %(prog)s mails.csv --model NLI --labels "billing, delivery, praise" --out sorted.csv
  %(prog)s - --model NLI --labels "urgent, can wait" --labels-only < mails.txt
  %(prog)s mails.csv --model NLI --labels "billing, praise" --multi-label --all-scores --json"""
_BENCH_EXAMPLES = """\
examples:
  %(prog)s --model DIR
  %(prog)s --model DIR --against transformers --json bench.json
  %(prog)s --dtype int8 --json - | jq .works[0].texts_per_s"""


class _StoppedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received."""

    def __init__(self, number: int) -> None:
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status; `--help` lists both."""
    _open_closed_streams()
    try:
        with _signals():
            return _run(list(sys.argv[1:] if arguments is None else arguments))
    except _StoppedError as stopped:
        return _stopped(stopped.number)
    except KeyboardInterrupt:
        return _stopped(signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # otherwise Python reports an error when it flushes at exit
        return 128 + signal.SIGPIPE


def _open_closed_streams() -> None:
    """Puts /dev/null in the place of standard streams that are closed, as for some services."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _stopped(number: int) -> int:
    print(f"\ndeberta_c: stopped by {signal.Signals(number).name}", file=sys.stderr)
    return 128 + number


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise an exception as Ctrl-C does, so that no unfinished file remains."""

    def stop(number: int, _: object) -> None:
        raise _StoppedError(number)

    mine = threading.current_thread() is threading.main_thread()
    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if mine and signal.getsignal(number) == signal.SIG_DFL]
    for number in ends:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


def _run(words: list[str]) -> int:
    at = _first_word(words)
    if at < len(words):
        word = words[at]
        if word not in _COMMANDS:
            if problem := _problem_with_word(word):
                print(f"deberta_c: {problem}", file=sys.stderr)
                return 2
            words.insert(0, "text")
        else:
            words = [word, *words[:at], *words[at + 1 :]]
    parser = _parser()
    options, unknown = parser.parse_known_args(words)
    if options.command is None:
        parser.print_help()
        return 2
    if unknown:
        options.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        count = getattr(options, "threads", None)
        if count is not None and count < 1:
            raise ValueError(f"--threads is {count}; it must be at least 1")
        with warnings.catch_warnings(), threads(count) if count else nullcontext():
            warnings.showwarning = _show_warning
            options.run(options)
    except BrokenPipeError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, FloatingPointError, ImportError) as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # before Python 3.12, one raised in __set_name__ is wrapped
            raise error.__cause__ from None
        print(f"deberta_c: {_shown_error(error)}", file=sys.stderr)
        return 1
    return 0


def _shown_error(error: Exception) -> str:
    """The message; of an error of the system without its number: "'a.csv': No such file or directory"."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fspath(error.filename)!r}: {error.strerror}"
    return str(error)


def _first_word(words: list[str]) -> int:
    """The index of the first word that is neither an option nor the value of one."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        at += 2 if words[at] in ("--model", "--threads", "--dtype") else 1
    return at


def _problem_with_word(word: str) -> str | None:
    """A message if a text looks like a mistyped command or a file; None if it looks like a text."""
    if len(word.split()) != 1:
        return None
    as_text = f"to classify it as a text: {_PROGRAM} -- {word}"
    if "/" in word and Path(word).is_dir():
        return f"{word!r} is a folder; for a model: {_PROGRAM} --model {word} TEXT; {as_text}"
    suffixes = [suffix for suffix in Path(word).suffixes if suffix != ".gz"]
    if suffixes and Path(word).is_file():
        return f"{word!r} is a file; to classify its rows: {_PROGRAM} classify {word} --out OUT"
    if suffixes and suffixes[-1].lower() in KINDS:
        return f"there is no file {word!r}; {as_text}"
    near = get_close_matches(word.casefold(), (*_COMMANDS, *_INSTEAD), n=1, cutoff=0.75)
    if not near:
        return None
    instead = _INSTEAD.get(near[0], near[0])
    known = f"did you mean {instead!r}, or" if instead else f"there are {', '.join(_COMMANDS)};"
    return f"{word!r} is not a command; {known} {as_text}"


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Prints a warning without its place in the code, on a line of its own beside a bar of tqdm."""
    bars: Any = sys.modules.get("tqdm")
    write = print if bars is None else bars.tqdm.write
    write(f"deberta_c: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage=_USAGE,
        description="Text classification on the CPU: texts from the command line, or a column of a file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"deberta_c {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog=_PROGRAM)

    text = commands.add_parser("text", help="classify texts; this word may be omitted")
    text.add_argument("texts", nargs="+", metavar="TEXT", help='"-": each line of standard input is a text')
    text.set_defaults(run=_classify_words)

    classify = commands.add_parser("classify", help="classify a column of a file or a pipe")
    _add_table_options(classify)
    classify.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    classify.add_argument(
        "--label-separator",
        default=_SEPARATOR,
        metavar="TEXT",
        help="what separates the labels of a text in csv, tsv and txt, of a model of independent labels: those whose "
        "probability is above 0.5 (default: %(default)s; other formats have lists)",
    )
    classify.set_defaults(run=_classify, scorer=_trained_labels)

    zero_shot = commands.add_parser("zero-shot", help="choose among labels that the model has not learnt")
    _add_table_options(zero_shot)
    _add_zero_shot_options(zero_shot)
    zero_shot.set_defaults(run=_classify, scorer=_labels_of_choice, pair_column=None)

    for name, module, text_of_help in (
        ("evaluate", evaluate, "compare predictions with labels: figures, tables, an HTML report"),
        ("check-precision", check_precision, "compare int8 or bfloat16 with float32 on texts, find layers to keep"),
        ("tokenize", tokenize, "the tokens of texts"),
        ("info", info, "what a model directory holds"),
        ("download", download, "a model of the hub as a directory"),
    ):
        command = commands.add_parser(name, help=text_of_help, epilog=module.EXAMPLES)
        module.add_options(command)
        command.set_defaults(run=module.run)
        if module in (evaluate, tokenize):
            command.add_argument("--model", help="a model directory or a name of the hub (default: the default model)")
        elif module in (info, check_precision):
            command.add_argument("--model", metavar="DIR", help="the same as MODEL")
        if module in (evaluate, check_precision):
            command.add_argument("--threads", type=int, help="threads to use")

    learn = commands.add_parser("train", help="fine-tune a model on labelled texts")
    train.add_options(learn)
    learn.set_defaults(run=train.run)

    search = commands.add_parser("tune", help="fine-tune with several hyperparameters and report the best")
    tune.add_options(search)
    search.set_defaults(run=tune.run)

    before = commands.add_parser("pretrain", help="train a model on plain text")
    pretrain.add_options(before)
    before.set_defaults(run=pretrain.run)

    demo = commands.add_parser("demo", help="classify the sample messages")
    demo.set_defaults(run=_demo)

    bench = commands.add_parser("bench", help="measure how fast this machine runs a model")
    bench.add_argument(
        "--against", choices=("transformers",), help="time transformers (eager) alternately, if installed"
    )
    add_json_option(bench)
    bench.set_defaults(run=_bench)

    config = commands.add_parser("show-config", help="versions, instruction set, threads")
    config.set_defaults(run=lambda _: show_config())

    for command, examples in (
        (text, _TEXT_EXAMPLES),
        (classify, _CLASSIFY_EXAMPLES),
        (zero_shot, _ZERO_SHOT_EXAMPLES),
        (learn, train.EXAMPLES),
        (search, tune.EXAMPLES),
        (before, pretrain.EXAMPLES),
        (bench, _BENCH_EXAMPLES),
    ):
        command.epilog = examples
    for command in commands.choices.values():
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.set_defaults(error=command.error)
    text.add_argument("--json", action="store_true", help="print a JSON object for each text: text, label and score")
    for command in (classify, zero_shot):
        command.add_argument("--json", action="store_true", help="write a JSON object for each row")
    for command in (text, classify, zero_shot):
        command.add_argument("--labels-only", action="store_true", help="write only the labels")
    for command in (text, classify, learn, search, demo, bench):
        command.add_argument("--model", help="a model directory or a name of the hub (default: the model of deberta_c)")
    for command in (text, classify, zero_shot, commands.choices["evaluate"], demo, bench):
        command.add_argument(
            "--dtype",
            default="float32",
            choices=("float32", "bfloat16", "int8", "auto"),
            help="the type in which the model multiplies; auto: the fastest that passes its self-test",
        )
    before.add_argument("--model", help="a model directory or a name of the hub, to go on with instead of --config")
    for command in (text, classify, zero_shot, learn, search, before, demo, bench):
        command.add_argument("--threads", type=int, help="threads to use")
    return parser


def _add_zero_shot_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", required=True, help="a model of entailment (NLI): a directory or a name of the hub")
    command.add_argument("--labels", required=True, help="the labels to choose from, with commas between them")
    command.add_argument(
        "--hypothesis-template",
        default=TEMPLATE,
        help=f"what is said of a label, with {{}} in its place (default: {TEMPLATE})",
    )
    command.add_argument("--multi-label", action="store_true", help="score each label by itself")


def _add_table_options(classify: argparse.ArgumentParser) -> None:
    classify.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="a .csv, .tsv, .txt (one text per line), .jsonl, .json or .parquet file, all but the last also with .gz; "
        '"-" is standard input',
    )
    classify.add_argument(
        "--out",
        type=Path,
        default=STANDARD,
        help="the file to write, of any of these kinds: IN with predicted_label and predicted_score (default: standard "
        "output, in the format of IN, or as csv for .txt and .parquet)",
    )
    classify.add_argument(
        "--format",
        choices=sorted({*KINDS.values()} - {"parquet"}),
        help='how to read "-" as IN (default: txt), and how to write "-" as OUT, unless it has labels only',
    )
    classify.add_argument("--column", "--text-column", default="text", help="the column of texts (default: text)")
    classify.add_argument(
        "--label-name",
        default="predicted_label",
        metavar="NAME",
        help="the column to write labels to (default: %(default)s)",
    )
    classify.add_argument(
        "--score-name",
        default="predicted_score",
        metavar="NAME",
        help="the column to write scores to (default: %(default)s)",
    )
    classify.add_argument("--all-scores", action="store_true", help="add a column score_LABEL for every label")
    classify.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    classify.add_argument(
        "--na",
        choices=("raise", "empty", "skip"),
        default="raise",
        help="missing texts (null; in csv, tsv and txt also an empty cell or line): raise an error that names the "
        "line, treat them as empty texts, or skip them, which leaves their new columns empty (default: raise)",
    )
    classify.add_argument("--chunk-rows", type=int, default=4096, help="rows read at a time (default: 4096)")
    classify.add_argument(
        "--delimiter", help="the separator of columns in IN: one character, or tab; also of an output of the same kind"
    )
    classify.add_argument("--no-quotes", action="store_true", help="treat quotation marks in csv and tsv as plain text")
    classify.add_argument(
        "--encoding", default="utf-8-sig", help="encoding of IN (default: utf-8); the output is utf-8"
    )


def _open_model(options: argparse.Namespace) -> SequenceClassifier:
    directory = default_model() if options.model is None else options.model
    return AutoModelForSequenceClassification.from_pretrained(directory, dtype=options.dtype)


def _classify_words(options: argparse.Namespace) -> None:
    scorer = _trained_labels(_open_model(options))
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


def _demo(options: argparse.Namespace) -> None:
    with Path(sample_messages()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    start = time.perf_counter()
    model = _open_model(options)
    loaded = time.perf_counter()
    scorer = _trained_labels(model)
    answers = list(_answers(scorer, [row["text"] for row in rows]))
    done = time.perf_counter()
    width = max(map(len, model.labels()))
    print(f"{'label':{width}}  probability  message")
    for row, (label, score) in zip(rows, answers, strict=True):
        print(f"{_joined(label, _SEPARATOR):{width}}  {score:11.4f}  {row['text']}")
    print(f"\nmodel opened in {(loaded - start) * 1e3:.0f} ms, {len(rows)} messages in {(done - loaded) * 1e3:.1f} ms")


def _bench(options: argparse.Namespace) -> None:
    from deberta_c._cli.bench import run

    run(_open_model(options), options.against, options.json)


def _classify(options: argparse.Namespace) -> None:
    source, target = options.input, options.out
    reads = format_of(source, options.format or "txt", options.delimiter, options.encoding, not options.no_quotes)
    writes = _output_format(target, reads, options)
    _check_output(source, target)
    if options.chunk_rows < 1:
        raise ValueError(f"--chunk-rows is {options.chunk_rows}; it must be at least 1")
    chunks = read_chunks(source, reads, options.chunk_rows)
    first = next(chunks)  # a wrong file fails before the model is opened
    require_columns(first, reads, {"--column": options.column, "--pair-column": options.pair_column})
    scorer = options.scorer(_open_model(options), options)
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
