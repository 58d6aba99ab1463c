# SPDX-License-Identifier: Apache-2.0
"""Scaling of float32, bfloat16 and int8 over 1, 2, 4, 8 and 16 threads, for a machine with many cores or AMX.

    python -m benchmarks.many_cores                          # 32 texts of 128 tokens, a v3-base; minutes
    python -m benchmarks.many_cores --threads 1,16 --work 8x128 --seconds 3
    python -m benchmarks.many_cores --json FILE              # writes the figures too
    DEBERTA_C_ISA=amx python -m benchmarks.many_cores        # with the tiles of AMX, which must be asked for

Needs deberta_c and NumPy only; the weights are random. Before anything is timed, each type computes known products, its
labels and logits are compared with those of float32, and its bits with those of one thread and of a text alone. With
transformers installed the logits of float32 are compared with those of its model. Exit status 1: something is wrong.
On a CPU that does not multiply bfloat16 only its weights are in that type, as the table says.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import deberta_c
from benchmarks import common
from benchmarks.cases import Case
from benchmarks.peers.models import CONFIGS
from deberta_c import _core
from deberta_c._models.base import network_of

DTYPES = ("float32", "bfloat16", "int8")
THREADS = (1, 2, 4, 8, 16)
MOST_ROUNDS = 25
TOLERANCE = 1e-4  # of float32 logits, against transformers
GOALS = {"bfloat16": 3.0, "int8": 4.0}  # over float32 with 16 threads, of a CPU with AMX
SEED = 0

Model = deberta_c.DebertaV2ForSequenceClassification


def drawn(settings: Mapping[str, Any]) -> Model:
    """A model of random weights, made without files."""
    return Model(deberta_c.DebertaV2Config.from_dict(dict(settings)), seed=SEED)


def work_of(name: str) -> Case:
    rows, separator, width = name.partition("x")
    if not (separator and rows.isdigit() and width.isdigit() and int(rows) and int(width)):
        raise SystemExit(f"--work is {name!r}; give texts x tokens, such as 32x128")
    return Case(name, [int(width)] * int(rows))


def packed(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Ids and offsets, as the core takes them."""
    return np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)])


def logits_of(model: Model, rows: Sequence[Sequence[int]]) -> np.ndarray:
    return network_of(model)[0].forward(*packed(rows))[0]


# ---- what is right ----


def same_bits(model: Model, rows: list[list[int]], threads: Sequence[int]) -> bool:
    """Whether the logits are the same with each number of threads, and those of the first text alone."""
    with deberta_c.threads(1):
        expected = logits_of(model, rows)
        same = np.array_equal(logits_of(model, rows[:1]), expected[:1])
    for count in threads:
        with deberta_c.threads(count):
            same &= np.array_equal(logits_of(model, rows), expected)
    return same


def checked(models: Mapping[str, Model], rows: list[list[int]], threads: Sequence[int]) -> dict[str, dict[str, Any]]:
    """For each type: known products, agreement with float32, the same bits."""
    exact = logits_of(models["float32"], rows)
    found = {}
    for dtype, model in models.items():
        logits = logits_of(model, rows)
        found[dtype] = {
            "products": _core.known_products(dtype),
            "labels": float((logits.argmax(axis=1) == exact.argmax(axis=1)).mean()),
            "difference": float(abs(logits - exact).max()),
            "bits": same_bits(model, rows, threads),
        }
    return found


def beside_transformers(model: Model, rows: list[list[int]]) -> float | None:
    """The largest difference of the logits; None if transformers or torch is not installed."""
    if find_spec("transformers") is None or find_spec("torch") is None:
        return None
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as directory, torch.inference_mode():
        model.save_pretrained(directory)
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        expected = theirs(torch.tensor(rows)).logits.numpy()
    return float(abs(logits_of(model, rows) - expected).max())


# ---- what it takes ----


def timed(models: Mapping[str, Model], rows: list[list[int]], threads: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of each call, the types alternating, for about `seconds` in all."""
    forwards = {dtype: partial(logits_of, model, rows) for dtype, model in models.items()}
    with deberta_c.threads(threads):
        start = time.perf_counter()
        for forward in forwards.values():
            forward()
        rounds = min(max(int(seconds / (time.perf_counter() - start)), 2), MOST_ROUNDS)
        measures = {dtype: partial(common.seconds, forward) for dtype, forward in forwards.items()}
        return common.alternate(measures, rounds)


def scaling_table(found: Mapping[int, Mapping[str, Sequence[float]]], gflop: float) -> str:
    """By number of threads, for each type: ms, GFLOP/s, times as fast as with the first number; ratios to float32."""
    medians = {
        count: {dtype: statistics.median(own) for dtype, own in seconds.items()} for count, seconds in found.items()
    }
    first = next(iter(medians.values()))
    header = ["threads"]
    for dtype in first:
        header += [f"{dtype}, ms", "GFLOP/s", "scaling"] + ([] if dtype == "float32" else ["over float32"])
    rows = []
    for count, own in medians.items():
        row = [str(count)]
        for dtype, median in own.items():
            row += [f"{median * 1e3:,.1f}", f"{gflop / median:,.0f}", f"{first[dtype] / median:.2f}x"]
            row += [] if dtype == "float32" else [f"{own['float32'] / median:.2f}x"]
        rows.append(row)
    return common.markdown(header, rows)


def checks_table(checks: Mapping[str, Mapping[str, Any]]) -> str:
    words = {True: "right", False: "WRONG"}
    return common.markdown(
        ["type", "who multiplies", "known products", "labels as float32", "largest difference", "same bits"],
        [
            [
                dtype,
                _core.multiplier(dtype),
                words[own["products"]],
                f"{own['labels']:.1%}",
                f"{own['difference']:.1e}",
                words[own["bits"]],
            ]
            for dtype, own in checks.items()
        ],
    )


def goals(found: Mapping[int, Mapping[str, Sequence[float]]], isa: str) -> list[str]:
    """Lines about the goals, which are those of 16 threads with AMX."""
    if isa != "amx" or max(THREADS) not in found:
        asks = "DEBERTA_C_ISA=amx uses it. " if amx() and isa != "amx" else ""
        return [f"The goals are for {max(THREADS)} threads with AMX. {asks}They are not judged here."]
    medians = {dtype: statistics.median(own) for dtype, own in found[max(THREADS)].items()}
    ratios = {dtype: medians["float32"] / medians[dtype] for dtype in GOALS if dtype in medians}
    return [
        f"{dtype}: {ratio:.2f}x float32, goal {GOALS[dtype]:g}x: {'met' if ratio >= GOALS[dtype] else 'missed'}"
        for dtype, ratio in ratios.items()
    ]


def amx() -> bool:
    return "amx_tile" in Path("/proc/cpuinfo").read_text().partition("\n\n")[0]


def measure(settings: Mapping[str, Any], work: Case, threads: Sequence[int], seconds: float) -> dict[str, Any]:
    """Checks and times each type; prints tables."""
    exact = drawn(settings)
    models = {dtype: exact.to_dtype(dtype) for dtype in DTYPES}
    rows = work.rows(settings["vocab_size"])
    checks = checked(models, rows, threads)
    difference = beside_transformers(exact, rows[:2])
    print(checks_table(checks))
    print("float32 beside transformers:", "not installed" if difference is None else f"{difference:.1e}", flush=True)
    found = {}
    for count in threads:
        found[count] = timed(models, rows, count, seconds)
    print(scaling_table(found, work.flops(dict(settings)) / 1e9))
    print(*goals(found, common.isa()), sep="\n", flush=True)
    right = all(own["products"] and own["bits"] for own in checks.values())
    return {
        "machine": common.machine(common.isa(), cpus=common.cpus(), amx=amx(), **common.versions("deberta_c", "numpy")),
        "work": work.name,
        "checks": checks,
        "beside_transformers": difference,
        "seconds": found,
        "right": right and (difference is None or difference <= TOLERANCE),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    known = [name for name, config in CONFIGS.items() if config["model_type"] == "deberta-v2"]
    parser.add_argument("--model", default="v3-base", choices=known)
    parser.add_argument("--work", default="32x128", help="texts x tokens (default: %(default)s)")
    parser.add_argument("--threads", help="numbers of threads (default: those of 1,2,4,8,16 that this machine has)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number of threads (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    given = options.threads.split(",") if options.threads else [n for n in THREADS if n <= common.cpus()]
    result = measure(CONFIGS[options.model], work_of(options.work), [int(count) for count in given], options.seconds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if result["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
