"""Files are written completely or not at all, and read back."""

import errno
import json
import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from deberta_c._files.atomic import new_files
from deberta_c._files.checkpoint import Tensor
from deberta_c._files.safetensors import read_safetensors, write_safetensors
from tests.support.tiny_models import safetensors_bytes, tiny_tensors, write_model

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
def test_nothing_remains_of_a_failed_save(tmp_path, existed):
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


def failing_once(monkeypatch, name, error):
    """An os.replace that fails the first time it would create the file `name`."""
    replace, failures = os.replace, [error]

    def replacing(source, target):
        if Path(target).name == name and failures:
            raise failures.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replacing)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_replaced_files_are_restored(tmp_path, monkeypatch, links, error):
    (tmp_path / "a").write_text("old a")
    (tmp_path / "c").symlink_to("a")
    (tmp_path / "d").write_text("old d")
    failing_once(monkeypatch, "d", error)
    if not links:
        monkeypatch.setattr(os, "link", lambda *_, **__: Path("/no links/here").stat())
    with pytest.raises(type(error)), new_files(tmp_path) as place:  # noqa: PT012
        for name in "abcd":
            place(name).write_text("new")
    assert content(tmp_path) == {"a": "old a", "c": "old a", "d": "old d"}
    assert (tmp_path / "c").is_symlink()
    with new_files(tmp_path) as place:
        place("d").write_text("new")
    assert content(tmp_path) == {"a": "old a", "c": "old a", "d": "new"}


def test_weights_are_replaced_last(tmp_path, monkeypatch):
    order, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *pair: (order.append(Path(pair[1]).name), replace(*pair)))
    names = ["tokenizer.json", "model.safetensors", "config.json", "vocab.txt"]
    with new_files(tmp_path) as place:
        for name in names:
            place(name).write_text(name)
    assert order == ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"]


def test_replaced_files_keep_their_mode(tmp_path):
    for name, mode in (("private", 0o600), ("shared", 0o664), ("fixed", 0o444)):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(mode)
    with new_files(tmp_path) as place:
        for name in ("private", "shared", "fixed"):
            place(name).write_text("new")
    assert content(tmp_path) == dict.fromkeys(("private", "shared", "fixed"), "new")
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in ("private", "shared", "fixed")] == [
        "0o600",
        "0o664",
        "0o444",
    ]


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES, errno.EIO])
def test_directories_that_cannot_be_synchronised(tmp_path, monkeypatch, existed, code):
    home, fsync = tmp_path / "home", os.fsync
    if existed:
        home.mkdir()

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with new_files(home) as place:
        place("one").write_text("1")
    assert content(home) == {"one": "1"}


def test_two_writers_of_one_new_directory(tmp_path):
    with new_files(tmp_path / "new") as first:
        first("one").write_text("first")
        with new_files(tmp_path / "new") as second:
            second("one").write_text("second")
            second("two").write_text("second")
    assert content(tmp_path / "new") == {"one": "first", "two": "second"}
    assert names(tmp_path) == ["new"]


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


def test_a_model_leaves_the_tokenizer_of_the_directory_alone(tmp_path, tiny):
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_tokens(["<new>"])
    tokenizer.model_max_length = 99
    tokenizer.save_pretrained(tmp_path)
    before = content(tmp_path)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    assert model.tokenizer is not None
    model.save_pretrained(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in before} == before
    assert set(names(tmp_path)) == before.keys() | {"config.json", "model.safetensors"}


# ---- shards ----


def file_names(directory):
    return sorted(names(directory))


def test_shards_are_written_and_read(tmp_path, tiny):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path, max_shard_size="5KB")  # over what it wrote in one file
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert len(shards) > 2
    assert shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
    assert file_names(tmp_path) == ["config.json", *shards, "model.safetensors.index.json"]
    sizes = [sum(t.data.nbytes for t in read_safetensors(tmp_path / shard)) for shard in shards]
    alone = [len(read_safetensors(tmp_path / shard)) == 1 for shard in shards]
    assert all(size <= 5000 or single for size, single in zip(sizes, alone, strict=True))
    assert index["metadata"] == {"total_parameters": model.num_parameters(), "total_size": sum(sizes)}
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    np.testing.assert_array_equal(again(input_ids=[[1, 5, 2]]).logits, model(input_ids=[[1, 5, 2]]).logits)
    again.save_pretrained(tmp_path, max_shard_size=8000)  # other shards, while these are open
    other = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert file_names(tmp_path) == sorted(
        {*other["weight_map"].values(), "config.json", "model.safetensors.index.json"}
    )
    again.save_pretrained(tmp_path)
    assert file_names(tmp_path) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("size", ["50GB", "3KB"])
def test_variants(tmp_path, tiny, size):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    model.save_pretrained(tmp_path, variant="fp16", max_shard_size=size)
    assert all(".fp16" in name for name in names(tmp_path) if name != "config.json")
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path, variant="fp16")
    np.testing.assert_array_equal(again(input_ids=[[1, 5, 2]]).logits, model(input_ids=[[1, 5, 2]]).logits)
    with pytest.raises(OSError, match=r"has no model.safetensors"):
        deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"variant is '\.\./x'"):
        model.save_pretrained(tmp_path, variant="../x")


def test_options_of_saving(tmp_path, tiny):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    model.save_pretrained(tmp_path / "other", is_main_process=False)
    assert not (tmp_path / "other").exists()
    for options, error, message in (
        ({"push_to_hub": True}, NotImplementedError, "hf upload"),
        ({"safe_serialization": False}, ValueError, "safetensors only"),
        ({"state_dict": {}}, TypeError, "takes no 'state_dict'; the model writes its own weights"),
        ({"shard": 1}, TypeError, "takes no 'shard'; give max_shard_size"),
        ({"max_shard_size": "5 parsecs"}, ValueError, "max_shard_size is '5 parsecs'; give"),
        ({"max_shard_size": 0}, ValueError, "max_shard_size is 0; give"),
    ):
        with pytest.raises(error, match=message):
            model.save_pretrained(tmp_path / "other", **options)
    assert not (tmp_path / "other").exists()
    with pytest.raises(NotImplementedError, match="hf upload"):
        model.push_to_hub("org/name")
    model.save_pretrained(tmp_path / "new", safe_serialization=True, token=None, state_dict=None)


def test_an_error_names_the_place_and_not_its_draft(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="No such file or directory: '/proc/x'"), new_files("/proc/x"):
        pass

    with pytest.raises(FileNotFoundError, match=rf"'{tmp_path}/new/deep/file'"), new_files(tmp_path / "new") as place:
        place("deep/file").write_text("")


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
