"""Attributes of models, other vocabularies, shards; settings x heads x lengths; live against transformers."""

import numpy as np
import pytest

import deberta_c
from tests.parity.oracle import (
    CLASSES,
    Pair,
    as_choices,
    as_torch,
    class_name,
    errors,
    flat,
    load_ours,
    load_theirs,
    run_ours,
    run_theirs,
    torch,
    transformers,
)
from tests.parity.oracle import tiny as config_of

FAMILIES = {
    "deberta": {"model_type": "deberta", "pos_att_type": "c2p|p2c"},
    "deberta-v2": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "bert": {"model_type": "bert"},
}
HEADS = ("none", "sequence", "tokens", "answers", "choices", "masked_lm")
CASES = [(f, h) for f in FAMILIES for h in HEADS if (f, h) != ("deberta", "choices")]


def changes_of(family, head):
    return {**FAMILIES[family], **({"num_labels": 2} if head == "answers" else {})}


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def both(request, pair):
    family, head = request.param
    return pair(head, **changes_of(family, head))


def arrays(model):
    return {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}


def test_parameters(both):
    ours, theirs = both.ours, both.theirs
    found, expected = dict(ours.named_parameters()), arrays(theirs)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for options in ({}, {"exclude_embeddings": True}, {"only_trainable": True}):
        assert ours.num_parameters(**options) == theirs.num_parameters(**options)
    weight = theirs.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(ours.get_input_embeddings().weight, weight)
    assert ours.base_model_prefix == theirs.base_model_prefix


def test_base_model(both):
    inputs = both.batch([16, 5, 40])
    mask = inputs["attention_mask"] != 0
    with torch.inference_mode():
        theirs = both.theirs.base_model(**as_torch(inputs))
    ours = both.ours.base_model(**inputs)
    assert ours.keys() == list(theirs.keys())
    assert np.abs(ours.last_hidden_state[mask] - theirs.last_hidden_state.numpy()[mask]).max() <= 2e-5
    if "pooler_output" in ours:
        assert np.abs(ours.pooler_output - theirs.pooler_output.numpy()).max() <= 2e-5


@pytest.mark.parametrize(("family", "head"), CASES)
def test_other_vocabularies(tmp_path, family, head):
    """Kept rows are the same, new ones are as near the mean as in transformers, and transformers reads them."""
    config = config_of(**changes_of(family, head))
    Pair.save(tmp_path / "m", config, head=head)
    ours, theirs = load_ours(tmp_path / "m", config, head), load_theirs(tmp_path / "m", head=head)
    rows = config["vocab_size"] + 5
    for model in (ours, theirs):
        model.resize_token_embeddings(rows)
    own, other = ours.get_input_embeddings().weight, theirs.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(own[:-5], other[:-5])
    np.testing.assert_allclose(own[-5:], other[-5:], atol=1e-3)
    assert own[-5:].std(axis=0).max() == pytest.approx(other[-5:].std(axis=0).max(), rel=1)
    assert {n: a.shape for n, a in ours.named_parameters()} == {n: a.shape for n, a in arrays(theirs).items()}
    ours.save_pretrained(tmp_path / "saved")
    again = load_theirs(tmp_path / "saved", head=head)
    assert again.config.vocab_size == ours.config.vocab_size == rows
    ids = np.array([[1, rows - 1, 7, rows - 5, 2]])
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    inputs = as_choices(inputs, 1) if head == "choices" else inputs
    found = errors(run_ours(ours, inputs), run_theirs(again, inputs), flat(inputs["attention_mask"]))
    assert max(found.values()) <= 2e-5, found


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_shards_are_read_by_both(tmp_path, family, variant):
    config = config_of(**FAMILIES[family])
    Pair.save(tmp_path / "m", config)
    ours, theirs = load_ours(tmp_path / "m", config), load_theirs(tmp_path / "m")
    ours.save_pretrained(tmp_path / "ours", max_shard_size="20KB", variant=variant)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="20KB", variant=variant)
    index = "model.safetensors.index.json" if variant is None else "model.safetensors.index.fp16.json"
    assert (tmp_path / "ours" / index).exists()
    assert (tmp_path / "theirs" / index).exists()
    auto = transformers.AutoModelForSequenceClassification
    read = auto.from_pretrained(tmp_path / "ours", variant=variant, dtype=torch.float32)
    assert all(np.array_equal(array, dict(ours.named_parameters())[name]) for name, array in arrays(read).items())
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "theirs", variant=variant)
    assert all(np.array_equal(array, dict(ours.named_parameters())[name]) for name, array in again.named_parameters())


@pytest.mark.parametrize("key", ["output_hidden_states", "output_attentions", "return_dict"])
@pytest.mark.parametrize("where", ["file", "option", "set"])
@pytest.mark.parametrize("head", HEADS)
def test_what_calls_return(tmp_path, head, where, key):
    config = config_of(**changes_of("deberta-v2", head))
    Pair.save(tmp_path, config, head=head)
    keys = {key: key != "return_dict"}
    if where == "file":
        settings = transformers.AutoConfig.from_pretrained(tmp_path, **keys)
        settings.save_pretrained(tmp_path)
    options = keys if where == "option" else {}
    own = getattr(deberta_c, class_name(config, head)).from_pretrained(tmp_path, **options)
    auto = getattr(transformers, "Auto" + CLASSES[head].replace("For", "ModelFor"))
    other = auto.from_pretrained(tmp_path, attn_implementation="eager", **options).eval()
    if where == "set":
        for model in (own, other):
            setattr(model.config, key, keys[key])
    ids = np.array([[[1, 5, 2], [1, 6, 2]]] if head == "choices" else [[1, 5, 2]])
    with torch.inference_mode():
        theirs = other(torch.from_numpy(ids))
    ours = own(ids)
    assert (type(ours) is tuple) == (type(theirs) is tuple)
    assert len(ours) == len(theirs)
    assert type(ours) is tuple or ours.keys() == list(theirs.keys())


def test_next_sentence(tmp_path):
    config = config_of(model_type="bert")
    transformers.set_seed(3)
    theirs = transformers.BertForNextSentencePrediction(transformers.AutoConfig.for_model(**config)).eval()
    theirs.save_pretrained(tmp_path)
    ours = deberta_c.AutoModelForNextSentencePrediction.from_pretrained(tmp_path)
    ids, types = np.array([[1, 5, 2, 6, 2], [1, 7, 8, 2, 2]]), np.array([[0, 0, 0, 1, 1]] * 2)
    inputs = {"input_ids": ids, "token_type_ids": types, "labels": np.array([0, 1])}
    with torch.inference_mode():
        expected = theirs(**as_torch(inputs))
    found = ours(**inputs)
    np.testing.assert_allclose(found.logits, expected.logits.numpy(), atol=2e-6)
    assert found.loss == pytest.approx(expected.loss.item(), abs=2e-6)


@pytest.fixture(scope="module")
def trained_on_pairs(tmp_path_factory):
    """A BertForPreTraining of transformers, its directory, and ours."""
    where = tmp_path_factory.mktemp("pretraining")
    transformers.set_seed(3)
    config = config_of(model_type="bert", initializer_range=0.3)
    settings = transformers.AutoConfig.for_model(**config, attn_implementation="eager")
    theirs = transformers.BertForPreTraining(settings).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(where)
    return where, theirs, deberta_c.AutoModelForPreTraining.from_pretrained(where)


@pytest.mark.parametrize("lengths", [(1,), (16, 16), (7, 64, 1, 33)], ids=str)
def test_pretraining(trained_on_pairs, lengths):
    _, theirs, ours = trained_on_pairs
    random = np.random.default_rng(1)
    shape = len(lengths), max(lengths)
    mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
    labels = random.integers(0, ours.config.vocab_size, shape)
    labels[(random.random(shape) < 0.7) | (mask == 0)] = -100
    labels[:, 0] = 5
    inputs = {
        "input_ids": random.integers(1, ours.config.vocab_size, shape),
        "attention_mask": mask,
        "token_type_ids": random.integers(0, 2, shape),
        "labels": labels,
        "next_sentence_label": random.integers(0, 2, shape[:1]),
    }
    asked = {"output_hidden_states": True, "output_attentions": True}
    with torch.inference_mode():
        expected = theirs(**as_torch(inputs), **asked)
    found = ours(**inputs, **asked)
    assert type(found).__name__ == type(expected).__name__
    assert found.keys() == list(expected.keys())
    assert found.loss == pytest.approx(expected.loss.item(), abs=2e-5)
    valid = mask == 1
    predicted, other = found.prediction_logits[valid], expected.prediction_logits.numpy()[valid]
    np.testing.assert_allclose(predicted, other, atol=5e-5)
    np.testing.assert_allclose(found.seq_relationship_logits, expected.seq_relationship_logits.numpy(), atol=2e-5)
    for one in ("labels", "next_sentence_label"):
        some = {name: value for name, value in inputs.items() if name != one}
        with torch.inference_mode():
            assert list(theirs(**as_torch(some)).keys()) == ours(**some).keys()
    assert np.abs(other).max() > 1


def test_pretraining_surface(trained_on_pairs, tmp_path):
    where, theirs, ours = trained_on_pairs
    found, expected = dict(ours.named_parameters()), arrays(theirs)
    assert {name: array.shape for name, array in found.items()} == {name: a.shape for name, a in expected.items()}
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert ours.num_parameters() == theirs.num_parameters()
    ours.save_pretrained(tmp_path / "ours")
    again, information = transformers.AutoModelForPreTraining.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert type(again) is type(theirs)
    assert not any(information.values())
    for name, array in arrays(again).items():
        np.testing.assert_array_equal(array, expected[name])
    for library in (transformers, deberta_c):
        model = library.AutoModelForPreTraining.from_pretrained(where)
        model.resize_token_embeddings(ours.config.vocab_size + 5)
        assert model(torch.tensor([[1, 5, 2]])).prediction_logits.shape[2] == ours.config.vocab_size + 5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_class_for_pretraining(family):
    """The same as in transformers except for v2 and v3, whose detector transformers lacks."""
    config = config_of(**FAMILIES[family])
    theirs = transformers.AutoModelForPreTraining.from_config(transformers.AutoConfig.for_model(**config))
    ours = deberta_c.AutoModelForPreTraining.from_config(deberta_c.AutoConfig.from_dict(config))
    assert (type(ours).__name__ == type(theirs).__name__) == (family != "deberta-v2")


# ---- settings x heads x lengths ----

SETTINGS = {
    "v1": {"model_type": "deberta", "pos_att_type": "c2p|p2c"},
    "v1_c2p": {"model_type": "deberta", "pos_att_type": ["c2p"]},
    "v1_absolute": {
        "model_type": "deberta", "relative_attention": False, "position_biased_input": True, "type_vocab_size": 2
    },
    "v2": {"position_buckets": -1, "share_att_key": False, "norm_rel_ebd": None},
    "v2_conv": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "v3": {},
    "v3_narrow": {"embedding_size": 12, "type_vocab_size": 2, "position_biased_input": True},
    "bert": {"model_type": "bert"},
}  # fmt: skip


@pytest.mark.parametrize("lengths", [(1,), (2, 1), (16, 16), (7, 64, 1, 33), (130, 3)], ids=str)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_heads_and_lengths(pair, name, head, lengths):
    if head == "choices" and name.startswith("v1"):
        pytest.skip("transformers has no such class")
    network = pair(head, **SETTINGS[name], **({"num_labels": 2} if head == "answers" else {}))
    inputs = network.batch(list(lengths) * 2)
    inputs = as_choices(inputs, 2) if head == "choices" else inputs
    theirs, ours = run_theirs(network.theirs, inputs), run_ours(network.ours, inputs)
    found = errors(ours, theirs, flat(inputs["attention_mask"]))
    assert max(found.values()) <= 2e-5, found
