"""From labelled sentences to a saved model that `pipeline("zero-shot-classification")` uses."""

import numpy as np
import pytest

import deberta_c
from tests.unit.training.test_trainer import small_model

SENTENCES = {
    "sport": [
        "the team won the final", "a goal in the last minute", "the coach praised the team", "they lost the match",
        "the match ended in a draw", "her third goal of the match", "the final was a dull game", "the coach left",
    ],
    "food": [
        "the soup was too salty", "fresh bread with butter", "we cooked rice and beans", "a slice of cake for dinner",
        "the cook burned the bread", "dinner was soup again", "rice with butter is enough", "the cake was fresh",
    ],
}  # fmt: skip
TEMPLATE = "This is about {}."
TEXTS = [text for texts in SENTENCES.values() for text in texts]
LABELS = [label for label, texts in SENTENCES.items() for _ in texts]


def right(classifier):
    """The share of sentences whose label is right."""
    answers = classifier(TEXTS, candidate_labels="food, sport", hypothesis_template=TEMPLATE)
    return np.mean([answer["labels"][0] == label for answer, label in zip(answers, LABELS, strict=True)])


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


def test_fit_on_pairs(tokenizer, tmp_path):
    names = ("entailment", "contradiction")
    pairs = deberta_c.nli_pairs(TEXTS * 4, LABELS * 4, TEMPLATE, label_names=names)
    model = small_model(num_labels=2, num_hidden_layers=2)
    result = model.fit(
        pairs["premise"],
        pairs["label"],
        pairs["hypothesis"],
        tokenizer=tokenizer,
        validation=None,
        epochs=12,
        learning_rate=2e-3,
        progress=False,
    )
    assert result.labels == ["contradiction", "entailment"]
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = deberta_c.pipeline("zero-shot-classification", model=tmp_path)
    assert classifier.model.config.label2id == {"contradiction": 0, "entailment": 1}
    assert classifier.entailment_id == 1
    assert right(classifier) == 1


def test_trainer_on_pairs(tokenizer, tmp_path):
    """The columns of `nli_pairs` with numbers for the labels."""
    model = small_model(num_hidden_layers=2, id2label={0: "entailment", 1: "not_entailment"})
    pairs = deberta_c.nli_pairs(TEXTS * 4, LABELS * 4, TEMPLATE)
    pairs["label"] = [model.config.label2id[name] for name in pairs["label"]]
    arguments = deberta_c.TrainingArguments(
        str(tmp_path),
        num_train_epochs=12,
        per_device_train_batch_size=16,
        learning_rate=2e-3,
        warmup_steps=0.1,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = deberta_c.Trainer(model, arguments, train_dataset=pairs, processing_class=tokenizer)
    trainer.remove_callback(deberta_c.training.callbacks.PrinterCallback)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert right(deberta_c.pipeline("zero-shot-classification", model=tmp_path / "saved")) == 1
