# SPDX-License-Identifier: Apache-2.0
"""One peer in a process of its own; benchmarks/peers/run.py starts it and asks by lines of JSON.

python -m benchmarks.peers.worker PEER DIRECTORY THREADS
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path


def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def main(name, directory, threads):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    from benchmarks.peers.peers import PEERS

    peer = PEERS[name]
    start = time.perf_counter()
    for module in peer.modules:
        importlib.import_module(module)
    imported = time.perf_counter()
    peer = peer(Path(directory), int(threads))
    loaded = time.perf_counter()
    answer(import_s=imported - start, load_s=loaded - imported, peak_mb=peak_mb())
    prepared = {}
    for line in sys.stdin:
        question = json.loads(line)
        key = question["sorted"]
        if "rows" in question:
            Path("/proc/self/clear_refs").write_text("5")  # the peak is that of the work to come
            prepared[key] = peer.prepare(question["rows"], key)
        start = time.perf_counter()
        logits = peer.run(prepared[key])
        seconds = round(time.perf_counter() - start, 6)
        answer(seconds=seconds, logits=logits.tolist(), peak_mb=peak_mb())


if __name__ == "__main__":
    main(*sys.argv[1:])
