"""The output of frozen layers, which is the same in every epoch: computed once for each row, and kept."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deberta_c.training.data import Rows


class KeptOutputs:
    """The output of the frozen layers of a core's Training, for the rows of its data sets.

    A row is kept, in float32, when it is first asked for and fits into what is left of `limit` bytes; the others are
    computed each time.
    """

    def __init__(self, core: Any, limit: float) -> None:
        self._core, self._left = core, limit
        self._found: dict[int, tuple[Rows, dict[int, NDArray[np.float32]]]] = {}  # the rows stay alive with their id

    def given(self, rows: Rows, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """The output (tokens * hidden size) for the rows of these numbers, as the core takes it."""
        kept = self._found.setdefault(id(rows), (rows, {}))[1]
        missing = np.array([row for row in chosen.tolist() if row not in kept], np.int64)
        found = dict(zip(missing.tolist(), self._computed(rows, missing), strict=True))
        for row, output in found.items():
            if output.nbytes <= self._left:
                self._left -= output.nbytes
                kept[row] = output.copy()  # a slice would keep the whole batch
        return np.concatenate([kept[row] if row in kept else found[row] for row in chosen.tolist()]).ravel()

    def _computed(self, rows: Rows, chosen: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        if len(chosen) == 0:
            return []
        lengths = rows.lengths()[chosen]
        output = self._core.frozen_output(**rows.inputs(chosen))
        return np.split(output, np.cumsum(lengths)[:-1])
