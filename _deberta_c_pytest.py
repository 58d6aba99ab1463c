# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin of deberta_c: fixtures that open each model once, and threads shared out under pytest-xdist.

It is a module of its own, outside the package, because pytest imports plugins in every run: this one imports nothing
of deberta_c until a test asks for a fixture.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHOICES = ("DEBERTA_C_NUM_THREADS", "OMP_NUM_THREADS")  # with either the user has chosen the number of threads


@pytest.fixture(scope="session")
def deberta_model() -> Callable[..., Any]:
    """A function that opens a model, each directory once in a session: `deberta_model(DIR, **options)`.

    `opener` is an Auto class, by default AutoModelForSequenceClassification, or its name; without a directory the
    default model is opened. Options are those of `from_pretrained`. The same object is returned for the same arguments,
    so do not change it.
    """
    import deberta_c

    opened: dict[str, Any] = {}

    def open_model(
        name: str | Path | None = None, opener: Any = "AutoModelForSequenceClassification", **options: Any
    ) -> Any:
        kind = getattr(deberta_c, opener) if isinstance(opener, str) else opener
        directory = deberta_c.default_model() if name is None else str(name)
        key = repr((directory, kind.__name__, sorted(options.items())))
        if key not in opened:
            opened[key] = kind.from_pretrained(directory, **options)
        return opened[key]

    return open_model


@pytest.fixture(scope="session")
def deberta_pipeline(deberta_model: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a pipeline of a model which is opened once: `deberta_pipeline(task, DIR, **options)`.

    Options are those of `deberta_c.pipeline`; without a directory the default model classifies texts.
    """
    import deberta_c

    def make(task: str = "text-classification", name: str | Path | None = None, **options: Any) -> Any:
        return deberta_c.pipeline(task, deberta_model(name, _opener(task)), **options)

    return make


def _opener(task: str) -> Any:
    """The Auto class of a task."""
    from deberta_c._pipelines.factory import class_for

    return class_for(task).opener


def pytest_configure(config: pytest.Config) -> None:
    """Shares the threads out in a worker of pytest-xdist, unless the user has chosen their number."""
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    if workers.isdecimal() and int(workers) > 1 and not any(name in os.environ for name in _CHOICES):
        config.pluginmanager.register(_Share(int(workers)), "deberta_c-threads")


class _Share:
    """Gives deberta_c its share of the threads, once it has been imported: before a test and after its fixtures."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._apply()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._apply()

    def _apply(self) -> None:
        if self._workers and "deberta_c" in sys.modules:
            import deberta_c

            deberta_c.set_num_threads(max(1, deberta_c.get_num_threads() // self._workers))
            self._workers = 0
