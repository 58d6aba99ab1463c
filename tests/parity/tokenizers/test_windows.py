"""Truncation, stride and overflow: every row against a simple implementation of the rules, and `tokenizers`, live."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from deberta_c._core import Tokenizer

SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
FIRSTS, SECONDS = [f"a{i}" for i in range(48)], [f"b{i}" for i in range(24)]
VOCABULARY = [*SPECIAL, *FIRSTS, *SECONDS]
EVERYTHING = ("spans", "words", "strings", "sequences")
SIDES = ("right", "left")
STRATEGIES = ("longest_first", "only_first", "only_second")


@dataclass
class Limit:
    max_length: int
    stride: int
    side: str
    strategy: str = "longest_first"

    @property
    def call(self):
        return {
            "truncation": self.strategy,
            "max_length": self.max_length,
            "truncation_side": self.side,
            "stride": self.stride,
            "overflow": True,
            "want": EVERYTHING,
        }


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(
        normalizers=[],
        pretokenizers=[{"type": "WhitespaceSplit"}],
        model={
            "type": "WordPiece",
            "tokens": VOCABULARY,
            "ids": np.arange(len(VOCABULARY), dtype=np.int32),
            "unknown": VOCABULARY.index("[UNK]"),
            "continuing_prefix": "##",
            "longest_word": 100,
        },
        added=[],
        single=[(1, 0), (-1, 0), (2, 0)],
        pair=[(1, 0), (-1, 0), (2, 0), (-2, 1), (2, 1)],
        marks_apart=False,
    )


@pytest.fixture(scope="module")
def reference():
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, "[UNK]"))
    made.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    made.post_processor = library.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return made


# ---- the rules, written plainly ----


def windows(n, kept, limit):
    """The parts [start, stop) of n tokens of which a row keeps some."""
    if n <= kept:
        return [(0, n)]
    step = kept - limit.stride
    if limit.side == "right":
        starts = itertools.takewhile(lambda start: start == 0 or start - step + kept < n, itertools.count(0, step))
        return [(start, min(start + kept, n)) for start in starts]
    stops = itertools.takewhile(lambda stop: stop == n or stop + step - kept > 0, itertools.count(n, -step))
    return [(max(0, stop - kept), stop) for stop in stops]


def lengths(first, second, room, strategy):
    """The parts of two texts that a row keeps; None if the strategy cannot shorten it."""
    surplus = first + second - room
    if surplus <= 0:
        return first, second
    if strategy == "only_first":
        return (first - surplus, second) if first > surplus else None
    if strategy == "only_second":
        return (first, second - surplus) if second > surplus else None
    shorter, longer = sorted((first, second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (shorter, longer) if first <= second else (longer, shorter)


def rows_of(first, second, limit):
    """All rows of a text or a pair, as lists of tokens; None if they are impossible."""
    if second is None:
        parts = windows(first, min(first, limit.max_length - 2), limit)
        return [["[CLS]", *FIRSTS[start:stop], "[SEP]"] for start, stop in parts]
    kept = lengths(first, second, limit.max_length - 3, limit.strategy)
    if kept is None or any(k < n and k <= limit.stride for n, k in zip((first, second), kept, strict=True)):
        return None
    a, b = windows(first, kept[0], limit), windows(second, kept[1], limit)
    order = [(a[0], b[0]), *itertools.product(a[1:], b), *((a[0], other) for other in b[1:])]
    return [["[CLS]", *FIRSTS[slice(*x)], "[SEP]", *SECONDS[slice(*y)], "[SEP]"] for x, y in order]


# ---- comparing ----


def encode(tokenizer, firsts, seconds, limit):
    """The rows of each text of the call as lists of (id, type, span, word, sequence, string), and the number cut."""
    texts = [" ".join(FIRSTS[:n]) for n in firsts]
    pairs = None if seconds is None else [" ".join(SECONDS[:n]) for n in seconds]
    ids, types, offsets, cut, extras = tokenizer.encode(texts, pairs, **limit.call)
    spans, words, sequences = (extras[name].tolist() for name in ("spans", "words", "sequences"))
    columns = ids.tolist(), types.tolist(), map(tuple, spans), words, sequences, extras["strings"]
    tokens = list(zip(*columns, strict=True))
    made = [[] for _ in firsts]
    assert extras["samples"].tolist() == sorted(extras["samples"].tolist())
    for sample, (start, stop) in zip(extras["samples"], itertools.pairwise(offsets), strict=True):
        made[sample].append(tokens[start:stop])
    return made, cut


def described(tokens):
    """A row of `rows_of`, with all columns of its tokens."""
    row, type_id = [], 0
    for token in tokens:
        number = VOCABULARY.index(token)
        if number < len(SPECIAL):
            row.append((number, type_id, (0, 0), -1, -1, token))
            type_id = 1 if token == "[SEP]" else 0
            continue
        index = int(token[1:])
        start = sum(len(f"a{i} ") for i in range(index))
        row.append((number, token[0] == "b", (start, start + len(token)), index, token[0] == "b", token))
    return row


def live(reference, first, second, limit):
    """The same for the library."""
    reference.enable_truncation(limit.max_length, stride=limit.stride, strategy=limit.strategy, direction=limit.side)
    pair = None if second is None else " ".join(SECONDS[:second])
    encoding = reference.encode(" ".join(FIRSTS[:first]), pair)
    return [
        [
            (id_, type_id, span, -1 if word is None else word, -1 if sequence is None else sequence, token)
            for id_, type_id, span, word, sequence, token in zip(
                row.ids, row.type_ids, row.offsets, row.word_ids, row.sequence_ids, row.tokens, strict=True
            )
        ]
        for row in (encoding, *encoding.overflowing)
    ]


def cases_of_texts():
    for max_length in range(3, 13):
        for stride, side in itertools.product(range(max_length - 2), SIDES):
            yield Limit(max_length, stride, side)


def cases_of_pairs():
    for max_length in range(4, 13):
        for stride, side, strategy in itertools.product(range(max_length - 3), SIDES, STRATEGIES):
            yield Limit(max_length, stride, side, strategy)


PAIRS = [*itertools.product(range(11), range(11)), (40, 3), (3, 23), (40, 23)]


def possible_pairs(limit):
    return [(first, second) for first, second in PAIRS if rows_of(first, second, limit) is not None]


# ---- tests ----


def test_windows_of_texts(tokenizer):
    sizes = list(range(41))
    for limit in cases_of_texts():
        expected = [[described(row) for row in rows_of(n, None, limit)] for n in sizes]
        made, cut = encode(tokenizer, sizes, None, limit)
        assert made == expected, limit
        assert cut == sum(len(rows) > 1 for rows in expected)


def test_windows_of_texts_are_those_of_the_library(reference):
    for limit in cases_of_texts():
        for n in range(41):
            assert live(reference, n, None, limit) == [described(row) for row in rows_of(n, None, limit)], (n, limit)


def test_windows_of_pairs(tokenizer):
    for limit in cases_of_pairs():
        sizes = possible_pairs(limit)
        firsts, seconds = zip(*sizes, strict=True)
        made, cut = encode(tokenizer, firsts, seconds, limit)
        for (first, second), rows in zip(sizes, made, strict=True):
            assert rows == [described(row) for row in rows_of(first, second, limit)], (first, second, limit)
        assert cut == sum(first + second + 3 > limit.max_length for first, second in sizes)


def test_windows_of_pairs_are_those_of_the_library(reference):
    for limit in cases_of_pairs():
        for first, second in possible_pairs(limit):
            expected = [described(row) for row in rows_of(first, second, limit)]
            assert live(reference, first, second, limit) == expected, (first, second, limit)


def test_what_cannot_be_cut_is_refused_by_row(tokenizer):
    for limit in cases_of_pairs():
        possible = possible_pairs(limit)
        impossible = [pair for pair in PAIRS if pair not in possible]
        for first, second in impossible[:: max(1, len(impossible) // 5)]:
            with pytest.raises(ValueError, match=r"^row 1 has "):
                encode(tokenizer, [1, first], [0, second], limit)


def test_without_overflow_the_first_window_stays(tokenizer):
    for limit in cases_of_pairs():
        sizes = possible_pairs(limit)
        texts, pairs = [" ".join(FIRSTS[:n]) for n, _ in sizes], [" ".join(SECONDS[:n]) for _, n in sizes]
        call = limit.call | {"overflow": False, "stride": 99, "want": ()}
        ids, types, offsets, cut, extras = tokenizer.encode(texts, pairs, **call)
        assert extras == {}
        rows = [described(rows_of(first, second, limit)[0]) for first, second in sizes]
        assert ids.tolist() == [token[0] for row in rows for token in row]
        assert types.tolist() == [token[1] for row in rows for token in row]
        assert np.diff(offsets).tolist() == list(map(len, rows))
        assert cut == sum(first + second + 3 > limit.max_length for first, second in sizes)


@pytest.mark.parametrize(
    ("max_length", "stride", "message"),
    [
        (1, 0, "max_length is 1, but the special tokens of a text are 2"),
        (2, 0, "max_length is 2, which leaves no room for tokens to overflow: give at least 3"),
        (8, 6, "stride is 6, but a row of max_length 8 has room for 6 tokens .* give at most 5"),
        (8, 100, "stride is 100, .* give at most 5"),
    ],
)
def test_limits_that_leave_no_room(tokenizer, max_length, stride, message):
    for text in ("", "a1 a2 a3 a4 a5 a6 a7 a8 a9"):
        with pytest.raises(ValueError, match=message):
            tokenizer.encode([text], **Limit(max_length, stride, "right").call)


def test_everything_is_cut_when_the_special_tokens_fill_a_row(tokenizer):
    call = Limit(2, 0, "right").call | {"overflow": False}
    ids, _, offsets, cut, _ = tokenizer.encode(["a1 a2", ""], **call)
    assert ids.tolist() == [1, 2, 1, 2]
    assert offsets.tolist() == [0, 2, 4]
    assert cut == 1


def test_words(tokenizer, reference):
    rows = [["a1", "a2 a3", "", "nothing", "a4"], [], [""], ["a5 a6 a7 a8 a9 a10"]]
    limit = Limit(6, 1, "right")
    words = [word for row in rows for word in row]
    first_words = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    ids, _, offsets, _, extras = tokenizer.encode(words, first_words=first_words, **limit.call)
    reference.enable_truncation(limit.max_length, stride=limit.stride)
    expected = []
    for sample, row in enumerate(rows):
        encoding = reference.encode(row, is_pretokenized=True)
        expected += [(sample, one) for one in (encoding, *encoding.overflowing)]
    assert extras["samples"].tolist() == [sample for sample, _ in expected]
    for (_, one), (start, stop) in zip(expected, itertools.pairwise(offsets), strict=True):
        assert ids[start:stop].tolist() == one.ids
        assert list(map(tuple, extras["spans"][start:stop].tolist())) == one.offsets
        assert extras["words"][start:stop].tolist() == [-1 if word is None else word for word in one.word_ids]
