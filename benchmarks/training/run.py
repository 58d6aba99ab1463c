# SPDX-License-Identifier: Apache-2.0
"""Steps of training by deberta_c and by transformers with torch, alternately: random weights, equal threads.

    python -m benchmarks.training.run  # everything, into benchmarks/results/ISA/training.json (fifteen minutes)
    python -m benchmarks.training.run --works "v3-xsmall 16x64"  # these works; the others stay in the file
    python -m benchmarks.training.run --table  # prints the committed results

Each library runs in a separate process (worker.py; epochs_worker.py for epochs with frozen layers). Before anything is
timed, the loss and the norm of the gradients without dropout are compared. A ragged work is one padded batch for torch,
and packed for deberta_c. The work in bfloat16 needs a CPU with AVX512_BF16 and is left out elsewhere. An epoch takes
torch over a minute: a round measures an eighth of it, and the rounds together all of it.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.cases import LENGTHS, Case
from benchmarks.core.peak import peak_gflops
from benchmarks.peers.models import CONFIGS, write_checkpoint
from benchmarks.training import epochs_worker
from benchmarks.training.worker import Autocast, Compiled, Eager, Ours, OursBfloat16
from deberta_c import _core

EPOCHS = {  # how the rows of an epoch are put into batches
    "v3-xsmall, epoch of 2,000 messages, 10 of 12 layers frozen": "random",
    "the same, batches grouped by length": "group_by_length",
}
IN_BFLOAT16 = "v3-base 8x128, bfloat16"
WORKS = {
    "v3-base 8x128": ("v3-base", [128] * 8, {"avx512": 1.8, "avx2": 2.2}),
    IN_BFLOAT16: ("v3-base", [128] * 8, {"avx512": 1.5}),
    "v3-xsmall 16x64": ("v3-xsmall", [64] * 16, {"avx512": 2.5, "avx2": 2.5}),
    "v3-xsmall 64 messages": ("v3-xsmall", LENGTHS["sms_spam"][:64], {"avx512": 8.0, "avx2": 8.0}),
}
WORKS |= {name: ("v3-xsmall", LENGTHS["sms_spam"], {"avx512": 20.0, "avx2": 20.0}) for name in EPOCHS}
ROUNDS, WARM_UP = 7, 2
PAUSE = 0.2  # seconds between libraries: idle threads of the other one spin for a while
TOLERANCES = {"loss": 1e-4, "norm": 1e-3}  # relative
BFLOAT16_TOLERANCES = {"loss": 2e-2, "norm": 5e-2}


def peer_of(work: str) -> str:
    return Autocast.name if work == IN_BFLOAT16 else Eager.name


def own_of(work: str) -> str:
    return OursBfloat16.name if work == IN_BFLOAT16 else Ours.name


def libraries_of(work: str, compiled: bool) -> list[str]:
    if work in EPOCHS:
        return list(epochs_worker.LIBRARIES)
    if work == IN_BFLOAT16:
        return [OursBfloat16.name, Autocast.name, Ours.name]
    return [Ours.name, Eager.name] + [Compiled.name] * compiled


def check(work: str, answers: dict[str, dict[str, Any]]) -> None:
    """Raises SystemExit if a library's loss or gradients are not those of transformers."""
    peer = peer_of(work)
    for library, found in answers.items():
        for part, tolerance in (BFLOAT16_TOLERANCES if work == IN_BFLOAT16 else TOLERANCES).items():
            expected = answers[peer][part]
            if not abs(found[part] - expected) <= tolerance * abs(expected):
                raise SystemExit(f"{work}: {part} of {library} is {found[part]}, of {peer} {expected}")


def needed_gflop(work: str) -> float:
    """A forward pass and twice that for the backward pass, of real tokens."""
    model, lengths, _ = WORKS[work]
    return 3 * Case(work, lengths).flops(CONFIGS[model]) / 1e9


def measure(work: str, directory: Path, libraries: list[str], threads: int) -> dict[str, Any]:
    model, lengths, _ = WORKS[work]
    rows = Case(work, lengths).rows(CONFIGS[model]["vocab_size"])
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "DEBERTA_C_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", f"benchmarks.training.{'epochs_worker' if work in EPOCHS else 'worker'}"]
    rounds, warm_up = (epochs_worker.PARTS, 1) if work in EPOCHS else (ROUNDS, WARM_UP)
    options = [str(directory), str(threads), *([EPOCHS[work]] if work in EPOCHS else [])]
    with contextlib.ExitStack() as stack:
        workers = {}
        for name in libraries:
            workers[name] = common.Worker(name, [*command, name, *options], env=environment)
            stack.callback(workers[name].close)
        question = json.dumps({"rows": rows})
        check(work, {name: json.loads(worker.ask(question)) for name, worker in workers.items()})

        def step(worker: common.Worker) -> dict[str, Any]:
            time.sleep(PAUSE)
            return json.loads(worker.ask("{}"))

        peak = peak_gflops(threads)
        answers = common.alternate(
            {name: lambda worker=worker: step(worker) for name, worker in workers.items()}, rounds, warm_up
        )
    return {
        "machine": common.machine(
            common.isa(), threads=threads, **common.versions("deberta_c", "numpy", "torch", "transformers")
        ),
        "gflop": needed_gflop(work),
        "peak_gflops": max(peak, peak_gflops(threads)),
        "seconds": {name: [answer["seconds"] for answer in found] for name, found in answers.items()},
        "peak_mb": {name: max(answer["peak_mb"] for answer in found) for name, found in answers.items()},
    }


def duration(work: str, name: str, seconds: list[float]) -> float:
    """The median of equal turns, or the sum of the parts of an epoch."""
    return sum(seconds) if work in EPOCHS and name != own_of(work) else statistics.median(seconds)


def table(results: dict[str, Any]) -> str:
    """Medians, what they are over deberta_c's, goals, the share of the FMA peak, memory."""
    rows = []
    for work in WORKS:
        if work not in results:
            continue
        result = results[work]
        medians = {name: duration(work, name, found) for name, found in result["seconds"].items()}
        own, goal = medians[own_of(work)], WORKS[work][2].get(result["machine"]["isa"])
        share = result["gflop"] / own / result["peak_gflops"]
        for name, median in medians.items():
            others = name != own_of(work)
            rows.append(
                [
                    work if not others else "",
                    name,
                    f"{median:.2f} s",
                    f"{median / own:.1f}x" if others else "",
                    f"{goal}x" if name == peer_of(work) and goal else "",
                    "" if others or work in EPOCHS or work == IN_BFLOAT16 else f"{share:.0%}",
                    f"{result['peak_mb'][name] / 1e3:.2f} GB",
                ]
            )
    header = ["step", "library", "time", "over deberta_c", "goal", "share of the FMA peak", "peak memory"]
    machine = next(iter(results.values()))["machine"]
    return (
        common.markdown(header, rows)
        + "\n\nA step: forward and backward pass with dropout 0.1, clipping, AdamW. The share counts a forward pass of "
        + "real tokens, and twice that for the backward pass. An epoch of deberta_c, by its Trainer, is the second or "
        + "later; that of torch is the sum of eight parts. Times of steps and of epochs of deberta_c are medians. In "
        + "bfloat16 other times are over that of deberta_c bf16.\n"
        + f"{machine['cpu']} ({machine['isa']}), {machine['threads']} threads, {machine['date']}; torch "
        + f"{machine['torch']}, transformers {machine['transformers']}."
    )


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help=f"also {Compiled.name}")
    options = parser.parse_args()
    if options.table:
        print(common.tables("training", table))
        return
    if "bfloat16" not in _core.dtypes():
        options.works = [work for work in options.works if work != IN_BFLOAT16]
    for model in dict.fromkeys(WORKS[work][0] for work in options.works):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(
                [
                    sys.executable,
                    "-c",
                    f"from {write_checkpoint.__module__} import *; write_checkpoint({model!r}, {directory!r})",
                ],
                check=True,
            )
            for work in options.works:
                if WORKS[work][0] != model:
                    continue
                libraries = libraries_of(work, options.compile)
                result = measure(work, Path(directory), libraries, options.threads)
                results = common.read("training", common.isa())
                common.write("training", common.isa(), {**results, work: result}, indent=1)
                print(table({work: result}), flush=True)


if __name__ == "__main__":
    main()
