"""The pipelines against those of transformers, live, on random models with published tokenizers."""

import shutil

import pytest

from tests.parity.pipelines.small_configs import SMALL, V3_OF_128
from tests.parity.tokenizers.tokenizer_live import data_folder

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

import deberta_c  # noqa: E402

FAMILIES = {
    "bert": ("bert-base-uncased", transformers.BertConfig(**SMALL, vocab_size=30522, max_position_embeddings=128)),
    "v3": ("deberta-v3", transformers.DebertaV2Config(**SMALL, **V3_OF_128, vocab_size=128100)),
    "v3_new_head": ("deberta-v3", transformers.DebertaV2Config(**SMALL, **V3_OF_128, vocab_size=128100, legacy=False)),
}
MASKED = [
    "The capital of France is [MASK].",
    "[MASK] is a fruit, and it grows on trees in [MASK] countries!",
    "Call [MASK] now",
    "  Two  spaces and a naïve café: [MASK]",
]


def approximate(answer):
    """The result; scores may differ by a few parts in ten thousand, also small ones."""
    if isinstance(answer, list):
        return [approximate(part) for part in answer]
    return {**answer, "score": pytest.approx(float(answer["score"]), rel=2e-4, abs=1e-9)}


def save(folder, name, tokenizer, config, model_class, spread=0.5):
    """A checkpoint with wide random weights, and a published tokenizer beside it."""
    torch.manual_seed(3)
    config = type(config)(**{**config.to_dict(), "initializer_range": spread})
    model = getattr(transformers, model_class).from_config(config).eval()
    if hasattr(model, "classifier"):
        with torch.no_grad():  # so that all labels are met
            logits = model(input_ids=torch.randint(config.vocab_size, (64, 16))).logits
            model.classifier.weight /= logits.std((0, 1))[:, None] / 2
            model.classifier.bias -= logits.mean((0, 1)) / logits.std((0, 1)) * 2
    model.save_pretrained(folder / name)
    for file in (data_folder() / "tokenizers" / tokenizer).iterdir():
        shutil.copy(file, folder / name)
    return folder / name


@pytest.fixture(scope="module", params=FAMILIES)
def masked(request, tmp_path_factory):
    """The fill-mask pipelines of transformers and of deberta_c on one directory."""
    tokenizer, config = FAMILIES[request.param]
    folder = save(tmp_path_factory.mktemp("fill"), request.param, tokenizer, config, "AutoModelForMaskedLM")
    theirs = transformers.pipeline("fill-mask", model=str(folder), device=-1)
    return theirs, deberta_c.pipeline("fill-mask", model=folder)


@pytest.mark.parametrize("options", [{}, {"top_k": 1}, {"top_k": 12}])
def test_fill_mask(masked, options):
    theirs, ours = masked
    for text in MASKED:
        assert ours(text, **options) == approximate(theirs(text, **options))
        assert ours([text], **options) == approximate(theirs([text], **options))
    assert ours(MASKED, **options) == approximate(theirs(MASKED, **options))


@pytest.mark.parametrize("targets", ["paris", ["paris", "france", "big"], ["Wolverhampton", "it", "\u0438\u0432"]])
@pytest.mark.filterwarnings("ignore:the target")
def test_targets(masked, targets):
    theirs, ours = masked
    for options in ({}, {"top_k": 2}):
        assert ours(MASKED, targets=targets, **options) == approximate(theirs(MASKED, targets=targets, **options))


def test_long_texts_are_cut_as_asked(masked):
    theirs, ours = masked
    text = "Call [MASK] now, " + "and again " * 200
    options = {"tokenizer_kwargs": {"truncation": True, "max_length": 20}}
    assert ours(text, **options) == approximate(theirs(text, **options))


LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "B"]
NAMED = [
    "Angela Merkel went from Wolverhampton to New York City with Ms. Antidisestablishmentarianism.",
    "hello",
    "Well-known co-authors: O'Neill, Ph.D., and  José Müller (born 1970)!",
    "",
    "Tab\u00e9 \u2603\u2604 unknown \U0001f9ff signs",
]


@pytest.fixture(scope="module", params=["bert", "v3"])
def named(request, tmp_path_factory):
    """The token classification pipelines of transformers and of deberta_c on one directory, and the family."""
    tokenizer, config = FAMILIES[request.param]
    config = type(config)(**{**config.to_dict(), "id2label": dict(enumerate(LABELS))})
    folder = save(
        tmp_path_factory.mktemp("ner"), request.param, tokenizer, config, "AutoModelForTokenClassification", 0.2
    )
    theirs = transformers.pipeline("token-classification", model=str(folder), device=-1)
    return theirs, deberta_c.pipeline("token-classification", model=folder), request.param


@pytest.mark.parametrize("ignored", [None, [], ["O", "PER", "B-LOC"]])
@pytest.mark.parametrize("strategy", ["none", "simple"])
def test_tokens(named, strategy, ignored):
    theirs, ours, _ = named
    options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
    assert len({token["entity"] for text in ours(NAMED, ignore_labels=[]) for token in text}) >= 5
    assert ours(NAMED, **options) == approximate(theirs(NAMED, **options))
    assert ours(NAMED[:1], **options) == approximate(theirs(NAMED[:1], **options))
    for text in NAMED:
        assert ours(text, **options) == approximate(theirs(text, **options))


@pytest.mark.parametrize("strategy", ["first", "average", "max"])
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_words(named, strategy):
    """Texts whose only white space is single spaces: transformers finds the same words in these."""
    theirs, ours, family = named
    options = {"aggregation_strategy": strategy, "ignore_labels": []}
    for text in NAMED if family == "bert" else NAMED[:2]:
        expected, found = approximate(theirs(text, **options)), ours(text, **options)
        if family == "v3":  # its words lose the spaces between them in transformers
            expected, found = (
                [{**answer, "word": answer["word"].replace(" ", "")} for answer in answers]
                for answers in (expected, found)
            )
        assert found == expected


@pytest.mark.parametrize("strategy", ["simple", "average"])
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_windows(named, strategy):
    theirs, ours, _ = named
    text = " ".join([*NAMED[0].split(), "Paris", "42"] * 6)
    options = {"aggregation_strategy": strategy, "stride": 7}
    before = theirs.tokenizer.model_max_length, ours.tokenizer.model_max_length
    theirs.tokenizer.model_max_length = ours.tokenizer.model_max_length = 40
    try:
        expected, found = theirs(text, **options), ours([text, NAMED[0]], **options)
    finally:
        theirs.tokenizer.model_max_length, ours.tokenizer.model_max_length = before
    assert [{**answer, "word": answer["word"].replace(" ", "")} for answer in found[0]] == [
        {**answer, "word": answer["word"].replace(" ", "")} for answer in approximate(expected)
    ]
    assert len(found[1]) > 1


@pytest.mark.parametrize("strategy", ["none", "simple", "average"])
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_texts_in_words(named, strategy):
    theirs, ours, family = named
    words = [text.split() for text in (NAMED[0], "See Wolverhampton or Unbelievableton", "hello")]
    for options in ({}, {"delimiter": "--"}) if family == "bert" else ({},):
        options |= {"aggregation_strategy": strategy, "is_split_into_words": True, "ignore_labels": []}
        expected, found = theirs(words[1:], **options), ours(words[1:], **options)
        if family == "v3" and strategy == "average":
            expected, found = (
                [[{**a, "word": a["word"].replace(" ", "")} for a in row] for row in x] for x in (expected, found)
            )
        assert found == approximate(expected)
        if strategy != "average":
            assert ours(words[0], **options) == approximate(theirs(words[0], **options))
