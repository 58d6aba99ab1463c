"""Errors for names of transformers that deberta_c lacks name a replacement; the collator and base classes exist."""

import numpy as np
import pytest

import deberta_c


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Seq2SeqTrainer", "deberta_c has no Seq2SeqTrainer; fine-tune with model.fit"),
        ("DefaultFlowCallback", r"deberta_c\.training\.callbacks has the callbacks"),
        ("get_linear_schedule_with_warmup", "Trainer and TrainingArguments"),
        ("DataCollatorForSeq2Seq", "DataCollatorWithPadding pads rows"),
        ("AutoModelForCausalLM", "use transformers for models that generate text"),
        ("TFBertModel", "use the class without this prefix"),
        ("RobertaModel", "the families DeBERTa and BERT alone"),
        ("PreTrainedTokenizer", "use PreTrainedTokenizerFast"),
        ("ImageClassificationPipeline", r"deberta_c\.pipeline\(task, model\) has the tasks .*text-classification"),
        ("AutoProcessor", "use AutoTokenizer"),
        ("AutoTokeniser", "did you mean AutoTokenizer?"),
        ("Pipeline", "did you mean pipeline"),
        ("BertForSequenceClasification", "did you mean BertForSequenceClassification?"),
        ("DebertaV3ForMaskedLM", "did you mean DebertaV2ForMaskedLM?"),
        ("DefaultDataCollator", "DataCollatorWithPadding pads rows"),
    ],
)
def test_names_of_transformers_say_what_to_use_instead(name, message):
    assert not hasattr(deberta_c, name)
    with pytest.raises(AttributeError, match=message):
        getattr(deberta_c, name)
    with pytest.raises(ImportError, match=message):
        exec(f"from deberta_c import {name}")


def test_the_tasks_of_a_missing_pipeline_are_those_of_pipeline():
    with pytest.raises(AttributeError) as caught:
        _ = deberta_c.ObjectDetectionPipeline
    listed = str(caught.value).partition("has the tasks ")[2].split(", ")
    with pytest.raises(ValueError, match="task is 'none'") as caught:
        deberta_c.pipeline("none", deberta_c.default_model())
    assert all(repr(task) in str(caught.value) for task in listed)
    assert {"feature-extraction", "fill-mask", "text-classification", "token-classification"} <= set(listed)


def test_other_names_raise_the_error_of_python():
    assert not hasattr(deberta_c, "nosuch")
    with pytest.raises(AttributeError, match="module 'deberta_c' has no attribute '_nosuch'"):
        _ = deberta_c._nosuch
    with pytest.raises(ImportError, match="cannot import name 'nosuch'"):
        exec("from deberta_c import nosuch")
    exec("from deberta_c import _cli, pipeline\nfrom deberta_c import *")


def test_every_tokenizer_is_of_the_base(tokenizer):
    assert isinstance(tokenizer, deberta_c.PreTrainedTokenizerBase)
    assert issubclass(deberta_c.BertTokenizerFast, deberta_c.PreTrainedTokenizerBase)


@pytest.mark.parametrize("label", ["label", "label_ids", "labels", None])
def test_rows_become_a_batch(tokenizer, model, label):
    texts = ["hello world now", "free"]
    rows = [dict(tokenizer(text)) | ({label: place} if label else {}) for place, text in enumerate(texts)]
    before = [dict(row) for row in rows]
    batch = deberta_c.DataCollatorWithPadding(tokenizer)(rows)
    expected = tokenizer(texts, padding=True, return_tensors="np")
    assert rows == before
    assert set(batch) == set(expected) | ({"labels"} if label else set())
    for name in expected:
        np.testing.assert_array_equal(batch[name], expected[name])
    if label:
        assert batch["labels"].dtype == np.int64
        assert batch["labels"].tolist() == [0, 1]
        assert float(model(**batch).loss) > 0


def test_options_of_the_collator(tokenizer):
    rows = [tokenizer("hello world"), tokenizer("free")]
    assert deberta_c.DataCollatorWithPadding(tokenizer, "max_length", 9)(rows)["input_ids"].shape == (2, 9)
    assert deberta_c.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=16)(rows)["input_ids"].shape == (2, 16)
    assert isinstance(deberta_c.DataCollatorWithPadding(tokenizer, return_tensors=None)(rows)["input_ids"], list)
    with pytest.raises(TypeError, match="encoded_inputs"):
        deberta_c.DataCollatorWithPadding(tokenizer)([])
