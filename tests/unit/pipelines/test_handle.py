"""Handles: small pickles that open a pipeline once in each process."""

import concurrent.futures
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

import deberta_c
from deberta_c._pipelines import handle as module

TEXTS = ["hello world", "free entry"]


def work(handle):
    """What a worker does with a handle that it gets; how often it opened a pipeline."""
    opened = len(module._opened)
    answers = handle(TEXTS)
    return os.getpid(), len(module._opened) - opened, [answer["label"] for answer in answers]


def test_a_pickle_is_small_and_opens_nothing(tiny, monkeypatch):
    monkeypatch.setattr(module, "pipeline", lambda *_, **__: pytest.fail("opened"))
    handle = deberta_c.Handle(tiny, "text-classification", top_k=None)
    data = pickle.dumps(handle)
    assert len(data) < 500
    copy = pickle.loads(data)
    assert (copy, hash(copy), repr(copy)) == (handle, hash(handle), repr(handle))
    assert {copy, handle} == {handle}
    assert handle != deberta_c.Handle(tiny)
    assert repr(handle) == f"Handle({str(tiny)!r}, 'text-classification', top_k=None)"


def test_it_does_what_its_pipeline_does(tiny, model):
    pandas = pytest.importorskip("pandas")
    handle = deberta_c.Handle(tiny)
    assert handle(TEXTS) == deberta_c.pipeline("text-classification", model)(TEXTS)
    assert handle.open() is pickle.loads(pickle.dumps(handle)).open()
    assert np.array_equal(handle.model.predict(TEXTS), model.predict(TEXTS))
    assert len(handle.predict_frame(pandas.DataFrame({"text": TEXTS}))) == 2
    before = handle.open()
    handle.close()
    assert handle.open() is not before
    with pytest.raises(AttributeError):
        handle.no_such_thing  # noqa: B018


def test_a_relative_directory_is_found_from_elsewhere(tiny, monkeypatch, tmp_path):
    monkeypatch.chdir(tiny.parent)
    handle = deberta_c.Handle(tiny.name)
    monkeypatch.chdir(tmp_path)
    assert handle == deberta_c.Handle(tiny)
    assert handle("hello")


def test_threads_open_it_once(tiny, monkeypatch):
    made, real = [], module.pipeline
    monkeypatch.setattr(module, "pipeline", lambda *given, **options: made.append(0) or real(*given, **options))
    handle = deberta_c.Handle(tiny, padding=True)
    started = [threading.Thread(target=handle, args=(TEXTS,)) for _ in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert len(made) == 1
    handle.close()


@pytest.mark.parametrize("way", ["spawn", "forkserver", "loky", "cloudpickle"])
def test_processes(way, tiny):
    """Each opens a pipeline once, however many tasks bring the handle."""
    handle = deberta_c.Handle(tiny)
    expected = work(handle)[2]
    if way == "cloudpickle":  # as Spark, Dask and Ray send functions
        cloudpickle = pytest.importorskip("cloudpickle")
        function = pickle.loads(cloudpickle.dumps(lambda texts: handle(texts)))
        assert function(TEXTS) == handle(TEXTS)
        return
    if way == "loky":
        joblib = pytest.importorskip("joblib")
        with joblib.parallel_config("loky"):
            found = joblib.Parallel(2)(joblib.delayed(work)(handle) for _ in range(4))
        joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    else:
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(way)) as executor:
            found = list(executor.map(work, [handle] * 3))
    assert all(labels == expected for _, _, labels in found)
    processes = {process for process, _, _ in found}
    assert os.getpid() not in processes
    assert sum(opened for _, opened, _ in found) == len(processes)


def test_errors(model):
    with pytest.raises(TypeError, match=r"give a directory or a name of the hub\. An opened model pickles"):
        deberta_c.Handle(model)
    with pytest.raises(TypeError, match="does not pickle"):
        deberta_c.Handle("name", function=lambda: 0)
    with pytest.raises(OSError, match="no-such"):
        deberta_c.Handle("./no-such-directory")("hello")
