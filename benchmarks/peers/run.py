# SPDX-License-Identifier: Apache-2.0
"""deberta_c against its peers: random weights, float32 (and one int8), the same threads, in alternation.

    python -m benchmarks.peers.run  # everything, into benchmarks/results/ISA/peers.json
    python -m benchmarks.peers.run --models v3-base --only 1x16,4x512  # these works; the others stay in the file
    python -m benchmarks.peers.run --quick  # v3-base, four works, five minutes; prints only

Each peer runs in a process of its own (worker.py); one works at a time, the others wait. Their logits are compared
with those of transformers eager before anything is timed. Times are of whole calls, from arrays of ids to logits.
Ours gets all rows at once; the others get rows of unequal length in batches of 32, padded, in their own order and
sorted by length. The numbers of rounds keep the whole within an hour; each time is in the JSON.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cases import QUICK_WORKS, SHAPES, WORKS_OF_ALL_SIZES, case
from benchmarks.core.peak import cpu_name, peak_gflops
from benchmarks.peers.floor import SETS
from benchmarks.peers.models import CONFIGS
from benchmarks.peers.peers import (
    FLOAT32,
    PEERS,
    Compiled,
    Eager,
    OnnxRuntime,
    OnnxRuntimeInt8,
    OpenVino,
    OpenVinoThroughput,
    Ours,
)
from benchmarks.peers.report import BASE, SORTED
from benchmarks.results_by_isa import path_of

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4  # of float32 logits against those of transformers eager
CHECKED_ROWS = 40  # two batches
LONG = 5.0  # seconds of the slowest peer; such works have three rounds
ENOUGH = 40.0  # seconds of all rounds of other works, which have 6 to 15
DEADLINE = 50 * 60.0  # seconds since the start, after which long works have one round
PAUSE = 0.1  # seconds between works: idle threads of the other pool spin for a while
STARTS = 15  # processes of the start-up measurements
SOME_PEERS = (Ours.name, Eager.name, OnnxRuntime.name, OpenVino.name)
PACKAGES = ("deberta_c", "numpy", "torch", "transformers", "onnxruntime", "openvino")


class WrongResult(Exception):
    """A peer whose logits are not those of transformers."""


class Worker:
    """A peer in a process of its own, which answers one question at a time."""

    def __init__(self, name, directory, threads):
        command = [sys.executable, "-m", "benchmarks.peers.worker", name, str(directory), str(threads)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "DEBERTA_C_NUM_THREADS": str(threads)}
        self.name = name
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"the process of {self.name} ended with status {self.process.wait()}; see its message above"
            )
        return json.loads(line)

    def run(self, in_order_of_length=False, rows=None):
        """One run of the rows given last in this order, or of these: seconds, logits, peak_mb."""
        question = {"sorted": in_order_of_length} | ({} if rows is None else {"rows": rows})
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def difference(one, other):
    """The greatest absolute difference of two tables of logits; not a number counts as infinite."""
    values = [
        abs(a - b) for row, other_row in zip(one, other, strict=True) for a, b in zip(row, other_row, strict=True)
    ]
    return max(value if value == value else float("inf") for value in values)


def compare(logits):
    """The greatest differences from transformers eager, by setting; WrongResult when float32 ones exceed TOLERANCE."""
    differences = {setting: difference(table, logits[Eager.name]) for setting, table in logits.items()}
    for setting, value in differences.items():
        if not setting.startswith(OnnxRuntimeInt8.name) and not value <= TOLERANCE:
            raise WrongResult(f"{setting} differs from {Eager.name} by {value:.1e}; its times are not kept")
    return differences


def settings_of(workers, ragged, everything):
    """Label: peer, and whether it sorts. Who compiles or asks for throughput sorts; not `everything`: all but eager."""
    settings = {}
    for worker in workers:
        sorts = ragged and worker.name != Ours.name
        tuned = worker.name in (Compiled.name, OpenVinoThroughput.name) or not (everything or worker.name == Eager.name)
        if not (sorts and tuned):
            settings[worker.name] = worker, False
        if sorts and (tuned or everything):
            settings[worker.name + SORTED] = worker, True
    return settings


def time_case(case, workers, vocab_size, everything=True, deadline=float("inf"), sleep=time.sleep):
    """All settings of a work in turns: seconds of each round, peak memory, differences.

    Before the clock starts the first rows run in every setting, and after the first round all of them are compared.
    Of a ragged work ours, eager and the fastest float32 peer have further rounds.
    """
    settings = settings_of(workers, case.ragged, everything)
    rows = case.rows(vocab_size)
    compare({label: worker.run(sorts, rows[:CHECKED_ROWS])["logits"] for label, (worker, sorts) in settings.items()})
    prepared = set(settings) if len(rows) <= CHECKED_ROWS else set()
    seconds, answers = {label: [] for label in settings}, {}
    going_on, rounds, done = list(settings), 1, 0
    while done < rounds:
        for label in going_on:
            worker, sorts = settings[label]
            sleep(PAUSE)
            answers[label] = worker.run(sorts, None if label in prepared else rows)
            prepared.add(label)
            seconds[label].append(answers[label]["seconds"])
        done += 1
        if done == 1:
            differences = compare({label: answer["logits"] for label, answer in answers.items()})
            first = {label: own[0] for label, own in seconds.items()}
            is_long = max(first.values()) > LONG
            rounds = 3 if is_long else min(max(int(ENOUGH / sum(first.values())), 6), 15)
            if is_long and time.monotonic() > deadline:
                rounds = 1
            if case.ragged:
                best = min((label for label in settings if is_fast_float32(label)), key=first.__getitem__)
                going_on = [label for label in settings if label in (Ours.name, Eager.name, best)]
    peak_mb = {label: answer["peak_mb"] for label, answer in answers.items()}
    return {"seconds": seconds, "peak_mb": peak_mb, "difference": differences}


def is_fast_float32(label):
    return label.removesuffix(SORTED) in FLOAT32 and not label.startswith(Eager.name)


def measure_model(name, works, options, deadline, results, save):
    """Writes the checkpoint, starts the peers, times the works; saves the results after each."""
    config = CONFIGS[name]
    everything = name == BASE and not options.quick
    chosen = PEERS if everything else SOME_PEERS
    with contextlib.ExitStack() as stack:
        directory = Path(options.checkpoints or stack.enter_context(tempfile.TemporaryDirectory())) / name
        if not directory.is_dir():
            subprocess.run([sys.executable, "-m", "benchmarks.peers.models", name, str(directory)], check=True)
        for file in directory.iterdir():
            file.read_bytes()  # loading is timed with the files in memory
        workers = []
        for peer in chosen:
            workers.append(Worker(peer, directory, options.threads))
            stack.callback(workers[-1].close)
        results.setdefault("start", {})[name] = {worker.name: worker.start for worker in workers}
        for work in works:
            began, peak_before = time.monotonic(), peak_gflops(options.threads)
            result = {"machine": machine(options.threads), "tokens": case(work).tokens}
            result |= {"gflop": case(work).flops(config) / 1e9}
            result |= time_case(case(work), workers, config["vocab_size"], everything, deadline)
            result["peak_gflops"] = max(peak_before, peak_gflops(options.threads))
            if everything and (found := floor(work)):
                result["floor"] = found
            merge(results, name, work, result)
            save()
            print(f"{name}, {work}: {summary(result)} ({time.monotonic() - began:.0f} s)", flush=True)


def floor(work):
    """What scikit-learn needs for the texts of a work, if it is one of texts and these are there."""
    if work not in SETS:
        return None
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        print(f"{work}: TF-IDF with logistic regression is left out, for DEBERTA_C_TEST_DATA names no folder of texts")
        return None
    command = [sys.executable, "-m", "benchmarks.peers.floor", work]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def summary(result):
    """A line of medians."""
    medians = {label: statistics.median(own) for label, own in result["seconds"].items()}
    return "; ".join(f"{label} {median * 1e3:.1f} ms" for label, median in medians.items())


def start_up():
    """Medians over processes: what importing adds to NumPy, and a first answer of the default model."""
    imports = {}
    for name in ("numpy", "deberta_c"):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(STARTS)]
        imports[name] = statistics.median(float(run.stdout) for run in runs)
    answers = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "deberta_c", "You have won a prize, call now"], capture_output=True, check=True
        )
        answers.append(time.perf_counter() - start)
    return {
        "import_beyond_numpy_s": imports["deberta_c"] - imports["numpy"],
        "first_answer_s": statistics.median(answers),
    }


def installed_mb():
    """Megabytes of each package's folder, caches left out."""
    sizes = {}
    for name in PACKAGES:
        if name == "numpy" or (spec := find_spec(name)) is None:
            continue
        files = [p for p in Path(spec.origin).parent.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        sizes[name] = sum(path.stat().st_size for path in files) / 1e6
    return sizes


def versions():
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def machine(threads):
    import deberta_c

    return {
        "date": date.today().isoformat(), "cpu": cpu_name(), "isa": deberta_c._core.isa(), "threads": threads,
        "python": platform.python_version(), **versions(),
    }  # fmt: skip


def merge(results, model, work, result):
    """Puts a work in place of its former result; the order is that of the lists of models and works."""
    works = results.setdefault("works", {}).setdefault(model, {})
    works[work] = result
    order = [*SHAPES, *WORKS_OF_ALL_SIZES, *QUICK_WORKS]
    results["works"][model] = dict(sorted(works.items(), key=lambda item: order.index(item[0])))
    results["works"] = dict(sorted(results["works"].items(), key=lambda item: list(CONFIGS).index(item[0])))


def refusal(name):
    """Why deberta_c does not open such a model, or None if it does."""
    import deberta_c

    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "config.json").write_text(json.dumps(CONFIGS[name]))
        try:
            deberta_c.AutoConfig.from_pretrained(directory)
        except ValueError as error:
            return str(error)
    return None


def names(text):
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="v3-base, four works, few rounds; writes only with --out")
    parser.add_argument("--models", type=names, help=f"of {', '.join(CONFIGS)} (default: all)")
    parser.add_argument("--only", type=names, help='works, such as "1x16,1000 messages" (default: all of the model)')
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON to merge into (default: benchmarks/results/ISA/peers.json)")
    parser.add_argument("--checkpoints", type=Path, help="a folder that keeps the random models for the next run")
    options = parser.parse_args()
    if unknown := set(options.models or ()) - set(CONFIGS):
        raise SystemExit(f"--models names {unknown.pop()!r}; there are {', '.join(CONFIGS)}")
    models = options.models or ([BASE] if options.quick else [*(name for name in CONFIGS if name != BASE), BASE])
    works = {name: wanted_works(name, options) for name in models}
    out = options.out or (None if options.quick else path_of("peers", machine(options.threads)["isa"]))
    results = json.loads(out.read_text()) if out and out.is_file() else {}
    deadline = time.monotonic() + DEADLINE
    results |= {"start_up": start_up(), "installed_mb": installed_mb()}

    def save():
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(results, indent=1) + "\n")

    for name in models:
        if reason := refusal(name):
            print(f"{name} is left out, for deberta_c does not open it: {reason}")
            continue
        try:
            measure_model(name, works[name], options, deadline, results, save)
        except WrongResult as error:
            raise SystemExit(f"{name}: {error}") from error


def wanted_works(model, options):
    known = QUICK_WORKS if options.quick else tuple(SHAPES) if model == BASE else WORKS_OF_ALL_SIZES
    if not options.only:
        return known
    if unknown := [work for work in options.only if work not in known]:
        raise SystemExit(f"--only names {unknown[0]!r}; the works of {model} are {'; '.join(known)}")
    return tuple(work for work in known if work in options.only)


if __name__ == "__main__":
    main()
