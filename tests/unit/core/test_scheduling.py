"""Many callers at once: threads, joblib, pools, forks; the number of threads, and what a process opens only once."""

import concurrent.futures
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForSequenceClassification, AutoTokenizer, _core
from deberta_c._files import shared_open
from deberta_c._files.shared_open import reopened

TEXTS = ["hello world", "free entry at home now call now", "", "now", "see you at home"] * 40
TOLERANCE = 1e-5
TASKS = 8


@pytest.fixture(scope="module")
def expected(model):
    return model.predict(TEXTS)


def predict_in_a_worker(model):
    """The logits, and identifiers of the process and its network."""
    return model.predict(TEXTS), os.getpid(), id(model._core), deberta_c.get_num_threads()


def check(answers, expected, processes):
    found = {}
    for logits, process, core, _ in answers:
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE)
        found.setdefault(process, set()).add(core)
    assert 1 <= len(found) <= processes
    assert all(len(cores) == 1 for cores in found.values()), "a process opened the model more than once"
    assert os.getpid() not in found


@pytest.mark.parametrize("callers", [2, 4, 16])
def test_threads_of_python(model, expected, callers):
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        for logits in pool.map(lambda _: model.predict(TEXTS), range(3 * callers)):
            np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


def test_process_pool_executor(model, expected):
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        check(pool.map(predict_in_a_worker, [model] * TASKS), expected, 2)


@pytest.mark.parametrize(
    "method",
    [
        "spawn",
        pytest.param("fork", marks=pytest.mark.filterwarnings("ignore::DeprecationWarning")),
    ],
)
def test_pool(model, expected, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform has no {method}")
    assert model.predict(TEXTS).shape == expected.shape  # the threads of this process have run before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        check(pool.map_async(predict_in_a_worker, [model] * TASKS, 1).get(60), expected, 2)


def test_joblib_in_processes(model, expected):
    joblib = pytest.importorskip("joblib")
    cpus = joblib.cpu_count()
    answers = joblib.Parallel(2, backend="loky")(joblib.delayed(predict_in_a_worker)(model) for _ in range(TASKS))
    check(answers, expected, 2)
    assert {threads for *_, threads in answers} == {max(1, cpus // 2)}  # each worker has its share of the CPUs


def test_joblib_in_threads(model, expected):
    joblib = pytest.importorskip("joblib")
    for logits in joblib.Parallel(3, backend="threading")(joblib.delayed(model.predict)(TEXTS) for _ in range(6)):
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


def test_a_worker_of_dask(model, expected):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        futures = client.map(lambda _: predict_in_a_worker(model), range(TASKS), pure=False)
        check(client.gather(futures), expected, 1)


COUNT_THREADS = """
import re, sys, threading
from pathlib import Path
import numpy as np
import deberta_c
def threads():
    return int(re.search(r"Threads:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
model = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
callers, limit = map(int, sys.argv[2:])
deberta_c.set_num_threads(limit)
lengths = [40, 7, 64, 33] * 20
offsets = np.concatenate([[0], np.cumsum(lengths)])
ids = np.random.default_rng(0).integers(4, 100, offsets[-1]).astype(np.int32)
expected = model._core.forward(ids, offsets)[0]
before, most, right = threads(), [], []
barrier = threading.Barrier(callers)
def work():
    barrier.wait()
    for _ in range(20):
        right.append(np.allclose(model._core.forward(ids, offsets)[0], expected, atol=1e-5))
        most.append(threads())
callers_ = [threading.Thread(target=work) for _ in range(callers)]
for caller in callers_: caller.start()
for caller in callers_: caller.join()
assert all(right)
print(before, max(most))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc/self/status on this system")
def test_callers_share_the_threads(make_model):
    """Eight callers with a limit of four threads: eight teams of four would be 24 threads besides the callers."""
    wide = make_model(hidden_size=128, num_attention_heads=2, intermediate_size=256)  # enough work for several threads
    callers, limit = 8, 4
    command = [sys.executable, "-c", COUNT_THREADS, str(wide), str(callers), str(limit)]
    before, most = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    # Helpers stay with their caller; a caller gets any only while threads are free.
    assert most <= before + callers + callers * (limit - 1) // 2


LIMITED = """
import sys
import numpy as np
import deberta_c
core = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])._core
deberta_c.set_num_threads(int(sys.argv[2]))
logits = core.forward(np.arange(4, 68, dtype=np.int32), np.array([0, 64]))[0]
print(logits.tobytes().hex())
"""


@pytest.mark.parametrize("variables", [{"OMP_THREAD_LIMIT": "1"}, {"OMP_THREAD_LIMIT": "3"}, {"OMP_DYNAMIC": "true"}])
def test_openmp_gives_fewer_threads_than_asked_for(make_model, variables):
    wide = make_model(hidden_size=256, num_attention_heads=4, intermediate_size=512)

    def logits(threads, **environment):
        command = [sys.executable, "-c", LIMITED, str(wide), str(threads)]
        run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        return np.frombuffer(bytes.fromhex(run.stdout), np.float32)

    np.testing.assert_allclose(logits(4, **variables), logits(1), atol=TOLERANCE)


def test_no_thread_computes_when_a_call_is_over(model):
    model.predict(TEXTS)
    time.sleep(0.1)  # helpers wait for more work for some milliseconds
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.02


SHORT_CALLS = """
import os, statistics, subprocess, sys, time
import numpy as np
import deberta_c
cpus = sorted(os.sched_getaffinity(0))[:2]
os.sched_setaffinity(0, cpus)
core = deberta_c.AutoModelForSequenceClassification.from_pretrained(sys.argv[1])._core
ids, offsets = np.arange(4, 20, dtype=np.int32), np.array([0, 16])
def median(threads):
    deberta_c.set_num_threads(threads)
    times = []
    for _ in range(60):
        start = time.perf_counter()
        core.forward(ids, offsets)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in cpus]
try:
    median(2)
    print(median(1), median(2))
finally:
    for neighbour in neighbours:
        neighbour.kill()
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this platform")
def test_a_short_call_does_not_wait_for_a_thread_that_is_not_running(make_model):
    """A busy process runs on every CPU: a call that waited for its second thread would take several time slices."""
    wide = make_model(hidden_size=256, num_attention_heads=4, intermediate_size=512)
    command = [sys.executable, "-c", SHORT_CALLS, str(wide)]
    environment = {**os.environ, "DEBERTA_C_MATMUL": "own"}  # oneDNN waits for all of its threads
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    one, two = map(float, run.stdout.split())
    assert two < 4 * one + 0.002


@pytest.mark.parametrize("auto", [AutoModelForSequenceClassification, AutoTokenizer])
def test_a_process_opens_a_pickle_once(auto, make_model, monkeypatch):
    directory = make_model()
    opened = []
    kind = type(auto.from_pretrained(directory))
    method = "_set_up" if auto is AutoTokenizer else "_open"
    original = getattr(kind, method)
    monkeypatch.setattr(kind, method, lambda self, *given: (opened.append(1), original(self, *given))[1])
    data = pickle.dumps(auto.from_pretrained(directory))
    del opened[:]
    first = pickle.loads(data)
    core = first._core
    del first  # as when a task has ended
    second, third = pickle.loads(data), pickle.loads(data)
    assert len(opened) == 1
    assert second is not third
    assert second._core is third._core is core
    os.utime(directory / "config.json", ns=(1, 1))
    assert pickle.loads(data)._core is not core
    assert len(opened) == 2


def test_objects_of_one_pickle_are_independent(model, tokenizer):
    one, two = (pickle.loads(pickle.dumps(model)) for _ in range(2))
    one.config.id2label = {0: "x", 1: "y", 2: "z"}
    assert two.labels() == model.labels() == ["ham", "spam", "other"]
    assert pickle.loads(pickle.dumps(one)).labels() == ["x", "y", "z"]
    one, two = (pickle.loads(pickle.dumps(tokenizer)) for _ in range(2))
    one.padding_side = "left"
    assert two.padding_side == tokenizer.padding_side == "right"
    assert pickle.loads(pickle.dumps(one)).padding_side == "left"


def test_pickles_that_arrive_in_several_threads_are_opened_once(model):
    data = pickle.dumps(model)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        cores = {id(one._core) for one in list(pool.map(lambda _: pickle.loads(data), range(8)))}
    assert len(cores) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this platform")
@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, 1),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"DEBERTA_C_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"DEBERTA_C_NUM_THREADS": ""}, 1),
    ],
)
def test_sources_of_the_number_of_threads(variables, wanted):
    code = (
        "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); import deberta_c; "
        "print(deberta_c.get_num_threads())"
    )
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    run = subprocess.run([sys.executable, "-c", code], env=clean | variables, capture_output=True, check=True)
    assert int(run.stdout) == wanted


def test_the_number_of_threads_changes_under_running_calls(model, expected):
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for count in (1, 3, 2):
                _core.set_num_threads(count)

    before = deberta_c.get_num_threads()
    changer = threading.Thread(target=change)
    changer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for logits in pool.map(lambda _: model.predict(TEXTS), range(30)):
                np.testing.assert_allclose(logits, expected, atol=TOLERANCE)
    finally:
        stop.set()
        changer.join()
        deberta_c.set_num_threads(before)


def test_a_tokenizer_and_its_model_share_what_is_open(model, tokenizer):
    """A task that unpickles both, and predicts with each, opens the tokenizer's directory once."""
    cores = set()
    for _ in range(3):
        own, one = pickle.loads(pickle.dumps((tokenizer, model)))
        one.predict(TEXTS[:2])
        one.predict(TEXTS[:2], tokenizer=own)
        cores |= {id(own._core), id(one.tokenizer._core)}
    assert len(cores) == 1


def test_other_files_in_the_directory_do_not_count(make_model):
    pickled = pickle.dumps(AutoTokenizer.from_pretrained(make_model()))
    first = pickle.loads(pickled)
    (Path(first.name_or_path) / "scores.csv").write_text("text\n")
    assert pickle.loads(pickled)._core is first._core


def test_opening_within_opening(model):
    """A signal handler that runs while a directory is opened may open one, too."""

    def open_it(directory, **options):
        if not options.get("inner"):
            reopened(SimpleNamespace, str(directory), {"inner": True}, open_it)
        return SimpleNamespace(options=options)

    assert reopened(SimpleNamespace, model.name_or_path, {}, open_it).options == {}
    assert reopened(SimpleNamespace, model.name_or_path, {}, lambda _: None).options == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_another_thread_opens(model):
    pickled = pickle.dumps(model)
    held, done = threading.Event(), threading.Event()

    def hold():
        with shared_open._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends the child if it waits for a lock that no thread of it holds
            os._exit(0 if pickle.loads(pickled).predict(TEXTS[:1]).shape[0] == 1 else 1)
    finally:
        done.set()
        holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
