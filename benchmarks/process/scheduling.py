# SPDX-License-Identifier: Apache-2.0
"""Use of cores and memory, and time to start: random DeBERTa-v3-base, float32.

    python -m benchmarks.process.scheduling  # all parts; writes benchmarks/results/ISA/scheduling.json
    python -m benchmarks.process.scheduling --parts scaling  # one of them; the others are kept in the JSON
    python -m benchmarks.process.scheduling --table  # prints the committed results

Measurements that are compared alternate. Some figures have a goal.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

import deberta_c
from benchmarks import common
from benchmarks.cases import Case, case
from benchmarks.common import Worker, alternate, resident, seconds
from benchmarks.peers.models import write_checkpoint_in_process
from deberta_c._models.base import network_of

WORKS = {"1x8": 41, "1x16": 41, "1x32": 41, "1x128": 21, "8x128": 5, "4x512": 3, "256 messages": 3}  # rounds
LENGTHS = {"1x32": [32]}  # besides those of cases.py
SPEED_UP, FROM_TOKENS = 1.85, 16
WARM_STARTS = 9
PACKAGES = ("deberta_c", "numpy")


def packed(name):
    """The ids and offsets of a work."""
    work = Case(name, LENGTHS[name]) if name in LENGTHS else case(name)
    rows = work.rows(128000)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return np.concatenate(rows).astype(np.int32), offsets


def entry(value, unit, goal=None, met=None, **details):
    return {"value": value, "unit": unit, "goal": goal, "met": met, **details}


def opened(directory):
    return deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


def network(directory):
    return network_of(opened(directory))[0]


def os_threads():
    return len(list(Path("/proc/self/task").iterdir()))


# ---- parts: each returns its lines ----


def scaling(directory):
    """Two threads over one."""
    core, lines = network(directory), {}
    for name, rounds in WORKS.items():
        ids, offsets = packed(name)

        def forward(threads):
            with deberta_c.threads(threads):
                return seconds(lambda: core.forward(ids, offsets))  # noqa: B023

        times = alternate({threads: partial(forward, threads) for threads in (1, 2)}, rounds, warm_up=1)
        ratios = [one / two for one, two in zip(times[1], times[2], strict=True)]
        gain = statistics.median(ratios)
        goal = SPEED_UP if len(ids) >= FROM_TOKENS else None
        lines[f"{name}: 2 threads over 1"] = entry(
            gain, "x", goal and f">= {goal}", goal and gain >= goal, least=min(ratios), most=max(ratios),
            one_thread_ms=statistics.median(times[1]) * 1e3, two_threads_ms=statistics.median(times[2]) * 1e3,
        )  # fmt: skip
    return lines


def callers(directory):
    """Four Python threads that call at once over one that makes the same calls one after the other."""
    core, lines = network(directory), {}
    for name, calls in (("1x16", 40), ("1x128", 12), ("8x128", 8)):
        ids, offsets = packed(name)
        most = 0

        def call(count):
            nonlocal most
            with ThreadPoolExecutor(count) as pool:
                passed = seconds(lambda: list(pool.map(lambda _: core.forward(ids, offsets), range(calls))))  # noqa: B023
                most = max(most, os_threads())
            return passed

        times = alternate({count: partial(call, count) for count in (1, 4)}, rounds=3, warm_up=1)
        ratios = [one / four for one, four in zip(times[1], times[4], strict=True)]
        lines[f"{name}: 4 callers at once over 1"] = entry(
            statistics.median(ratios), "x", ">= 0.97", statistics.median(ratios) >= 0.97,
            least=min(ratios), most=max(ratios), threads_of_the_process=most,
        )  # fmt: skip
    before = time.process_time()
    time.sleep(0.1)
    first = time.process_time() - before
    core.forward(ids, offsets)
    before = time.process_time()
    time.sleep(0.1)
    lines["CPU time in the 100 ms after a call"] = entry(
        (time.process_time() - before) * 1e3, "ms", None, None, after_callers_ms=first * 1e3
    )
    return lines


WORKER = """
import sys, time
import deberta_c
from benchmarks.common import seconds
from benchmarks.process.scheduling import network, packed
deberta_c.set_num_threads(int(sys.argv[2]))
core, (ids, offsets) = network(sys.argv[1]), packed("256 messages")
core.forward(ids, offsets)
print("ready", flush=True)
for _ in sys.stdin:
    print(seconds(lambda: core.forward(ids, offsets)), flush=True)
"""


def caller(directory, threads):
    return Worker(f"{threads} threads", [sys.executable, "-c", WORKER, str(directory), str(threads)])


def processes(directory):
    """Two processes of one thread each, one process of two, and two of two each."""
    threads_of = {"1 of 2": [2], "2 of 1": [1, 1], "2 of 2": [2, 2]}
    groups = {name: [caller(directory, threads) for threads in counts] for name, counts in threads_of.items()}
    for group in groups.values():
        for worker in group:
            assert worker.receive() == "ready\n"
    tokens = case("256 messages").tokens

    def rate(group):
        for worker in group:
            worker.send("go")
        return sum(tokens / float(worker.receive()) for worker in group)

    rates = alternate({name: partial(rate, group) for name, group in groups.items()}, rounds=3)
    for group in groups.values():
        for worker in group:
            worker.close()
    ratio = statistics.median(a / b for a, b in zip(rates["2 of 1"], rates["1 of 2"], strict=True))
    crowded = statistics.median(a / b for a, b in zip(rates["2 of 2"], rates["1 of 2"], strict=True))
    medians = {name: statistics.median(own) for name, own in rates.items()}
    return {
        "256 messages: 2 processes of 1 thread over 1 of 2": entry(
            ratio, "x", ">= 0.97", ratio >= 0.97, tokens_per_s=medians
        ),
        "256 messages: 2 processes of 2 threads over 1 of 2": entry(crowded, "x"),
    }


def start(directory):
    """Opening a model whose file is cached, and importing the compiled package after NumPy."""
    load = (
        "import sys, time, deberta_c; start = time.perf_counter(); "
        "deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1]); print(time.perf_counter() - start)"
    )
    imports = "import time, numpy; start = time.perf_counter(); import deberta_c; print(time.perf_counter() - start)"
    lines = {}
    for name, code, goal in (("opening v3-base, warm", load, 0.6), ("import beyond NumPy", imports, 0.1)):
        command = [sys.executable, "-c", code, str(directory)]
        compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        runs = [
            float(subprocess.run(command, env=compiled, capture_output=True, check=True).stdout)
            for _ in range(WARM_STARTS + 1)
        ]
        median = statistics.median(runs[1:])
        lines[name] = entry(median, "s", f"< {goal}", median < goal, least=min(runs[1:]), most=max(runs[1:]))
    return lines


SHAPES = """
import sys
import numpy as np
import deberta_c
from benchmarks.common import resident
from benchmarks.process.scheduling import opened
core, rng = opened(deberta_c.default_model())._core, np.random.default_rng(0)
def run(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    core.forward(rng.integers(4, 4000, offsets[-1]).astype(np.int32), offsets)
for lengths in ([512], [2] * 256, [32] * 16):
    run(lengths)
before = most = resident()
for _ in range(5000):
    tokens = int(rng.integers(1, 513))
    lengths = rng.integers(1, rng.integers(1, tokens + 1) + 1, tokens)
    run(lengths[: max(1, np.searchsorted(np.cumsum(lengths), tokens, side="right"))])
    most = max(most, resident())
print(most - before)
"""


def shapes(directory):
    """Growth of resident memory over 5,000 random shapes of the default model, after the largest."""
    lines = {}
    for path in ("own", "onednn"):
        run = subprocess.run(
            [sys.executable, "-c", SHAPES],
            capture_output=True, text=True, check=True, env={**os.environ, "DEBERTA_C_MATMUL": path},
        )  # fmt: skip
        grown = float(run.stdout)
        lines[f"growth over 5,000 shapes, {path}"] = entry(grown, "MB", "< 20", grown < 20)
    return lines


def texts(count):
    draw = random.Random(0)
    return (f"call {draw.randrange(10**8):08} now, it is {draw.random():.6f}" for _ in range(count))


def million(directory):
    """`predict` of the default model over an iterator of short texts."""
    model, lines, rates = opened(deberta_c.default_model()), {}, {}
    model.predict(texts(20_000))
    before = most = resident()

    def watched(count):
        nonlocal most
        for row, text in enumerate(texts(count)):
            if row % 1024 == 0:
                most = max(most, resident())
            yield text

    rates[1000] = 1000 / statistics.median(seconds(lambda: model.predict(texts(1000))) for _ in range(15))
    rates[10**6] = 10**6 / seconds(lambda: model.predict(watched(10**6)))
    ratio = rates[10**6] / rates[1000]
    result = 10**6 * model.num_labels * 4 / 1e6
    lines["a million texts: rate over that of a thousand"] = entry(
        ratio, "x", ">= 0.95", ratio >= 0.95, texts_per_s={str(count): rate for count, rate in rates.items()}
    )
    grown = most - before - result
    lines["a million texts: growth beside the result"] = entry(grown, "MB", "< 20", grown < 20)
    return lines


CALLS = """
import sys, time
import numpy as np, deberta_c
# The earlier build of DEBERTA_C_BEFORE has no network_of.
core = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])._core
deberta_c.set_num_threads(int(sys.argv[2]))
ids, offsets = np.random.default_rng(0).integers(4, 4000, 16).astype(np.int32), np.array([0, 16])
core.forward(ids, offsets)
print("ready", flush=True)
for line in sys.stdin:
    calls, pause = line.split()
    times = []
    for _ in range(int(calls)):
        time.sleep(float(pause))
        start = time.perf_counter()
        core.forward(ids, offsets)
        times.append(time.perf_counter() - start)
    print(*times, flush=True)
"""


def short_calls(name, threads, folder):
    """A process that makes calls of one text of 16 tokens with the package in a folder and its own kernel."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "DEBERTA_C_MATMUL": "own"}
    command = [sys.executable, "-c", CALLS, name, str(threads)]
    worker = Worker(f"{name} in {folder}", command, env=environment, cwd=tempfile.gettempdir())
    assert worker.receive() == "ready\n"
    return worker


PAUSES = (0, 0.1, 0.5)  # seconds


def pauses(directory):
    """The time of 1x16 after an idle pause of the process. The package in the folder DEBERTA_C_BEFORE alternates."""
    workers = {
        f"{label}{threads} thread{'s' * (threads > 1)}": short_calls(str(directory), threads, package)
        for label, package in builds().items()
        for threads in (1, 2)
    }
    lines = {}
    for pause in PAUSES:
        rounds = alternate({name: partial(worker.ask, f"10 {pause}") for name, worker in workers.items()}, rounds=4)
        lines |= {f"1x16 after {pause} s, {name}: p50": percentiles(found, 50) for name, found in rounds.items()}
    for worker in workers.values():
        worker.close()
    return lines


def builds():
    """The folders of the packages to compare."""
    before = os.environ.get("DEBERTA_C_BEFORE")
    return {"": common.ROOT} | ({"before, ": before} if before else {})


def percentiles(rounds, main):
    """A line with the percentile `main` of all times as its value, and p50, p95 and p99 in ms."""
    times = [float(word) for line in rounds for word in line.split()]
    found = {f"p{part}": float(np.percentile(times, part)) * 1e3 for part in (50, 95, 99)}
    return entry(found.pop(f"p{main}"), "ms", **found)


def neighbours(directory):
    """A short text while a spinning process keeps every CPU busy. The package in the folder DEBERTA_C_BEFORE, another
    build, alternates with this one."""
    lines = {}
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint_in_process("v3-xsmall", folder)
        for model, path in (("default model", deberta_c.default_model()), ("v3-xsmall", folder)):
            workers = {
                f"{label}{model}, {threads} thread{'s' * (threads > 1)}": short_calls(str(path), threads, package)
                for label, package in builds().items()
                for threads in (1, 2)
            }
            spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
            rounds = alternate({name: partial(worker.ask, "25 0") for name, worker in workers.items()}, rounds=4)
            for process in spinning:
                process.kill()
            for name, worker in workers.items():
                worker.close()
                lines[f"busy neighbours, {name}: p95"] = percentiles(rounds[name], 95)
    return lines


MEASURES = (scaling, callers, processes, start, shapes, million, neighbours, pauses)
PARTS = {function.__name__: function for function in MEASURES}


def about():
    return common.machine(common.isa(), cpus=common.cpus(), **common.versions(*PACKAGES))


def shown(name, line):
    """The name and value of a line; of times all percentiles."""
    parts = ("p50", "p95", "p99")
    what, _, main = name.rpartition(": ")
    times = {**line, main: line["value"]}
    if not times.keys() >= set(parts):
        return name, f"{line['value']:.3g}"
    return f"{what}: {', '.join(parts)}", ", ".join(f"{times[part]:.3g}" for part in parts)


def table(results):
    rows = ["| what | found | goal | met |", "|---|---|---|---|"]
    for part in results["parts"].values():
        for name, line in part["lines"].items():
            met = {True: "yes", False: "no", None: ""}[line["met"]]
            name, found = shown(name, line)
            rows.append(f"| {name} | {found} {line['unit']} | {line['goal'] or ''} | {met} |")
    machines = dict.fromkeys(common.described(part["machine"], *PACKAGES) for part in results["parts"].values())
    return "\n".join([*rows, "", *machines])


def main():
    parser = common.parser_of(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--model", type=Path, help="a checkpoint of the size of v3-base; random by default")
    options = parser.parse_args()
    if not options.table:
        with tempfile.TemporaryDirectory() as folder:
            if not options.model:
                write_checkpoint_in_process("v3-base", folder)
            parts = {name: partial(PARTS[name], options.model or Path(folder)) for name in options.parts}
            common.measure_parts("scheduling", parts, about, indent=2)
    print(common.tables("scheduling", table))


if __name__ == "__main__":
    main()
