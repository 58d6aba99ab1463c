"""Ctrl-C ends a pass within a layer, in a training too; passes of other threads go on, and the next pass has the same
bits."""

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


TRAIN = """
import os, signal, sys, threading, time
import numpy as np
import deberta_c
from deberta_c.training.session import Session

kind, rows, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
masked = kind == "masked"
opener = deberta_c.AutoModelForMaskedLM if masked else deberta_c.AutoModelForSequenceClassification
config = deberta_c.AutoConfig.from_pretrained(deberta_c.default_model())
config.num_hidden_layers = 1
session = Session(opener.from_config(config, seed=1), checkpointing=kind == "checkpointing")
session.prepare(deberta_c.TrainingArguments(lora=deberta_c.LoraConfig(r=8) if kind == "lora" else None))
clock = time.pthread_getcpuclockid(threading.get_ident())
sent = []

def batch(rows, length):
    ids = np.random.default_rng(0).integers(5, config.vocab_size, rows * length).astype(np.int32)
    found = {"ids": ids, "offsets": np.arange(rows + 1, dtype=np.int64) * length}
    return {**found, "selected": (np.arange(len(ids)) % 7 == 0).view(np.uint8)} if masked else found

def forward(inputs):
    if not masked:
        return session.forward(inputs, 1)
    return session.masked_lm(inputs, inputs["ids"][inputs["selected"] > 0], 1)

def backward(found):
    if masked:
        session.masked_lm_backward(1e-3)
    else:
        session.backward(np.ones_like(found))

def gradients():
    return [session.core.gradient(name).copy() for name in session._trained()]

def send():
    sent.append(time.clock_gettime(clock))
    os.kill(os.getpid(), signal.SIGINT)

small, large = batch(2, 9), batch(rows, length)
backward(forward(small))
wanted = gradients()
session.update(0.0)
begin = time.perf_counter()
found = forward(large)
middle = time.perf_counter()
backward(found)
end = time.perf_counter()
whole = gradients()
session.update(0.0)
for share in 0.1, 0.4, 0.7:
    for work, seconds in (lambda: forward(large), middle - begin), (lambda: backward(found), end - middle):
        found = forward(large) if seconds == end - middle else None
        threading.Timer(share * seconds, send).start()
        try:
            work()
            time.sleep(60)
        except KeyboardInterrupt:
            print(time.clock_gettime(clock) - sent[-1])
        found = gradients()
        assert not any(map(np.any, found)) or all(map(np.array_equal, found, whole))
        session.update(0.0)
        backward(forward(small))
        assert all(map(np.array_equal, gradients(), wanted))
        session.update(0.0)
"""


@pytest.mark.parametrize(
    ("kind", "rows", "length"),
    [("rows", 300, 80), ("rows", 2, 6000), ("lora", 300, 80), ("checkpointing", 300, 80), ("masked", 300, 80)],
)
def test_a_signal_ends_a_pass_of_a_training(kind: str, rows: int, length: int) -> None:
    """Of a backward pass that has ended early no gradient stays; one that had just ended is whole."""
    environment = {**os.environ, "DEBERTA_C_NUM_THREADS": "2"}
    command = [sys.executable, "-c", TRAIN, kind, str(rows), str(length)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    times = [float(line) for line in done.stdout.split()]
    assert len(times) == 6
    assert max(times) < LIMIT
