"""`check-precision`: whether a model answers in int8 or bfloat16 as in float32, and which layers to keep."""

import argparse
import sys
from pathlib import Path
from typing import Any

from deberta_c._base.about import default_model
from deberta_c._cli.columns import add_table_options, require_columns, text_cells
from deberta_c._cli.results import add_json_option, check_json, check_picture, write_json
from deberta_c._columns.tables import STANDARD, format_of, read_chunks, shown
from deberta_c._models import auto
from deberta_c._models.base import PreTrainedModel
from deberta_c._models.config import AutoConfig

EXAMPLES = """\
examples:
  %(prog)s DIR                                         on a small sample
  %(prog)s DIR --texts texts.txt --dtype bfloat16
  %(prog)s DIR --texts test.csv --column message --at-least 0.995     exit status 1 below that
  %(prog)s DIR --texts test.csv --json - | jq .keep"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument(
        "name", nargs="?", metavar="MODEL", help="a directory or a name of the hub (default: the default model)"
    )
    command.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        help='a .txt (one text per line), .csv, .tsv, .jsonl, .json or .parquet file, or "-" for lines of standard '
        "input (default: a sample of 16 texts)",
    )
    command.add_argument("--column", "--text-column", default="text", help="the column of texts (default: text)")
    command.add_argument("--pair-column", help="the column of second texts, for models of pairs")
    command.add_argument(
        "--dtype",
        choices=("int8", "bfloat16", "auto"),
        default="int8",
        help="the type to compare with float32; auto: the fastest of this CPU (default: int8)",
    )
    command.add_argument("--keep", nargs="+", metavar="LAYER", help="layers that stay in float32")
    command.add_argument(
        "--at-least", type=float, default=0.99, metavar="SHARE", help="the share of equal labels to ask for, or exit "
        "with status 1 (default: 0.99)",
    )  # fmt: skip
    command.add_argument(
        "--at-most", type=float, metavar="VALUE", help="the largest difference of a probability that is allowed "
        "(default: 0.1 for the sample, any with --texts)",
    )  # fmt: skip
    command.add_argument("--costs", action="store_true", help="measure what each layer costs, also if the type passes")
    add_json_option(command)
    command.add_argument("--plot", type=Path, metavar="FILE", help="draw the differences: a .png, .svg or .pdf")
    command.add_argument("--max-length", type=int, help="cut texts to this many tokens (default: the model's limit)")
    add_table_options(command)


def run(options: argparse.Namespace) -> None:
    """Compares, prints and writes what was asked for; ValueError if the type does not pass."""
    check_json(options.json)
    check_picture("--plot", options.plot)
    if options.pair_column and options.texts is None:
        raise ValueError("--pair-column is given without --texts; name the file that has the column")
    texts, pairs = (None, None) if options.texts is None else _read(options)
    result = _open(options.name or options.model or default_model()).check_precision(
        texts,
        pairs,
        dtype=options.dtype,
        keep=options.keep,
        at_least=options.at_least,
        at_most=options.at_most,
        costs=options.costs or None,
        max_length=options.max_length,
    )
    if options.json != STANDARD:
        print(result)
    write_json(result.to_dict(), options.json)
    if options.plot is not None:
        result.plot().savefig(options.plot)
        print(f"wrote {str(options.plot)!r}", file=sys.stderr)
    if not result.passed:
        raise ValueError(_failure(result))


def _failure(result: Any) -> str:
    dtype = result.precision.dtype
    if not result.known_products:
        return f"this CPU multiplies {dtype} wrongly; use float32"
    most = "" if result.at_most is None else f" and the largest difference {result.largest:.3g}"
    limit = "" if result.at_most is None else f" and at most {result.at_most:g}"
    return (
        f"the share of equal labels in {dtype} is {result.agreement:.4f}{most}, but should be at least "
        f"{result.at_least:g}{limit}"
    )


def _read(options: argparse.Namespace) -> tuple[list[str], list[str] | None]:
    """The columns of the file."""
    reads = format_of(options.texts, "txt", options.delimiter, options.encoding, not options.no_quotes)
    names = {"--column": options.column, "--pair-column": options.pair_column}
    source = shown(options.texts)
    texts: list[str] = []
    pairs: list[str] = []
    for chunk in read_chunks(options.texts, reads, 4096):
        if not texts:
            require_columns(chunk, reads, names)
        texts += text_cells(chunk, options.column, source, reads, "drop such rows")
        if options.pair_column:
            pairs += text_cells(chunk, options.pair_column, source, reads, "drop such rows")
    if not texts:
        raise ValueError(f"{source} has no rows; give some of the texts that the model will read")
    return texts, pairs if options.pair_column else None


def _open(name: str) -> PreTrainedModel:
    """The model, with the head that its config.json names, or one that classifies texts."""
    classes = AutoConfig.from_pretrained(name).get("architectures")
    task = "ForSequenceClassification"
    if isinstance(classes, list) and classes:
        found = str(classes[0]).partition("For")[2]
        task = f"For{found}" if found else ""
    opener: Any = getattr(auto, f"AutoModel{task}", auto.AutoModelForSequenceClassification)
    model: PreTrainedModel = opener.from_pretrained(name)
    return model
