"""What is written appears whole or not at all, and reads back."""

import json
import os
import struct

import numpy as np
import pytest
from tiny_models import safetensors_bytes, tiny_tensors, write_model

import deberta_c
from deberta_c._checkpoint import Tensor
from deberta_c._safetensors import read_safetensors, write_safetensors
from deberta_c._saving import new_files

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.arange(3, dtype=np.float16)


def of(name, array):
    kinds = {"float32": "F32", "float16": "F16", "int64": "I64"}
    return Tensor(name, kinds[array.dtype.name], array.shape, array.reshape(-1).view(np.uint8))


def names(directory):
    return [path.name for path in directory.iterdir()]


def content(directory):
    return {path.name: path.read_text() for path in directory.iterdir()}


# ---- tensors ----


def test_tensors_read_back(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(
        path, [of("b", B), of("ä", A), of("a", A[0]), of("none", A[:0]), of("scalar", A[0, 1].reshape(()))]
    )
    found = read_safetensors(path)
    assert [tensor.name for tensor in found] == ["a", "none", "scalar", "ä", "b"]  # the widest types first
    assert [tensor.shape for tensor in found] == [(3,), (0, 3), (), (2, 3), (3,)]
    assert found[3].data.tobytes() == A.tobytes()
    assert found[4].data.tobytes() == B.tobytes()
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert length % 8 == 0
    assert json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"] == {"format": "pt"}


def test_lies_are_not_written(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match="'a' comes twice"):
        write_safetensors(path, [of("a", A), of("a", A)])
    with pytest.raises(ValueError, match=r"'a' is F32 of shape \(7,\); its 24 bytes"):
        write_safetensors(path, [of("a", A)._replace(shape=(7,))])
    assert not path.exists()


# ---- directories ----


def test_a_new_directory(tmp_path):
    with new_files(tmp_path / "deep" / "new") as place:
        place("one").write_text("1")
        assert not (tmp_path / "deep" / "new").exists()
        place("two").write_text("2")
    assert content(tmp_path / "deep" / "new") == {"one": "1", "two": "2"}
    assert names(tmp_path / "deep") == ["new"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert (tmp_path / "deep" / "new").stat().st_mode == plain.stat().st_mode


def test_a_directory_that_is_there(tmp_path, monkeypatch):
    (tmp_path / "one").write_text("old")
    (tmp_path / "other").write_text("kept")
    monkeypatch.chdir(tmp_path)
    with new_files(".") as place:
        place("one").write_text("new")
        place("two").write_text("2")
        assert (tmp_path / "one").read_text() == "old"
    assert content(tmp_path) == {"one": "new", "two": "2", "other": "kept"}


@pytest.mark.parametrize("existed", [True, False])
def test_nothing_stays_of_what_failed(tmp_path, existed):
    home = tmp_path / "home"
    if existed:
        home.mkdir()
        (home / "one").write_text("old")
    with pytest.raises(ZeroDivisionError), new_files(home) as place:  # noqa: PT012
        place("one").write_text("new")
        place("two").write_text(str(1 / 0))
    if existed:
        assert content(home) == {"one": "old"}
    assert names(tmp_path) == (["home"] if existed else [])


def test_a_directory_in_the_place_of_a_file(tmp_path):
    (tmp_path / "two").mkdir()
    with pytest.raises(IsADirectoryError, match="two' is a directory"), new_files(tmp_path) as place:  # noqa: PT012
        place("one").write_text("1")
        place("two").write_text("2")
    assert names(tmp_path) == ["two"]
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file' is a file"), new_files(tmp_path / "file"):
        pass


def test_a_full_disk_is_noticed_before_anything_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "one").write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), new_files(tmp_path) as place:
        place("one").write_text("new")
    assert content(tmp_path) == {"one": "old"}


def test_an_open_model_keeps_the_weights_that_are_replaced(tmp_path):
    home = write_model(tmp_path / "model")
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(home)
    before = model.predict(["hello world"])
    inode = (home / "model.safetensors").stat().st_ino
    other = tiny_tensors(model.config.to_dict(), seed=8)
    with new_files(home) as place:
        write_safetensors(place("model.safetensors"), [of(name, array) for name, array in other.items()])
    assert (home / "model.safetensors").stat().st_ino != inode
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(home)
    np.testing.assert_array_equal(model.predict(["hello world"]), before)
    assert not np.allclose(again.predict(["hello world"]), before)


def test_weights_are_copied_from_the_file_that_they_replace(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"a": A, "b": B}))
    tensors = read_safetensors(tmp_path / "model.safetensors")
    with new_files(tmp_path) as place:
        write_safetensors(place("model.safetensors"), tensors)
    again = read_safetensors(tmp_path / "model.safetensors")
    assert [(t.name, t.data.tobytes()) for t in again] == [("a", A.tobytes()), ("b", B.tobytes())]


@pytest.mark.parametrize("fails", ["tokenizer.json", "tokenizer_config.json"])
def test_a_tokenizer_is_saved_whole_or_not_at_all(tiny, tmp_path, monkeypatch, fails):
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tiny)
    tokenizer.save_pretrained(tmp_path / "saved")
    before = content(tmp_path / "saved")
    tokenizer.add_tokens(["<new>"])
    write_bytes = type(tmp_path).write_bytes

    def failing(path, data):
        if path.name == fails:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(type(tmp_path), "write_bytes", failing)
    with pytest.raises(OSError, match="No space"):
        tokenizer.save_pretrained(tmp_path / "saved")
    assert content(tmp_path / "saved") == before
