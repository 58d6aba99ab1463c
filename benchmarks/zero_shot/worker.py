# SPDX-License-Identifier: Apache-2.0
"""The zero-shot pipeline of one library in a separate process, which benchmarks/zero_shot/run.py starts; requests are
lines of JSON: texts, labels, and the batch size of transformers.

python -m benchmarks.zero_shot.worker LIBRARY DIRECTORY THREADS
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.training.worker import peak_mb


def deberta_c_pipeline(directory: Path, threads: int) -> Any:
    import deberta_c

    deberta_c.set_num_threads(threads)
    pipe = deberta_c.pipeline("zero-shot-classification", model=directory)
    return lambda texts, labels, batch_size: pipe(texts, candidate_labels=labels)


def transformers_pipeline(directory: Path, threads: int) -> Any:
    import torch
    import transformers

    torch.set_num_threads(threads)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    pipe = transformers.pipeline("zero-shot-classification", model=model, tokenizer=tokenizer, device=-1)
    return lambda texts, labels, batch_size: pipe(texts, candidate_labels=labels, batch_size=batch_size)


OURS, THEIRS = "deberta_c", "transformers"
LIBRARIES = {OURS: deberta_c_pipeline, THEIRS: transformers_pipeline}


def main(name: str, directory: str, threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    pipe = LIBRARIES[name](Path(directory), int(threads))
    for line in sys.stdin:
        question = json.loads(line)
        start = time.perf_counter()
        found = pipe(question["texts"], question["labels"], question["batch_size"])
        answer = {"seconds": round(time.perf_counter() - start, 4), "peak_mb": peak_mb()}
        if question.get("scores"):
            answer["scores"] = [dict(zip(row["labels"], row["scores"], strict=True)) for row in found]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
