"""pytorch_model.bin as torch writes it, in both forms, against what torch reads back."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from deberta_c._files.safetensors import BUFFERS, read_safetensors, write_safetensors
from deberta_c._files.torch_file import read_torch_file

TYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F64": torch.float64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def state_dict():
    torch.manual_seed(1)
    table = torch.randn(7, 5)
    cube = torch.randn(3, 4, 5)
    content = OrderedDict((name, (torch.randn(3, 5) * 9).to(dtype)) for name, dtype in TYPES.items())
    content |= {
        "tied": table,
        "tied again": table,
        "the same storage": table.view(5, 7),
        "a row of it": table[3],
        "every second row": table[1::2],
        "transposed": table.t(),
        "permuted": cube.permute(2, 0, 1),
        "a part": cube[1:, ::3, 2:],
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
        "empty part": table[:, 2:2],
        "parameter": torch.nn.Parameter(torch.randn(4)),
        "buffer": torch.nn.Parameter(torch.randn(2, 2), requires_grad=False),
        "conv": torch.randn(4, 3, 2, 5).to(memory_format=torch.channels_last),
        "config": {"hidden_size": 7, "labels": ["a", "ä"], "id2label": {0: "a"}, "rate": 0.5, "none": None, "ok": True},
        "dtype": torch.float16,
        "size": torch.Size([3, 4]),
    }
    content._metadata = OrderedDict({"": {"version": 1}})
    return content


def values(tensor):
    """A `Tensor` as a torch tensor."""
    raw = torch.from_numpy(tensor.data.copy())
    return raw.view(TYPES[tensor.dtype]).reshape(tensor.shape) if raw.numel() else torch.empty(tensor.shape)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_everything_that_torch_saves(tmp_path, zipped, protocol):
    path = tmp_path / "pytorch_model.bin"
    torch.save(state_dict(), path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    tensors = {name: t for name, t in torch.load(path).items() if isinstance(t, torch.Tensor)}
    expected = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    assert set(tensors) - set(expected) == {"I64", "I32", "I16", "I8", "U8", "BOOL"}  # buffers are not weights
    found = {tensor.name: tensor for tensor in read_torch_file(path) if tensor.dtype not in BUFFERS}
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].shape == tuple(tensor.shape)
        if tensor.numel():
            assert TYPES[found[name].dtype] == tensor.dtype
            torch.testing.assert_close(values(found[name]), tensor.detach(), rtol=0, atol=0)
    if zipped:
        assert all(found[name].data.ctypes.data % tensor.element_size() == 0 for name, tensor in expected.items())
        assert found["F32"].mapped
        assert found["a row of it"].mapped
        assert not found["transposed"].mapped


def test_a_module(tmp_path):
    layer = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.bin"
        torch.save(layer.state_dict(), path, _use_new_zipfile_serialization=zipped)
        found = {tensor.name: values(tensor).numpy() for tensor in read_torch_file(path)}
        for name, tensor in layer.state_dict().items():
            np.testing.assert_array_equal(found[name], tensor.numpy())


def test_files_without_checksums(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    before = torch.serialization.get_crc32_options()
    try:
        torch.serialization.set_crc32_options(False)
        torch.save({"a": torch.ones(3)}, path)
    finally:
        torch.serialization.set_crc32_options(before)
    assert [tensor.name for tensor in read_torch_file(path)] == ["a"]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, "one level down, in its entry 'state_dict'"),
        (torch.nn.Linear(2, 2), r"it asks for torch.nn.modules.linear.Linear"),
        ([torch.ones(2)], "it holds a list"),
        ({"a": torch.ones(2).to_sparse()}, r"it asks for torch._utils._rebuild_sparse_tensor"),
        ({"a": np.float32(1)}, "it asks for numpy"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "it asks for torch.ComplexFloatStorage"),
        ({3: torch.ones(2)}, "a tensor is called 3, a number"),
    ],
    ids=["wrapped", "module", "list", "sparse", "numpy", "complex", "number"],
)
def test_values_that_are_not_state_dicts(tmp_path, zipped, content, message):
    path = tmp_path / "pytorch_model.bin"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=message) as caught:
        read_torch_file(path)
    assert str(path) in str(caught.value)


def test_safetensors_are_written_byte_by_byte_as_by_their_own_writer(tmp_path):
    import safetensors.torch

    names = ("F32", "F16", "BF16", "F64", "I64", "I32", "I16", "I8", "U8", "BOOL", "empty", "scalar")
    content = {name: tensor for name, tensor in state_dict().items() if name in names}
    content["größer"] = torch.randn(3)
    safetensors.torch.save_file(content, tmp_path / "theirs", metadata={"format": "pt"})
    write_safetensors(tmp_path / "ours", read_safetensors(tmp_path / "theirs")[::-1])
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
