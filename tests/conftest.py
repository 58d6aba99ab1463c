"""Fixtures: a tiny classifier and its tokenizer."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import write_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny classifier with the labels ham, spam and other. Tests only read it."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny model of one's own: `make_model(drop=(...), type_vocab_size=2, ...)`."""

    def make(**arguments: Any) -> Path:
        return write_model(tmp_path / f"model{len(list(tmp_path.iterdir()))}", **arguments)

    return make


@pytest.fixture(scope="session")
def model(tiny: Path) -> Any:
    import deberta_c

    return deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)


@pytest.fixture(scope="session")
def tokenizer(tiny: Path) -> Any:
    import deberta_c

    return deberta_c.AutoTokenizer.from_pretrained(tiny)


@pytest.fixture
def heeded_signals() -> Iterator[None]:
    """Child processes handle SIGINT and SIGHUP, also if a shell runs the tests in the background, or with nohup."""
    before = [signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)]
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGHUP), before, strict=True):
        signal.signal(number, handler)
