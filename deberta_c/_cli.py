"""The command line: classify a file, a text on the spot, or the sample messages."""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from deberta_c._auto import AutoModelForSequenceClassification
from deberta_c._defaults import __version__, default_model, sample_messages, show_config
from deberta_c._heads import SequenceClassifier
from deberta_c._pipelines import pipeline
from deberta_c._tables import Chunk, kind_of, read_chunks, writing
from deberta_c._threads import threads

_COMMANDS = ("classify", "demo", "bench", "show-config")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status: 0, 1 after an error, 2 for a wrong call, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if words and words[0] not in _COMMANDS and (words[0] == "--" or not words[0].startswith("-")):
        words.insert(0, "text")
    options = parser.parse_args(words)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        count = getattr(options, "threads", None)
        if count is not None and count < 1:
            raise ValueError(f"--threads is {count}; it must be at least 1")
        with warnings.catch_warnings(), threads(count) if count else nullcontext():
            warnings.showwarning = _show_warning
            options.run(options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        print(f"deberta_c: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndeberta_c: stopped; no output was written", file=sys.stderr)
        return 130
    return 0


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A line without the place in the code, which tells nothing here."""
    print(f"deberta_c: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deberta_c",
        description="Text classification on the CPU. `python -m deberta_c TEXT ...` classifies texts.",
    )
    parser.add_argument("--version", action="version", version=f"deberta_c {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{classify,demo,bench,show-config}")

    classify = commands.add_parser("classify", help="classify a column of a csv, tsv, jsonl or parquet file")
    classify.add_argument("input", type=Path, metavar="IN", help="a .csv, .tsv, .jsonl or .parquet file")
    classify.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the file to write, of any of these kinds: IN with predicted_label and predicted_score",
    )
    classify.add_argument("--column", default="text", help="the column of texts (default: text)")
    classify.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    classify.add_argument("--all-scores", action="store_true", help="add a column score_LABEL for every label")
    classify.add_argument("--max-length", type=int, help="cut texts to so many tokens (default: the model's limit)")
    classify.add_argument(
        "--na",
        choices=("raise", "empty", "skip"),
        default="raise",
        help="missing texts (null; in csv and tsv also an empty cell, quoted or not): raise an error that names the "
        "row, score them as empty texts, or skip them, which leaves label and score empty (default: raise)",
    )
    classify.add_argument("--chunk-rows", type=int, default=4096, help="rows read at a time (default: 4096)")
    classify.add_argument("--no-quotes", action="store_true", help="take quotation marks in csv and tsv as plain text")
    classify.add_argument("--encoding", default="utf-8-sig", help="of the input (default: utf-8)")
    classify.set_defaults(run=_classify)

    text = commands.add_parser("text")
    text.add_argument("texts", nargs="+", metavar="TEXT")
    text.set_defaults(run=_classify_words)

    demo = commands.add_parser("demo", help="classify the sample messages")
    demo.set_defaults(run=_demo)

    bench = commands.add_parser("bench", help="how fast this machine runs a model")
    bench.add_argument("--against", choices=("transformers",), help="time transformers eager in turns, if installed")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    bench.set_defaults(run=_bench)

    config = commands.add_parser("show-config", help="versions, instruction set, threads")
    config.set_defaults(run=lambda _: show_config())

    for command in (classify, text, demo, bench):
        command.add_argument("--model", help="a model directory or a name of the hub (default: the model of deberta_c)")
        command.add_argument("--threads", type=int, help="threads to use")
    return parser


def _open_model(directory: str | None) -> SequenceClassifier:
    return AutoModelForSequenceClassification.from_pretrained(default_model() if directory is None else directory)


def _classify_words(options: argparse.Namespace) -> None:
    if len(options.texts) == 1 and Path(options.texts[0]).suffix and Path(options.texts[0]).is_file():
        name = options.texts[0]
        raise ValueError(f"{name!r} is a file; to classify its rows: python -m deberta_c classify {name} --out OUT")
    classifier = pipeline("text-classification", _open_model(options.model), truncation=True)
    for text, answer in zip(options.texts, classifier(options.texts), strict=True):
        print(f"{answer['label']}\t{answer['score']:.4f}\t{text}")


def _demo(options: argparse.Namespace) -> None:
    with Path(sample_messages()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    start = time.perf_counter()
    model = _open_model(options.model)
    loaded = time.perf_counter()
    answers = pipeline("text-classification", model, truncation=True)([row["text"] for row in rows])
    done = time.perf_counter()
    width = max(map(len, model.labels()))
    print(f"{'label':{width}}  probability  message")
    for row, answer in zip(rows, answers, strict=True):
        print(f"{answer['label']:{width}}  {answer['score']:11.4f}  {row['text']}")
    print(f"\nmodel opened in {(loaded - start) * 1e3:.0f} ms, {len(rows)} messages in {(done - loaded) * 1e3:.1f} ms")


def _bench(options: argparse.Namespace) -> None:
    from deberta_c._bench import run

    run(_open_model(options.model), options.against, options.json)


def _classify(options: argparse.Namespace) -> None:
    source, target = options.input, options.out
    kind_of(target)
    folder = target.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"--out is {str(target)!r}, but there is no folder {str(folder)!r}; make it first")
    if options.chunk_rows < 1:
        raise ValueError(f"--chunk-rows is {options.chunk_rows}; it must be at least 1")
    chunks = read_chunks(source, options.chunk_rows, options.encoding, quotes=not options.no_quotes)
    first = next(chunks, None)  # a wrong file fails before the model is opened
    model = _open_model(options.model)
    start, done = time.perf_counter(), 0
    with writing(target, like=source) as write:
        while first is not None:
            chunk, share = first
            _check_columns(chunk, model.labels(), options, first=not done)
            try:
                write(_scored(chunk, model, options))
            except (ValueError, TypeError) as error:
                if done:
                    print(file=sys.stderr)  # the progress ends here
                raise ValueError(f"{str(source)!r}, counting from row {done + 1}: {error}") from error
            done += len(chunk)
            speed = done / (time.perf_counter() - start)
            print(f"\r{done:,} rows, {share:.0%}, {speed:,.0f} rows/s ", end="", file=sys.stderr, flush=True)
            first = next(chunks, None)
        if not done:
            raise ValueError(f"{str(source)!r} has no rows")
    print(f"\nwrote {str(target)!r}", file=sys.stderr)


def _scored(chunk: Chunk, model: SequenceClassifier, options: argparse.Namespace) -> Chunk:
    """The rows with their predictions added."""
    blank = "" if options.input.suffix.lower() in (".csv", ".tsv") else None  # an empty cell is a missing value

    def cells(name: str) -> list[Any]:
        return [None if (cell := row.get(name)) == blank else cell for row in chunk]

    texts = cells(options.column)
    pairs = cells(options.pair_column) if options.pair_column else None
    regression = model.probability_function() is None
    score = model.predict if regression else model.predict_proba
    scores = score(texts, pairs, max_length=options.max_length, na=options.na)
    labels = model.labels()
    return [
        {**row, **_prediction(values, labels, options.all_scores)} for row, values in zip(chunk, scores, strict=True)
    ]


def _prediction(scores: Any, labels: list[str], all_scores: bool) -> dict[str, Any]:
    known = not np.isnan(scores[0])
    best = int(scores.argmax())
    prediction: dict[str, Any] = {
        "predicted_label": labels[best] if known else None,
        "predicted_score": float(scores[best]) if known else None,
    }
    if all_scores:
        prediction |= {f"score_{label}": float(scores[i]) if known else None for i, label in enumerate(labels)}
    return prediction


def _check_columns(chunk: Chunk, labels: list[str], options: argparse.Namespace, first: bool) -> None:
    """Refuses a table whose first rows lack the columns to read, and one that has a column to be written."""
    found = dict.fromkeys(name for row in chunk for name in row)  # in the order of the table
    for argument, name in (("--column", options.column), ("--pair-column", options.pair_column)):
        if first and name is not None and name not in found:
            raise ValueError(f"there is no column {name!r}; there are {', '.join(map(str, found))}: give {argument}")
    added = {"predicted_label", "predicted_score"}
    if options.all_scores:
        added |= {f"score_{label}" for label in labels}
    for name in found:
        if name in added:
            raise ValueError(f"the column {name!r} is there already; rename it")
