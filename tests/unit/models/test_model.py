"""The call of a model: outputs, padding of every kind, and the object itself."""

import copy
import json
import os
import pickle
import signal
import threading

import numpy as np
import pytest

import deberta_c
from deberta_c import AutoModelForSequenceClassification, AutoTokenizer, MissingHeadWarning
from tests.support.tiny_models import safetensors_bytes, tiny_tensors, write_model

HEAD = ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")
ROWS = [[1, 7, 9, 2], [1, 30, 31, 32, 33, 34, 35, 2], [1, 2], [1, 12, 5, 6, 2]]
TOLERANCE = 1e-5


def padded(rows, left=0, right=0):
    """Rows in one array with `left` columns of padding before and at least `right` after them, and the mask."""
    width = left + max(map(len, rows)) + right
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for row, tokens in enumerate(rows):
        ids[row, left : left + len(tokens)] = tokens
        mask[row, left : left + len(tokens)] = 1
    return ids, mask


@pytest.fixture(scope="module")
def alone(model):
    """Each row's own outputs."""
    return [model([row], output_hidden_states=True, output_attentions=True) for row in ROWS]


def test_output(model, tokenizer):
    inputs = tokenizer(["hello world", "free entry now"], padding=True, return_tensors="np")
    output = model(**inputs)
    assert output.logits.shape == (2, 3)
    assert output.logits.dtype == np.float32
    assert output.logits is output["logits"] is output[0] is output.to_tuple()[0]
    (logits,) = output
    assert logits is output.logits
    assert output.keys() == ["logits"]
    assert dict(output.items())["logits"] is output.values()[0] is output.get("logits")
    assert output.get("attentions") is None
    assert output.get("attentions", 7) == 7
    assert dict(output)["logits"] is logits
    assert "logits" in output
    assert "hidden_states" not in output
    assert output.hidden_states is None
    assert len(output) == 1
    assert repr(output) == "SequenceClassifierOutput(logits=(2, 3))"
    with pytest.raises(KeyError, match="attentions"):
        _ = output["attentions"]
    assert type(model(**inputs, return_dict=False)) is tuple
    assert np.ptp(output.logits, axis=0).max() > 1e-3


def test_hidden_states_and_attentions(model):
    ids, mask = padded(ROWS)
    output = model(ids, mask, output_hidden_states=True, output_attentions=True)
    logits, hidden, attentions = output
    assert logits.shape == (4, 3)
    assert [state.shape for state in hidden] == [(4, 8, 16)] * 3
    assert [probabilities.shape for probabilities in attentions] == [(4, 2, 8, 8)] * 2
    valid = mask.astype(bool)
    for state in hidden:
        assert not state[~valid].any()
        assert state[valid].any(axis=1).all()
    for probabilities in attentions:
        sums = probabilities.sum(axis=3).transpose(0, 2, 1)
        np.testing.assert_allclose(sums[valid], 1, atol=1e-5)
        assert not sums[~valid].any()
        assert not probabilities.transpose(0, 3, 1, 2)[~valid].any()


@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 5), (3, 0), (3, 2)])
def test_padding_changes_nothing(model, alone, left, right):
    ids, mask = padded(ROWS, left, right)
    ids[mask == 0] = 77  # the values of padding have no effect
    output = model(ids, mask, output_hidden_states=True, output_attentions=True)
    for row, (tokens, single) in enumerate(zip(ROWS, alone, strict=True)):
        span = slice(left, left + len(tokens))
        np.testing.assert_allclose(output.logits[row], single.logits[0], atol=TOLERANCE)
        for layer in range(3):
            found = output.hidden_states[layer][row, span]
            np.testing.assert_allclose(found, single.hidden_states[layer][0], atol=TOLERANCE)
        for layer in range(2):
            found = output.attentions[layer][row, :, span, span]
            np.testing.assert_allclose(found, single.attentions[layer][0], atol=TOLERANCE)


def test_logits_do_not_depend_on_what_else_is_asked(model, alone):
    ids, mask = padded(ROWS)
    np.testing.assert_allclose(model(ids, mask).logits, np.concatenate([one.logits for one in alone]), atol=TOLERANCE)


def test_holes(model):
    ids, mask = padded([ROWS[1], ROWS[0]])
    mask[0, [2, 5]] = 0
    output = model(ids, mask, output_hidden_states=True, output_attentions=True)
    other = ids.copy()
    other[0, [2, 5]] = [99, 100]
    again = model(other, mask, output_hidden_states=True)
    np.testing.assert_array_equal(output.logits, again.logits)
    for state in output.hidden_states:
        assert not state[mask == 0].any()
    for probabilities in output.attentions:
        assert not probabilities[0][:, :, [2, 5]].any()
        assert not probabilities[0][:, [2, 5]].any()
        np.testing.assert_allclose(probabilities[0, :, 0].sum(axis=-1), 1, atol=1e-5)
    full = model(ids[:1])
    assert np.abs(full.logits - output.logits[:1]).max() > 1e-4
    np.testing.assert_allclose(output.logits[1], model([ROWS[0]]).logits[0], atol=TOLERANCE)


def test_hole_at_the_start(model):
    """The head reads the first token that is not masked."""
    ids, mask = padded([ROWS[1]])
    mask[0, 0] = 0
    np.testing.assert_allclose(model(ids, mask).logits, model(ids[:, 1:]).logits, atol=TOLERANCE)


@pytest.mark.parametrize("convert", [np.asarray, list, lambda a: a.astype(np.int32), lambda a: a.astype(np.uint8)])
def test_kinds_of_arrays(model, convert):
    ids, mask = padded(ROWS)
    expected = model(ids, mask).logits
    np.testing.assert_array_equal(model(convert(ids), convert(mask)).logits, expected)
    np.testing.assert_array_equal(model(ids, mask.astype(bool)).logits, expected)
    np.testing.assert_array_equal(model(ids, mask.astype(np.float32)).logits, expected)
    np.testing.assert_array_equal(model(np.asfortranarray(ids), mask[:, ::-1][:, ::-1]).logits, expected)


def test_array_likes_are_accepted(model):
    class Tensor:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype)

    ids, mask = padded(ROWS)
    np.testing.assert_array_equal(model(Tensor(ids), Tensor(mask)).logits, model(ids, mask).logits)


def test_torch_tensors(model):
    torch = pytest.importorskip("torch")
    ids, mask = padded(ROWS)
    found = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits
    np.testing.assert_array_equal(found, model(ids, mask).logits)


def test_empty_batch(model):
    output = model(np.zeros((0, 5), np.int64), output_hidden_states=True, output_attentions=True)
    assert output.logits.shape == (0, 3)
    assert output.hidden_states[0].shape == (0, 5, 16)
    assert output.attentions[0].shape == (0, 2, 5, 5)


def test_token_types(make_model, model):
    ids = [ROWS[1]]
    types = [[0, 0, 0, 0, 1, 1, 1, 1]]
    np.testing.assert_array_equal(model(ids, None, types).logits, model(ids).logits)  # type_vocab_size is 0
    typed = AutoModelForSequenceClassification.from_pretrained(make_model(type_vocab_size=2))
    assert np.abs(typed(ids, None, types).logits - typed(ids).logits).max() > 1e-4
    zeros = typed(ids, None, np.zeros((1, 8), np.int64)).logits
    np.testing.assert_allclose(zeros, typed(ids).logits, atol=TOLERANCE)


def test_absolute_positions_follow_the_columns(make_model):
    biased = AutoModelForSequenceClassification.from_pretrained(make_model(position_biased_input=True))
    ids, mask = padded([ROWS[1]], left=3)
    assert np.abs(biased(ids, mask).logits - biased([ROWS[1]]).logits).max() > 1e-4


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "bare", "old", "shards"])
def test_storage(make_model, model, kind):
    """The same weights in other types, under other names and in several files."""
    directory = make_model()
    path = directory / "model.safetensors"
    tensors = tiny_tensors(json.loads((directory / "config.json").read_text()))
    tolerance = TOLERANCE
    if kind == "float16":
        path.write_bytes(safetensors_bytes({name: tensor.astype(np.float16) for name, tensor in tensors.items()}))
        tolerance = 0.1
    elif kind == "bfloat16":
        path.write_bytes(safetensors_bytes(tensors, bfloat16=True))
        tolerance = 0.5
    elif kind == "bare":
        path.write_bytes(safetensors_bytes({name.removeprefix("deberta."): value for name, value in tensors.items()}))
    elif kind == "old":
        names = {name: name.replace("LayerNorm.weight", "LayerNorm.gamma") for name in tensors}
        names = {name: old.replace("LayerNorm.bias", "LayerNorm.beta") for name, old in names.items()}
        path.write_bytes(
            safetensors_bytes({names[name].replace("deberta.", "bert."): value for name, value in tensors.items()})
        )
    else:
        path.unlink()
        parts = {"a.safetensors": list(tensors)[::2], "b.safetensors": list(tensors)[1::2]}
        for file, names in parts.items():
            (directory / file).write_bytes(safetensors_bytes({name: tensors[name] for name in names}))
        weight_map = {name: file for file, names in parts.items() for name in names}
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    ids, mask = padded(ROWS)
    found = AutoModelForSequenceClassification.from_pretrained(directory)(ids, mask).logits
    np.testing.assert_allclose(found, model(ids, mask).logits, atol=tolerance)


def test_missing_head(make_model):
    directory = make_model(drop=HEAD)
    with pytest.warns(MissingHeadWarning, match="is not a trained classifier") as caught:
        bare = AutoModelForSequenceClassification.from_pretrained(directory)
    assert set(caught[0].message.tensors) == set(HEAD)
    assert caught[0].filename == __file__
    for call in (lambda: bare([[1, 2]]), lambda: bare.predict(["a"]), lambda: bare.predict_proba([])):
        with pytest.raises(RuntimeError, match=r"lacks .*classifier.weight.* fine-tune it"):
            call()
    with pytest.raises(RuntimeError, match="lacks"):
        deberta_c.pipeline(model=bare)("a")


def test_another_number_of_labels(make_model):
    directory = make_model()
    with pytest.raises(ValueError, match=r"classifier\.(weight|bias)"):
        AutoModelForSequenceClassification.from_pretrained(directory, num_labels=5)
    with pytest.warns(MissingHeadWarning) as caught:
        other = AutoModelForSequenceClassification.from_pretrained(
            directory, num_labels=5, ignore_mismatched_sizes=True
        )
    assert caught[0].message.tensors == ("classifier.weight", "classifier.bias")
    assert other.num_labels == 5


def test_a_config_that_contradicts_the_weights(make_model):
    directory = make_model()
    for key, value in (("vocab_size", 100), ("hidden_size", 32), ("intermediate_size", 20), ("num_hidden_layers", 3)):
        with pytest.raises(ValueError, match="deberta"):
            AutoModelForSequenceClassification.from_pretrained(directory, **{key: value})


def test_options(tiny):
    load = AutoModelForSequenceClassification.from_pretrained
    load(tiny, dtype="float32", local_files_only=True)
    load(str(tiny), torch_dtype="auto")
    named = load(tiny, id2label={0: "a", 1: "b", 2: "c"}, problem_type="multi_label_classification")
    assert named.config.id2label[2] == "c"
    with pytest.raises(ValueError, match="dtype is 'float16'"):
        load(tiny, dtype="float16")
    with pytest.raises(TypeError, match="unknown option 'nun_labels'; did you mean 'num_labels'"):
        load(tiny, nun_labels=3)
    with pytest.raises(TypeError, match="unknown option 'load_in_8bit'; give dtype=\"int8\""):
        load(tiny, load_in_8bit=True)
    config = deberta_c.AutoConfig.from_pretrained(tiny, id2label={0: "x", 1: "y", 2: "z"})
    assert load(tiny, config=config).config.id2label[0] == "x"


@pytest.mark.parametrize("kind", ["SequenceClassification", "MaskedLM"])
def test_from_config_takes_the_options_of_from_pretrained(tiny, kind):
    """Except for those of files; both ways refuse the others with the same words."""
    auto = getattr(deberta_c, f"AutoModelFor{kind}")
    config = deberta_c.AutoConfig.from_pretrained(tiny)
    made = auto.from_config(config, id2label={0: "a", 1: "b"}, attn_implementation="eager", trust_remote_code=False)
    assert (made.config.id2label, config.id2label[0]) == ({0: "a", 1: "b"}, "ham")
    assert pickle.loads(pickle.dumps(made)).config.id2label == {0: "a", 1: "b"}
    wrong = [
        ("nun_labels", "did you mean 'num_labels'"),
        ("load_in_8bit", 'give dtype="int8"'),
        ("wrong", "give a key"),
    ]
    for name, hint in wrong:
        for opens, source in ((auto.from_config, config), (auto.from_pretrained, tiny)):
            with pytest.raises(TypeError, match=f"^unknown option '{name}'; {hint}"):
                opens(source, **{name: 3})
    for name in ("variant", "ignore_mismatched_sizes", "revision"):
        with pytest.raises(TypeError, match=f"^unknown option '{name}'; from_pretrained takes it, for the files"):
            auto.from_config(config, **{name: "x"})
    if kind == "SequenceClassification":
        for opens, source in ((auto.from_config, config), (auto.from_pretrained, tiny)):
            with pytest.raises(TypeError, match="enhanced_mask_decoder is for masked language models only"):
                opens(source, enhanced_mask_decoder=True)
        assert pickle.loads(pickle.dumps(auto.from_config(config, enhanced_mask_decoder=None))).num_labels == 3
    else:
        settings = [auto.from_config(config, enhanced_mask_decoder=wanted)._settings for wanted in (True, False)]
        assert [bool(found["enhanced_mask_decoder"]) for found in settings] == [True, False]


def test_the_object(model, tiny):
    assert model.eval() is model
    assert model.train(False) is model
    assert model.to("cpu") is model
    assert model.device == "cpu"
    assert copy.copy(model) is model
    with pytest.raises(NotImplementedError, match=r"model\.fit\(texts, labels\)"):
        model.train()
    with pytest.raises(ValueError, match=r"device is 'cuda'.*CPU only"):
        model.to("cuda")
    with pytest.raises(ValueError, match=r"device is 0; "):
        deberta_c.pipeline("text-classification", deberta_c.default_model(), device=0)
    config = json.loads((tiny / "config.json").read_text())
    assert model.num_parameters() == sum(tensor.size for tensor in tiny_tensors(config).values())
    assert "2 layers x 16, 2 heads" in repr(model)
    assert "['ham', 'spam', 'other']" in repr(model)


def test_what_is_set_in_the_config_of_an_open_model_breaks_nothing(tiny):
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    ids, mask = padded(ROWS)
    before = model(ids, mask, output_hidden_states=True, output_attentions=True)
    shown = repr(model)
    for name in ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size", "type_vocab_size"):
        setattr(model.config, name, 1)
    model.config.num_labels = 7
    after = model(ids, mask, output_hidden_states=True, output_attentions=True)
    for one, two in zip(before.attentions + before.hidden_states, after.attentions + after.hidden_states, strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.predict(["hello"]).shape == model.predict_proba(["hello"]).shape == (1, 3)
    assert model(np.zeros((0, 5), int), output_hidden_states=True).hidden_states[2].shape == (0, 5, 16)
    assert model.num_labels == 3
    assert repr(model).partition("[")[0] == shown.partition("[")[0]
    with pytest.raises(ValueError, match="problem_type is 'ranking'"):
        model.config.problem_type = "ranking"


def test_labels_that_were_set_travel_in_a_pickle(tiny):
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    model.config.id2label = {0: "x", 1: "y", 2: "z"}
    model.config.problem_type = "multi_label_classification"
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model))))
    assert again.labels() == ["x", "y", "z"]
    assert again.probability_function() == "sigmoid"


@pytest.mark.parametrize("auto", ["AutoConfig", "AutoTokenizer", "AutoModelForSequenceClassification"])
@pytest.mark.parametrize(
    ("directory", "error"), [(None, TypeError), (5, TypeError), (b".", TypeError), ("", ValueError)]
)
def test_paths_that_are_not_directories(auto, directory, error, tiny, monkeypatch):
    monkeypatch.chdir(tiny)  # "" does not mean it
    with pytest.raises(error, match=f"directory is {directory!r}; give the path"):
        getattr(deberta_c, auto).from_pretrained(directory)


@pytest.mark.parametrize("config", [{}, {"num_labels": 3}, "x", 0])
def test_values_that_are_not_configurations(tiny, config):
    with pytest.raises(TypeError, match=f"config is {config!r}; give what AutoConfig"):
        AutoModelForSequenceClassification.from_pretrained(tiny, config=config)


def test_no_grad(model):
    with deberta_c.no_grad():
        inside = model([[1, 2]]).logits

    @deberta_c.no_grad()
    def function():
        return model([[1, 2]]).logits

    np.testing.assert_array_equal(inside, function())


def test_pickle_by_reference(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    model = AutoModelForSequenceClassification.from_pretrained(tiny.name, id2label={0: "a", 1: "b", 2: "c"})
    data = pickle.dumps(model)
    assert len(data) < 1000
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(data)
    assert again.config.id2label == {0: "a", 1: "b", 2: "c"}
    np.testing.assert_array_equal(again([[1, 7, 2]]).logits, model([[1, 7, 2]]).logits)
    configured = AutoModelForSequenceClassification.from_pretrained(tiny, config=model.config)
    assert pickle.loads(pickle.dumps(configured)).config.id2label[0] == "a"


def test_threads_share_a_model(model):
    ids, mask = padded(ROWS)
    expected = model(ids, mask).logits
    wrong = []

    def work():
        for _ in range(20):
            if not np.array_equal(model(ids, mask).logits, expected):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_after_a_forward_pass(model):
    """A forked child computes too, instead of waiting for threads of its parent that it does not have."""
    ids, mask = padded(ROWS)
    expected = model(ids, mask).logits
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if np.allclose(model(ids, mask).logits, expected, atol=TOLERANCE) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_number_of_threads(model):
    before = deberta_c.get_num_threads()
    ids, mask = padded(ROWS)
    with deberta_c.threads(1):
        assert deberta_c.get_num_threads() == 1
        one = model(ids, mask).logits
        with deberta_c.threads(2):
            assert deberta_c.get_num_threads() == 2
            two = model(ids, mask).logits
        assert deberta_c.get_num_threads() == 1
    assert deberta_c.get_num_threads() == before
    np.testing.assert_allclose(one, two, atol=2e-6)
    for count in (-1, 10**9):
        with pytest.raises(ValueError, match=f"count is {count}"):
            deberta_c.set_num_threads(count)
    for count in (True, 1.5, "2", None):
        with pytest.raises(TypeError, match="count is"):
            deberta_c.set_num_threads(count)


def test_show_config(capsys):
    deberta_c.show_config()
    shown = capsys.readouterr().out
    assert f"deberta_c {deberta_c.__version__}" in shown
    assert f"threads {deberta_c.get_num_threads()}" in shown
    assert "linear layers by own kernels" in shown or "linear layers by onednn kernels" in shown


def test_tokenizer_of_the_model(model, tokenizer):
    assert model.tokenizer is model.tokenizer
    assert model.tokenizer("hello").input_ids == tokenizer("hello").input_ids
    assert isinstance(model.tokenizer, type(AutoTokenizer.from_pretrained(model.name_or_path)))


def test_a_model_of_the_hubs_cache(tmp_path, monkeypatch, model):
    """Configuration, model and tokenizer by name; a pickle knows the path of the files."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    home = tmp_path / "models--org--tiny"
    write_model(home / "snapshots" / "c0ffee" / "part")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("c0ffee")
    where = {"cache_dir": tmp_path, "subfolder": "part"}
    assert deberta_c.AutoConfig.from_pretrained("org/tiny", **where, num_labels=3).num_labels == 3
    for kind in (AutoModelForSequenceClassification, deberta_c.DebertaV2ForSequenceClassification):
        found = kind.from_pretrained("org/tiny", **where)
        np.testing.assert_array_equal(found.predict(["hello world"]), model.predict(["hello world"]))
        assert pickle.loads(pickle.dumps(found)).name_or_path == str(home / "snapshots" / "c0ffee" / "part")
    with pytest.raises(OSError, match=r"HF_HUB_OFFLINE is set"):
        deberta_c.AutoModel.from_pretrained("org/tiny")
    with pytest.raises(OSError, match="local_files_only is true"):
        deberta_c.AutoModel.from_pretrained("org/other", cache_dir=tmp_path, local_files_only=True)
