# SPDX-License-Identifier: Apache-2.0
"""What is timed: rows of token ids, by their lengths."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PADDED_ROWS = 32  # rows of a batch as a user of a padding library calls it


@dataclass(frozen=True)
class Case:
    """`rows` are lists of ids without padding; `target` is the speed-up that must be reached."""

    name: str
    rows: list[list[int]]
    target: float

    @property
    def tokens(self) -> int:
        return sum(map(len, self.rows))


def cases(vocab_size: int, quick: bool = False) -> list[Case]:
    """The works of the comparison with transformers eager."""
    messages = json.loads((Path(__file__).parent / "lengths.json").read_text())["sms_spam"]
    shapes = [("1 x 16", [16], 8.0), ("8 x 128", [128] * 8, 1.3), ("4 x 512", [512] * 4, 1.7)]
    shapes.append(("256 messages", messages, 4.0) if not quick else ("64 messages", messages[:64], 4.0))
    rng = np.random.default_rng(0)
    return [Case(name, [_row(rng, n, vocab_size) for n in lengths], target) for name, lengths, target in shapes]


def _row(rng: np.random.Generator, length: int, vocab_size: int) -> list[int]:
    """[CLS], ordinary ids, [SEP]."""
    return [1, *rng.integers(4, vocab_size, length - 2).tolist(), 2]


def padded(rows: list[list[int]]) -> dict[str, np.ndarray]:
    """input_ids and attention_mask, int64 (N, S)."""
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
