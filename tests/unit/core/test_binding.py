# SPDX-License-Identifier: Apache-2.0
"""The binding: errors name the argument and the value, results own their memory, nothing leaks."""

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deberta_c
from deberta_c import _core
from tests.support.tiny_models import spm_bytes

IDS = np.array([1, 9, 2, 1, 7, 2], np.int32)
OFFSETS = np.array([0, 3, 6], np.int64)


@pytest.fixture(scope="module")
def parts(tiny: Path) -> tuple[dict[str, Any], list[Any]]:
    """The arguments of _core.Model for the tiny model, as the package passes them."""
    given: list[Any] = []

    class Spy:
        def __init__(self, settings: Any, tensors: Any, **_: Any) -> None:
            given.extend([dict(settings), list(tensors)])

    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr("deberta_c._models.opening.Network", Spy)
        deberta_c.AutoModelForSequenceClassification.from_pretrained(str(tiny))
    return given[0], given[1]


@pytest.fixture(scope="module")
def core(parts: tuple[dict[str, Any], list[Any]]) -> _core.Model:
    return _core.Model(*parts)


@pytest.fixture(scope="module")
def spm() -> _core.Tokenizer:
    return of_spm()


def test_forward_shapes(core: _core.Model, parts: tuple[dict[str, Any], list[Any]]) -> None:
    config = parts[0]
    logits, last, hidden, attentions = core.forward(IDS, OFFSETS, last=True, hidden_states=True, attentions=True)
    assert logits is not None
    assert last is not None
    assert hidden is not None
    assert attentions is not None
    assert logits.shape == (2, config["num_labels"])
    assert hidden.shape == (config["layers"] + 1, 6, config["hidden_size"])
    assert attentions.shape == (config["layers"] * config["heads"] * (9 + 9),)
    np.testing.assert_allclose(attentions.reshape(-1, 3).sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(last, hidden[-1])
    assert core.forward(IDS, OFFSETS, logits=False) == (None, None, None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ids": IDS.astype(np.int64)}, "ids must be a contiguous array of int32 of rank 1, but is int64 of rank 1"),
        ({"ids": IDS[None]}, "ids must be .* but is int32 of rank 2"),
        ({"ids": np.repeat(IDS, 2)[::2]}, "ids must be .* but is non-contiguous int32"),
        ({"ids": [1, 2]}, "ids must be a NumPy array of int32, not list"),
        ({"ids": -IDS}, "id -1 of token 0"),
        ({"ids": IDS + 1000}, "id 1001 of token 0"),
        ({"offsets": OFFSETS.astype(np.int32)}, "offsets must be .* but is int32"),
        ({"offsets": OFFSETS[:-1]}, "from 0 to the number of ids, 6, not from 0 to 3"),
        ({"offsets": OFFSETS + 1}, "not from 1 to 7"),
        ({"offsets": np.array([0, 0, 6])}, r"offsets\[0\] is 0 and the next 0"),
        ({"offsets": np.array([0, 9, 6])}, r"offsets\[1\] is 9 and the next 6"),
        ({"offsets": OFFSETS[:0]}, "offsets must start with 0"),
        ({"mask": np.ones(5, np.uint8)}, "mask must have 6 items, not 5"),
        ({"mask": np.ones(6, bool)}, "mask must be .* but is bool"),
        ({"first": np.zeros(6, np.int32)}, "first must have 2 items, not 6"),
    ],
)
def test_forward_refuses(core: _core.Model, arguments: dict[str, Any], message: str) -> None:
    before = core.forward(IDS, OFFSETS)[0]
    with pytest.raises((TypeError, ValueError), match=message):
        core.forward(**{"ids": IDS, "offsets": OFFSETS, **arguments})
    np.testing.assert_array_equal(core.forward(IDS, OFFSETS)[0], before)


@pytest.mark.parametrize("value", [-1, 2**40, 10**30, True, "2", None])
def test_config_sizes(parts: tuple[dict[str, Any], list[Any]], value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r'config\["layers"\] must be'):
        _core.Model({**parts[0], "layers": value}, parts[1])


def test_config_must_be_whole(parts: tuple[dict[str, Any], list[Any]]) -> None:
    for name in parts[0]:
        rest = {key: value for key, value in parts[0].items() if key != name}
        with pytest.raises(ValueError, match=f'config lacks the entry "{name}"'):
            _core.Model(rest, parts[1])
    with pytest.raises(TypeError, match="config must be a mapping, not list"):
        _core.Model([], parts[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d, s, b: (n, "F64", s, b, None, False), 'dtype "F64", which is not F32, F16 or BF16'),
        (lambda n, d, s, b: (n, d, (s[0], s[1] - 1), b, None, False), "needs .* bytes, not"),
        (lambda n, d, s, b: (n, d, (2**62, 2**62), b, None, False), "invalid shape"),
        (lambda n, d, s, b: (n, d, (-1, 3), b, None, False), "invalid shape"),
        (lambda n, d, s, b: (n, d, (1, 1, 1, 1, 1), b, None, False), "rank 5; at most 4"),
        (lambda n, d, s, b: (n, d, s, b[::2], None, False), "but is non-contiguous uint8"),
        (lambda n, d, s, b: (n, d, s, b.view(np.int8), None, False), "but is int8"),
        (lambda n, d, s, b: (n, d, s, np.concatenate([b[:1], b])[1:], None, False), "not aligned to"),
        (lambda n, d, s, b: (n, d, s, b, (4, 8), False), "needs .* bytes, not"),
        (lambda n, d, s, b: (n, d, s, b, (4, 3), False), "blocks"),
        (lambda n, d, s, b: (n, d, s, b, (0, 0), False), "blocks"),
        (lambda n, d, s, b: (n, d, s, b, (1, 2**62), False), "blocks"),
        (lambda n, d, s, b: (n, d, s, b, 4, False), "blocks"),
        (lambda n, d, s, b: (n, d, s), r"tensors\[0\] must be a tuple of name, dtype, shape, bytes, blocks and mapped"),
        (lambda n, d, s, b: n, r"tensors\[0\] must be a tuple"),
    ],
)
def test_tensors_are_checked(parts: tuple[dict[str, Any], list[Any]], change: Callable[..., Any], message: str) -> None:
    config, tensors = parts
    name_, dtype, shape, data, _, _ = next(tensor for tensor in tensors if len(tensor[2]) == 2)
    with pytest.raises((TypeError, ValueError), match=message):
        _core.Model(config, [change(name_, dtype, shape, np.array(data)), *tensors])


def test_parameters(parts: tuple[dict[str, Any], list[Any]]) -> None:
    """The core lists the tensors that it needs, and these are the tensors that it gets."""
    config, tensors = parts
    assert _core.parameters(config) == [(tensor[0], tensor[2]) for tensor in tensors]
    assert [name for name, _ in _core.parameters({**config, "head": "none"})] == [
        tensor[0] for tensor in tensors if not tensor[0].startswith("head.")
    ]
    with pytest.raises(TypeError, match="not 'choir'"):
        _core.parameters({**config, "head": "choir"})
    for wrong, kind in (([1], "list"), (5, "int"), ("text", "str"), (None, "NoneType")):
        with pytest.raises(TypeError, match=f"config must be a mapping, not {kind}"):
            _core.parameters(wrong)
        with pytest.raises(TypeError, match=f"config must be a mapping, not {kind}"):
            _core.Model(wrong, tensors)
    with pytest.raises(ValueError, match='config lacks the entry "head"'):
        _core.parameters({key: value for key, value in config.items() if key != "head"})


def test_rows_in_blocks(parts: tuple[dict[str, Any], list[Any]]) -> None:
    """A tensor whose rows are in blocks, with other rows between them, equals the contiguous tensor."""
    config, tensors = parts
    expected = _core.Model(config, tensors).forward(IDS, OFFSETS)[0]
    assert expected is not None
    scattered = []
    for name, dtype, shape, data, _, _ in tensors:
        if name.endswith("query_proj.weight"):
            blocks = data.reshape(2, -1)
            in_blocks = np.stack([blocks, np.full_like(blocks, 127), np.full_like(blocks, 127)], axis=1)
            end = in_blocks.size - 2 * blocks.shape[1]
            rows = shape[0] // 2
            scattered.append((name, dtype, shape, in_blocks.ravel()[:end], (rows, 3 * rows), False))
        else:
            scattered.append((name, dtype, shape, data, None, False))
    np.testing.assert_array_equal(_core.Model(config, scattered).forward(IDS, OFFSETS)[0], expected)


def test_texts_are_checked(spm: _core.Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"texts\[1\] has a lone surrogate at index 3"):
        spm.encode(["fine", "bad\ud800"])
    with pytest.raises(TypeError, match=r"pairs\[0\] must be str, not NoneType"):
        spm.encode(["fine"], [None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"write \[text\] for a single one"):
        spm.encode("one text")
    with pytest.raises(ValueError, match="pairs must have as many rows as texts: 1, not 2"):
        spm.encode(["a"], ["b", "c"])
    with pytest.raises(ValueError, match='not "sometimes"'):
        spm.encode(["a"], truncation="sometimes")
    with pytest.raises(ValueError, match="max_length must not be negative, but is -1"):
        spm.encode(["a"], max_length=-1)
    for wrong in (-1, len(spm), 10**30):
        with pytest.raises(IndexError, match=f"id {wrong} is outside of the vocabulary"):
            spm.piece(wrong)


def test_encodings_outlive_the_tokenizer() -> None:
    tokenizer = of_spm()
    ids, types, offsets, cut, extras = tokenizer.encode(["hello world", ""])
    wanted = ids.tolist()
    del tokenizer, types, offsets
    gc.collect()
    assert (ids.tolist(), cut, extras) == (wanted, 0, {})


def of_spm() -> _core.Tokenizer:
    spm = _core.SpmModel(spm_bytes())
    metaspace = {"type": "Metaspace", "content": "▁".encode(), "flags": ("prepend_always", "split")}
    return _core.Tokenizer(
        normalizers=[{"type": "Strip", "flags": ("strip_left", "strip_right")}],
        pretokenizers=[metaspace],
        model={"type": "Unigram", "spm": spm, "unknown": spm.unknown},
        added=[
            ("[PAD]", 0, ("special",)),
            ("[CLS]", 1, ("special",)),
            ("[SEP]", 2, ("special",)),
            ("[MASK]", len(spm), ("special",)),
        ],
        single=[(1, 0), (-1, 0), (2, 0)],
        pair=[(1, 0), (-1, 0), (2, 0), (-2, 1), (2, 1)],
        marks_apart=False,
    )


def test_a_read_spm_model() -> None:
    spm = _core.SpmModel(spm_bytes())
    assert (spm.piece(spm.unknown), spm.find("[UNK]"), spm.find("no such piece")) == ("[UNK]", spm.unknown, -1)
    assert spm.added_pieces() == [("[PAD]", 0, True), ("[CLS]", 1, True), ("[SEP]", 2, True)]
    assert [piece for piece, _ in spm.vocab()] == [spm.piece(id) for id in range(len(spm))]
    assert spm.charsmap == b""


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda spm: _core.SpmModel("text"), TypeError, "bytes"),
        (lambda spm: _core.SpmModel(), TypeError, "file"),
        (lambda spm: _core.SpmModel(b"\x0a"), ValueError, "damaged"),
        (lambda spm: spm.piece(len(spm)), IndexError, "outside of the vocabulary"),
        (lambda spm: spm.piece(-1), IndexError, "id -1 is outside of the vocabulary: 0 to"),
        (lambda spm: spm.piece(2**70), OverflowError, "int"),
        (lambda spm: spm.piece("a"), TypeError, "integer"),
        (lambda spm: spm.find(3), TypeError, "argument type"),
        (lambda spm: _core.Tokenizer(**described(model={"type": "Unigram", "spm": "x", "unknown": 0})), TypeError,
         "'spm' must be an SpmModel, not 'x'"),
    ],
)  # fmt: skip
def test_spm_models_are_checked(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(_core.SpmModel(spm_bytes()))


def described(**changes: Any) -> dict[str, Any]:
    """The stages of a WordPiece tokenizer, as arguments of Tokenizer."""
    tokens = ["[CLS]", "[SEP]", "[UNK]", "hello", "##s"]
    model = {"type": "WordPiece", "tokens": tokens, "ids": np.arange(5, dtype=np.int32), "unknown": 2}
    return {
        "normalizers": [{"type": "Lowercase"}],
        "pretokenizers": [{"type": "WhitespaceSplit"}],
        "model": {**model, "continuing_prefix": "##", "longest_word": 100},
        "added": [(token, index, ("special",)) for index, token in enumerate(tokens[:3])],
        "single": [(0, 0), (-1, 0), (1, 0)],
        "pair": [(0, 0), (-1, 0), (1, 0), (-2, 1), (1, 1)],
        "marks_apart": False,
        **changes,
    }


def test_a_tokenizer_from_stages() -> None:
    tokenizer = _core.Tokenizer(**described())
    ids, types, offsets, cut, extras = tokenizer.encode(
        ["Hellos x", "hello"], ["hello", "[SEP]"], want=("spans", "words", "strings", "sequences")
    )
    assert offsets.tolist() == [0, 7, 12]
    assert cut == 0
    assert ids.tolist() == [0, 3, 4, 2, 1, 3, 1, 0, 3, 1, 1, 1]
    assert types.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]
    assert extras["spans"].tolist()[:7] == [[0, 0], [0, 5], [5, 6], [7, 8], [0, 0], [0, 5], [0, 0]]
    assert extras["words"].tolist() == [-1, 0, 0, 1, -1, 0, -1, -1, 0, -1, 0, -1]
    assert extras["sequences"].tolist() == [-1, 0, 0, 0, -1, 1, -1, -1, 0, -1, 1, -1]
    assert extras["strings"][:4] == ["[CLS]", "hello", "##s", "[UNK]"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"normalizers": [3]}, TypeError, "a stage"),
        ({"normalizers": [{"type": "Sounds"}]}, ValueError, "Sounds"),
        ({"normalizers": [{"type": "Strip", "flags": ("up",)}]}, ValueError, "'up' is not known"),
        ({"normalizers": [{"type": "Replace", "pattern": "a"}]}, TypeError, "'pattern' must be bytes"),
        ({"pretokenizers": [{"type": "Punctuation", "behavior": "Loud"}]}, ValueError, "'Loud' is not known"),
        ({"model": {"type": "Bigram"}}, ValueError, "'Bigram' is not known"),
        ({"model": {"type": "WordPiece", "tokens": ["a"]}}, ValueError, "needs ids"),
        ({"model": {"type": "BPE", "tokens": ["a"], "ids": np.zeros(2, np.int32)}}, ValueError, "must have 1 items"),
        ({"model": {"type": "BPE", "tokens": [b"a"], "ids": np.zeros(1, np.int32)}}, TypeError, "must be a str"),
        ({"added": [("x", -1, ())]}, TypeError, "must be an id"),
        ({"added": [("x", 2**30, ())]}, ValueError, "has the id 1073741824"),
        ({"added": [("x", 7, ("bold",))]}, ValueError, "'bold' is not known"),
        ({"model": {**described()["model"], "unknown": 5_000_000}}, ValueError, "unknown token has the id 5000000"),
        ({"normalizers": [{"type": "Spm"}]}, ValueError, "normalizer 'Spm' is not known"),
        ({"single": [(0, 0)]}, ValueError, "template"),
        ({"single": [(-3, 0)]}, TypeError, "must be an id"),
    ],
)
def test_stages_are_checked(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _core.Tokenizer(**described(**changes))


def test_columns_as_lists(spm: _core.Tokenizer) -> None:
    ids, offsets = np.array([3, 1, 3, -1, 10**6], np.int32), np.array([0, 1, 1, 5])
    spans = np.array([[0, 5], [0, 5], [-1, 2000], [7, 3], [4000, 4001]], np.int32)
    flags, types = np.array([True, False, True, True, False]), np.array([0, 255, 1, 7, 0], np.uint8)
    columns = ((ids, 0), (spans, (0, 0)), (flags, 2), (types, 2), ("same", None))
    assert spm.rows(offsets, columns) == [
        [[3], [], [1, 3, -1, 10**6]],
        [[(0, 5)], [], [(0, 5), (-1, 2000), (7, 3), (4000, 4001)]],
        [[1], [], [0, 1, 1, 0]],
        [[0], [], [255, 1, 7, 0]],
        [["same"], [], ["same"] * 4],
    ]
    assert spm.rows(offsets, ((ids, 0),), width=2) == [[[3, 0], [0, 0], [1, 3, -1, 10**6]]]
    assert spm.rows(offsets, ((spans, None),), width=2, left=True)[0][:2] == [[None, (0, 5)], [None, None]]
    assert spm.rows(np.array([0]), columns) == [[], [], [], [], []]
    assert spm.rows(offsets, ()) == []


def test_invalid_columns(spm: _core.Tokenizer) -> None:
    ids, offsets = np.zeros(4, np.int32), np.array([0, 1, 4])
    for wrong in ([0, 5], [-1, 2], [2, 1]):
        with pytest.raises(ValueError, match="offsets"):
            spm.rows(np.array(wrong), ((ids, 0),))
    for column in (ids[::2], ids[:3], ids[None], ids.astype(np.int64), np.zeros((4, 3), np.int32), np.zeros((4, 2))):
        with pytest.raises(ValueError, match="a column"):
            spm.rows(offsets, ((column, 0),))
    for column in ((ids,), ids):
        with pytest.raises(TypeError, match="a column must be a tuple"):
            spm.rows(offsets, (column,))
    assert gc.isenabled()


def test_rows_of_words_are_checked(spm: _core.Tokenizer) -> None:
    def offsets(*values: int) -> Any:
        return np.array(values, np.int64)

    assert len(spm.encode(["a", "b", "c"], first_words=offsets(0, 2, 2, 3))[2]) == 4
    for wrong in (offsets(), offsets(1, 3), offsets(0, 2), offsets(0, 2, 1, 3)):
        with pytest.raises(ValueError, match="first_words must ascend from 0 to the number of words, 3"):
            spm.encode(["a", "b", "c"], first_words=wrong)
    with pytest.raises(ValueError, match='want must be one of spans, words, strings, sequences, not "ids"'):
        spm.encode(["a"], want=("ids",))


def test_nothing_leaks(parts: tuple[dict[str, Any], list[Any]], spm: _core.Tokenizer) -> None:
    watched = [parts[0]["hidden_act"], parts[1], parts[1][0], parts[1][0][3], IDS, OFFSETS, _core.Model]

    def use() -> None:
        model = _core.Model(*parts)
        model.forward(IDS, OFFSETS, hidden_states=True)
        ids, _, offsets, _, _ = spm.encode(["hello", "world"], ["a", "b"], truncation="only_second", max_length=8)
        spm.rows(offsets, ((ids, 0), (1, 0)), width=9)
        _core.Tokenizer(**described()).encode(["hello"], want=("spans", "strings"))
        for wrong in (IDS[None], -IDS):
            with pytest.raises(ValueError):  # noqa: PT011
                model.forward(wrong, OFFSETS)
        with pytest.raises(ValueError, match="surrogate"):
            spm.encode(["hello", "\udfff"])
        with pytest.raises(ValueError, match="layers"):
            _core.Model({**parts[0], "layers": -1}, parts[1])

    use()
    gc.collect()
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(50):
        use()
    gc.collect()
    assert [sys.getrefcount(thing) for thing in watched] == before


def test_threads_share_a_model_while_the_count_changes(core: _core.Model) -> None:
    wanted = core.forward(IDS, OFFSETS)[0]
    wrong: list[str] = []

    def run() -> None:
        for _ in range(100):
            if not np.array_equal(core.forward(IDS, OFFSETS)[0], wanted):  # type: ignore[arg-type]
                wrong.append("other bits")

    threads = [threading.Thread(target=run) for _ in range(20)]  # more than the idle contexts that are kept
    for thread in threads:
        thread.start()
    for count in range(200):
        _core.set_num_threads(count % 4)
    for thread in threads:
        thread.join()
    _core.set_num_threads(0)
    assert wrong == []


@pytest.mark.parametrize("count", [-1, 4097, 10**30])
def test_thread_counts_are_checked(count: int) -> None:
    with pytest.raises(ValueError, match="count must be between 0"):
        _core.set_num_threads(count)


def test_a_signal_ends_a_long_pass() -> None:
    """Ctrl-C works between layers, before the whole batch is done; the next call works."""
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    long = np.full((24, 1500), 7)
    start = time.perf_counter()
    whole = model(input_ids=long).logits
    usual = time.perf_counter() - start
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, usual / 8)
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            model(input_ids=long)
        assert time.perf_counter() - start < 0.75 * usual
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert model(input_ids=long).logits.tobytes() == whole.tobytes()


@pytest.mark.parametrize("texts", [1, 3], ids=["alone", "beside short ones"])
def test_a_signal_ends_the_encoding_of_one_huge_text(texts: int) -> None:
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    rows = ["a short one", "another", "free entry now "][-texts:]
    rows[-1] *= 4_000_000  # 60 MB
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            tokenizer._core.encode(rows)
        assert time.perf_counter() - start < 1.1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(tokenizer._core.encode(["a short one"])[0]) > 2
