"""`evaluate`: how good a model is on a column of labelled texts."""

import argparse
import sys
from pathlib import Path
from typing import Any

from deberta_c._base.about import default_model
from deberta_c._cli.columns import add_table_options
from deberta_c._cli.results import add_json_option, check_json, write_json
from deberta_c._cli.training import check_file, read_labelled
from deberta_c._columns.tables import STANDARD
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.losses import REGRESSION

EXAMPLES = """\
examples:
  %(prog)s test.csv --model DIR
  %(prog)s test.csv --model DIR --report report.html --by language --explain
  %(prog)s test.csv --model DIR --at-least 0.9 --metric f1_macro     exit status 1 if F1 is lower
  %(prog)s - --delimiter ";" --label-column class < test.txt
  %(prog)s test.jsonl --model DIR --json - | jq .metrics.accuracy.value"""
_LOWER = ("rmse", "mae", "calibration_error")


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument(
        "input",
        type=Path,
        metavar="TEST",
        help='a .csv, .tsv, .jsonl, .json or .parquet file of labelled texts; "-" is standard input, as csv',
    )
    command.add_argument("--text-column", "--column", default="text", help="the column of texts (default: text)")
    command.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    command.add_argument("--label-column", default="label", help="the column of labels (default: label)")
    command.add_argument(
        "--label-separator", metavar="CHAR", help="what separates the labels of a text that may have several"
    )
    command.add_argument("--by", nargs="+", default=[], metavar="COLUMN", help="columns to slice the figures by")
    command.add_argument("--report", type=Path, metavar="FILE", help="write an HTML page with tables and pictures")
    command.add_argument(
        "--explain", action="store_true", help="colour the words of the most confident mistakes in the report"
    )
    add_json_option(command)
    command.add_argument(
        "--at-least",
        type=float,
        metavar="VALUE",
        help="exit with status 1 if the metric is lower (higher for rmse, mae and calibration_error)",
    )
    command.add_argument("--metric", default="accuracy", help="the metric of --at-least (default: accuracy)")
    command.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    command.add_argument("--resamples", type=int, default=1000, help="draws for intervals (default: 1000; 0: none)")
    command.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    add_table_options(command)


def run(options: argparse.Namespace) -> None:
    """Evaluates, prints and writes what was asked for; ValueError below `--at-least`."""
    from deberta_c.evaluation.evaluating import evaluate

    check_file("--report", options.report)
    check_json(options.json)
    if options.report is not None:
        _require_matplotlib()
    elif options.explain:
        raise ValueError("--explain is given without --report; name the page to write")
    options.regression = False
    rows = read_labelled(options.input, options, options.by)
    model = AutoModelForSequenceClassification.from_pretrained(options.model or default_model())
    labels = rows.labels
    if options.label_separator:
        labels = [_several(label, options.label_separator) for label in labels]
    result = evaluate(
        model,
        rows.texts,
        labels,
        pair=rows.pairs,
        by={name: _numbers(values) for name, values in rows.others.items()},
        resamples=options.resamples,
        seed=options.seed,
        max_length=options.max_length,
    )
    if options.json != STANDARD:
        print(result)
    _write(result, options)
    _check(result, options)


def _write(result: Any, options: argparse.Namespace) -> None:
    write_json(result.to_dict(), options.json)
    if options.report is not None:
        result.report(options.report, explain=options.explain)
        print(f"wrote {str(options.report)!r}", file=sys.stderr)


def _check(result: Any, options: argparse.Namespace) -> None:
    """ValueError if the metric is worse than `--at-least`, or does not exist."""
    if options.at_least is None:
        return
    name = options.metric
    if name not in result.metrics:
        hint = "; give --metric rmse or r2" if result.problem == REGRESSION else ""
        raise ValueError(f"--metric is {name!r}; it must be one of {', '.join(result.metrics)}{hint}")
    value = result[name]
    good = value <= options.at_least if name in _LOWER else value >= options.at_least
    if not good:
        limit = "most" if name in _LOWER else "least"
        raise ValueError(f"{name} is {value:.4f}, but should be at {limit} {options.at_least:g}")


def _several(label: Any, separator: str) -> list[str]:
    return [part for piece in str(label).split(separator) if (part := piece.strip())]


def _numbers(values: list[Any]) -> list[Any]:
    """Cells of a column as numbers, if all are; empty ones stay None."""
    try:
        return [None if value is None else float(value) for value in values]
    except (TypeError, ValueError):
        return values


def _require_matplotlib() -> None:
    from deberta_c._base.extras import require

    require("matplotlib", "--report")
