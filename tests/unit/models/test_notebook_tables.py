"""What a notebook shows of models and pipelines."""

import re

import pytest

import deberta_c


def facts(page):
    """The lines of a table, as a dict."""
    return dict(re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", page))


def test_a_classifier(model, tiny):
    assert facts(model._repr_html_()) == {
        "model": "DebertaV2ForSequenceClassification",
        "from": str(tiny),
        "encoder": "deberta-v2, 2 layers x 16, 2 heads",
        "parameters": f"{model.num_parameters():,}",
        "precision": str(model.precision),
        "tokenizer": f"DebertaV2Tokenizer, {len(model.tokenizer)} tokens, at most 64 a text",
        "labels": "3: ham, spam, other",
    }
    assert not repr(model).startswith("<")


def test_labels_are_escaped_and_the_first_ones_named(make_model):
    names = {str(number): f"<b>{number}</b>" for number in range(25)}
    many = deberta_c.AutoModelForSequenceClassification.from_pretrained(make_model(id2label=names))
    page = many._repr_html_()
    assert "<b>" not in page
    assert page.count("&lt;b&gt;") == 20
    assert facts(page)["labels"].endswith(", and 5 more")


def test_a_model_without_a_tokenizer_or_labels():
    config = deberta_c.BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2)
    found = facts(deberta_c.BertModel(config, seed=3)._repr_html_())
    assert (found["from"], found["tokenizer"]) == ("initial weights, seed=3", "none")
    assert "labels" not in found


def test_the_precision_is_that_of_the_products(model):
    assert facts(model.to_dtype("int8")._repr_html_())["precision"].startswith("int8 by ")


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_a_pipeline(make_model, task):
    folder = make_model(id2label={"0": "contradiction", "1": "entailment"})
    pipe = deberta_c.pipeline(task, folder, max_length=12)
    found = facts(pipe._repr_html_())
    assert found["task"] == task
    assert found["options"] == "max_length=12"
    assert found["labels"] == "2: contradiction, entailment"


def test_a_pipeline_shows_the_tokenizer_that_it_uses(model, tiny):
    other = deberta_c.AutoTokenizer.from_pretrained(tiny, model_max_length=7)
    pipe = deberta_c.pipeline("text-classification", model, tokenizer=other)
    assert facts(pipe._repr_html_())["tokenizer"].endswith("at most 7 a text")


def test_a_cross_encoder(model):
    found = facts(deberta_c.CrossEncoder(model)._repr_html_())
    assert found["pipeline"] == "CrossEncoder"
    assert found["model"] == "DebertaV2ForSequenceClassification"
