"""pytorch_model.bin: what is read, and every way to lie or to smuggle code, which raises and is never executed."""

import io
import os
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import deberta_c
from deberta_c._files.checkpoint import read_checkpoint
from deberta_c._files.torch_file import read_torch_file
from tests.support.slowness import at_most
from tests.support.tiny_models import BERT, CONV, TINY, V1, safetensors_bytes, tiny_tensors, write_model
from tests.support.torch_bytes import (
    EMPTY,
    call,
    integer,
    legacy_bytes,
    legacy_of,
    many,
    name,
    of_arrays,
    pickled,
    row_major,
    state_dict,
    storage,
    tensor,
    text,
    zip_bytes,
    zip_of,
)

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.arange(4, dtype=np.float16)
FORMS = pytest.mark.parametrize("write", [zip_of, legacy_of], ids=["zip", "legacy"])
FLOATS = storage("FloatStorage", "0", 6)
SYSTEM = name("os", "system")
CODE = "__import__('os').system('id')"
STORED = {"0": A.tobytes()}
INPUT = [[1, 7, 9, 30, 2]]


def read(tmp_path, data):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(data)
    return read_torch_file(path)


def values(tensor):
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    return tensor.data.view(kinds[tensor.dtype]).reshape(tensor.shape)


def one(tmp_path, content, storages=STORED):
    """The tensors of the zip form of {"a": content}."""
    return read(tmp_path, zip_bytes(pickled(state_dict({"a": content})), storages))


def refused(tmp_path, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, data)
    assert type(caught.value) is ValueError
    assert re.search(r"pytorch_model.bin' (is|holds)", str(caught.value))
    assert len(str(caught.value)) < 700


# ---- what is read ----


@FORMS
def test_reads_what_was_written(tmp_path, write):
    a, b, ids, none, scalar = read(
        tmp_path, write({"a": A, "b": B, "ids": np.arange(3), "none": A[:0], "scalar": np.float32(7).reshape(())})
    )
    np.testing.assert_array_equal(values(a), A)
    np.testing.assert_array_equal(values(b), B)
    assert (ids.dtype, ids.shape) == ("I64", (3,))
    assert (none.name, none.shape, none.data.size) == ("none", (0, 3), 0)
    assert values(scalar) == 7
    assert a.source == str(tmp_path / "pytorch_model.bin")
    assert a.mapped
    assert not a.data.flags.owndata


@FORMS
def test_a_whole_model(tmp_path, write):
    expected = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "model"))
    config = expected.config.to_dict()
    (tmp_path / "model/model.safetensors").unlink()
    (tmp_path / "model/pytorch_model.bin").write_bytes(write(tiny_tensors(config)))
    ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(ours.predict(["hello world"]), expected.predict(["hello world"]))


@pytest.mark.parametrize("base", [TINY, V1, CONV, BERT], ids=["v3", "v1", "conv", "bert"])
@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_misaligned_weights_stay_in_the_file_of_an_open_model(tmp_path, base, beyond):
    arrays = tiny_tensors(base)
    arrays = {key: array.astype("f2") if "layer.0" in key else array for key, array in arrays.items()}
    directory = write_model(tmp_path / "model", base=base)
    (directory / "model.safetensors").write_bytes(safetensors_bytes(arrays))
    expected = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)(input_ids=INPUT).logits
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(zip_bytes(*of_arrays(arrays), beyond=beyond))
    assert {tensor.data.ctypes.data % 64 for tensor in read_checkpoint(directory)} == {beyond}
    ours = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    np.testing.assert_array_equal(ours(input_ids=INPUT).logits, expected)
    assert not any(tensor.data.flags.owndata for tensor in ours._files.values())
    ours.save_pretrained(tmp_path / "saved")
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(again(input_ids=INPUT).logits, expected)


@pytest.mark.parametrize("root", ["archive", "pytorch_model", "my model"])
@pytest.mark.parametrize("byteorder", [None, b"little"])
def test_roots_and_byte_orders(tmp_path, root, byteorder):
    (found,) = read(tmp_path, zip_bytes(*of_arrays({"a": A}), root, byteorder))
    np.testing.assert_array_equal(values(found), A)


def test_what_is_beside_tensors_is_left_out(tmp_path):
    config = b"}(" + text("x") + integer(1) + text("l") + b"](" + integer(-5) + text("q") + b"e" + integer(7) + b"Nu"
    content = state_dict({"config": config, "a": tensor(FLOATS, 0, (2, 3), (3, 1)), "dtype": name("torch", "float16")})
    metadata = b"}" + text("_metadata") + EMPTY + b"sb"
    (found,) = read(tmp_path, zip_bytes(pickled(content + metadata), STORED))
    assert found.name == "a"


def test_a_config_with_a_dtype_of_any_name(tmp_path):
    names = ("float16", "bfloat16", "int16", "int8", "uint8", "uint64", "complex64", "float8_e4m3fn", "qint8", "int4")
    dtypes = b"}(" + b"".join(text(key) + name("torch", key) for key in names) + b"u"
    content = state_dict({"a": tensor(FLOATS, 0, (2, 3), (3, 1)), "config": dtypes})
    assert [found.name for found in read(tmp_path, zip_bytes(pickled(content), STORED))] == ["a"]


@pytest.mark.parametrize("protocol", [4, 5])
def test_pickles_of_other_protocols_are_named(tmp_path, protocol):
    for value in ({}, {"state_dict": [1, "two"]}):
        message = f"it was saved with pickle protocol {protocol}, .*save the weights alone"
        refused(tmp_path, zip_bytes(pickle.dumps(value, protocol), {}), message)
        refused(tmp_path, pickle.dumps(value, protocol), message)


def test_tensors_share_storages_and_lie_askew_in_them(tmp_path):
    entries = {
        "whole": tensor(FLOATS, 0, (2, 3), (3, 1)),
        "tied": tensor(FLOATS, 0, (2, 3), (3, 1)),
        "row": tensor(FLOATS, 3, (3,), (1,)),
        "transposed": tensor(FLOATS, 0, (3, 2), (1, 3)),
        "column": tensor(FLOATS, 1, (2, 1), (3, 77)),
        "parameter": call(name("torch._utils", "_rebuild_parameter"), tensor(FLOATS, 5, (), ()), b"\x88", EMPTY),
        "sized": tensor(FLOATS, 0, (0, 2**40), (1, 1)),
    }
    found = {t.name: t for t in read(tmp_path, zip_bytes(pickled(state_dict(entries)), STORED))}
    np.testing.assert_array_equal(values(found["whole"]), A)
    np.testing.assert_array_equal(values(found["tied"]), A)
    np.testing.assert_array_equal(values(found["row"]), A[1])
    np.testing.assert_array_equal(values(found["transposed"]), A.T)
    np.testing.assert_array_equal(values(found["column"]), A[:, 1:2])
    assert values(found["parameter"]) == 5
    assert found["sized"].shape == (0, 2**40)
    assert [found[key].mapped for key in ("whole", "tied", "row", "transposed")] == [True, True, True, False]


def test_views_of_storages_in_the_legacy_form(tmp_path):
    part = storage("FloatStorage", "0", 6, many(text("1"), integer(2), integer(3)))
    content = pickled(state_dict({"a": tensor(part, 1, (2,), (1,))}))
    (found,) = read(tmp_path, legacy_bytes(content, STORED, {"0": 6}))
    np.testing.assert_array_equal(values(found), [3, 4])


def test_shards(tmp_path):
    (tmp_path / "one.bin").write_bytes(zip_of({"classifier.weight": A, "position_ids": np.arange(3)}))
    (tmp_path / "two.bin").write_bytes(legacy_of({"classifier.bias": B}))
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text('{"weight_map": {"classifier.weight": "one.bin", "classifier.bias": "two.bin"}}')
    assert [t.name for t in read_checkpoint(tmp_path)] == ["classifier.weight", "position_ids", "classifier.bias"]


def test_a_zip_without_entries(tmp_path):
    with pytest.raises(ValueError, match=r"pytorch_model.bin' is damaged: it is a zip without entries; copy it again"):
        read(tmp_path, b"PK\3\4" + bytes(40) + b"PK\5\6" + bytes(18))


def test_a_large_zip(tmp_path):
    """64-bit numbers wherever zip has them."""
    data = zip_of({"a": A})
    end = data.rfind(b"PK\5\6")
    count, _, place = struct.unpack_from("<HII", data, end + 10)
    directory = b""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            extra = struct.pack("<HHQQQ", 1, 24, info.file_size, info.file_size, info.header_offset)
            directory += struct.pack("<4s6HIII5HII", b"PK\1\2", 45, 45, 0, 0, 0, 0, info.CRC, *[2**32 - 1] * 2,
                                     len(info.filename), len(extra), 0, 0, 0, 0, 2**32 - 1)  # fmt: skip
            directory += info.filename.encode() + extra
    tail = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), place)
    tail += struct.pack("<4sIQI", b"PK\6\7", 0, place + len(directory), 1)
    tail += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    (found,) = read(tmp_path, data[:place] + directory + tail)
    np.testing.assert_array_equal(values(found), A)
    refused(tmp_path, data[:place] + directory + tail[56:], "without a 64-bit directory")


# ---- copies ----


def test_expanded_and_overlapping_tensors(tmp_path):
    expanded, windows = tensor(storage("FloatStorage", "1", 1), 0, (768,), (0,)), tensor(FLOATS, 0, (3, 4), (1, 1))
    none = tensor(FLOATS, 0, (0,), (0,))
    content = pickled(state_dict({"a": expanded, "b": windows, "c": none}))
    found = read(tmp_path, zip_bytes(content, STORED | {"1": np.float32(7).tobytes()}))
    np.testing.assert_array_equal(values(found[0]), np.full(768, 7))
    np.testing.assert_array_equal(values(found[1]), np.lib.stride_tricks.sliding_window_view(A.reshape(-1), 4))
    assert not found[0].mapped
    assert found[2].shape == (0,)


def test_equal_views_are_copied_once(tmp_path):
    entries = {str(number): tensor(FLOATS, 0, (6, 30_000), (1, 0)) for number in range(50)}
    found = read(tmp_path, zip_bytes(pickled(state_dict(entries)), STORED))
    assert len(found) == 50
    assert len({tensor.data.ctypes.data for tensor in found}) == 1


@pytest.mark.parametrize(
    "entries",
    [
        {str(number): tensor(FLOATS, 0, (20_000 + number, 6), (0, 1)) for number in range(5)},
        {"a": tensor(FLOATS, 0, (2**47, 6), (0, 1))},
        {"a": tensor(FLOATS, 0, (2**47,) * 31 + (6,), (0,) * 31 + (1,))},
    ],
    ids=["many", "large", "deep"],
)
def test_copies_take_no_more_than_the_file(tmp_path, entries):
    tracemalloc.start()
    refused(
        tmp_path,
        zip_bytes(pickled(state_dict(entries)), STORED),
        r"holds tensors that are not contiguous and take more than 1048576 bytes, .*\.contiguous",
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_large_files_may_have_large_copies(tmp_path):
    large = storage("FloatStorage", "0", 2**20)
    entries = {"a": tensor(large, 0, (2**10, 2**10), (1, 2**10))}
    (found,) = read(tmp_path, zip_bytes(pickled(state_dict(entries)), {"0": np.arange(2**20, dtype="f4").tobytes()}))
    np.testing.assert_array_equal(values(found), np.arange(2**20).reshape(2**10, 2**10).T)


def test_buffers_are_not_copied(tmp_path):
    buffer = tensor(storage("LongStorage", "1", 1), 0, (2**30,), (0,))
    entries = {"a": tensor(FLOATS, 0, (2, 3), (3, 1)), "position_ids": buffer}
    kept, left = read(tmp_path, zip_bytes(pickled(state_dict(entries)), STORED | {"1": bytes(8)}))
    assert (kept.name, left.name) == ("a", "position_ids")
    assert (left.dtype, left.shape, left.data.size) == ("I64", (2**30,), 0)


@pytest.mark.parametrize(
    ("beside", "remedy"), [("SCB", "quantized by bitsandbytes: .*dequantize"), ("x", "store it as")]
)
@pytest.mark.parametrize(
    "weight",
    ["deberta.embeddings.word_embeddings", "deberta.encoder.layer.0.output.dense", "pooler.dense", "classifier"],
)
def test_integers_askew_are_named_with_their_type(tmp_path, weight, beside, remedy):
    arrays = tiny_tensors(TINY)
    rows, columns = arrays.pop(f"{weight}.weight").shape
    entries, storages = {}, {"900": bytes(rows * columns), "901": bytes(4)}
    for number, (key, array) in enumerate(arrays.items()):
        stored = storage("FloatStorage", str(number), array.size)
        entries[key], storages[str(number)] = tensor(stored, 0, array.shape, row_major(array.shape)), array.tobytes()
    entries[f"{weight}.weight"] = tensor(storage("CharStorage", "900", rows * columns), 0, (rows, columns), (1, rows))
    entries[f"{weight}.{beside}"] = tensor(storage("CharStorage", "901", 4), 0, (2, 2), (1, 2))
    directory = write_model(tmp_path / "m")
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(zip_bytes(pickled(state_dict(entries)), storages))
    with pytest.raises(ValueError, match=rf"{weight}.weight' has dtype I8; .*{remedy}"):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


# ---- code ----


@pytest.fixture
def trap(monkeypatch):
    """Code that a malicious pickle would call."""
    called = []
    monkeypatch.setattr(os, "system", called.append)
    monkeypatch.setattr("posix.system", called.append)
    yield
    assert not called


def stack_global(module, attribute):
    return (
        b"\x8c"
        + bytes([len(module)])
        + module.encode()
        + b"\x8c"
        + bytes([len(attribute)])
        + attribute.encode()
        + b"\x93"
    )


HOSTILE = {
    "system": (call(SYSTEM, text("id")), r"it asks for os\.system"),
    "posix": (call(name("posix", "system"), text("id")), r"it asks for posix\.system"),
    "eval": (call(name("builtins", "eval"), text(CODE)), r"it asks for builtins\.eval"),
    "python 2": (call(name("__builtin__", "eval"), text(CODE)), r"it asks for __builtin__\.eval"),
    "getattr": (call(name("builtins", "getattr"), FLOATS, text("x")), r"it asks for builtins\.getattr"),
    "dotted": (call(name("torch._utils", "_rebuild_tensor_v2.__globals__")), r"_rebuild_tensor_v2\.__globals__"),
    "escaped": (call(name("torch", "Float\\x53torage")), r"it asks for torch\.Float\\x53torage"),
    "unended": (b"cos\nsystem", "a name has no end|is damaged"),
    "near": (call(name("torch", "load"), text("x")), r"it asks for torch\.load"),
    "stack global": (stack_global("os", "system") + many(text("id")) + b"R", "opcode SHORT_BINUNICODE"),
    "stack global of long names": (text("os") + text("system") + b"\x93" + many(text("id")) + b"R", "STACK_GLOBAL"),
    "inst": (b"(" + text("id") + b"ios\nsystem\n", "opcode INST"),
    "obj": (b"(" + SYSTEM + text("id") + b"o", r"it asks for os\.system"),
    "obj of what is known": (b"(" + name("torch", "Size") + b"o", "opcode OBJ"),
    "ext1": (b"\x82\1)R", "opcode EXT1"),
    "ext4": (b"\x84\1\0\0\0)R", "opcode EXT4"),
    "newobj": (name("subprocess", "Popen") + many(text("id")) + b"\x81", r"it asks for subprocess\.Popen"),
    "newobj ex": (name("torch", "Size") + b")}\x92", "opcode NEWOBJ_EX"),
    "build": (name("torch", "FloatStorage") + b"}" + text("x") + integer(1) + b"sb", "sets the state of a Kind"),
    "build of a dict": (b"}}b", "sets the state of a dict"),
    "build of a tensor": (tensor(FLOATS, 0, (6,), (1,)) + b"}b", "sets the state of a View"),
    "build with a pair": (EMPTY + many(b"N", b"}") + b"b", "to a tuple"),
    "call of a string": (text("os.system") + many(text("id")) + b"R", "it calls 'os.system'"),
    "call of a storage": (call(name("torch", "FloatStorage"), integer(6)), "it calls a Kind"),
    "call of a dtype": (call(name("torch", "float32")), "it calls 'torch.float32'"),
    "call with a list": (name("torch", "Size") + b"]R", "with a list"),
    "call with an int": (name("torch", "Size") + integer(3) + b"R", "with 3"),
    "ordered dict of": (call(name("collections", "OrderedDict"), b"]"), "makes an OrderedDict of"),
    "persistent text": (b"Pos.system\n", "opcode PERSID"),
    "persistent string": (text("x") + b"Q", "its persistent id is 'x'"),
    "persistent module": (many(text("module"), name("torch", "Size"), text("f"), text("s")) + b"Q", "holds a module"),
    "nested persistent ids": (many(text("storage"), FLOATS, text("0"), text("cpu"), integer(6)) + b"Q", "a Part"),
    "persistent key of a persistent id": (
        many(text("storage"), name("torch", "FloatStorage"), FLOATS, text("cpu"), integer(6)) + b"Q",
        "its persistent id is",
    ),
    "buffers": (b"\x97", "opcode NEXT_BUFFER"),
    "frozenset": (b"(" + integer(1) + b"\x91", "opcode FROZENSET"),
    "dup": (integer(1) + b"2", "opcode DUP"),
    "hooks": (tensor(FLOATS, 0, (6,), (1,), b"}" + text("x") + integer(1) + b"s"), "has hooks"),
    "metadata": (
        call(name("torch._utils", "_rebuild_tensor_v2"), FLOATS, integer(0), many(integer(6)), many(integer(1)),
             b"\x89", EMPTY, b"}" + text("neg") + b"\x88s"),
        "has hooks or metadata",
    ),
    "parameter of nothing": (call(name("torch._utils", "_rebuild_parameter"), b"N", b"\x88", EMPTY), "made of .None"),
    "size of nothing": (call(name("torch", "Size")), "torch.Size is made of"),
    "tensor of nothing": (call(name("torch._utils", "_rebuild_tensor_v2")), "a tensor is made of"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_code_is_refused_and_never_executed(tmp_path, case, trap):
    content, message = HOSTILE[case]
    whole = pickled(state_dict({"a": content}))
    refused(tmp_path, zip_bytes(whole, STORED), message)
    refused(tmp_path, legacy_bytes(whole, STORED, {"0": 6}), message)


@pytest.mark.parametrize("place", range(3))
def test_code_in_the_small_pickles_of_the_legacy_form(tmp_path, place, trap):
    data = legacy_of({"a": A})
    ends = [0, 15, 22]  # where the number, the protocol and the machine begin
    evil = pickled(call(SYSTEM, text("id")))
    refused(tmp_path, data[: ends[place]] + evil, r"it asks for os\.system")


def test_code_in_the_list_of_storages(tmp_path, trap):
    content, _ = of_arrays({"a": A})
    data = legacy_bytes(content, {}, {})
    refused(tmp_path, data[: -len(pickled(b"](e"))] + pickled(call(SYSTEM, text("id"))), r"it asks for os\.system")


# ---- too much ----


def doubling(count=200):
    """Each tuple contains the previous one twice."""
    steps = (f"q{chr(step)}h{chr(step)}".encode("latin-1") + b"\x86" for step in range(50, 50 + count))
    return text("lol") + b"".join(steps)


def sizes_of_one_list(count=40_000):
    """A long list, and many torch.Size objects of it."""
    size, sizes = name("torch", "Size") + b"q\1", b"](" + b"N" * 50_000 + b"e\x85q\2"
    return b"](" + size + sizes + b"h\1h\2R" * count + b"e"


def doubling_lists(count=200):
    """Each list contains the previous one twice, and a tuple contains all."""
    steps = (
        b"](h" + bytes([step]) + b"h" + bytes([step]) + b"eq" + bytes([step + 1]) for step in range(50, 50 + count)
    )
    return b"(]q2" + b"".join(steps) + b"t"


BOMBS = {
    "billion laughs of tuples": (doubling(), None),
    "billion laughs of lists": (doubling_lists(), None),
    "laughs as a key": (b"}" + doubling() + integer(1) + b"s", "a key of a dict is a tuple"),
    "laughs as a shape": (
        call(name("torch._utils", "_rebuild_tensor_v2"), FLOATS, integer(0), doubling(),
             many(integer(1), integer(1)), b"\x89", EMPTY),
        "a tensor has offset 0, sizes .a tuple, a tuple.",
    ),
    "laughs as a persistent id": (doubling() + b"Q", "its persistent id is .a tuple"),
    "laughs as metadata": (EMPTY + b"}" + text("_metadata") + doubling_lists() + b"sb", None),
    "sizes of one long list": (sizes_of_one_list(), "a torch.Size is made of .a list"),
    "a list in itself": (b"]" + b"q\1" + b"h\1" + b"a", None),
    "deep lists": (b"](" * 80_000 + b"e" * 80_000, None),
    "deep tuples": (b"N" + b"\x85" * 200_000, None),
    "many calls": (EMPTY + b"0" + EMPTY, "opcode POP"),
    "many dicts": (b"](" + EMPTY * 80_000 + b"e", "more than 250000 operations"),
    "many nothings": (b"](" + b"N" * 3_000_000 + b"e", "more than 250000 operations"),
    "many marks": (b"(" * 3_000_000, "more than 250000 operations"),
    "a far memo": (b"Nr\xff\xff\xff\xff", None),
    "memo twice": (b"q\1q\1", "notes two objects under 1"),
    "memo of nothing": (b"h\7", "asks for object 7"),
    "a long string": (b"X\xff\xff\xff\xff", "breaks off"),
    "a long number": (b"\x8b\xff\xff\xff\x7f", "opcode LONG4"),
    "a number of digits": (b"L" + b"9" * 1_000_000 + b"L\n", "opcode LONG"),
    "colliding keys": (b"}(" + b"".join(integer((2**61 - 1) * n) + b"N" for n in range(9)) + b"u", "a key of a dict"),
    "a float as a key": (b"}G" + struct.pack(">d", 1.5) + b"Ns", "a key of a dict is 1.5"),
    "one key twice": (b"}(" + (text("k") + b"N") * 2 + b"u", "names 'k' twice"),
    "half a pair": (b"}(" + text("k") + b"u", "sets items of"),
    "items of a list": (b"](" + text("k") + b"Nu", "sets items of a list"),
    "appended to a dict": (b"}Na", "appends to a dict"),
    "no mark": (b"ttt", "no mark where it needs one"),
    "past the mark": (b"(\x86", "takes more objects than it has"),
}  # fmt: skip


def outcome(path):
    """The message of the error, or None."""
    try:
        read_torch_file(path)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_take_neither_time_nor_memory(tmp_path, case):
    content, expected = BOMBS[case]
    path = tmp_path / "pytorch_model.bin"
    entries = {"a": tensor(FLOATS, 0, (6,), (1,)), "bomb": content}
    path.write_bytes(zip_bytes(pickled(state_dict(entries)), STORED))
    with at_most(1):
        message = outcome(path)
    if expected is None:
        assert message is None
    else:
        assert re.search(expected, message)
        assert len(message) < 700


@pytest.mark.parametrize(
    "case", ["billion laughs of tuples", "deep lists", "many marks", "many nothings", "a long string"]
)
def test_bombs_take_little_memory(tmp_path, case):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(zip_bytes(pickled(BOMBS[case][0]), {}))
    tracemalloc.start()
    outcome(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_a_pickle_of_many_megabytes(tmp_path):
    refused(tmp_path, zip_bytes(b"N" * (16 << 20) + b"N.", {}), "more than 16777216")


def test_empty_and_unfinished_pickles(tmp_path):
    for content, message in [
        (b"", "breaks off"),
        (b"\x80\x02", "breaks off"),
        (b".", "0 objects"),
        (b"NN.", "2 objects"),
        (b"(N.", "1 marks"),
        (b"N", "breaks off"),
        (b"\xff.", "breaks off"),
        (b"Xabc", "breaks off"),
        (b"X\2\0\0\0\xff\xfe.", "breaks off"),
    ]:
        refused(tmp_path, zip_bytes(content, {}), message)


# ---- lies about numbers ----


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor(FLOATS, 0, (7,), (1,)), "leaves its storage of 6 items"),
        (tensor(FLOATS, 1, (6,), (1,)), "leaves its storage"),
        (tensor(FLOATS, 6, (), ()), "leaves its storage"),
        (tensor(FLOATS, 0, (2, 3), (4, 1)), "leaves its storage"),
        (tensor(FLOATS, 3, (2, 3), (1, 1)), "leaves its storage"),
        (tensor(FLOATS, 0, (2, 3), (2, 1)), "lie in one place"),
        (tensor(FLOATS, 0, (2, 3), (0, 1)), "lie in one place"),
        (tensor(FLOATS, 0, (2**40,), (0,)), "lie in one place"),
        (tensor(FLOATS, 5, (2,), (0,)), "lie in one place"),
        (tensor(FLOATS, 0, (2**47, 2**47), (2**47, 2**47)), "leaves its storage"),
        (tensor(FLOATS, 0, (2, 3), (3,)), r"sizes \(2, 3\) and strides \(3\)"),
        (tensor(FLOATS, 0, (-2, 3), (3, 1)), "sizes .-2, 3"),
        (tensor(FLOATS, 0, (2, 3), (-3, 1)), "strides .-3, 1"),
        (tensor(FLOATS, -1, (2, 3), (3, 1)), "offset -1"),
        (tensor(FLOATS, 2**62, (2, 3), (3, 1)), "offset 4611686018427387904"),
        (tensor(FLOATS, 0, (2**62, 2**62), (1, 1)), "sizes"),
        (tensor(FLOATS, 0, (1,) * 40, (1,) * 40), "sizes"),
        (tensor(b"N", 0, (6,), (1,)), "a tensor is made of"),
        (tensor(storage("FloatStorage", "0", 7), 0, (6,), (1,)), "storage 0 has 24 bytes; its 7 items of F32 take 28"),
        (tensor(storage("FloatStorage", "0", 5), 0, (5,), (1,)), "storage 0 has 24 bytes; its 5 items"),
        (tensor(storage("DoubleStorage", "0", 6), 0, (6,), (1,)), "6 items of F64 take 48"),
        (tensor(storage("FloatStorage", "0", 2**61), 0, (6,), (1,)), "its persistent id is"),
        (tensor(storage("FloatStorage", "0", 2**47), 0, (6,), (1,)), "storage 0 has 24 bytes"),
        (tensor(storage("FloatStorage", "0", -6), 0, (6,), (1,)), "its persistent id is"),
        (tensor(storage("FloatStorage", "1", 6), 0, (6,), (1,)), "differ in storage [01]"),
        (tensor(storage("FloatStorage", "../x", 6), 0, (6,), (1,)), r"called '../x', not by a number"),
        (tensor(storage("FloatStorage", "/etc/passwd", 6), 0, (6,), (1,)), "not by a number"),
        (tensor(storage("FloatStorage", "", 6), 0, (6,), (1,)), "not by a number"),
        (tensor(storage("FloatStorage", "٣", 6), 0, (6,), (1,)), "not by a number"),
        (tensor(storage("QUInt8Storage", "0", 24), 0, (6,), (1,)), "it asks for torch.QUInt8Storage"),
        (tensor(storage("UntypedStorage", "0", 24), 0, (6,), (1,)), "it asks for torch.UntypedStorage"),
        (tensor(storage("FloatStorage", "0", 6, many(text("1"), integer(4), integer(3))), 0, (1,), (1,)), "a view of"),
        (tensor(storage("FloatStorage", "0", 6, integer(1)), 0, (1,), (1,)), "a view of a storage"),
        (many(FLOATS, storage("IntStorage", "0", 6)), "storage 0 is 6 items of F32 and also 6 of I32"),
    ],
)
def test_lies_about_tensors(tmp_path, content, message):
    refused(tmp_path, zip_bytes(pickled(state_dict({"a": content})), STORED), message)


def test_unused_storages(tmp_path):
    content, storages = of_arrays({"a": A})
    refused(tmp_path, zip_bytes(content, storages | {"9": b""}), "storage 9, which no tensor uses")
    refused(tmp_path, zip_bytes(content, storages | {"../x": b""}), r"storage \.\./x, which no tensor uses")
    refused(tmp_path, zip_bytes(content, {}), "storage 0, which is missing")


# ---- lies of a zip ----


def central(data, place, form, *values, entry=0):
    """A zip with other numbers at `place` in the directory's record of an entry."""
    begin = struct.unpack_from("<I", data, data.rfind(b"PK\5\6") + 16)[0]
    for _ in range(entry):
        begin = data.index(b"PK\1\2", begin + 1)
    changed = bytearray(data)
    struct.pack_into(form, changed, begin + place, *values)
    return bytes(changed)


def test_headers_that_contradict_the_directory(tmp_path):
    data = zip_of({"a": A})
    refused(tmp_path, central(data, 8, "<H", 1), "is encrypted")
    refused(tmp_path, central(data, 10, "<H", 8), "is compressed")
    refused(tmp_path, central(data, 10, "<H", 99), "is compressed")
    refused(tmp_path, central(data, 16, "<I", 5), "checksum of archive/data.pkl is wrong")
    refused(tmp_path, central(data, 20, "<I", 5), "has 5 bytes for")
    refused(tmp_path, central(data, 20, "<II", 2**31, 2**31), "beyond byte")
    refused(tmp_path, central(data, 42, "<I", 2**31), "no header at byte")
    refused(tmp_path, central(data, 42, "<I", 1), "no header at byte 1")
    refused(tmp_path, central(data, 42, "<I", 0, entry=2), "has the header of another")
    refused(tmp_path, central(data, 46, "<7s", b"../../x"), "header of another")
    refused(tmp_path, central(data, 28, "<H", 60_000), "no entry|header of another|no header")
    assert data[28:30] == struct.pack("<H", 4 + data[30 + 16 + 2])  # the padding that the first header declares
    refused(tmp_path, data[:28] + struct.pack("<H", data[28] + 4) + data[30:], "ends at byte [0-9]+, the next begins")
    refused(tmp_path, data[:6] + b"\1" + data[7:], "header of another")


def with_extra_fields(data, fields):
    """A zip whose directory has these fields after its first entry."""
    end = data.rfind(b"PK\5\6")
    size, begin = struct.unpack_from("<II", data, end + 12)
    name_size, extra_size = struct.unpack_from("<HH", data, begin + 28)
    place = begin + 46 + name_size
    record = data[begin : begin + 30] + struct.pack("<H", len(fields)) + data[begin + 32 : place] + fields
    tail = data[end : end + 12] + struct.pack("<I", size - extra_size + len(fields)) + data[end + 16 :]
    return data[:begin] + record + data[place + extra_size : end] + tail


def test_extra_fields_of_entries(tmp_path):
    data = zip_of({"a": A})
    (found,) = read(tmp_path, with_extra_fields(data, struct.pack("<HH", 7, 0) * 8))
    np.testing.assert_array_equal(values(found), A)
    refused(tmp_path, with_extra_fields(data, struct.pack("<HH", 7, 0) * 9), "more than 8 extra fields")
    refused(tmp_path, with_extra_fields(data, struct.pack("<HH", 7, 0) * 16_000), "more than 8 extra fields")


def test_deflated_zips(tmp_path):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(zip_of({"a": A}))) as archive,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in archive.namelist():
            packed.writestr(entry, archive.read(entry))
    refused(tmp_path, out.getvalue(), "'archive/data.pkl' is compressed")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_twice_or_not_at_all(tmp_path):
    def zipped(*names):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for entry in names:
                archive.writestr(entry, pickled(EMPTY))
        return out.getvalue()

    refused(tmp_path, zipped("archive/data.pkl", "archive/data.pkl"), "two entries 'archive/data.pkl'")
    refused(tmp_path, zipped("a/data.pkl", "b/data.pkl"), "2 entries")
    refused(tmp_path, zipped("archive/other"), "0 entries")
    refused(tmp_path, zipped("data.pkl"), "0 entries")
    assert read(tmp_path, zipped("archive/data.pkl")) == []


def test_ends_of_a_zip(tmp_path):
    data = zip_of({"a": A})
    end = data.rfind(b"PK\5\6")
    with_count = data[: end + 10] + struct.pack("<H", 40_000) + data[end + 12 :]
    refused(tmp_path, with_count, "no entry at byte")
    fewer = data[: end + 10] + struct.pack("<H", 1) + data[end + 12 :]
    refused(tmp_path, fewer, "its directory of 1 entries ends")
    refused(tmp_path, data[: end + 12] + struct.pack("<II", 2**30, 2**30) + data[end + 20 :], "beyond its place")
    refused(tmp_path, data[:end], "without a directory")
    huge = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2**60, 2**60, 2**60, 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    refused(tmp_path, data[:end] + huge + locator + tail, "more than 100000")


def test_overlapping_entries(tmp_path):
    data = zip_of({"a": A, "b": A})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    entry = names.index("archive/data/0")
    refused(tmp_path, central(data, 20, "<II", 100, 100, entry=entry), "ends at byte [0-9]+, the next begins")


@pytest.mark.parametrize("order", [b"big", b"middle", b"", b"l"])
def test_other_byte_orders(tmp_path, order):
    refused(tmp_path, zip_bytes(*of_arrays({"a": A}), byteorder=order), "byteorder is not little")


# ---- lies of the legacy form ----


def test_the_beginning_of_the_legacy_form(tmp_path):
    data = legacy_of({"a": A})
    refused(tmp_path, pickled(integer(3)) + data[15:], "begins with the pickle of 3")
    refused(tmp_path, data[:15] + pickled(integer(7)) + data[21:], "protocol 7|is damaged")
    refused(tmp_path, data.replace(text("little_endian") + b"\x88", text("little_endian") + b"\x89"), "little-endian")
    refused(tmp_path, data.replace(text("little_endian") + b"\x88", text("big") + b"\x88"), "little-endian")


def test_the_storages_of_the_legacy_form(tmp_path):
    content, storages = of_arrays({"a": A, "b": A})
    items = {"0": 6, "1": 6}
    refused(tmp_path, legacy_bytes(content, {"0": b""}, items), "list of storages")
    refused(tmp_path, legacy_bytes(content, storages | {"2": b""}, items | {"2": 0}), "list of storages")
    refused(tmp_path, legacy_bytes(content, storages, items | {"1": 5}), "storage 1 has 20 bytes")
    refused(tmp_path, legacy_bytes(content, storages, items | {"0": -1}), "storage 0 has")
    refused(tmp_path, legacy_bytes(content, storages, items) + b"\0", "its storages end at byte")
    refused(tmp_path, legacy_bytes(content, storages, items)[:-1], "cut short")
    three = pickled(b"](" + integer(0) + text("1") + b"e")
    refused(tmp_path, legacy_bytes(content, {}, {})[: -len(pickled(b"](e"))] + three, "list of storages")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"PK", "2 bytes"),
        (b"PK\3\4", "without a directory"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"<!DOCTYPE html>", "DOCTYPE"),
        (b"\x80\x02N.", "pickle of None"),
        (b"\x80" * 50, "damaged"),
        (b"\x7fELF" * 9, "ELF"),
    ],
)
def test_files_that_torch_did_not_write(tmp_path, data, message):
    refused(tmp_path, data, message)


@FORMS
def test_every_truncation_is_refused(tmp_path, write):
    whole = write({"a": A, "b": B})
    for size in range(0, len(whole), 7):
        refused(tmp_path, whole[:size], "damaged")


PARTS = [
    b"N", b"\x88", b"\x89", b"}", b"]", b")", b"\x8f", b"(", b"t", b"\x85", b"\x86", b"\x87", b"s", b"u", b"a", b"e",
    b"R", b"\x81", b"b", b"Q", b"q\1", b"q\2", b"h\1", b"h\2", b"G" + bytes(8), integer(0), integer(3), integer(-1),
    integer(2**70), text("a"), text("storage"), text("0"), EMPTY, FLOATS, tensor(FLOATS, 0, (2, 3), (3, 1)),
    many(integer(2), integer(3)), many(integer(3), integer(1)), name("torch", "Size"), name("torch", "FloatStorage"),
    name("torch._utils", "_rebuild_tensor_v2"), name("torch._utils", "_rebuild_parameter"), name("torch", "float32"),
    name("collections", "OrderedDict"), name("torch.nn.parameter", "Parameter"), many(b"N", b"]"), b"U\1x",
]  # fmt: skip


def test_no_program_of_known_parts_does_anything_else(tmp_path, trap):
    """Random programs, and valid ones with exchanged parts: tensors or a ValueError."""
    random = np.random.default_rng(5)
    path = tmp_path / "pytorch_model.bin"
    good = [EMPTY, b"(", text("k"), name("torch._utils", "_rebuild_tensor_v2"), b"(", FLOATS, integer(0),
            many(integer(2), integer(3)), many(integer(3), integer(1)), b"\x89", EMPTY, b"t", b"R", b"u"]  # fmt: skip
    read_back = 0
    for turn in range(600):
        program = list(good)
        if turn % 2:
            program = [PARTS[index] for index in random.integers(0, len(PARTS), 12)]
        for _ in range(int(random.integers(0, 3))):
            program[int(random.integers(len(program)))] = PARTS[int(random.integers(len(PARTS)))]
        path.write_bytes(zip_bytes(pickled(b"".join(program)), STORED))
        message = outcome(path)
        read_back += message is None
        assert message is None or len(message) < 700
    assert read_back > 30
