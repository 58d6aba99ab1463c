"""Attributes of models and configurations: arrays, the encoder under a head, other sizes."""

import json
import pickle

import numpy as np
import pytest

import deberta_c
from tests.support.tiny_models import BERT, CONV, TINY, V1, tiny_tensors, write_model

IDS = [[1, 7, 9, 2], [1, 30, 31, 2]]
FAMILIES = [TINY, V1, CONV, BERT]
HEADS = {
    "sequence": "AutoModelForSequenceClassification",
    "tokens": "AutoModelForTokenClassification",
    "choice": "AutoModelForMultipleChoice",
    "legacy_lm": "AutoModelForMaskedLM",
    "none": "AutoModel",
}


def opened(tmp_path, base=TINY, head="sequence", **changes):
    return getattr(deberta_c, HEADS[head]).from_pretrained(write_model(tmp_path, base=base, head=head, **changes))


# ---- configurations ----


def test_two_readings_of_a_configuration_are_equal(tiny, tmp_path):
    first, second = (deberta_c.AutoConfig.from_pretrained(tiny) for _ in range(2))
    assert first == second
    assert first != deberta_c.AutoConfig.from_pretrained(tiny, num_labels=5)
    assert first != first.to_dict()
    second.update({"id2label": {0: "x", 1: "y", 2: "z"}, "anything": 1})
    assert first != second
    assert second.label2id == {"x": 0, "y": 1, "z": 2}
    second.to_json_file(tmp_path / "c.json")
    again = type(second).from_json_file(tmp_path / "c.json")
    assert again == second
    assert second.classes_.tolist() == ["x", "y", "z"]
    assert first.name_or_path == str(tiny)
    assert again.name_or_path == ""
    assert deberta_c.PretrainedConfig is deberta_c.PreTrainedConfig


def test_a_label_that_does_not_exist(tiny):
    config = deberta_c.AutoConfig.from_pretrained(tiny)
    with pytest.raises(KeyError, match=r"'sports' is not a label; the labels are .*'spam': 1"):
        _ = config.label2id["sports"]
    assert config.label2id.get("sports") is None
    assert json.loads(config.to_json_string())["label2id"] == config.label2id


def test_labels_that_begin_at_one_and_unknown_problems_open(tmp_path):
    model = opened(tmp_path / "m", id2label={"1": "a", "2": "b", "3": "c"}, problem_type="ranking")
    assert model.config.id2label == {1: "a", 2: "b", 3: "c"}
    assert model(IDS).logits.shape == (2, 3)
    model.save_pretrained(tmp_path / "saved")
    assert deberta_c.AutoConfig.from_pretrained(tmp_path / "saved").id2label == {1: "a", 2: "b", 3: "c"}
    with pytest.raises(ValueError, match=r"id2label has the keys \[1, 2, 3\].* give names for 0 to 2"):
        model.labels()
    with pytest.raises(ValueError, match="problem_type is 'ranking'"):
        model(IDS, labels=[0, 1])
    with pytest.raises(ValueError, match="problem_type is 'sorting'"):
        type(model).from_pretrained(tmp_path / "saved", problem_type="sorting")


# ---- what a call returns ----


@pytest.mark.parametrize("how", ["file", "config", "option", "set"])
def test_outputs_that_the_configuration_asks_for(tmp_path, how):
    keys = {"output_hidden_states": True, "output_attentions": True, "return_dict": False}
    home = write_model(tmp_path / "m", **(keys if how == "file" else {}))
    config = deberta_c.AutoConfig.from_pretrained(home, **keys) if how == "config" else None
    kind = deberta_c.AutoModelForSequenceClassification
    model = kind.from_pretrained(home, config=config, **(keys if how == "option" else {}))
    if how == "set":
        model.config.update(keys)
    for found in (model, pickle.loads(pickle.dumps(model))):
        logits, hidden, attentions = found(IDS)
        assert (logits.shape, len(hidden), len(attentions)) == ((2, 3), 3, 2)
        output = found(IDS, output_hidden_states=False, output_attentions=False, return_dict=True)
        assert output.keys() == ["logits"]
        assert found(np.zeros((0, 4), int))[1][0].shape == (0, 4, 16)
    model.save_pretrained(tmp_path / "saved")
    assert len(kind.from_pretrained(tmp_path / "saved")(IDS)) == 3


# ---- arrays ----


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
def test_parameters(tmp_path, base, head):
    if base is V1 and head == "choice":
        pytest.skip("there is no such class")
    model = opened(tmp_path / "m", base, head)
    prefix = model.base_model_prefix + "." if head == "none" else ""
    expected = {name.removeprefix(prefix): array for name, array in tiny_tensors(base, head=head).items()}
    found = dict(model.named_parameters())
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"} if head == "legacy_lm" else set()
    assert model.state_dict().keys() == expected.keys() | tied
    assert len(list(model.parameters())) == len(expected)
    assert model.num_parameters() == model.num_parameters(only_trainable=True) == sum(a.size for a in expected.values())
    tables = sum(array.size for name, array in expected.items() if name.endswith("_embeddings.weight"))
    assert model.num_parameters(exclude_embeddings=True) == model.num_parameters() - tables
    assert model.get_input_embeddings().weight.shape == (128, 16)


def test_bfloat16_parameters(tmp_path):
    from tests.support.tiny_models import safetensors_bytes

    home = write_model(tmp_path / "m")
    (home / "model.safetensors").write_bytes(safetensors_bytes(tiny_tensors(TINY), bfloat16=True))
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(home)
    for name, array in tiny_tensors(TINY).items():
        found = model.state_dict()[name]
        np.testing.assert_array_equal(found.view(np.uint32), array.view(np.uint32) & 0xFFFF0000)
        assert not found.flags.writeable
    model.resize_token_embeddings(130)
    assert model.get_input_embeddings().weight.dtype == np.float32
    model.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved/config.json").read_text())["dtype"] == "bfloat16"


def test_calls_that_change_nothing(model):
    assert model.dtype == np.float32
    for same in (model.float(), model.cpu(), model.to("cpu", dtype="float32"), model.to(np.float32)):
        assert same is model
    assert model.requires_grad_(False) is model
    for call in (model.requires_grad_, model.train):
        with pytest.raises(NotImplementedError, match=r"trains by model\.fit"):
            call()
    with pytest.raises(ValueError, match="device is 'cuda'"):
        model.to("cuda")
    with pytest.raises(AttributeError, match=r"DebertaV2ForSequenceClassification has no attribute 'bert'$"):
        _ = model.bert
    for name, hint in (
        ("half", "to_dtype"),
        ("double", "leave it out for float32"),
        ("cuda", "CPU; leave it out"),
        ("compile", "change nothing"),
        ("modules", "state_dict"),
    ):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=rf"has no attribute '{name}': .*{hint}"):
            getattr(model, name)
    for kind in ("torch.float16", "torch.half", np.float16, "bfloat16"):
        with pytest.raises(ValueError, match=r"keeps its type, float32; call model.to_dtype\('bfloat16'\)"):
            model.to(dtype=kind)
    with pytest.raises(ValueError, match=r"'torch.float64' is not a type in which networks compute; leave it out"):
        model.to("torch.float64")


# ---- the encoder under a head ----


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
def test_base_model(tmp_path, base, head):
    if base is V1 and head == "choice":
        pytest.skip("there is no such class")
    model = opened(tmp_path / "m", base, head)
    found = model.base_model
    assert found is getattr(model, model.base_model_prefix)
    assert type(found).__name__.endswith("Model")
    assert found.config is model.config
    inputs = [IDS] if head == "choice" else IDS
    output = found(IDS, output_hidden_states=True)
    np.testing.assert_array_equal(output.last_hidden_state, output.hidden_states[-1])
    expected = model(inputs, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_array_equal(output.last_hidden_state, expected)
    assert (output.get("pooler_output") is not None) == (base is BERT and head in ("sequence", "choice", "none"))
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again(IDS).last_hidden_state, output.last_hidden_state)
    assert found.base_model is found
    found.save_pretrained(tmp_path / "saved")
    if base is not BERT or head != "legacy_lm":
        saved = deberta_c.AutoModel.from_pretrained(tmp_path / "saved") if base is not BERT else None
        assert saved is None or saved.num_parameters() == found.num_parameters()


# ---- other sizes ----


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("drawn", [False, True])
def test_resizing(tmp_path, base, head, drawn):
    if base is V1 and head == "choice":
        pytest.skip("there is no such class")
    model = opened(tmp_path / "m", base, head)
    if drawn:
        model = type(model)(model.config, seed=5)
    inputs = [IDS] if head == "choice" else IDS
    before = model(inputs)[0]
    old = model.get_input_embeddings().weight
    model.base_model  # noqa: B018  # what was made of the old table
    table = model.resize_token_embeddings(131)
    assert (table.num_embeddings, table.embedding_dim, model.config.vocab_size) == (131, 16, 131)
    np.testing.assert_array_equal(table.weight[:128], old)
    np.testing.assert_allclose(table.weight[128:], np.broadcast_to(old.mean(axis=0), (3, 16)), atol=1e-3)
    assert model.get_input_embeddings().weight.shape == (131, 16)
    after = model(inputs)[0]
    np.testing.assert_allclose(after[..., :128] if head == "legacy_lm" else after, before, atol=1e-5)
    if head == "legacy_lm":
        assert after.shape == (2, 4, 131)
    new = [[[1, 130, 2]]] if head == "choice" else [[1, 130, 2]]
    expected = model(new)[0]
    model.save_pretrained(tmp_path / "saved")
    for again in (type(model).from_pretrained(tmp_path / "saved"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again(new)[0], expected)
        assert again.config.vocab_size == 131
        assert again.num_parameters() == model.num_parameters()
    assert model.base_model([[1, 130, 2]]).last_hidden_state.shape == (1, 3, 16)
    model.resize_token_embeddings(100)
    np.testing.assert_array_equal(model.get_input_embeddings().weight, old[:100])
    with pytest.raises(ValueError, match=r"is 130; it must be at least 0 and below vocab_size, which is 100"):
        model(new)
    model.resize_token_embeddings(pad_to_multiple_of=64)
    assert pickle.loads(pickle.dumps(model)).config.vocab_size == 128


def test_what_was_set_survives_resizing(tmp_path):
    model = opened(tmp_path / "m")
    config = model.config
    config.id2label = {0: "x", 1: "y", 2: "z"}
    model.resize_token_embeddings(129, mean_resizing=False)
    assert model.config is config
    again = pickle.loads(pickle.dumps(model))
    assert again.labels() == model.labels() == ["x", "y", "z"]
    new = model.get_input_embeddings().weight
    np.testing.assert_array_equal(again.get_input_embeddings().weight, new)
    assert 0 < np.abs(new[128]).max() < 0.2  # initializer_range is 0.02
    assert model.resize_token_embeddings().num_embeddings == 129
    for value, error in ((0, ValueError), (-3, ValueError), ("130", TypeError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error, match=r"new_num_tokens is .*it must be"):
            model.resize_token_embeddings(value)


def test_added_tokens(tmp_path, tiny):
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(tiny)
    model = opened(tmp_path / "m")
    tokenizer.add_tokens([f"<{number}>" for number in range(100)])
    with pytest.raises(ValueError, match="vocab_size is 128"):
        model.predict(["<99>"], tokenizer=tokenizer)
    model.resize_token_embeddings(len(tokenizer))
    answer = model.predict(["<99>"], tokenizer=tokenizer)
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict(["<99>"]), answer)


# ---- wrong calls ----


def test_constructors_of_auto_classes(tiny):
    for name in ("AutoConfig", "AutoTokenizer", "AutoModel", "AutoModelForSequenceClassification"):
        with pytest.raises(TypeError, match=rf"{name} has no instances; call {name}\.from_pretrained\(DIR\)"):
            getattr(deberta_c, name)(tiny)
    with pytest.raises(TypeError, match=r"to open a directory call DebertaV2Model\.from_pretrained\('x'\)"):
        deberta_c.DebertaV2Model("x")


def test_another_task_is_named(tmp_path):
    home = write_model(tmp_path / "m", head="tokens", architectures=["DebertaV2ForTokenClassification"])
    message = r"this checkpoint is a DebertaV2ForTokenClassification: open it with AutoModelForTokenClassification"
    with pytest.warns(deberta_c.MissingHeadWarning, match=message):
        model = deberta_c.AutoModelForSequenceClassification.from_pretrained(home)
    with pytest.raises(RuntimeError, match=message):
        model(IDS)


def test_another_task_with_weights_of_the_same_names_is_named(tmp_path):
    home = write_model(tmp_path / "m", architectures=["DebertaV2ForSequenceClassification"])
    message = r"pooler\.dense\.weight'; this checkpoint is a .*: open it with AutoModelForSequenceClassification"
    with pytest.warns(deberta_c.UnexpectedWeightsWarning, match=message):
        deberta_c.AutoModelForTokenClassification.from_pretrained(home)
    with pytest.warns(deberta_c.UnexpectedWeightsWarning, match="pooler.dense.weight'$"):
        deberta_c.AutoModel.from_pretrained(home)


def test_names_of_arguments(tiny):
    where = {"pretrained_model_name_or_path": tiny}
    for kind in (deberta_c.AutoConfig, deberta_c.DebertaV2Config, deberta_c.AutoModelForSequenceClassification,
                 deberta_c.DebertaV2ForSequenceClassification):  # fmt: skip
        assert kind.from_pretrained(**where).num_labels == 3


def test_labels_of_a_wrong_shape(tmp_path):
    model = opened(tmp_path / "m", id2label={str(number): str(number) for number in range(4)})
    for labels in ([0, 1, 2], [[0, 1, 2]], [0.5, 1.5, 2.5]):
        with pytest.raises(ValueError, match=r"labels has shape .*; it must be \(2,\), a class from 0 to 3 .*\(2, 4\)"):
            model(IDS, labels=labels)
