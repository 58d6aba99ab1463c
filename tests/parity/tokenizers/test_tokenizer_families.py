"""Every reading of every family against its reference: ids, offsets, word ids, special tokens, tokens, decoding.

Needs DEBERTA_C_TEST_DATA. `make parity-full` sweeps everything and writes numbers of texts and differences to
tokenizers.json.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

import deberta_c
from benchmarks.tokenization.reference_tokenizers import bert, v1, v3
from benchmarks.tokenization.text_sets import read_sets
from tests.parity.tokenizers.tokenizer_live import (
    SPECIAL,
    Difference,
    Library,
    SlowTokenizer,
    charsmap_keys,
    code_points,
    data_folder,
    differences,
    generate,
    ours,
    tokenizers,
)

transformers = pytest.importorskip("transformers", reason="the tokenizer parity suite needs transformers")

RESULTS = Path(__file__).with_name("tokenizers.json")
CONTEXTS = ["{}", "a{}b", " {} ", "{}\u0301", "e {}"]
GENERATED = 200_000
BATCH = 20_000


def folder(name: str) -> Path:
    return data_folder() / "tokenizers" / name


def spm() -> bytes:
    return (folder("deberta-v3") / "spm.model").read_bytes()


def of_transformers(name: str, directory: str, **options: Any) -> Library:
    """The tokenizer that transformers 5 builds."""
    return Library(getattr(transformers, name).from_pretrained(folder(directory), **options).backend_tokenizer)


@dataclass(frozen=True)
class Pipeline:
    """A way to read one of the published tokenizers."""

    cls: str
    directory: str
    options: dict[str, Any]
    reference: Callable[[], Any]

    def ours(self) -> Any:
        return getattr(deberta_c, self.cls).from_pretrained(folder(self.directory), **self.options)


V3, V1, BERT = "deberta-v3", "deberta-v1", "bert-base-uncased"
PIPELINES = {
    "v3 HF4": Pipeline("DebertaV2Tokenizer", V3, {}, lambda: Library(v3(spm()))),
    "v3 HF5": Pipeline(
        "DebertaV2Tokenizer", V3, {"compatibility": "transformers5"}, lambda: of_transformers("DebertaV2Tokenizer", V3)
    ),
    "v3 SPM": Pipeline("DebertaV2Tokenizer", V3, {"compatibility": "sentencepiece"}, lambda: SlowTokenizer(spm())),
    "v1": Pipeline("DebertaTokenizer", V1, {}, lambda: Library(v1(folder(V1)))),
    "v1 HF5": Pipeline(
        "DebertaTokenizer", V1, {"compatibility": "transformers5"}, lambda: of_transformers("DebertaTokenizer", V1)
    ),
    "BERT uncased": Pipeline("BertTokenizer", BERT, {}, lambda: of_transformers("BertTokenizer", BERT)),
    "BERT cased": Pipeline(
        "BertTokenizer", BERT, {"do_lower_case": False}, lambda: Library(bert(folder(BERT), lower_case=False))
    ),
}
OPTIONS = {  # what is less common, on samples
    "v3 HF4, lower case": Pipeline(
        "DebertaV2Tokenizer", V3, {"do_lower_case": True}, lambda: Library(v3(spm(), lower_case=True))
    ),
    "v3 HF4, split at punctuation": Pipeline(
        "DebertaV2Tokenizer", V3, {"split_by_punct": True}, lambda: Library(v3(spm(), split_by_punct=True))
    ),
    "v3 HF5, both": Pipeline(
        "DebertaV2Tokenizer", V3, {"compatibility": "transformers5", "do_lower_case": True, "split_by_punct": True},
        lambda: of_transformers("DebertaV2Tokenizer", V3, do_lower_case=True, split_by_punct=True),
    ),
    "v1 HF5, prefix space": Pipeline(
        "DebertaTokenizer", V1, {"compatibility": "transformers5", "add_prefix_space": True},
        lambda: of_transformers("DebertaTokenizer", V1, add_prefix_space=True),
    ),
    "BERT, no Chinese": Pipeline(
        "BertTokenizer", BERT, {"tokenize_chinese_chars": False},
        lambda: of_transformers("BertTokenizer", BERT, tokenize_chinese_chars=False),
    ),
    "BERT, accents kept": Pipeline(
        "BertTokenizer", BERT, {"strip_accents": False},
        lambda: of_transformers("BertTokenizer", BERT, strip_accents=False),
    ),
    "BERT cased, accents stripped": Pipeline(
        "BertTokenizer", BERT, {"do_lower_case": False, "strip_accents": True},
        lambda: of_transformers("BertTokenizer", BERT, do_lower_case=False, strip_accents=True),
    ),
}  # fmt: skip
GOLDEN = {  # a column of golden_tokenizer.json: its reading, and what the decoded text omits
    "hf4": (PIPELINES["v3 HF4"], True),
    "hf4_lower": (OPTIONS["v3 HF4, lower case"], True),
    "hf4_punct": (OPTIONS["v3 HF4, split at punctuation"], True),
    "hf5": (PIPELINES["v3 HF5"], True),
    "v1_hf5": (PIPELINES["v1 HF5"], False),
    "bert": (PIPELINES["BERT uncased"], False),
}


@pytest.fixture(scope="module")
def loaded() -> Callable[[str], tuple[Any, Any]]:
    """name of a reading -> its tokenizer and its reference."""
    known = {**PIPELINES, **OPTIONS}
    return cache(lambda name: (known[name].ours(), known[name].reference()))


@pytest.fixture(scope="module")
def record(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """record(reading, check, difference) fails if there are differences; a full run writes the counts."""
    found: dict[str, dict[str, Any]] = {}

    def note(pipeline: str, check: str, difference: Difference, part: str | None = None) -> None:
        counts = {"texts": difference.texts, "different": difference.different}
        place = found.setdefault(pipeline, {})
        if part is None:
            place[check] = counts
        else:
            place.setdefault(check, {})[part] = counts
        difference.check()

    yield note
    if "full" in request.config.option.markexpr:
        write(found)


def write(found: dict[str, dict[str, Any]]) -> None:
    """Replaces the checks in the file by those that ran."""
    old = json.loads(RESULTS.read_text("utf-8"))["pipelines"] if RESULTS.exists() else {}
    for pipeline, checks in found.items():
        for check, counts in checks.items():
            place = old.setdefault(pipeline, {})
            kept = place.get(check, {})
            place[check] = counts if "texts" in counts else {**kept, **counts}
    packages = ("tokenizers", "transformers", "sentencepiece")
    text = {
        "what": "texts of which ids, offsets, word ids, special tokens, types, tokens or decoded text differ from the "
        "reference (for sentencepiece: ids, offsets, decoded text)",
        "date": datetime.now(tz=timezone.utc).date().isoformat(),
        "versions": {**{name: version(name) for name in packages}, "deberta_c": deberta_c.__version__},
        "pipelines": {name: old[name] for name in [*PIPELINES, *OPTIONS] if name in old},
    }
    RESULTS.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def compare(loaded: Callable, name: str, texts: list[str], pairs: list[str] | None = None) -> Difference:
    """In batches, to bound memory."""
    tokenizer, reference = loaded(name)
    total = Difference(0, 0, [])
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        seconds = pairs and pairs[start : start + BATCH]
        found = differences(batch, ours(tokenizer, batch, seconds), reference.rows(batch, seconds))
        shown = total.shown + found.shown if len(total.shown) < 8 else total.shown
        total = Difference(total.texts + found.texts, total.different + found.different, shown)
    return total


@cache
def vocabulary() -> list[str]:
    sets = read_sets(data_folder() / "data")
    names = ["sms_spam", *(name for name in sets if name.startswith("sib200"))]
    return sorted({word for name in names for text in sets[name][:400] for word in text.split()})


def generated(count: int, seed: int) -> list[str]:
    return list(generate(count, seed, charsmap_keys(spm()), vocabulary()))


families = pytest.mark.parametrize("name", PIPELINES)


# ---- golden_tokenizer.json ----


@pytest.mark.recorded
@pytest.mark.parametrize("column", GOLDEN)
def test_golden(column, record):
    pipeline, skip = GOLDEN[column]
    name = next(name for name, known in {**PIPELINES, **OPTIONS}.items() if known is pipeline)
    entries = json.loads((data_folder() / "oracles" / "golden_tokenizer.json").read_text("utf-8"))
    texts = [entry["text"] for entry in entries]
    rows = ours(pipeline.ours(), texts)
    shown = []
    for row, entry in zip(rows, entries, strict=True):
        expected = dict(entry[column])
        own = {
            "ids": row.ids, "offsets": [list(span) for span in row.offsets], "tokens": row.tokens,
            "word_ids": row.words, "decode": row.without_special if skip else row.decoded,
        }  # fmt: skip
        wrong = [field for field in own.keys() & expected.keys() if own[field] != expected[field]]
        shown += [f"{entry['text']!a}: {field} {own[field]!a}, expected {expected[field]!a}" for field in wrong[:1]]
    record(name, "golden_tokenizer.json", Difference(len(texts), len(shown), shown[:8]))


@pytest.mark.recorded
def test_golden_of_sentencepiece(record):
    """Its ids if no special token is in the text, and the decoded text."""
    entries = json.loads((data_folder() / "oracles" / "golden_tokenizer.json").read_text("utf-8"))
    entries = [entry for entry in entries if not any(name in entry["text"] for name in SPECIAL)]
    tokenizer = PIPELINES["v3 SPM"].ours()
    ids = tokenizer([entry["text"] for entry in entries], add_special_tokens=False).input_ids
    shown = []
    for own, decoded, entry in zip(ids, tokenizer.batch_decode(ids), entries, strict=True):
        if (own, decoded) != (entry["spm_ids"], entry["spm_decode"]):
            shown.append(f"{entry['text']!a}: {own} {decoded!a}, expected {entry['spm_ids']} {entry['spm_decode']!a}")
    record("v3 SPM", "golden_tokenizer.json", Difference(len(entries), len(shown), shown[:8]))


# ---- samples, always ----


@families
def test_generated(name, loaded, record):
    record(name, "a sample of generated texts", compare(loaded, name, generated(3000, 1)))


@pytest.mark.recorded
@pytest.mark.parametrize("name", OPTIONS)
def test_options(name, loaded, record):
    record(name, "generated texts", compare(loaded, name, generated(3000, 2)))


@pytest.mark.recorded
@pytest.mark.parametrize("name", [name for name in PIPELINES if name != "v3 SPM"])
def test_pairs(name, loaded, record):
    texts = generated(2000, 3)
    record(name, "pairs of generated texts", compare(loaded, name, texts[::2], texts[1::2]))


@families
@pytest.mark.parametrize("context", CONTEXTS)
def test_some_code_points(name, context, loaded, record):
    """All below 0x600, and every 61st."""
    texts = code_points(context, 0x5FF) + code_points(context)[0x600::61]
    record(name, "a sample of code points", compare(loaded, name, texts), context)


@families
def test_some_real_texts(name, loaded, record):
    sets = read_sets(data_folder() / "data")
    texts = [text for own in sets.values() for text in own[::97]]
    record(name, "a sample of real texts", compare(loaded, name, texts))


@pytest.mark.parametrize("name", ["v3 HF4", "v3 HF5", "v1", "BERT uncased"])
def test_ids_alone_are_the_same(name, loaded):
    """The path that returns only ids, and the one that returns everything."""
    tokenizer, _ = loaded(name)
    texts = generated(5000, 4)
    everything = tokenizer(texts, return_offsets_mapping=True).input_ids
    assert tokenizer(texts).input_ids == everything


@pytest.mark.recorded
@pytest.mark.parametrize("name", PIPELINES)
def test_long_texts(name, loaded, record):
    """Words of 100,000 characters and more, texts of a million, and texts without words."""
    draw = random.Random(5)
    letters = ["".join(draw.choices("abcdefghij", k=length)) for length in (101, 4096, 100_000)]
    texts = [*letters, "a" * 50_000, "日本語" * 20_000, "[MASK]" * 5000, " " * 100_000, "\n" * 3000, "e\u0301" * 30_000]
    texts += [" ".join(draw.choices(vocabulary(), k=60_000)), "🤲🏽" * 9000, "." * 20_000, "x\u200b" * 10_000]
    record(name, "long texts", compare(loaded, name, texts))


# ---- everything ----


@pytest.mark.full
@families
@pytest.mark.parametrize("part", range(4))
def test_every_real_text(name, part, loaded, record):
    sets = read_sets(data_folder() / "data")
    for key, texts in islice(sets.items(), part, None, 4):
        record(name, "real texts", compare(loaded, name, texts), key)


@pytest.mark.full
@families
@pytest.mark.parametrize("part", range(4))
def test_many_generated(name, part, loaded, record):
    texts = generated(GENERATED // 4, 100 + part)
    record(name, "generated texts", compare(loaded, name, texts), f"seed {100 + part}")


@pytest.mark.full
@families
@pytest.mark.parametrize("context", CONTEXTS)
def test_every_code_point(name, context, loaded, record):
    record(name, "code points", compare(loaded, name, code_points(context)), context)


# ---- truncation ----


WORDS = ["the", "of", "and", "to", "in", "is", "for", "that", "on", "with", "he", "as", "it", "was", "at", "by", "from"]
PAIRED = (0, 1, 2, 3, 4, 7, 12, 25, 40)


def cut_rows(encoding: Any, name: str) -> list[tuple[list[int], list[int], list[tuple[int, int]]]]:
    """In rows that overflow, the library gives second texts the type 1, whatever the template of v1 HF5 says."""
    rows = [(part.ids, part.type_ids, part.offsets) for part in (encoding, *encoding.overflowing)]
    return [(ids, [0] * len(ids), offsets) for ids, _, offsets in rows] if name == "v1 HF5" else rows


def truncations(paired: bool, special: int) -> Iterator[tuple[Any, ...]]:
    """Limits that leave room for a token of each text, and strides below that room.

    For a text without room the library adds a row with all of it, whatever the limit; deberta_c raises.
    """
    strategies = ("longest_first", "only_first", "only_second") if paired else ("longest_first", "only_first")
    firsts, seconds = (PAIRED, PAIRED) if paired else (range(41), (None,))
    for limit, side, strategy in product(range(special + 1 + paired, 13), ("right", "left"), strategies):
        for stride in range(limit - special):
            for first, second in product(firsts, seconds):
                yield limit, side, strategy, stride, first, second


def text_of(count: int) -> str:
    return " ".join(WORDS[i % len(WORDS)] for i in range(count))


def one_by_one(name: str, tokenizer: Any, library: tokenizers.Tokenizer, case: tuple[Any, ...]) -> str | None:
    """A description of the difference."""
    limit, side, strategy, stride, first, second = case
    texts = [text_of(first)] + ([] if second is None else [text_of(second)])
    tokenizer.truncation_side = side
    try:
        library.enable_truncation(limit, stride=stride, strategy=strategy, direction=side)
        expected = cut_rows(library.encode(*texts), name)
    except BaseException as error:  # a panic of Rust is not an Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        expected = None
    options = {"truncation": strategy, "max_length": limit, "stride": stride, "return_overflowing_tokens": True}
    try:
        batch = tokenizer([texts[0]], texts[1:] or None, return_offsets_mapping=True, **options)
        own = list(zip(batch.input_ids, batch.token_type_ids, batch.offset_mapping, strict=True))
    except ValueError:
        own = None
    if own == expected:
        return None
    return f"max_length {limit}, {side}, {strategy}, stride {stride}, {first} and {second}: {own}, expected {expected}"


@pytest.mark.parametrize("name", ["v3 HF4", "v1", "v1 HF5", "BERT uncased"])
@pytest.mark.parametrize("paired", [False, True])
def test_truncation(name, paired, loaded, record, request):
    """Every length to 40 and every stride below the room; a sample unless -m full."""
    tokenizer, reference = loaded(name)
    cases = list(truncations(paired, tokenizer.num_special_tokens_to_add(paired)))
    full = "full" in request.config.option.markexpr
    if not full:
        cases = random.Random(6).sample(cases, 600)
    try:
        shown = [found for case in cases if (found := one_by_one(name, tokenizer, reference.tokenizer, case))]
    finally:
        tokenizer.truncation_side = "right"
        reference.tokenizer.no_truncation()
    check = "truncation" if full else "a sample of truncation"
    record(name, check, Difference(len(cases), len(shown), shown[:8]), "pairs" if paired else "single texts")


@pytest.mark.full
@pytest.mark.parametrize("name", ["v3 HF4", "v1", "v1 HF5", "BERT uncased"])
@pytest.mark.parametrize("paired", [False, True])
def test_every_truncation(name, paired, loaded, record, request):
    test_truncation(name, paired, loaded, record, request)
