"""Ctrl-C ends a pass within a layer; passes of other threads go on, and the next pass has the same bits."""

import os
import subprocess
import sys

import pytest

LIMIT = 1.0  # seconds of the main thread after the signal, whatever else runs on the machine
RUN = """
import os, signal, threading, time
import numpy as np
import deberta_c

model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
short, long = np.full((3, 40), 7), np.full((1, 60_000), 7)  # a layer of the long text takes many seconds
wanted = model(input_ids=short).logits
clock = time.pthread_getcpuclockid(threading.get_ident())
sent, ended, wrong = [], threading.Event(), []

def send():
    sent.append(time.clock_gettime(clock))
    os.kill(os.getpid(), signal.SIGINT)

def run():
    while not ended.wait(0.02):
        if not np.allclose(model(input_ids=short).logits, wanted, atol=1e-5):
            wrong.append("other logits")

other = threading.Thread(target=run)
other.start()
for delay in 0.3, 0.6:
    timer = threading.Timer(delay, send)
    timer.start()
    try:
        model(input_ids=long)
    except KeyboardInterrupt:
        print(time.clock_gettime(clock) - sent[-1])
ended.set()
other.join()
assert not wrong and np.array_equal(model(input_ids=short).logits, wanted)
"""


@pytest.mark.parametrize("path", ["own", "onednn"])
def test_a_signal_ends_a_layer(path: str) -> None:
    environment = {**os.environ, "DEBERTA_C_MATMUL": path, "DEBERTA_C_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    times = [float(line) for line in done.stdout.split()]
    assert len(times) == 2
    assert max(times) < LIMIT
