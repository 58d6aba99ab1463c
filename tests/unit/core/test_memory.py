"""Resident memory: flat over batches of any shape, over calls of any number of rows, bounded by the token budget."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc/self/statm on this system")

MOST = 20.0  # MB
PAGES_MB = 10.0

START = """
import os, random, sys
from pathlib import Path
import numpy as np
import deberta_c

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1]) if len(sys.argv) < 3 else None
rng = np.random.default_rng(0)
"""

SHAPES = """
BUDGET = 512

def run(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    logits = model._core.forward(rng.integers(4, 100, offsets[-1]).astype(np.int32), offsets)[0]
    assert np.isfinite(logits).all()

for lengths in ([BUDGET], [2] * (BUDGET // 2), [32] * (BUDGET // 32)):  # the largest of each kind
    run(lengths)
before, most = resident(), 0.0
for _ in range(5000):
    tokens = int(rng.integers(1, BUDGET + 1))
    longest = int(rng.integers(1, tokens + 1))
    lengths = rng.integers(1, longest + 1, tokens)
    run(lengths[: max(1, np.searchsorted(np.cumsum(lengths), tokens, side="right"))])
    most = max(most, resident())
print(most - before)
"""

ROWS = """
def texts(count):
    random.seed(count)
    return (f"call {random.random():.12f}" for _ in range(count))

expected = model.predict(list(texts(20)))
np.testing.assert_allclose(model.predict(texts(20)), expected, atol=1e-5)
model.predict(texts(10_000))
before, most = resident(), 0.0

def watched(values):
    global most
    for row, value in enumerate(values):
        if row % 5000 == 0:
            most = max(most, resident())
        yield value

logits = model.predict(watched(texts(100_000)))
assert logits.shape == (100_000, 3) and np.isfinite(logits).all()
print(most - before)
"""

BUDGET = """
words = "hello now call home ".split()
random.seed(0)
texts = [" ".join(random.choices(words, k=random.choice([1, 3, 10, 60, 500]))) for _ in range(4000)]
model.predict(texts[:10], truncation=False, batch_tokens=1024)
model.predict(["now " * 1000], truncation=False, batch_tokens=1024)
before, most = resident(), 0.0
forward = model._core.forward

class Watching:
    def forward(self, *arguments, **keywords):
        global most
        result = forward(*arguments, **keywords)
        most = max(most, resident())
        return result

model._core = Watching()
model.predict(texts, truncation=False, batch_tokens=1024)
print(most - before)
"""

LARGE_CALL = """
model.predict(["now " * 10], truncation=False)
before = resident()
model.predict(["now " * 60_000], truncation=False)
print(resident() - before)
"""

PAGES = """
texts = [" ".join(Path(sys.argv[3]).read_text("utf-8").split()[: pages * 500]) for pages in (15, 15, 60)]
pipe = deberta_c.pipeline(sys.argv[2], sys.argv[1])

def read(text):
    if sys.argv[2] == "question-answering":
        return pipe(question="who is at home?", context=text)
    if sys.argv[2] == "token-classification":
        return pipe(text, windows=True, aggregation_strategy="simple", ignore_labels=["O", "PER"])
    return pipe(text, windows=True)

def peak(text):
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    read(text)
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3

assert len(texts[-1]) > 3.5 * len(texts[0])
_, few, many = map(peak, texts)
print(many - few)
"""


@pytest.fixture
def model_directory(make_model):
    """Small, with heads of size 64 like the published models."""
    return make_model(hidden_size=128, num_attention_heads=2, intermediate_size=256, position_buckets=32)


def growth(script, directory, *arguments, **environment):
    """Growth in megabytes of a process that runs the script, after its warm-up."""
    command = [sys.executable, "-c", START + script, str(directory), *arguments]
    environment["OMP_WAIT_POLICY"] = "passive"  # not to spin where other processes have the cores
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return float(run.stdout)


@pytest.mark.parametrize("matmul", ["own", "onednn"])
def test_five_thousand_shapes(model_directory, matmul):
    assert growth(SHAPES, model_directory, DEBERTA_C_MATMUL=matmul) < MOST


def test_a_hundred_thousand_texts_take_no_more_memory_than_ten_thousand(model_directory):
    assert growth(ROWS, model_directory) < MOST


def test_work_is_bounded_by_the_budget_of_tokens(model_directory):
    assert growth(BUDGET, model_directory) < MOST


def test_a_very_long_text_leaves_no_workspace(model_directory):
    assert growth(LARGE_CALL, model_directory) < MOST


@pytest.mark.parametrize(
    ("task", "head", "labels"),
    [
        ("question-answering", "spans", {"0": "start", "1": "end"}),
        ("text-classification", "sequence", {"0": "ham", "1": "spam"}),
        ("token-classification", "tokens", {"0": "O", "1": "B-PER", "2": "I-PER"}),
    ],
)
def test_sixty_pages_take_no_more_memory_than_fifteen(make_model, tmp_path, task, head, labels):
    """Except for the text, its tokens and what is found in it."""
    text = tmp_path / "pages.txt"
    text.write_text("see you at home, call the free world now, entry at 5. " * 3000)
    assert (
        growth(PAGES, make_model(head=head, id2label=labels, max_position_embeddings=512), task, str(text)) < PAGES_MB
    )
