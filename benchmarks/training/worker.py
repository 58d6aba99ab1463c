# SPDX-License-Identifier: Apache-2.0
"""One library that trains, in a separate process, which benchmarks/training/run.py starts; requests are lines of JSON.

python -m benchmarks.training.worker LIBRARY DIRECTORY THREADS

A step is a forward and a backward pass with dropout, clipping to a global norm of 1, and an update by AdamW with weight
decay. Rows are classified; the label of row i is i % 3.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.cases import padded

if TYPE_CHECKING:
    from deberta_c.training.session import Session

RATE, DECAY, MAX_NORM = 2e-5, 0.01, 1.0


class Ours:
    name = "deberta_c"
    bf16 = False

    def __init__(self, directory: Path, threads: int) -> None:
        import deberta_c

        deberta_c.set_num_threads(threads)
        self.model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
        self.seed = 0

    def new_session(self, dropout: float) -> "Session":
        from deberta_c.training.session import Session

        config = self.model.config
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
        return Session(self.model, bf16=self.bf16)

    def prepare(self, rows: list[list[int]]) -> None:
        ids = np.concatenate([np.asarray(row, np.int32) for row in rows])
        self.batch = {"ids": ids, "offsets": np.cumsum([0, *map(len, rows)]).astype(np.int64)}
        self.labels = np.arange(len(rows)) % 3

    def gradients(self, session: "Session") -> float:
        from deberta_c._models.losses import loss_and_gradient

        logits = session.forward(self.batch, self.seed)
        loss, gradient = loss_and_gradient("single_label_classification", logits, self.labels)
        session.backward(gradient)
        return float(loss)

    def check(self) -> tuple[float, float]:
        session = self.new_session(0.0)
        answer = self.gradients(session), session.update(0.0)
        self.session = self.new_session(0.1)
        return answer

    def step(self) -> float:
        self.seed += 1
        loss = self.gradients(self.session)
        self.session.update(RATE, weight_decay=DECAY, max_norm=MAX_NORM)
        return loss


class OursBfloat16(Ours):
    name = "deberta_c bf16"
    bf16 = True


class Eager:
    name = "transformers eager"

    def __init__(self, directory: Path, threads: int) -> None:
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager"
        )
        self.forward = self.model
        self.optimizer = self.new_optimizer()

    def new_optimizer(self) -> Any:
        """Over the parameters that are trained."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        decay, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim == 1]
        groups = [{"params": decay, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        return self.torch.optim.AdamW(groups, lr=RATE, fused=True)

    def prepare(self, rows: list[list[int]]) -> None:
        self.inputs = {name: self.torch.from_numpy(array) for name, array in padded(rows).items()}
        self.inputs["labels"] = self.torch.arange(len(rows)) % 3

    def check(self) -> tuple[float, float]:
        self.model.eval()
        self.optimizer.zero_grad()
        loss = self.model(**self.inputs).loss
        loss.backward()
        norm = self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), float("inf"))
        self.optimizer.zero_grad()
        return loss.item(), norm.item()

    def step(self) -> float:
        self.model.train()
        loss = self.forward(**self.inputs).loss
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


class Compiled(Eager):
    name = "torch.compile"

    def __init__(self, directory: Path, threads: int) -> None:
        super().__init__(directory, threads)
        self.forward = self.torch.compile(self.model)


class Autocast(Eager):
    name = "torch bf16 autocast"

    def __init__(self, directory: Path, threads: int) -> None:
        super().__init__(directory, threads)
        self.model.forward = self.torch.autocast("cpu", dtype=self.torch.bfloat16)(self.model.forward)


LIBRARIES: dict[str, type] = {library.name: library for library in (Ours, OursBfloat16, Eager, Compiled, Autocast)}


def peak_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3


def main(libraries: dict[str, type], name: str, directory: str, threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    library = libraries[name](Path(directory), int(threads))
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        if "rows" in question:
            library.prepare(question["rows"])
            answer["loss"], answer["norm"] = library.check()
            Path("/proc/self/clear_refs").write_text("5")  # the peak is that of the steps
        else:
            start = time.perf_counter()
            answer["loss"] = library.step()
            answer |= {"seconds": round(time.perf_counter() - start, 6), "peak_mb": peak_mb()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(LIBRARIES, *sys.argv[1:])
