# SPDX-License-Identifier: Apache-2.0
"""The texts of the sets in DEBERTA_C_TEST_DATA/data: every text, without labels, in the order of the files."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

ENGLISH = (  # running text; sst2_glue repeats parts of its sentences, wnut17 is cut into tokens
    *("ag_news", "banking77", "clinc150", "goemotions", "mr_polarity", "rte_glue", "sms_spam", "taxinli", "xquad en"),
    "sib200 eng_Latn",
)


def lines(path: Path, encoding: str = "utf-8") -> list[str]:
    """The lines of a file, split at line feeds only."""
    return path.read_bytes().decode(encoding).removesuffix("\n").split("\n")


def columns(path: Path, *numbers: int, header: bool = False) -> list[str]:
    """Columns of a file of tab-separated cells, row by row."""
    rows = [line.split("\t") for line in lines(path)[header:]]
    return [row[number] for row in rows for number in numbers]


def table(path: Path, *numbers: int, header: bool = False) -> list[str]:
    """Columns of a comma-separated file, row by row."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row[number] for row in list(csv.reader(file))[header:] for number in numbers]


def intents(path: Path) -> list[str]:
    return [text for rows in json.loads(path.read_text("utf-8")).values() for text, _ in rows]


def sentences(path: Path) -> list[str]:
    """Rows of a token and a tag; an empty row ends a sentence."""
    words: list[list[str]] = [[]]
    for line in lines(path):
        word = line.partition("\t")[0].strip()
        if word:
            words[-1].append(word)
        else:
            words.append([])
    return [" ".join(row) for row in words if row]


def paragraphs(path: Path) -> Iterator[str]:
    """Contexts and their questions."""
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (entry["question"] for entry in paragraph["qas"])


def read_sets(data: Path) -> dict[str, list[str]]:
    """Name of a set -> its texts."""
    parts = ("train", "dev", "test")
    sets = {
        "ag_news": table(data / "ag_news/news.csv", 1, 2),
        "banking77": [t for part in ("train", "test") for t in table(data / f"banking77/{part}.csv", 0, header=True)],
        "clinc150": intents(data / "clinc150/data_small.json"),
        "goemotions": [text for part in parts for text in columns(data / f"goemotions/{part}.tsv", 0)],
        "massive_de": [text for part in parts for text in columns(data / f"massive_de/{part}.txt", 0)],
        "mr_polarity": [t for end in ("pos", "neg") for t in lines(data / f"mr_polarity/rt-polarity.{end}", "latin-1")],
        "rte_glue": [t for part in ("train", "dev") for t in columns(data / f"rte_glue/{part}.tsv", 1, 2, header=True)],
        "sms_spam": columns(data / "sms_spam/SMSSpamCollection", 1),
        "sst2_glue": [t for part in ("train", "dev") for t in columns(data / f"sst2_glue/{part}.tsv", 1, header=True)],
        "taxinli": columns(data / "taxinli/taxinli10k.tsv", 0, 1, header=True),
        "wnut17": [text for path in sorted((data / "wnut17").glob("*[cd]")) for text in sentences(path)],
        "xnli_de": [text for part in parts for text in columns(data / f"xnli_de/{part}.txt", 0, 1)],
        "xquad de": list(paragraphs(data / "xquad/xquad.de.json")),
        "xquad en": list(paragraphs(data / "xquad/xquad.en.json")),
    }  # fmt: skip
    for language in ("ha", "pcm", "pt", "sw"):
        files = [data / f"afrisenti/{language}_{part}.tsv" for part in parts[:2]]
        sets[f"afrisenti {language}"] = [text for path in files for text in columns(path, 1, header=True)]
    for folder in sorted((data / "sib200").glob("*_*")):
        sets[f"sib200 {folder.name}"] = [
            text for part in parts for text in columns(folder / f"{part}.tsv", 2, header=True)
        ]
    return dict(sorted(sets.items()))


def english(sets: dict[str, list[str]]) -> list[str]:
    """The English texts, each once."""
    return list(dict.fromkeys(text for name in ENGLISH for text in sets[name] if text))


def mixed(sets: dict[str, list[str]]) -> list[str]:
    """The texts of sib200, one of each language after the other, each once."""
    languages = [texts for name, texts in sets.items() if name.startswith("sib200")]
    return list(dict.fromkeys(text for row in zip(*languages, strict=True) for text in row if text))
