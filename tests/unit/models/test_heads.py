"""Every head: logits against the formulas, losses, masks, initial weights, saving, pickles."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import UnexpectedWeightsWarning
from tests.support.numpy_network import Network
from tests.support.tiny_models import BERT, CONV, TINY, V1, padded, tiny_tensors, write_model

BASES = {"v1": V1, "v2": CONV, "bert": BERT}
# head of `tiny_tensors`: (ending of the class, families)
HEADS = {
    "none": ("Model", ("v1", "v2", "bert")),
    "sequence": ("ForSequenceClassification", ("v1", "v2", "bert")),
    "tokens": ("ForTokenClassification", ("v1", "v2", "bert")),
    "spans": ("ForQuestionAnswering", ("v1", "v2", "bert")),
    "choice": ("ForMultipleChoice", ("v2", "bert")),
    "legacy_lm": ("ForMaskedLM", ("v1", "v2", "bert")),
    "lm": ("ForMaskedLM", ("v1", "v2")),
    "decoder": ("ForMaskedLM", ("v1", "v2")),
    "replaced": ("ForPreTraining", ("v2",)),
}
CASES = [(head, family) for head, (_, families) in HEADS.items() for family in families]
ROWS = [[1, 7, 9, 2], [1, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 2], [1, 2], [1, 12, 5, 6, 2]]
TOLERANCE = 2e-5


def base_of(head, family):
    return {**BASES[family], "id2label": {"0": "start", "1": "end"}} if head == "spans" else BASES[family]


@pytest.fixture(scope="module")
def open_case(tmp_path_factory):
    """A model of a head and family, opened once, and the same network in NumPy."""
    known = {}

    def open_it(head, family):
        if (head, family) not in known:
            base = base_of(head, family)
            directory = write_model(tmp_path_factory.mktemp("models") / "model", base=base, head=head)
            name = "AutoModel" + HEADS[head][0].removeprefix("Model")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model = getattr(deberta_c, name).from_pretrained(directory)
            known[head, family] = model, Network(base, tiny_tensors(base, head=head))
        return known[head, family]

    return open_it


def beyond(head):
    """The logits of masked tokens: the lowest, so that no answer begins or ends at one."""
    return np.finfo(np.float32).min if head == "spans" else 0


def first(output, head):
    """The logits of a head as one array."""
    if head == "spans":
        return np.stack([output.start_logits, output.end_logits], axis=-1)
    return output.last_hidden_state if head == "none" else output.logits


@pytest.mark.parametrize(("head", "family"), [case for case in CASES if case[0] not in ("none", "choice")])
def test_logits(open_case, head, family):
    model, network = open_case(head, family)
    ids, mask = padded(ROWS)
    types = ids % 2 * mask
    found = first(model(ids, mask, types), head)
    assert found.dtype == np.float32
    for row, tokens in enumerate(ROWS):
        expected = network.logits(head, tokens, types[row, : len(tokens)])
        if head == "sequence":
            np.testing.assert_allclose(found[row], expected, atol=TOLERANCE)
        else:
            tolerance = 1e-4 if head == "decoder" else TOLERANCE  # its logits are large
            np.testing.assert_allclose(found[row, : len(tokens)], expected, atol=tolerance)
            assert (found[row, len(tokens) :] == beyond(head)).all()
    name = type(model).__name__
    assert name == {"v1": "Deberta", "v2": "DebertaV2", "bert": "Bert"}[family] + HEADS[head][0]
    assert isinstance(model, getattr(deberta_c, name))


@pytest.mark.parametrize("family", ["v2", "bert"])
def test_choices(open_case, family):
    model, network = open_case("choice", family)
    ids, mask = padded(ROWS)
    ids, mask = ids.reshape(2, 2, -1), mask.reshape(2, 2, -1)
    output = model(ids, mask, ids % 2 * mask, output_hidden_states=True, labels=[1, 0])
    assert output.logits.shape == (2, 2)
    assert output.hidden_states[0].shape == (4, 13, 16)
    for row, tokens in enumerate(ROWS):
        expected = network.logits("choice", tokens, np.asarray(tokens) % 2)
        np.testing.assert_allclose(output.logits.ravel()[row], expected[0], atol=TOLERANCE)
    exact = output.logits.astype(np.float64)
    expected = np.mean(np.log(np.exp(exact).sum(axis=1)) - exact[[0, 1], [1, 0]])
    np.testing.assert_allclose(output.loss, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"input_ids has shape \(2, 13\); it must be \(rows, choices, tokens\)"):
        model(ids[0])
    with pytest.raises(ValueError, match=r"attention_mask has shape \(2, 13\), but input_ids \(2, 2, 13\)"):
        model(ids, mask[0])
    assert model(np.zeros((0, 3, 5), int)).logits.shape == (0, 3)


@pytest.mark.parametrize(("head", "family"), CASES)
def test_padding_and_holes(open_case, head, family):
    """Masked tokens have no effect; their logits are zeros, or the lowest float32 for places of an answer. Absolute
    positions are those of the columns."""
    opened_model, _ = open_case(head, family)

    def model(*arrays, **options):
        """Rows are two questions with two choices each."""
        if head == "choice":
            arrays = [array.reshape(2, 2, -1) for array in arrays]
        return opened_model(*arrays, **options)

    of_rows = head in ("sequence", "choice")
    ids, mask = padded(ROWS)
    mask[1, [3, 7]] = 0
    before = model(ids, mask)
    ids[mask == 0] = 77
    output = model(ids, mask, output_hidden_states=True, output_attentions=True)
    np.testing.assert_allclose(first(output, head), first(before, head), atol=TOLERANCE)
    if not of_rows:
        assert (first(output, head)[mask == 0] == beyond(head)).all()
    for state in output.hidden_states:
        assert not state[mask == 0].any()
    absolute = family == "bert" or head == "decoder"
    left, left_mask = padded(ROWS, left=2)
    moved = first(model(left, left_mask), head)
    there = first(model(*padded(ROWS)), head)
    if not of_rows:
        moved, there = moved[left_mask == 1], there[padded(ROWS)[1] == 1]
    assert (np.abs(moved - there).max() > 1e-3) == absolute


@pytest.mark.parametrize(("head", "family"), CASES)
def test_no_rows(open_case, head, family):
    model, _ = open_case(head, family)
    shape = (0, 2, 5) if head == "choice" else (0, 5)
    output = model(np.zeros(shape, int), output_hidden_states=True, output_attentions=True)
    assert output.hidden_states[2].shape == (0, 5, 16)
    assert output.attentions[1].shape == (0, 2, 5, 5)
    found = first(output, head)
    assert len(found) == 0
    expected = {"none": 16, "sequence": 3, "tokens": 3, "spans": 2, "choice": 2, "replaced": 5}.get(head, 128)
    assert found.shape[-1] == expected
    if head == "none" and family == "bert":
        assert output.pooler_output.shape == (0, 16)


@pytest.mark.parametrize(("head", "family"), CASES)
def test_outputs(open_case, head, family):
    model, _ = open_case(head, family)
    ids = [[ROWS[0], ROWS[0]]] if head == "choice" else [ROWS[0]]
    output = model(ids, output_hidden_states=True, output_attentions=True)
    heads = {"none": ["last_hidden_state"], "spans": ["start_logits", "end_logits"]}.get(head, ["logits"])
    if head == "none" and family == "bert":
        heads.append("pooler_output")
    assert output.keys() == [*heads, "hidden_states", "attentions"]
    together = model(ids, return_dict=False)
    assert type(together) is tuple
    assert len(together) == len(heads)
    np.testing.assert_allclose(together[0], output[0], atol=TOLERANCE)


# ---- masked language models ----


@pytest.mark.parametrize(("head", "family"), [case for case in CASES if HEADS[case[0]][0] == "ForMaskedLM"])
def test_positions(open_case, head, family):
    model, _ = open_case(head, family)
    ids, mask = padded(ROWS)
    mask[1, 4] = 0
    whole = model(ids, mask).logits
    positions = (ids % 3 == 0) & (mask == 1)
    labels = np.where(positions, ids, -100)
    some = model(ids, mask, positions=positions, labels=labels, output_hidden_states=True)
    np.testing.assert_allclose(some.logits, whole[positions], atol=TOLERANCE)
    assert some.hidden_states[1].shape == (4, 13, 16)
    np.testing.assert_allclose(some.loss, model(ids, mask, labels=labels).loss, rtol=1e-5)
    np.testing.assert_allclose(model([ROWS[0]], positions=[[False, True, False, True]]).logits.shape, (2, 128))
    nothing = model(ids, mask, positions=np.zeros_like(positions), labels=labels)
    assert nothing.logits.shape == (0, 128)
    assert np.isnan(nothing.loss)
    with pytest.raises(TypeError, match="positions has dtype int64; it must be boolean"):
        model(ids, mask, positions=ids)
    with pytest.raises(ValueError, match=r"positions has shape \(4,\), but input_ids \(4, 13\)"):
        model(ids, mask, positions=positions[:, 0])
    with pytest.raises(ValueError, match=r"positions\[0, 4\] is True, but this token is masked"):
        model(ids, mask, positions=mask == 0)


def test_which_decoder_is_taken(tmp_path):
    """None decides by the tensors of the files; True and False force it."""
    directory = write_model(tmp_path / "model", base=TINY, head="decoder")
    network = Network(TINY, tiny_tensors(TINY, head="decoder"))
    load = deberta_c.AutoModelForMaskedLM.from_pretrained
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_files, forced = load(directory), load(directory, enhanced_mask_decoder=True)
        plain = load(directory, enhanced_mask_decoder=False)
    twice, once = network.logits("decoder", ROWS[1]), network.logits("lm", ROWS[1])
    assert np.abs(twice - once).max() > 0.1
    for model, expected in ((by_files, twice), (forced, twice), (plain, once)):
        np.testing.assert_allclose(model(ROWS[1:2]).logits[0], expected, atol=1e-4)
        assert model.config.legacy is False
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again(ROWS[1:2]).logits, model(ROWS[1:2]).logits)
    plain.save_pretrained(tmp_path / "plain")
    by_files.save_pretrained(tmp_path / "twice")
    for name, expected in (("plain", once), ("twice", twice)):
        assert json.loads((tmp_path / name / "config.json").read_text())["legacy"] is False
        np.testing.assert_allclose(load(tmp_path / name)(ROWS[1:2]).logits[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "lm"}, "the files lack deberta.embeddings.position_embeddings.weight; give enh.*=False"),
        ({"head": "legacy_lm"}, r"lack deberta.embeddings.position_emb.*lm_predictions.lm_head.dense.weight"),
        ({"head": "decoder", "num_hidden_layers": 1}, "num_hidden_layers is 1; it needs at least 2"),
        ({"head": "decoder", "position_biased_input": True}, "positions are added at the input already"),
    ],
)
def test_a_decoder_that_cannot_run(tmp_path, changes, message):
    directory = write_model(tmp_path / "model", **changes)
    with pytest.raises(ValueError, match=f"enhanced_mask_decoder is True, but .*{message}"):
        deberta_c.AutoModelForMaskedLM.from_pretrained(directory, enhanced_mask_decoder=True)


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_the_head_that_multiplies_with_the_word_table_needs_its_width(tmp_path, family):
    message = "embedding_size is 8, .* multiplies with the word table and needs hidden_size, which is 16; .*legacy=True"
    directory = write_model(tmp_path / "model", base=BASES[family], head="decoder", embedding_size=8)
    for options in ({}, {"enhanced_mask_decoder": True}, {"enhanced_mask_decoder": False}):
        with pytest.raises(ValueError, match=message):
            deberta_c.AutoModelForMaskedLM.from_pretrained(directory, **options)
    config = deberta_c.AutoConfig.from_pretrained(directory, legacy=False)
    with pytest.raises(ValueError, match=message):
        deberta_c.AutoModelForMaskedLM.from_config(config)
    config.legacy = True
    assert deberta_c.AutoModelForMaskedLM.from_config(config)(ROWS[:1]).logits.shape == (1, 4, 128)


def test_more_columns_than_positions(open_case, tmp_path):
    decoder, _ = open_case("decoder", "v2")
    with pytest.raises(ValueError, match="token in column 64, but max_position_embeddings is 64"):
        decoder(np.full((1, 65), 7))
    plain, _ = open_case("lm", "v2")
    assert plain(np.full((1, 65), 7)).logits.shape == (1, 65, 128)


def test_both_heads_in_one_file(tmp_path):
    """config.json decides, with `legacy`, when both are there."""
    more = {name: tensor for name, tensor in tiny_tensors(TINY, head="lm").items() if name.startswith("lm_")}
    directory = write_model(tmp_path / "model", base=TINY, head="legacy_lm", add=more)
    network = Network(TINY, {**tiny_tensors(TINY, head="legacy_lm"), **more})
    for legacy, head in ((True, "legacy_lm"), (False, "lm")):
        with pytest.warns(UnexpectedWeightsWarning, match="lm_pred" if legacy else "cls"):
            model = deberta_c.AutoModelForMaskedLM.from_pretrained(directory, legacy=legacy)
        np.testing.assert_allclose(model(ROWS[:1]).logits[0], network.logits(head, ROWS[0]), atol=TOLERANCE)


@pytest.mark.parametrize("asked", [1, 0, "yes", "", [], np.True_])
def test_a_decoder_is_asked_for_by_true_or_false(tmp_path, asked):
    directory = write_model(tmp_path / "model", head="decoder")
    message = r"enhanced_mask_decoder is .*; it must be None, True or False"
    with pytest.raises(TypeError, match=message):
        deberta_c.AutoModelForMaskedLM.from_pretrained(directory, enhanced_mask_decoder=asked)
    with pytest.raises(TypeError, match=message):
        deberta_c.DebertaV2ForMaskedLM(deberta_c.DebertaV2Config.from_dict(TINY), enhanced_mask_decoder=asked)


def test_bert_has_no_decoder(tmp_path):
    directory = write_model(tmp_path / "model", base=BERT, head="legacy_lm")
    message = "enhanced_mask_decoder is True, but BERT has no such decoder; leave it out"
    with pytest.raises(ValueError, match=message):
        deberta_c.AutoModelForMaskedLM.from_pretrained(directory, enhanced_mask_decoder=True)
    with pytest.raises(ValueError, match=message):
        deberta_c.BertForMaskedLM(deberta_c.BertConfig.from_dict(BERT), enhanced_mask_decoder=True)
    deberta_c.AutoModelForMaskedLM.from_pretrained(directory, enhanced_mask_decoder=False)


def test_the_decoder_is_for_masked_language_models(tiny):
    with pytest.raises(TypeError, match="enhanced_mask_decoder is for masked language models only"):
        deberta_c.AutoModel.from_pretrained(tiny, enhanced_mask_decoder=True)


# ---- other sizes ----


@pytest.mark.parametrize(("head", "family"), [("sequence", "v1"), ("tokens", "bert"), ("sequence", "bert")])
def test_a_head_of_another_size(tmp_path, head, family):
    directory = write_model(tmp_path / "model", base=BASES[family], head=head)
    auto = getattr(deberta_c, "AutoModel" + HEADS[head][0])
    asks = r"classifier.weight' has shape \(3, 16\), but config.json asks for \(5, 16\)"
    with pytest.raises(ValueError, match=asks + "; ignore_mismatched_sizes=True opens it with a new head"):
        auto.from_pretrained(directory, num_labels=5)
    with pytest.warns(deberta_c.MissingHeadWarning) as caught:
        model, information = auto.from_pretrained(
            directory, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True
        )
    assert caught[0].message.tensors == ("classifier.weight", "classifier.bias")
    assert len(caught) == 1
    assert information["missing_keys"] == set()
    assert information["mismatched_keys"] == {
        ("classifier.weight", (3, 16), (5, 16)),
        ("classifier.bias", (3,), (5,)),
    }
    with pytest.raises(RuntimeError, match=r"lacks classifier.weight, classifier.bias"):
        model(ROWS[:1])


def test_a_reader_has_two_labels(tmp_path):
    directory = write_model(tmp_path / "model", head="spans")
    with pytest.raises(ValueError, match="num_labels is 3; a reader of answers has 2"):
        deberta_c.AutoModelForQuestionAnswering.from_pretrained(directory)
    assert deberta_c.AutoModelForQuestionAnswering.from_pretrained(directory, num_labels=2)


# ---- drawn, saved, pickled ----


def drawn(head, family, seed=3):
    keys = base_of(head, family)
    config = deberta_c.AutoConfig.from_dict({**keys, "legacy": head == "legacy_lm"})
    options = {"enhanced_mask_decoder": True} if head == "decoder" else {}
    name = "AutoModel" + HEADS[head][0].removeprefix("Model")
    return getattr(deberta_c, name).from_config(config, seed=seed, **options)


@pytest.mark.parametrize(("head", "family"), CASES)
def test_initial_weights(tmp_path, head, family):
    model = drawn(head, family)
    ids = np.array([[ROWS[0], ROWS[0]]] if head == "choice" else [ROWS[0]])
    answer = first(model(ids), head)
    np.testing.assert_array_equal(first(drawn(head, family)(ids), head), answer)
    assert np.abs(first(drawn(head, family, seed=4)(ids), head) - answer).max() > 1e-4
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(first(again(ids), head), answer)
    np.testing.assert_array_equal(first(copy.deepcopy(model)(ids), head), answer)
    assert "seed=3" in repr(again)
    model.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = type(model).from_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(first(opened(ids), head), answer)
    assert opened.num_parameters() == model.num_parameters()
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["architectures"] == [type(model).__name__]
    assert saved["dtype"] == "float32"


def test_keys_of_initial_weights():
    def words_of(**keys):
        model = deberta_c.DebertaV2Model(deberta_c.DebertaV2Config.from_dict({**TINY, **keys}))
        words = model._draw(model._opened)["deberta.embeddings.word_embeddings.weight"]
        return words.data.view(np.float32).reshape(words.shape)

    usual = words_of()
    np.testing.assert_array_equal(words_of(initializer_range=None), usual)
    assert not words_of(initializer_range=0).any()
    np.testing.assert_allclose(words_of(initializer_range=0.04), 2 * usual, rtol=1e-6)
    for padding, zeros in ((None, []), (5, [5]), (-1, [127]), (-128, [0])):
        assert np.flatnonzero(~words_of(pad_token_id=padding).any(axis=1)).tolist() == zeros


def test_initial_weights_follow_their_rule():
    model = drawn("legacy_lm", "v2")
    names = {}
    for name, tensor in model._draw(model._opened).items():
        names[name] = tensor.data.view(np.float32).reshape(tensor.shape)
    for name, values in names.items():
        if name.endswith("LayerNorm.weight"):
            assert (values == 1).all()
        elif name.endswith("bias"):
            assert not values.any()
        else:
            rows = values[1:] if "word_embeddings" in name else values
            assert abs(rows.std() / 0.02 - 1) < 4 / np.sqrt(2 * rows.size)
            assert abs(rows.mean()) < 4 * 0.02 / np.sqrt(rows.size)
    words = names["deberta.embeddings.word_embeddings.weight"]
    assert not words[0].any()  # of the padding
    assert "cls.predictions.decoder.weight" not in names
    expected = {name: values.shape for name, values in tiny_tensors(CONV, head="legacy_lm").items()}
    assert {name: values.shape for name, values in names.items()} == expected
    again = drawn("sequence", "v2")
    same = again._draw(again._opened)["deberta.embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(same.data.view(np.float32), words.ravel())


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, None])
def test_invalid_seeds(seed):
    with pytest.raises(ValueError, match=f"seed is {seed!r}; it must be an integer"):
        deberta_c.AutoModel.from_config(deberta_c.DebertaConfig(), seed=seed)


def test_values_that_are_not_configurations():
    for maker in (deberta_c.BertModel, deberta_c.BertModel.from_config, deberta_c.AutoModel.from_config):
        with pytest.raises(TypeError, match=r"config is \{\}; give what AutoConfig"):
            maker({})
    with pytest.raises(ValueError, match="model_type is 'deberta'; take DebertaModel or an Auto class"):
        deberta_c.BertModel(deberta_c.DebertaConfig())


def test_a_model_without_a_directory_has_no_tokenizer():
    model = drawn("sequence", "bert")
    with pytest.raises(RuntimeError, match=r"give one, tokenizer=AutoTokenizer.from_pretrained\(DIR\)"):
        model.predict(["hello"])


def test_what_was_set_is_saved_and_pickled():
    model = drawn("sequence", "v1")
    model.config.id2label = {0: "x", 1: "y", 2: "z"}
    model.config.problem_type = "multi_label_classification"
    model.config.hidden_size = 1  # which is not used any more
    again = pickle.loads(pickle.dumps(model))
    assert again.labels() == ["x", "y", "z"]
    assert again.config.hidden_size == 16
    np.testing.assert_array_equal(again(ROWS[:1]).logits, model(ROWS[:1]).logits)


@pytest.mark.parametrize("made", ["drawn", "opened"])
def test_both_label_tables_travel(tiny, tmp_path, made):
    """label2id is the one that was set, or follows from id2label; also in pickles of pickles."""
    load = deberta_c.AutoModelForSequenceClassification.from_pretrained
    model = drawn("sequence", "v1") if made == "drawn" else load(tiny)
    before = model.config.label2id
    for change, expected in (
        ({"id2label": {0: "x", 1: "y", 2: "z"}}, {"x": 0, "y": 1, "z": 2}),
        ({"label2id": {"X": 0, "Y": 1, "Z": 2}}, {"X": 0, "Y": 1, "Z": 2}),
        ({"label2id": before}, before),
    ):
        for key, value in change.items():
            setattr(model.config, key, value)
        again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model))))
        assert again.config.label2id == model.config.label2id == expected
        assert again.labels() == ["x", "y", "z"]
        model.save_pretrained(tmp_path)
        assert deberta_c.AutoConfig.from_pretrained(tmp_path).label2id == expected


def test_saving_keeps_labels(tmp_path, tiny, tokenizer):
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tiny)
    model.config.id2label = {0: "x", 1: "y", 2: "z"}
    model.config.hidden_size = 1
    model.save_pretrained(tmp_path / "saved")
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert again.labels() == ["x", "y", "z"]
    texts = ["hello world", "free entry now"]
    with pytest.raises(OSError, match=r"has no spm.model"):
        again.predict(texts)
    tokenizer.save_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict(texts), model.predict(texts))
    model.save_pretrained(tmp_path / "saved")  # over its own files, which are open
    np.testing.assert_array_equal(again.predict(texts), model.predict(texts))
    model.config.num_labels = 7
    with pytest.raises(ValueError, match="id2label has the keys"):
        model.save_pretrained(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(OSError, match="is a file"):
        again.save_pretrained(tmp_path / "saved" / "config.json")


# ---- losses in a call ----


def log_softmax(logits):
    exact = logits.astype(np.float64)
    return exact - np.log(np.exp(exact).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("family", ["v1", "v2", "bert"])
def test_losses_of_classifiers(open_case, family):
    model, _ = open_case("sequence", family)
    ids, mask = padded(ROWS)
    output = model(ids, mask, labels=[0, 2, 1, 1])
    assert output.keys() == ["loss", "logits"]
    assert type(output.loss) is np.float32
    np.testing.assert_allclose(output.loss, -log_softmax(output.logits)[range(4), [0, 2, 1, 1]].mean(), rtol=1e-6)
    soft = np.array([[0.2, 0.8, 0], [1, 0, 0], [0, 0, 1], [0.5, 0.25, 0.25]])
    loss = model(ids, mask, labels=soft).loss
    independent = np.logaddexp(0, output.logits.astype(np.float64)) - soft * output.logits
    expected = independent.mean() if family == "bert" else -(soft * log_softmax(output.logits)).sum(axis=1).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert model.config.problem_type is None


def test_losses_of_tokens(open_case):
    ids, mask = padded(ROWS)
    model, _ = open_case("tokens", "v2")
    labels = np.where(ids % 2, ids % 3, -100)
    labels[mask == 0] = 1  # under the mask: it does not count
    output = model(ids, mask, labels=labels)
    kept = (labels != -100) & (mask == 1)
    expected = -np.take_along_axis(log_softmax(output.logits[kept]), labels[kept][:, None], 1).mean()
    np.testing.assert_allclose(output.loss, expected, rtol=1e-6)
    reader, _ = open_case("spans", "bert")
    starts, ends = [1, 12, 0, 99], [2, 99, 1, 4]
    output = reader(ids, mask, start_positions=starts, end_positions=ends)
    expected = []
    for logits, places in ((output.start_logits, starts), (output.end_logits, ends)):
        found = [
            -log_softmax(logits[row, : len(tokens)])[place]
            for row, (tokens, place) in enumerate(zip(ROWS, places, strict=True))
            if place < 13
        ]
        expected.append(np.mean(found))
    np.testing.assert_allclose(output.loss, np.mean(expected), rtol=1e-6)
    assert reader(ids, mask, start_positions=starts).loss is None
    with pytest.raises(ValueError, match=r"start_positions\[0\] is 5, a masked token of that row"):
        reader(ids, mask, start_positions=[5, 1, 1, 1], end_positions=ends)
    detector, _ = open_case("replaced", "v2")
    replaced = ids % 2
    output = detector(ids, mask, labels=replaced)
    exact = output.logits.astype(np.float64)
    expected = (np.logaddexp(0, exact) - replaced * exact)[mask == 1].mean()
    np.testing.assert_allclose(output.loss, expected, rtol=1e-6)


def both(directory, kind):
    """The model of transformers and of deberta_c in one directory."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    theirs = getattr(transformers, kind).from_pretrained(directory).eval()
    return theirs, getattr(deberta_c, kind).from_pretrained(directory)


def losses(models, *arrays, **labels):
    """The outputs of both for arrays and labels."""
    import torch

    theirs, ours = models
    with torch.inference_mode():
        there = theirs(*map(torch.tensor, arrays), **{key: torch.tensor(value) for key, value in labels.items()}).loss
    return float(there), float(ours(*arrays, **labels).loss)


@pytest.mark.parametrize("family", ["v1", "v2", "bert"])
def test_losses_of_transformers(tmp_path, family):
    """The same if padding is labelled -100; otherwise masked tokens count in transformers, but not in deberta_c."""
    ids, mask = padded(ROWS)
    labels = np.where(mask, ids % 3, -100)
    for head, kind in (("tokens", "AutoModelForTokenClassification"), ("legacy_lm", "AutoModelForMaskedLM")):
        models = both(write_model(tmp_path / head, base=BASES[family], head=head), kind)
        there, here = losses(models, ids, mask, labels=labels)
        assert here == pytest.approx(there, rel=1e-5)
        there, padding = losses(models, ids, mask, labels=np.abs(labels) % 3)
        assert padding == here
        assert abs(there - here) > 1e-2
    directory = write_model(tmp_path / "spans", base=base_of("spans", family), head="spans")
    models = both(directory, "AutoModelForQuestionAnswering")
    there, here = losses(models, ids[1:2], mask[1:2], start_positions=[1], end_positions=[5])
    assert here == pytest.approx(there, rel=1e-5)
    there, here = losses(models, ids, mask, start_positions=[1, 2, 0, 3], end_positions=[2, 9, 1, 3])
    assert there > here + 1e-2


@pytest.mark.parametrize(
    ("head", "key", "base"),
    [
        ("sequence", "hidden_act", TINY),
        ("sequence", "pooler_hidden_act", V1),
        ("choice", "pooler_hidden_act", TINY),
        ("legacy_lm", "hidden_act", BERT),
        ("none", "hidden_act", BERT),
        ("none", "conv_act", CONV),
    ],
)
def test_an_activation_is_named_by_its_key(tmp_path, head, key, base):
    auto = getattr(deberta_c, "AutoModel" + HEADS[head][0].removeprefix("Model"))
    message = rf"config key {key} is 'foo', which is not supported; supported are gelu"
    with pytest.raises(ValueError, match=f"^{message}"):
        auto.from_config(deberta_c.AutoConfig.from_dict({**base, key: "foo"}))
    directory = write_model(tmp_path / "model", base={**base, key: "foo"}, head=head)
    with pytest.raises(ValueError, match=f"model': {message}"):
        auto.from_pretrained(directory)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["v1", "bert"])
def test_missing_keys_are_those_of_transformers(tmp_path, family, tied):
    transformers = pytest.importorskip("transformers")
    base = {**BASES[family], "tie_word_embeddings": tied}
    tensors = tiny_tensors(base, head="legacy_lm")
    words = tensors[f"{base['model_type']}.embeddings.word_embeddings.weight"]
    bias, decoder = "cls.predictions.bias", "cls.predictions.decoder"
    matrix, own = {f"{decoder}.weight": words}, {f"{decoder}.bias": tensors[bias]}
    dense = "cls.predictions.transform.dense.bias"
    cases = [(drop, add) for drop in ((), (bias,), (dense,), (bias, dense)) for add in ({}, matrix, own, matrix | own)]
    for number, (drop, add) in enumerate(cases):
        directory = write_model(tmp_path / str(number), base=base, head="legacy_lm", drop=drop, add=add)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", deberta_c.MissingHeadWarning)
            there, here = (
                library.AutoModelForMaskedLM.from_pretrained(directory, output_loading_info=True)[1]
                for library in (transformers, deberta_c)
            )
        assert here["missing_keys"] == there["missing_keys"], (drop, list(add))
        assert here["unexpected_keys"] == there["unexpected_keys"] == set()


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_transformers_has_no_enhanced_mask_decoder(tmp_path, family):
    """transformers computes the logits of the ordinary last layer from a saved one."""
    directory = write_model(tmp_path / "model", base=BASES[family], head="decoder")
    deberta_c.AutoModelForMaskedLM.from_pretrained(directory).save_pretrained(tmp_path / "saved")
    theirs, ours = both(tmp_path / "saved", "AutoModelForMaskedLM")
    import torch

    with torch.inference_mode():
        there = theirs(torch.tensor(ROWS[1:2])).logits.numpy()
    plain = deberta_c.AutoModelForMaskedLM.from_pretrained(tmp_path / "saved", enhanced_mask_decoder=False)
    np.testing.assert_allclose(plain(ROWS[1:2]).logits, there, atol=1e-4)
    assert np.abs(ours(ROWS[1:2]).logits - there).max() > 0.1
    plain.save_pretrained(tmp_path / "plain")
    both_again = both(tmp_path / "plain", "AutoModelForMaskedLM")
    np.testing.assert_allclose(both_again[1](ROWS[1:2]).logits, there, atol=1e-4)


@pytest.mark.parametrize(("head", "family"), CASES)
def test_arguments_beside_the_inputs(open_case, head, family):
    """Other columns of a tokenizer are ignored, unknown arguments raise."""
    model, _ = open_case(head, family)
    ids = padded(ROWS)[0].reshape((2, 2, -1) if head == "choice" else (4, -1))
    extra = {"offset_mapping": [[(0, 1)]], "length": [3], "position_ids": None}
    np.testing.assert_array_equal(first(model(ids, **extra), head), first(model(ids), head))
    call = f"a call of {type(model).__name__}"
    with pytest.raises(TypeError, match=rf"^{call} takes no 'position_ids'; it takes input_ids, .*return_dict$"):
        model(ids, position_ids=ids)


def test_a_mask_of_pairs_is_for_bert():
    config = {
        "vocab_size": 60,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    ids, mask = [[1, 5, 2, 7]], np.array([[1, 1, 0, 1]])
    bert = deberta_c.BertForTokenClassification(deberta_c.BertConfig(**config), seed=1)
    by_key = bert(ids, mask).logits[0, mask[0] == 1]
    by_pair = bert(ids, np.repeat(mask[:, None], 4, axis=1)).logits[0, mask[0] == 1]
    np.testing.assert_allclose(by_pair, by_key, atol=1e-6)
    deberta = deberta_c.DebertaV2Model(deberta_c.DebertaV2Config(**config), seed=1)
    with pytest.raises(ValueError, match=r"attention_mask has 3 dimensions; .* only BERT takes"):
        deberta(ids, np.ones((1, 4, 4), np.int64))
