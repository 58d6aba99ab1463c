# SPDX-License-Identifier: Apache-2.0
"""TF-IDF with logistic regression on the texts of a work: a well-known baseline, from text to label.

DEBERTA_C_TEST_DATA=FOLDER python -m benchmarks.peers.floor "1000 messages"     # prints JSON
"""

import csv
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

ROUNDS = 9
TRAINED = 5000  # other rows of the set, for training


def messages(data: Path) -> list[tuple[str, str]]:
    """Texts and labels."""
    lines = (data / "sms_spam" / "SMSSpamCollection").read_text(encoding="utf-8").splitlines()
    return [(text, label) for label, _, text in (line.partition("\t") for line in lines)]


def articles(data: Path) -> list[tuple[str, str]]:
    with (data / "ag_news" / "news.csv").open(encoding="utf-8", newline="") as file:
        return [(f"{title} {text}", label) for label, title, text in csv.reader(file)]


SETS = {"1000 messages": (messages, 1000), "500 articles": (articles, 500)}


def measure(rows: list[tuple[str, str]], count: int) -> dict:
    """Seconds to label the first `count` rows, after training on the next ones."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = zip(*rows[: count + TRAINED], strict=True)
    classifier = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10))
    classifier.fit(texts[count:], labels[count:])
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answers = classifier.predict(texts[:count])
        seconds.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "accuracy": float((answers == labels[:count]).mean()),
    }


if __name__ == "__main__":
    read, count = SETS[sys.argv[1]]
    print(json.dumps(measure(read(Path(os.environ["DEBERTA_C_TEST_DATA"]) / "data"), count)))
