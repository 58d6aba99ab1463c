"""Every way through the core that this CPU has: instruction sets times linear layers, each forced in a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ISA = ("scalar", "avx2", "avx512")
MATMUL = ("own", "onednn")
DEFAULT = {"scalar": "onednn", "avx2": "own", "avx512": "own"}  # benchmarks/results/linear.json
GOLDEN = """
import sys
import pytest
from deberta_c import _core
assert (_core.isa(), _core.linear_layers()) == tuple(sys.argv[1:3])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[3:]]))
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DEBERTA_C_ISA", "DEBERTA_C_MATMUL")}
    return subprocess.run(
        [sys.executable, "-c", *arguments], env=inherited | environment, capture_output=True, text=True, cwd=HERE.parent
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
    done = run(GOLDEN, isa, matmul, str(HERE / "test_golden.py"), DEBERTA_C_ISA=isa, DEBERTA_C_MATMUL=matmul)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("isa", ISA)
def test_linear_layers_by_default(isa: str) -> None:
    skip_without(isa)
    done = run("from deberta_c import _core; print(_core.linear_layers())", DEBERTA_C_ISA=isa)
    assert done.stdout.split() == [DEFAULT[isa]], done.stderr
