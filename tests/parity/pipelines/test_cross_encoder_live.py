"""`CrossEncoder` beside that of sentence-transformers, on tiny models with published tokenizers."""

import shutil

import numpy as np
import pytest

from tests.parity.pipelines.small_configs import SMALL
from tests.parity.tokenizers.tokenizer_live import data_folder

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")
sentence_transformers = pytest.importorskip("sentence_transformers", reason="it is the peer")

import deberta_c  # noqa: E402

QUERY = "How many people live in Berlin?"
DOCUMENTS = [
    "Berlin had a population of 3,520,031 in 2019.",
    "Berlin is well known for its museums.",
    "",
    "caf\u00e9 " * 600,  # longer than the model reads
    "Berlin is well known for its museums.",
]


@pytest.fixture(scope="module", params=[1, 3])
def both(request, tmp_path_factory):
    """The classes of sentence-transformers and of deberta_c on one directory."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(5)
    config = transformers.BertConfig(**SMALL, vocab_size=30522, initializer_range=0.5, num_labels=request.param)
    transformers.AutoModelForSequenceClassification.from_config(config).eval().save_pretrained(folder)
    for file in (data_folder() / "tokenizers" / "bert-base-uncased").iterdir():
        shutil.copy(file, folder)
    return sentence_transformers.CrossEncoder(str(folder), device="cpu"), deberta_c.CrossEncoder(folder)


@pytest.mark.filterwarnings("ignore:.*lost tokens")
def test_predict(both):
    theirs, ours = both
    pairs = [(QUERY, document) for document in DOCUMENTS]
    for options in ({}, {"apply_softmax": True}, {"activation_fn": torch.nn.Identity()}, {"batch_size": 2}):
        for inputs in (pairs, pairs[0], list(pairs[1]), pairs[:1]):
            found, expected = ours.predict(inputs, **options), theirs.predict(inputs, **options)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(found, expected, atol=1e-5)
    tensor = ours.predict(pairs, convert_to_tensor=True)
    torch.testing.assert_close(tensor, theirs.predict(pairs, convert_to_tensor=True), atol=1e-5, rtol=1e-5)
    assert len(ours.predict([])) == len(theirs.predict([])) == 0


@pytest.mark.filterwarnings("ignore:.*lost tokens")
def test_rank(both):
    theirs, ours = both
    if ours.num_labels > 1:
        for encoder in both:
            with pytest.raises(ValueError, match="rank"):
                encoder.rank(QUERY, DOCUMENTS)
        return
    for options in ({}, {"top_k": 2}, {"return_documents": True}, {"activation_fn": torch.nn.Identity(), "top_k": 3}):
        found, expected = ours.rank(QUERY, DOCUMENTS, **options), theirs.rank(QUERY, DOCUMENTS, **options)
        assert found == [{**answer, "score": pytest.approx(answer["score"], abs=1e-5)} for answer in expected]
        assert [list(answer) for answer in found] == [list(answer) for answer in expected]


@pytest.mark.filterwarnings("ignore:.*lost tokens")
def test_saved_files(both, tmp_path):
    """Those of sentence-transformers, which name the function."""
    theirs, ours = both
    for function in (torch.nn.Identity(), torch.nn.Sigmoid()):
        theirs.activation_fn, before = function, theirs.activation_fn
        theirs.save_pretrained(str(tmp_path))
        theirs.activation_fn = before
        pairs = [(QUERY, document) for document in DOCUMENTS]
        again = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu")
        np.testing.assert_allclose(deberta_c.CrossEncoder(tmp_path).predict(pairs), again.predict(pairs), atol=1e-5)
    assert ours.num_labels == theirs.num_labels
