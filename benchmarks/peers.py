# SPDX-License-Identifier: Apache-2.0
"""Those who run the same checkpoint: each makes float32 logits (N, C) of rows of ids."""

from pathlib import Path

import numpy as np
import torch
import transformers
from cases import PADDED_ROWS, padded

import deberta_c


class Ours:
    name = "deberta_c"

    def __init__(self, directory: Path, threads: int) -> None:
        deberta_c.set_num_threads(threads)
        self.model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)

    def prepare(self, rows: list[list[int]]) -> list[dict[str, np.ndarray]]:
        return [padded(rows)]

    def run(self, batches: list[dict[str, np.ndarray]]) -> np.ndarray:
        return np.concatenate([self.model(**batch).logits for batch in batches])


class TransformersEager:
    name = "transformers eager"

    def __init__(self, directory: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager"
        ).eval()

    def prepare(self, rows: list[list[int]]) -> list[dict[str, torch.Tensor]]:
        parts = [padded(rows[i : i + PADDED_ROWS]) for i in range(0, len(rows), PADDED_ROWS)]
        return [{name: torch.from_numpy(array) for name, array in part.items()} for part in parts]

    @torch.inference_mode()
    def run(self, batches: list[dict[str, torch.Tensor]]) -> np.ndarray:
        return np.concatenate([self.model(**batch).logits.numpy() for batch in batches])
