"""The parity suite compares the network with transformers, live. It skips where torch or transformers are absent.

Tests marked `full` run networks of the published sizes; they are skipped unless `-m full` asks for them.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))


def pytest_configure(config):
    config.addinivalue_line("markers", "full: networks of the published sizes, several minutes (make parity-full)")


def pytest_collection_modifyitems(config, items):
    if "full" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="full-size network: ask for it with -m full"))


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """pair(**changes) -> the network of `tiny(**changes)` in transformers and in deberta_c."""
    from parity.oracle import Pair, tiny

    made = {}

    def make(**changes):
        key = repr(sorted(changes.items()))
        if key not in made:
            made[key] = Pair(tmp_path_factory.mktemp("checkpoint"), tiny(**changes))
        return made[key]

    return make
