# SPDX-License-Identifier: Apache-2.0
"""One fine-tuning by the Trainer of deberta_c or of transformers, in a separate process; accuracy.py starts it.

python -m benchmarks.training.fine_tune JOB.json

The job names the library, the seed, the number of threads, the model (a directory, or the configuration of a new one),
its number of labels, a file with the encoded rows, and the TrainingArguments, which both libraries take as they are.
Weights that no file has are drawn by transformers, so that both libraries start from the same ones, and both read the
rows in the same order.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# The model is evaluated after each epoch, and the last weights are kept, where a job does not say otherwise.
EACH_EPOCH = {"eval_strategy": "epoch", "logging_strategy": "epoch", "save_strategy": "no"}


def write_start(job: dict[str, Any], directory: str) -> None:
    """Writes the model that both libraries begin with: its head, or all of it, is drawn from the seed."""
    import torch
    import transformers

    torch.manual_seed(job["seed"])
    opener, labels = transformers.AutoModelForSequenceClassification, {"num_labels": job["num_labels"]}
    if isinstance(job["model"], str):
        model = opener.from_pretrained(job["model"], dtype=torch.float32, **labels)
    else:
        model = opener.from_config(transformers.AutoConfig.for_model(**job["model"], **labels))
    model.save_pretrained(directory)


def accuracy(prediction: Any) -> dict[str, float]:
    logits, labels = prediction
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


def trainer_of_transformers() -> type:
    """transformers' Trainer, which reads the rows in the order of deberta_c's and pads each batch to its longest."""
    import torch
    import transformers

    from deberta_c.training.data import order_of

    class Order:
        def __init__(self, lengths: np.ndarray, args: Any) -> None:
            self.lengths, self.args, self.epoch = lengths, args, 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __len__(self) -> int:
            return len(self.lengths)

        def __iter__(self):
            args = self.args
            order = order_of("random", self.lengths, args.train_batch_size, args.seed, self.epoch)
            return iter(order.tolist())

    def padded(rows: list[dict[str, Any]]) -> dict[str, Any]:
        ids = [torch.tensor(row["input_ids"]) for row in rows]
        return {
            "input_ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True),
            "attention_mask": torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    class Trainer(transformers.Trainer):
        def __init__(self, **options: Any) -> None:
            super().__init__(data_collator=padded, **options)

        def _get_train_sampler(self, train_dataset: Any = None) -> Order:
            rows = train_dataset or self.train_dataset
            return Order(np.array([len(row["input_ids"]) for row in rows]), self.args)

    return Trainer


def set_threads(library: Any, count: int) -> None:
    if library.__name__ == "transformers":
        import torch

        torch.set_num_threads(count)
    else:
        library.set_num_threads(count)


def run(job: dict[str, Any], directory: str) -> dict[str, Any]:
    """Trains and evaluates."""
    rows = json.loads(Path(job["rows"]).read_text())
    library = importlib.import_module(job["library"].partition(" ")[0])
    set_threads(library, job["threads"])
    trainer = (trainer_of_transformers() if job["library"] == "transformers" else library.Trainer)(
        model=library.AutoModelForSequenceClassification.from_pretrained(directory),
        args=library.TrainingArguments(
            f"{directory}/out", seed=job["seed"], report_to="none", use_cpu=True, disable_tqdm=True,
            **EACH_EPOCH | job["arguments"],
        ),
        train_dataset=rows["train"],
        eval_dataset=rows["eval"],
        processing_class=library.AutoTokenizer.from_pretrained(job["tokenizer"]),
        compute_metrics=accuracy,
    )  # fmt: skip
    wall, cpu = time.perf_counter(), time.process_time()
    trainer.train()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    log = trainer.state.log_history
    return {
        "library": job["library"],
        "seed": job["seed"],
        "threads": job["threads"],
        "accuracy": [round(entry["eval_accuracy"], 5) for entry in log if "eval_accuracy" in entry],
        "train_loss": [round(entry["loss"], 5) for entry in log if "loss" in entry],
        "eval_loss": [round(entry["eval_loss"], 5) for entry in log if "eval_loss" in entry],
        "seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1000,
    }


def main(path: str) -> None:
    job = json.loads(Path(path).read_text())
    os.dup2(2, 1)  # what the libraries print goes to stderr
    directory = str(Path(path).parent / "start")
    if "library" in job:
        Path(job["answer"]).write_text(json.dumps(run(job, directory)))
    else:
        write_start(job, directory)


if __name__ == "__main__":
    main(sys.argv[1])
