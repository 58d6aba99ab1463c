"""The parity suite compares the network with transformers, live. It skips where torch or transformers are absent.

Tests marked `full` run networks of the published sizes and sweep all texts; they are skipped unless `-m full` asks for
them. Those marked `recorded` run always, and a full run writes their results, too: `-m "full or recorded"`.
"""

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "full: published sizes and all texts, many minutes (make parity-full)")
    config.addinivalue_line("markers", "recorded: always run, and written down by a full run")


def pytest_collection_modifyitems(config, items):
    if "full" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="it takes minutes: ask for it with -m full"))


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """pair(head, **changes) -> the network of `tiny(**changes)` in transformers and in deberta_c."""
    from tests.parity.oracle import Pair, tiny

    made = {}

    def make(head="sequence", **changes):
        key = head, repr(sorted(changes.items()))
        if key not in made:
            made[key] = Pair(tmp_path_factory.mktemp("checkpoint"), tiny(**changes), head=head)
        return made[key]

    return make
