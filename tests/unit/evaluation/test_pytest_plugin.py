"""The pytest plugin, by a pytest inside of pytest."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run(folder, code, *options, **environment):
    """Runs tests in a process of their own; the result has stdout and returncode."""
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DEBERTA_", "OMP_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "_deberta_c_pytest", *options]
    environment = {**kept, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


FIXTURES = """
def test_the_default_model(deberta_model):
    assert deberta_model().labels() == ["ham", "spam"]

def test_each_directory_is_opened_once(deberta_model, deberta_pipeline):
    model = deberta_model({tiny!r})
    assert deberta_model({tiny!r}) is model
    assert deberta_model({tiny!r}, problem_type="multi_label_classification") is not model
    assert deberta_pipeline("text-classification", {tiny!r}).model is model
    assert deberta_pipeline(top_k=None)("hello")[0][0]["label"] in ("ham", "spam")
"""


def test_fixtures(tmp_path, tiny):
    ran = run(tmp_path, FIXTURES.format(tiny=str(tiny)))
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


THREADS = """
def test_threads(deberta_model):
    import deberta_c
    print("threads", deberta_c.get_num_threads(), "of", len(__import__("os").sched_getaffinity(0)))
"""


def test_workers_share_the_threads(tmp_path):
    def threads(**environment):
        ran = run(tmp_path, THREADS, **environment)
        assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
        return int(re.search(r"threads (\d+)", ran.stdout)[1])

    alone = threads()
    assert threads(PYTEST_XDIST_WORKER_COUNT="2") == max(1, alone // 2)
    assert threads(PYTEST_XDIST_WORKER_COUNT="1000") == 1
    assert threads(PYTEST_XDIST_WORKER_COUNT="1000", DEBERTA_C_NUM_THREADS="3") == 3


def test_a_run_that_does_not_use_it_imports_nothing(tmp_path):
    code = "import sys\ndef test_it():\n    assert not {'deberta_c', 'numpy'} & sys.modules.keys()\n"
    ran = run(tmp_path, code, PYTEST_XDIST_WORKER_COUNT="4")
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_it_is_installed_under_its_own_name():
    """So that `-p _deberta_c_pytest` where it is installed, too, does not register it twice."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\n_deberta_c_pytest = "_deberta_c_pytest"\n' in project
    assert 'py-modules = ["_deberta_c_pytest"]' in project


def test_the_fixtures_are_listed(tmp_path):
    ran = run(tmp_path, "", "--fixtures")
    assert "deberta_model [session scope]" in ran.stdout
    assert "deberta_pipeline [session scope]" in ran.stdout
