"""The command line: classifies texts, a file, standard input or the sample messages."""

import argparse
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from deberta_c._base.about import __version__, show_config
from deberta_c._base.threads import threads
from deberta_c._cli import check_precision, classify, download, evaluate, info, pretrain, tokenize, train, tune
from deberta_c._cli.results import add_json_option
from deberta_c._columns.tables import KINDS

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
    """SIGTERM and SIGHUP raise an exception as Ctrl-C does, so that no unfinished file remains.

    Python only prints an exception that is raised in a finalizer or a callback of a weak reference, and goes on: the
    signal is sent again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    again: list[threading.Timer] = []

    def stop(number: int, _: object) -> None:
        raise _StoppedError(number)

    def unraisable(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)
            return
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        again.append(threading.Timer(0.01, os.kill, (os.getpid(), number)))  # when the finalizer has ended
        again[-1].start()

    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    hook = sys.unraisablehook
    sys.unraisablehook = unraisable
    for number in ends:
        signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for timer in again:
            timer.cancel()
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
    text.set_defaults(run=classify.run_texts)

    column = commands.add_parser("classify", help="classify a column of a file or a pipe")
    classify.add_options(column)
    zero_shot = commands.add_parser("zero-shot", help="choose among labels that the model has not learnt")
    classify.add_zero_shot_options(zero_shot)

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
    demo.set_defaults(run=classify.run_demo)

    bench = commands.add_parser("bench", help="measure how fast this machine runs a model")
    bench.add_argument(
        "--against", choices=("transformers",), help="time transformers (eager) alternately, if installed"
    )
    add_json_option(bench)
    bench.set_defaults(run=_bench)

    config = commands.add_parser("show-config", help="versions, instruction set, threads")
    config.set_defaults(run=lambda _: show_config())

    for command, examples in (
        (text, classify.TEXT_EXAMPLES),
        (column, classify.EXAMPLES),
        (zero_shot, classify.ZERO_SHOT_EXAMPLES),
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
    for command in (column, zero_shot):
        command.add_argument("--json", action="store_true", help="write a JSON object for each row")
    for command in (text, column, zero_shot):
        command.add_argument("--labels-only", action="store_true", help="write only the labels")
    for command in (text, column, learn, search, demo, bench):
        command.add_argument("--model", help="a model directory or a name of the hub (default: the model of deberta_c)")
    for command in (text, column, zero_shot, commands.choices["evaluate"], demo, bench):
        command.add_argument(
            "--dtype",
            default="float32",
            choices=("float32", "bfloat16", "int8", "auto"),
            help="the type in which the model multiplies; auto: the fastest that passes its self-test",
        )
    before.add_argument("--model", help="a model directory or a name of the hub, to go on with instead of --config")
    for command in (text, column, zero_shot, learn, search, before, demo, bench):
        command.add_argument("--threads", type=int, help="threads to use")
    return parser


def _bench(options: argparse.Namespace) -> None:
    from deberta_c._cli.bench import run

    run(classify.open_model(options), options.against, options.json)
