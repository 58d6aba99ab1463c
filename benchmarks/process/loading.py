# SPDX-License-Identifier: Apache-2.0
"""Opening a model: seconds, peak and resident memory, and memory shared by processes. Random checkpoints.

    python -m benchmarks.process.loading  # writes benchmarks/results/ISA/loading.json (needs torch and transformers)
    python -m benchmarks.process.loading --only v3-base
    python -m benchmarks.process.loading --table  # prints the committed results

Each figure is from a separate process that imports, opens, and scores 100 texts of real lengths (cases.py).
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import common
from benchmarks.cases import case
from benchmarks.peers.models import write_checkpoint_in_process
from benchmarks.process.scheduling import about, entry
from benchmarks.process.scheduling import table as table_of

OPENINGS, TEXTS = 9, 100
SECONDS = {"v3-base": 0.6, "v3-large": 1.5}
PEAK = 1.15  # of the resident memory after opening
RESIDENT = {"float32": 520, "int8": 150}  # MB after 100 texts, v3-base

START = """
import json, sys, time
from pathlib import Path
directory, dtype, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) / 1024
import numpy as np
"""
OURS = """
import deberta_c
start = time.perf_counter()
model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory, dtype=dtype)
def score(rows):
    ids, mask = np.zeros((len(rows), max(map(len, rows))), int), np.zeros((len(rows), max(map(len, rows))), int)
    for row, own in enumerate(rows):
        ids[row, :len(own)], mask[row, :len(own)] = own, 1
    model(input_ids=ids, attention_mask=mask)
"""
THEIRS = """
import torch, transformers
start = time.perf_counter()
model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
def score(rows):
    for row in rows:
        with torch.inference_mode():
            model(input_ids=torch.tensor([row]))
"""
END = """
taken = time.perf_counter() - start
found = {"seconds": taken, "peak": memory("VmHWM"), "resident": memory("VmRSS")}
score(rows)
print(json.dumps({**found, "after": memory("VmRSS")}), flush=True)
sys.stdin.read()
"""


def start(code, directory, rows, dtype="float32"):
    command = [sys.executable, "-c", START + code + END, str(directory), dtype, json.dumps(rows)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process):
    return json.loads(process.stdout.readline())


def stop(*processes):
    for process in processes:
        process.communicate()


def opened(code, directory, rows, dtype="float32"):
    process = start(code, directory, rows, dtype)
    found = answer(process)
    stop(process)
    return found


def proportional(process):
    """Proportional set size in MB: pages that n processes share count 1 / n in each."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1024


def openings(name, directory, rows):
    runs = [opened(OURS, directory, rows) for _ in range(OPENINGS + 1)][1:]
    seconds, peak, resident, after = (
        statistics.median(run[key] for run in runs) for key in ("seconds", "peak", "resident", "after")
    )
    limit = SECONDS[name]
    lines = {
        f"{name}: opening, warm": entry(
            seconds, "s", f"< {limit}", seconds < limit,
            least=min(run["seconds"] for run in runs), most=max(run["seconds"] for run in runs),
        ),
        f"{name}: peak while opening over resident after it": entry(
            peak / resident, "x", f"<= {PEAK}", peak / resident <= PEAK, peak_mb=peak, resident_mb=resident
        ),
        f"{name}: resident after {TEXTS} texts": after_texts(name, after, "float32"),
    }  # fmt: skip
    if name == "v3-base":
        theirs, low = opened(THEIRS, directory, rows), opened(OURS, directory, rows, "int8")
        lines[f"{name} in int8: resident after {TEXTS} texts"] = after_texts(name, low["after"], "int8")
        lines[f"{name}: the same in float32, transformers"] = entry(theirs["after"], "MB", opening_s=theirs["seconds"])
    return lines


def after_texts(name, after, dtype):
    goal = RESIDENT[dtype] if name == "v3-base" else None
    return entry(after, "MB", f"<= {goal}", after <= goal) if goal else entry(after, "MB")


def sharing(name, directory, rows):
    """One process alone, then two together."""
    processes = [start(OURS, directory, rows)]
    answer(processes[0])
    alone = proportional(processes[0])
    processes.append(start(OURS, directory, rows))
    answer(processes[1])
    both = [proportional(process) for process in processes]
    stop(*processes)
    return {
        f"{name}: memory of one process (Pss)": entry(alone, "MB"),
        f"{name}: memory of each of two processes (Pss)": entry(statistics.mean(both), "MB", each=both),
    }


def measure(names, rows):
    lines = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            write_checkpoint_in_process(name, folder)
            lines |= openings(name, folder, rows)
            if name == "v3-base":
                lines |= sharing(name, folder, rows)
    return lines


def table(results):
    return table_of({"parts": {"loading": results}})


def main():
    parser = common.parser_of(__doc__)
    parser.add_argument("--only", choices=SECONDS, help="measure this model; the lines of the other are kept")
    options = parser.parse_args()
    if not options.table:
        rows = [[int(token) for token in row] for row in case("256 messages").rows(128000)[:TEXTS]]
        machine, kept = about(), {}
        if options.only:
            kept = common.read("loading", machine["isa"]).get("lines", {})
        results = {"machine": machine, "lines": kept | measure([options.only] if options.only else SECONDS, rows)}
        common.write("loading", results["machine"]["isa"], results, indent=2)
    print(common.tables("loading", table))


if __name__ == "__main__":
    main()
