"""Damaged checkpoints: each loads to the same logits or raises. None crashes, none computes other logits.

Damage inside the numbers is not tested, because nothing can detect it.
"""

import json
import struct
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import deberta_c
from tests.support.tiny_models import BERT, CONV, TINY, V1, safetensors_bytes, tiny_tensors, write_model
from tests.support.torch_bytes import legacy_of, zip_of

WRITERS = {
    "model.safetensors": safetensors_bytes,
    "zip/pytorch_model.bin": zip_of,
    "legacy/pytorch_model.bin": legacy_of,
}
INPUT = [[1, 7, 9, 30, 2]]
CONFIG = {**TINY, "num_hidden_layers": 1}
TENSORS = tiny_tensors(CONFIG)


class Target:
    """A model directory whose weights are rewritten, with other damage each time."""

    def __init__(self, directory: Path, form: str) -> None:
        self.directory = write_model(directory, num_hidden_layers=1)
        (directory / "model.safetensors").unlink()
        self.path = directory / Path(form).name
        self.write = WRITERS[form]
        self.whole = self.write(TENSORS)
        self.expected = self.logits(self.whole)

    def logits(self, data: bytes) -> np.ndarray:
        self.path.unlink(missing_ok=True)  # an open model has the old one mapped
        self.path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", deberta_c.UnexpectedWeightsWarning)
            model = deberta_c.AutoModelForSequenceClassification.from_pretrained(self.directory)
        return model(input_ids=INPUT).logits

    def refuses(self, data: bytes) -> bool:
        """Whether opening raises; AssertionError if the logits differ from those of the undamaged file."""
        try:
            logits = self.logits(data)
        except (ValueError, OSError, deberta_c.MissingHeadWarning):
            return True
        np.testing.assert_array_equal(logits, self.expected)
        return False

    def outside_numbers(self) -> np.ndarray:
        """The places of all bytes that belong to no tensor."""
        inside = np.zeros(len(self.whole), bool)
        for array in TENSORS.values():
            data = array.tobytes()
            place = self.whole.index(data)
            assert self.whole.find(data, place + 1) < 0
            inside[place : place + len(data)] = True
        return np.flatnonzero(~inside)


@pytest.fixture(params=WRITERS)
def target(request, tmp_path):
    return Target(tmp_path / "model", request.param)


def test_every_percent_of_a_file(target):
    size = len(target.whole)
    for part in range(100):
        assert target.refuses(target.whole[: size * part // 100])
    assert target.refuses(target.whole[:-1])


def test_bytes_of_headers(target):
    """One byte at a time: a bit flipped, another letter or digit, anything."""
    random = np.random.default_rng(11)
    places = target.outside_numbers()
    refused = 0
    for place in random.choice(places, 400, replace=False).tolist():
        old = target.whole[place]
        near = [old ^ 1 << int(random.integers(8)), (old + 1) % 256, int(random.integers(256))]
        new = near[int(random.integers(3))]
        refused += target.refuses(target.whole[:place] + bytes([new]) + target.whole[place + 1 :])
    assert refused > 130


def test_bytes_that_are_missing_or_too_many(target):
    random = np.random.default_rng(12)
    refused = 0
    for place in random.choice(target.outside_numbers(), 100, replace=False).tolist():
        refused += target.refuses(target.whole[:place] + target.whole[place + 1 :])
        refused += target.refuses(target.whole[:place] + b"\0" + target.whole[place:])
    assert refused > 100


def test_stretches_of_headers_that_are_lost(target):
    random = np.random.default_rng(13)
    places = target.outside_numbers()
    inside = np.setdiff1d(np.arange(len(target.whole)), places)
    refused = 0
    for begin in random.choice(places, 100).tolist():
        damaged = np.frombuffer(target.whole, np.uint8).copy()
        damaged[begin : begin + int(random.integers(2, 300))] = 0
        damaged[inside] = np.frombuffer(target.whole, np.uint8)[inside]
        refused += target.refuses(damaged.tobytes())
    assert refused > 50


def test_renamed_and_missing_tensors(target):
    for name in TENSORS:
        for new in (name + "x", name[1:], name.upper(), "deberta." + name, ""):
            renamed = {new if key == name else key: array for key, array in TENSORS.items()}
            assert target.refuses(target.write(renamed)), (name, new)
        assert target.refuses(target.write({key: array for key, array in TENSORS.items() if key != name}))


def test_tensors_in_another_order_and_more_of_them(target):
    backwards = dict(reversed(TENSORS.items()))
    assert not target.refuses(target.write(backwards))
    more = {"lm_predictions.lm_head.bias": np.ones(128, np.float32), "position_ids": np.arange(9), **TENSORS}
    assert not target.refuses(target.write(more))


def test_names_in_warnings_say_nothing_to_a_terminal(tmp_path):
    strange = {
        "\x1b]0;title\x07\x1b[2J": np.ones(2, np.float32),
        "a\nb": np.ones(2, np.float32),
        "x" * 10**6: np.ones(2, np.float32),
    }
    directory = write_model(tmp_path, add=strange, drop=("classifier.weight",))
    with pytest.warns() as caught:
        deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
    text = "".join(str(warning.message) for warning in caught)
    assert {warning.category for warning in caught} == {
        deberta_c.MissingHeadWarning,
        deberta_c.UnexpectedWeightsWarning,
    }
    assert text.isprintable()
    assert repr("\x1b]0;title\x07\x1b[2J") in text
    assert len(text) < 1000


def test_swapped_tensors_of_other_shapes(target):
    random = np.random.default_rng(14)
    names = list(TENSORS)
    for _ in range(100):
        one, other = (names[index] for index in random.choice(len(names), 2, replace=False))
        if TENSORS[one].shape != TENSORS[other].shape:
            swapped = {**TENSORS, one: TENSORS[other], other: TENSORS[one]}
            assert target.refuses(target.write(swapped)), (one, other)


@pytest.mark.parametrize("change", ["longer", "shorter", "deeper", "flat", "empty", "whole"])
def test_tensors_of_wrong_sizes(target, change):
    for name, array in TENSORS.items():
        changed = {
            "longer": np.concatenate([array, array[:1]]),
            "shorter": array[:-1],
            "deeper": array[None],
            "flat": array.reshape(-1) if array.ndim > 1 else array.reshape(-1, 1),
            "empty": array[:0],
            "whole": array.astype(np.int64),
        }[change]
        assert target.refuses(target.write({**TENSORS, name: changed})), name


def test_headers_that_lie_consistently(tmp_path):
    """safetensors with exchanged offsets of two tensors, or with another shape of the same size."""
    target = Target(tmp_path / "model", "model.safetensors")
    (length,) = struct.unpack("<Q", target.whole[:8])
    header = json.loads(target.whole[8 : 8 + length])

    def with_header(changed):
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + target.whole[8 + length :]

    names = list(header)
    for one, other in pairwise(names):
        if header[one]["shape"] != header[other]["shape"]:
            swapped = {**header, one: header[other], other: header[one]}
            assert target.refuses(with_header(swapped)), (one, other)
    for name, entry in header.items():
        rows, *columns = entry["shape"]
        for shape in ([rows * 2, *columns], [*columns, rows][: len(columns) + 1], [1, rows, *columns], [rows // 2, 2]):
            if shape != entry["shape"]:
                assert target.refuses(with_header({**header, name: {**entry, "shape": shape}})), (name, shape)


FAMILIES = {"v1": V1, "v2": CONV, "bert": BERT}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_nan_names_the_tensor(tmp_path, family, form):
    """In each tensor of each family, in files of every kind."""
    base = {**FAMILIES[family], "num_hidden_layers": 1}
    directory = write_model(tmp_path / "model", base=base)
    (directory / "model.safetensors").unlink()
    tensors = tiny_tensors(base)
    random = np.random.default_rng(15)
    for name, array in tensors.items():
        damaged = array.copy()
        value = (np.nan, np.inf, -np.inf)[int(random.integers(3))]
        damaged.flat[int(random.integers(array.size))] = value
        (directory / Path(form).name).unlink(missing_ok=True)
        (directory / Path(form).name).write_bytes(WRITERS[form]({**tensors, name: damaged}))
        with pytest.raises(ValueError, match=rf"model': tensor '{name}' holds -?(nan|inf).*; the file is damaged"):
            deberta_c.AutoModelForSequenceClassification.from_pretrained(directory)
