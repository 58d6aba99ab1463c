# SPDX-License-Identifier: Apache-2.0
"""Epochs of a training whose first layers are frozen, for benchmarks/training/run.py, with the protocol of worker.py.

python -m benchmarks.training.epochs_worker LIBRARY DIRECTORY THREADS STRATEGY

STRATEGY is the train_sampling_strategy, random or group_by_length.

A turn of deberta_c is an epoch of its Trainer, which keeps the output of the frozen layers in the first one. A turn of
torch is every PARTS-th batch of an epoch in the same order, another part each time, so that PARTS turns are an epoch;
its embeddings, position table and frozen layers have requires_grad=False, so that they have no backward pass.
"""

import sys
import threading
from typing import Any

import numpy as np

from benchmarks.training.worker import DECAY, RATE, Eager, Ours, main

FROZEN, BATCH, PARTS = 10, 16, 8
EPOCHS = 100  # more than are measured
PATIENCE = 60.0  # seconds for an epoch


class OurEpochs(Ours):
    strategy = "random"

    def prepare(self, rows: list[list[int]]) -> None:
        super().prepare(rows[:BATCH])
        self.dataset = {"input_ids": rows, "labels": [row % 3 for row in range(len(rows))]}
        self.begin, self.end = threading.Semaphore(0), threading.Semaphore(0)

    def new_session(self, dropout: float) -> Any:
        session = super().new_session(dropout)
        session.prepare(self.arguments())
        return session

    def arguments(self) -> Any:
        import deberta_c

        return deberta_c.TrainingArguments(
            per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS, learning_rate=RATE, weight_decay=DECAY,
            train_sampling_strategy=self.strategy, freeze_layers=FROZEN, save_strategy="no", logging_strategy="no",
            disable_tqdm=True,
        )  # fmt: skip

    def check(self) -> tuple[float, float]:
        import deberta_c

        answer = super().check()
        begin, end = self.begin, self.end

        class Turns(deberta_c.TrainerCallback):
            def on_epoch_begin(self, *_: Any, **__: Any) -> None:
                begin.acquire()

            def on_epoch_end(self, *_: Any, **__: Any) -> None:
                end.release()

        del self.session  # the Trainer opens its own
        trainer = deberta_c.Trainer(self.model, self.arguments(), train_dataset=self.dataset, callbacks=[Turns()])
        threading.Thread(target=trainer.train, daemon=True).start()
        return answer

    def step(self) -> float:
        self.begin.release()
        if not self.end.acquire(timeout=PATIENCE):
            raise RuntimeError(f"an epoch of deberta_c did not end in {PATIENCE:.0f} s")
        return 0.0


class EagerParts(Eager):
    strategy = "random"

    def prepare(self, rows: list[list[int]]) -> None:
        from deberta_c.training.data import batches, order_of

        deberta = self.model.deberta
        for frozen in (deberta.embeddings, deberta.encoder.rel_embeddings, deberta.encoder.LayerNorm):
            frozen.requires_grad_(False)
        for layer in deberta.encoder.layer[:FROZEN]:
            layer.requires_grad_(False)
        self.optimizer = self.new_optimizer()
        order = order_of(self.strategy, np.array([len(row) for row in rows]), BATCH, 42, 1)
        self.batches = batches(order, BATCH)
        self.rows, self.part = rows, 0
        super().prepare(rows[:BATCH])

    def step(self) -> float:
        for batch in self.batches[self.part % PARTS :: PARTS]:
            super().prepare([self.rows[row] for row in batch])
            loss = super().step()
        self.part += 1
        return loss


LIBRARIES: dict[str, type] = {library.name: library for library in (OurEpochs, EagerParts)}

if __name__ == "__main__":
    for library in LIBRARIES.values():
        library.strategy = sys.argv[4]
    main(LIBRARIES, *sys.argv[1:4])
