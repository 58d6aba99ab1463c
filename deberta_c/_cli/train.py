"""`train`: fine-tunes a model on a column of labelled texts."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from deberta_c._cli.results import (
    add_json_option,
    add_overwrite_option,
    check_directory,
    check_json,
    check_new_model,
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
from deberta_c._columns.tables import STANDARD

EXAMPLES = """\
examples:
  %(prog)s train.csv --model DIR --out NEW
  %(prog)s train.csv --model DIR --out NEW --validation dev.csv --metric f1 --epochs 5
  %(prog)s pairs.tsv --model DIR --out NEW --text-column question --pair-column answer
  %(prog)s train.csv --model SMALL --teacher LARGE --out NEW
  %(prog)s - --delimiter tab --label-column stars --regression --model DIR --out NEW < train.txt
  %(prog)s train.csv --model DIR --out NEW --json - | jq .best_epoch"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_data_options(command)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the directory of the trained model")
    add_overwrite_option(command)
    command.add_argument("--epochs", type=float, default=3.0, help="how often every text is read (default: 3)")
    command.add_argument("--batch-size", type=int, default=16, help="texts of a batch (default: 16)")
    command.add_argument(
        "--learning-rate",
        type=float,
        help="the largest learning rate (default: 5e-5, 2e-5 for a model 768 wide, 1e-5 for 1024 and more)",
    )
    command.add_argument(
        "--warmup",
        type=float,
        default=0.1,
        help="how long the learning rate rises: a share of all steps, or a number of steps from 1 on (default: 0.1)",
    )
    command.add_argument("--weight-decay", type=float, default=0.01, help="decoupled weight decay (default: 0.01)")
    command.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="keep checkpoints there, so that --resume can go on"
    )
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --checkpoints")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    add_json_option(command)
    add_fixed_options(command)


def run(options: argparse.Namespace) -> None:
    """Trains, saves and prints the history."""
    check_new_model(options.out, options.overwrite or options.resume)
    check_directory("--checkpoints", options.checkpoints)
    check_json(options.json)
    if options.resume and options.checkpoints is None:
        raise ValueError("--resume is given without --checkpoints; name the directory that has the checkpoints")
    rows = read_labelled(options.input, options)
    validation = validation_rows(options)
    model = model_opener(options, rows.labels)()
    try:
        result = model.fit(
            rows.texts,
            rows.labels,
            rows.pairs,
            validation=validation,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            warmup=options.warmup,
            weight_decay=options.weight_decay,
            progress=not options.quiet,
            output_dir=options.checkpoints,
            resume=options.resume,
            **fixed_options(options),
        )
    except KeyboardInterrupt:
        print(_after_interruption(options.checkpoints), file=sys.stderr)
        raise
    model.save_pretrained(options.out)
    model.tokenizer.save_pretrained(options.out)
    if options.json != STANDARD:
        print(result)
    write_json(asdict(result), options.json)
    print(f"wrote {str(options.out)!r}", file=sys.stderr)


def _after_interruption(kept: Path | None) -> str:
    """How a training that was stopped can go on."""
    from deberta_c.training.checkpoints import found_in

    if kept is None:
        return "nothing is kept of this training; with --checkpoints DIR it can be resumed"
    if not found_in(kept):
        return f"there is no checkpoint in {str(kept)!r} yet"
    return f"with --resume the same command goes on from the last checkpoint in {str(kept)!r}"
