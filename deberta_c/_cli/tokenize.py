"""`tokenize`: the tokens of texts."""

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from deberta_c._base.about import default_model
from deberta_c._columns.tables import STANDARD, Format, read_chunks
from deberta_c._tokenizers.tokenizer import AutoTokenizer

EXAMPLES = """\
examples:
  %(prog)s --model DIR "See you at home"
  %(prog)s --model DIR --count - < texts.txt       how many tokens each line has
  %(prog)s --model DIR --json "See you" | jq .input_ids"""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("texts", nargs="+", metavar="TEXT", help='"-": each line of standard input is a text')
    shown = command.add_mutually_exclusive_group()
    shown.add_argument("--ids", action="store_true", help="print ids instead of tokens")
    shown.add_argument("--count", action="store_true", help="print the number of tokens")
    shown.add_argument(
        "--json", action="store_true", help="print a JSON object for each text: text, tokens, input_ids and offsets"
    )
    command.add_argument("--no-special-tokens", action="store_true", help="add no special tokens such as [CLS]")


def run(options: argparse.Namespace) -> None:
    """Prints a line for each text."""
    tokenizer = AutoTokenizer.from_pretrained(options.model or default_model())
    for text in _texts(options.texts):
        encoding = tokenizer(text, add_special_tokens=not options.no_special_tokens, return_offsets_mapping=True)
        print(_line(text, encoding, options), flush=options.texts == ["-"])


def _texts(given: list[str]) -> Iterator[str] | Iterable[str]:
    if given != ["-"]:
        return given
    return (row["text"] for chunk in read_chunks(STANDARD, Format("txt"), 1) for row in chunk.rows)


def _line(text: str, encoding: Any, options: argparse.Namespace) -> str:
    ids = encoding["input_ids"]
    if options.count:
        return str(len(ids))
    if options.ids:
        return " ".join(map(str, ids))
    if not options.json:
        return " ".join(encoding.tokens())
    offsets = [list(span) for span in encoding["offset_mapping"]]
    return json.dumps(
        {"text": text, "tokens": encoding.tokens(), "input_ids": ids, "offsets": offsets}, ensure_ascii=False
    )
