"""Attributions: which words speak for a label."""

import re

import numpy as np
import pytest

import deberta_c
from deberta_c.evaluation import attributions, plot_attention
from tests.support.tiny_models import write_model

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
    monkeypatch.setattr("deberta_c.evaluation.gradients.BATCH_TOKENS", 40)
    assert deberta_c.explain(model, TEXT, steps=9).values == pytest.approx(whole, abs=1e-5)


def test_words_that_are_cut_have_no_value(model):
    found = deberta_c.explain(model, TEXT, max_length=4)
    assert found.values[-1] == 0
    assert found.values[0] != 0


def test_a_space_that_is_a_token_belongs_to_the_word_after_it():
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    text = "\u65e5 hello  \u672c now"
    encoding = model.tokenizer(text)
    assert encoding.tokens()[4:6] == ["\u2581", "\u672c"]
    rows, _ = attributions._encoded(model, [[text]], None)
    words = attributions._words_of_tokens(rows, 0, 0, [word.span() for word in re.finditer(r"\S+", text)])
    assert words.tolist() == [-1 if word is None else word for word in encoding.word_ids()]


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
    with pytest.raises(TypeError, match="give a classifier of texts or of tokens"):
        deberta_c.explain(3, TEXT)


def test_words_of_a_pair(model):
    for method in ("occlusion", "integrated_gradients"):
        found = deberta_c.explain(model, "see you", "spam", text_pairs="free <entry> now", method=method)
        assert [word for word, _ in found.words] == ["see", "you", "free", "<entry>", "now"]
        column = deberta_c.explain(model, ["a", "see you"], "spam", text_pairs=["b", "free <entry> now"], method=method)
        assert column[1].pair_values == pytest.approx(found.pair_values, abs=1e-5)
        assert column[1].values == pytest.approx(found.values, abs=1e-5)
        assert "<br>" in found._repr_html_()
        assert "&lt;entry&gt;" in found._repr_html_()
    without = model.predict(["see you"] * 2, ["free <entry> now", "<entry> now"])[:, 1]
    found = deberta_c.explain(model, "see you", "spam", text_pairs="free <entry> now", method="occlusion")
    assert found.pair_values[0] == pytest.approx(without[0] - without[1], abs=1e-6)


def test_the_label_of_a_word(make_model):
    folder = make_model(head="tokens")
    model = deberta_c.AutoModelForTokenClassification.from_pretrained(folder)
    found = deberta_c.explain(model, TEXT, word="see")
    inputs = model.tokenizer(TEXT, return_tensors="np")
    place = inputs.char_to_token(TEXT.index("see"))
    logits = model(**inputs).logits[0, place]
    scores = np.exp(logits) / np.exp(logits).sum()
    assert (found.label, found.word) == (model.labels()[logits.argmax()], 2)
    assert found.score == pytest.approx(scores.max(), abs=1e-5)
    assert found._repr_html_().count("outline") == 1
    assert deberta_c.explain(model, [TEXT, "a b"], word=[2, 1])[0].values == pytest.approx(found.values, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "word is missing"),
        ({"word": "sea"}, "word is 'sea'; the text has the words 0 to 5: 'hello', "),
        ({"word": 6}, "word is 6; the text has the words 0 to 5"),
        ({"word": [1, 2]}, "word has 2 entries for 1 texts"),
        ({"word": 0, "method": "occlusion"}, 'explained by method="integrated_gradients"'),
        ({"word": 0, "text_pairs": "a"}, "leave text_pairs out"),
        ({"word": 5, "max_length": 4}, r"word 5 of texts\[0\] has no token within max_length"),
    ],
)
def test_wrong_words(make_model, options, message):
    model = deberta_c.AutoModelForTokenClassification.from_pretrained(make_model(head="tokens"))
    with pytest.raises(ValueError, match=message):
        deberta_c.explain(model, TEXT, **options)


def test_wrong_pairs_and_heads(model, make_model):
    with pytest.raises(ValueError, match="word is 1, but the model classifies texts"):
        deberta_c.explain(model, TEXT, word=1)
    with pytest.raises(ValueError, match="texts has 2 rows, but text_pairs 1"):
        deberta_c.explain(model, ["a", "b"], text_pairs=["c"])
    with pytest.raises(TypeError, match="must both be a str, or both be columns"):
        deberta_c.explain(model, "a", text_pairs=["c"])
    reader = deberta_c.AutoModelForQuestionAnswering.from_pretrained(
        make_model(head="spans", id2label={"0": "a", "1": "b"})
    )
    with pytest.raises(
        TypeError, match="model is of type DebertaV2ForQuestionAnswering; give a classifier of texts or"
    ):
        deberta_c.explain(reader, TEXT)


def test_texts_that_the_limit_cuts_are_counted(model):
    with pytest.warns(deberta_c.TruncationWarning, match="1 of 2 texts") as warned:
        deberta_c.explain(model, ["see you " * 50, "a"], method="occlusion", label="ham")
    assert len(warned) == 1


def test_plot_attention(model):
    pytest.importorskip("matplotlib")
    figure = plot_attention(model, "see you at home")
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()][1:3] == ["see", "you"]
    inputs = model.tokenizer("see you at home", return_tensors="np")
    expected = model(**inputs, output_attentions=True).attentions[0][0][1]
    drawn = plot_attention(model, "see you at home", layer=0, head=1).axes[0].images[0].get_array()
    assert np.asarray(drawn) == pytest.approx(expected)


def test_a_directory_is_opened_for_its_task(model, tiny, tmp_path):
    expected = repr(deberta_c.explain(model, TEXT, method="occlusion"))
    for way in (tiny, deberta_c.Handle(tiny), deberta_c.pipeline("text-classification", tiny)):
        assert repr(deberta_c.explain(way, TEXT, method="occlusion")) == expected
    other = deberta_c.AutoTokenizer.from_pretrained(tiny, model_max_length=7)
    with pytest.raises(TypeError, match="model is of type TextClassificationPipeline"):
        deberta_c.explain(deberta_c.pipeline("text-classification", model, tokenizer=other), TEXT)
    tagger = write_model(tmp_path / "tagger", head="tokens", architectures=["DebertaV2ForTokenClassification"])
    assert deberta_c.explain(str(tagger), TEXT, word=0, steps=1).word == 0
