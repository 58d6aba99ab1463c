"""Attributions: which words speak for a label."""

import numpy as np
import pytest

import deberta_c
from deberta_c.evaluation import plot_attention

TEXT = "hello world,  see you\nat home"
WORDS = ["hello", "world,", "see", "you", "at", "home"]


def test_occlusion_leaves_out_one_word_at_a_time(model):
    found = deberta_c.explain(model, TEXT, label="spam", method="occlusion")
    assert [word for word, _ in found.words] == WORDS
    assert found.label == "spam"
    full, without = model.predict([TEXT, "hello world,  see at home"])[:, 1]
    assert found.values[3] == pytest.approx(full - without, abs=1e-6)
    assert found.score == pytest.approx(model.predict_proba([TEXT])[0, 1])


def test_integrated_gradients_sum_to_the_difference_of_the_logits(model):
    found = deberta_c.explain(model, TEXT, steps=64)
    label = model.predict([TEXT])[0].argmax()
    assert found.label == model.labels()[label]
    tokenizer = model.tokenizer
    inputs = tokenizer(TEXT, return_tensors="np", return_special_tokens_mask=True)
    nothing = np.where(inputs["special_tokens_mask"], inputs["input_ids"], tokenizer.pad_token_id)
    base = model(input_ids=nothing).logits[0, label]
    assert found.values.sum() == pytest.approx(model.predict([TEXT])[0, label] - base, abs=2e-2)


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_a_column_is_explained_as_its_texts(model, method):
    texts = [TEXT, "", "free entry now"]
    column = deberta_c.explain(model, texts, label="ham", method=method)
    assert [len(found.values) for found in column] == [6, 0, 3]
    for found, text in zip(column, texts, strict=True):
        one = deberta_c.explain(model, text, label="ham", method=method)
        assert found.values == pytest.approx(one.values, abs=1e-5)
    assert deberta_c.explain(model, [], method=method) == []


def test_the_points_of_a_long_text_run_in_several_batches(model, monkeypatch):
    whole = deberta_c.explain(model, TEXT, steps=9).values
    monkeypatch.setattr("deberta_c.evaluation.attributions.BATCH_TOKENS", 40)
    assert deberta_c.explain(model, TEXT, steps=9).values == pytest.approx(whole, abs=1e-5)


def test_words_that_are_cut_have_no_value(model):
    found = deberta_c.explain(model, TEXT, max_length=4)
    assert found.values[-1] == 0
    assert found.values[0] != 0


def test_another_baseline(model):
    first = deberta_c.explain(model, TEXT).values
    assert abs(deberta_c.explain(model, TEXT, baseline="a").values - first).max() > 1e-4
    with pytest.raises(ValueError, match="baseline is '<no>', which is not a token"):
        deberta_c.explain(model, TEXT, baseline="<no>")


def test_a_regression(make_model):
    folder = make_model(id2label={"0": "value"}, problem_type="regression")
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    found = deberta_c.explain(model, TEXT)
    assert found.score == pytest.approx(float(model.predict([TEXT])[0, 0]))


def test_it_shows_itself(model):
    found = deberta_c.explain(model, "<b> see", label="spam", method="occlusion")
    page = found._repr_html_()
    assert "&lt;b&gt;</span> <span" in page
    assert "<b>spam</b>" in page
    assert repr(found).startswith("spam (")
    assert deberta_c.explain(model, ["see", "you"])._repr_html_().count("<p ") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "Spam"}, "label is 'Spam'; the labels of the model are ham, spam, other"),
        ({"method": "lime"}, "method is 'lime'; it must be one of integrated_gradients, occlusion"),
        ({"steps": 0}, "steps is 0; it must be an integer of at least 1"),
    ],
)
def test_wrong_options(model, options, message):
    with pytest.raises(ValueError, match=message):
        deberta_c.explain(model, TEXT, **options)


def test_a_model_without_labels_of_rows(tmp_path):
    with pytest.raises(TypeError, match="give a classifier of texts"):
        deberta_c.explain("a", TEXT)


def test_plot_attention(model):
    pytest.importorskip("matplotlib")
    figure = plot_attention(model, "see you at home")
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()][1:3] == ["see", "you"]
    inputs = model.tokenizer("see you at home", return_tensors="np")
    expected = model(**inputs, output_attentions=True).attentions[0][0][1]
    drawn = plot_attention(model, "see you at home", layer=0, head=1).axes[0].images[0].get_array()
    assert np.asarray(drawn) == pytest.approx(expected)
