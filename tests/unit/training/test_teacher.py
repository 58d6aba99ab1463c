"""Distillation: models of every head that follow a teacher."""

import numpy as np
import pytest

import deberta_c
from deberta_c._models.losses import span_distillation_loss_and_gradient, span_loss_and_gradient
from deberta_c.training.callbacks import PrinterCallback
from tests.golden.draw import tiny
from tests.unit.training.test_fit import LABELS, SHORT, TEXTS, new_model
from tests.unit.training.test_other_heads import FIELDS, HEADS, MASK, PADDED, WIDTH
from tests.unit.training.test_trainer import data, same, small_model, tokenizer, trainer_of, weights

__all__ = ["tokenizer"]


def model_of(head, seed, **fields):
    config = deberta_c.DebertaV2Config.from_dict({**tiny(**FIELDS), **HEADS.get(head, ({},))[0], **fields})
    return getattr(deberta_c, f"DebertaV2For{head}")(config, seed=seed)


def columns_of(head):
    if head == "MultipleChoice":
        shape = (-1, 2, WIDTH)
        found = {"input_ids": PADDED.reshape(shape), "attention_mask": MASK.reshape(shape)}
        return {**found, "labels": PADDED[::2, 1] % 2}
    return {"input_ids": PADDED, "attention_mask": MASK, **HEADS[head][1]}


def trained(directory, head, model, teacher, **options):
    given = {name: list(column) for name, column in columns_of(head).items()}
    options = {"num_train_epochs": 20, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True, **options}
    arguments = deberta_c.TrainingArguments(str(directory), **options)
    trainer = deberta_c.Trainer(model, arguments, train_dataset=given, teacher=teacher)
    trainer.remove_callback(PrinterCallback)
    return trainer.train().training_loss


def logits_of(head, model):
    """The logits that count, as rows of which a softmax is taken."""
    columns = columns_of(head)
    labels = columns.pop("labels", None)
    columns.pop("start_positions", None)
    columns.pop("end_positions", None)
    found = model(**columns)
    if head == "QuestionAnswering":
        logits = np.concatenate([np.where(MASK, found.start_logits, 0), np.where(MASK, found.end_logits, 0)])
        return logits - logits.sum(axis=1, keepdims=True) / MASK.sum(axis=1).repeat(2).reshape(2, -1).T.reshape(-1, 1)
    logits = found.logits
    if labels is not None and labels.ndim == 2:
        logits = logits[labels != -100]
    return logits if logits.ndim == 1 else logits - logits.mean(axis=-1, keepdims=True)


@pytest.mark.parametrize("head", [*HEADS, "MultipleChoice"])
@pytest.mark.filterwarnings("ignore:train_dataset has no row", "ignore:the model gives all")
def test_a_student_comes_close_to_its_teacher(tmp_path, head):
    """It learns what the teacher has learnt, from the teacher alone; with alpha=1 the teacher has no say."""
    teacher, student = model_of(head, 1), model_of(head, 2)
    trained(tmp_path, head, teacher, None)
    wanted, before = logits_of(head, teacher), logits_of(head, student)
    trained(tmp_path, head, student, teacher, distillation_alpha=0.0, num_train_epochs=30)
    after = logits_of(head, student)
    assert np.abs(after - wanted).mean() < 0.7 * np.abs(before - wanted).mean()
    losses = [
        trained(tmp_path, head, model_of(head, 3), t, distillation_alpha=1.0, max_steps=3) for t in (None, teacher)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_gradient_of_spans():
    draw = np.random.default_rng(0)
    offsets = np.array([0, 3, 4, 9])
    logits, teacher = draw.normal(size=(2, 9, 2)).astype(np.float32)
    given = offsets, [1, 0, 9], [2, 5, 3]
    options = {"temperature": 3.0, "alpha": 0.25}
    _, gradient = span_distillation_loss_and_gradient(logits, *given, teacher, **options)
    for place in np.ndindex(9, 2):
        moved = [logits.astype(np.float64) for _ in range(2)]
        moved[0][place] -= 1e-2
        moved[1][place] += 1e-2
        low, high = (span_distillation_loss_and_gradient(x, *given, teacher, **options)[0] for x in moved)
        assert (high - low) / 2e-2 == pytest.approx(gradient[place], abs=1e-4)
    hard = span_loss_and_gradient(logits, *given)
    assert span_distillation_loss_and_gradient(logits, *given, teacher, alpha=1.0)[0] == pytest.approx(hard[0])


@pytest.mark.filterwarnings("ignore:the model gives all")
def test_a_teacher_is_a_column_of_its_logits(tokenizer, tmp_path):
    teacher, found = small_model(), []
    trainer_of(tokenizer, tmp_path, teacher).train()
    rows = data(24)
    column = {**rows, "teacher_logits": teacher.predict(rows["text"], tokenizer=tokenizer)}
    for train, given in ((column, None), (rows, teacher), ({"text": rows["text"]}, teacher)):
        model = deberta_c.AutoModelForSequenceClassification.from_config(teacher.config, seed=9)
        alpha = 0.5 if "label" in train else 0.0
        trainer = trainer_of(tokenizer, tmp_path, model, train=train, distillation_alpha=alpha, max_steps=3)
        if given is not None:
            trainer.objective.take_teacher(given)
        trainer.train()
        found.append(weights(model))
    assert same(found[0], found[1])
    assert not same(found[1], found[2])
    trainer.train_dataset = column
    with pytest.raises(ValueError, match="train_dataset has teacher_logits, and the Trainer has a teacher"):
        trainer.train()


@pytest.mark.filterwarnings("ignore:the model gives all")
def test_fit_with_a_teacher_of_another_order(tmp_path):
    teacher = new_model(id2label={0: "spam", 1: "ham"})
    teacher.fit(TEXTS, LABELS, epochs=20, validation=None, **SHORT)
    assert teacher.labels() == ["spam", "ham"]
    student = new_model(id2label={0: "ham", 1: "spam"})
    student.fit(TEXTS, LABELS, epochs=4, validation=None, teacher=teacher, distillation_alpha=0.0, **SHORT)
    np.testing.assert_array_equal(student.predict_labels(TEXTS), teacher.predict_labels(TEXTS))
    assert len(set(student.predict_labels(TEXTS))) == 2
    with pytest.raises(ValueError, match=r"teacher has the labels .*'spam', 'ham'.*, but the rows .*'x', 'y'"):
        new_model().fit(TEXTS, ["x", "y"] * 10, teacher=teacher, **SHORT)
    teacher.save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    again = new_model(id2label={0: "ham", 1: "spam"})
    again.fit(TEXTS, LABELS, epochs=4, validation=None, teacher=str(tmp_path), distillation_alpha=0.0, **SHORT)
    np.testing.assert_array_equal(again.predict(TEXTS), student.predict(TEXTS))
    with pytest.raises(TypeError, match="teacher is a int"):
        new_model().fit(TEXTS, LABELS, teacher=3, **SHORT)


@pytest.mark.parametrize(
    ("teacher", "options", "error", "message"),
    [
        (3, {}, TypeError, "teacher is a int; give a model of deberta_c with the head"),
        (("MaskedLM", {}), {}, TypeError, "teacher is a DebertaV2ForMaskedLM"),
        (("TokenClassification", {"num_labels": 4}), {}, ValueError, "teacher has num_labels 4, but the model 3"),
        (("TokenClassification", {"vocab_size": 90}), {}, ValueError, "teacher has vocab_size 90"),
        (("TokenClassification", {"id2label": {0: "b", 1: "a", 2: "c"}}), {}, ValueError, "give one of equal order"),
        (("TokenClassification", {}), {"class_weights": [1, 1, 2]}, ValueError, "class_weights is given"),
        (("TokenClassification", {}), {"compute_loss_func": min}, ValueError, "compute_loss_func replaces the loss"),
    ],
)
def test_wrong_teachers(teacher, options, error, message):
    if isinstance(teacher, tuple):
        teacher = model_of(teacher[0], 1, **teacher[1])
    model = model_of("TokenClassification", 2, id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(error, match=message):
        deberta_c.Trainer(model, teacher=teacher, **options)


def test_a_directory_is_a_teacher(tmp_path):
    for head in ("TokenClassification", "MaskedLM"):
        model_of(head, 1).save_pretrained(tmp_path / head)
        trainer = deberta_c.Trainer(model_of(head, 2), teacher=tmp_path / head)
        assert type(trainer.objective.teacher) is type(trainer.model)


def test_tune_with_a_teacher(tmp_path, monkeypatch):
    """Each trial follows it, as with fit; a directory is opened once."""
    teacher = new_model(id2label={0: "spam", 1: "ham"})
    teacher.save_pretrained(tmp_path)
    teacher.tokenizer.save_pretrained(tmp_path)
    asked, openings = {"epochs": 1, "distillation_alpha": 0.0, **SHORT}, []
    opened = deberta_c.training.tune.opened
    monkeypatch.setattr(deberta_c.training.tune, "opened", lambda *given: openings.append(1) or opened(*given))
    space = {"batch_size": [8, 16]}
    found = deberta_c.tune(new_model, TEXTS, LABELS, space=space, teacher=tmp_path, **asked)
    assert len(openings) == 1
    fitted = new_model()
    fitted.fit(TEXTS, LABELS, teacher=teacher, batch_size=found.best["batch_size"], **asked)
    assert same(weights(found.model), weights(fitted))
    assert not same(weights(deberta_c.tune(new_model, TEXTS, LABELS, space=space, **asked).model), weights(fitted))
    with pytest.raises(TypeError, match="teacher is a int; give a model of AutoModelForSequenceClassification"):
        deberta_c.tune(new_model, TEXTS, LABELS, space=space, teacher=3, **asked)
