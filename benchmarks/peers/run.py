# SPDX-License-Identifier: Apache-2.0
"""deberta_c against its peers: random weights, float32 (and one int8), the same threads, in alternation.

    python -m benchmarks.peers.run  # everything, into benchmarks/results/ISA/peers.json
    python -m benchmarks.peers.run --models v3-base --only 1x16,4x512  # these works; the others are kept
    python -m benchmarks.peers.run --quick  # v3-base, four works, five minutes; prints only

Each peer runs in a separate process (worker.py); one works at a time, the others wait. Their logits are compared with
those of transformers eager before anything is timed. Times are of whole calls, from arrays of ids to logits. deberta_c
gets all rows at once; the others get rows of unequal length in padded batches of 32, in the given order and sorted by
length. The numbers of rounds keep the benchmark within an hour; each time is in the JSON.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks import common
from benchmarks.cases import QUICK_WORKS, SHAPES, WORKS_OF_ALL_SIZES, case
from benchmarks.core.peak import peak_gflops
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

TOLERANCE = 1e-4  # of float32 logits, against transformers eager
CHECKED_ROWS = 40  # two batches
LONG = 5.0  # seconds of the slowest peer; longer works have three rounds
ENOUGH = 40.0  # seconds of all rounds of other works, which have 6 to 15
DEADLINE = 50 * 60.0  # seconds after which long works have one round
PAUSE = 0.1  # seconds between calls: idle threads of the previous peer spin for a while
STARTS = 15  # processes of the start-up measurements
SOME_PEERS = (Ours.name, Eager.name, OnnxRuntime.name, OpenVino.name)
PACKAGES = ("deberta_c", "numpy", "torch", "transformers", "onnxruntime", "openvino")


class WrongResult(Exception):
    """The logits of a peer differ from those of transformers."""


class Worker(common.Worker):
    """A peer in a separate process (worker.py)."""

    def __init__(self, name, directory, threads):
        command = [sys.executable, "-m", "benchmarks.peers.worker", name, str(directory), str(threads)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "DEBERTA_C_NUM_THREADS": str(threads)}
        super().__init__(name, command, env=environment)
        self.start = json.loads(self.receive())

    def run(self, in_order_of_length=False, rows=None):
        """Runs these rows, or the last ones in this order: seconds, logits, peak_mb."""
        request = {"sorted": in_order_of_length} | ({} if rows is None else {"rows": rows})
        return json.loads(self.ask(json.dumps(request)))


def difference(one, other):
    """The largest absolute difference of two tables of logits; NaN counts as infinite."""
    values = [
        abs(a - b) for row, other_row in zip(one, other, strict=True) for a, b in zip(row, other_row, strict=True)
    ]
    return max(value if value == value else float("inf") for value in values)


def compare(logits):
    """The largest differences from transformers eager, by setting; WrongResult if one of float32 exceeds TOLERANCE."""
    differences = {setting: difference(table, logits[Eager.name]) for setting, table in logits.items()}
    for setting, value in differences.items():
        if not setting.startswith(OnnxRuntimeInt8.name) and not value <= TOLERANCE:
            raise WrongResult(f"{setting} differs from {Eager.name} by {value:.1e}; its times are not kept")
    return differences


def settings_of(workers, ragged, everything):
    """Label -> peer, and whether it sorts: compiled and throughput peers do; without `everything` all except eager."""
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
    """All settings of a work, alternating: seconds of each round, peak memory, differences.

    The logits of the first rows are compared before timing, those of all rows after the first round. For a ragged work
    only deberta_c, eager and the fastest float32 peer have further rounds.
    """
    settings = settings_of(workers, case.ragged, everything)
    rows = case.rows(vocab_size)
    compare({label: worker.run(sorts, rows[:CHECKED_ROWS])["logits"] for label, (worker, sorts) in settings.items()})
    prepared = set(settings) if len(rows) <= CHECKED_ROWS else set()
    seconds, answers = {label: [] for label in settings}, {}
    continuing, rounds, done = list(settings), 1, 0
    while done < rounds:
        for label in continuing:
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
                continuing = [label for label in settings if label in (Ours.name, Eager.name, best)]
    peak_mb = {label: answer["peak_mb"] for label, answer in answers.items()}
    return {"seconds": seconds, "peak_mb": peak_mb, "difference": differences}


def is_fast_float32(label):
    return label.removesuffix(SORTED) in FLOAT32 and not label.startswith(Eager.name)


def measure_model(name, works, options, deadline, results, save):
    """Writes the checkpoint, starts the peers, times the works; saves after each work."""
    config = CONFIGS[name]
    everything = name == BASE and not options.quick
    chosen = PEERS if everything else SOME_PEERS
    with contextlib.ExitStack() as stack:
        directory = Path(options.checkpoints or stack.enter_context(tempfile.TemporaryDirectory())) / name
        if not directory.is_dir():
            subprocess.run([sys.executable, "-m", "benchmarks.peers.models", name, str(directory)], check=True)
        for file in directory.iterdir():
            file.read_bytes()  # loading is timed with the files in the page cache
        workers = []
        for peer in chosen:
            workers.append(Worker(peer, directory, options.threads))
            stack.callback(workers[-1].close)
        results.setdefault("start", {})[name] = {worker.name: worker.start for worker in workers}
        for work in works:
            began, peak_before = time.monotonic(), peak_gflops(options.threads)
            result = {"machine": about(options.threads), "tokens": case(work).tokens}
            result |= {"gflop": case(work).flops(config) / 1e9}
            result |= time_case(case(work), workers, config["vocab_size"], everything, deadline)
            result["peak_gflops"] = max(peak_before, peak_gflops(options.threads))
            if everything and (found := floor(work)):
                result["floor"] = found
            merge(results, name, work, result)
            save()
            print(f"{name}, {work}: {summary(result)} ({time.monotonic() - began:.0f} s)", flush=True)


def floor(work):
    """The measurement of scikit-learn for a work of texts; None for other works or without the texts."""
    if work not in SETS:
        return None
    if "DEBERTA_C_TEST_DATA" not in os.environ:
        print(f"{work}: TF-IDF with logistic regression is not measured, because DEBERTA_C_TEST_DATA is not set")
        return None
    command = [sys.executable, "-m", "benchmarks.peers.floor", work]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def summary(result):
    """The medians in one line."""
    medians = {label: statistics.median(own) for label, own in result["seconds"].items()}
    return "; ".join(f"{label} {median * 1e3:.1f} ms" for label, median in medians.items())


def start_up():
    """Medians over processes: the import beyond that of NumPy, and the first answer of the default model."""
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
    """Megabytes of each package's folder, without caches."""
    sizes = {}
    for name in PACKAGES:
        if name == "numpy" or (spec := find_spec(name)) is None:
            continue
        files = [p for p in Path(spec.origin).parent.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        sizes[name] = sum(path.stat().st_size for path in files) / 1e6
    return sizes


def about(threads):
    return common.machine(common.isa(), threads=threads, **common.versions(*PACKAGES))


def merge(results, model, work, result):
    """Replaces the result of a work; models and works keep the order of their lists."""
    works = results.setdefault("works", {}).setdefault(model, {})
    works[work] = result
    order = [*SHAPES, *WORKS_OF_ALL_SIZES, *QUICK_WORKS]
    results["works"][model] = dict(sorted(works.items(), key=lambda item: order.index(item[0])))
    results["works"] = dict(sorted(results["works"].items(), key=lambda item: list(CONFIGS).index(item[0])))


def refusal(name):
    """The reason why deberta_c cannot open such a model; None if it can."""
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
    works = {name: chosen_works(name, options) for name in models}
    out = options.out or (None if options.quick else common.path_of("peers", common.isa()))
    results = json.loads(out.read_text()) if out and out.is_file() else {}
    deadline = time.monotonic() + DEADLINE
    results |= {"start_up": start_up(), "installed_mb": installed_mb()}

    def save():
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(results, indent=1) + "\n")

    for name in models:
        if reason := refusal(name):
            print(f"{name} is not measured, because deberta_c cannot open it: {reason}")
            continue
        try:
            measure_model(name, works[name], options, deadline, results, save)
        except WrongResult as error:
            raise SystemExit(f"{name}: {error}") from error


def chosen_works(model, options):
    known = QUICK_WORKS if options.quick else tuple(SHAPES) if model == BASE else WORKS_OF_ALL_SIZES
    if not options.only:
        return known
    if unknown := [work for work in options.only if work not in known]:
        raise SystemExit(f"--only names {unknown[0]!r}; the works of {model} are {'; '.join(known)}")
    return tuple(work for work in known if work in options.only)


if __name__ == "__main__":
    main()
