"""Random configurations of tokenizers, live: what transformers 4 and 5 say of the same directories."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parity.tokenizers.drawn_configurations import differences
from tests.parity.tokenizers.tokenizer_peer import Peer

pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")

SEEDS = 150


@pytest.fixture(params=[4, 5])
def library(request: pytest.FixtureRequest) -> Iterator[tuple[int, Peer]]:
    """A major version of transformers, and a process with it."""
    folder = os.environ.get("DEBERTA_C_TRANSFORMERS4")
    if request.param == 4 and not folder:
        pytest.skip("DEBERTA_C_TRANSFORMERS4 names no folder with transformers 4")
    peer = Peer(folder if request.param == 4 else None)
    yield request.param, peer
    peer.close()


def test_as_the_library(tmp_path: Path, library: tuple[int, Peer]) -> None:
    version, peer = library
    found = {seed: differences(peer, version, seed, tmp_path / "model") for seed in range(SEEDS)}
    assert not {seed: difference for seed, difference in found.items() if difference}
    assert sum(difference is not None for difference in found.values()) > 0.8 * SEEDS
