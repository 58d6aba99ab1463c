# SPDX-License-Identifier: Apache-2.0
"""bfloat16 and int8 beside the lower precision of other libraries: the same v3-base of random weights.

    python -m benchmarks.peers.low_precision                    # everything, into results/ISA/low_precision.json
    python -m benchmarks.peers.low_precision --only 1x16,4x512  # these works; the others are kept
    python -m benchmarks.peers.low_precision --table            # prints the committed results

Each library runs in a separate process (worker.py), one at a time, alternating. Rows of unequal length are sorted by
length for the libraries with padded batches. A type that this CPU does not multiply is left out and named; deberta_c
bfloat16 then has weights in that type. The difference is that of the logits to deberta_c in float32, the largest of all
rows.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.cases import Case, case
from benchmarks.peers.models import CONFIGS, ONNX_INT8_CHANNELS
from benchmarks.peers.peers import (
    LOW_PRECISION,
    Autocast,
    OnnxRuntimeInt8,
    OnnxRuntimeInt8Channels,
    OpenVinoBfloat16,
    Ours,
    OursBfloat16,
    OursInt8,
)
from benchmarks.peers.report import span
from benchmarks.peers.run import PACKAGES, PAUSE, Worker, difference

MODEL = "v3-base"
SECONDS, MOST_ROUNDS = 40.0, 25  # of all rounds of a work
WARM_ROWS = 40
BFLOAT16 = (OpenVinoBfloat16.name, Autocast.name)
# bfloat16 over OpenVINO bf16; int8 over the best of the others; int8 over float32: on a CPU with AVX512_BF16 and VNNI
GOALS = {
    "1x16": (1.6, 2.5, 2.2),
    "1x128": (1.4, 2.0, 2.4),
    "8x128": (1.4, 2.1, 2.6),
    "4x512": (1.4, 1.9, 2.2),
    "1000 messages": (1.5, 2.3, 2.8),
}
OTHER_GOALS = {"8x128": (None, None, 1.4)}  # on another CPU
OTHERS = (OpenVinoBfloat16.name, OnnxRuntimeInt8.name, OnnxRuntimeInt8Channels.name)


def lacking() -> dict[str, str]:
    """The libraries whose type this CPU does not compute, and why."""
    from deberta_c import _core

    if "bfloat16" in _core.dtypes():
        return {}
    return dict.fromkeys(BFLOAT16, "this CPU has no AVX512_BF16")


def time_work(work: Case, workers: Mapping[str, Worker], vocab_size: int) -> dict[str, Any]:
    """Seconds of each round, and the difference of the logits to float32."""
    rows = work.rows(vocab_size)
    for worker in workers.values():
        worker.run(work.ragged, rows[:WARM_ROWS])

    def answer(name: str) -> dict[str, Any]:
        time.sleep(PAUSE)
        return workers[name].run(work.ragged)

    first = {name: worker.run(work.ragged, rows) for name, worker in workers.items()}
    rounds = min(max(int(SECONDS / sum(one["seconds"] for one in first.values())), 1), MOST_ROUNDS)
    later = common.alternate({name: partial(answer, name) for name in workers}, rounds - 1)
    expected = first[Ours.name]["logits"]
    return {
        "seconds": {name: [one["seconds"] for one in (first[name], *later[name])] for name in workers},
        "difference": {name: difference(one["logits"], expected) for name, one in first.items()},
    }


@contextlib.contextmanager
def started(checkpoints: Path | None, threads: int, names: list[str]):
    with contextlib.ExitStack() as stack:
        directory = Path(checkpoints or stack.enter_context(tempfile.TemporaryDirectory())) / MODEL
        if not directory.is_dir():
            subprocess.run([sys.executable, "-m", "benchmarks.peers.models", MODEL, str(directory)], check=True)
        if not (directory / ONNX_INT8_CHANNELS).is_file():
            code = "import sys; from benchmarks.peers import models; models.export_channels(sys.argv[1])"
            subprocess.run([sys.executable, "-c", code, str(directory)], check=True)
        workers = {}
        for name in names:
            workers[name] = Worker(name, directory, threads)
            stack.callback(workers[name].close)
        yield workers


def over(work: Mapping[str, Any], ours: str, others: tuple[str, ...]) -> float | None:
    """How many times as fast as the fastest of the others: median of the ratios of all rounds."""
    seconds = work["seconds"]
    known = [name for name in others if name in seconds]
    if ours not in seconds or not known:
        return None
    best = min(known, key=lambda name: statistics.median(seconds[name]))
    return statistics.median(one / own for one, own in zip(seconds[best], seconds[ours], strict=True))


def goal_cell(reached: float | None, goal: float | None) -> str:
    if reached is None:
        return "-"
    if goal is None:
        return f"{reached:.2f}x"
    return f"{reached:.2f}x ({goal:g}x, {'met' if reached >= goal else 'missed'})"


def time_cell(work: Mapping[str, Any], name: str) -> str:
    """Median time in ms, and the difference of the logits to float32."""
    if name not in work["seconds"]:
        return "-"
    return f"{statistics.median(work['seconds'][name]) * 1e3:,.1f} ({work['difference'][name]:.3f})"


def figures(results: Mapping[str, Any]) -> dict[str, str]:
    """How many times as fast as float32 each type is in the works, for sentences."""
    works = [part["lines"] for part in results["parts"].values()]
    return {
        name: span([ratio for work in works if (ratio := over(work, ours, (Ours.name,))) is not None])
        for name, ours in (("bfloat16_over_float32", OursBfloat16.name), ("int8_over_float32", OursInt8.name))
    }


def table(results: Mapping[str, Any]) -> str:
    parts = results["parts"]
    machine = next(iter(parts.values()))["machine"]
    rows = []
    for name in GOALS:
        if name not in parts:
            continue
        goals = OTHER_GOALS.get(name, (None, None, None)) if machine["lacks"] else GOALS[name]
        work = parts[name]["lines"]
        ratios = (
            over(work, OursBfloat16.name, (OpenVinoBfloat16.name,)),
            over(work, OursInt8.name, OTHERS),
            over(work, OursInt8.name, (Ours.name,)),
        )
        times = [time_cell(work, peer) for peer in LOW_PRECISION]
        rows.append([name, *times, *map(goal_cell, ratios, goals)])
    header = [
        "work",
        *LOW_PRECISION,
        "bfloat16 over OpenVINO bf16 (goal)",
        "int8 over the best of onnxruntime int8 and OpenVINO bf16 (goal)",
        "int8 over float32 (goal)",
    ]
    missing = "".join(f" Not measured: {name}, because {why}." for name, why in machine["lacks"].items())
    note = (
        "Medians in ms, from arrays of ids to logits; in brackets the largest difference of a logit to deberta_c in "
        f"float32. Random weights of DeBERTa-v3-base, {machine['threads']} threads. The others take padded batches, "
        f"those of the messages sorted by length.{missing}"
    )
    about = common.described(machine, *(name for name in PACKAGES if name in machine))
    return f"{common.markdown(header, rows)}\n\n{note}\n{about}"


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--only", help=f"works: {', '.join(GOALS)} (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoints", type=Path, help="a folder that keeps the random model for the next run")
    options = parser.parse_args()
    if options.table:
        print(common.tables("low_precision", table))
        return
    works = options.only.split(",") if options.only else list(GOALS)
    if unknown := set(works) - set(GOALS):
        raise SystemExit(f"--only names {unknown.pop()!r}; the works are {', '.join(GOALS)}")
    lacks = lacking()
    for name, why in lacks.items():
        print(f"{name} is not measured, because {why}")
    about = common.machine(
        common.isa(),
        threads=options.threads,
        cpus=common.cpus(),
        lacks=lacks,
        **common.versions(*PACKAGES),
    )
    with started(
        options.checkpoints, options.threads, [name for name in LOW_PRECISION if name not in lacks]
    ) as workers:
        for name in works:
            measured = time_work(case(name), workers, CONFIGS[MODEL]["vocab_size"])
            common.measure_parts("low_precision", {name: lambda found=measured: found}, lambda: about, indent=1)
            medians = {peer: statistics.median(found) * 1e3 for peer, found in measured["seconds"].items()}
            print(name, json.dumps({peer: round(ms, 1) for peer, ms in medians.items()}), flush=True)


if __name__ == "__main__":
    main()
