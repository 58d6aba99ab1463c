# SPDX-License-Identifier: Apache-2.0
"""Linear layers by our kernel and by oneDNN: the table that csrc/nn/matmul.c chooses by.

    python benchmarks/linear.py              # ten minutes; writes benchmarks/results/linear.json, prints a summary
    python benchmarks/linear.py --table      # prints the summary of the JSON that is there

Run it on an idle machine: the two take turns, but a neighbour disturbs both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "linear.json"
GROUPS = ((1, 1), (2, 3), (4, 15), (16, 64), (65, 256), (257, 2048))  # rows


def build(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT))
    import setup

    include, library = setup.onednn()
    program = folder / "linear"
    flags = [*setup.C_FLAGS, "-D_GNU_SOURCE", "-Icsrc", f"-I{include}"]
    objects = []
    for source in [*setup.sources("base", "kernels", "kernels/isa", "nn", "model", "text"), "benchmarks/linear.c"]:
        isa = setup.ISA_FLAGS.get(Path(source).stem, []) if "/isa/" in source else []
        objects.append(str(folder / (source.replace("/", "_") + ".o")))
        subprocess.run([*setup.compiler(), *flags, *isa, "-c", source, "-o", objects[-1]], check=True, cwd=ROOT)
    link = [*objects, str(library), setup.utf8proc(), "-fopenmp", "-lm", f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*setup.compiler(), *link, "-o", str(program)], check=True, cwd=ROOT)
    return program


def measure() -> dict:
    from deberta_c import _core

    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run([str(build(Path(folder)))], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in printed.splitlines()]
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "date": date.today().isoformat(),
        "cpu": next(line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")),
        "isa": _core.isa(),
        "onednn": _core.onednn_version(),
        "peak_gflops": {line[1]: float(line[2]) for line in lines if line[0] == "peak"},
        "columns": ["path", "threads", "N", "K", "M", "GFLOP/s"],
        "rates": [[line[0], *map(int, line[1:5]), float(line[5])] for line in lines if line[0] != "peak"],
    }


def summary(results: dict) -> str:
    """Median and least share of the FMA peak, by threads and rows, over all matrices."""
    lines = ["| threads | rows | ours: median | ours: least | oneDNN: median | oneDNN: least | ours ahead of oneDNN |"]
    lines.append("|---|---|---|---|---|---|---|")
    by_case = {}
    for path, threads, n, k, m, rate in results["rates"]:
        by_case.setdefault((threads, n, k, m), {})[path] = rate / results["peak_gflops"][str(threads)]
    for threads in sorted({key[0] for key in by_case}):
        for low, high in GROUPS:
            shares = [both for key, both in by_case.items() if key[0] == threads and low <= key[3] <= high]
            cells = [
                f"{function([both[path] for both in shares]):.0%}"
                for path in ("own", "onednn")
                for function in (statistics.median, min)
            ]
            ahead = statistics.median(both["own"] / both["onednn"] for both in shares)
            name = str(low) if low == high else f"{low} to {high}"
            lines.append(f"| {threads} | {name} | {' | '.join(cells)} | {ahead:.2f}x |")
    peaks = ", ".join(f"{rate:.0f} GFLOP/s with {threads}" for threads, rate in results["peak_gflops"].items())
    lines += ["", f"Shares of the measured FMA peak ({peaks} threads), {results['cpu']} ({results['isa']}),"]
    lines.append(f"oneDNN {results['onednn']}, {results['date']}; N and K of the hidden sizes 384, 768 and 1024.")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--table" not in sys.argv:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(measure()) + "\n")
    print(summary(json.loads(RESULTS.read_text())))
