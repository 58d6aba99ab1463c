# SPDX-License-Identifier: Apache-2.0
"""Zero-shot classification of 1,000 messages with 10 labels by deberta_c and by the pipeline of transformers.

    python -m benchmarks.zero_shot.run                      # everything, into benchmarks/results/ISA/zero_shot.json
    python -m benchmarks.zero_shot.run --parts sizes        # one of the parts; the others are kept in the JSON
    python -m benchmarks.zero_shot.run --table              # prints the committed results

DEBERTA_C_TEST_DATA names the folder of texts and published tokenizers (data/, tokenizers/). The model is a v3-xsmall of
random weights with the published tokenizer. Each library runs in a separate process (worker.py); before anything is
timed, their scores are compared. transformers is slow: `sizes` finds its best batch size on a few messages, `rounds`
measures it on a share of the messages, alternately with deberta_c, and `all` measures deberta_c on all messages.
"""

import contextlib
import csv
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.peers.models import write_checkpoint_in_process
from benchmarks.tokenization.run import folders
from benchmarks.zero_shot.worker import OURS, THEIRS

MODEL, TOKENIZER = "v3-xsmall", "deberta-v3"
LABELS = ["love", "family", "work", "money", "travel", "sport", "food", "advertising", "a prize", "an appointment"]
MESSAGES = 1000
SIZES = (1, 8, 10, 16, 32, 64)  # batch sizes of transformers
TRIED, SHARE = 50, 20  # one message of so many: to find the batch size, and to measure
ROUNDS = 3
TOLERANCE = 1e-4  # of scores
GOAL = 6.0


def messages() -> list[str]:
    with (folders()[0] / "sms_spam" / "SMSSpamCollection").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row[1] for row in rows][:MESSAGES]


def write_model(directory: Path) -> None:
    """A model of entailment with random weights, and the published tokenizer."""
    write_checkpoint_in_process(MODEL, directory)
    config = json.loads((directory / "config.json").read_text())
    names = ("contradiction", "neutral", "entailment")
    config |= {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    (directory / "config.json").write_text(json.dumps(config))
    for file in (folders()[1] / TOKENIZER).iterdir():
        shutil.copy(file, directory)


class Bench:
    """The two processes and the messages."""

    def __init__(self, workers: dict[str, common.Worker]) -> None:
        self.workers, self.texts = workers, messages()

    def ask(self, name: str, texts: list[str], batch_size: int = 1, **more: Any) -> dict[str, Any]:
        question = {"texts": texts, "labels": LABELS, "batch_size": batch_size, **more}
        return json.loads(self.workers[name].ask(json.dumps(question)))

    def check(self) -> None:
        """Raises SystemExit if the scores differ; warms both up."""
        expected, found = (self.ask(name, self.texts[:8], scores=True)["scores"] for name in (THEIRS, OURS))
        for row, (one, other) in enumerate(zip(expected, found, strict=True)):
            if not all(abs(one[label] - other[label]) <= TOLERANCE for label in LABELS):
                raise SystemExit(f"message {row}: scores of {OURS} are {other}, of {THEIRS} {one}")

    def sizes(self) -> dict[str, Any]:
        """Seconds of transformers with each batch size, on a few messages."""
        chosen = self.texts[::TRIED]
        return {"texts": len(chosen), "seconds": {size: self.ask(THEIRS, chosen, size)["seconds"] for size in SIZES}}

    def rounds(self) -> dict[str, Any]:
        """Both on a share of the messages, alternately, transformers with its best batch size."""
        chosen, size = self.texts[::SHARE], best_size(common.read("zero_shot", common.isa()))
        answers = common.alternate(
            {name: lambda name=name: self.ask(name, chosen, size) for name in (OURS, THEIRS)}, ROUNDS
        )
        return {
            "texts": len(chosen),
            "batch_size": size,
            "seconds": {name: [answer["seconds"] for answer in found] for name, found in answers.items()},
            "peak_mb": {name: max(answer["peak_mb"] for answer in found) for name, found in answers.items()},
        }

    def all(self) -> dict[str, Any]:
        """deberta_c on all messages."""
        found = [self.ask(OURS, self.texts) for _ in range(2)]
        return {"texts": len(self.texts), "seconds": [answer["seconds"] for answer in found]}


def best_size(results: dict[str, Any]) -> int:
    seconds = results["parts"]["sizes"]["lines"]["seconds"]
    return int(min(seconds, key=seconds.get))


@contextlib.contextmanager
def started(threads: int) -> Iterator[Bench]:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "DEBERTA_C_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        write_model(Path(directory))
        workers = {}
        for name in (OURS, THEIRS):
            command = [sys.executable, "-m", "benchmarks.zero_shot.worker", name, directory, str(threads)]
            workers[name] = common.Worker(name, command, env=environment)
            stack.callback(workers[name].close)
        bench = Bench(workers)
        bench.check()
        yield bench


def table(results: dict[str, Any]) -> str:
    """Seconds for all messages, their ratio on the share, batch sizes."""
    parts = results["parts"]
    rounds, sizes, every = (parts[name]["lines"] for name in ("rounds", "sizes", "all"))
    machine = parts["rounds"]["machine"]
    medians = {name: statistics.median(found) for name, found in rounds["seconds"].items()}
    ratios = [one / other for one, other in zip(rounds["seconds"][THEIRS], rounds["seconds"][OURS], strict=True)]
    whole = {
        OURS: statistics.median(every["seconds"]),
        THEIRS: medians[THEIRS] * every["texts"] / rounds["texts"],
    }
    rows = []
    for name in (OURS, THEIRS):
        others = name == THEIRS
        rows.append(
            [
                name,
                str(rounds["batch_size"]) if others else "-",
                f"{medians[name]:.2f} s",
                f"{'about ' if others else ''}{whole[name]:.0f} s",
                f"{statistics.median(ratios):.1f}x" if others else "",
                f"{GOAL:g}x" if others else "",
                f"{rounds['peak_mb'][name]:.0f} MB",
            ]
        )
    share = f"{rounds['texts']} messages"
    header = ["library", "batch size", share, f"{every['texts']:,} messages", "over deberta_c", "goal", "peak memory"]
    tried = ", ".join(f"{size}: {seconds:.1f}" for size, seconds in sizes["seconds"].items())
    return (
        common.markdown(header, rows)
        + f"\n\nEach message with {len(LABELS)} labels, {MODEL}. The {share} are every {SHARE}th, in {ROUNDS} "
        + "alternating rounds; for all messages the time of transformers is that of the share times "
        + f"{every['texts'] // rounds['texts']}. Seconds of transformers for {sizes['texts']} messages by batch size: "
        + f"{tried}.\n"
        + f"{machine['cpu']} ({machine['isa']}), {machine['threads']} threads, {machine['date']}; torch "
        + f"{machine['torch']}, transformers {machine['transformers']}."
    )


def main() -> None:
    parser = common.parser_of(__doc__)
    parts = ("sizes", "rounds", "all")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.table:
        print(common.tables("zero_shot", table))
        return
    about = {"threads": options.threads, **common.versions("deberta_c", "numpy", "torch", "transformers")}
    with started(options.threads) as bench:
        common.measure_parts(
            "zero_shot",
            {part: getattr(bench, part) for part in options.parts},
            lambda: common.machine(common.isa(), **about),
            indent=1,
        )


if __name__ == "__main__":
    main()
