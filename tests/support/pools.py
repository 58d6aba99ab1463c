"""Pools of processes in every way to make one: workers get a model as a pickle and open another, again and again.

`python -m tests.support.pools WAY DIRECTORY TIMES` exits with 0 when every worker gave the right answers.
"""

import concurrent.futures
import multiprocessing
import os
import sys
import warnings
from typing import Any

import deberta_c

TEXTS = ["hello world", "free entry"] * 30
METHODS = {"pool": "fork", "executor": "fork", "forkserver": "forkserver", "spawn": "spawn"}
WAYS = (*METHODS, "joblib", "loky")


def work(model: Any) -> tuple[Any, int]:
    """What a worker does: opens the directory once more, then answers with the model that it was given."""
    deberta_c.AutoModelForSequenceClassification.from_pretrained(model.name_or_path)
    return model.predict(TEXTS), os.getpid()


def answers(way: str, model: Any) -> list[tuple[Any, int]]:
    """What the workers of a new pool of two give for four tasks."""
    if way in ("joblib", "loky"):
        import joblib

        with joblib.parallel_config("multiprocessing" if way == "joblib" else "loky"):
            found = joblib.Parallel(2)(joblib.delayed(work)(model) for _ in range(4))
        if way == "loky":  # the next pool is a new one
            joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
        return list(found)
    context = multiprocessing.get_context(METHODS[way])
    if way == "executor":
        with concurrent.futures.ProcessPoolExecutor(2, context) as executor:
            return list(executor.map(work, [model] * 4))
    with context.Pool(2) as pool:
        return pool.map(work, [model] * 4, 1)


def main(way: str, directory: str, times: str) -> None:
    """Runs the model before each pool, so that its threads are there, and checks what the workers give."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork of a process with threads
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    for _ in range(int(times)):
        expected = model.predict(TEXTS)
        for logits, process in answers(way, model):
            assert abs(logits - expected).max() < 1e-5
            assert process != os.getpid()


if __name__ == "__main__":
    main(*sys.argv[1:])
