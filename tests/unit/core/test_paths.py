"""Every path of the core on this CPU: instruction sets times linear layers, each forced in a process."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pools import WAYS

HERE = Path(__file__).resolve().parents[2]
ISA = ("scalar", "avx2", "avx512", "amx")
MATMUL = ("own", "onednn")
DEFAULT = {"scalar": "onednn", "avx2": "own", "avx512": "own", "amx": "own"}  # benchmarks/results/ISA/linear.json
GOLDEN = """
import sys
import pytest
from deberta_c import _core
assert (_core.isa(), _core.linear_layers()) == tuple(sys.argv[1:3])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[3:]]))
"""
FORKS_UNDER_WAY = """
import os, random, signal, sys, threading
import deberta_c
model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
texts = ["hello world free entry " * (i % 9 + 1) for i in range(20)]
stop = threading.Event()
def work(seed):
    while not stop.is_set():  # new shapes, so that oneDNN creates primitives all the time
        model.predict(random.Random(seed).sample(texts, random.randint(1, 20)))
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
for thread in threads: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        model.predict(texts[:3])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
"""
EXIT_UNDER_WAY = """
import sys, threading, time
import deberta_c
model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
def work():
    for n in range(1, 1 << 30):
        model.predict(["hello world " * (n % 50 + 1)] * 40)
threading.Thread(target=work, daemon=True).start()
time.sleep(float(sys.argv[2]))
"""


def run(*arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that is given as text, or with "-m" a module."""
    given = arguments if arguments[0] == "-m" else ("-c", *arguments)
    inherited = {name: value for name, value in os.environ.items() if name not in ("DEBERTA_C_ISA", "DEBERTA_C_MATMUL")}
    return subprocess.run(
        [sys.executable, *given],
        env=inherited | environment,
        capture_output=True,
        text=True,
        cwd=HERE.parent,
        timeout=timeout,
    )


def skip_without(isa: str) -> None:
    done = run("import deberta_c", DEBERTA_C_ISA=isa)
    if done.returncode:
        assert f"DEBERTA_C_ISA is '{isa}', which this CPU lacks" in done.stderr
        pytest.skip(f"this CPU lacks {isa}")


@pytest.mark.parametrize("matmul", MATMUL)
@pytest.mark.parametrize("isa", ISA)
def test_golden_networks(isa: str, matmul: str) -> None:
    skip_without(isa)
    done = run(
        GOLDEN,
        isa,
        matmul,
        str(HERE / "unit" / "models" / "test_golden.py::test_golden"),
        str(HERE / "unit" / "models" / "test_precision.py::test_weights_in_bfloat16_beside_double_precision"),
        DEBERTA_C_ISA=isa,
        DEBERTA_C_MATMUL=matmul,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("isa", ISA)
def test_linear_layers_by_default(isa: str) -> None:
    skip_without(isa)
    done = run("from deberta_c import _core; print(_core.linear_layers())", DEBERTA_C_ISA=isa)
    assert done.stdout.split() == [DEFAULT[isa]], done.stderr


@pytest.fixture
def wide(make_model: Callable[..., Path]) -> str:
    """A model whose packing and products are worth two threads."""
    return str(make_model(hidden_size=256, num_attention_heads=4, intermediate_size=512))


@pytest.mark.parametrize("matmul", MATMUL)
@pytest.mark.parametrize("way", WAYS)
def test_workers_open_models(wide: str, way: str, matmul: str) -> None:
    if way in ("joblib", "loky") and not importlib.util.find_spec("joblib"):
        pytest.skip("joblib is not installed")
    done = run("-m", "tests.support.pools", way, wide, "2", DEBERTA_C_MATMUL=matmul, DEBERTA_C_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("matmul", MATMUL)
def test_forks_while_other_threads_compute(wide: str, matmul: str) -> None:
    done = run(FORKS_UNDER_WAY, wide, DEBERTA_C_MATMUL=matmul, DEBERTA_C_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("matmul", MATMUL)
def test_exit_while_a_daemon_thread_computes(wide: str, matmul: str) -> None:
    for wait in range(4):
        done = run(EXIT_UNDER_WAY, wide, str(wait / 40), DEBERTA_C_MATMUL=matmul, DEBERTA_C_NUM_THREADS="2")
        assert done.returncode == 0, done.stderr
