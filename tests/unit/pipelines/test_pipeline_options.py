"""Options of all pipelines: constructors, missing values, progress, data sets, options of transformers."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import pipeline
from tests.support.data_sets import Texts
from tests.support.tiny_models import TINY, write_model

TEXTS = ["hello [MASK] world", "free [MASK]", "see you at [MASK]"]
HEADS = {
    "text-classification": ("sequence", deberta_c.TextClassificationPipeline),
    "token-classification": ("tokens", deberta_c.TokenClassificationPipeline),
    "fill-mask": ("legacy_lm", deberta_c.FillMaskPipeline),
    "feature-extraction": ("none", deberta_c.FeatureExtractionPipeline),
}


@pytest.fixture(scope="module", params=HEADS)
def pipe(request, tmp_path_factory):
    head, _ = HEADS[request.param]
    folder = write_model(tmp_path_factory.mktemp("pipelines") / head, head=head, base=TINY)
    return pipeline(request.param, folder)


def test_constructors(pipe):
    cls = HEADS[pipe.task][1]
    assert type(pipe) is cls
    expected = pipe(TEXTS)
    for again in (
        cls(pipe.model, pipe.tokenizer),
        cls(model=pipe.model, tokenizer=pipe.tokenizer, framework="pt", task="", device=-1, batch_size=None),
        cls(model=pipe.model),
        pipeline(pipe.task, pipe.model.name_or_path, tokenizer=pipe.model.name_or_path),
        pickle.loads(pickle.dumps(pipe)),
        copy.deepcopy(pipe),
    ):
        assert again(TEXTS) == expected
    with pytest.raises(TypeError, match="model is of type str; for"):
        cls("folder")
    with pytest.raises(ValueError, match="CPU only"):
        cls(pipe.model, device="cuda:0")
    with pytest.raises(
        TypeError, match=f"a pipeline for '{pipe.task}' has no option 'batchsize'; did you mean 'batch_size'"
    ):
        cls(pipe.model, batchsize=3)


def test_missing_values(pipe):
    texts = [TEXTS[0], None, TEXTS[1], float("nan")]
    first, second, _ = pipe(TEXTS)
    assert pipe(texts, na="skip") == pipeline(pipe.task, pipe.model, na="skip")(texts) == [first, None, second, None]
    assert list(pipe(iter(texts), na="skip")) == [first, None, second, None]
    assert pipe(texts[1:2] * 2, na="skip") == [None, None]
    assert pipe(None, na="skip") is None
    assert pipe(TEXTS[0], na="skip") == pipe(TEXTS[0])
    if pipe.task == "fill-mask":
        with pytest.raises(ValueError, match=r"inputs\[1\] has no mask token"):
            pipe(texts, na="empty")
    else:
        assert pipe(texts, na="empty") == pipe([TEXTS[0], "", TEXTS[1], ""])
        assert pipe(None, na="empty") == pipe("")
    for inputs in (None, texts):
        with pytest.raises(ValueError, match=r'missing .*na="empty" .*or na="skip"'):
            pipe(inputs)
    with pytest.raises(ValueError, match="na is 'drop'; it must be"):
        pipe(TEXTS, na="drop")


def test_missing_values_among_pairs(model):
    classifier = pipeline("text-classification", model)
    rows = [{"text": "hello", "text_pair": "now"}, None, {"text": None, "text_pair": "now"}, {"text": "hello"}]
    answers = classifier(rows, na="skip")
    assert answers[1:3] == [None, None]
    assert [answers[0], answers[3]] == classifier([rows[0], rows[3]])
    assert classifier(rows, na="skip", top_k=None)[1] is None


def test_apply_of_a_series(model):
    pandas = pytest.importorskip("pandas")
    column = pandas.Series([TEXTS[0], None, TEXTS[1]])
    answers = column.apply(pipeline("text-classification", model, na="skip"))
    labels = answers.str[0].str["label"]
    assert labels[[0, 2]].tolist() == model.predict_labels([TEXTS[0], TEXTS[1]]).tolist()
    assert labels.isna().tolist() == [False, True, False]


def test_progress(pipe, capsys, monkeypatch):
    monkeypatch.setattr("deberta_c._models.predict.find_spec", lambda _: None)
    expected = pipe(TEXTS)
    assert pipe(TEXTS, progress=True) == expected
    assert "3 of 3 texts" in capsys.readouterr().err
    assert list(pipe(iter(TEXTS), progress=True)) == expected
    assert capsys.readouterr().err.endswith("\r3 texts\n")
    assert list(pipe(Texts(TEXTS), progress=True, batch_size=2)) == expected
    assert capsys.readouterr().err.endswith("\r3 of 3 texts\n")
    pipe(TEXTS)
    assert not capsys.readouterr().err


def test_data_sets_stream(pipe):
    answers = pipe(Texts(TEXTS))
    assert next(answers) == pipe(TEXTS)[0]
    assert len(list(answers)) == 2

    class Table:
        column_names = ("text",)

        def __iter__(self):
            return iter([{"text": TEXTS[0]}])

    with pytest.raises(ValueError, match=r'inputs .* not that of a single column; give one, such as frame\["text"\]'):
        pipe(Table())


def test_tables_of_arrow_are_not_data_sets(pipe):
    pyarrow = pytest.importorskip("pyarrow")
    for table in (pyarrow.table({"text": TEXTS}), pyarrow.record_batch({"text": pyarrow.array(TEXTS)})):
        with pytest.raises(ValueError, match=r"inputs has shape \(3, 1\), not that of a single column"):
            pipe(table)


def test_numbers_of_numpy(pipe):
    assert list(pipe(iter(TEXTS), batch_size=np.int64(2))) == pipe(TEXTS)
    if "top_k" in pipe._option_names:
        assert pipe(TEXTS, top_k=np.int64(2)) == pipe(TEXTS, top_k=2)
        for wrong in (True, 2.0, "2"):
            with pytest.raises(TypeError, match=r"top_k is .*; it must be an integer"):
                pipe(TEXTS, top_k=wrong)


@pytest.mark.parametrize("name", ["windows", "trim_offsets", "is_split_into_words", "progress"])
def test_words_in_the_place_of_true_or_false(pipe, name):
    """A str counts as True, also "no"."""
    if name in (*pipe._option_names, "progress"):
        with pytest.raises(TypeError, match=f"{name} is 'no' of type str; give True or False"):
            pipe(TEXTS, **{name: "no"})


def test_the_rest_of_a_pipeline(pipe, tmp_path):
    assert pipe.device == "cpu"
    assert pipe.predict(TEXTS) == pipe.transform(TEXTS) == pipe(TEXTS)
    own = copy.copy(pipe.tokenizer)
    own.model_max_length = 17
    pipeline(pipe.task, pipe.model, tokenizer=own).save_pretrained(tmp_path / "saved")
    again = pipeline(pipe.task, tmp_path / "saved")
    assert again.tokenizer.model_max_length == 17
    assert again(TEXTS) == pipe(TEXTS)


def test_options_of_transformers(pipe):
    folder = pipe.model.name_or_path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in (
            {"torch_dtype": "auto", "device_map": "auto", "framework": "pt", "use_fast": True, "num_workers": 4},
            {
                "torch_dtype": "float32",
                "device_map": {"": "cpu"},
                "trust_remote_code": False,
                "feature_extractor": None,
            },
            {"revision": "main", "token": None, "local_files_only": True, "model_kwargs": {"low_cpu_mem_usage": True}},
            {"config": folder, "batch_size": None},
            {"config": pipe.model.config},
        ):
            assert pipeline(pipe.task, folder, **options)(TEXTS[0]) == pipe(TEXTS[0])
        pipeline(pipe.task, pipe.model, dtype="float32", device_map="cpu")
    with pytest.warns(UserWarning, match="ignored by a pipeline: framework, use_fast") as caught:
        pipeline(pipe.task, pipe.model, framework="tf", use_fast=False)
    assert (len(caught), caught[0].filename) == (1, __file__)
    with pytest.warns(UserWarning, match="because the model is open already: revision"):
        pipeline(pipe.task, pipe.model, revision="main")
    with pytest.warns(UserWarning, match="trust_remote_code is ignored") as caught:
        pipeline(pipe.task, folder, trust_remote_code=True)
    assert len(caught) == 1
    for wrong, message in (
        ({"dtype": "float16"}, "dtype is 'float16'; the network computes in float32"),
        ({"torch_dtype": "torch.float64"}, "torch_dtype is 'torch.float64'"),
        ({"device_map": "cuda"}, "CPU only"),
        ({"device_map": {"": 0}}, "CPU only"),
    ):
        for model in (folder, pipe.model):
            with pytest.raises(ValueError, match=message):
                pipeline(pipe.task, model, **wrong)


def test_all_scores_of_older_code(model):
    classifier = pipeline("text-classification", model)
    ranked = classifier("hello", top_k=None)
    in_order = [next(answer for answer in ranked if answer["label"] == label) for label in model.labels()]
    with pytest.warns(UserWarning, match="return_all_scores has become top_k") as caught:
        older = pipeline("text-classification", model, return_all_scores=True)
    assert (len(caught), caught[0].filename) == (1, __file__)
    assert older("hello") == [in_order]
    assert older(["hello"]) == [[{**answer, "score": pytest.approx(answer["score"])} for answer in in_order]]
    assert older("hello", top_k=1) == ranked[:1]
    with pytest.warns(UserWarning, match="return_all_scores"):
        assert classifier("hello", return_all_scores=False) == classifier("hello")


def test_groups_of_older_code(tmp_path):
    folder = write_model(tmp_path / "tagger", head="tokens", id2label={"0": "O", "1": "B-A", "2": "I-A"})
    tag = pipeline("ner", folder)
    for options, strategy in (
        ({"grouped_entities": True}, "simple"),
        ({"grouped_entities": True, "ignore_subwords": True}, "first"),
        ({"grouped_entities": False}, "none"),
        ({"grouped_entities": True, "aggregation_strategy": "max"}, "max"),
    ):
        with pytest.warns(UserWarning, match="grouped_entities has become aggregation_strategy"):
            found = tag(TEXTS, **options)
        assert found == tag(TEXTS, aggregation_strategy=strategy)


def test_features(tmp_path):
    folder = write_model(tmp_path / "encoder", head="none")
    extract = pipeline("feature-extraction", folder)
    inputs = extract.tokenizer(TEXTS[0], return_tensors="np")
    states = extract.model(**inputs).last_hidden_state
    np.testing.assert_allclose(extract(TEXTS[0]), states, atol=1e-6)
    array = extract(TEXTS[0], return_tensors="np")
    assert (array.shape, array.dtype) == (states.shape, np.float32)
    np.testing.assert_allclose(extract(TEXTS[0], pooling="first"), states[0, 0], atol=1e-6)
    np.testing.assert_allclose(extract(TEXTS[:1], pooling="mean")[0], states[0].mean(axis=0), atol=1e-6)
    assert len(extract("hello " * 30, truncation=True, tokenize_kwargs={"max_length": 9})[0]) == 9
    assert type(pipeline(model=extract.model)) is deberta_c.FeatureExtractionPipeline
    for options, error, message in (
        ({"pooling": "max"}, ValueError, "pooling is 'max'; it must be one of None, 'first', 'mean'"),
        ({"return_tensors": "tf"}, ValueError, "return_tensors is 'tf'"),
        ({"truncation": True, "tokenize_kwargs": {"truncation": True}}, ValueError, "truncation is given twice"),
        ({"tokenize_kwargs": {"max_len": 3}}, TypeError, "has no option 'max_len'; did you mean 'max_length'"),
    ):
        with pytest.raises(error, match=message):
            extract(TEXTS[0], **options)
