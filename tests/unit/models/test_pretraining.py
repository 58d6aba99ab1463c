"""BertForPreTraining: both heads of BERT's training, against the classes that have one of them."""

import pickle
import warnings

import numpy as np
import pytest

import deberta_c
from deberta_c import MissingHeadWarning, UnexpectedWeightsWarning
from tests.support.tiny_models import BERT, TINY, V1, padded, safetensors_bytes, tiny_tensors, write_model

ROWS = [[1, 7, 9, 2], [1, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 2], [1, 2], [1, 12, 5, 6, 2]]
WIDTH = max(map(len, ROWS))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model", base=BERT, head="both")


@pytest.fixture(scope="module")
def model(directory):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return deberta_c.AutoModelForPreTraining.from_pretrained(directory)


@pytest.fixture(scope="module")
def alone(directory):
    """The same weights with each of the heads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnexpectedWeightsWarning)
        words = deberta_c.BertForMaskedLM.from_pretrained(directory)
        return words, deberta_c.BertForNextSentencePrediction.from_pretrained(directory)


def batches():
    """Inputs with padding on either side, with holes, and with a mask for each query."""
    for left in (0, 3):
        ids, mask = padded(ROWS, left=left)
        yield {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids % 2 * mask}
        holes = mask.copy()
        holes[1, left + 4] = 0
        yield {"input_ids": ids, "attention_mask": holes}
    ids = np.array([ROWS[0], [1, 12, 5, 2]])
    yield {"input_ids": ids}
    yield {"input_ids": ids, "attention_mask": np.tril(np.ones((2, 4, 4), np.int64))}


@pytest.mark.parametrize("inputs", list(batches()))
def test_both_heads(model, alone, inputs):
    words, follows = alone
    found = model(**inputs, output_hidden_states=True, output_attentions=True)
    assert type(found) is deberta_c.BertForPreTrainingOutput
    assert found.keys() == ["prediction_logits", "seq_relationship_logits", "hidden_states", "attentions"]
    expected = words(**inputs, output_hidden_states=True)
    np.testing.assert_array_equal(found.prediction_logits, expected.logits)
    np.testing.assert_array_equal(found.hidden_states, expected.hidden_states)
    np.testing.assert_allclose(found.seq_relationship_logits, follows(**inputs).logits, atol=2e-6)
    short = model(**inputs)
    np.testing.assert_array_equal(short.seq_relationship_logits, found.seq_relationship_logits)
    first, second = model(**inputs, return_dict=False)
    np.testing.assert_array_equal(first, found.prediction_logits)
    assert second.shape == (len(inputs["input_ids"]), 2)


def test_a_row_has_the_same_bits_in_any_batch(model):
    ids, mask = padded(ROWS)
    together = model(ids, mask).seq_relationship_logits
    for row, tokens in enumerate(ROWS):
        np.testing.assert_array_equal(model([tokens]).seq_relationship_logits[0], together[row])


def test_losses(model, alone):
    ids, mask = padded(ROWS)
    labels, follows = np.where(mask == 1, ids % 7, -100), [0, 1, 1, 0]
    loss = model(ids, mask, labels=labels, next_sentence_label=follows).loss
    parts = alone[0](ids, mask, labels=labels).loss, alone[1](ids, mask, labels=follows).loss
    assert loss == pytest.approx(sum(parts), rel=1e-6)
    assert loss.dtype == np.float32
    for one in ({"labels": labels}, {"next_sentence_label": follows}):
        assert "loss" not in model(ids, mask, **one)
    with pytest.raises(ValueError, match=r"next_sentence_label has shape \(2,\); it must be \(4,\)"):
        model(ids, mask, labels=labels, next_sentence_label=[0, 1])
    with pytest.raises(ValueError, match="next_sentence_label has a class 2; it must be at least 0 and below 2"):
        model(ids, mask, labels=labels, next_sentence_label=[0, 1, 2, 0])
    with pytest.raises(ValueError, match=r"labels has shape \(4,\)"):
        model(ids, mask, labels=follows, next_sentence_label=follows)


def test_positions(model, alone):
    ids, mask = padded(ROWS)
    positions = (ids % 3 == 0) & (mask == 1)
    labels = {"labels": ids % 7, "next_sentence_label": [0, 1, 1, 0]}
    found, whole = model(ids, mask, positions=positions, **labels), model(ids, mask)
    np.testing.assert_allclose(found.prediction_logits, whole.prediction_logits[positions], atol=1e-5)
    np.testing.assert_array_equal(found.seq_relationship_logits, whole.seq_relationship_logits)
    expected = alone[0](ids, mask, positions=positions, labels=labels["labels"]).loss
    expected += alone[1](ids, mask, labels=[0, 1, 1, 0]).loss
    assert found.loss == pytest.approx(expected, rel=1e-6)
    none = model(ids, mask, positions=np.zeros_like(positions))
    assert none.prediction_logits.shape == (0, BERT["vocab_size"])
    np.testing.assert_allclose(none.seq_relationship_logits, whole.seq_relationship_logits, atol=1e-6)


def test_no_rows(model):
    found = model(np.zeros((0, 5), int), output_hidden_states=True)
    assert found.prediction_logits.shape == (0, 5, BERT["vocab_size"])
    assert found.seq_relationship_logits.shape == (0, 2)


def test_saved_opened_and_pickled(model, directory, tmp_path):
    ids, mask = padded(ROWS)
    expected = model(ids, mask)
    model.save_pretrained(tmp_path / "saved")
    again, information = deberta_c.AutoModelForPreTraining.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not any(information.values())
    drawn = deberta_c.BertForPreTraining(deberta_c.AutoConfig.from_pretrained(directory), seed=3)
    for one, other in ((again, expected), (pickle.loads(pickle.dumps(model)), expected)):
        found = one(ids, mask)
        for name, array in other.items():
            np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(drawn))(ids, mask).seq_relationship_logits, drawn(ids, mask).seq_relationship_logits
    )
    assert set(model.state_dict()) == set(tiny_tensors(BERT, head="both")) | {
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    }


def test_base_model_has_the_pooler(model, directory):
    ids, mask = padded(ROWS)
    with pytest.warns(UnexpectedWeightsWarning):
        expected = deberta_c.BertModel.from_pretrained(directory)(ids, mask)
    found = model.bert(ids, mask)
    np.testing.assert_array_equal(found.pooler_output, expected.pooler_output)
    np.testing.assert_array_equal(found.last_hidden_state, expected.last_hidden_state)


def test_a_larger_vocabulary_leaves_the_second_head(directory):
    model = deberta_c.BertForPreTraining.from_pretrained(directory)
    before = model(ROWS[:1]).seq_relationship_logits
    model.resize_token_embeddings(BERT["vocab_size"] + 3)
    found = model(ROWS[:1])
    assert found.prediction_logits.shape == (1, 4, BERT["vocab_size"] + 3)
    np.testing.assert_array_equal(found.seq_relationship_logits, before)


def test_files_with_one_head_do_not_run(tmp_path):
    for head, missing in (
        ("legacy_lm", {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.seq_relationship.weight"}),
        ("none", {"cls.predictions.bias", "cls.seq_relationship.bias"}),
    ):
        directory = write_model(tmp_path / head, base=BERT, head=head)
        with pytest.warns(MissingHeadWarning) as caught:
            model = deberta_c.BertForPreTraining.from_pretrained(directory)
        assert missing <= set(caught[0].message.tensors)
        with pytest.raises(RuntimeError, match=r"lacks .*cls\.seq_relationship\.weight"):
            model(ROWS[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["bert.pooler.dense.weight", "cls.seq_relationship.bias"])
def test_what_is_not_a_number_is_named(tmp_path, name, value):
    tensors = tiny_tensors(BERT, head="both")
    tensors[name].flat[1] = value
    directory = write_model(tmp_path / "model", base=BERT, head="both")
    (directory / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    with pytest.raises(ValueError, match=f"model'.*tensor '{name}' holds {value} at index 1; the file is damaged"):
        deberta_c.BertForPreTraining.from_pretrained(directory)


@pytest.mark.parametrize(
    ("base", "name"), [(V1, "DebertaForMaskedLM"), (TINY, "DebertaV2ForPreTraining"), (BERT, "BertForPreTraining")]
)
def test_the_auto_class(base, name):
    config = deberta_c.AutoConfig.from_dict(base)
    assert type(deberta_c.AutoModelForPreTraining.from_config(config)).__name__ == name


def test_other_heads_name_the_class(model, tmp_path):
    model.save_pretrained(tmp_path)
    with pytest.warns() as caught:
        deberta_c.AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert any("open it with AutoModelForPreTraining" in str(warning.message) for warning in caught)
