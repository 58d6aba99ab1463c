# SPDX-License-Identifier: Apache-2.0
"""The works that are timed: rows of token ids, by their lengths."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PADDED_ROWS = 32  # rows of a batch, as users of a library with padding call it
LENGTHS = json.loads((Path(__file__).parent / "lengths.json").read_text())

SHAPES = {f"1x{n}": [n] for n in (1, 8, 16, 64, 128, 384, 512)}
SHAPES |= {"8x128": [128] * 8, "32x32": [32] * 32, "4x512": [512] * 4}
SHAPES |= {"1000 messages": LENGTHS["sms_spam"][:1000], "500 articles": LENGTHS["ag_news"]}
OTHERS = {"256 messages": LENGTHS["sms_spam"][:256], "64 messages": LENGTHS["sms_spam"][:64]}
WORKS_OF_ALL_SIZES = ("1x16", "1x128", "8x128", "256 messages")
QUICK_WORKS = ("1x16", "1x128", "8x128", "64 messages")


@dataclass(frozen=True)
class Case:
    """A work: rows of these numbers of tokens."""

    name: str
    lengths: list[int]

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def ragged(self) -> bool:
        """Whether the order of rows changes the padding of batches."""
        return len(set(self.lengths)) > 1

    def rows(self, vocab_size: int) -> list[list[int]]:
        """[CLS], random ids, [SEP]; the same in every process."""
        rng = np.random.default_rng(0)
        return [[1, *rng.integers(4, vocab_size, max(n - 2, 0)).tolist(), 2][:n] for n in self.lengths]

    def flops(self, config: dict) -> float:
        """Operations of the layers: 4 projections, 2 feed-forward layers, and 2 S^2 H for each product of attention.

        Every real token counts in every layer, even if a library skips work; padding does not count.
        """
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        products = 4 if config.get("relative_attention") else 2  # c2c, c2p, p2c and the sum of values
        linear = self.tokens * (8 * hidden**2 + 4 * hidden * inner)
        attention = sum(products * 2 * n**2 * hidden for n in self.lengths)
        return float(config["num_hidden_layers"] * (linear + attention))


def case(name: str) -> Case:
    return Case(name, (SHAPES | OTHERS)[name])


def batches(rows: list[list[int]], in_order_of_length: bool) -> list[np.ndarray]:
    """Row numbers in batches of PADDED_ROWS, in the given order or sorted by length."""
    order = np.arange(len(rows))
    if in_order_of_length:
        order = np.argsort([len(row) for row in rows], kind="stable")
    return np.split(order, range(PADDED_ROWS, len(rows), PADDED_ROWS))


def padded(rows: list[list[int]]) -> dict[str, np.ndarray]:
    """input_ids and attention_mask, int64 (N, S)."""
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
