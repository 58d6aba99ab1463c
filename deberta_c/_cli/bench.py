"""Measures how fast this machine runs a model, and transformers beside it: `python -m deberta_c bench`."""

import importlib
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c import _core
from deberta_c._base.about import __version__
from deberta_c._base.threads import get_num_threads
from deberta_c._cli.results import check_json, write_json
from deberta_c._columns.tables import STANDARD
from deberta_c._models.base import network_of
from deberta_c._models.heads import SequenceClassifier
from deberta_c._models.packing import offsets_of
from deberta_c._models.predict import BATCH_TOKENS, run_batches
from deberta_c._tokenizers.rows import Rows

PADDED_ROWS = 32  # in a batch of transformers
_SECONDS = 1.0  # for each measurement at least, and at least three runs
_MOST_RUNS = 25


def works(longest: int | None) -> dict[str, list[int]]:
    """Lengths of rows in tokens, at most `longest`: fixed shapes, and lengths like those of text messages."""
    shapes = [(1, 16), (1, 128), (8, 128), (4, 512)]
    limit = 512 if longest is None else longest
    named = {f"{rows} x {min(n, limit)}": [min(n, limit)] * rows for rows, n in shapes}
    drawn = np.random.default_rng(0).lognormal(3.0, 0.6, 256)
    return named | {"256 texts": np.clip(drawn, 5, min(limit, 256)).astype(int).tolist()}


def pack_rows(rows: Sequence[Sequence[int]]) -> Rows:
    """Rows of ids, as a tokenizer passes them to `predict`."""
    ids = np.concatenate([np.asarray(row, np.int32) for row in rows])
    return Rows(ids, np.zeros(len(ids), np.uint8), offsets_of(np.array([len(row) for row in rows])), 0)


def run_rows(model: SequenceClassifier, rows: Rows) -> NDArray[np.float32]:
    """Logits of the rows, in the batches of `predict`."""
    logits = np.empty((len(rows.offsets) - 1, model.num_labels), np.float32)
    for chosen, result in run_batches(network_of(model)[0], rows, BATCH_TOKENS):
        logits[chosen] = result
    return logits


def flops(settings: Mapping[str, Any], lengths: Sequence[int]) -> float:
    """Floating-point operations of all layers: projections, feed-forward layers and products of attention."""
    hidden, inner = settings["hidden_size"], settings["intermediate_size"]
    products = 2 + sum(bool(settings[key]) for key in ("c2p", "p2c")) * bool(settings["relative_attention"])
    linear = sum(lengths) * (8 * hidden**2 + 4 * hidden * inner)
    return float(settings["layers"] * (linear + sum(2 * products * n**2 * hidden for n in lengths)))


def bench(model: SequenceClassifier, against: str | None = None) -> Iterator[dict[str, Any]]:
    """Measures each work; `against="transformers"` alternates with transformers, with the same weights and threads."""
    settings = network_of(model)[1]
    theirs = _transformers(model) if against else None
    random = np.random.default_rng(0)
    limit = settings["max_positions"] if settings["position_biased_input"] else None
    for name, lengths in works(limit).items():
        rows = [random.integers(0, settings["vocab_size"], n).tolist() for n in lengths]
        functions: list[Callable[[], NDArray[np.float32]]] = [partial(run_rows, model, pack_rows(rows))]
        if theirs is not None:
            functions.append(theirs(rows))
        logits = [function() for function in functions]  # also warms up
        seconds = _alternating_seconds(functions)
        median = statistics.median(seconds[0])
        result = {
            "work": name,
            "texts": len(lengths),
            "tokens": sum(lengths),
            "seconds": median,
            "texts_per_s": len(lengths) / median,
            "tokens_per_s": sum(lengths) / median,
            "gflop_per_s": flops(settings, lengths) / median / 1e9,
        }
        if theirs is not None:
            result |= {
                "transformers_seconds": statistics.median(seconds[1]),
                "speed_up": statistics.median(b / a for a, b in zip(*seconds, strict=True)),
                "difference": float(abs(logits[0] - logits[1]).max()),
            }
        yield result


def run(model: SequenceClassifier, against: str | None = None, out: Path | None = None) -> None:
    """Prints one line for each work, and writes the results as JSON if `out` is a path, "-" instead."""
    check_json(out)
    show: Callable[[str], None] = _hide if out == STANDARD else partial(print, flush=True)
    head = f"{'work':>10} {'ms':>9} {'texts/s':>9} {'tokens/s':>9} {'GFLOP/s':>8}"
    show(head + (f" {'transformers ms':>16} {'speed-up':>9} {'difference':>11}" if against else ""))
    results = []
    for result in bench(model, against):
        results.append(result)
        line = "{work:>10} {ms:9.2f} {texts_per_s:9,.0f} {tokens_per_s:9,.0f} {gflop_per_s:8.1f}"
        if against:
            line += " {theirs_ms:16.2f} {speed_up:8.2f}x {difference:11.1e}"
        theirs_ms = result.get("transformers_seconds", 0.0) * 1e3
        show(line.format(ms=result["seconds"] * 1e3, theirs_ms=theirs_ms, **result))
    about = {
        "deberta_c": __version__,
        "isa": _core.isa(),
        "threads": get_num_threads(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    shared = " (with transformers in the process)" if against else ""
    show(
        f"{about['isa']}, {about['threads']} threads, peak memory {about['peak_mb']:.0f} MB{shared}, "
        f"deberta_c {__version__}; medians, from ids to logits"
    )
    write_json({**about, "works": results}, out)


def _hide(_: str) -> None:
    """Prints nothing."""


def _alternating_seconds(functions: Sequence[Callable[[], object]]) -> list[list[float]]:
    """Seconds of each function; they are called alternately until they took long enough."""
    seconds: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    while len(seconds[0]) < 3 or (len(seconds[0]) < _MOST_RUNS and time.perf_counter() - began < _SECONDS):
        for own, function in zip(seconds, functions, strict=True):
            start = time.perf_counter()
            function()
            own.append(time.perf_counter() - start)
    return seconds


def _transformers(
    model: SequenceClassifier,
) -> Callable[[Sequence[Sequence[int]]], Callable[[], NDArray[np.float32]]]:
    """A function that turns rows of ids into a call of the eager model, on padded batches in their order."""
    if missing := [name for name in ("torch", "transformers") if find_spec(name) is None]:
        raise ValueError(f"--against transformers needs {' and '.join(missing)}; install it, or leave the option out")
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    torch.set_num_threads(get_num_threads())
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
        model.name_or_path, dtype=torch.float32, attn_implementation="eager"
    ).eval()

    def padded(rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        width = max(map(len, rows))
        ids = np.zeros((len(rows), width), np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}

    def make(rows: Sequence[Sequence[int]]) -> Callable[[], NDArray[np.float32]]:
        batches = [padded(rows[begin : begin + PADDED_ROWS]) for begin in range(0, len(rows), PADDED_ROWS)]

        def run() -> NDArray[np.float32]:
            with torch.inference_mode():
                return np.concatenate([theirs(**batch).logits.numpy() for batch in batches])

        return run

    return make
