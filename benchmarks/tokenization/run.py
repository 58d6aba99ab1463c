# SPDX-License-Identifier: Apache-2.0
"""Texts to ids beside `tokenizers` and `sentencepiece`: DeBERTa v3 and v1, BERT; English and seventeen languages.

    python -m benchmarks.tokenization.run                 # 15 minutes; writes benchmarks/results/ISA/tokenizers.json
    python -m benchmarks.tokenization.run --parts v3      # one of the parts; the others are kept in the JSON
    python -m benchmarks.tokenization.run --table         # prints the committed results

DEBERTA_C_TEST_DATA names the folder of texts and published tokenizers (data/, tokenizers/). The tokenizers alternate,
batch by batch of 1000 texts, in one process for each number of threads. Every text occurs once.
"""

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import common
from benchmarks.common import alternate, markdown, seconds

BATCH = 1000  # texts of a call
ENGLISH_BYTES = 6_000_000
FIRST_ROUNDS, LATER_ROUNDS = 3, 5
MODELS = {"v3": "DebertaV2Tokenizer", "v1": "DebertaTokenizer", "bert": "BertTokenizer"}
OURS, PACKED = "deberta_c", "deberta_c, packed"
FAST, BATCHED, PIECES, READ = "encode_batch_fast", "encode_batch", "sentencepiece", "tokenizers, read out"
PACKAGES = ("deberta_c", "tokenizers", PIECES, "numpy")
WORKS = {  # requested output: the tokenizers that have it
    "ids": (OURS, PACKED, FAST, READ, PIECES),
    "offsets": (OURS, PACKED, BATCHED, READ),
}
GOALS = {  # model, texts, output: peer and goal of later passes on one thread
    ("v3", "English", "ids"): ((FAST, 10.0), (PIECES, 2.0)),
    ("v3", "English", "offsets"): ((BATCHED, 8.0),),
    ("v1", "English", "ids"): ((FAST, 8.0),),
    ("bert", "English", "ids"): ((FAST, 8.0),),
    **{(model, "17 languages", "ids"): ((FAST, 4.0),) for model in MODELS},
}
FIRST_GOAL = 6.0  # over encode_batch_fast, English
NEEDS = "set DEBERTA_C_TEST_DATA to a folder with data/ (text sets) and tokenizers/ (published tokenizers)"


def folders() -> tuple[Path, Path]:
    root = Path(os.environ.get("DEBERTA_C_TEST_DATA", ""))
    if "DEBERTA_C_TEST_DATA" not in os.environ or not all((root / name).is_dir() for name in ("data", "tokenizers")):
        raise SystemExit(f"benchmarks.tokenization.run: {NEEDS}")
    return root / "data", root / "tokenizers"


# ---- a process that measures with a number of threads ----


def corpora() -> dict[str, list[str]]:
    from benchmarks.tokenization import text_sets

    sets = text_sets.read_sets(folders()[0])
    chosen, size = [], 0
    english = text_sets.english(sets)
    random.Random(0).shuffle(english)
    for text in english:
        if size >= ENGLISH_BYTES:
            break
        chosen.append(text)
        size += len(text.encode())
    return {"English": chosen, "17 languages": text_sets.mixed(sets)}


class Peers:
    """New tokenizers of a model, each a function of a list of str."""

    def __init__(self, model: str, made: str, threads: int) -> None:
        import sentencepiece
        import tokenizers

        import deberta_c
        from benchmarks.tokenization import reference_tokenizers

        folder = folders()[1] / reference_tokenizers.FOLDERS[model]
        ours = getattr(deberta_c, MODELS[model]).from_pretrained(folder)
        theirs = tokenizers.Tokenizer.from_file(made)
        options = ours._encode_options(None, None)

        def read_out(encode: Callable, names: tuple[str, ...]) -> Callable:
            return lambda texts: [[getattr(row, name) for name in names] for row in encode(texts)]

        columns = ("ids", "type_ids", "attention_mask")
        self.calls = {
            "ids": {
                OURS: ours,
                PACKED: lambda texts: ours._encode_with(texts, None, options),
                FAST: theirs.encode_batch_fast,
                READ: read_out(theirs.encode_batch_fast, columns),
            },
            "offsets": {
                OURS: lambda texts: ours(texts, return_offsets_mapping=True),
                PACKED: lambda texts: ours._core.encode(texts, None, want=("spans",)),
                BATCHED: theirs.encode_batch,
                READ: read_out(theirs.encode_batch, (*columns, "offsets")),
            },
        }
        if model == "v3":
            processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
            self.calls["ids"][PIECES] = lambda texts: processor.encode(texts, num_threads=threads)


def timed(calls: dict[str, Callable], batches: list[list[str]], turn: int) -> dict[str, float]:
    """Seconds of each over all batches; they alternate, and another one begins in each turn."""
    names = list(calls)
    names = names[turn % len(names) :] + names[: turn % len(names)]
    total = dict.fromkeys(calls, 0.0)
    for batch in batches:
        for name in names:
            total[name] += seconds(lambda: calls[name](batch))  # noqa: B023
    return total


def measure(model: str, threads: int, made: str) -> list[dict]:
    import deberta_c

    deberta_c.set_num_threads(threads)
    lines = []
    for corpus, texts in corpora().items():
        size = sum(len(text.encode()) for text in texts)
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        for what in WORKS:
            first: dict[str, list[float]] = {}
            later: dict[str, list[float]] = {}
            for turn in range(FIRST_ROUNDS):
                # These would find words in the cache of the call before them: they have later passes only.
                fresh = Peers(model, made, threads).calls[what]
                calls = {name: call for name, call in fresh.items() if name not in (PACKED, READ)}
                gc.collect()
                for name, passed in timed(calls, batches, turn).items():
                    first.setdefault(name, []).append(size / passed / 1e6)
            calls = Peers(model, made, threads).calls[what]
            timed(calls, batches, 0)
            for turn in range(LATER_ROUNDS):
                for name, passed in timed(calls, batches, turn).items():
                    later.setdefault(name, []).append(size / passed / 1e6)
            lines.append(
                {"model": model, "texts": corpus, "rows": len(texts), "bytes": size, "threads": threads, "what": what}
                | {"first": first, "later": later}
            )
    return lines


# ---- parts: each returns its lines ----


def made_tokenizer(model: str, folder: str) -> str:
    """Writes a tokenizer.json as transformers 4 does, 8.6 MB for v3."""
    from benchmarks.tokenization import reference_tokenizers

    path = str(Path(folder, f"{model}.json"))
    reference_tokenizers.build(model, folders()[1]).save(path, pretty=True)
    return path


def speed(model: str) -> list[dict]:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        made = made_tokenizer(model, folder)
        for threads in sorted({1, common.cpus()}):
            environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
            environment["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
            command = [sys.executable, "-m", "benchmarks.tokenization.run", "--worker", model, str(threads), made]
            process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            lines += json.loads(process.stdout)
    return lines


LOAD = """
import gc, sys, time
from benchmarks.common import resident
if sys.argv[1] == "deberta_c":
    import deberta_c
    read = deberta_c.DebertaV2Tokenizer.from_pretrained
    use = lambda tokenizer: tokenizer("Hello, world")
else:
    import tokenizers
    read = lambda folder: tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    use = lambda tokenizer: tokenizer.encode("Hello, world")
gc.collect()
before = resident()
start = time.perf_counter()
tokenizer = read(sys.argv[2])
passed = time.perf_counter() - start
use(tokenizer)
gc.collect()
print(passed, resident() - before)
"""


def load() -> list[dict]:
    """Opening the v3 tokenizer with its file in the page cache: seconds, and the growth of the process."""
    lines = []
    with tempfile.TemporaryDirectory() as spm, tempfile.TemporaryDirectory() as made:
        source = folders()[1] / "deberta-v3"
        for name in ("spm.model", "tokenizer_config.json"):
            Path(spm, name).write_bytes((source / name).read_bytes())
        Path(made_tokenizer("v3", made)).rename(Path(made, "tokenizer.json"))
        Path(made, "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}')
        works = {
            "spm.model, deberta_c": ("deberta_c", spm, 0.06, 25.0),
            "tokenizer.json, deberta_c": ("deberta_c", made, 0.4, None),
            "tokenizer.json, tokenizers": ("tokenizers", made, None, None),
        }

        def opening(library: str, folder: str) -> list[float]:
            command = [sys.executable, "-c", LOAD, library, folder]
            process = subprocess.run(command, capture_output=True, text=True, check=True)
            return [float(word) for word in process.stdout.split()]

        openings = {name: partial(opening, library, folder) for name, (library, folder, *_) in works.items()}
        found = alternate(openings, rounds=9, warm_up=1)
        for name, (_, _, seconds_goal, memory_goal) in works.items():
            passed, grown = zip(*found[name], strict=True)
            lines.append(
                {"what": name, "s": statistics.median(passed), "goal_s": seconds_goal}
                | {"mb": statistics.median(grown), "goal_mb": memory_goal}
            )
    return lines


def unbroken() -> list[dict]:
    """10 MB without a space, of every kind that would reach the slow path of an algorithm."""
    import deberta_c
    from benchmarks.tokenization import reference_tokenizers

    draw = random.Random(0)
    texts = {
        "letters": "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=10**7)),
        "one letter": "a" * 10**7,
        "ideographs": "".join(draw.choices([chr(c) for c in range(0x4E00, 0x9FA5)], k=10**7 // 3)),
    }
    lines = []
    for model, name in MODELS.items():
        folder = folders()[1] / reference_tokenizers.FOLDERS[model]
        tokenizer = getattr(deberta_c, name).from_pretrained(folder)
        for kind, text in texts.items():
            for what, options in (("ids", {}), ("offsets", {"return_offsets_mapping": True})):
                passed = seconds(lambda: tokenizer(text, **options))  # noqa: B023
                lines.append({"model": model, "text": kind, "what": what, "s": passed, "goal_s": 10.0})
    return lines


PARTS = {**{model: lambda model=model: speed(model) for model in MODELS}, "load": load, "unbroken": unbroken}


def about() -> dict:
    return common.machine(common.isa(), cpus=common.cpus(), **common.versions(*PACKAGES))


# ---- the table ----


def cell(rates: dict[str, list[float]], name: str) -> str:
    return f"{statistics.median(rates[name]):.1f}" if name in rates else "-"


def ratio(rates: dict[str, list[float]], peer: str) -> float | None:
    """The median of the ratios of the rounds."""
    if peer not in rates:
        return None
    return statistics.median(a / b for a, b in zip(rates[OURS], rates[peer], strict=True))


def judged(found: float | None, goal: float | None) -> str:
    if found is None:
        return "-"
    return f"{found:.1f}x" + (f" ({goal:g}x, {'met' if found >= goal else 'missed'})" if goal else "")


def speed_rows(lines: list[dict]) -> list[list[str]]:
    rows = []
    for line in lines:
        key = (line["model"], line["texts"], line["what"])
        peer = FAST if line["what"] == "ids" else BATCHED
        goals = dict(GOALS.get(key, ())) if line["threads"] == 1 else {}
        first_goal = FIRST_GOAL if line["threads"] == 1 and line["texts"] == "English" and peer == FAST else None
        first, later = line["first"], line["later"]
        rows.append(
            [line["model"], line["texts"], line["what"], str(line["threads"])]
            + [cell(later, name) for name in (OURS, PACKED, peer, READ, PIECES)]
            + [judged(ratio(later, peer), goals.get(peer)), judged(ratio(later, READ), None)]
            + [judged(ratio(later, PIECES), goals.get(PIECES))]
            + [cell(first, OURS), judged(ratio(first, peer), first_goal)]
        )
    return rows


def within(found: float, goal: float | None, unit: str, digits: int = 2) -> str:
    shown = f"{found:.{digits}f} {unit}"
    return shown + (f" (< {goal:g}, {'met' if found < goal else 'missed'})" if goal is not None else "")


def table(results: dict) -> str:
    parts = results["parts"]
    texts = []
    lines = [line for model in MODELS if model in parts for line in parts[model]["lines"]]
    if lines:
        header = ["model", "texts", "what", "threads"]
        header += ["MB/s: deberta_c", "packed", "tokenizers", "read out", PIECES]
        header += ["over tokenizers (goal)", "read out", "over sentencepiece (goal)"]
        header += ["first pass", "over tokenizers (goal)"]
        sizes = {line["texts"]: f"{line['texts']} {line['bytes'] / 1e6:.1f} MB in {line['rows']:,}" for line in lines}
        texts.append(markdown(header, speed_rows(lines)))
        texts.append(
            "MB of UTF-8 per second, from a list of str to a mapping of Python lists, or (packed) to int32 arrays. "
            "tokenizers runs `encode_batch_fast` for\nids and `encode_batch` for offsets, alone and with the same "
            f"lists read out of its encodings. Alternating calls of {BATCH} texts; medians of\n{LATER_ROUNDS} "
            f"passes, and of {FIRST_ROUNDS} first passes of fresh tokenizers. "
            f"Texts, each once: {'; '.join(sizes.values())} rows."
        )
    if "load" in parts:
        rows = [
            [line["what"], within(line["s"], line["goal_s"], "s", 3), within(line["mb"], line["goal_mb"], "MB", 1)]
            for line in parts["load"]["lines"]
        ]
        texts.append(markdown(["opening the v3 tokenizer from", "time (goal)", "memory (goal)"], rows))
    if "unbroken" in parts:
        found = {(line["model"], line["text"], line["what"]): line for line in parts["unbroken"]["lines"]}
        kinds = list(dict.fromkeys((text, what) for _, text, what in found))
        rows = [
            [model, *(within(found[(model, *kind)]["s"], found[(model, *kind)]["goal_s"], "s") for kind in kinds)]
            for model in dict.fromkeys(model for model, *_ in found)
        ]
        texts.append(markdown(["10 MB without a space", *(f"{text}, {what}" for text, what in kinds)], rows))
    texts += sorted({common.described(part["machine"], *PACKAGES) for part in parts.values()})
    return "\n\n".join(texts)


def main() -> None:
    parser = common.parser_of(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        model, threads, made = options.worker
        print(json.dumps(measure(model, int(threads), made)))
        return
    if not options.table:
        folders()
        common.measure_parts("tokenizers", {name: PARTS[name] for name in options.parts}, about)
    print(common.tables("tokenizers", table))


if __name__ == "__main__":
    main()
