"""Options of `Trainer` as users of transformers give them: each works, or an error says what to do."""

import numpy as np
import pytest

import deberta_c
from deberta_c import Trainer, TrainerCallback, TrainingArguments
from deberta_c.training.callbacks import PrinterCallback
from tests.support.tiny_models import CONV
from tests.unit.training.test_trainer import data, same, small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]


def test_several_data_sets(tokenizer, tmp_path):
    sets = {"short": data(10, 1), "long": [{"text": "free entry now", "label": 1}] * 3}
    trainer = trainer_of(
        tokenizer, tmp_path, evaluate=sets, num_train_epochs=1, eval_strategy="epoch", save_strategy="epoch",
        load_best_model_at_end=True, metric_for_best_model="eval_long_loss",
    )  # fmt: skip
    trainer.train()
    found = trainer.evaluate()
    assert {"eval_short_loss", "eval_long_loss", "eval_short_accuracy", "eval_long_accuracy"} <= found.keys()
    assert trainer.state.best_metric == pytest.approx(found["eval_long_loss"])
    assert trainer.evaluate("long")["eval_long_loss"] == pytest.approx(found["eval_long_loss"])
    assert "test_a_loss" in trainer.evaluate({"a": data(4)}, metric_key_prefix="test")


def test_labels_by_name(tokenizer, tmp_path):
    named = data(20)
    named["label"] = [("ham", "spam")[label] for label in named["label"]]
    trainer = trainer_of(tokenizer, tmp_path, small_model(id2label={0: "ham", 1: "spam"}), evaluate=data(20))
    assert trainer.evaluate(named)["eval_loss"] == trainer.evaluate()["eval_loss"]
    named["label"][3] = "eggs"
    with pytest.raises(ValueError, match=r"labels\[3\] is 'eggs'"):
        trainer.evaluate(named)


def test_model_init_begins_anew(tokenizer, tmp_path):
    made = []

    def model_init(trial):
        assert trial is None
        made.append(small_model())
        return made[-1]

    arguments = TrainingArguments(str(tmp_path), max_steps=2, save_strategy="no", disable_tqdm=True)
    trainer = Trainer(None, arguments, None, data(16), None, tokenizer, model_init)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    first = weights(trainer.model)
    trainer.train()
    assert len(made) == 3
    assert trainer.model is made[2]
    assert same(first, weights(trainer.model))


def test_preprocessed_logits(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path)
    trainer.preprocess_logits_for_metrics = lambda logits, labels: logits.argmax(axis=-1) + 10 * labels
    trainer.compute_metrics = lambda found: {"rows": len(found.predictions), "least": int(found.predictions.max())}
    assert trainer.evaluate()["eval_rows"] == 40
    assert trainer.evaluate()["eval_least"] in (10, 11)


def test_a_loss_of_ones_own_weighs_rows_that_count(tokenizer, tmp_path):
    """A mean over rows that are not -100, in batches of different numbers of them, is the mean of the whole step."""
    rows = data(16)
    rows["label"] = [-100 if row in (0, 1, 2, 9) else label for row, label in enumerate(rows["label"])]

    def mean(logits, labels):
        return deberta_c._models.losses.loss_and_gradient("single_label_classification", logits, labels)

    def of_items(logits, labels, num_items_in_batch=None):
        return deberta_c._models.losses.loss_and_gradient(
            "single_label_classification", logits, labels, divisor=num_items_in_batch
        )

    found = []
    for function in (None, mean, of_items):
        model = small_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        trainer = trainer_of(
            tokenizer, tmp_path, model, train=rows, evaluate=rows, per_device_train_batch_size=4, max_steps=1,
            gradient_accumulation_steps=4, per_device_eval_batch_size=4,
        )  # fmt: skip
        trainer.compute_loss_func = function
        found.append((trainer.train().training_loss, trainer.evaluate()["eval_loss"]))
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-5)


def test_label_smoothing_counts_in_the_evaluation(tokenizer, tmp_path):
    model = small_model()
    plain = trainer_of(tokenizer, tmp_path, model)
    smooth = trainer_of(tokenizer, tmp_path, model, label_smoothing_factor=0.2)
    found = plain.predict(data(40, 1))
    scores = found.predictions - np.logaddexp(*found.predictions.T)[:, None]
    right = scores[np.arange(40), found.label_ids]
    assert smooth.evaluate()["eval_loss"] == pytest.approx(-(0.8 * right + 0.1 * scores.sum(axis=1)).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["compute_loss", "create_optimizer", "training_step", "get_train_dataloader"])
def test_methods_of_torch(tmp_path, name):
    own = type("OwnTrainer", (Trainer,), {name: lambda self, *arguments: None})
    with pytest.raises(TypeError, match=f"OwnTrainer has its own {name}, .*; .*give"):
        own(small_model(), TrainingArguments(str(tmp_path)))


def test_wrong_options(tmp_path):
    with pytest.raises(TypeError, match="give optim, learning_rate"):
        Trainer(small_model(), TrainingArguments(str(tmp_path)), optimizers=(object(), None))
    with pytest.raises(ValueError, match="a model or model_init"):
        Trainer(small_model(), model_init=small_model)
    with pytest.raises(ValueError, match="a model or model_init"):
        Trainer()


@pytest.mark.parametrize("family", ["deberta", "deberta-v2", "bert"])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_weights_of_a_file_in_a_session(family, dtype):
    """The session converts the tensors of files as the core does when it opens them."""
    from deberta_c import _core
    from deberta_c._files.checkpoint import Tensor
    from deberta_c._models.tensor_names import match_weights
    from deberta_c.training.session import Session
    from tests.golden.draw import tiny

    changes = {"conv_kernel_size": 3} if family == "deberta-v2" else {}
    config = deberta_c.AutoConfig.from_dict(tiny(family, **changes))
    model = deberta_c.AutoModelForSequenceClassification.from_config(config, seed=5)
    tensors = {}
    for name, tensor in model._weights().items():
        values = tensor.data.view(np.float32)
        if dtype == "F16":
            values = values.astype(np.float16)
        elif dtype == "BF16":
            values = (values.view(np.uint32) >> 16).astype(np.uint16)
        tensors[name] = Tensor(name, dtype, tensor.shape, values.view(np.uint8))
    session = Session(deberta_c.AutoModelForSequenceClassification.from_config(config, seed=6))
    session.set_weights(tensors)
    matched = match_weights(model._wanted(model._opened), tensors, model._opened.settings, {})
    expected = _core.Training(model._opened.settings, matched.tensors)
    for name in session.core.names:
        assert np.array_equal(session.core.parameter(name), expected.parameter(name)), name


@pytest.mark.parametrize(
    ("options", "evaluations"),
    [
        ({}, 4),
        ({"save_strategy": "no"}, 4),
        ({"save_strategy": "best"}, 4),
        ({"eval_strategy": "steps", "eval_steps": 2}, 8),
        ({"save_strategy": "steps", "save_steps": 2}, 8),
        ({"eval_strategy": "no"}, 0),
    ],
)
def test_fit_with_strategies(options, evaluations):
    from tests.unit.training.test_trainer import column

    texts, labels = column(64)
    model = small_model()
    if options.get("save_strategy") == "no":
        with pytest.warns(UserWarning, match="last weights"):
            result = model.fit(texts, labels, epochs=4, patience=10, progress=False, tokenizer=_tokenizer(), **options)
    else:
        result = model.fit(texts, labels, epochs=4, patience=10, progress=False, tokenizer=_tokenizer(), **options)
    assert len(result.history) == 4
    assert ("validation_loss" in result.history[0]) == (evaluations > 0)


def _tokenizer():
    return deberta_c.AutoTokenizer.from_pretrained(deberta_c.default_model())


class Events(TrainerCallback):
    """Notes the events, and whether they have the data sets."""

    def __init__(self):
        self.seen, self.given = [], []
        for name in ("on_step_begin", "on_substep_end", "on_step_end", "on_prediction_step", "on_predict"):
            setattr(self, name, self._noting(name))

    def _noting(self, name):
        def note(args, state, control, **others):
            self.seen.append((name, state.epoch))
            self.given.append((others["train_dataloader"], others["eval_dataloader"]))

        return note


def test_events_within_an_update_and_of_predictions(tokenizer, tmp_path):
    """An epoch of five batches, two an update: the last update has one."""
    events, train, held_out = Events(), data(20), data(4, 1)
    trainer = trainer_of(
        tokenizer, tmp_path, callbacks=[events], train=train, evaluate=held_out, per_device_train_batch_size=4,
        gradient_accumulation_steps=2, num_train_epochs=1, per_device_eval_batch_size=2,
    )  # fmt: skip
    trainer.train()
    step = ["on_step_begin", "on_substep_end", "on_step_end"]
    assert [name for name, _ in events.seen] == [*step, *step, "on_step_begin", "on_step_end"]
    assert [epoch for name, epoch in events.seen if name == "on_step_end"] == [0.4, 0.8, 1.0]
    assert all(given[0] is train and given[1] is held_out for given in events.given)
    events.seen.clear()
    trainer.predict(train)
    assert [name for name, _ in events.seen] == ["on_prediction_step"] * 10 + ["on_predict"]
    assert events.given[-1][1] is train


def test_metrics_have_the_epoch_and_predictions_their_time(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=1)
    assert trainer.evaluate()["epoch"] == 0
    metrics = trainer.train().metrics
    assert metrics["epoch"] == 1
    assert metrics["total_flos"] > 0
    assert trainer.evaluate()["epoch"] == 1
    unlabelled = trainer.predict({"text": ["see you at home"] * 3})
    assert unlabelled.label_ids is None
    assert set(unlabelled.metrics) == {f"test_{name}" for name in ("runtime", "samples_per_second", "steps_per_second")}


@pytest.mark.filterwarnings("ignore:the model gives all rows")
def test_the_evaluation_at_the_start_is_not_the_best(tokenizer, tmp_path):
    """It has no checkpoint, so that the best one is among those of the training, though all are worse."""
    options = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True, "learning_rate": 0.5}
    trainer = trainer_of(tokenizer, tmp_path, eval_on_start=True, **options)
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert losses[0] < min(losses[1:])
    assert trainer.state.best_metric == min(losses[1:])
    assert trainer.state.best_model_checkpoint == str(tmp_path / f"checkpoint-{trainer.state.best_global_step}")


def test_a_checkpoint_has_the_tokenizer(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, num_train_epochs=1, save_strategy="epoch")
    trainer.train()
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "checkpoint-8")
    texts = data(4, 1)["text"]
    assert np.array_equal(model.predict(texts), trainer.model.predict(texts, tokenizer=tokenizer))


def test_a_convolution_in_groups(tmp_path):
    """It cannot be trained, which is said before the first step; where it is frozen it is saved as it was."""
    config = deberta_c.DebertaV2Config.from_dict(CONV)
    model = deberta_c.AutoModelForSequenceClassification.from_config(config, seed=1)
    before = {name: value.copy() for name, value in model.named_parameters()}
    rows = {"input_ids": [[1, 5, 6, 2], [1, 9, 8, 7, 2], [1, 11, 2]] * 4, "labels": [0, 1, 2] * 4}
    with pytest.raises(
        ValueError, match="conv_groups is 2, and a convolution in groups cannot be trained; give freeze"
    ):
        trainer_of(None, tmp_path / "all", model, train=rows, evaluate=rows).train()
    assert not (tmp_path / "all").exists()
    trainer = trainer_of(
        None, tmp_path / "some", model, train=rows, evaluate=rows, freeze_layers=1, save_strategy="epoch"
    )
    trainer.train()
    after = dict(model.named_parameters())
    name = "deberta.encoder.conv.conv.weight"
    assert np.array_equal(after[name], before[name])
    assert not np.array_equal(after["classifier.weight"], before["classifier.weight"])


def test_a_negative_label_does_not_count(tokenizer, tmp_path):
    """In DeBERTa without a `problem_type` any negative one, as in transformers."""
    rows, model = data(12), small_model(hidden_dropout_prob=0.0, problem_type=None)
    some = {**rows, "label": [-1 if row % 3 == 0 else label for row, label in enumerate(rows["label"])]}
    kept = {name: [value for row, value in enumerate(column) if row % 3] for name, column in rows.items()}
    trainer = trainer_of(tokenizer, tmp_path, model, train=some, evaluate=some, num_train_epochs=1)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(trainer.evaluate(kept)["eval_loss"])
    trainer.train()


def test_whole_floats_are_classes(tokenizer, tmp_path):
    """In DeBERTa without a `problem_type`, as in transformers, which cuts others to integers."""
    rows, model = data(12), small_model(problem_type=None)
    floats = {**rows, "label": [float(label) for label in rows["label"]]}
    trainer = trainer_of(tokenizer, tmp_path, model, train=floats, evaluate=rows, num_train_epochs=1)
    assert trainer.evaluate(floats)["eval_loss"] == trainer.evaluate()["eval_loss"]
    trainer.train()
    with pytest.raises(TypeError, match="must hold integers"):
        trainer.evaluate({**rows, "label": [0.5] * 12})


def test_arguments_and_data_sets_of_another_kind(tokenizer, tmp_path):
    class Arguments:
        output_dir = "out"

    with pytest.raises(TypeError, match=r"args is a \w+ Arguments; give a deberta_c\.TrainingArguments"):
        Trainer(small_model(), Arguments())
    splits = {"train": data(8), "test": data(8)}
    with pytest.raises(ValueError, match=r"\['test', 'train'\]; each is a data set: give .* train_dataset\['test'\]"):
        trainer_of(tokenizer, tmp_path, train=splits).train()
