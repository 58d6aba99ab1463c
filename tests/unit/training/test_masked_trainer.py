"""`Trainer` with a masked language model: labels of its own, or masks drawn by a collator."""

import numpy as np
import pytest

import deberta_c
from deberta_c.training.callbacks import PrinterCallback
from tests.golden.draw import tiny

TEXTS = ["win a prize now and call us", "see you at home for dinner", "free entry in a weekly competition"] * 8


@pytest.fixture(scope="module")
def tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


def model_of(tokenizer, seed=1):
    config = tiny(model_type="deberta-v2", vocab_size=len(tokenizer), num_hidden_layers=2, max_position_embeddings=64)
    return deberta_c.DebertaV2ForMaskedLM(deberta_c.DebertaV2Config.from_dict(config), seed=seed)


def trainer_of(model, tmp_path, dataset, collator=None, tokenizer=None, **arguments):
    options = {"save_strategy": "no", "disable_tqdm": True, "learning_rate": 3e-3, **arguments}
    trainer = deberta_c.Trainer(
        model, deberta_c.TrainingArguments(str(tmp_path), **options), collator, dataset, dataset, tokenizer
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def test_labels_of_rows(tokenizer, tmp_path):
    """The loss is the mean over all labelled tokens, and falls."""
    rows = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3, seed=3)(
        [tokenizer(text) for text in TEXTS]
    )
    data = {name: list(rows[name]) for name in ("input_ids", "attention_mask", "labels")}
    model = model_of(tokenizer)
    expected = model(**{name: np.array(column) for name, column in data.items()}).loss
    trainer = trainer_of(model, tmp_path, data, num_train_epochs=8, gradient_accumulation_steps=2)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(float(expected), rel=1e-5)
    trainer.train()
    trained = trainer.evaluate()["eval_loss"]
    assert trained < expected - 1
    assert model(**{name: np.array(column) for name, column in data.items()}).loss == pytest.approx(trained, rel=1e-5)
    predictions = trainer.predict(data)
    assert predictions.predictions.shape == (len(TEXTS), rows["input_ids"].shape[1], len(tokenizer))


def test_a_collator_draws_the_masks(tokenizer, tmp_path):
    collator = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3)
    trainer = trainer_of(model_of(tokenizer), tmp_path, {"text": TEXTS}, collator, tokenizer, num_train_epochs=12)
    before = trainer.evaluate()["eval_loss"]
    assert trainer.evaluate()["eval_loss"] == before
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before - 1
    again = trainer_of(model_of(tokenizer), tmp_path, {"text": TEXTS}, collator, tokenizer, num_train_epochs=12)
    assert again.train().training_loss == pytest.approx(trainer.state.log_history[-2]["train_loss"], rel=0)


def test_label_smoothing_and_a_function_for_the_loss(tokenizer, tmp_path):
    rows = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3, seed=3)(
        [tokenizer(text) for text in TEXTS]
    )
    data = {name: list(rows[name]) for name in ("input_ids", "attention_mask", "labels")}
    losses = {}
    for smoothing in (0.0, 0.1):
        trainer = trainer_of(model_of(tokenizer), tmp_path, data, label_smoothing_factor=smoothing, max_steps=2)
        losses[smoothing] = trainer.train().training_loss
    assert losses[0.0] != losses[0.1]

    def zero(logits, labels):
        assert logits.shape == (len(labels), len(tokenizer))
        return 0.0, np.zeros_like(logits)

    trainer = trainer_of(model_of(tokenizer), tmp_path, data, max_steps=1)
    trainer.compute_loss_func = zero
    assert trainer.train().training_loss == 0


def test_wrong_collators_and_labels(tokenizer, tmp_path):
    whole = deberta_c.DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True)
    with pytest.raises(ValueError, match=r"deberta_c\.pretrain masks whole words"):
        trainer_of(model_of(tokenizer), tmp_path, {"text": TEXTS}, whole, tokenizer)
    with pytest.raises(ValueError, match="no labels"):
        trainer_of(model_of(tokenizer), tmp_path, {"text": TEXTS}, None, tokenizer).train()
    data = {"input_ids": [[1, 5, 2]], "labels": [[-100, 10**6, -100]]}
    with pytest.raises(ValueError, match="labels has 1000000"):
        trainer_of(model_of(tokenizer), tmp_path, data).train()


def test_resumed_and_the_best(tokenizer, tmp_path):
    """A checkpoint has the tied output layer once; it is read again, bit for bit."""
    rows = deberta_c.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3, seed=3)(
        [tokenizer(text) for text in TEXTS]
    )
    data = {name: list(rows[name]) for name in ("input_ids", "attention_mask", "labels")}
    options = {
        "save_strategy": "epoch", "eval_strategy": "epoch", "load_best_model_at_end": True,
        "lr_scheduler_type": "constant",
    }  # fmt: skip
    whole = trainer_of(model_of(tokenizer), tmp_path / "whole", data, num_train_epochs=2, **options)
    whole.train()
    trainer_of(model_of(tokenizer), tmp_path / "parts", data, num_train_epochs=1, **options).train()
    resumed = trainer_of(model_of(tokenizer), tmp_path / "parts", data, num_train_epochs=2, **options)
    resumed.train(resume_from_checkpoint=True)
    found, expected = dict(resumed.model.named_parameters()), dict(whole.model.named_parameters())
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
