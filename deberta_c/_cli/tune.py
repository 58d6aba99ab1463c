"""`tune`: trains with several hyperparameters and reports which are best on a validation set."""

import argparse
import sys
from pathlib import Path
from typing import Any

from deberta_c._cli.results import (
    add_json_option,
    add_overwrite_option,
    check_file,
    check_json,
    check_new_model,
    check_picture,
    write_json,
)
from deberta_c._cli.training import (
    add_data_options,
    add_fixed_options,
    fixed_options,
    model_opener,
    read_labelled,
    validation_rows,
)
from deberta_c._columns.table_writers import writing
from deberta_c._columns.tables import STANDARD, Format, format_of

_SEARCHED: dict[str, tuple[type, list[Any], str]] = {
    # option: (type, values that are tried without it, help)
    "--learning-rate": (float, [1e-5, 3e-5, 5e-5], "the largest learning rates"),
    "--batch-size": (int, [16], "texts of a batch"),
    "--epochs": (float, [3.0], "how often every text is read"),
    "--warmup": (float, [0.1], "shares of the steps in which the learning rate rises, or numbers of steps"),
    "--weight-decay": (float, [0.01], "decoupled weight decays"),
}

EXAMPLES = """\
examples:
  %(prog)s train.csv --model DIR --out BEST --learning-rate 1e-5 3e-5 --epochs 2 4
  %(prog)s train.csv --model DIR --trials 5 --table trials.csv --picture trials.png
  %(prog)s train.csv --model SMALL --teacher LARGE --out BEST
  %(prog)s train.csv --model DIR --json - | jq .trials[0]"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_data_options(command)
    for option, (kind, values, text) in _SEARCHED.items():
        shown = " ".join(f"{value:g}" for value in values)
        command.add_argument(
            option, type=kind, nargs="+", default=values, help=f"{text}, all to be tried (default: {shown})"
        )
    command.add_argument(
        "--trials", type=int, help="draw this many of all combinations at random (default: try all of them)"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="the directory of the best model")
    add_overwrite_option(command)
    command.add_argument("--table", type=Path, metavar="FILE", help="write the results there: a .csv, .jsonl or .json")
    command.add_argument("--picture", type=Path, metavar="FILE", help="draw the results: a .png, .svg or .pdf")
    add_json_option(command)
    add_fixed_options(command)


def run(options: argparse.Namespace) -> None:
    """Tries the combinations, prints the table and saves what was asked for, of finished trials when it is stopped."""
    from deberta_c.training.signals import signals_wait
    from deberta_c.training.tune import tune

    check_new_model(options.out, options.overwrite)
    check_picture("--picture", options.picture)
    check_file("--table", options.table)
    check_json(options.json)
    if options.validation == 0:
        raise ValueError(
            "--validation is 0, but tune compares on a validation set; give a share such as 0.1, or a file"
        )
    form = None if options.table is None else format_of(options.table, "csv")
    rows = read_labelled(options.input, options)
    space = {name: getattr(options, name) for name in (option[2:].replace("-", "_") for option in _SEARCHED)}
    result = tune(
        model_opener(options, rows.labels),
        rows.texts,
        rows.labels,
        rows.pairs,
        space=space,
        trials=options.trials,
        validation=validation_rows(options),
        on_trial=lambda done, total: print(f"{done} of {total} trials", file=sys.stderr, flush=True),
        **fixed_options(options),
    )
    with signals_wait():
        _write(result, options, form)
    if result.stopped is not None:
        raise result.stopped


def _write(result: Any, options: argparse.Namespace, form: Format | None) -> None:
    if options.json != STANDARD:
        print(result, flush=True)
    write_json({"metric": result.metric, "trials": list(map(dict, result.rows))}, options.json)
    if form is not None:
        columns = {name: type(value) for name, value in result.rows[0].items()}
        with writing(options.table, form, STANDARD, columns) as write:
            write(list(columns), [dict(row) for row in result.rows])
    if options.out is not None:
        result.model.save_pretrained(options.out)
        result.model.tokenizer.save_pretrained(options.out)
    if options.picture is not None:
        result.plot().savefig(options.picture)
