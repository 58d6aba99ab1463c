# SPDX-License-Identifier: Apache-2.0
"""One peer in a separate process, which benchmarks/peers/run.py starts; requests and responses are lines of JSON.

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
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the responses

    def respond(**values):
        print(json.dumps(values), file=responses, flush=True)

    from benchmarks.peers.peers import LOW_PRECISION, PEERS

    peer = (PEERS | LOW_PRECISION)[name]
    start = time.perf_counter()
    for module in peer.modules:
        importlib.import_module(module)
    imported = time.perf_counter()
    peer = peer(Path(directory), int(threads))
    loaded = time.perf_counter()
    respond(import_s=imported - start, load_s=loaded - imported, peak_mb=peak_mb())
    prepared = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["sorted"]
        if "rows" in request:
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak for the next work
            prepared[key] = peer.prepare(request["rows"], key)
        start = time.perf_counter()
        logits = peer.run(prepared[key])
        seconds = round(time.perf_counter() - start, 6)
        respond(seconds=seconds, logits=logits.tolist(), peak_mb=peak_mb())


if __name__ == "__main__":
    main(*sys.argv[1:])
