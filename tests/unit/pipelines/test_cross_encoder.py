"""`CrossEncoder`: scores of pairs and rankings."""

import json
import pickle

import numpy as np
import pytest

import deberta_c
from deberta_c import CrossEncoder
from tests.support.tiny_models import write_model

PAIRS = [("hello you", "see you at home"), ("hello you", "free entry"), ("now", ""), ("hello you", "see you at home")]
ONE = {"0": "LABEL_0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("rerank") / "model", id2label=ONE)


@pytest.fixture(scope="module")
def encoder(folder):
    return CrossEncoder(folder)


def logits_of(encoder, pairs=PAIRS):
    return np.concatenate([encoder.model(**encoder.tokenizer([a], [b], return_tensors="np")).logits for a, b in pairs])


def test_scores_are_sigmoids(encoder):
    expected = deberta_c.sigmoid(logits_of(encoder))[:, 0]
    found = encoder.predict(PAIRS)
    assert (found.shape, found.dtype) == ((4,), np.float32)
    assert found == pytest.approx(expected, abs=1e-5)
    for inputs in ([list(pair) for pair in PAIRS], tuple(PAIRS), np.array(PAIRS), iter(PAIRS)):
        assert np.array_equal(encoder.predict(inputs), found)
    assert np.array_equal(encoder.predict(sentences=PAIRS, batch_size=2, convert_to_numpy=True), found)
    assert encoder.predict(PAIRS, convert_to_numpy=False) == found.tolist()
    for one in (PAIRS[1], list(PAIRS[1]), np.array(PAIRS[1])):
        score = encoder.predict(one)
        assert score.shape == ()
        assert float(score) == pytest.approx(found[1], abs=1e-6)
    assert encoder.predict([]).shape == (0,)


def test_tables(encoder):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(PAIRS, columns=["query", "document"])
    assert np.array_equal(encoder.predict(frame), encoder.predict(PAIRS))
    columns = {name: frame[name].tolist() for name in frame}
    for library, made in (("polars", "DataFrame"), ("pyarrow", "table")):
        table = getattr(pytest.importorskip(library), made)(columns)
        assert np.array_equal(encoder.predict(table), encoder.predict(PAIRS))


def test_several_labels(model):
    encoder = CrossEncoder(model)
    assert encoder.num_labels == 3
    logits = logits_of(encoder)
    assert encoder.predict(PAIRS) == pytest.approx(logits, abs=1e-5)
    assert encoder.predict(PAIRS, apply_softmax=True) == pytest.approx(deberta_c.softmax(logits), abs=1e-5)
    assert encoder.predict(PAIRS[0]).shape == (3,)
    with pytest.raises(ValueError, match="the model has 3 labels; rank needs a model with one"):
        encoder.rank("a", ["b"])


def test_rank(encoder):
    documents = [second for _, second in PAIRS]
    scores = encoder.predict([("hello you", document) for document in documents])
    found = encoder.rank("hello you", documents)
    assert [answer["score"] for answer in found] == pytest.approx(sorted(scores, reverse=True))
    assert all(answer["score"] == pytest.approx(scores[answer["corpus_id"]]) for answer in found)
    assert [type(value) for value in found[0].values()] == [int, float]
    assert encoder.rank("hello you", documents, top_k=2) == found[:2]
    with_texts = encoder.rank("hello you", documents, 2, True)
    assert with_texts == [{**answer, "text": documents[answer["corpus_id"]]} for answer in found[:2]]
    equal = [answer["corpus_id"] for answer in found if documents[answer["corpus_id"]] == documents[0]]
    assert equal == [0, 3]  # the first of equal documents is first
    assert encoder.rank("a", []) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "sigmoid"),
        ({"config.json": {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}}, "none"),
        ({"config.json": {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}}, "none"),
        ({"config_sentence_transformers.json": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "none"),
        ({"config_sentence_transformers.json": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
    ],
)
def test_functions_that_the_files_name(tmp_path, files, expected):
    folder = write_model(tmp_path / "model", id2label=ONE)
    for name, content in files.items():
        before = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
        (folder / name).write_text(json.dumps(before | content))
    encoder = CrossEncoder(folder)
    logits = logits_of(encoder)[:, 0]
    assert encoder.predict(PAIRS) == pytest.approx(
        deberta_c.sigmoid(logits) if expected == "sigmoid" else logits, abs=1e-5
    )
    assert encoder.predict(PAIRS, activation_fn=np.tanh) == pytest.approx(np.tanh(logits), abs=1e-5)
    assert CrossEncoder(folder, activation_fn=np.tanh).rank("a", ["b"])[0]["score"] < 1


def test_a_function_that_is_not_known(tmp_path):
    folder = write_model(tmp_path / "model", id2label=ONE, sentence_transformers={"activation_fn": "torch.nn.Mish"})
    with pytest.raises(ValueError, match=r"'torch.nn.Mish'; known are .*: give activation_fn"):
        CrossEncoder(folder)
    CrossEncoder(folder, activation_fn=np.tanh)


def test_options(encoder, folder, capsys, monkeypatch):
    long = ("hello", "see you at home " * 30)
    with pytest.warns(deberta_c.TruncationWarning):
        cut = encoder.predict([long])
    short = CrossEncoder(folder, max_length=20, tokenizer=folder)
    assert short.predict([long]) != cut
    assert short.predict(long) == pytest.approx(
        deberta_c.sigmoid(short.model.predict(*[[text] for text in long], max_length=20))[0, 0]
    )
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    encoder.predict(PAIRS, show_progress_bar=True)
    assert "4 of 4 texts" in capsys.readouterr().err
    again = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(again.predict(PAIRS), encoder.predict(PAIRS))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda encoder: encoder.predict([("a", "b"), "c"]),
            ValueError,
            r"inputs\[1\] is 'c'; give pairs of two texts",
        ),
        (lambda encoder: encoder.predict([("a", "b"), ("a", 3)]), TypeError, r"inputs\[1\]\[1\] is 3 of type int"),
        (lambda encoder: encoder.predict("ab"), TypeError, "inputs is one str"),
        (lambda encoder: encoder.predict(("a", "b", "c")), ValueError, r"inputs\[0\] is \('a', 'b', 'c'\); give pairs"),
        (lambda encoder: encoder.predict(PAIRS, batch_size=0), ValueError, "batch_size is 0"),
        (lambda encoder: encoder.rank("a", ["b", None]), ValueError, r"documents\[1\] is missing"),
        (lambda encoder: encoder.rank("a", "b"), TypeError, "documents is one str"),
        (lambda encoder: encoder.rank(["a"], ["b"]), TypeError, "query is of type list"),
        (lambda encoder: encoder.rank("a", ["b"], top_k=0), ValueError, "top_k is 0"),
        (lambda encoder: encoder.rank("a", ["b"], return_documents="no"), TypeError, "return_documents is 'no'"),
        (lambda encoder: encoder.predict(PAIRS, apply_softmax="no"), TypeError, "apply_softmax is 'no'"),
        (lambda encoder: CrossEncoder(encoder.model, device="cuda"), ValueError, "CPU only"),
        (lambda _: CrossEncoder(3), TypeError, "model_name_or_path is of type int"),
    ],
)
def test_wrong_calls(encoder, call, error, message):
    with pytest.raises(error, match=message):
        call(encoder)
