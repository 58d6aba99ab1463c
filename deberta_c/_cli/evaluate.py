"""`evaluate`: how good a model is on a column of labelled texts."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from deberta_c._base.about import default_model
from deberta_c._cli.columns import add_table_options
from deberta_c._cli.results import add_json_option, check_file, check_json, write_json
from deberta_c._cli.training import read_labelled
from deberta_c._columns.tables import STANDARD
from deberta_c._models.auto import AutoModelForSequenceClassification
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.losses import REGRESSION

EXAMPLES = """\
examples:
  %(prog)s test.csv --model DIR
  %(prog)s test.csv --model DIR --report report.html --by language --explain
  %(prog)s test.csv --model DIR --at-least 0.9 --metric f1_macro     exit status 1 if F1 is lower
  %(prog)s - --delimiter ";" --label-column class < test.txt
  %(prog)s test.jsonl --model DIR --json - | jq .metrics.accuracy.value"""


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
        "--label-separator", metavar="TEXT", help="what separates the labels of a text that may have several"
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
    command.add_argument("--metric", help="the metric of --at-least (default: accuracy)")
    command.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    command.add_argument("--resamples", type=int, default=1000, help="draws for intervals (default: 1000; 0: none)")
    command.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    add_table_options(command)


def run(options: argparse.Namespace) -> None:
    """Evaluates, prints and writes what was asked for; ValueError below `--at-least`."""
    from deberta_c.evaluation.evaluating import evaluate
    from deberta_c.evaluation.page import require_page

    check_file("--report", options.report)
    check_json(options.json)
    if options.report is not None:
        require_page("--report", options.report)
        _require_matplotlib()
    elif options.explain:
        raise ValueError("--explain is given without --report; name the page to write")
    if options.metric is not None and options.at_least is None:
        raise ValueError("--metric is given without --at-least; give the value that it must have")
    options.regression = False
    rows = read_labelled(options.input, options, options.by)
    model = AutoModelForSequenceClassification.from_pretrained(options.model or default_model(), dtype=options.dtype)
    metric = None if options.at_least is None else _checked_metric(model, options)
    labels = rows.labels
    if options.label_separator:
        labels = [_several(label, options.label_separator) for label in labels]
    try:
        result = evaluate(
            model,
            rows.texts,
            labels,
            text_pair=rows.pairs,
            by={name: _numbers(values) for name, values in rows.others.items()},
            resamples=options.resamples,
            seed=options.seed,
            max_length=options.max_length,
        )
    except (TypeError, ValueError) as error:
        if options.model is None:
            raise ValueError(f"{error}; this is the default model, --model DIR names another") from error
        raise
    if options.json != STANDARD:
        print(result)
    _write(result, options)
    if metric is not None:
        _check(result, metric, options)


def _write(result: Any, options: argparse.Namespace) -> None:
    write_json(result.to_dict(), options.json)
    if options.report is not None:
        result.report(options.report, explain=options.explain)
        print(f"wrote {str(options.report)!r}", file=sys.stderr)


def _checked_metric(model: SequenceClassifier, options: argparse.Namespace) -> str:
    """The metric of `--at-least`; ValueError if the model has no such one, or it never has that value."""
    from deberta_c.evaluation.metrics import OF_LABELS, OF_NUMBERS, figure_name
    from deberta_c.evaluation.scoring import problem_of

    given = options.metric or "accuracy"
    problem, name = problem_of(model), figure_name(given)
    known = OF_NUMBERS if problem == REGRESSION else OF_LABELS if problem else OF_LABELS | OF_NUMBERS
    if name not in known:
        hint = "; give --metric rmse or r2" if problem == REGRESSION else ""
        raise ValueError(f"--metric is {given!r}; it must be one of {', '.join(known)}{hint}")
    least, most = known[name]
    if not least <= options.at_least <= most:
        limits = f"at least {least:g}" if most == math.inf else f"at most {most:g}"
        limits = limits if math.inf in (-least, most) else f"between {least:g} and {most:g}"
        raise ValueError(f"--at-least is {options.at_least:g}, but {name} is a number {limits}")
    return name


def _check(result: Any, name: str, options: argparse.Namespace) -> None:
    """ValueError if a figure is worse than `--at-least`, or there is none, because the labels are of another kind."""
    from deberta_c.evaluation.metrics import LOWER_IS_BETTER

    if name not in result.metrics:
        raise ValueError(f"--metric is {name!r}; it must be one of {', '.join(result.metrics)}")
    value, limit, lower = result[name], options.at_least, name in LOWER_IS_BETTER
    if not (value <= limit if lower else value >= limit):
        raise ValueError(f"{name} is {value:.4f}, but should be at {'most' if lower else 'least'} {limit:g}")


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
