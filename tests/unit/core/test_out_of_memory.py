"""Memory runs out: every allocation of the process fails once, and under a limit oneDNN gets none."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2]
EVERY_ALLOCATION = """
import ctypes, sys
import deberta_c
process = ctypes.CDLL(None)
fail, made = process.fail_allocation, process.allocations_made
directory = sys.argv[1]
def work():
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    return model.predict(["hello world", "free entry at home now call now"]).tobytes()
expected = work()
assert work() == expected
nth = failed = 0
while True:
    nth += 1
    fail(nth)
    try:
        right = work() == expected
    except MemoryError:
        right, failed = True, failed + 1
    except (OSError, RuntimeError, SystemError) as error:  # CPython and NumPy report some failures this way
        right = isinstance(error, SystemError) or "annot allocate" in str(error) or "can't allocate" in str(error)
    reached = made() >= nth
    fail(0)
    assert right, nth
    if not reached:
        break
assert work() == expected
print(nth, failed)
"""
UNDER_A_LIMIT = """
import errno, re, resource, sys
from pathlib import Path
import deberta_c
def work():
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
    return model.predict(["hello world", "free entry at home now call now"] * 40).tobytes()
expected = work()
failed = 0
for margin in range(0, 40 << 20, 1 << 19):
    used = int(re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (used + margin, -1))
    try:
        right = work() == expected
    except (MemoryError, OSError) as error:
        assert isinstance(error, MemoryError) or error.errno == errno.ENOMEM  # from mapping a file
        right, failed = True, failed + 1
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    assert right, margin
print(failed)
"""


def run(program: str, *arguments: object, **environment: str) -> list[int]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return [int(number) for number in done.stdout.split()]


@pytest.fixture(scope="module")
def interposer(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    if not shutil.which(compiler[0]) or os.confstr("CS_GNU_LIBC_VERSION") is None:
        pytest.skip("needs a C compiler and glibc")
    library = tmp_path_factory.mktemp("interposer") / "failing_malloc.so"
    source = HERE / "core" / "failing_malloc.c"
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return str(library)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_every_allocation_fails_once(interposer: str, make_model: Callable[..., Path], threads: str) -> None:
    wide = make_model(hidden_size=256, num_attention_heads=4, intermediate_size=512)  # enough work for two threads
    environment = {"LD_PRELOAD": interposer, "DEBERTA_C_MATMUL": "own", "DEBERTA_C_NUM_THREADS": threads}
    tried, failed = run(EVERY_ALLOCATION, wide, **environment)
    assert failed > tried // 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc/self/status on this system")
@pytest.mark.parametrize("matmul", ["own", "onednn"])
def test_a_limit_of_memory(tiny: Path, matmul: str) -> None:
    (failed,) = run(UNDER_A_LIMIT, tiny, DEBERTA_C_MATMUL=matmul, DEBERTA_C_NUM_THREADS="1")
    assert failed > 0
