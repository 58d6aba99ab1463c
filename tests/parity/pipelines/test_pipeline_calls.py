"""Shapes and values of pipelines x inputs x options, live beside transformers on the same directories."""

import itertools
import shutil

import numpy as np
import pytest

from tests.parity.pipelines.small_configs import SMALL, V3_OF_128
from tests.parity.tokenizers.tokenizer_live import data_folder

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

from transformers.pipelines.pt_utils import KeyDataset  # noqa: E402

import deberta_c  # noqa: E402

FAMILIES = {
    "bert": ("bert-base-uncased", transformers.BertConfig(**SMALL, vocab_size=30522, initializer_range=0.5)),
    "v3": ("deberta-v3", transformers.DebertaV2Config(**SMALL, **V3_OF_128, vocab_size=128100, initializer_range=0.5)),
}
TASKS = {
    "text-classification": ("AutoModelForSequenceClassification", "TextClassificationPipeline"),
    "token-classification": ("AutoModelForTokenClassification", "TokenClassificationPipeline"),
    "fill-mask": ("AutoModelForMaskedLM", "FillMaskPipeline"),
    "feature-extraction": ("AutoModel", "FeatureExtractionPipeline"),
}
TEXTS = ["The capital of France is [MASK].", "see you at [MASK], caf\u00e9!", "[MASK]"]
PAIR = {"text": TEXTS[0], "text_pair": "Paris"}
LABELS = {0: "O", 1: "B-PER", 2: "I-PER"}


def same(found, expected):
    """Whether answers have the same shapes, types and values, scores to 2e-4."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(found, torch.Tensor)
        np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), atol=2e-5)
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            if name == "score":
                assert found[name] == pytest.approx(float(value), rel=2e-4, abs=1e-9)
            else:
                assert found[name] == value
    else:
        assert found == expected


@pytest.fixture(scope="module", params=itertools.product(TASKS, FAMILIES), ids="-".join)
def both(request, tmp_path_factory):
    """The pipelines of transformers and of deberta_c on one directory."""
    task, family = request.param
    files, config = FAMILIES[family]
    folder = tmp_path_factory.mktemp("calls")
    torch.manual_seed(5)
    config = type(config)(**{**config.to_dict(), "id2label": LABELS})
    getattr(transformers, TASKS[task][0]).from_config(config).eval().save_pretrained(folder)
    for file in (data_folder() / "tokenizers" / files).iterdir():
        shutil.copy(file, folder)
    return transformers.pipeline(task, str(folder), device=-1), deberta_c.pipeline(task, folder)


OPTIONS = {
    "text-classification": [
        {},
        {"top_k": None},
        {"top_k": 1},
        {"top_k": 2, "function_to_apply": "sigmoid"},
        {"function_to_apply": "none"},
        {"truncation": True, "max_length": 5},
        {"padding": True},
    ],
    "token-classification": [
        {},
        {"ignore_labels": []},
        {"aggregation_strategy": "simple"},
        {"aggregation_strategy": "simple", "ignore_labels": []},
    ],
    "fill-mask": [{}, {"top_k": 2}, {"targets": ["paris", "home"]}, {"tokenizer_kwargs": {"truncation": True}}],
    "feature-extraction": [
        {},
        {"return_tensors": True},
        {"truncation": True},
        {"tokenize_kwargs": {"truncation": True, "max_length": 5}},
        {"tokenize_kwargs": {"add_special_tokens": False}},
    ],
}


def ways(task):
    """Inputs of every shape that transformers takes."""
    yield TEXTS[0]
    yield TEXTS[:1]
    yield TEXTS
    if task == "text-classification":
        yield PAIR
        yield {"text": TEXTS[1]}
        yield [PAIR, {"text": TEXTS[1]}]
        yield [[[TEXTS[0], "Paris"]]]


def test_calls(both):
    theirs, ours = both
    for options in OPTIONS[ours.task]:
        for inputs in ways(ours.task):
            same(ours(inputs, **options), theirs(inputs, **options))


def test_options_of_the_constructor(both):
    theirs, ours = both
    name = TASKS[ours.task][1]
    for options in OPTIONS[ours.task]:
        expected = getattr(transformers, name)(model=theirs.model, tokenizer=theirs.tokenizer, device=-1, **options)
        found = getattr(deberta_c, name)(model=ours.model, tokenizer=ours.tokenizer, device=-1, **options)
        for inputs in ways(ours.task):
            same(found(inputs), expected(inputs))
        if ours.task == "text-classification":
            same(found(TEXTS[0], top_k=2), expected(TEXTS[0], top_k=2))


class Texts(torch.utils.data.Dataset):
    """A data set of torch."""

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, index):
        return TEXTS[index]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_data_sets_and_generators(both, batch_size):
    theirs, ours = both
    rows = [{"text": text} for text in TEXTS]
    for make in (Texts, lambda: KeyDataset(rows, "text"), lambda: (text for text in TEXTS)):
        found, expected = ours(make(), batch_size=batch_size), theirs(make(), batch_size=batch_size)
        assert not isinstance(expected, list)
        assert iter(found) is found
        same(list(found), list(expected))


def test_the_rest_of_a_pipeline(both, tmp_path):
    theirs, ours = both
    same(ours.predict(TEXTS), theirs.predict(TEXTS))
    same(ours.transform(TEXTS), theirs.transform(TEXTS))
    assert ours.task == theirs.task
    assert str(ours.device) == str(theirs.device)
    ours.save_pretrained(tmp_path)
    same(
        deberta_c.pipeline(ours.task, tmp_path)(TEXTS),
        transformers.pipeline(ours.task, str(tmp_path), device=-1)(TEXTS),
    )
