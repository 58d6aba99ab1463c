"""Wrong arguments, data sets, functions and callbacks of a training: what is raised, and what it says."""

import gzip
import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import deberta_c
from deberta_c import LoraConfig, TrainerCallback, TrainingArguments
from deberta_c._cli.main import main
from deberta_c.training.one_class import OneClassCallback, check_predictions
from deberta_c.training.tune import tune
from tests.unit.training.test_fit import LABELS, SHORT, TEXTS, new_model
from tests.unit.training.test_trainer import data, same, small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]


def scheduled(name, **options):
    return {"lr_scheduler_type": name, "lr_scheduler_kwargs": options}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seed": "a"}, ValueError, "seed is 'a'; it must be an integer of at least 0"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": float("nan")}, ValueError, "seed is nan"),
        ({"data_seed": 0.5}, ValueError, "data_seed is 0.5; it must be an integer of at least 0, or None"),
        ({"max_steps": 2.5}, ValueError, "max_steps is 2.5; it must be an integer"),
        ({"save_total_limit": "2"}, ValueError, "save_total_limit is '2'; it must be an integer, or None"),
        ({"eval_delay": "x"}, TypeError, "eval_delay is 'x' of type str"),
        ({"eval_delay": -1}, ValueError, "eval_delay is -1"),
        ({"adam_epsilon": 0}, ValueError, "adam_epsilon is 0.*; it must be above 0"),
        ({"gradient_accumulation_steps": 1.5}, ValueError, "gradient_accumulation_steps is 1.5"),
        ({"logging_steps": float("inf")}, ValueError, "logging_steps is inf"),
        ({"lr_scheduler_kwargs": "{"}, ValueError, "lr_scheduler_kwargs is '{'; give a dict"),
        ({"lr_scheduler_kwargs": "3"}, ValueError, "lr_scheduler_kwargs is '3'; give a dict"),
        ({"lr_scheduler_type": "linaer"}, ValueError, "lr_scheduler_type is 'linaer'; did you mean 'linear'?"),
        ({"lr_scheduler_kwargs": {"power": 2}}, TypeError, "of 'linear' is {'power': 2}, but this schedule has no"),
        (scheduled("cosine", cycles=2), TypeError, "'cosine' has no option 'cycles'; did you mean 'num_cycles'"),
        (scheduled("cosine", num_cycles="2"), TypeError, "num_cycles in .* of 'cosine' is '2'; it must be a number"),
        (scheduled("polynomial", power=-1), ValueError, "power in .* is -1; it must be a number of at least 0"),
        (scheduled("polynomial", lr_end=1), ValueError, "lr_end in .* is 1; it must be below learning_rate, .* 5e-05"),
        (scheduled("inverse_sqrt", timescale=float("nan")), ValueError, "timescale in .* is nan"),
        (scheduled("cosine_with_min_lr"), ValueError, "has neither of min_lr and min_lr_rate; give one of them"),
        (scheduled("cosine_with_min_lr", min_lr=0, min_lr_rate=0), ValueError, "has both of min_lr and min_lr_rate"),
        ({"lora": {"rank": 3}}, TypeError, "lora has the key 'rank'; it must be one of r, lora_alpha"),
        ({"lora": {"lora_alpha": "8"}}, ValueError, "lora_alpha is '8'; it must be a number above 0"),
        ({"lora": {"lora_alpha": float("inf")}}, ValueError, "lora_alpha is inf"),
        ({"lora": {"r": True}}, ValueError, "r of LoRA is True"),
        ({"lora": {"target_modules": []}}, ValueError, r"target_modules is \[\]; name a module"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        TrainingArguments(**options)


def test_numbers_of_numpy_are_numbers():
    """They can be written into a checkpoint, and a whole float counts as an integer."""
    arguments = TrainingArguments(
        seed=np.int64(3), learning_rate=np.float32(0.5), per_device_train_batch_size=np.int32(4), max_steps=3.0,
        gradient_accumulation_steps=2.0, data_seed=np.uint8(1), warmup_steps=np.float32(0.25),
    )  # fmt: skip
    found = arguments.to_dict()
    assert '"learning_rate": 0.5' in arguments.to_json_string()
    names = ("seed", "per_device_train_batch_size", "max_steps", "gradient_accumulation_steps", "data_seed")
    assert [type(found[name]) for name in names] == [int] * 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seed": "a"}, ValueError, "seed is 'a'"),
        ({"seed": 1.5}, ValueError, "seed is 1.5"),
        ({"lr_scheduler_kwargs": "{"}, ValueError, "lr_scheduler_kwargs"),
        ({"progress": "no"}, TypeError, "progress is 'no' of type str; give True or False"),
        ({"resume": "no"}, TypeError, "resume is 'no' of type str; give True or False"),
        ({"freeze_embeddings": "no"}, TypeError, "freeze_embeddings is 'no'"),
        ({"resume": True}, ValueError, "resume is True, but output_dir is None"),
        (
            {"learning_rate": 1e10},
            FloatingPointError,
            "eval_loss after step 2 is nan; lower learning_rate, which is 1e.10, or",
        ),
        ({"learning_rate": 1e10, "validation": None}, FloatingPointError, "answers NaN or infinity"),
        ({"freeze_layers": 9}, ValueError, "freeze_layers is 9, but the model has 2 layers"),
        ({"lora": LoraConfig(target_modules=["no"])}, ValueError, "target_modules has 'no'"),
    ],
)
def test_fit_that_fails_leaves_the_names_of_the_labels(options, error, message):
    model = new_model()
    before = dict(model.config.id2label), dict(model.config.label2id)
    with pytest.raises(error, match=message):
        model.fit(TEXTS, ["b", "b", "a", "a"] * 5, **{**SHORT, "epochs": 1, **options})
    assert (dict(model.config.id2label), dict(model.config.label2id)) == before


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"input_ids": [[1.5, 2.0]]}, ValueError, r"train_dataset input_ids\[0\] is \[1.5, 2.0\]; it must be a list"),
        ({"input_ids": [[1, float("nan")]]}, ValueError, r"input_ids\[0\] is \[1, nan\]"),
        ({"input_ids": [[1, 2**40]]}, ValueError, r"input_ids\[0\]"),
        ({"input_ids": [[1], [[2]]]}, ValueError, r"input_ids\[1\] is \[\[2\]\]"),
        ({"input_ids": [None]}, ValueError, r"input_ids\[0\] is None"),
        ({"input_ids": ["abc"]}, ValueError, r"input_ids\[0\] is 'abc'"),
        ({"input_ids": [[1, -1]]}, ValueError, "id -1 of token 1 is outside the vocabulary"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1]]}, ValueError, r"attention_mask\[0\] has 1 numbers, .* 2"),
        ({"input_ids": [[1, 2]] * 2, "attention_mask": [[1, 1]]}, ValueError, "attention_mask has 1 rows, .* 2"),
        ({"text": ["a", "b"], "label": [1, None]}, ValueError, r"train_dataset labels\[1\] is missing"),
        ({"text": ["a", "b"], "teacher_logits": np.ones((3, 2))}, ValueError, "2 rows, but 3 teacher_logits"),
        ({"text": ["a", "b"], "teacher_logits": [[1, 2], [1]]}, ValueError, "teacher_logits are not an array"),
        ({"text": ["a", None]}, ValueError, r"^train_dataset: text\[1\] is missing"),
        ({"sentence1": ["a", "b"], "sentence2": ["a", 3]}, TypeError, r"^train_dataset: sentence2\[1\] is 3"),
        ({"text": ["a", "\ud800"]}, ValueError, r"^train_dataset: text\[1\] "),
        (3, TypeError, "train_dataset is 3; give a DataFrame"),
        ("abc", TypeError, "train_dataset is 'abc'; give a DataFrame"),
    ],
)
@pytest.mark.filterwarnings("ignore:train_dataset has no row")
def test_wrong_data_sets(tokenizer, tmp_path, columns, error, message):
    if isinstance(columns, dict) and "label" not in columns:
        columns = {**columns, "label": [0, 1] * (len(next(iter(columns.values()))) // 2) or [0]}
    with pytest.raises(error, match=message):
        trainer_of(tokenizer, tmp_path, train=columns).train()


def test_two_columns_of_one_name(tokenizer, tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([["a", "b", 1]], columns=["text", "text", "label"])
    with pytest.raises(ValueError, match="two columns named 'text'"):
        trainer_of(tokenizer, tmp_path, train=frame).train()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda logits, labels: 1.0, TypeError, "compute_loss_func returned 1.0; it must return two things"),
        (lambda logits, labels: None, TypeError, "compute_loss_func returned None"),
        (lambda logits, labels: (np.ones(3), logits), TypeError, "compute_loss_func returned"),
        (lambda logits, labels: (1.0, np.ones(len(logits))), ValueError, r"gradient of shape \(8,\); .* \(8, 2\)"),
        (lambda logits, labels: (float("nan"), logits), FloatingPointError, "loss of step 1 is nan"),
    ],
)
def test_wrong_loss_functions(tokenizer, tmp_path, function, error, message):
    trainer = trainer_of(tokenizer, tmp_path)
    trainer.compute_loss_func = function
    with pytest.raises(error, match=message):
        trainer.train()


def test_a_loss_function_has_no_teacher(tokenizer, tmp_path):
    trainer = trainer_of(tokenizer, tmp_path, train={**data(8), "teacher_logits": np.ones((8, 2))})
    trainer.compute_loss_func = lambda logits, labels: (0.0, 0 * logits)
    with pytest.raises(ValueError, match="train_dataset has teacher_logits, but compute_loss_func replaces the loss"):
        trainer.train()


def test_wrong_metrics_and_callbacks(tokenizer, tmp_path):
    class Wrong(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            return True

    with pytest.raises(TypeError, match=r"Wrong.on_step_end returned True; it must return the control, or None"):
        trainer_of(tokenizer, tmp_path, callbacks=[Wrong()]).train()
    trainer = trainer_of(tokenizer, tmp_path, eval_strategy="epoch")
    trainer.compute_metrics = lambda found: None
    with pytest.raises(TypeError, match="compute_metrics returned None; it must return a dict"):
        trainer.train()
    trainer = trainer_of(tokenizer, tmp_path, eval_strategy="epoch", metric_for_best_model="each")
    trainer.compute_metrics = lambda found: {"each": np.ones(2)}
    with pytest.raises(ValueError, match="metric_for_best_model is 'each', but the metrics are"):
        trainer.train()


def test_a_callback_that_raises_leaves_the_model(tokenizer, tmp_path):
    class Raise(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            raise RuntimeError("mine")

    trainer = trainer_of(tokenizer, tmp_path, callbacks=[Raise()])
    before = trainer.model.predict(TEXTS, tokenizer=tokenizer)
    with pytest.raises(RuntimeError, match="mine"):
        trainer.train()
    assert np.array_equal(trainer.model.predict(TEXTS, tokenizer=tokenizer), before)
    trainer.pop_callback(Raise)
    assert trainer.train().global_step == 16


@pytest.mark.parametrize(
    ("keys", "labels", "message"),
    [
        ({"num_labels": 2}, ["x"] * 20, "labels has one label only, 'x', from which .* learns nothing"),
        ({"num_labels": 2}, [7, "7"] * 10, "labels has '7' as a number and as a str"),
        ({"num_labels": 3}, [["a", "a"], ["b", "c"]] * 10, r"labels\[0\] is \['a', 'a'\]; .* each once"),
        ({"num_labels": 3}, [[0, 0, 1], [1, 0]] * 10, r"labels\[0\] is \[0, 0, 1\]; .* a 0 or 1 for each of the 3"),
    ],
)
@pytest.mark.filterwarnings("ignore::deberta_c.MissingHeadWarning")
def test_wrong_labels(keys, labels, message):
    with pytest.raises(ValueError, match=message):
        new_model(**keys).fit(TEXTS, labels, **SHORT)


def test_a_model_that_predicts_one_class_only():
    """It stops after as many validations as `patience` says, and one more, and says what may help."""
    texts = ["the same words"] * 20
    said = r"gives all rows of 3 evaluations in a row one label, '(ham|spam)', and the training stops; give a lower"
    with pytest.warns(UserWarning, match=said) as found:
        result = new_model().fit(texts, LABELS, **{**SHORT, "learning_rate": 1e-3}, epochs=12)
    assert len([warning for warning in found if "gives all rows" in str(warning)]) == 1
    assert result.stopped_early
    assert len(result.history) < 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 1, "warmup_steps": 0.1}, r"one step, .* is 0; give more epochs .* \(warmup_steps=0"),
        ({"max_steps": 1, "warmup_steps": 3}, "one step"),
        ({"learning_rate": 0}, "learning_rate is 0, .*; give a number above 0"),
        ({"max_steps": 2, "warmup_steps": 2}, None),
        ({"max_steps": 1}, None),
    ],
)
def test_a_training_that_changes_nothing_warns(tokenizer, tmp_path, options, message):
    """Where the learning rate of all steps is 0, as that of the first step of a warm-up."""
    trainer = trainer_of(tokenizer, tmp_path, **options)
    before = weights(trainer.model)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        trainer.train()
    said = [str(warning.message) for warning in found if "changes nothing" in str(warning.message)]
    assert len(said) == (message is not None)
    assert not said or re.search(message, said[0])
    assert same(before, weights(trainer.model)) == (message is not None)
    assert {warning.filename for warning in found} <= {__file__}


def test_fit_of_one_step_warns():
    with pytest.warns(UserWarning, match="in fit and pretrain warmup=0"):
        new_model().fit(TEXTS, LABELS, **SHORT, epochs=1, batch_size=32)


def constant(rows):
    """Rows of equal texts, of which nothing can be learnt."""
    return {"text": ["the same words"] * rows, "label": [0, 1] * (rows // 2)}


def test_a_trainer_looks_for_one_class(tokenizer, tmp_path):
    """It warns once, and changes no bit of the training; a loss of one's own is left out."""
    bits = []
    for checked in (True, False):
        trainer = trainer_of(tokenizer, tmp_path, train=constant(16), num_train_epochs=1)
        if not checked:
            trainer._check_classes = lambda rows, session: None
        with pytest.warns(UserWarning, match="gives all rows") if checked else nullcontext() as found:
            trainer.train()
        assert not checked or len(found) == 1
        bits.append(weights(trainer.model))
    assert same(*bits)
    trainer = trainer_of(tokenizer, tmp_path, train=constant(16), num_train_epochs=1)
    trainer.compute_loss_func = lambda logits, labels: (0.0, 0 * logits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.train()


def test_fit_warns_once_of_one_class():
    with pytest.warns(UserWarning, match="gives all rows") as found:
        new_model().fit(["the same words"] * 20, LABELS, **SHORT, epochs=1, validation=None)
    assert len(found) == 1


@pytest.mark.filterwarnings("ignore:the model gives all")
def test_a_trainer_stops_at_one_class_where_it_is_asked_to(tokenizer, tmp_path):
    options = {"eval_strategy": "epoch", "num_train_epochs": 9, "train": constant(16), "evaluate": constant(16)}
    assert trainer_of(tokenizer, tmp_path, callbacks=[OneClassCallback(2)], **options).train().global_step == 4
    assert trainer_of(tokenizer, tmp_path, **options).train().global_step == 18


def test_one_class_is_no_fault_where_the_loss_falls():
    callback = OneClassCallback(2)
    labels, control = np.array([0, 0, 0, 1]), deberta_c.TrainerControl()
    logits = np.array([[2.0, 0], [2, 0], [2, 0], [0.1, 0]])
    for _ in range(5):
        callback.on_evaluate(None, None, control, predictions=[(logits, labels)])
    assert not control.should_training_stop
    callback.count = 1
    for step, kept in ((3, 1), (0, 0)):  # a training that goes on, and a new one
        callback.on_train_begin(None, deberta_c.TrainerState(global_step=step), control)
        assert callback.count == kept
    with pytest.raises(FloatingPointError, match="NaN"):
        check_predictions(np.full((4, 2), np.nan), labels, {})


def test_any_metric_is_better_than_nan():
    callback, control = deberta_c.EarlyStoppingCallback(1), deberta_c.TrainerControl()
    arguments = deberta_c.TrainingArguments(metric_for_best_model="f1", greater_is_better=True)
    for best, stops in ((float("nan"), False), (0.75, True)):
        state = deberta_c.TrainerState(best_metric=best)
        callback.on_evaluate(arguments, state, control, metrics={"eval_f1": 0.5})
        assert control.should_training_stop == stops


def test_tune_of_trials_that_all_diverge():
    with pytest.raises(FloatingPointError, match="all 2 trials is NaN or infinite; give lower values"):
        tune(new_model, TEXTS, LABELS, space={"learning_rate": [1e10, 1e11]}, epochs=1, max_length=8)


def test_tune_that_is_stopped_before_a_trial_has_weights():
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(new_model, TEXTS, LABELS, space={"learning_rate": [1e10, 1e-3]}, epochs=1, max_length=8, on_trial=stop)


def test_tune_over_values_of_any_kind():
    result = tune(
        new_model, TEXTS, LABELS, space={"lora": [None, {"r": 2}]}, epochs=1, learning_rate=1e-3, max_length=8
    )
    assert result.searched == ["lora"]
    assert len(result.rows) == 2


def test_ragged_and_plain_rows_with_masks(tokenizer, tmp_path):
    """Masks of bool, ids of any integer type, and arrays of two dimensions are rows, too."""
    ids = np.arange(4, 36, dtype=np.uint16).reshape(8, 4)
    mask = np.ones((8, 4), bool)
    mask[:, 3] = False
    train = {"input_ids": ids, "attention_mask": mask, "label": [0, 1] * 4}
    out = trainer_of(tokenizer, tmp_path, small_model(), train=train, evaluate=data(8), num_train_epochs=1).train()
    assert out.global_step == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps is 0; it must be an integer of at least 1, or None"),
        ({"seed": "a"}, ValueError, "seed is 'a'"),
        ({"progress": "no"}, TypeError, "progress is 'no'"),
        ({"resume": "no"}, TypeError, "resume is 'no'"),
        ({"batch_size": 0}, ValueError, "^batch_size is 0"),
        ({"validation": 0}, ValueError, "validation is 0"),
        ({"detection_weight": float("nan")}, ValueError, "detection_weight is nan"),
    ],
)
def test_wrong_calls_of_pretrain(tokenizer, tmp_path, options, error, message):
    config = deberta_c.BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    texts, out = tmp_path / "texts.txt", tmp_path / "out"
    texts.write_text("win a prize now\nsee you at home\n" * 20)
    with pytest.raises(error, match=message):
        deberta_c.pretrain(texts, config, tokenizer, out, **{"max_length": 16, "progress": False, **options})
    with pytest.raises(NotADirectoryError, match=r"output_dir is .*texts.txt"):
        deberta_c.pretrain(texts, config, tokenizer, texts, max_length=16, progress=False)
    broken = tmp_path / "texts.gz"
    broken.write_bytes(gzip.compress(texts.read_bytes())[:30])
    with pytest.raises(ValueError, match=r"texts.gz' is not a whole gzip file"):
        deberta_c.pretrain(broken, config, tokenizer, out, max_length=16, progress=False)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ('{"text": "a b", "label": "x"}\n' * 8, [], "all labels are 'x'; a classifier needs rows of two labels"),
        ('{"text": "a b", "label": ["x"]}\n' * 8, [], "has the label .'x'.; a label must be a text or a number"),
        ('{"text": "a b", "label": 1}\n' * 8, ["--out", "{file}/sub"], "--out is .* nothing can be written"),
        ('{"text": "a b", "label": 1}\n' * 8, ["--checkpoints", "{file}/sub"], "--checkpoints is .* nothing can be"),
        ("", [], "has no rows"),
    ],
)
def test_wrong_calls_of_the_command(tmp_path, capsys, rows, options, message):
    source = tmp_path / "train.jsonl"
    source.write_text(rows)
    given = [option.format(file=source) for option in options]
    assert main(["train", str(source), "--out", str(tmp_path / "out"), *given, "--quiet"]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_labels_of_json_are_not_cut_to_whole_numbers(tmp_path, capsys):
    """0.2 and 0.7 are two labels, not both 0."""
    source = tmp_path / "train.jsonl"
    source.write_text('{"text": "win a prize", "label": 0.2}\n{"text": "see you", "label": 0.7}\n' * 10)
    assert main(["train", str(source), "--out", str(tmp_path / "out"), "--epochs", "1", "--quiet"]) == 0
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.labels() == ["0.2", "0.7"]


def test_the_name_of_a_picture_is_looked_at_first(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    source = tmp_path / "train.csv"
    source.write_text("text,label\na,x\nb,y\n" * 5)
    assert main(["tune", str(source), "--picture", str(tmp_path / "tuned.doc")]) == 1
    assert "must end with .png, .svg, .pdf" in capsys.readouterr().err
