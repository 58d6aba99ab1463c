# SPDX-License-Identifier: Apache-2.0
"""Calls for each row of a column, texts of sixty pages, and columns of Arrow.

    python -m benchmarks.process.columns  # all parts; writes benchmarks/results/ISA/columns.json
    python -m benchmarks.process.columns --parts apply  # one of them; the others are kept in the JSON
    python -m benchmarks.process.columns --table  # prints the committed results

DEBERTA_C_TEST_DATA names the folder of texts and published tokenizers (data/, tokenizers/). `apply` calls a pipeline
for each row of a Series, and compares that with the tokenizer and the network alone. `pages` reads texts of 15 and of
60 pages with a random v3-xsmall. `arrow` tokenizes 100,000 short texts from a list of str and from columns of polars
and pyarrow.
"""

import csv
import statistics
from pathlib import Path
from typing import Any

import deberta_c
from benchmarks import common
from benchmarks.peers.models import CONFIGS
from benchmarks.process.scheduling import entry, table
from benchmarks.tokenization.run import folders
from benchmarks.training.worker import peak_mb
from deberta_c._tokenizers.inputs import read_inputs

PACKAGES = ("deberta_c", "numpy", "pandas", "polars", "pyarrow")
TEXTS, ROUNDS = 500, 31
CALL_US = 50  # beyond tokenizer and network
PAGE_WORDS, PAGES, FEW_PAGES = 500, 60, 15
GROWTH_MB = 10
SHORT_TEXTS = 100_000


def messages() -> list[str]:
    with (folders()[0] / "sms_spam" / "SMSSpamCollection").open(encoding="utf-8", newline="") as file:
        return [row[1] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


# ---- parts: each returns its lines ----


def apply() -> dict[str, Any]:
    """Microseconds of a call beyond tokenizer and network."""
    import pandas as pd

    classifier = deberta_c.pipeline("text-classification", deberta_c.default_model())
    texts = pd.Series(messages()[:TEXTS])
    encode, forward = classifier.tokenizer._core.encode, classifier.model._core.forward

    def alone() -> None:
        for text in texts:
            ids, types, offsets, *_ = encode([text])
            forward(ids, offsets, types=types)

    with deberta_c.threads(1):
        measures = {"apply": lambda: texts.apply(classifier), "alone": alone, "list": lambda: classifier(texts)}
        times = common.alternate({name: lambda call=call: common.seconds(call) for name, call in measures.items()},
                                 ROUNDS, warm_up=1)  # fmt: skip
    differences = [(one - other) / TEXTS * 1e6 for one, other in zip(times["apply"], times["alone"], strict=True)]
    found = statistics.median(differences)
    calls = {f"{name}_us": statistics.median(seconds) / TEXTS * 1e6 for name, seconds in times.items()}
    return {
        'df["text"].apply(classifier): a call beyond tokenizer and network': entry(
            found, "us", f"< {CALL_US}", found < CALL_US, least=min(differences), most=max(differences)
        ),
        'df["text"].apply(classifier): a call': entry(calls["apply_us"], "us"),
        'classifier(df["text"]): a row': entry(calls["list_us"], "us"),
    }


def article(pages: int) -> str:
    """A text of so many pages of `PAGE_WORDS` words, of the news."""
    with (folders()[0] / "ag_news" / "news.csv").open(encoding="utf-8", newline="") as file:
        words = " ".join(" ".join(row[1:]) for row in csv.reader(file)).split()
    return " ".join(words[: pages * PAGE_WORDS])


def readers() -> dict[str, Any]:
    """Functions of a long text, by what they do; v3-xsmall of random weights."""
    config = deberta_c.DebertaV2Config(**CONFIGS["v3-xsmall"])
    two = deberta_c.DebertaV2Config(**CONFIGS["v3-xsmall"] | {"num_labels": 2})
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folders()[1] / "deberta-v3", model_max_length=512)
    answer = deberta_c.pipeline(
        "question-answering", deberta_c.AutoModelForQuestionAnswering.from_config(two), tokenizer=tokenizer
    )
    classify = deberta_c.pipeline(
        "text-classification", deberta_c.AutoModelForSequenceClassification.from_config(config), tokenizer=tokenizer
    )
    find = deberta_c.pipeline("ner", deberta_c.AutoModelForTokenClassification.from_config(config), tokenizer=tokenizer)
    return {
        "question answering": lambda text: answer(question="Who wrote the report?", context=text),
        "text classification": lambda text: classify(text, windows=True),
        "token classification": lambda text: find(text, windows=True, aggregation_strategy="simple"),
    }


def peak_of(read: Any, text: str) -> tuple[float, float]:
    """Seconds, and the highest memory meanwhile, in MB."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    return common.seconds(lambda: read(text)), peak_mb()


def pages() -> dict[str, Any]:
    """Seconds for a long text, and how much more memory than for a shorter one."""
    lines = {}
    for name, read in readers().items():
        read(article(1))
        (_, few), (passed, many) = (peak_of(read, article(count)) for count in (FEW_PAGES, PAGES))
        lines[f"{name}, {PAGES} pages"] = entry(passed, "s", characters=len(article(PAGES)))
        lines[f"{name}, {PAGES} pages: peak memory beyond that of {FEW_PAGES}"] = entry(
            many - few, "MB", f"< {GROWTH_MB}", many - few < GROWTH_MB, peak_mb=many
        )
    return lines


def arrow() -> dict[str, Any]:
    """Seconds to tokenize a column, read in place where that is possible."""
    import polars as pl
    import pyarrow as pa

    texts = (messages() * (SHORT_TEXTS // 5000 + 1))[:SHORT_TEXTS]
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folders()[1] / "deberta-v3")
    columns = {"list of str": texts, "polars": pl.Series(texts), "pyarrow": pa.array(texts)}

    def tokenized(column: Any) -> int:
        return len(tokenizer._core.encode(read_inputs(column, None).firsts)[0])

    times = common.alternate(
        {name: lambda column=column: common.seconds(lambda: tokenized(column)) for name, column in columns.items()},
        5, warm_up=1,
    )  # fmt: skip
    return {
        f"tokenizing {SHORT_TEXTS:,} messages, {name}": entry(statistics.median(seconds), "s")
        for name, seconds in times.items()
    }


PARTS = {"apply": apply, "pages": pages, "arrow": arrow}


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    if not options.table:
        about = common.machine(common.isa(), cpus=common.cpus(), **common.versions(*PACKAGES))
        common.measure_parts("columns", {name: PARTS[name] for name in options.parts}, lambda: about, indent=2)
    print(common.tables("columns", table))


if __name__ == "__main__":
    main()
