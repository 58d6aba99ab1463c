"""`pipeline("zero-shot-classification")` beside that of transformers, on tiny models with published tokenizers."""

import shutil

import numpy as np
import pytest

from tests.parity.pipelines.small_configs import RELATIVE, SMALL, V3
from tests.parity.tokenizers.tokenizer_live import data_folder

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

import deberta_c  # noqa: E402

CONFIGS = {
    "bert": ("bert-base-uncased", lambda: transformers.BertConfig(**SMALL, vocab_size=30522)),
    "v1": ("deberta-v1", lambda: transformers.DebertaConfig(**SMALL, **RELATIVE, vocab_size=50265)),
    "v3": ("deberta-v3", lambda: transformers.DebertaV2Config(**SMALL, **V3, vocab_size=128100)),
}
NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}
ORDERS = {
    "microsoft": NLI,
    "tasksource": {0: "entailment", 1: "neutral", 2: "contradiction"},
    "zeroshot": {0: "ENTAILMENT", 1: "NOT_ENTAILMENT"},
}
TEXTS = [
    "I have a problem with my iphone that needs to be resolved asap!!",
    "caf\u00e9  [SEP] at \U0001f600 noon\n",
    "a",
    "I have a problem with my iphone that needs to be resolved asap!!",
]
LABELS = ["urgent", "not urgent", "phone", "computer", "travel"]


def folder_of(path, family, id2label):
    """A directory with a model of random weights, and a published tokenizer."""
    files, config = CONFIGS[family]
    torch.manual_seed(5)
    made = type(config())(**{**config().to_dict(), "id2label": id2label, "initializer_range": 0.5})
    made.label2id = {name: number for number, name in id2label.items()}
    transformers.AutoModelForSequenceClassification.from_config(made).eval().save_pretrained(path)
    for file in (data_folder() / "tokenizers" / files).iterdir():
        shutil.copy(file, path)
    return path


@pytest.fixture(scope="module", params=[("bert", "microsoft"), ("v1", "tasksource"), ("v3", "zeroshot")], ids="-".join)
def both(request, tmp_path_factory):
    """The pipelines of transformers and of deberta_c on one directory."""
    folder = folder_of(tmp_path_factory.mktemp("nli"), request.param[0], ORDERS[request.param[1]])
    theirs = transformers.pipeline("zero-shot-classification", str(folder), device=-1)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(folder, compatibility="transformers5")  # for pairs of v1
    return theirs, deberta_c.pipeline("zero-shot-classification", folder, tokenizer=tokenizer)


def approximate(answer):
    if isinstance(answer, list):
        return [approximate(part) for part in answer]
    return {**answer, "scores": pytest.approx(answer["scores"], abs=1e-5)}


def same(found, expected):
    """The shapes, types, order and scores are those of transformers."""
    assert found == approximate(expected)
    if isinstance(expected, list):
        assert [type(row) for row in found] == [type(row) for row in expected]
    else:
        assert list(found) == list(expected)
        assert type(found["scores"][0]) is type(expected["scores"][0])


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("labels", [LABELS, " urgent, phone,,", "travel", ["phone"], (2, 1)])
def test_labels(both, labels, multi_label):
    theirs, ours = both
    options = {"candidate_labels": labels, "multi_label": multi_label}
    for inputs in (TEXTS, TEXTS[:1], TEXTS[0]):
        same(ours(inputs, **options), theirs(inputs, **options))
    same(ours(TEXTS[1], labels), theirs(TEXTS[1], labels))
    same(list(ours(iter(TEXTS), **options)), list(theirs((text for text in TEXTS), **options)))


def test_templates_and_constructors(both):
    theirs, ours = both
    for template in ("{}", "This text is about {}!", "{0}: {0}"):
        options = {"candidate_labels": LABELS, "hypothesis_template": template}
        same(ours(TEXTS, **options), theirs(TEXTS, **options))
        again = transformers.ZeroShotClassificationPipeline(model=theirs.model, tokenizer=theirs.tokenizer, **options)
        own = deberta_c.ZeroShotClassificationPipeline(model=ours.model, tokenizer=ours.tokenizer, **options)
        same(own(TEXTS), again(TEXTS))
        same(
            own(TEXTS, candidate_labels="a, b", multi_label=True),
            again(TEXTS, candidate_labels="a, b", multi_label=True),
        )
    assert ours.entailment_id == theirs.entailment_id


def test_ties_end_with_the_first_label(both):
    theirs, ours = both
    labels = ["phone"] * 3 + ["travel"] * 2
    same(ours(TEXTS[0], labels), theirs(TEXTS[0], labels))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [5, 8, 12, 30])
def test_only_the_text_is_cut(both, limit, side):
    """A hypothesis that leaves no room for the text is not cut, nor is the text."""
    theirs, ours = both
    before = [(pipe.tokenizer.model_max_length, pipe.tokenizer.truncation_side) for pipe in both]
    for pipe in both:
        pipe.tokenizer.model_max_length, pipe.tokenizer.truncation_side = limit, side
    try:
        options = {"candidate_labels": [*LABELS, "an antidisestablishmentarian remark about " + "noon " * 10]}
        for text in (TEXTS[0] * 3, TEXTS[1]):
            expected = theirs(text, **options)
            same(ours([text], max_length=limit, **options), [expected])
    finally:
        for pipe, (old, old_side) in zip(both, before, strict=True):
            pipe.tokenizer.model_max_length, pipe.tokenizer.truncation_side = old, old_side


@pytest.mark.parametrize(
    "options",
    [
        {"candidate_labels": []},
        {"candidate_labels": ","},
        {"candidate_labels": ["a"], "hypothesis_template": "It is so."},
    ],
)
def test_errors(both, options):
    for pipe in both:
        for inputs in (TEXTS, TEXTS[0]):
            with pytest.raises(ValueError, match="label"):
                pipe(inputs, **options)


def test_labels_are_missing(both):
    for pipe in both:
        with pytest.raises(TypeError):
            pipe(TEXTS[0])


def test_a_model_that_is_not_one_of_entailment(tmp_path):
    folder = folder_of(tmp_path, "bert", {0: "ham", 1: "spam"})
    theirs = transformers.pipeline("zero-shot-classification", str(folder), device=-1)
    with pytest.warns(UserWarning, match="begins with 'entail'"):
        ours = deberta_c.pipeline("zero-shot-classification", folder)
    assert theirs.entailment_id == ours.entailment_id == -1
    for multi_label in (False, True):
        options = {"candidate_labels": LABELS, "multi_label": multi_label}
        same(ours(TEXTS, **options), theirs(TEXTS, **options))


def test_large_logits_do_not_overflow(both):
    """transformers computes exp of the logits as they are: NaN."""
    _, ours = both
    logits = np.array([[0, 200], [0, 100]], np.float32)
    assert ours._plan._answer("a", ["b", "c"], logits)["scores"] == pytest.approx([1.0, 0.0])
