"""safetensors: tensors that are read, their names, and headers that lie in every way."""

import json
import mmap
import struct

import numpy as np
import pytest

import deberta_c
from deberta_c._files.checkpoint import check_weight, read_checkpoint
from deberta_c._files.safetensors import read_safetensors
from deberta_c._models.tensor_names import by_current_name
from tests.support.slowness import at_most
from tests.support.tiny_models import BERT, CONV, TINY, V1, safetensors_bytes, tiny_tensors, write_model
from tests.support.torch_bytes import zip_of

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.arange(4, dtype=np.float16)


def lying(tmp_path, header, body=b"\0" * 8, length=None):
    """A file with a header that need not fit its body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def values(tensor):
    numpy_type = {"F32": np.float32, "F16": np.float16}[tensor.dtype]
    return tensor.data.view(numpy_type).reshape(tensor.shape)


def test_reads_what_was_written(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({"a": A, "b": B, "none": np.zeros((0, 4), np.float32)}))
    a, b, none = read_safetensors(path)
    assert [a.name, b.name, none.name] == ["a", "b", "none"]
    np.testing.assert_array_equal(values(a), A)
    np.testing.assert_array_equal(values(b), B)
    assert none.shape == (0, 4)


def test_tensors_are_views_of_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({"a": A}))
    (tensor,) = read_safetensors(path)
    assert tensor.mapped
    assert tensor.source == str(path)
    assert not tensor.data.flags.owndata
    assert not tensor.data.flags.writeable


def test_misaligned_tensors_stay_in_the_file(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    header += b" " * (5 - len(header) % 4)  # the format asks for a multiple of 8, old writers did not
    path = lying(tmp_path, header, A.tobytes())
    (tensor,) = read_safetensors(path)
    assert (8 + len(header)) % 4 == 1
    assert tensor.mapped
    assert not tensor.data.flags.owndata
    np.testing.assert_array_equal(values(tensor), A)


def test_metadata_is_skipped(tmp_path):
    path = lying(tmp_path, {"__metadata__": {"format": "pt"}, "a": entry()})
    assert [tensor.name for tensor in read_safetensors(path)] == ["a"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(end=16, shape=(4,))}, "'a' ends at byte"),
        ({"a": entry(), "b": entry(begin=4, end=8, shape=(1,))}, "'b' begins at byte 4 and overlaps"),
        ({"a": entry(begin=4, shape=(1,))}, "bytes 0 to 4 belong to no tensor"),
        ({"a": entry(end=4, shape=(1,))}, "its tensors end at byte"),
        ({"a": entry(dtype="F31")}, "unknown dtype 'F31'"),
        ({"a": entry(dtype=["F32"])}, r"unknown dtype a list"),
        ({"a": entry(shape=(3,))}, r"F32 of shape \(3\), which does not fill its 8 bytes"),
        ({"a": entry(dtype="F16")}, "does not fill"),
        ({"a": entry(shape=(2**47,) * 32)}, "does not fill"),
        ({"a": entry(shape=(2**47, 2**47, 0))}, "does not fill"),
        ({"a": entry(shape=(2**48,))}, r"has shape \(281474976710656\), not a list of sizes"),
        ({"a": entry(shape=(1,) * 33)}, r"has shape \(1, 1, 1, 1, 1, 1, 1, 1, ...\), not a list of sizes"),
        ({"a": entry(shape=(2**48,) * 200_000)}, "not a list of sizes"),
        ({"a": entry(shape=(-2,))}, "not a list of sizes"),
        ({"a": entry(shape=(2.0,))}, "not a list of sizes"),
        ({"a": entry(shape=(True, 2))}, "not a list of sizes"),
        ({"a": entry(begin=8, end=0)}, "not .begin, end."),
        ({"a": entry(begin=-8, end=0)}, "not .begin, end."),
        ({"a": entry(end=2**47)}, "ends at byte"),
        ({"a": entry(end=2**64)}, r"data_offsets \(0, 18446744073709551616\), not .begin, end."),
        ({"a" * 10_000_000: entry(begin=8, end=0)}, "'aaa.*aaa\\.\\.\\. has data_offsets"),
        ({"a": entry(dtype="a" * 10_000_000)}, "unknown dtype 'aaa"),
        ({"__metadata__": {"format": ["pt"]}, "a": entry()}, "its __metadata__ does not map str to str"),
        ({"__metadata__": ["pt"], "a": entry()}, "its __metadata__ does not map str to str"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "data_offsets None"),
        ({"a": [1]}, "data_offsets None"),
        ({"a": None}, "data_offsets None"),
        (b"[]", "JSON list"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": 1, "a": 2}', "names 'a' twice"),
        (b"{" + b",".join(b'"%d":1' % key for key in [*range(100_000), 7]) + b"}", "names '7' twice"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
    ],
)
def test_lies_are_refused(tmp_path, header, message):
    path = lying(tmp_path, header)
    with at_most(1), pytest.raises(ValueError, match=message) as caught:
        read_safetensors(path)
    assert "model.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 700
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("size", [0, 1, 7])
def test_too_short_for_a_header(tmp_path, size):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\1" * size)
    with pytest.raises(ValueError, match=f"{size} bytes"):
        read_safetensors(path)


@pytest.mark.parametrize(
    ("length", "message"), [(1000, "cut short"), (2**24 + 1, "limit"), (2**63, "limit"), (2**64 - 1, "limit")]
)
def test_header_longer_than_the_file(tmp_path, length, message):
    with pytest.raises(ValueError, match=message):
        read_safetensors(lying(tmp_path, {"a": entry()}, length=length))


def test_every_truncation_is_refused(tmp_path):
    whole = safetensors_bytes({"a": A, "b": B})
    path = tmp_path / "model.safetensors"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="not a sound safetensors file"):
            read_safetensors(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="its tensors end at byte"):
        read_safetensors(path)


def test_no_changed_byte_crashes(tmp_path):
    """A header with one changed byte raises, or describes tensors within the file."""
    whole = bytearray(safetensors_bytes({"a": A, "b": B}))
    random = np.random.default_rng(3)
    path = tmp_path / "model.safetensors"
    refused = 0
    for place in range(8 + struct.unpack("<Q", whole[:8])[0]):
        for value in random.integers(0, 256, 4).tolist():
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                tensors = read_safetensors(path)
            except ValueError:
                refused += 1
                continue
            assert sum(tensor.data.size for tensor in tensors) == A.nbytes + B.nbytes
    assert refused > 300


def test_integer_buffers_are_ignored(tmp_path, recwarn):
    buffers = {"deberta.embeddings.position_ids": np.arange(4).reshape(1, 4)}
    directory = write_model(tmp_path / "model", add=buffers)
    assert "deberta.embeddings.position_ids" in {tensor.name for tensor in read_checkpoint(directory)}
    deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    assert not recwarn.list


def test_names_are_those_of_the_file(tmp_path):
    tensors = {"bert.embeddings.LayerNorm.gamma": A, "lm_predictions.lm_head.bias": B}
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    assert [tensor.name for tensor in read_checkpoint(tmp_path)] == list(tensors)


def test_weights_of_another_type_are_refused_where_they_are_needed(tmp_path):
    tensors = {"classifier.bias": A.astype(np.int64), "classifier.weight": A[None, None, None]}
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    whole, deep = sorted(read_checkpoint(tmp_path), key=lambda tensor: tensor.name)
    with pytest.raises(ValueError, match=r"model.safetensors.*classifier.bias' has dtype I64; store it as F32"):
        check_weight(whole)
    with pytest.raises(ValueError, match=r"model.safetensors.*classifier.weight' has 5 dimensions"):
        check_weight(deep)


@pytest.mark.parametrize(
    ("beside", "settings", "quantizer"),
    [
        ({".SCB": A[0]}, None, "bitsandbytes"),
        ({}, {"load_in_8bit": True}, "bitsandbytes"),
        ({}, {"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({".weight_scale": A[0]}, None, "compressed-tensors"),
    ],
)
@pytest.mark.parametrize("layer", ["deberta.encoder.layer.0.attention.self.query_proj", "classifier"])
def test_quantized_weights_are_named_as_such(tmp_path, beside, settings, quantizer, layer):
    add = {f"{layer}.weight": np.zeros((3, 16), np.int64), **{layer + name: array for name, array in beside.items()}}
    directory = write_model(tmp_path / "model", add=add, quantization_config=settings)
    with pytest.raises(ValueError, match=rf"{layer}.weight' has dtype I64; .*quantized by {quantizer}: .*dequantize"):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


def test_weights_that_were_dequantized_are_saved_without_their_quantizer(tmp_path):
    """config.json may still name it, as some versions of transformers leave it there."""
    directory = write_model(tmp_path / "model", quantization_config={"quant_method": "gptq", "bits": 4})
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    model.save_pretrained(tmp_path / "saved")
    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())


def test_weights_packed_under_other_names_are_named_as_quantized(tmp_path):
    layer = "deberta.encoder.layer.0.attention.self.query_proj"
    add = {f"{layer}.qweight": np.zeros((2, 16), np.int64)}
    directory = write_model(tmp_path / "model", drop=(f"{layer}.weight",), add=add)
    with pytest.raises(ValueError, match=r"lacks .*query_proj.weight'; the weights are quantized by GPTQ or AWQ"):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)


@pytest.mark.parametrize(
    "name", ["model_quantized.onnx", "onnx/model_quantized.onnx", "openvino_model.xml", "model-q8_0.gguf"]
)
def test_an_export_is_named_as_such(tmp_path, name):
    directory = write_model(tmp_path / "model")
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / "model.safetensors").rename(directory / name)
    with pytest.raises(OSError, match=rf"has no .*'{name}' is an export .*dtype=\"int8\""):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory, dtype="int8")


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: "module." + name,
        lambda name: "_orig_mod." + name,
        lambda name: "model." + name,
        lambda name: "_fsdp_wrapped_module." + name.replace("layer.0.", "layer.0._fsdp_wrapped_module."),
        lambda name: "base_model.model." + name,
        lambda name: "_orig_mod.module." + name,
        lambda name: "module._orig_mod.base_model.model." + name.removeprefix("deberta."),
        lambda name: name.replace(".attention.", "._checkpoint_wrapped_module.attention."),
        lambda name: "model." + name if name.startswith("deberta") else name,
    ],
)
def test_prefixes_of_wrappers_are_read(tmp_path, rename, recwarn):
    expected = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "plain"))
    found = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "m", rename=rename))
    assert not recwarn.list
    np.testing.assert_array_equal(found(input_ids=[[1, 5, 2]]).logits, expected(input_ids=[[1, 5, 2]]).logits)


def test_a_plain_name_comes_before_a_wrapped_one(tmp_path):
    expected = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "plain"))
    add = {"model.classifier.weight": np.zeros((3, 16), np.float32)}
    with pytest.warns(UserWarning, match=r"does not use: 'model\.classifier\.weight'"):
        found = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "m", add=add))
    np.testing.assert_array_equal(found(input_ids=[[1, 5, 2]]).logits, expected(input_ids=[[1, 5, 2]]).logits)
    both = {"module.classifier.weight": A, "model.classifier.weight": A}
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(both))
    with pytest.raises(ValueError, match=r"are both 'classifier.weight'"):
        by_current_name(read_checkpoint(tmp_path), "bert")


@pytest.mark.parametrize("base", [TINY, V1, CONV, BERT])
def test_float64_weights_are_read_and_stay_so_when_saved(tmp_path, base):
    expected = deberta_c.AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path / "m", base=base))
    wide = {name: tensor.astype(np.float64) for name, tensor in tiny_tensors(base).items()}
    directory = write_model(tmp_path / "wide", base=base)
    (directory / "model.safetensors").write_bytes(safetensors_bytes(wide))
    found = deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    np.testing.assert_array_equal(found(input_ids=[[1, 5, 2]]).logits, expected(input_ids=[[1, 5, 2]]).logits)
    found.save_pretrained(tmp_path / "saved")
    assert {tensor.dtype for tensor in read_checkpoint(tmp_path / "saved")} == {"F64"}
    assert json.loads((tmp_path / "saved/config.json").read_text())["dtype"] == "float64"


def test_a_file_that_cannot_be_mapped_is_named(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", full)
    for name in ("model.safetensors", "pytorch_model.bin"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / name).write_bytes(safetensors_bytes({"a": A}))
        with pytest.raises(OSError, match=rf"cannot be mapped into memory.*{name}"):
            read_checkpoint(directory)


def shard(tmp_path, weight_map):
    (tmp_path / "one.safetensors").write_bytes(safetensors_bytes({"classifier.weight": A}))
    (tmp_path / "two.safetensors").write_bytes(safetensors_bytes({"classifier.bias": B}))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_shards(tmp_path):
    shard(tmp_path, {"classifier.weight": "one.safetensors", "classifier.bias": "two.safetensors"})
    assert {tensor.name for tensor in read_checkpoint(tmp_path)} == {"classifier.weight", "classifier.bias"}


def test_one_name_in_two_shards_is_refused(tmp_path):
    shard(tmp_path, {"classifier.weight": "one.safetensors", "classifier.bias": "two.safetensors"})
    (tmp_path / "two.safetensors").write_bytes(safetensors_bytes({"classifier.weight": A}))
    with pytest.raises(ValueError, match=r"'classifier.weight' lies in '.*one.safetensors' and in '.*two.safetensors'"):
        read_checkpoint(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    shard(tmp_path, {"classifier.weight": "one.safetensors", "classifier.bias": "three.safetensors"})
    with pytest.raises(OSError, match=r"three.safetensors', which is missing"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../one.safetensors", "/etc/passwd", "", None, 3, ".", "..", "./one.safetensors", "one.safetensors\0", "a/"],
)
def test_shards_lie_in_the_directory(tmp_path, name):
    shard(tmp_path, {"classifier.weight": name})
    with pytest.raises(ValueError, match=r"index.json': tensor 'classifier.weight' .*which is not a file name"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("weight_map", [{}, None, []])
def test_an_index_without_a_map(tmp_path, weight_map):
    shard(tmp_path, weight_map)
    with pytest.raises(ValueError, match="no weight_map"):
        read_checkpoint(tmp_path)


def test_the_order_of_choice_is_that_of_transformers(tmp_path):
    shard(tmp_path, {"a": "one.safetensors"})
    (tmp_path / "model.safetensors.index.json").rename(tmp_path / "pytorch_model.bin.index.json")
    (tmp_path / "one.safetensors").write_bytes(zip_of({"the shards of .bin": A}))
    assert [tensor.name for tensor in read_checkpoint(tmp_path)] == ["the shards of .bin"]
    (tmp_path / "pytorch_model.bin").write_bytes(zip_of({"the .bin": A}))
    assert [tensor.name for tensor in read_checkpoint(tmp_path)] == ["the .bin"]
    shard(tmp_path, {"classifier.weight": "one.safetensors"})
    assert [tensor.name for tensor in read_checkpoint(tmp_path)] == ["classifier.weight"]
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"the safetensors": A}))
    assert [tensor.name for tensor in read_checkpoint(tmp_path)] == ["the safetensors"]


def test_no_weights(tmp_path):
    with pytest.raises(OSError, match=r"has no model.safetensors or pytorch_model.bin, whole or in shards"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pointer_of_git_lfs(tmp_path, name):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ValueError, match=rf"{name}' is a pointer of Git LFS, not the weights; run `git lfs pull`"):
        read_checkpoint(tmp_path)
