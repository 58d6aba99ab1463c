"""Trained models in pickles, of joblib and of pools, and copies of them: with their weights and their tokenizer."""

import copy
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

import deberta_c

pytestmark = pytest.mark.filterwarnings("ignore:the model gives all")  # after one epoch
TEXTS = ["free entry now", "call now free", "see you home", "you at home"] * 3
LABELS = ["spam", "spam", "ham", "other"] * 3


def trained(folder, **options):
    return train(deberta_c.AutoModelForSequenceClassification.from_pretrained(folder), **options)


def train(model, **options):
    model.fit(TEXTS, LABELS, epochs=1, batch_size=4, learning_rate=1e-2, validation=None, progress=False, **options)
    return model


@pytest.fixture(scope="module")
def model(tiny):
    return trained(tiny)


def resized(model):
    model = copy.deepcopy(model)
    model.resize_token_embeddings(len(model.tokenizer) + 7)
    return model


FORMS = {
    "model": lambda model: model,
    "pipeline": lambda model: deberta_c.pipeline("text-classification", model),
    "int8": lambda model: model.to_dtype("int8", keep=["encoder.layer.0"]),
    "resized": resized,
    "copy": copy.deepcopy,
    "dict": lambda model: {"tokenizer": model.tokenizer, "model": model},
}


def answers(form):
    if isinstance(form, dict):
        return form["model"].predict(TEXTS, tokenizer=form["tokenizer"])
    return form.predict(TEXTS)


@pytest.mark.parametrize("form", FORMS)
def test_a_pickle_needs_no_files(form, make_model, tmp_path):
    """It is read in a process that does not find the model's directory."""
    joblib = pytest.importorskip("joblib")
    folder = make_model()
    found = FORMS[form](trained(folder))
    expected = answers(found)
    joblib.dump(found, tmp_path / "dump")
    for path in folder.iterdir():
        path.unlink()
    code = "from tests.unit.training.test_pickles import answers\nimport joblib, pickle\n"
    code += f"found = joblib.load({str(tmp_path / 'dump')!r})\n"
    code += "found = pickle.loads(pickle.dumps(found))\nimport numpy; found = answers(found)\n"
    code += f"pickle.dump(found, open({str(tmp_path / 'answers')!r}, 'wb'))"
    subprocess.run([sys.executable, "-c", code], check=True)
    again = pickle.loads((tmp_path / "answers").read_bytes())
    assert again == expected if form == "pipeline" else np.array_equal(again, expected)


def test_tokens_and_settings_of_the_tokenizer_stay(tiny):
    model = trained(tiny)
    model.tokenizer.add_tokens(["<ent>"])
    model.tokenizer.model_max_length = 9
    again = pickle.loads(pickle.dumps(model))
    assert again.tokenizer.convert_tokens_to_ids("<ent>") == len(model.tokenizer) - 1
    assert again.tokenizer.model_max_length == 9
    assert again.tokenizer("see you").input_ids == model.tokenizer("see you").input_ids
    assert again.name_or_path == again.config.name_or_path == model.name_or_path


def test_the_encoder_of_a_trained_model(model):
    again = pickle.loads(pickle.dumps(model.base_model))
    assert again.tokenizer("see you").input_ids == model.tokenizer("see you").input_ids
    inputs = model.tokenizer(TEXTS[0], return_tensors="np")
    assert np.array_equal(again(**inputs)[0], model.base_model(**inputs)[0])


def test_a_model_without_a_tokenizer(tiny, make_model):
    folder = make_model()
    for path in [*folder.glob("spm.model"), *folder.glob("tokenizer*")]:
        path.unlink()
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tiny)
    again = pickle.loads(pickle.dumps(trained(folder, tokenizer=tokenizer)))
    assert again.predict(TEXTS, tokenizer=tokenizer).shape == (12, 3)
    with pytest.raises(OSError, match=folder.name):
        again.predict(TEXTS)


def test_a_pool_of_processes(model):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(model.predict, [TEXTS[:6], TEXTS[6:]])
    assert np.array_equal(np.concatenate(found), model.predict(TEXTS))


def test_training_a_copy_leaves_the_model(tiny):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    before = model.predict(TEXTS)
    other = copy.deepcopy(model)
    assert np.array_equal(other.predict(TEXTS), before)
    train(other)
    other.config.id2label[0] = "other name"
    assert not np.allclose(other.predict(TEXTS), before)
    assert np.array_equal(model.predict(TEXTS), before)
    assert model.config.id2label[0] == "ham"


def test_resizing_a_copy_leaves_the_model(model):
    before = model.predict(TEXTS)
    assert np.array_equal(resized(model).predict(TEXTS), before)
    assert model.get_input_embeddings().num_embeddings == model.config.vocab_size
