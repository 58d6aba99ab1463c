"""`Trainer` with every head: the loss of an evaluation is that of the model, and a training lowers it."""

import numpy as np
import pytest

import deberta_c
from deberta_c.training.callbacks import PrinterCallback
from tests.golden.draw import tiny

FIELDS = {"model_type": "deberta-v2", "num_hidden_layers": 2, "max_position_embeddings": 64}
IDS = [[1, 7, 9, 30, 2], [1, 11, 2], [1, 31, 32, 33, 34, 35, 2], [1, 12, 5, 6, 2]] * 6
WIDTH = max(map(len, IDS))
MASK = np.array([[1] * len(row) + [0] * (WIDTH - len(row)) for row in IDS])
PADDED = np.array([row + [0] * (WIDTH - len(row)) for row in IDS])
TOKENS = np.where((MASK == 1) & (PADDED > 2), PADDED % 3, -100)
HEADS = {
    "TokenClassification": ({"num_labels": 3}, {"labels": TOKENS}),
    "PreTraining": ({}, {"labels": np.where(MASK == 1, PADDED % 2, -100)}),
    "MaskedLM": ({}, {"labels": np.where(PADDED % 4 == 3, PADDED + 3, -100)}),
    "QuestionAnswering": (
        {"num_labels": 2},
        {"start_positions": MASK.sum(axis=1) // 2, "end_positions": MASK.sum(axis=1) - 1},
    ),
    "SequenceClassification": ({"num_labels": 2}, {"labels": PADDED[:, 1] % 2}),
}


@pytest.mark.parametrize("head", HEADS)
def test_evaluation_and_training(tmp_path, head):
    fields, labels = HEADS[head]
    config = deberta_c.DebertaV2Config.from_dict({**tiny(**FIELDS), **fields})
    model = getattr(deberta_c, f"DebertaV2For{head}")(config, seed=1)
    inputs = {"input_ids": PADDED, "attention_mask": MASK, **labels}
    arguments = {"num_train_epochs": 12, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True}
    data = {name: list(column) for name, column in inputs.items()}
    trainer = deberta_c.Trainer(model, deberta_c.TrainingArguments(str(tmp_path), **arguments), None, data, data)
    trainer.remove_callback(PrinterCallback)
    before = float(model(**inputs).loss)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(before, rel=1e-5)
    trainer.train()
    after = trainer.evaluate()["eval_loss"]
    assert after < 0.8 * before
    assert float(model(**inputs).loss) == pytest.approx(after, rel=1e-5)
    assert trainer.predict(data).predictions is not None


def test_choices(tmp_path):
    config = deberta_c.DebertaV2Config.from_dict(tiny(**FIELDS))
    model = deberta_c.DebertaV2ForMultipleChoice(config, seed=1)
    ids = PADDED.reshape(-1, 2, WIDTH)
    inputs = {"input_ids": ids, "attention_mask": MASK.reshape(ids.shape), "labels": ids[:, 0, 1] % 2}
    arguments = {"num_train_epochs": 12, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True}
    data = {name: column.tolist() for name, column in inputs.items()}
    trainer = deberta_c.Trainer(model, deberta_c.TrainingArguments(str(tmp_path), **arguments), None, data, data)
    trainer.remove_callback(PrinterCallback)
    before = float(model(**inputs).loss)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(before, rel=1e-5)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.8 * before


def test_words_get_the_labels_of_their_first_tokens(tmp_path):
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())
    config = tiny(**{**FIELDS, "vocab_size": len(tokenizer)})
    model = deberta_c.DebertaV2ForTokenClassification(deberta_c.DebertaV2Config.from_dict(config), seed=1)
    data = {"tokens": [["Congratulations", "Anna"], ["hello", "you"]] * 4, "ner_tags": [[0, 1], [0, 0]] * 4}
    trainer = deberta_c.Trainer(
        model, deberta_c.TrainingArguments(str(tmp_path), disable_tqdm=True), None, data, data, tokenizer
    )
    encoded = tokenizer(data["tokens"], is_split_into_words=True, padding=True, return_tensors="np")
    labels = np.full(encoded["input_ids"].shape, -100)
    for row in range(len(labels)):
        words = encoded.word_ids(row)
        for place, word in enumerate(words):
            if word is not None and word != words[place - 1]:
                labels[row, place] = int(row % 2 == 0 and word == 1)
    expected = model(**{name: encoded[name] for name in ("input_ids", "attention_mask")}, labels=labels).loss
    assert trainer.evaluate()["eval_loss"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.filterwarnings("ignore:the model gives all")
def test_accumulated_batches_are_one_mean(tmp_path, head):
    """Batches of two rows, with different numbers of labels, have the gradient of the six together."""
    fields, labels = HEADS[head]
    config = deberta_c.DebertaV2Config.from_dict(
        {**tiny(**FIELDS), **fields, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    data = {name: list(column) for name, column in {"input_ids": PADDED, "attention_mask": MASK, **labels}.items()}
    found = []
    for size, each in ((6, 1), (2, 3)):
        model = getattr(deberta_c, f"DebertaV2For{head}")(config, seed=1)
        arguments = deberta_c.TrainingArguments(
            str(tmp_path), per_device_train_batch_size=size, gradient_accumulation_steps=each, num_train_epochs=2,
            learning_rate=1e-3, optim="xadam", adam_epsilon=1e-3, save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = deberta_c.Trainer(model, arguments, train_dataset=data)
        trainer.remove_callback(PrinterCallback)
        out = trainer.train()
        found.append((out.global_step, out.training_loss, dict(model.named_parameters())))
    assert found[0][0] == found[1][0] == 8
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)
    for name, value in found[0][2].items():
        np.testing.assert_allclose(found[1][2][name], value, rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("deberta-v2", {"num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 7}),
        ("deberta-v2", {"num_hidden_layers": 5, "hidden_size": 20, "num_attention_heads": 20, "vocab_size": 40}),
        ("deberta", {"num_hidden_layers": 3, "hidden_size": 33, "num_attention_heads": 3, "intermediate_size": 50}),
        ("bert", {"num_hidden_layers": 2, "hidden_size": 10, "num_attention_heads": 1, "intermediate_size": 65}),
    ],
)
@pytest.mark.filterwarnings("ignore:the model gives all")
def test_models_of_any_size(tmp_path, family, sizes):
    """Drawn from a configuration, with as few positions as the rows need, they learn like any other."""
    config = deberta_c.AutoConfig.from_dict(
        tiny(family, **{**sizes, "max_position_embeddings": WIDTH, "num_labels": 2})
    )
    model = deberta_c.AutoModelForSequenceClassification.from_config(config, seed=1)
    data = {"input_ids": IDS, "labels": [row[1] % 3 % 2 for row in IDS]}
    arguments = deberta_c.TrainingArguments(
        str(tmp_path), num_train_epochs=15, learning_rate=5e-3, save_strategy="no", disable_tqdm=True
    )
    trainer = deberta_c.Trainer(model, arguments, train_dataset=data, eval_dataset=data)
    trainer.remove_callback(PrinterCallback)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.85 * before
    model.save_pretrained(tmp_path / "saved")
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert np.array_equal(again(IDS[:1]).logits, model(IDS[:1]).logits)
