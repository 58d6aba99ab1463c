# SPDX-License-Identifier: Apache-2.0
"""deberta_c against transformers eager: random weights of DeBERTa-v3-base, float32, the same threads, in alternation.

    python benchmarks/run.py                 # writes benchmarks/results/transformers.json, prints the table
    python benchmarks/run.py --quick         # fewer messages, fewer repeats; prints only
    python benchmarks/run.py --table         # prints the table of the JSON that is there

Results are checked against each other before anything is timed (1e-4). Times are of whole calls, from arrays of ids to
logits. Ours gets all rows at once; transformers gets batches of 32 rows in their own order, padded to the longest.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "transformers.json"
TOLERANCE = 1e-4
LONG = 5.0  # seconds; longer works are timed three times
PAUSE = 0.1  # seconds between works: idle threads of the other pool spin for a while
STARTS = 15  # processes of the start-up measurements

# The published configuration of deberta-v3-base.
BASE = {
    "vocab_size": 128100, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "max_relative_positions": -1,
    "relative_attention": True, "position_buckets": 256, "share_att_key": True, "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p", "position_biased_input": False, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
    "num_labels": 3,
}  # fmt: skip


def write_checkpoint(directory):
    """Random weights, twice as wide as those of a new model, so that attention is not uniform."""
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.DebertaV2ForSequenceClassification(transformers.DebertaV2Config(**BASE))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in name:
                parameter.mul_(2.0)
    model.save_pretrained(directory)


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def time_case(case, peers, repeats):
    """Medians and spread of each peer, taken in turns."""
    prepared = [peer.prepare(case.rows) for peer in peers]
    results = [peer.run(batches) for peer, batches in zip(peers, prepared, strict=True)]  # the warm-up, too
    difference = float(abs(results[0] - results[1]).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"{case.name}: the logits differ by {difference:.1e}; nothing was timed")
    first = seconds(peers[1].run, prepared[1])
    rounds = repeats if first < LONG else min(3, repeats)
    times = [[] for _ in peers]
    for _ in range(rounds):
        for own, peer, batches in zip(times, peers, prepared, strict=True):
            time.sleep(PAUSE)
            own.append(seconds(peer.run, batches))
    median = [statistics.median(own) for own in times]
    return {
        "tokens": case.tokens,
        "rounds": rounds,
        "difference": difference,
        "peers": {
            peer.name: {"median_s": m, "min_s": min(own), "max_s": max(own)}
            for peer, own, m in zip(peers, times, median, strict=True)
        },
        "speed_up": median[1] / median[0],
        "target": case.target,
    }


def start_up():
    """Medians over processes: what importing adds to NumPy, and a first answer of the default model."""
    imports = {}
    for name in ("numpy", "deberta_c"):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(STARTS)]
        imports[name] = statistics.median(float(run.stdout) for run in runs)
    command = [sys.executable, "-m", "deberta_c", "You have won a prize, call now"]
    answers = [seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(STARTS)]
    return {
        "import_beyond_numpy_s": {"median": imports["deberta_c"] - imports["numpy"], "target": 0.1},
        "first_answer_s": {"median": statistics.median(answers), "max": max(answers), "target": 0.5},
    }


def installed_mb():
    """Megabytes of each package's folder, caches left out."""
    sizes = {}
    for name in ("deberta_c", "torch", "transformers"):
        folder = Path(find_spec(name).origin).parent
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        sizes[name] = sum(path.stat().st_size for path in files) / 1e6
    return sizes


def machine(threads):
    import deberta_c

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model_name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "date": date.today().isoformat(), "cpu": model_name, "isa": deberta_c._core.isa(), "threads": threads,
        "python": platform.python_version(),
        **{name: version(name) for name in ("deberta_c", "numpy", "torch", "transformers")},
    }  # fmt: skip


def measure(quick, threads):
    from cases import cases
    from peers import Ours, TransformersEager

    with tempfile.TemporaryDirectory() as directory:
        write_checkpoint(directory)
        peers = [Ours(directory, threads), TransformersEager(directory, threads)]
        works = {}
        for case in cases(128000, quick):
            works[case.name] = time_case(case, peers, 3 if quick else 9)
            print(row(case.name, works[case.name]), flush=True)
    return {
        "machine": machine(threads),
        "model": "random deberta-v3-base",
        "works": works,
        "start_up": start_up(),
        "installed_mb": installed_mb(),
    }


HEADER = """\
| work | tokens | deberta_c, ms | transformers eager, ms | faster | goal |
|---|---|---|---|---|---|"""


def row(name, work):
    ours, theirs = ("{median:.0f} ({low:.0f} to {high:.0f})".format(
        median=peer["median_s"] * 1e3, low=peer["min_s"] * 1e3, high=peer["max_s"] * 1e3)
        for peer in work["peers"].values())  # fmt: skip
    return f"| {name} | {work['tokens']:,} | {ours} | {theirs} | {work['speed_up']:.1f}x | {work['target']:g}x |"


def table(results):
    about, start = results["machine"], results["start_up"]
    lines = [HEADER, *(row(name, work) for name, work in results["works"].items()), ""]
    lines.append(
        f"Median (min to max), float32, {about['threads']} threads, {about['cpu']} ({about['isa']}), "
        f"transformers {about['transformers']}, torch {about['torch']}, {about['date']}."
    )
    lines.append(
        f"`import deberta_c` adds {start['import_beyond_numpy_s']['median'] * 1e3:.0f} ms to NumPy's import; the "
        f"default model answers from a cold start in {start['first_answer_s']['median'] * 1e3:.0f} ms."
    )
    lines.append(
        "Installed size: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in results["installed_mb"].items()) + "."
    )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes; writes nothing")
    parser.add_argument("--table", action="store_true", help="print the table of the committed results")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not options.table:
        results = measure(options.quick, options.threads)
        if options.quick:
            print(table(results))
            return
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
