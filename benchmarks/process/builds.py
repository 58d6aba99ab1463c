# SPDX-License-Identifier: Apache-2.0
"""Speed of this build and of others: random DeBERTa-v3-base with two threads, and the v3 tokenizer on English texts.

    python -m benchmarks.process.builds NAME=FOLDER ...  # two minutes; writes benchmarks/results/ISA/builds.json
    python -m benchmarks.process.builds --table  # prints the committed results

FOLDER is a checkout with a built deberta_c. All builds use their own kernel of linear layers and alternate.
DEBERTA_C_TEST_DATA names the folder of texts and published tokenizers.
"""

import json
import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import common
from benchmarks.cases import case
from benchmarks.common import Worker, alternate
from benchmarks.peers.models import write_checkpoint_in_process
from benchmarks.tokenization.run import BATCH, corpora, folders

NOW = "now"
ROUNDS = 9
CALLS = {"1x16": 10, "1x128": 3, "8x128": 1}  # of a round
WORKS = (*CALLS, "tokenizer, ids", "tokenizer, offsets")
PACKAGES = ("deberta_c", "numpy")
WORKER = """
import json, statistics, sys, time
import numpy as np, deberta_c
model, tokenizer, texts = sys.argv[1:]
deberta_c.set_num_threads(2)
core = deberta_c.AutoModelForSequenceClassification.from_pretrained(model)._core
tokenizer = deberta_c.DebertaV2Tokenizer.from_pretrained(tokenizer)
batches = json.load(open(texts, encoding="utf-8"))

def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start

for line in sys.stdin:
    work = json.loads(line)
    if "lengths" in work:
        offsets = np.concatenate([[0], np.cumsum(work["lengths"])])
        ids = np.random.default_rng(0).integers(4, 128000, offsets[-1]).astype(np.int32)
        found = [seconds(lambda: core.forward(ids, offsets)) for _ in range(work["calls"])]
        print(statistics.median(found), flush=True)
    else:
        print(sum(seconds(lambda: tokenizer(batch, **work)) for batch in batches), flush=True)
"""


def request(work: str) -> str:
    if work in CALLS:
        return json.dumps({"lengths": case(work).lengths, "calls": CALLS[work]})
    return json.dumps({"return_offsets_mapping": work.endswith("offsets")})


def start(name: str, folder: Path, arguments: list[str]) -> Worker:
    environment = {**os.environ, "PYTHONPATH": str(folder), "DEBERTA_C_MATMUL": "own"}
    command = [sys.executable, "-c", WORKER, *arguments]
    return Worker(name, command, env=environment, cwd=tempfile.gettempdir())


def measure(builds: dict[str, Path]) -> dict[str, dict[str, list[float]]]:
    """Work -> build -> seconds of each round."""
    from benchmarks.tokenization.reference_tokenizers import FOLDERS

    texts = corpora()["English"]
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint_in_process("v3-base", Path(folder, "model"))
        batches = [texts[begin : begin + BATCH] for begin in range(0, len(texts), BATCH)]
        Path(folder, "texts.json").write_text(json.dumps(batches), encoding="utf-8")
        arguments = [f"{folder}/model", str(folders()[1] / FOLDERS["v3"]), f"{folder}/texts.json"]
        workers = {name: start(name, path, arguments) for name, path in builds.items()}
        lines = {}
        for work in WORKS:
            requests = {name: partial(worker.ask, request(work)) for name, worker in workers.items()}
            rounds = alternate(requests, ROUNDS, warm_up=1)
            lines[work] = {name: [float(line) for line in found] for name, found in rounds.items()}
        for worker in workers.values():
            worker.close()
    return lines


def table(results: dict) -> str:
    names = list(next(iter(results["lines"].values())))
    rows = []
    for work, found in results["lines"].items():
        cells = [f"{statistics.median(found[name]) * 1e3:.1f} ({min(found[name]) * 1e3:.1f})" for name in names]
        for name in names[1:]:
            ratios = [before / now for before, now in zip(found[name], found[NOW], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        rows.append([work, *cells])
    header = ["work", *(f"{name}, ms" for name in names), *(f"{name} over {NOW}" for name in names[1:])]
    about = "Medians, with the least time in parentheses; ratios are medians of the rounds, with their range."
    return "\n".join([common.markdown(header, rows), "", about, common.described(results["machine"], *PACKAGES)])


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("builds", nargs="*", metavar="NAME=FOLDER", help="another build")
    options = parser.parse_args()
    if not options.table:
        others = dict(build.split("=", 1) for build in options.builds)
        builds = {NOW: common.ROOT, **{name: Path(folder).resolve() for name, folder in others.items()}}
        about = common.machine(common.isa(), cpus=common.cpus(), **common.versions(*PACKAGES))
        common.write("builds", common.isa(), {"machine": about, "lines": measure(builds)})
    print(common.tables("builds", table))


if __name__ == "__main__":
    main()
